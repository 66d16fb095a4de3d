/* Kernels for NEON, which every 64-bit ARM has.
 *
 * The shape of the AVX2 file: one template per family takes distance, element and the number of
 * rows as constants and is inlined into every cell, so `one` and `many` share the accumulation and
 * give the same bits. Floats: steps of sixteen elements into four running sums of four lanes.
 * bfloat16 puts even elements in one register and odd ones in the next: that is one shift and one
 * mask. No state, no failures.
 */
#include "index/kernel/kernel_int.h"

#if defined(__aarch64__)
#include <arm_neon.h>
#include <string.h>

#define TARGET
#define INLINE static inline __attribute__((always_inline))

INLINE uint32x4_t add_products(uint32x4_t sum, uint8x16_t a, uint8x16_t b)
{
    sum = vpadalq_u16(sum, vmull_u8(vget_low_u8(a), vget_low_u8(b)));
    return vpadalq_u16(sum, vmull_high_u8(a, b));
}

#include "index/kernel/kernel_neon.inc"

enum { STEP = 16, LANES = 4 };

struct lanes {
    float32x4_t v[LANES];
};

INLINE struct lanes widen(struct raw raw, enum element element)
{
    struct lanes out;
    for (size_t k = 0; k < LANES; k++) {
        uint8x16_t bytes = raw.v[element == ELEMENT_F32 ? k : k / 2];
        uint32x4_t words = vreinterpretq_u32_u8(bytes);
        float16x8_t halves = vreinterpretq_f16_u8(bytes);
        if (element == ELEMENT_F16) {
            out.v[k] = k % 2 == 0 ? vcvt_f32_f16(vget_low_f16(halves)) : vcvt_high_f32_f16(halves);
        } else if (element == ELEMENT_BF16) {
            out.v[k] = vreinterpretq_f32_u32(
                k % 2 == 0 ? vshlq_n_u32(words, 16) : vandq_u32(words, vdupq_n_u32(0xffff0000u)));
        } else {
            out.v[k] = vreinterpretq_f32_u8(bytes);
        }
    }
    return out;
}

INLINE struct lanes load16(const void *vector, size_t at, enum element element)
{
    size_t size = element == ELEMENT_F32 ? 4 : 2;
    return widen(load_raw((const uint8_t *)vector + at * size, STEP * size), element);
}

/* The last 1..15 elements, zeros about them. */
INLINE struct lanes load_tail(const void *vector, size_t dim, size_t left, enum element element)
{
    size_t size = element == ELEMENT_F32 ? 4 : 2;
    return widen(load_raw_tail(vector, dim * size, left * size, STEP * size), element);
}

INLINE float32x4_t step(enum distance distance, float32x4_t sum, float32x4_t a, float32x4_t b)
{
    if (distance == DISTANCE_EUCLID) {
        float32x4_t difference = vsubq_f32(a, b);
        return vfmaq_f32(sum, difference, difference);
    }
    if (distance == DISTANCE_MANHATTAN) {
        return vaddq_f32(sum, vabdq_f32(a, b));
    }
    return vfmaq_f32(sum, a, b);
}

INLINE void add_step(enum distance distance, float32x4_t *sums, struct lanes query,
                     struct lanes row)
{
    for (size_t k = 0; k < LANES; k++) {
        sums[k] = step(distance, sums[k], query.v[k], row.v[k]);
    }
}

INLINE void floats(enum distance distance, enum element element, size_t count, const void *query,
                   const void *const *rows, size_t dim, float *out)
{
    float32x4_t sums[GROUP][LANES];
    for (size_t k = 0; k < count * LANES; k++) {
        sums[k / LANES][k % LANES] = vdupq_n_f32(0.0f);
    }
    size_t i = 0;
    for (; i + STEP <= dim; i += STEP) {
        struct lanes q = load16(query, i, element);
        for (size_t row = 0; row < count; row++) {
            add_step(distance, sums[row], q, load16(rows[row], i, element));
        }
    }
    if (i < dim) {
        struct lanes q = load_tail(query, dim, dim - i, element);
        for (size_t row = 0; row < count; row++) {
            add_step(distance, sums[row], q, load_tail(rows[row], dim, dim - i, element));
        }
    }
    for (size_t row = 0; row < count; row++) {
        const float32x4_t *s = sums[row];
        float sum = vaddvq_f32(vaddq_f32(vaddq_f32(s[0], s[1]), vaddq_f32(s[2], s[3])));
        out[row] = distance == DISTANCE_COSINE || distance == DISTANCE_DOT ? -sum : sum;
    }
}

INLINE void distances_of(enum distance distance, enum element element, size_t count,
                         const void *query, const void *const *rows, size_t dim, float *out)
{
    if (element == ELEMENT_U8) {
        bytes(distance, count, query, rows, dim, out);
    } else {
        floats(distance, element, count, query, rows, dim, out);
    }
}

#include "index/kernel/kernel_cells.inc"
ALL_CELL_FUNCTIONS

static bool usable(void)
{
    return true;
}

const struct kernel_set kernel_set_neon = {
    .isa = "neon", .usable = usable, .cells = KERNEL_CELLS("/neon")};
#endif
