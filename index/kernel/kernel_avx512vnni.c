/* Dot product and cosine of bytes with AVX-512 VNNI; the other cells are those of AVX-512.
 *
 * vpdpbusd adds up four products of an unsigned and a signed byte. Rows become signed by taking 128
 * off, which the sum of the query's bytes, 128 times, puts back: sum q r = sum q (r - 128) + 128
 * sum q. All sums are exact. `one` and `many` share the template. No state, no failures.
 *
 * Integer bounds: a step adds at most 4 x 255 x 128 in magnitude to a lane of 32 bits every 64
 * elements: 65,536 dimensions stay below 2^28 in a lane and 2,139,095,040 < 2^31 in all. Longer
 * vectors are summed in pieces.
 */
#include "index/kernel/kernel_int.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET                                                                                     \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")))
#define INLINE static inline __attribute__((always_inline)) TARGET

enum { GROUP = 4, BYTES_STEP = 64, PIECE = 65536, BIAS = 128 };

struct byte_lanes {
    __m512i pair[GROUP], norm[GROUP], row[GROUP], norm_query, query;
};

INLINE __m512i less_bias(__m512i bytes)
{
    return _mm512_xor_si512(bytes, _mm512_set1_epi8(-BIAS));
}

/* Bytes outside of the mask are not read and are zero, so that whatever they meet adds nothing. */
INLINE void add_bytes(enum distance distance, size_t count, struct byte_lanes *sums,
                      const void *query, const void *const *rows, size_t at, __mmask64 mask)
{
    const __m512i ones = _mm512_set1_epi8(1);
    __m512i q = _mm512_maskz_loadu_epi8(mask, (const uint8_t *)query + at);
    sums->query = _mm512_dpbusd_epi32(sums->query, q, ones);
    if (distance == DISTANCE_COSINE) {
        sums->norm_query = _mm512_dpbusd_epi32(sums->norm_query, q, less_bias(q));
    }
    for (size_t row = 0; row < count; row++) {
        __m512i r = _mm512_maskz_loadu_epi8(mask, (const uint8_t *)rows[row] + at);
        sums->pair[row] = _mm512_dpbusd_epi32(sums->pair[row], q, less_bias(r));
        if (distance == DISTANCE_COSINE) {
            sums->norm[row] = _mm512_dpbusd_epi32(sums->norm[row], r, less_bias(r));
            sums->row[row] = _mm512_dpbusd_epi32(sums->row[row], r, ones);
        }
    }
}

/* sum (r - 128) q and sum q, to sum r q */
INLINE uint64_t with_bias(__m512i products, __m512i bytes)
{
    return (uint64_t)((int64_t)_mm512_reduce_add_epi32(products) +
                      (int64_t)BIAS * _mm512_reduce_add_epi32(bytes));
}

/* The sums of `count` rows from element `at` to `end`: at most PIECE. */
INLINE void bytes_piece(enum distance distance, size_t count, const void *query,
                        const void *const *rows, size_t at, size_t end, struct byte_sums *sums)
{
    struct byte_lanes lanes;
    lanes.norm_query = lanes.query = _mm512_setzero_si512();
    for (size_t row = 0; row < count; row++) {
        lanes.pair[row] = lanes.norm[row] = lanes.row[row] = _mm512_setzero_si512();
    }
    for (; at + BYTES_STEP <= end; at += BYTES_STEP) {
        add_bytes(distance, count, &lanes, query, rows, at, UINT64_MAX);
    }
    if (at < end) {
        add_bytes(distance, count, &lanes, query, rows, at, ((__mmask64)1 << (end - at)) - 1);
    }
    for (size_t row = 0; row < count; row++) {
        sums[row].pair += with_bias(lanes.pair[row], lanes.query);
        if (distance == DISTANCE_COSINE) {
            sums[row].norm += with_bias(lanes.norm[row], lanes.row[row]);
            sums[row].norm_query += with_bias(lanes.norm_query, lanes.query);
        }
    }
}

INLINE void distances_of(enum distance distance, enum element element, size_t count,
                         const void *query, const void *const *rows, size_t dim, float *out)
{
    (void)element; /* bytes only */
    struct byte_sums sums[GROUP] = {0};
    for (size_t at = 0; at < dim; at += PIECE) {
        bytes_piece(distance, count, query, rows, at, dim - at < PIECE ? dim : at + PIECE, sums);
    }
    for (size_t row = 0; row < count; row++) {
        out[row] = distance_u8_from_sums(distance, &sums[row]);
    }
}

#include "index/kernel/kernel_cells.inc"
CELL_FUNCTIONS(cosine_u8, DISTANCE_COSINE, ELEMENT_U8)
CELL_FUNCTIONS(dot_u8, DISTANCE_DOT, ELEMENT_U8)

static bool usable(void)
{
    return cpu_has_avx512() && __builtin_cpu_supports("avx512vnni");
}

const struct kernel_set kernel_set_avx512vnni = {
    .isa = "avx512vnni",
    .usable = usable,
    .cells = {[DISTANCE_COSINE] = {[ELEMENT_U8] =
                                       KERNEL_CELL("cosine/u8", "/avx512vnni", cosine_u8)},
              [DISTANCE_DOT] = {[ELEMENT_U8] = KERNEL_CELL("dot/u8", "/avx512vnni", dot_u8)}},
};
#endif
