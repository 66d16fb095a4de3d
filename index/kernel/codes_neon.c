/* Integer kernels for NEON.
 *
 * Bytes: four codes go side by side, so that the query is loaded once for them; a rest of less than
 * four repeats its last code. Tails are copied word by word: nothing past a code is read. Bits: a
 * word of the code meets two planes of the query in one register; counts stay in bytes for as long
 * as they fit. No state, no failures.
 *
 * Integer bounds: products of 7 bits fit 16. Codes of 8 bits are taken as signed, 128 less, which
 * the sum of the query puts back 128 times: 128 x 127 fits 16 bits too, and each part of such a sum
 * stays below 128 x 127 x CODE_DIM_MAX < 2^31.
 */
#include "index/kernel/codes_int.h"

#if defined(__aarch64__)
#include <arm_neon.h>

#define TARGET
#define INLINE           static inline __attribute__((always_inline))
#define COUNT_BITS(word) ((uint32_t)__builtin_popcountll(word))
#include "index/kernel/codes_planes.inc"

enum {
    STEP = 16,
    ABREAST = 4,
    PAIRS_MAX = CODE_PLANES_MAX / 2,
    COUNTS_MAX = 31 /* counts of 8 in a byte */
};

/* Lanes of 32 bits, from sums of 16 that are signed. */
INLINE int32x4_t add_products(int32x4_t total, int8x16_t a, int8x16_t b)
{
    total = vpadalq_s16(total, vmull_s8(vget_low_s8(a), vget_low_s8(b)));
    return vpadalq_s16(total, vmull_high_s8(a, b));
}

INLINE int32x4_t add_squares(int32x4_t total, uint8x16_t a)
{
    uint32x4_t sum = vreinterpretq_u32_s32(total);
    sum = vpadalq_u16(sum, vmull_u8(vget_low_u8(a), vget_low_u8(a)));
    return vreinterpretq_s32_u32(vpadalq_u16(sum, vmull_high_u8(a, a)));
}

/* k: the query's 16 bytes; odd: those of the odd dimensions, for CODE_DOT4. */
INLINE int32x4_t step(enum code_sum sum, int32x4_t total, uint8x16_t c, uint8x16_t k,
                      uint8x16_t odd)
{
    if (sum == CODE_MANHATTAN) {
        uint16x8_t pairs = vpaddlq_u8(vabdq_u8(c, k));
        return vreinterpretq_s32_u32(vpadalq_u16(vreinterpretq_u32_s32(total), pairs));
    }
    if (sum == CODE_EUCLID7) {
        return add_squares(total, vabdq_u8(c, k));
    }
    int8x16_t signed_k = vreinterpretq_s8_u8(k);
    if (sum == CODE_DOT4) {
        int8x16_t low = vreinterpretq_s8_u8(vandq_u8(c, vdupq_n_u8(15)));
        int8x16_t high = vreinterpretq_s8_u8(vshrq_n_u8(c, 4));
        total = add_products(total, low, signed_k);
        return add_products(total, high, vreinterpretq_s8_u8(odd));
    }
    uint8x16_t bias = vdupq_n_u8(sum == CODE_DOT8 ? 0x80 : 0);
    return add_products(total, vreinterpretq_s8_u8(veorq_u8(c, bias)), signed_k);
}

/* The last 4, 8 or 12 bytes of a code, zeros after them. */
INLINE uint8x16_t load_tail(const uint8_t *code, size_t left)
{
    uint8_t padded[STEP] = {0};
    for (size_t at = 0; at < left; at += 4) {
        memcpy(padded + at, code + at, 4);
    }
    return vld1q_u8(padded);
}

INLINE void sums(enum code_sum sum, const uint8_t *query, const uint8_t *const *codes, size_t bytes,
                 int32_t *out)
{
    const uint8_t *query_odd = sum == CODE_DOT4 ? query + code_query_size(bytes) : query;
    int32x4_t totals[ABREAST] = {vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0)};
    int32x4_t query_sum = vdupq_n_s32(0);
    for (size_t at = 0; at < bytes; at += STEP) {
        uint8x16_t k = vld1q_u8(query + at);
        uint8x16_t odd = vld1q_u8(query_odd + at);
        bool whole = at + STEP <= bytes;
        if (sum == CODE_DOT8) {
            query_sum = vpadalq_s16(query_sum, vpaddlq_s8(vreinterpretq_s8_u8(k)));
        }
        for (size_t c = 0; c < ABREAST; c++) {
            uint8x16_t code =
                whole ? vld1q_u8(codes[c] + at) : load_tail(codes[c] + at, bytes - at);
            totals[c] = step(sum, totals[c], code, k, odd);
        }
    }
    int32_t bias = sum == CODE_DOT8 ? 128 * vaddvq_s32(query_sum) : 0;
    for (size_t c = 0; c < ABREAST; c++) {
        out[c] = vaddvq_s32(totals[c]) + bias;
    }
}

INLINE void bytes_many(enum code_sum sum, const struct code_shape *shape, const void *query,
                       const void *const *records, size_t count, int32_t *out)
{
    size_t prefetch = code_prefetch_bytes(shape);
    for (size_t i = 0; i < CODES_AHEAD && i < count; i++) {
        prefetch_record(records[i], prefetch);
    }
    for (size_t i = 0; i < count; i += ABREAST) {
        const uint8_t *codes[ABREAST];
        size_t have = count - i < ABREAST ? count - i : ABREAST;
        for (size_t c = 0; c < ABREAST; c++) {
            codes[c] = code_of(shape, records[i + (c < have ? c : have - 1)]);
            if (i + c + CODES_AHEAD < count) {
                prefetch_record(records[i + c + CODES_AHEAD], prefetch);
            }
        }
        int32_t four[ABREAST];
        sums(sum, query, codes, shape->bytes, four);
        memcpy(out + i, four, have * sizeof *out);
    }
}

#define BYTES_CELL(name, sum)                                                                      \
    static void name(const struct code_shape *shape, const void *query,                            \
                     const void *const *records, size_t count, int32_t *out)                       \
    {                                                                                              \
        bytes_many(sum, shape, query, records, count, out);                                        \
    }
BYTES_CELL(dot7, CODE_DOT7)
BYTES_CELL(euclid7, CODE_EUCLID7)
BYTES_CELL(manhattan, CODE_MANHATTAN)
BYTES_CELL(dot8, CODE_DOT8)
BYTES_CELL(dot4, CODE_DOT4)

/* Bits that a word has in common with each plane, two planes a register. */
struct counts {
    uint8x16_t bytes[PAIRS_MAX];
    uint64x2_t wide[PAIRS_MAX];
};

INLINE void counts_clear(struct counts *counts)
{
    for (size_t p = 0; p < PAIRS_MAX; p++) {
        counts->bytes[p] = vdupq_n_u8(0);
        counts->wide[p] = vdupq_n_u64(0);
    }
}

INLINE void counts_add(struct counts *counts, uint32_t planes, uint64_t word, const uint64_t *query)
{
    uint64x2_t both = vdupq_n_u64(word);
    for (size_t p = 0; p < planes / 2; p++) {
        uint64x2_t common = vandq_u64(both, vld1q_u64(query + 2 * p));
        counts->bytes[p] = vaddq_u8(counts->bytes[p], vcntq_u8(vreinterpretq_u8_u64(common)));
    }
}

INLINE void counts_widen(struct counts *counts, uint32_t planes)
{
    for (size_t p = 0; p < planes / 2; p++) {
        uint32x4_t words = vpaddlq_u16(vpaddlq_u8(counts->bytes[p]));
        counts->wide[p] = vpadalq_u32(counts->wide[p], words);
        counts->bytes[p] = vdupq_n_u8(0);
    }
}

INLINE int32_t counts_weigh(const struct counts *counts, uint32_t planes)
{
    uint32_t each[CODE_PLANES_MAX];
    for (size_t p = 0; p < planes; p++) {
        uint64x2_t pair = counts->wide[p / 2];
        each[p] = (uint32_t)(p % 2 == 0 ? vgetq_lane_u64(pair, 0) : vgetq_lane_u64(pair, 1));
    }
    return weigh(each, planes);
}

INLINE int32_t bits_neon(enum code_sum sum, uint32_t planes, const uint64_t *query,
                         const uint8_t *code, size_t bytes)
{
    struct counts high;
    struct counts low;
    counts_clear(&high);
    counts_clear(&low);
    size_t s_bytes = bits_s_bytes(sum, bytes);
    size_t in_bytes = 0;
    for (size_t at = 0; at < s_bytes; at += 8, query += planes) {
        uint64_t s = word_at(code, at, s_bytes);
        counts_add(&high, planes, s, query);
        if (sum != CODE_BITS1) {
            counts_add(&low, planes, second_word(sum, code, s, at, s_bytes), query);
        }
        if (++in_bytes == COUNTS_MAX) {
            counts_widen(&high, planes);
            counts_widen(&low, planes);
            in_bytes = 0;
        }
    }
    counts_widen(&high, planes);
    counts_widen(&low, planes);
    int32_t whole = counts_weigh(&high, planes);
    return sum == CODE_BITS1 ? whole : 2 * whole + counts_weigh(&low, planes);
}
BITS_CELLS(bits_neon)

static bool usable(void)
{
    return true;
}

const struct code_set code_set_neon = {
    .usable = usable,
    .cells = {[CODE_DOT7] = {"neon", dot7},
              [CODE_EUCLID7] = {"neon", euclid7},
              [CODE_MANHATTAN] = {"neon", manhattan},
              [CODE_DOT8] = {"neon", dot8},
              [CODE_DOT4] = {"neon", dot4},
              [CODE_BITS1] = {"neon", bits1},
              [CODE_BITS2] = {"neon", bits2},
              [CODE_BITS1_5] = {"neon", bits1_5}},
};
#endif
