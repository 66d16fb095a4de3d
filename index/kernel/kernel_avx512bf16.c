/* Dot product of bfloat16 with AVX-512 BF16; the other cells are those of AVX-512.
 *
 * vdpbf16ps adds two products to a lane of float32 in one instruction. It takes subnormal values
 * for zero and makes none, and rounds to nearest even whatever the mode: against the reference its
 * results lack the products of subnormal values. `one` and `many` share the template, so they give
 * the same bits. No state, no failures.
 */
#include "index/kernel/kernel_int.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET                                                                                     \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma,f16c")))
#define INLINE static inline __attribute__((always_inline)) TARGET

enum { GROUP = 4, STEP = 32 };

INLINE __m512bh load32(const void *vector, size_t at, __mmask32 mask)
{
    return (__m512bh)_mm512_maskz_loadu_epi16(mask, (const uint16_t *)vector + at);
}

INLINE void distances_of(enum distance distance, enum element element, size_t count,
                         const void *query, const void *const *rows, size_t dim, float *out)
{
    (void)distance; /* the dot product only */
    (void)element;
    __m512 sums[GROUP];
    for (size_t row = 0; row < count; row++) {
        sums[row] = _mm512_setzero_ps();
    }
    for (size_t i = 0; i < dim; i += STEP) {
        __mmask32 mask = dim - i < STEP ? ((__mmask32)1 << (dim - i)) - 1 : UINT32_MAX;
        __m512bh q = load32(query, i, mask);
        for (size_t row = 0; row < count; row++) {
            sums[row] = _mm512_dpbf16_ps(sums[row], q, load32(rows[row], i, mask));
        }
    }
    for (size_t row = 0; row < count; row++) {
        out[row] = -_mm512_reduce_add_ps(sums[row]);
    }
}

#include "index/kernel/kernel_cells.inc"
CELL_FUNCTIONS(dot_bf16, DISTANCE_DOT, ELEMENT_BF16)

static bool usable(void)
{
    return cpu_has_avx512() && __builtin_cpu_supports("avx512bf16");
}

const struct kernel_set kernel_set_avx512bf16 = {
    .isa = "avx512bf16",
    .usable = usable,
    .cells = {[DISTANCE_COSINE] = {[ELEMENT_BF16] =
                                       KERNEL_CELL("cosine/bf16", "/avx512bf16", dot_bf16)},
              [DISTANCE_DOT] = {[ELEMENT_BF16] = KERNEL_CELL("dot/bf16", "/avx512bf16", dot_bf16)}},
};
#endif
