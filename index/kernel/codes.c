/* Which cell of the integer kernels serves this CPU.
 *
 * The list of sets goes from the plainest to the widest; the last usable one that has a cell gives
 * it. No state, no failures.
 */
#include "index/kernel/codes.h"

#include "index/kernel/codes_int.h"
#include "storage/base/assert.h"

static const struct code_set *const sets[] = {
    &code_set_scalar,
#if defined(__x86_64__)
    &code_set_avx2,
    &code_set_avx512,
#endif
#if defined(__aarch64__)
    &code_set_neon,
#endif
};
enum { SETS_COUNT = sizeof sets / sizeof sets[0] };

const struct code_kernel *code_kernel_get(enum code_sum sum)
{
    ASSERT(sum < CODE_SUM_COUNT);
    const struct code_kernel *best = NULL;
    for (size_t s = 0; s < SETS_COUNT; s++) {
        if (sets[s]->cells[sum].many != NULL && sets[s]->usable()) {
            best = &sets[s]->cells[sum];
        }
    }
    ASSERT(best != NULL);
    return best;
}

const struct code_kernel *code_kernel_scalar(enum code_sum sum)
{
    ASSERT(sum < CODE_SUM_COUNT);
    return &code_set_scalar.cells[sum];
}

bool code_kernel_cell(size_t index, enum code_sum *sum, const struct code_kernel **out)
{
    for (size_t s = 0; s < SETS_COUNT; s++) {
        if (!sets[s]->usable()) {
            continue;
        }
        for (size_t cell = 0; cell < CODE_SUM_COUNT; cell++) {
            if (sets[s]->cells[cell].many == NULL || index-- > 0) {
                continue;
            }
            *sum = (enum code_sum)cell;
            *out = &sets[s]->cells[cell];
            return true;
        }
    }
    return false;
}

code_nearest *code_nearest_get(void)
{
    code_nearest *best = code_nearest_scalar;
    for (size_t s = 0; s < SETS_COUNT; s++) {
        if (sets[s]->nearest != NULL && sets[s]->usable()) {
            best = sets[s]->nearest;
        }
    }
    return best;
}
