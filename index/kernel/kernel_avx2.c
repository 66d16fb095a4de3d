/* Kernels for AVX2 with FMA and F16C.
 *
 * One template per family (floats, bytes) takes distance, element and the number of rows as
 * constants and is inlined into every cell, so `one` and `many` share the accumulation and give the
 * same bits: a row's sums do not depend on the rows beside it. Several rows at a time share the
 * loads and conversions of the query. No state, no failures.
 *
 * Floats: steps of sixteen elements into two running sums of eight lanes; a step of masked loads
 * for the tail. bfloat16 puts even elements in one register and odd ones in the other: that is one
 * shift and one mask. Bytes: 32 a step, as 16-bit even and odd elements; exact integer sums.
 *
 * Integer bounds: a step adds at most 4 x 255^2 = 260,100 to a lane of 32 bits every 32 elements,
 * so 65,536 dimensions reach 532,684,800 < 2^31 in a lane and 4,261,478,400 < 2^32 in all eight.
 * Longer vectors are summed in pieces.
 */
#include "index/kernel/kernel_int.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#define TARGET __attribute__((target("avx2,fma,f16c")))
#define INLINE static inline __attribute__((always_inline)) TARGET

enum { GROUP = 4, STEP = 16, BYTES_STEP = 32, PIECE = 65536 };

struct lanes {
    __m256 v[2];
};

INLINE __m256i load_bytes(const void *from)
{
    return _mm256_loadu_si256((const __m256i *)from);
}

/* Ones in the last `left` bytes of 32. */
INLINE __m256i last_bytes(size_t left)
{
    static const int64_t masks[8] = {0, 0, 0, 0, -1, -1, -1, -1};
    return load_bytes((const int8_t *)masks + left);
}

/* A vector of fewer than 32 bytes and zeros after it. */
__attribute__((noinline)) TARGET static __m256i load_short(const void *vector, size_t size)
{
    uint8_t padded[32] = {0};
    memcpy(padded, vector, size);
    return load_bytes(padded);
}

/* The last `left` bytes, fewer than 32, of a vector of `size` bytes, with zeros about them; reads
 * no byte outside of the vector. The place of a value depends on `size` alone. */
INLINE __m256i load_bytes_tail(const void *vector, size_t size, size_t left)
{
    if (size < 32) {
        return load_short(vector, size);
    }
    return _mm256_and_si256(load_bytes((const uint8_t *)vector + size - 32), last_bytes(left));
}

INLINE struct lanes widen(__m256i halves, enum element element)
{
    if (element == ELEMENT_F16) {
        return (struct lanes){{_mm256_cvtph_ps(_mm256_castsi256_si128(halves)),
                               _mm256_cvtph_ps(_mm256_extracti128_si256(halves, 1))}};
    }
    __m256i odd = _mm256_and_si256(halves, _mm256_set1_epi32(-65536));
    return (struct lanes){
        {_mm256_castsi256_ps(_mm256_slli_epi32(halves, 16)), _mm256_castsi256_ps(odd)}};
}

INLINE struct lanes load16(const void *vector, size_t at, enum element element)
{
    if (element == ELEMENT_F32) {
        const float *from = (const float *)vector + at;
        return (struct lanes){{_mm256_loadu_ps(from), _mm256_loadu_ps(from + 8)}};
    }
    if (element == ELEMENT_F16) {
        const uint16_t *from = (const uint16_t *)vector + at;
        return (struct lanes){
            {_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)from)),
             _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(from + 8)))}};
    }
    return widen(load_bytes((const uint16_t *)vector + at), element);
}

/* The last 1..15 elements, zeros after or before them; reads no byte outside of the vector. */
INLINE struct lanes load_tail(const void *vector, size_t dim, size_t left, enum element element)
{
    if (element != ELEMENT_F32) {
        return widen(load_bytes_tail(vector, 2 * dim, 2 * left), element);
    }
    static const int32_t masks[32] = {-1, -1, -1, -1, -1, -1, -1, -1,
                                      -1, -1, -1, -1, -1, -1, -1, -1};
    const int32_t *mask = masks + 16 - left;
    const float *from = (const float *)vector + dim - left;
    return (struct lanes){{_mm256_maskload_ps(from, load_bytes(mask)),
                           _mm256_maskload_ps(from + 8, load_bytes(mask + 8))}};
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

INLINE __m128 sum_halves(__m256 v)
{
    return _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
}

/* Sums of lanes in one order: each half's, then those two apart, then neighbours. */
INLINE float sum_lanes(__m256 v)
{
    __m128 sum = sum_halves(v);
    sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
    sum = _mm_add_ss(sum, _mm_movehdup_ps(sum));
    return _mm_cvtss_f32(sum);
}

/* The same of GROUP registers at once. */
INLINE __m128 sum_lanes_group(const __m256 *v)
{
    __m128 a = sum_halves(v[0]);
    __m128 b = sum_halves(v[1]);
    __m128 c = sum_halves(v[2]);
    __m128 d = sum_halves(v[3]);
    __m128 ab = _mm_add_ps(_mm_unpacklo_ps(a, b), _mm_unpackhi_ps(a, b));
    __m128 cd = _mm_add_ps(_mm_unpacklo_ps(c, d), _mm_unpackhi_ps(c, d));
    return _mm_add_ps(_mm_movelh_ps(ab, cd), _mm_movehl_ps(cd, ab));
}

INLINE void add_step(enum distance distance, __m256 *sums, struct lanes query, struct lanes row)
{
    sums[0] = step(distance, sums[0], query.v[0], row.v[0]);
    sums[1] = step(distance, sums[1], query.v[1], row.v[1]);
}

INLINE void floats(enum distance distance, enum element element, size_t count, const void *query,
                   const void *const *rows, size_t dim, float *out)
{
    __m256 sums[GROUP][2];
    for (size_t row = 0; row < count; row++) {
        sums[row][0] = sums[row][1] = _mm256_setzero_ps();
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
    __m256 sum[GROUP];
    for (size_t row = 0; row < count; row++) {
        sum[row] = _mm256_add_ps(sums[row][0], sums[row][1]);
    }
    bool negative = distance == DISTANCE_COSINE || distance == DISTANCE_DOT;
    if (count == GROUP) {
        __m128 sign = negative ? _mm_set1_ps(-0.0f) : _mm_setzero_ps();
        _mm_storeu_ps(out, _mm_xor_ps(sum_lanes_group(sum), sign));
    } else {
        out[0] = negative ? -sum_lanes(sum[0]) : sum_lanes(sum[0]);
    }
}

INLINE uint64_t sum_lanes_u64(__m256i v)
{
    __m128i sum = _mm_add_epi64(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    return (uint64_t)_mm_extract_epi64(sum, 0) + (uint64_t)_mm_extract_epi64(sum, 1);
}

INLINE uint32_t sum_lanes_u32(__m256i v)
{
    __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    sum = _mm_add_epi32(sum, _mm_unpackhi_epi64(sum, sum));
    return (uint32_t)_mm_cvtsi128_si32(sum) + (uint32_t)_mm_extract_epi32(sum, 1);
}

/* 32 bytes as 16-bit lanes: those at even places and those at odd places. */
struct bytes_split {
    __m256i bytes, even, odd;
};

INLINE struct bytes_split split(__m256i bytes)
{
    return (struct bytes_split){.bytes = bytes,
                                .even = _mm256_and_si256(bytes, _mm256_set1_epi16(0xff)),
                                .odd = _mm256_srli_epi16(bytes, 8)};
}

INLINE __m256i add_products(__m256i sum, struct bytes_split a, struct bytes_split b)
{
    return _mm256_add_epi32(
        sum, _mm256_add_epi32(_mm256_madd_epi16(a.even, b.even), _mm256_madd_epi16(a.odd, b.odd)));
}

INLINE __m256i bytes_step(enum distance distance, __m256i sum, struct bytes_split q,
                          struct bytes_split r)
{
    if (distance == DISTANCE_MANHATTAN) {
        return _mm256_add_epi64(sum, _mm256_sad_epu8(q.bytes, r.bytes));
    }
    if (distance == DISTANCE_EUCLID) {
        struct bytes_split difference = {.even = _mm256_sub_epi16(q.even, r.even),
                                         .odd = _mm256_sub_epi16(q.odd, r.odd)};
        return add_products(sum, difference, difference);
    }
    return add_products(sum, q, r);
}

struct byte_lanes {
    __m256i pair[GROUP], norm[GROUP], norm_query;
};

INLINE void add_bytes(enum distance distance, struct byte_lanes *sums, size_t row, __m256i query,
                      __m256i bytes)
{
    struct bytes_split q = split(query);
    struct bytes_split r = split(bytes);
    sums->pair[row] = bytes_step(distance, sums->pair[row], q, r);
    if (distance == DISTANCE_COSINE) {
        sums->norm[row] = add_products(sums->norm[row], r, r);
        sums->norm_query = row == 0 ? add_products(sums->norm_query, q, q) : sums->norm_query;
    }
}

/* The sums of `count` rows from element `at` on, `dim` of them: at most PIECE. */
INLINE void bytes_piece(enum distance distance, size_t count, const void *query,
                        const void *const *rows, size_t at, size_t dim, struct byte_sums *sums)
{
    struct byte_lanes lanes;
    lanes.norm_query = _mm256_setzero_si256();
    for (size_t row = 0; row < count; row++) {
        lanes.pair[row] = lanes.norm[row] = _mm256_setzero_si256();
    }
    size_t i = 0;
    for (; i + BYTES_STEP <= dim; i += BYTES_STEP) {
        __m256i q = load_bytes((const uint8_t *)query + at + i);
        for (size_t row = 0; row < count; row++) {
            add_bytes(distance, &lanes, row, q, load_bytes((const uint8_t *)rows[row] + at + i));
        }
    }
    if (i < dim) {
        __m256i q = load_bytes_tail((const uint8_t *)query + at, dim, dim - i);
        for (size_t row = 0; row < count; row++) {
            add_bytes(distance, &lanes, row, q,
                      load_bytes_tail((const uint8_t *)rows[row] + at, dim, dim - i));
        }
    }
    for (size_t row = 0; row < count; row++) {
        sums[row].pair += distance == DISTANCE_MANHATTAN ? sum_lanes_u64(lanes.pair[row])
                                                         : sum_lanes_u32(lanes.pair[row]);
        if (distance == DISTANCE_COSINE) {
            sums[row].norm += sum_lanes_u32(lanes.norm[row]);
            sums[row].norm_query += sum_lanes_u32(lanes.norm_query);
        }
    }
}

INLINE void bytes(enum distance distance, size_t count, const void *query, const void *const *rows,
                  size_t dim, float *out)
{
    struct byte_sums sums[GROUP] = {0};
    for (size_t at = 0; at < dim; at += PIECE) {
        bytes_piece(distance, count, query, rows, at, dim - at < PIECE ? dim - at : PIECE, sums);
    }
    for (size_t row = 0; row < count; row++) {
        out[row] = distance_u8_from_sums(distance, &sums[row]);
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
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && cpu_has_f16c();
}

const struct kernel_set kernel_set_avx2 = {
    .isa = "avx2", .usable = usable, .cells = KERNEL_CELLS("/avx2"), TURBO4_CELLS("/avx2", avx2)};
#endif
