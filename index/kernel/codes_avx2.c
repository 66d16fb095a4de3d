/* Integer kernels for AVX2 (bytes, half bytes) and POPCNT (bits).
 *
 * Four codes go side by side: the query is loaded once for them and their lanes are summed
 * together, which for short codes costs more than the products. A rest of less than four repeats
 * its last code. Tails are loaded under a mask: nothing past a code is read. No state, no failures.
 *
 * Integer bounds: vpmaddubsw adds two products in 16 bits: 2 x 127 x 127 = 32,258 fits, which is
 * why codes have 7 bits; codes of 8 bits are taken as two halves of 4. Lanes of 32 bits hold at
 * most 255 x 127 x CODE_DIM_MAX < 2^31 all together.
 */
#include "index/kernel/codes_int.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <math.h>

#define TARGET           __attribute__((target("avx2,fma,popcnt")))
#define INLINE           static inline __attribute__((always_inline)) TARGET
#define COUNT_BITS(word) ((uint32_t)_mm_popcnt_u64(word))
#include "index/kernel/codes_planes.inc"
BITS_CELLS(bits_counted)

enum { STEP = 32, ABREAST = 4 };

INLINE __m256i load(const void *at)
{
    return _mm256_loadu_si256((const __m256i *)at);
}

/* k: the query's 32 bytes; odd: those of the odd dimensions, for CODE_DOT4. */
INLINE __m256i step(enum code_sum sum, __m256i total, __m256i c, __m256i k, __m256i odd)
{
    const __m256i ones = _mm256_set1_epi16(1);
    const __m256i nibble = _mm256_set1_epi8(15);
    if (sum == CODE_MANHATTAN) {
        return _mm256_add_epi32(total, _mm256_sad_epu8(c, k));
    }
    if (sum == CODE_DOT7) {
        return _mm256_add_epi32(total, _mm256_madd_epi16(_mm256_maddubs_epi16(c, k), ones));
    }
    if (sum == CODE_EUCLID7) {
        __m256i difference = _mm256_abs_epi8(_mm256_sub_epi8(c, k));
        __m256i squares = _mm256_maddubs_epi16(difference, difference);
        return _mm256_add_epi32(total, _mm256_madd_epi16(squares, ones));
    }
    __m256i low = _mm256_and_si256(c, nibble);
    __m256i high = _mm256_and_si256(_mm256_srli_epi16(c, 4), nibble);
    if (sum == CODE_DOT4) {
        /* 4 x 15 x 127 fits 16 bits. */
        __m256i pairs =
            _mm256_add_epi16(_mm256_maddubs_epi16(low, k), _mm256_maddubs_epi16(high, odd));
        return _mm256_add_epi32(total, _mm256_madd_epi16(pairs, ones));
    }
    __m256i small = _mm256_madd_epi16(_mm256_maddubs_epi16(low, k), ones);
    __m256i large = _mm256_madd_epi16(_mm256_maddubs_epi16(high, k), _mm256_set1_epi16(16));
    return _mm256_add_epi32(total, _mm256_add_epi32(small, large));
}

INLINE __m128i sum_lanes(const __m256i *totals)
{
    __m256i pairs = _mm256_hadd_epi32(_mm256_hadd_epi32(totals[0], totals[1]),
                                      _mm256_hadd_epi32(totals[2], totals[3]));
    return _mm_add_epi32(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1));
}

INLINE __m128i sums(enum code_sum sum, const uint8_t *query, const uint8_t *const *codes,
                    size_t bytes)
{
    static const int32_t masks[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
    const uint8_t *query_odd = sum == CODE_DOT4 ? query + code_query_size(bytes) : query;
    __m256i totals[ABREAST] = {_mm256_setzero_si256(), _mm256_setzero_si256(),
                               _mm256_setzero_si256(), _mm256_setzero_si256()};
    size_t at = 0;
    for (; at + STEP <= bytes; at += STEP) {
        __m256i k = load(query + at);
        __m256i odd = sum == CODE_DOT4 ? load(query_odd + at) : k;
        for (int c = 0; c < ABREAST; c++) {
            totals[c] = step(sum, totals[c], load(codes[c] + at), k, odd);
        }
    }
    if (at < bytes) {
        __m256i k = load(query + at);
        __m256i odd = sum == CODE_DOT4 ? load(query_odd + at) : k;
        __m256i mask = load(masks + 8 - (bytes - at) / 4);
        for (int c = 0; c < ABREAST; c++) {
            __m256i tail = _mm256_maskload_epi32((const int *)(const void *)(codes[c] + at), mask);
            totals[c] = step(sum, totals[c], tail, k, odd);
        }
    }
    return sum_lanes(totals);
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
        size_t have = count - i < ABREAST ? count - i : ABREAST;
        for (size_t c = 0; c < ABREAST; c++) {
            codes[c] = code_of(shape, records[i + (c < have ? c : have - 1)]);
            if (i + c + ahead < count) {
                prefetch_record(records[i + c + ahead], prefetch);
            }
        }
        __m128i four = sums(sum, query, codes, shape->bytes);
        if (have == ABREAST) {
            _mm_storeu_si128((__m128i *)(void *)(out + i), four);
            continue;
        }
        int32_t rest[ABREAST];
        _mm_storeu_si128((__m128i *)(void *)rest, four);
        memcpy(out + i, rest, have * sizeof *out);
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

/* Eight words a register, 32 at once; each lane keeps its first smallest. */
TARGET static uint32_t nearest(const float *values, size_t dims, const float *codebook,
                               float *distance)
{
    enum { LANES = 8, WIDTH = 4 };
    __m256 least = _mm256_set1_ps(INFINITY);
    __m256i words = _mm256_setzero_si256();
    __m256i word = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    for (size_t at = 0; at < CODEWORDS; at += LANES * WIDTH) {
        __m256 sums[WIDTH] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(),
                              _mm256_setzero_ps()};
        for (size_t d = 0; d < dims; d++) {
            __m256 value = _mm256_set1_ps(values[d]);
            const float *row = codebook + d * CODEWORDS + at;
            for (int w = 0; w < WIDTH; w++) {
                __m256 difference = _mm256_sub_ps(value, _mm256_loadu_ps(row + w * LANES));
                sums[w] = _mm256_fmadd_ps(difference, difference, sums[w]);
            }
        }
        for (int w = 0; w < WIDTH; w++) {
            __m256 less = _mm256_cmp_ps(sums[w], least, _CMP_LT_OQ);
            least = _mm256_blendv_ps(least, sums[w], less);
            words = _mm256_blendv_epi8(words, word, _mm256_castps_si256(less));
            word = _mm256_add_epi32(word, _mm256_set1_epi32(LANES));
        }
    }
    float lane_least[LANES];
    uint32_t lane_words[LANES];
    _mm256_storeu_ps(lane_least, least);
    _mm256_storeu_si256((__m256i *)(void *)lane_words, words);
    int best = 0;
    for (int lane = 1; lane < LANES; lane++) {
        if (lane_least[lane] < lane_least[best] ||
            (lane_least[lane] == lane_least[best] && lane_words[lane] < lane_words[best])) {
            best = lane;
        }
    }
    *distance = lane_least[best];
    return lane_words[best];
}

static bool usable(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("popcnt");
}

const struct code_set code_set_avx2 = {
    .usable = usable,
    .nearest = nearest,
    .cells = {[CODE_DOT7] = {"avx2", dot7},
              [CODE_EUCLID7] = {"avx2", euclid7},
              [CODE_MANHATTAN] = {"avx2", manhattan},
              [CODE_DOT8] = {"avx2", dot8},
              [CODE_DOT4] = {"avx2", dot4},
              [CODE_BITS1] = {"popcnt", bits1},
              [CODE_BITS2] = {"popcnt", bits2},
              [CODE_BITS1_5] = {"popcnt", bits1_5}},
};
#endif
