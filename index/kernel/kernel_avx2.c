/* Kernels for AVX2 with FMA and F16C.
 *
 * One template per family (floats, bytes) takes distance and element as constants and is inlined
 * into every cell, so `one` and `many` share the accumulation and give the same bits. Floats: four
 * running sums of eight lanes, then single steps of eight, then a masked step for the tail. Bytes:
 * exact integer sums. No state, no failures.
 *
 * Integer bounds: a madd step adds at most 2 x 255^2 = 130,050 to a lane of 32 bits every 16
 * elements, so 65,536 dimensions reach 532,684,800 < 2^31; lanes are then summed in 64 bits. Longer
 * vectors are summed in pieces.
 */
#include "index/kernel/kernel_int.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#define TARGET __attribute__((target("avx2,fma,f16c")))
#define INLINE static inline __attribute__((always_inline)) TARGET

enum { LANES = 8, PIECE = 65536 };

INLINE __m256 load8(const void *vector, size_t at, enum element element)
{
    if (element == ELEMENT_F16) {
        return _mm256_cvtph_ps(
            _mm_loadu_si128((const __m128i *)(const void *)((const uint16_t *)vector + at)));
    }
    return _mm256_loadu_ps((const float *)vector + at);
}

/* The last 1..7 elements, zeros after them; reads no byte past the end. */
INLINE __m256 load_tail(const void *vector, size_t at, size_t left, enum element element)
{
    if (element == ELEMENT_F16) {
        uint16_t padded[LANES] = {0};
        memcpy(padded, (const uint16_t *)vector + at, left * sizeof(uint16_t));
        return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)padded));
    }
    static const int32_t masks[2 * LANES] = {-1, -1, -1, -1, -1, -1, -1, -1};
    __m256i mask =
        _mm256_loadu_si256((const __m256i *)(const void *)(masks + LANES - (ptrdiff_t)left));
    return _mm256_maskload_ps((const float *)vector + at, mask);
}

INLINE __m256 step(enum distance distance, __m256 sum, __m256 a, __m256 b)
{
    if (distance == DISTANCE_EUCLID) {
        __m256 difference = _mm256_sub_ps(a, b);
        return _mm256_fmadd_ps(difference, difference, sum);
    }
    if (distance == DISTANCE_MANHATTAN) {
        __m256 difference = _mm256_sub_ps(a, b);
        return _mm256_add_ps(sum, _mm256_andnot_ps(_mm256_set1_ps(-0.0f), difference));
    }
    return _mm256_fmadd_ps(a, b, sum);
}

INLINE float sum_lanes(__m256 v)
{
    __m128 sum = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
    sum = _mm_add_ss(sum, _mm_movehdup_ps(sum));
    return _mm_cvtss_f32(sum);
}

INLINE float floats(enum distance distance, enum element element, const void *a, const void *b,
                    size_t dim)
{
    __m256 sum0 = _mm256_setzero_ps();
    __m256 sum1 = sum0;
    __m256 sum2 = sum0;
    __m256 sum3 = sum0;
    size_t i = 0;
    for (; i + 4 * LANES <= dim; i += 4 * LANES) {
        sum0 = step(distance, sum0, load8(a, i, element), load8(b, i, element));
        sum1 = step(distance, sum1, load8(a, i + LANES, element), load8(b, i + LANES, element));
        sum2 = step(distance, sum2, load8(a, i + 2 * LANES, element),
                    load8(b, i + 2 * LANES, element));
        sum3 = step(distance, sum3, load8(a, i + 3 * LANES, element),
                    load8(b, i + 3 * LANES, element));
    }
    for (; i + LANES <= dim; i += LANES) {
        sum0 = step(distance, sum0, load8(a, i, element), load8(b, i, element));
    }
    if (i < dim) {
        sum1 = step(distance, sum1, load_tail(a, i, dim - i, element),
                    load_tail(b, i, dim - i, element));
    }
    float sum = sum_lanes(_mm256_add_ps(_mm256_add_ps(sum0, sum1), _mm256_add_ps(sum2, sum3)));
    return distance == DISTANCE_COSINE || distance == DISTANCE_DOT ? -sum : sum;
}

INLINE uint64_t sum_lanes_u32(__m256i v)
{
    __m256i low = _mm256_and_si256(v, _mm256_set1_epi64x(0xffffffff));
    __m256i wide = _mm256_add_epi64(low, _mm256_srli_epi64(v, 32));
    __m128i sum = _mm_add_epi64(_mm256_castsi256_si128(wide), _mm256_extracti128_si256(wide, 1));
    return (uint64_t)_mm_extract_epi64(sum, 0) + (uint64_t)_mm_extract_epi64(sum, 1);
}

struct byte_sums {
    uint64_t pair, norm_a, norm_b; /* the norms are for cosine only */
};

INLINE __m256i widen16(const uint8_t *bytes)
{
    return _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(const void *)bytes));
}

/* Sums over 16 elements a step; at most PIECE elements. */
INLINE struct byte_sums bytes_piece(enum distance distance, const uint8_t *a, const uint8_t *b,
                                    size_t dim)
{
    __m256i pair = _mm256_setzero_si256();
    __m256i norm_a = pair;
    __m256i norm_b = pair;
    for (size_t i = 0; i < dim; i += 16) {
        uint8_t padded[2][16];
        const uint8_t *from_a = a + i;
        const uint8_t *from_b = b + i;
        if (dim - i < 16) {
            memset(padded, 0, sizeof padded);
            memcpy(padded[0], a + i, dim - i);
            memcpy(padded[1], b + i, dim - i);
            from_a = padded[0];
            from_b = padded[1];
        }
        __m256i x = widen16(from_a);
        __m256i y = widen16(from_b);
        if (distance == DISTANCE_EUCLID) {
            __m256i difference = _mm256_sub_epi16(x, y);
            pair = _mm256_add_epi32(pair, _mm256_madd_epi16(difference, difference));
            continue;
        }
        if (distance == DISTANCE_MANHATTAN) {
            __m256i difference = _mm256_abs_epi16(_mm256_sub_epi16(x, y));
            pair = _mm256_add_epi32(pair, _mm256_madd_epi16(difference, _mm256_set1_epi16(1)));
            continue;
        }
        pair = _mm256_add_epi32(pair, _mm256_madd_epi16(x, y));
        if (distance == DISTANCE_COSINE) {
            norm_a = _mm256_add_epi32(norm_a, _mm256_madd_epi16(x, x));
            norm_b = _mm256_add_epi32(norm_b, _mm256_madd_epi16(y, y));
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
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && cpu_has_f16c();
}

const struct kernel_set kernel_set_avx2 = {
    .isa = "avx2", .usable = usable, .cells = KERNEL_CELLS("/avx2")};
#endif
