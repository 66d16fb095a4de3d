/* The reference kernels for vectors of four bits a dimension, see turbo4.h.
 *
 * Dot products and squares are sums of products of levels, which are integers, so that every set
 * gives the same ones; factors come in at the end. Manhattan distances are between decoded values,
 * both decoded in the same way, so that equal ones cancel. No state, no failures.
 */
#include "index/kernel/kernel_int.h"
#include "index/kernel/turbo4.h"

#define TARGET
#define INLINE static inline __attribute__((always_inline))
#define CELL_LINKAGE

enum { GROUP = 1 };

INLINE int32_t level_at(enum distance distance, const struct turbo4 *vector, size_t i)
{
    static const int8_t levels[TURBO4_LEVELS] = {TURBO4_LEVEL_LIST};
    if (vector->fine) {
        return vector->levels[i];
    }
    size_t half = vector->half;
    uint8_t code = i < half ? vector->codes[i] & 15u : vector->codes[i - half] >> 4;
    return distance == DISTANCE_MANHATTAN ? code : levels[code];
}

INLINE float differences(const struct turbo4 *a, const struct turbo4 *b)
{
    float sum = 0.0f;
    for (size_t i = 0; i < a->count; i++) {
        float x = (float)level_at(DISTANCE_MANHATTAN, a, i) * a->scale + a->base;
        float y = (float)level_at(DISTANCE_MANHATTAN, b, i) * b->scale + b->base;
        sum += fabsf(x - y);
    }
    return sum;
}

INLINE void distances_of(enum distance distance, enum element element, size_t count,
                         const void *query, const void *const *rows, size_t dim, float *out)
{
    (void)element;
    struct turbo4 a = turbo4_open(distance, query, dim);
    for (size_t row = 0; row < count; row++) {
        struct turbo4 b = turbo4_open(distance, rows[row], dim);
        if (distance == DISTANCE_MANHATTAN) {
            out[row] = differences(&a, &b);
            continue;
        }
        struct turbo4_sums sums = {0};
        for (size_t i = 0; i < a.count; i++) {
            int32_t x = level_at(distance, &a, i);
            int32_t y = level_at(distance, &b, i);
            sums.pair += x * y;
            sums.squares_a += x * x;
            sums.squares_b += y * y;
        }
        out[row] = turbo4_distance(distance, &a, &b, &sums);
    }
}

#include "index/kernel/kernel_cells.inc"
CELL_FUNCTIONS(turbo4_dot_scalar, DISTANCE_DOT, ELEMENT_TURBO4)
CELL_FUNCTIONS(turbo4_euclid_scalar, DISTANCE_EUCLID, ELEMENT_TURBO4)
CELL_FUNCTIONS(turbo4_manhattan_scalar, DISTANCE_MANHATTAN, ELEMENT_TURBO4)
