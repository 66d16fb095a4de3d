/* How codes of one to eight bits a dimension lie in memory.
 *
 *   half_bits 2          s: a sign bit a dimension, in words of 32
 *   half_bits 3          s as above, with the two halves of the dimensions in words of their own;
 *                        m: a bit for each pair of dimensions i and i + half: one of the two is
 *                        large (level 0 or 3), the other small (1 or 2), and m says which
 *   half_bits 4          s, then t: the level is 2 s + t
 *   half_bits 8          half bytes
 *   half_bits 10, 12, 14 half bytes of the low four bits, then a plane for each higher bit
 *   half_bits 16         bytes
 *
 * One and a half bits so have eight values for two dimensions, at the eight angles that lie nearest
 * to even spacing, and sums over them are those of two bits: t follows from s and m. A row whose
 * values are normal keeps 0.74 of its squared length in it, beside 0.64 with one bit and 0.88 with
 * two. Everything is padded with zeros to words of 32 bits. No threads, no failures.
 */
#include "index/quant/quant_bits.h"
#include "storage/base/mem.h"

#include <math.h>
#include <string.h>

static size_t words_bytes(size_t bits)
{
    return (bits + 31) / 32 * 4;
}

void bits_layout_init(struct bits_layout *layout, size_t dim, uint32_t half_bits, size_t factors)
{
    *layout = (struct bits_layout){.dim = dim, .half_bits = half_bits, .factors = factors};
    layout->bits = half_bits == 3 ? 2 : half_bits / 2;
    layout->main.offset = factors;
    if (half_bits == 2) {
        layout->sum = CODE_BITS1;
        layout->main.bytes = words_bytes(dim);
    } else if (half_bits == 3) {
        layout->half_dim = (dim + 1) / 2;
        layout->half_at = words_bytes(layout->half_dim) * 8;
        layout->sum = CODE_BITS1_5;
        layout->main.bytes = 3 * words_bytes(layout->half_dim);
    } else if (half_bits == 4) {
        layout->sum = CODE_BITS2;
        layout->main.bytes = 2 * words_bytes(dim);
    } else if (half_bits == 16) {
        layout->sum = CODE_DOT8;
        layout->main.bytes = (dim + 3) / 4 * 4;
    } else {
        layout->sum = CODE_DOT4;
        layout->main.bytes = (dim + 7) / 8 * 4;
        layout->high_count = layout->bits - 4;
    }
    size_t end = factors + layout->main.bytes;
    for (size_t h = 0; h < layout->high_count; h++) {
        layout->high[h] =
            (struct code_shape){.offset = end, .bytes = words_bytes(dim), .planes = 8};
        end += layout->high[h].bytes;
    }
    layout->main.record_bytes = end;
    for (size_t h = 0; h < layout->high_count; h++) {
        layout->high[h].record_bytes = end;
    }
}

size_t bits_places(const struct bits_layout *layout)
{
    return layout->half_bits == 3 ? 2 * layout->half_at : layout->dim;
}

static void set_bit(uint8_t *bits, size_t at)
{
    bits[at / 8] = (uint8_t)(bits[at / 8] | 1u << at % 8);
}

static uint32_t get_bit(const uint8_t *bits, size_t at)
{
    return (uint32_t)bits[at / 8] >> at % 8 & 1u;
}

static void pack_pairs(const struct bits_layout *layout, const uint8_t *levels, uint8_t *s)
{
    uint8_t *m = s + layout->main.bytes / 3 * 2;
    for (size_t d = 0; d < layout->dim; d++) {
        if (levels[d] >= 2) {
            set_bit(s, bits_place(layout, d));
        }
        if (d < layout->half_dim && (levels[d] == 0 || levels[d] == 3)) {
            set_bit(m, d);
        }
    }
}

void bits_pack(const struct bits_layout *layout, const uint8_t *levels, void *code)
{
    uint8_t *at = (uint8_t *)code + layout->factors;
    memset(at, 0, layout->main.record_bytes - layout->factors);
    if (layout->half_bits == 3) {
        pack_pairs(layout, levels, at);
        return;
    }
    if (layout->half_bits == 16) {
        memcpy(at, levels, layout->dim);
        return;
    }
    if (layout->half_bits <= 4) {
        uint8_t *t = at + layout->main.bytes / 2;
        for (size_t d = 0; d < layout->dim; d++) {
            uint32_t top = layout->bits - 1;
            at[d / 8] = (uint8_t)(at[d / 8] | (uint32_t)(levels[d] >> top & 1) << d % 8);
            if (top == 1) {
                t[d / 8] = (uint8_t)(t[d / 8] | (levels[d] & 1u) << d % 8);
            }
        }
        return;
    }
    for (size_t d = 0; d < layout->dim; d++) {
        at[d / 2] = (uint8_t)(at[d / 2] | (levels[d] & 15u) << d % 2 * 4);
        for (size_t h = 0; h < layout->high_count; h++) {
            if ((levels[d] >> (4 + h) & 1) != 0) {
                set_bit((uint8_t *)code + layout->high[h].offset, d);
            }
        }
    }
}

void bits_unpack(const struct bits_layout *layout, const void *code, uint8_t *levels)
{
    const uint8_t *at = (const uint8_t *)code + layout->factors;
    if (layout->half_bits == 16) {
        memcpy(levels, at, layout->dim);
        return;
    }
    if (layout->half_bits >= 8) {
        code_spread_halves(at, layout->dim, levels);
        for (size_t h = 0; h < layout->high_count; h++) {
            code_spread_bits((const uint8_t *)code + layout->high[h].offset, layout->dim,
                             (uint32_t)(4 + h), levels);
        }
        return;
    }
    if (layout->half_bits == 3) {
        const uint8_t *m = at + layout->main.bytes / 3 * 2;
        for (size_t d = 0; d < layout->dim; d++) {
            bool first = d < layout->half_dim;
            uint32_t s = get_bit(at, bits_place(layout, d));
            uint32_t large = get_bit(m, first ? d : d - layout->half_dim) == (first ? 1u : 0u);
            levels[d] = (uint8_t)(2 * s + (large ? s : 1 - s));
        }
        return;
    }
    memset(levels, 0, layout->dim);
    code_spread_bits(at, layout->dim, layout->bits - 1, levels);
    if (layout->bits == 2) {
        code_spread_bits(at + layout->main.bytes / 2, layout->dim, 0, levels);
    }
}

/* After J. Max, Quantizing for minimum distortion, 1960: uniform quantizers of 2^bits levels. */
float bits_normal_step(uint32_t bits)
{
    static const float steps[] = {0.0f,    1.596f,  0.9957f, 0.5860f, 0.3352f,
                                  0.1881f, 0.1041f, 0.0569f, 0.0308f};
    return steps[bits];
}

void bits_levels(const struct bits_layout *layout, const float *row, float step, uint8_t *levels)
{
    if (layout->half_bits != 3) {
        uint32_t count = 1u << layout->bits;
        float low = -step * (float)(count - 1) / 2.0f;
        code_levels(row, layout->dim, low, 1.0f / step, (uint8_t)(count - 1), levels);
        return;
    }
    for (size_t d = 0; d < layout->half_dim; d++) {
        size_t other = d + layout->half_dim;
        float second = other < layout->dim ? row[other] : 0.0f;
        bool first_large = fabsf(row[d]) >= fabsf(second);
        levels[d] = row[d] < 0.0f ? (first_large ? 0 : 1) : (first_large ? 3 : 2);
        if (other < layout->dim) {
            levels[other] = second < 0.0f ? (first_large ? 1 : 0) : (first_large ? 2 : 3);
        }
    }
}

void bits_scratch_init(struct bits_scratch *scratch, size_t dim)
{
    bool fits = dim <= BITS_STACK_DIM;
    scratch->row = fits ? scratch->floats : mem_alloc(dim * sizeof(float));
    scratch->levels = fits ? scratch->bytes : mem_alloc(dim);
}

void bits_scratch_deinit(struct bits_scratch *scratch)
{
    if (scratch->row != scratch->floats) {
        mem_free(scratch->row);
        mem_free(scratch->levels);
    }
}
