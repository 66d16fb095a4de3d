/* The kernel table: which cell serves which pair of distance and element on this CPU, and what
 * distances are called.
 *
 * kernel_init walks the sets from the plainest to the widest and lets each usable one overwrite the
 * cells it has. The table is written once before threads start and only read after. Nothing here
 * fails.
 */
#include "index/kernel/kernel.h"

#include "index/kernel/kernel_int.h"
#include "index/kernel/turbo4.h"
#include "storage/base/assert.h"

#include <math.h>

static const struct kernel_set *const sets[] = {
    &kernel_set_scalar,
#if defined(__x86_64__)
    &kernel_set_avx2,   &kernel_set_avx512,  &kernel_set_avx512vnni, &kernel_set_avx512bf16,
#endif
#if defined(__aarch64__)
    &kernel_set_neon,   &kernel_set_dotprod,
#endif
};
enum { SETS_COUNT = sizeof sets / sizeof sets[0] };

static const struct kernel *table[DISTANCE_COUNT][ELEMENT_COUNT];
static const char *best_isa;

static const struct {
    const char *name;
    bool larger_is_better;
} distances[DISTANCE_COUNT] = {
#define X(suffix, word, larger) [DISTANCE_##suffix] = {.name = word, .larger_is_better = larger},
#include "index/kernel/distance.def"
#undef X
};

void kernel_init(void)
{
    if (best_isa != NULL) {
        return;
    }
    const char *best = NULL;
    for (size_t s = 0; s < SETS_COUNT; s++) {
        if (!sets[s]->usable()) {
            continue;
        }
        best = sets[s]->isa;
        for (size_t cell = 0; cell < (size_t)DISTANCE_COUNT * ELEMENT_COUNT; cell++) {
            const struct kernel *kernel =
                &sets[s]->cells[cell / ELEMENT_COUNT][cell % ELEMENT_COUNT];
            if (kernel->one != NULL) {
                table[cell / ELEMENT_COUNT][cell % ELEMENT_COUNT] = kernel;
            }
        }
    }
    best_isa = best;
}

const struct kernel *kernel_get(enum distance distance, enum element element)
{
    ASSERT(best_isa != NULL); /* kernel_init comes first */
    ASSERT(distance < DISTANCE_COUNT && element < ELEMENT_COUNT);
    return table[distance][element];
}

const struct kernel *kernel_scalar(enum distance distance, enum element element)
{
    ASSERT(distance < DISTANCE_COUNT && element < ELEMENT_COUNT);
    return &kernel_set_scalar.cells[distance][element];
}

const char *kernel_isa(void)
{
    ASSERT(best_isa != NULL);
    return best_isa;
}

const char *kernel_set_usable(size_t index)
{
    for (size_t s = 0; s < SETS_COUNT; s++) {
        if (sets[s]->usable() && index-- == 0) {
            return sets[s]->isa;
        }
    }
    return NULL;
}

bool kernel_cell(size_t index, enum distance *distance, enum element *element,
                 const struct kernel **out)
{
    for (size_t s = 0; s < SETS_COUNT; s++) {
        if (!sets[s]->usable()) {
            continue;
        }
        for (size_t cell = 0; cell < (size_t)DISTANCE_COUNT * ELEMENT_COUNT; cell++) {
            const struct kernel *kernel =
                &sets[s]->cells[cell / ELEMENT_COUNT][cell % ELEMENT_COUNT];
            if (kernel->one == NULL || index-- > 0) {
                continue;
            }
            *distance = (enum distance)(cell / ELEMENT_COUNT);
            *element = (enum element)(cell % ELEMENT_COUNT);
            *out = kernel;
            return true;
        }
    }
    return false;
}

size_t row_bytes(enum element element, size_t dim)
{
    if (element == ELEMENT_TURBO4) {
        return TURBO4_HEAD + (dim + 1) / 2;
    }
    static const size_t sizes[ELEMENT_COUNT] = {
        [ELEMENT_F32] = 4, [ELEMENT_F16] = 2, [ELEMENT_U8] = 1, [ELEMENT_BF16] = 2};
    ASSERT(element < ELEMENT_COUNT);
    return dim * sizes[element];
}

size_t query_bytes(enum element element, size_t dim)
{
    return element == ELEMENT_TURBO4 ? TURBO4_QUERY_HEAD + (dim + 1) / 2 * 2
                                     : row_bytes(element, dim);
}

const char *distance_name(enum distance distance)
{
    ASSERT(distance < DISTANCE_COUNT);
    return distances[distance].name;
}

bool distance_larger_is_better(enum distance distance)
{
    ASSERT(distance < DISTANCE_COUNT);
    return distances[distance].larger_is_better;
}

float distance_score(enum distance distance, float raw)
{
    if (distance_larger_is_better(distance)) {
        return 0.0f - raw; /* not -raw: a score of minus zero would show */
    }
    return distance == DISTANCE_EUCLID ? sqrtf(raw) : raw;
}

float distance_raw(enum distance distance, float score)
{
    if (distance_larger_is_better(distance)) {
        return 0.0f - score;
    }
    /* A negative bound stays below every distance. */
    return distance == DISTANCE_EUCLID ? score * fabsf(score) : score;
}
