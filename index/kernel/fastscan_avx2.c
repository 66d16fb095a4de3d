/* The fast scan for AVX2.
 *
 * A table look-up of 32 bytes is one shuffle: the lower half of a register serves one part, the
 * upper half the next. Values of at most 63 are added as bytes four times, then the bytes go to
 * sums of 16 bits: even bytes as they stand, with the odd ones above them as a multiple of 256 that
 * is taken off at the end. Two blocks are scanned together while there are two, since they share
 * the loads of the tables. No state, no failures. */
#include "index/kernel/fastscan_int.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET __attribute__((target("avx2,fma,bmi")))
#define INLINE static inline __attribute__((always_inline)) TARGET

enum { PAIRS_AS_BYTES = 4 };

INLINE __m256i load(const uint8_t *at)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)at);
}

/* Running sums of a block: `all` has even bytes plus 256 times odd ones, `odd` the odd ones; low
 * for vectors 0..15, high for 16..31. */
struct sums {
    __m256i low_all, low_odd, high_all, high_odd;
};
struct bytes {
    __m256i low, high;
};

INLINE void add_pair(struct bytes *bytes, __m256i table, const uint8_t *codes)
{
    const __m256i nibble = _mm256_set1_epi8(15);
    __m256i both = load(codes);
    __m256i low = _mm256_and_si256(both, nibble);
    __m256i high = _mm256_and_si256(_mm256_srli_epi16(both, 4), nibble);
    bytes->low = _mm256_add_epi8(bytes->low, _mm256_shuffle_epi8(table, low));
    bytes->high = _mm256_add_epi8(bytes->high, _mm256_shuffle_epi8(table, high));
}

INLINE void widen(struct sums *sums, const struct bytes *bytes)
{
    sums->low_all = _mm256_add_epi16(sums->low_all, bytes->low);
    sums->low_odd = _mm256_add_epi16(sums->low_odd, _mm256_srli_epi16(bytes->low, 8));
    sums->high_all = _mm256_add_epi16(sums->high_all, bytes->high);
    sums->high_odd = _mm256_add_epi16(sums->high_odd, _mm256_srli_epi16(bytes->high, 8));
}

/* The 16 sums of one half of a block, in order. */
INLINE __m256i in_order(__m256i all, __m256i odd)
{
    __m256i even = _mm256_sub_epi16(all, _mm256_slli_epi16(odd, 8));
    __m128i even_sum =
        _mm_add_epi16(_mm256_castsi256_si128(even), _mm256_extracti128_si256(even, 1));
    __m128i odd_sum = _mm_add_epi16(_mm256_castsi256_si128(odd), _mm256_extracti128_si256(odd, 1));
    return _mm256_set_m128i(_mm_unpackhi_epi16(even_sum, odd_sum),
                            _mm_unpacklo_epi16(even_sum, odd_sum));
}

struct block_sums {
    __m256i first, second; /* of vectors 0..15 and 16..31 */
};

INLINE struct block_sums finish(const struct sums *sums, const struct fastscan_query *query,
                                const uint8_t *addends)
{
    struct block_sums out = {in_order(sums->low_all, sums->low_odd),
                             in_order(sums->high_all, sums->high_odd)};
    if (query->has_addends) {
        __m256i scale = _mm256_set1_epi16((short)query->addend_scale);
        __m256i both = load(addends);
        __m256i first = _mm256_cvtepu8_epi16(_mm256_castsi256_si128(both));
        __m256i second = _mm256_cvtepu8_epi16(_mm256_extracti128_si256(both, 1));
        first = _mm256_mulhi_epu16(_mm256_slli_epi16(first, 8), scale);
        second = _mm256_mulhi_epu16(_mm256_slli_epi16(second, 8), scale);
        out.first = _mm256_adds_epu16(out.first, first);
        out.second = _mm256_adds_epu16(out.second, second);
    }
    return out;
}

/* `blocks` is 1 or 2 when inlined. */
INLINE void scan(const struct fastscan_query *query, const uint8_t *at, size_t block_bytes,
                 size_t blocks, struct block_sums *out)
{
    struct sums sums[2];
    for (size_t b = 0; b < blocks; b++) {
        __m256i zero = _mm256_setzero_si256();
        sums[b] = (struct sums){zero, zero, zero, zero};
    }
    const uint8_t *tables = query->tables;
    size_t pair = 0;
    while (pair < query->pairs) {
        size_t end = query->pairs - pair < PAIRS_AS_BYTES ? query->pairs : pair + PAIRS_AS_BYTES;
        struct bytes bytes[2];
        for (size_t b = 0; b < blocks; b++) {
            bytes[b] = (struct bytes){_mm256_setzero_si256(), _mm256_setzero_si256()};
        }
        if (end - pair == PAIRS_AS_BYTES) {
#pragma GCC unroll 4
            for (size_t i = 0; i < PAIRS_AS_BYTES; i++) {
                __m256i table = load(tables + (pair + i) * FASTSCAN_BLOCK);
                for (size_t b = 0; b < blocks; b++) {
                    add_pair(&bytes[b], table, at + b * block_bytes + (pair + i) * FASTSCAN_BLOCK);
                }
            }
            pair += PAIRS_AS_BYTES;
        }
        for (; pair < end; pair++) {
            __m256i table = load(tables + pair * FASTSCAN_BLOCK);
            for (size_t b = 0; b < blocks; b++) {
                add_pair(&bytes[b], table, at + b * block_bytes + pair * FASTSCAN_BLOCK);
            }
        }
        for (size_t b = 0; b < blocks; b++) {
            widen(&sums[b], &bytes[b]);
        }
    }
    for (size_t b = 0; b < blocks; b++) {
        out[b] = finish(&sums[b], query, at + b * block_bytes + query->pairs * FASTSCAN_BLOCK);
    }
}

INLINE void store(uint16_t *out, const struct block_sums *sums)
{
    _mm256_storeu_si256((__m256i *)(void *)out, sums->first);
    _mm256_storeu_si256((__m256i *)(void *)(out + 16), sums->second);
}

TARGET static void avx2_sums(const struct fastscan_query *query, const uint8_t *blocks,
                             size_t count, uint16_t *out)
{
    size_t block_bytes = fastscan_block_bytes(query->pairs, query->has_addends);
    struct block_sums sums[2];
    size_t i = 0;
    for (; i + FASTSCAN_BLOCK < count; i += (size_t)2 * FASTSCAN_BLOCK) {
        scan(query, blocks, block_bytes, 2, sums);
        store(out + i, &sums[0]);
        store(out + i + FASTSCAN_BLOCK, &sums[1]);
        blocks += 2 * block_bytes;
    }
    if (i < count) {
        scan(query, blocks, block_bytes, 1, sums);
        store(out + i, &sums[0]);
    }
}

/* Appends those of a block whose sum is at most `bound`. */
INLINE size_t keep(const struct block_sums *sums, __m256i bound, uint32_t valid, size_t from,
                   size_t found, uint32_t *positions, uint16_t *out)
{
    __m256i zero = _mm256_setzero_si256();
    __m256i first = _mm256_cmpeq_epi16(_mm256_subs_epu16(sums->first, bound), zero);
    __m256i second = _mm256_cmpeq_epi16(_mm256_subs_epu16(sums->second, bound), zero);
    __m256i both = _mm256_permute4x64_epi64(_mm256_packs_epi16(first, second), 0xd8);
    uint32_t mask = (uint32_t)_mm256_movemask_epi8(both) & valid;
    if (mask == 0) {
        return found;
    }
    uint16_t values[FASTSCAN_BLOCK];
    store(values, sums);
    for (; mask != 0; mask &= mask - 1) {
        uint32_t place = (uint32_t)__builtin_ctz(mask);
        positions[found] = (uint32_t)from + place;
        out[found++] = values[place];
    }
    return found;
}

TARGET static size_t avx2_below(const struct fastscan_query *query, const uint8_t *blocks,
                                size_t count, uint16_t bound, uint32_t *positions, uint16_t *out)
{
    size_t block_bytes = fastscan_block_bytes(query->pairs, query->has_addends);
    __m256i bounds = _mm256_set1_epi16((short)bound);
    struct block_sums sums[2];
    size_t found = 0;
    size_t i = 0;
    for (; i + FASTSCAN_BLOCK < count; i += (size_t)2 * FASTSCAN_BLOCK) {
        scan(query, blocks, block_bytes, 2, sums);
        size_t left = count - i - FASTSCAN_BLOCK;
        uint32_t valid = left < FASTSCAN_BLOCK ? ((uint32_t)1 << left) - 1 : UINT32_MAX;
        found = keep(&sums[0], bounds, UINT32_MAX, i, found, positions, out);
        found = keep(&sums[1], bounds, valid, i + FASTSCAN_BLOCK, found, positions, out);
        blocks += 2 * block_bytes;
    }
    if (i < count) {
        size_t left = count - i;
        uint32_t valid = left < FASTSCAN_BLOCK ? ((uint32_t)1 << left) - 1 : UINT32_MAX;
        scan(query, blocks, block_bytes, 1, sums);
        found = keep(&sums[0], bounds, valid, i, found, positions, out);
    }
    return found;
}

TARGET static void avx2_tables(const float *q, const float *words, size_t subs, size_t width,
                               float scale, bool absolute, float *tables)
{
    if (absolute) {
        tables_of(q, words, subs, width, scale, true, tables);
    } else {
        tables_of(q, words, subs, width, scale, false, tables);
    }
}

TARGET static struct fastscan_quantized avx2_quantize(const float *tables, size_t subs,
                                                      float step_min, uint8_t *out)
{
    return quantize_tables(tables, subs, step_min, out);
}

TARGET static void avx2_encode(const float *x, const float *words, size_t subs, size_t width,
                               uint8_t *codes)
{
    encode_parts(x, words, subs, width, codes);
}

TARGET static int32_t avx2_rest(const uint8_t *row, size_t bytes, const int8_t *weights)
{
    const __m256i nibble = _mm256_set1_epi8(15);
    const __m256i ones = _mm256_set1_epi16(1);
    __m256i sum = _mm256_setzero_si256();
    size_t from = 0;
    for (;; weights += 2 * FASTSCAN_REST_STEP) {
        __m256i both = load(row + from);
        __m256i low = _mm256_and_si256(both, nibble);
        __m256i high = _mm256_and_si256(_mm256_srli_epi16(both, 4), nibble);
        low = _mm256_maddubs_epi16(low, load((const uint8_t *)weights));
        high = _mm256_maddubs_epi16(high, load((const uint8_t *)weights + FASTSCAN_REST_STEP));
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_add_epi16(low, high), ones));
        if (from + FASTSCAN_REST_STEP >= bytes) {
            break;
        }
        from += FASTSCAN_REST_STEP;
        from = from + FASTSCAN_REST_STEP > bytes ? bytes - FASTSCAN_REST_STEP : from;
    }
    __m128i half = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
    half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4e));
    half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0xb1));
    return _mm_cvtsi128_si32(half);
}

bool fastscan_avx2_usable(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("bmi");
}

const struct fastscan fastscan_avx2 = {
    .name = "avx2",
    .sums = avx2_sums,
    .below = avx2_below,
    .tables = avx2_tables,
    .quantize = avx2_quantize,
    .encode = avx2_encode,
    .rest = avx2_rest,
};
#endif
