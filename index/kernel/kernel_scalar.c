/* The reference kernels: plain loops that run anywhere and say what each distance is.
 *
 * Every other set is tested against this one. `many` calls `one`, so both give the same bits. No
 * state, no failures.
 */
#include "index/kernel/half.h"
#include "index/kernel/kernel_int.h"

#include <math.h>

float cosine_u8_from_sums(uint64_t dot, uint64_t norm_a, uint64_t norm_b)
{
    if (norm_a == 0 || norm_b == 0) {
        return 0.0f;
    }
    return (float)(-(double)dot / sqrt((double)norm_a * (double)norm_b));
}

static float dot_f32(const void *a, const void *b, size_t dim)
{
    const float *x = a;
    const float *y = b;
    float sum = 0.0f;
    for (size_t i = 0; i < dim; i++) {
        sum += x[i] * y[i];
    }
    return -sum;
}

static float euclid_f32(const void *a, const void *b, size_t dim)
{
    const float *x = a;
    const float *y = b;
    float sum = 0.0f;
    for (size_t i = 0; i < dim; i++) {
        float difference = x[i] - y[i];
        sum += difference * difference;
    }
    return sum;
}

static float manhattan_f32(const void *a, const void *b, size_t dim)
{
    const float *x = a;
    const float *y = b;
    float sum = 0.0f;
    for (size_t i = 0; i < dim; i++) {
        sum += fabsf(x[i] - y[i]);
    }
    return sum;
}

static float dot_f16(const void *a, const void *b, size_t dim)
{
    const uint16_t *x = a;
    const uint16_t *y = b;
    float sum = 0.0f;
    for (size_t i = 0; i < dim; i++) {
        sum += half_to_float(x[i]) * half_to_float(y[i]);
    }
    return -sum;
}

static float euclid_f16(const void *a, const void *b, size_t dim)
{
    const uint16_t *x = a;
    const uint16_t *y = b;
    float sum = 0.0f;
    for (size_t i = 0; i < dim; i++) {
        float difference = half_to_float(x[i]) - half_to_float(y[i]);
        sum += difference * difference;
    }
    return sum;
}

static float manhattan_f16(const void *a, const void *b, size_t dim)
{
    const uint16_t *x = a;
    const uint16_t *y = b;
    float sum = 0.0f;
    for (size_t i = 0; i < dim; i++) {
        sum += fabsf(half_to_float(x[i]) - half_to_float(y[i]));
    }
    return sum;
}

static float cosine_u8(const void *a, const void *b, size_t dim)
{
    const uint8_t *x = a;
    const uint8_t *y = b;
    uint64_t dot = 0;
    uint64_t norm_x = 0;
    uint64_t norm_y = 0;
    for (size_t i = 0; i < dim; i++) {
        dot += (uint32_t)x[i] * y[i];
        norm_x += (uint32_t)x[i] * x[i];
        norm_y += (uint32_t)y[i] * y[i];
    }
    return cosine_u8_from_sums(dot, norm_x, norm_y);
}

static float dot_u8(const void *a, const void *b, size_t dim)
{
    const uint8_t *x = a;
    const uint8_t *y = b;
    uint64_t sum = 0;
    for (size_t i = 0; i < dim; i++) {
        sum += (uint32_t)x[i] * y[i];
    }
    return -(float)sum;
}

static float euclid_u8(const void *a, const void *b, size_t dim)
{
    const uint8_t *x = a;
    const uint8_t *y = b;
    uint64_t sum = 0;
    for (size_t i = 0; i < dim; i++) {
        int32_t difference = (int32_t)x[i] - (int32_t)y[i];
        sum += (uint32_t)(difference * difference);
    }
    return (float)sum;
}

static float manhattan_u8(const void *a, const void *b, size_t dim)
{
    const uint8_t *x = a;
    const uint8_t *y = b;
    uint64_t sum = 0;
    for (size_t i = 0; i < dim; i++) {
        sum += (uint32_t)(x[i] > y[i] ? x[i] - y[i] : y[i] - x[i]);
    }
    return (float)sum;
}

typedef float one_function(const void *a, const void *b, size_t dim);

static inline void each_pair(one_function *one, size_t row_bytes, const void *query,
                             const void *const *vectors, size_t count, size_t dim, float *out)
{
    struct prefetch_plan plan = prefetch_plan_for(row_bytes);
    for (size_t i = 0; i < count; i++) {
        if (i + plan.ahead < count) {
            prefetch_row(vectors[i + plan.ahead], plan.bytes);
        }
        out[i] = one(query, vectors[i], dim);
    }
}

/* Defines the `many` twin of a `one`; the loop itself is each_pair. */
#define MANY(one, size)                                                                            \
    static void one##_many(const void *query, const void *const *vectors, size_t count,            \
                           size_t dim, float *out)                                                 \
    {                                                                                              \
        each_pair(one, (size)*dim, query, vectors, count, dim, out);                               \
    }
MANY(dot_f32, 4)
MANY(euclid_f32, 4)
MANY(manhattan_f32, 4)
MANY(dot_f16, 2)
MANY(euclid_f16, 2)
MANY(manhattan_f16, 2)
MANY(cosine_u8, 1)
MANY(dot_u8, 1)
MANY(euclid_u8, 1)
MANY(manhattan_u8, 1)

static bool usable(void)
{
    return true;
}

#define CELL(text, function)                                                                       \
    {                                                                                              \
        .name = text "/scalar", .one = function, .many = function##_many                           \
    }
const struct kernel_set kernel_set_scalar = {
    .isa = "scalar",
    .usable = usable,
    .cells =
        {
            [DISTANCE_COSINE] = {[ELEMENT_F32] = CELL("cosine/f32", dot_f32),
                                 [ELEMENT_F16] = CELL("cosine/f16", dot_f16),
                                 [ELEMENT_U8] = CELL("cosine/u8", cosine_u8)},
            [DISTANCE_DOT] = {[ELEMENT_F32] = CELL("dot/f32", dot_f32),
                              [ELEMENT_F16] = CELL("dot/f16", dot_f16),
                              [ELEMENT_U8] = CELL("dot/u8", dot_u8)},
            [DISTANCE_EUCLID] = {[ELEMENT_F32] = CELL("euclid/f32", euclid_f32),
                                 [ELEMENT_F16] = CELL("euclid/f16", euclid_f16),
                                 [ELEMENT_U8] = CELL("euclid/u8", euclid_u8)},
            [DISTANCE_MANHATTAN] = {[ELEMENT_F32] = CELL("manhattan/f32", manhattan_f32),
                                    [ELEMENT_F16] = CELL("manhattan/f16", manhattan_f16),
                                    [ELEMENT_U8] = CELL("manhattan/u8", manhattan_u8)},
        },
};
