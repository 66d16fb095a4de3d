/* The reference kernels: plain loops that run anywhere and say what each distance is.
 *
 * Every other set is tested against this one. The template is inlined into every cell with distance
 * and element as constants. `many` calls the same function as `one`, so both give the same bits. No
 * state, no failures.
 */
#include "index/kernel/half.h"
#include "index/kernel/kernel_int.h"

#include <math.h>

#define TARGET
#define INLINE static inline __attribute__((always_inline))

enum { GROUP = 1 };

float distance_u8_from_sums(enum distance distance, const struct byte_sums *sums)
{
    if (distance == DISTANCE_DOT) {
        return -(float)sums->pair;
    }
    if (distance != DISTANCE_COSINE) {
        return (float)sums->pair;
    }
    if (sums->norm_query == 0 || sums->norm == 0) {
        return 0.0f;
    }
    return (float)(-(double)sums->pair / sqrt((double)sums->norm_query * (double)sums->norm));
}

INLINE float value_at(const void *vector, size_t i, enum element element)
{
    if (element == ELEMENT_F16) {
        return half_to_float(((const uint16_t *)vector)[i]);
    }
    if (element == ELEMENT_BF16) {
        return bfloat_to_float(((const uint16_t *)vector)[i]);
    }
    return ((const float *)vector)[i];
}

INLINE float floats(enum distance distance, enum element element, const void *a, const void *b,
                    size_t dim)
{
    float sum = 0.0f;
    for (size_t i = 0; i < dim; i++) {
        float x = value_at(a, i, element);
        float y = value_at(b, i, element);
        if (distance == DISTANCE_EUCLID) {
            sum += (x - y) * (x - y);
        } else if (distance == DISTANCE_MANHATTAN) {
            sum += fabsf(x - y);
        } else {
            sum += x * y;
        }
    }
    return distance == DISTANCE_COSINE || distance == DISTANCE_DOT ? -sum : sum;
}

INLINE float bytes(enum distance distance, const uint8_t *query, const uint8_t *row, size_t dim)
{
    struct byte_sums sums = {0};
    for (size_t i = 0; i < dim; i++) {
        int32_t difference = (int32_t)query[i] - (int32_t)row[i];
        if (distance == DISTANCE_EUCLID) {
            sums.pair += (uint32_t)(difference * difference);
        } else if (distance == DISTANCE_MANHATTAN) {
            sums.pair += (uint32_t)(difference < 0 ? -difference : difference);
        } else {
            sums.pair += (uint32_t)query[i] * row[i];
        }
        if (distance == DISTANCE_COSINE) {
            sums.norm += (uint32_t)row[i] * row[i];
            sums.norm_query += (uint32_t)query[i] * query[i];
        }
    }
    return distance_u8_from_sums(distance, &sums);
}

INLINE void distances_of(enum distance distance, enum element element, size_t count,
                         const void *query, const void *const *rows, size_t dim, float *out)
{
    for (size_t row = 0; row < count; row++) {
        out[row] = element == ELEMENT_U8 ? bytes(distance, query, rows[row], dim)
                                         : floats(distance, element, query, rows[row], dim);
    }
}

#include "index/kernel/kernel_cells.inc"
ALL_CELL_FUNCTIONS

static bool usable(void)
{
    return true;
}

const struct kernel_set kernel_set_scalar = {.isa = "scalar",
                                             .usable = usable,
                                             .cells = KERNEL_CELLS("/scalar"),
                                             TURBO4_CELLS("/scalar", scalar)};
