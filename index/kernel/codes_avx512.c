/* Integer kernels for AVX-512 with VNNI (bytes, half bytes) and VPOPCNTDQ (bits).
 *
 * The shape of the AVX2 file: four codes abreast, masked tails. vpdpbusd multiplies unsigned by
 * signed bytes and adds four products in 32 bits, so codes of 8 bits need no halves. No state, no
 * failures.
 */
#include "index/kernel/codes_int.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET                                                                                     \
    __attribute__((                                                                                \
        target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vpopcntdq,avx2,popcnt")))
#define INLINE static inline __attribute__((always_inline)) TARGET

enum { STEP = 64, ABREAST = 4 };

INLINE __m512i load_masked(__mmask64 mask, const void *at)
{
    return _mm512_maskz_loadu_epi8(mask, at);
}

INLINE __m512i step(enum code_sum sum, __m512i total, __m512i c, __m512i k, __m512i odd)
{
    const __m512i nibble = _mm512_set1_epi8(15);
    if (sum == CODE_MANHATTAN) {
        return _mm512_add_epi32(total, _mm512_sad_epu8(c, k));
    }
    if (sum == CODE_EUCLID7) {
        __m512i difference = _mm512_abs_epi8(_mm512_sub_epi8(c, k));
        return _mm512_dpbusd_epi32(total, difference, difference);
    }
    if (sum == CODE_DOT4) {
        total = _mm512_dpbusd_epi32(total, _mm512_and_si512(c, nibble), k);
        return _mm512_dpbusd_epi32(total, _mm512_and_si512(_mm512_srli_epi16(c, 4), nibble), odd);
    }
    return _mm512_dpbusd_epi32(total, c, k); /* CODE_DOT7, CODE_DOT8 */
}

INLINE void bytes_four(enum code_sum sum, const uint8_t *query, const uint8_t *const *codes,
                       size_t bytes, int32_t *out)
{
    const uint8_t *query_odd = sum == CODE_DOT4 ? query + code_query_size(bytes) : query;
    __m512i totals[ABREAST] = {_mm512_setzero_si512(), _mm512_setzero_si512(),
                               _mm512_setzero_si512(), _mm512_setzero_si512()};
    for (size_t at = 0; at < bytes; at += STEP) {
        __mmask64 mask = bytes - at < STEP ? (1ull << (bytes - at)) - 1 : ~0ull;
        __m512i k = _mm512_loadu_si512(query + at);
        __m512i odd = sum == CODE_DOT4 ? _mm512_loadu_si512(query_odd + at) : k;
        for (int c = 0; c < ABREAST; c++) {
            totals[c] = step(sum, totals[c], load_masked(mask, codes[c] + at), k, odd);
        }
    }
    for (int c = 0; c < ABREAST; c++) {
        out[c] = _mm512_reduce_add_epi32(totals[c]);
    }
}

INLINE void bytes_many(enum code_sum sum, const struct code_shape *shape, const void *query,
                       const void *const *records, size_t count, int32_t *out)
{
    size_t prefetch = code_prefetch_bytes(shape);
    size_t ahead = code_ahead(shape);
    for (size_t i = 0; i < ahead && i < count; i++) {
        prefetch_record(records[i], prefetch);
    }
    for (size_t i = 0; i < count; i += ABREAST) {
        const uint8_t *codes[ABREAST];
        int32_t four[ABREAST];
        size_t have = count - i < ABREAST ? count - i : ABREAST;
        for (size_t c = 0; c < ABREAST; c++) {
            codes[c] = code_of(shape, records[i + (c < have ? c : have - 1)]);
            if (i + c + ahead < count) {
                prefetch_record(records[i + c + ahead], prefetch);
            }
        }
        bytes_four(sum, query, codes, shape->bytes, four);
        memcpy(out + i, four, have * sizeof *out);
    }
}

#define BYTES_CELL(name, sum)                                                                      \
    TARGET static void name(const struct code_shape *shape, const void *query,                     \
                            const void *const *records, size_t count, int32_t *out)                \
    {                                                                                              \
        bytes_many(sum, shape, query, records, count, out);                                        \
    }
BYTES_CELL(dot7, CODE_DOT7)
BYTES_CELL(euclid7, CODE_EUCLID7)
BYTES_CELL(manhattan, CODE_MANHATTAN)
BYTES_CELL(dot8, CODE_DOT8)
BYTES_CELL(dot4, CODE_DOT4)

/* One 64-bit word of the code stands in all lanes, beside the up to eight planes of the query. */
INLINE __m512i count_word(__m512i counts, uint64_t word, __m512i planes)
{
    __m512i both = _mm512_and_si512(_mm512_set1_epi64((long long)word), planes);
    return _mm512_add_epi64(counts, _mm512_popcnt_epi64(both));
}

#define COUNT_BITS(word) ((uint32_t)_mm_popcnt_u64(word))
#include "index/kernel/codes_planes.inc"

INLINE int32_t bits_wide(enum code_sum sum, uint32_t planes, const uint64_t *query,
                         const uint8_t *code, size_t bytes)
{
    __mmask8 lanes = (__mmask8)((1u << planes) - 1);
    __m512i high = _mm512_setzero_si512();
    __m512i low = high;
    size_t s_bytes = bits_s_bytes(sum, bytes);
    for (size_t at = 0; at < s_bytes; at += 8, query += planes) {
        __m512i k = _mm512_maskz_loadu_epi64(lanes, query);
        uint64_t s = word_at(code, at, s_bytes);
        high = count_word(high, s, k);
        if (sum != CODE_BITS1) {
            low = count_word(low, second_word(sum, code, s, at, s_bytes), k);
        }
    }
    __m512i all = sum == CODE_BITS1 ? high : _mm512_add_epi64(_mm512_add_epi64(high, high), low);
    const __m512i shifts = _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0);
    __mmask8 top = (__mmask8)(1u << (planes - 1));
    __m512i weighed = _mm512_sllv_epi64(all, shifts);
    weighed = _mm512_mask_sub_epi64(weighed, top, _mm512_setzero_si512(), weighed);
    return (int32_t)_mm512_reduce_add_epi64(weighed);
}
BITS_CELLS(bits_wide)

static bool usable(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vpopcntdq") &&
           __builtin_cpu_supports("popcnt");
}

const struct code_set code_set_avx512 = {
    .usable = usable,
    .cells = {[CODE_DOT7] = {"avx512vnni", dot7},
              [CODE_EUCLID7] = {"avx512vnni", euclid7},
              [CODE_MANHATTAN] = {"avx512bw", manhattan},
              [CODE_DOT8] = {"avx512vnni", dot8},
              [CODE_DOT4] = {"avx512vnni", dot4},
              [CODE_BITS1] = {"avx512vpopcntdq", bits1},
              [CODE_BITS2] = {"avx512vpopcntdq", bits2},
              [CODE_BITS1_5] = {"avx512vpopcntdq", bits1_5}},
};
#endif
