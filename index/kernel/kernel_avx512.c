/* Kernels for AVX-512 (F, BW, DQ, VL): the shape of the AVX2 file with lanes twice as wide and
 * masked tails.
 *
 * One template per family takes distance, element and the number of rows as constants and is
 * inlined into every cell, so `one` and `many` give the same bits. No state, no failures.
 *
 * Integer bounds: a step adds at most 260,100 to a lane of 32 bits every 64 elements: 65,536
 * dimensions stay below 2^28 in a lane and 4,261,478,400 < 2^32 in all. Longer vectors are summed
 * in pieces.
 */
#include "index/kernel/kernel_int.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")))
#define INLINE static inline __attribute__((always_inline)) TARGET

enum { GROUP = 4, STEP = 32, BYTES_STEP = 64, PIECE = 65536 };

struct lanes {
    __m512 v[2];
};

INLINE __m512i load_halves(const void *vector, size_t at, __mmask32 mask)
{
    return _mm512_maskz_loadu_epi16(mask, (const uint16_t *)vector + at);
}

/* The elements from `at` on that `mask` names, zeros for the others; those are not read. bfloat16
 * has the even elements in one register, the odd ones in the other. */
INLINE struct lanes load32(const void *vector, size_t at, enum element element, __mmask32 mask)
{
    if (element == ELEMENT_F32) {
        const float *from = (const float *)vector + at;
        return (struct lanes){{_mm512_maskz_loadu_ps((__mmask16)mask, from),
                               _mm512_maskz_loadu_ps((__mmask16)(mask >> 16), from + 16)}};
    }
    __m512i halves = load_halves(vector, at, mask);
    if (element == ELEMENT_F16) {
        return (struct lanes){{_mm512_cvtph_ps(_mm512_castsi512_si256(halves)),
                               _mm512_cvtph_ps(_mm512_extracti64x4_epi64(halves, 1))}};
    }
    __m512i odd = _mm512_and_si512(halves, _mm512_set1_epi32(-65536));
    return (struct lanes){
        {_mm512_castsi512_ps(_mm512_slli_epi32(halves, 16)), _mm512_castsi512_ps(odd)}};
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

INLINE void add_step(enum distance distance, __m512 *sums, struct lanes query, struct lanes row)
{
    sums[0] = step(distance, sums[0], query.v[0], row.v[0]);
    sums[1] = step(distance, sums[1], query.v[1], row.v[1]);
}

INLINE void floats(enum distance distance, enum element element, size_t count, const void *query,
                   const void *const *rows, size_t dim, float *out)
{
    __m512 sums[GROUP][2];
    for (size_t row = 0; row < count; row++) {
        sums[row][0] = sums[row][1] = _mm512_setzero_ps();
    }
    size_t i = 0;
    for (; i + STEP <= dim; i += STEP) {
        struct lanes q = load32(query, i, element, UINT32_MAX);
        for (size_t row = 0; row < count; row++) {
            add_step(distance, sums[row], q, load32(rows[row], i, element, UINT32_MAX));
        }
    }
    if (i < dim) {
        __mmask32 mask = ((__mmask32)1 << (dim - i)) - 1;
        struct lanes q = load32(query, i, element, mask);
        for (size_t row = 0; row < count; row++) {
            add_step(distance, sums[row], q, load32(rows[row], i, element, mask));
        }
    }
    for (size_t row = 0; row < count; row++) {
        float sum = _mm512_reduce_add_ps(_mm512_add_ps(sums[row][0], sums[row][1]));
        out[row] = distance == DISTANCE_COSINE || distance == DISTANCE_DOT ? -sum : sum;
    }
}

/* 64 bytes as 16-bit lanes: those at even places and those at odd places. */
struct bytes_split {
    __m512i bytes, even, odd;
};

INLINE struct bytes_split load_bytes(const void *vector, size_t at, __mmask64 mask)
{
    __m512i bytes = _mm512_maskz_loadu_epi8(mask, (const uint8_t *)vector + at);
    return (struct bytes_split){.bytes = bytes,
                                .even = _mm512_and_si512(bytes, _mm512_set1_epi16(0xff)),
                                .odd = _mm512_srli_epi16(bytes, 8)};
}

INLINE __m512i add_products(__m512i sum, struct bytes_split a, struct bytes_split b)
{
    return _mm512_add_epi32(
        sum, _mm512_add_epi32(_mm512_madd_epi16(a.even, b.even), _mm512_madd_epi16(a.odd, b.odd)));
}

INLINE __m512i bytes_step(enum distance distance, __m512i sum, struct bytes_split q,
                          struct bytes_split r)
{
    if (distance == DISTANCE_MANHATTAN) {
        return _mm512_add_epi32(sum, _mm512_sad_epu8(q.bytes, r.bytes));
    }
    if (distance == DISTANCE_EUCLID) {
        struct bytes_split difference = {.even = _mm512_sub_epi16(q.even, r.even),
                                         .odd = _mm512_sub_epi16(q.odd, r.odd)};
        return add_products(sum, difference, difference);
    }
    return add_products(sum, q, r);
}

struct byte_lanes {
    __m512i pair[GROUP], norm[GROUP], norm_query;
};

INLINE void add_bytes(enum distance distance, size_t count, struct byte_lanes *sums,
                      const void *query, const void *const *rows, size_t at, __mmask64 mask)
{
    struct bytes_split q = load_bytes(query, at, mask);
    if (distance == DISTANCE_COSINE) {
        sums->norm_query = add_products(sums->norm_query, q, q);
    }
    for (size_t row = 0; row < count; row++) {
        struct bytes_split r = load_bytes(rows[row], at, mask);
        sums->pair[row] = bytes_step(distance, sums->pair[row], q, r);
        if (distance == DISTANCE_COSINE) {
            sums->norm[row] = add_products(sums->norm[row], r, r);
        }
    }
}

INLINE uint32_t sum_lanes_u32(__m512i v)
{
    return (uint32_t)_mm512_reduce_add_epi32(v);
}

/* The sums of `count` rows from element `at` to `end`: at most PIECE. */
INLINE void bytes_piece(enum distance distance, size_t count, const void *query,
                        const void *const *rows, size_t at, size_t end, struct byte_sums *sums)
{
    struct byte_lanes lanes;
    lanes.norm_query = _mm512_setzero_si512();
    for (size_t row = 0; row < count; row++) {
        lanes.pair[row] = lanes.norm[row] = _mm512_setzero_si512();
    }
    for (; at + BYTES_STEP <= end; at += BYTES_STEP) {
        add_bytes(distance, count, &lanes, query, rows, at, UINT64_MAX);
    }
    if (at < end) {
        add_bytes(distance, count, &lanes, query, rows, at, ((__mmask64)1 << (end - at)) - 1);
    }
    for (size_t row = 0; row < count; row++) {
        sums[row].pair += sum_lanes_u32(lanes.pair[row]);
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
        bytes_piece(distance, count, query, rows, at, dim - at < PIECE ? dim : at + PIECE, sums);
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
    return cpu_has_avx512();
}

const struct kernel_set kernel_set_avx512 = {
    .isa = "avx512", .usable = usable, .cells = KERNEL_CELLS("/avx512")};
#endif
