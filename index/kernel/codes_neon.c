/* Integer kernels for NEON (every 64-bit ARM CPU has it).
 *
 * Products of bytes are 16 bits wide and are added in pairs to lanes of 32 bits, so nothing
 * saturates. Four codes go side by side, sixteen bytes a step; the rest of a code is copied to a
 * padded block. Bits are counted byte by byte. No state, no failures.
 *
 * Integer bounds: those of the AVX2 file. Levels of 8 bits are unsigned and the query is signed, so
 * both are widened to 16 bits first.
 */
#include "index/kernel/codes_int.h"

#if defined(__aarch64__)
#include <arm_neon.h>

#define TARGET
#define INLINE static inline __attribute__((always_inline))
INLINE uint32_t count_bits(uint64_t word)
{
    return vaddv_u8(vcnt_u8(vcreate_u8(word)));
}
#define COUNT_BITS(word) count_bits(word)
#include "index/kernel/codes_planes.inc"
BITS_CELLS(bits_counted)

enum { STEP = 16, ABREAST = 4 };

INLINE int32x4_t add_products(int32x4_t total, uint8x16_t c, uint8x16_t k)
{
    int16x8_t c_low = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(c)));
    int16x8_t c_high = vreinterpretq_s16_u16(vmovl_u8(vget_high_u8(c)));
    int16x8_t k_low = vmovl_s8(vreinterpret_s8_u8(vget_low_u8(k)));
    int16x8_t k_high = vmovl_s8(vreinterpret_s8_u8(vget_high_u8(k)));
    total = vmlal_s16(total, vget_low_s16(c_low), vget_low_s16(k_low));
    total = vmlal_s16(total, vget_high_s16(c_low), vget_high_s16(k_low));
    total = vmlal_s16(total, vget_low_s16(c_high), vget_low_s16(k_high));
    return vmlal_s16(total, vget_high_s16(c_high), vget_high_s16(k_high));
}

/* k: the query's 16 bytes; odd: those of the odd dimensions, for CODE_DOT4. */
INLINE int32x4_t step(enum code_sum sum, int32x4_t total, uint8x16_t c, uint8x16_t k,
                      uint8x16_t odd)
{
    if (sum == CODE_DOT8) {
        return add_products(total, c, k);
    }
    if (sum == CODE_MANHATTAN) {
        uint16x8_t pairs = vpaddlq_u8(vabdq_u8(c, k));
        return vreinterpretq_s32_u32(vpadalq_u16(vreinterpretq_u32_s32(total), pairs));
    }
    if (sum == CODE_EUCLID7) {
        uint8x16_t difference = vabdq_u8(c, k);
        uint16x8_t low = vmull_u8(vget_low_u8(difference), vget_low_u8(difference));
        uint16x8_t high = vmull_u8(vget_high_u8(difference), vget_high_u8(difference));
        uint32x4_t sums = vpadalq_u16(vreinterpretq_u32_s32(total), low);
        return vreinterpretq_s32_u32(vpadalq_u16(sums, high));
    }
    int8x16_t signed_c = vreinterpretq_s8_u8(sum == CODE_DOT4 ? vandq_u8(c, vdupq_n_u8(15)) : c);
    int8x16_t signed_k = vreinterpretq_s8_u8(k);
    total = vpadalq_s16(total, vmull_s8(vget_low_s8(signed_c), vget_low_s8(signed_k)));
    total = vpadalq_s16(total, vmull_s8(vget_high_s8(signed_c), vget_high_s8(signed_k)));
    if (sum == CODE_DOT4) {
        int8x16_t high_c = vreinterpretq_s8_u8(vshrq_n_u8(c, 4));
        int8x16_t odd_k = vreinterpretq_s8_u8(odd);
        total = vpadalq_s16(total, vmull_s8(vget_low_s8(high_c), vget_low_s8(odd_k)));
        total = vpadalq_s16(total, vmull_s8(vget_high_s8(high_c), vget_high_s8(odd_k)));
    }
    return total;
}

INLINE void bytes_four(enum code_sum sum, const uint8_t *query, const uint8_t *const *codes,
                       size_t bytes, int32_t *out)
{
    const uint8_t *query_odd = sum == CODE_DOT4 ? query + code_query_size(bytes) : query;
    int32x4_t totals[ABREAST] = {vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0)};
    for (size_t at = 0; at < bytes; at += STEP) {
        uint8x16_t k = vld1q_u8(query + at);
        uint8x16_t odd = sum == CODE_DOT4 ? vld1q_u8(query_odd + at) : k;
        for (int c = 0; c < ABREAST; c++) {
            const uint8_t *from = codes[c] + at;
            uint8_t padded[STEP];
            if (bytes - at < STEP) {
                memset(padded, 0, sizeof padded);
                memcpy(padded, from, bytes - at);
                from = padded;
            }
            totals[c] = step(sum, totals[c], vld1q_u8(from), k, odd);
        }
    }
    for (int c = 0; c < ABREAST; c++) {
        out[c] = vaddvq_s32(totals[c]);
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
