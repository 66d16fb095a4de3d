/* The fast scan for NEON.
 *
 * A table look-up of 16 bytes is one instruction. Values of at most 63 are added as bytes four
 * times, then the bytes go to sums of 16 bits. Two blocks are scanned together while there are two,
 * since they share the loads of the tables. No state, no failures. */
#include "index/kernel/fastscan_int.h"

#if defined(__aarch64__)
#include <arm_neon.h>

#define INLINE static inline __attribute__((always_inline))

enum { PAIRS_AS_BYTES = 2 };

/* Sums of a block: eight vectors a register, in order. */
struct sums {
    uint16x8_t v[4];
};
struct bytes {
    uint8x16_t low, high; /* of vectors 0..15 and 16..31 */
};

INLINE void add_part(struct bytes *bytes, uint8x16_t table, const uint8_t *codes)
{
    uint8x16_t both = vld1q_u8(codes);
    uint8x16_t low = vandq_u8(both, vdupq_n_u8(15));
    bytes->low = vaddq_u8(bytes->low, vqtbl1q_u8(table, low));
    bytes->high = vaddq_u8(bytes->high, vqtbl1q_u8(table, vshrq_n_u8(both, 4)));
}

INLINE void widen(struct sums *sums, const struct bytes *bytes)
{
    sums->v[0] = vaddw_u8(sums->v[0], vget_low_u8(bytes->low));
    sums->v[1] = vaddw_high_u8(sums->v[1], bytes->low);
    sums->v[2] = vaddw_u8(sums->v[2], vget_low_u8(bytes->high));
    sums->v[3] = vaddw_high_u8(sums->v[3], bytes->high);
}

INLINE uint16x8_t scaled(uint8x8_t addends, uint16_t scale)
{
    uint16x8_t wide = vmovl_u8(addends);
    uint32x4_t first = vmull_n_u16(vget_low_u16(wide), scale);
    uint32x4_t second = vmull_high_n_u16(wide, scale);
    return vcombine_u16(vshrn_n_u32(first, 8), vshrn_n_u32(second, 8));
}

INLINE void add_addends(struct sums *sums, const uint8_t *addends, uint16_t scale)
{
    for (size_t i = 0; i < 4; i++) {
        sums->v[i] = vqaddq_u16(sums->v[i], scaled(vld1_u8(addends + 8 * i), scale));
    }
}

/* `blocks` is 1 or 2 when inlined. */
INLINE void scan(const struct fastscan_query *query, const uint8_t *at, size_t block_bytes,
                 size_t blocks, struct sums *out)
{
    for (size_t b = 0; b < blocks; b++) {
        for (size_t i = 0; i < 4; i++) {
            out[b].v[i] = vdupq_n_u16(0);
        }
    }
    for (size_t pair = 0; pair < query->pairs; pair += PAIRS_AS_BYTES) {
        struct bytes bytes[2];
        for (size_t b = 0; b < blocks; b++) {
            bytes[b] = (struct bytes){vdupq_n_u8(0), vdupq_n_u8(0)};
        }
        size_t end = query->pairs - pair < PAIRS_AS_BYTES ? query->pairs : pair + PAIRS_AS_BYTES;
        for (size_t part = 2 * pair; part < 2 * end; part++) {
            uint8x16_t table = vld1q_u8(query->tables + part * FASTSCAN_WORDS);
            for (size_t b = 0; b < blocks; b++) {
                add_part(&bytes[b], table, at + b * block_bytes + part * FASTSCAN_WORDS);
            }
        }
        for (size_t b = 0; b < blocks; b++) {
            widen(&out[b], &bytes[b]);
        }
    }
    for (size_t b = 0; query->has_addends && b < blocks; b++) {
        add_addends(&out[b], at + b * block_bytes + query->pairs * FASTSCAN_BLOCK,
                    query->addend_scale);
    }
}

INLINE void store(uint16_t *out, const struct sums *sums)
{
    for (size_t i = 0; i < 4; i++) {
        vst1q_u16(out + 8 * i, sums->v[i]);
    }
}

static void neon_sums(const struct fastscan_query *query, const uint8_t *blocks, size_t count,
                      uint16_t *out)
{
    size_t block_bytes = fastscan_block_bytes(query->pairs, query->has_addends);
    struct sums sums[2];
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

/* A bit for each of 16 vectors whose sum is at most `bound`. */
INLINE uint32_t bits_of(uint16x8_t first, uint16x8_t second, uint16x8_t bound)
{
    static const uint8_t weights[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    uint8x16_t within =
        vcombine_u8(vmovn_u16(vcleq_u16(first, bound)), vmovn_u16(vcleq_u16(second, bound)));
    within = vandq_u8(within, vld1q_u8(weights));
    return vaddv_u8(vget_low_u8(within)) | (uint32_t)vaddv_u8(vget_high_u8(within)) << 8;
}

/* Appends those of a block whose sum is at most `bound`. */
INLINE size_t keep(const struct sums *sums, uint16x8_t bound, uint32_t valid, size_t from,
                   size_t found, uint32_t *positions, uint16_t *out)
{
    uint32_t mask = bits_of(sums->v[0], sums->v[1], bound);
    mask = (mask | bits_of(sums->v[2], sums->v[3], bound) << 16) & valid;
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

static size_t neon_below(const struct fastscan_query *query, const uint8_t *blocks, size_t count,
                         uint16_t bound, uint32_t *positions, uint16_t *out)
{
    size_t block_bytes = fastscan_block_bytes(query->pairs, query->has_addends);
    uint16x8_t bounds = vdupq_n_u16(bound);
    struct sums sums[2];
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

static void neon_tables(const float *q, const float *words, size_t subs, size_t width, float scale,
                        bool absolute, float *tables)
{
    if (absolute) {
        tables_of(q, words, subs, width, scale, true, tables);
    } else {
        tables_of(q, words, subs, width, scale, false, tables);
    }
}

static struct fastscan_quantized neon_quantize(const float *tables, size_t subs, float step_min,
                                               uint8_t *out)
{
    return quantize_tables(tables, subs, step_min, out);
}

static void neon_encode(const float *x, const float *words, size_t subs, size_t width,
                        uint8_t *codes)
{
    encode_parts(x, words, subs, width, codes);
}

/* Products of 16 nibbles and weights; a pair of products is at most 2 x 15 x 128. */
INLINE int32x4_t add_products(int32x4_t sum, uint8x16_t nibbles, const int8_t *weights)
{
    int8x16_t a = vreinterpretq_s8_u8(nibbles);
    int8x16_t b = vld1q_s8(weights);
    sum = vpadalq_s16(sum, vmull_s8(vget_low_s8(a), vget_low_s8(b)));
    return vpadalq_s16(sum, vmull_high_s8(a, b));
}

static int32_t neon_rest(const uint8_t *row, size_t bytes, const int8_t *weights)
{
    int32x4_t sum = vdupq_n_s32(0);
    size_t from = 0;
    for (;; weights += 2 * FASTSCAN_REST_STEP) {
        for (size_t i = 0; i < FASTSCAN_REST_STEP; i += 16) {
            uint8x16_t both = vld1q_u8(row + from + i);
            sum = add_products(sum, vandq_u8(both, vdupq_n_u8(15)), weights + i);
            sum = add_products(sum, vshrq_n_u8(both, 4), weights + FASTSCAN_REST_STEP + i);
        }
        if (from + FASTSCAN_REST_STEP >= bytes) {
            return vaddvq_s32(sum);
        }
        from += FASTSCAN_REST_STEP;
        from = from + FASTSCAN_REST_STEP > bytes ? bytes - FASTSCAN_REST_STEP : from;
    }
}

const struct fastscan fastscan_neon = {
    .name = "neon",
    .sums = neon_sums,
    .below = neon_below,
    .tables = neon_tables,
    .quantize = neon_quantize,
    .encode = neon_encode,
    .rest = neon_rest,
};
#endif
