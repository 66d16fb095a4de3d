/* Which cell of the integer kernels serves this CPU, and loops over floats for encoding.
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

void code_levels(const float *in, size_t dim, float low, float scale, uint8_t most, uint8_t *out)
{
    float top = (float)most + 0.5f;
    for (size_t i = 0; i < dim; i++) {
        float level = (in[i] - low) * scale + 0.5f;
        level = level > 0.0f ? level : 0.0f;
        level = level < top ? level : top;
        out[i] = (uint8_t)(int32_t)level;
    }
}

struct code_levels_sums code_levels_dots(const float *row, const uint8_t *levels, size_t dim)
{
    /* Running sums side by side, which a compiler may not introduce by itself. */
    enum { LANES = 8 };
    float values[LANES] = {0};
    float squares[LANES] = {0};
    float products[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= dim; i += LANES) {
        for (size_t lane = 0; lane < LANES; lane++) {
            float value = row[i + lane];
            values[lane] += value;
            squares[lane] += value * value;
            products[lane] += value * (float)levels[i + lane];
        }
    }
    struct code_levels_sums sums = {0};
    for (; i < dim; i++) {
        sums.values += row[i];
        sums.squares += row[i] * row[i];
        sums.products += row[i] * (float)levels[i];
    }
    for (size_t lane = 0; lane < LANES; lane++) {
        sums.values += values[lane];
        sums.squares += squares[lane];
        sums.products += products[lane];
    }
    return sums;
}
