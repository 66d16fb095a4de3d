/* Kernels for AVX-512 (F, BW, DQ, VL): the shape of the AVX2 file with lanes twice as wide and
 * masked tails.
 *
 * One template per family takes distance and element as constants and is inlined into every cell,
 * so `one` and `many` give the same bits. No state, no failures.
 *
 * Integer bounds: a madd step adds at most 130,050 to a lane of 32 bits every 32 elements: 65,536
 * dimensions stay below 2^28. Lanes are then summed in 64 bits. Longer vectors are summed in
 * pieces.
 */
#include "index/kernel/kernel_int.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")))
#define INLINE static inline __attribute__((always_inline)) TARGET

enum { LANES = 16, PIECE = 65536 };

INLINE __m512 load16(const void *vector, size_t at, enum element element)
{
    if (element == ELEMENT_F16) {
        return _mm512_cvtph_ps(
            _mm256_loadu_si256((const __m256i *)(const void *)((const uint16_t *)vector + at)));
    }
    return _mm512_loadu_ps((const float *)vector + at);
}

/* The last 1..15 elements, zeros after them; masked lanes are not read. */
INLINE __m512 load_tail(const void *vector, size_t at, size_t left, enum element element)
{
    __mmask16 mask = (__mmask16)((1u << left) - 1u);
    if (element == ELEMENT_F16) {
        return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, (const uint16_t *)vector + at));
    }
    return _mm512_maskz_loadu_ps(mask, (const float *)vector + at);
}

INLINE __m512 step(enum distance distance, __m512 sum, __m512 a, __m512 b)
{
    if (distance == DISTANCE_EUCLID) {
        __m512 difference = _mm512_sub_ps(a, b);
        return _mm512_fmadd_ps(difference, difference, sum);
    }
    if (distance == DISTANCE_MANHATTAN) {
        return _mm512_add_ps(sum, _mm512_abs_ps(_mm512_sub_ps(a, b)));
    }
    return _mm512_fmadd_ps(a, b, sum);
}

INLINE float floats(enum distance distance, enum element element, const void *a, const void *b,
                    size_t dim)
{
    __m512 sum0 = _mm512_setzero_ps();
    __m512 sum1 = sum0;
    __m512 sum2 = sum0;
    __m512 sum3 = sum0;
    size_t i = 0;
    for (; i + 4 * LANES <= dim; i += 4 * LANES) {
        sum0 = step(distance, sum0, load16(a, i, element), load16(b, i, element));
        sum1 = step(distance, sum1, load16(a, i + LANES, element), load16(b, i + LANES, element));
        sum2 = step(distance, sum2, load16(a, i + 2 * LANES, element),
                    load16(b, i + 2 * LANES, element));
        sum3 = step(distance, sum3, load16(a, i + 3 * LANES, element),
                    load16(b, i + 3 * LANES, element));
    }
    for (; i + LANES <= dim; i += LANES) {
        sum0 = step(distance, sum0, load16(a, i, element), load16(b, i, element));
    }
    if (i < dim) {
        sum1 = step(distance, sum1, load_tail(a, i, dim - i, element),
                    load_tail(b, i, dim - i, element));
    }
    float sum =
        _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(sum0, sum1), _mm512_add_ps(sum2, sum3)));
    return distance == DISTANCE_COSINE || distance == DISTANCE_DOT ? -sum : sum;
}

INLINE uint64_t sum_lanes_u32(__m512i v)
{
    __m512i low = _mm512_and_si512(v, _mm512_set1_epi64(0xffffffff));
    return (uint64_t)_mm512_reduce_add_epi64(_mm512_add_epi64(low, _mm512_srli_epi64(v, 32)));
}

struct byte_sums {
    uint64_t pair, norm_a, norm_b; /* the norms are for cosine only */
};

/* Up to 32 bytes as 16-bit lanes; lanes past `left` are zero and not read. */
INLINE __m512i widen32(const uint8_t *bytes, size_t left)
{
    __mmask32 mask = left >= 32 ? ~(__mmask32)0 : ((__mmask32)1 << left) - 1;
    return _mm512_cvtepu8_epi16(_mm256_maskz_loadu_epi8(mask, bytes));
}

/* At most PIECE elements. */
INLINE struct byte_sums bytes_piece(enum distance distance, const uint8_t *a, const uint8_t *b,
                                    size_t dim)
{
    __m512i pair = _mm512_setzero_si512();
    __m512i norm_a = pair;
    __m512i norm_b = pair;
    for (size_t i = 0; i < dim; i += 32) {
        __m512i x = widen32(a + i, dim - i);
        __m512i y = widen32(b + i, dim - i);
        if (distance == DISTANCE_EUCLID) {
            __m512i difference = _mm512_sub_epi16(x, y);
            pair = _mm512_add_epi32(pair, _mm512_madd_epi16(difference, difference));
            continue;
        }
        if (distance == DISTANCE_MANHATTAN) {
            __m512i difference = _mm512_abs_epi16(_mm512_sub_epi16(x, y));
            pair = _mm512_add_epi32(pair, _mm512_madd_epi16(difference, _mm512_set1_epi16(1)));
            continue;
        }
        pair = _mm512_add_epi32(pair, _mm512_madd_epi16(x, y));
        if (distance == DISTANCE_COSINE) {
            norm_a = _mm512_add_epi32(norm_a, _mm512_madd_epi16(x, x));
            norm_b = _mm512_add_epi32(norm_b, _mm512_madd_epi16(y, y));
        }
    }
    struct byte_sums sums = {.pair = sum_lanes_u32(pair)};
    if (distance == DISTANCE_COSINE) {
        sums.norm_a = sum_lanes_u32(norm_a);
        sums.norm_b = sum_lanes_u32(norm_b);
    }
    return sums;
}

INLINE float bytes(enum distance distance, const void *a, const void *b, size_t dim)
{
    struct byte_sums all = {0};
    for (size_t at = 0; at < dim; at += PIECE) {
        size_t piece = dim - at < PIECE ? dim - at : PIECE;
        struct byte_sums sums =
            bytes_piece(distance, (const uint8_t *)a + at, (const uint8_t *)b + at, piece);
        all.pair += sums.pair;
        all.norm_a += sums.norm_a;
        all.norm_b += sums.norm_b;
    }
    if (distance == DISTANCE_COSINE) {
        return cosine_u8_from_sums(all.pair, all.norm_a, all.norm_b);
    }
    return distance == DISTANCE_DOT ? -(float)all.pair : (float)all.pair;
}

INLINE float pair_of(enum distance distance, enum element element, const void *a, const void *b,
                     size_t dim)
{
    return element == ELEMENT_U8 ? bytes(distance, a, b, dim)
                                 : floats(distance, element, a, b, dim);
}

#include "index/kernel/kernel_cells.inc"

static bool usable(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && cpu_has_f16c();
}

const struct kernel_set kernel_set_avx512 = {
    .isa = "avx512", .usable = usable, .cells = KERNEL_CELLS("/avx512")};
#endif
