/* Loops that encoding, decoding and rotating are made of, compiled with the flags of this folder.
 *
 * Running sums stand side by side where a compiler may not reorder additions by itself. No state,
 * no failures.
 */
#include "index/kernel/codes.h"
#include "index/kernel/codes_int.h"

#include <math.h>
#include <string.h>

void code_levels(const float *in, size_t dim, float low, float scale, uint8_t most, uint8_t *out)
{
    float top = (float)most + 0.5f;
    for (size_t i = 0; i < dim; i++) {
        float level = (in[i] - low) * scale + 0.5f;
        level = level > 0.0f ? level : 0.0f;
        level = level < top ? level : top;
        out[i] = (uint8_t)(int32_t)level;
    }
}

struct code_levels_sums code_levels_dots(const float *row, const uint8_t *levels, size_t dim)
{
    enum { LANES = 8 };
    float values[LANES] = {0};
    float squares[LANES] = {0};
    float products[LANES] = {0};
    float level_values[LANES] = {0};
    float level_squares[LANES] = {0};
    for (size_t i = 0; i < dim; i += LANES) {
        size_t lanes = dim - i < LANES ? dim - i : LANES;
        float value[LANES] = {0};
        float level[LANES] = {0};
        for (size_t lane = 0; lane < lanes; lane++) {
            value[lane] = row[i + lane];
            level[lane] = (float)levels[i + lane];
        }
        for (size_t lane = 0; lane < LANES; lane++) {
            values[lane] += value[lane];
            squares[lane] += value[lane] * value[lane];
            products[lane] += value[lane] * level[lane];
            level_values[lane] += level[lane];
            level_squares[lane] += level[lane] * level[lane];
        }
    }
    struct code_levels_sums sums = {0};
    for (size_t lane = 0; lane < LANES; lane++) {
        sums.values += values[lane];
        sums.squares += squares[lane];
        sums.products += products[lane];
        sums.level_values += level_values[lane];
        sums.level_squares += level_squares[lane];
    }
    return sums;
}

void code_multiply(float *values, const float *factors, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        values[i] *= factors[i];
    }
}

void code_hadamard(float *values, size_t count)
{
    float scale = 1.0f / sqrtf((float)count);
    size_t width = 1;
    if (count >= 4) {
        for (size_t i = 0; i < count; i += 4) {
            float *four = values + i;
            float a = (four[0] + four[1]) * scale;
            float b = (four[0] - four[1]) * scale;
            float c = (four[2] + four[3]) * scale;
            float d = (four[2] - four[3]) * scale;
            four[0] = a + c;
            four[1] = b + d;
            four[2] = a - c;
            four[3] = b - d;
        }
        width = 4;
        scale = 1.0f;
    }
    for (; width < count; width *= 2) {
        for (size_t block = 0; block < count; block += 2 * width) {
            float *restrict left = values + block;
            float *restrict right = values + block + width;
            for (size_t i = 0; i < width; i++) {
                float sum = (left[i] + right[i]) * scale;
                float difference = (left[i] - right[i]) * scale;
                left[i] = sum;
                right[i] = difference;
            }
        }
    }
}

void code_turn_halves(float *values, size_t count)
{
    const float scale = 0.70710678f;
    size_t half = count / 2;
    float *restrict left = values;
    float *restrict right = values + half;
    for (size_t i = 0; i < half; i++) {
        float sum = (left[i] + right[i]) * scale;
        float difference = (left[i] - right[i]) * scale;
        left[i] = sum;
        right[i] = difference;
    }
}

void code_spread_halves(const uint8_t *code, size_t dim, uint8_t *out)
{
    for (size_t i = 0; i < dim / 2; i++) {
        out[2 * i] = code[i] & 15;
        out[2 * i + 1] = code[i] >> 4;
    }
    if (dim % 2 != 0) {
        out[dim - 1] = code[dim / 2] & 15;
    }
}

void code_spread_bits(const uint8_t *code, size_t dim, uint32_t shift, uint8_t *out)
{
    for (size_t i = 0; i < dim; i++) {
        uint32_t bit = (uint32_t)code[i / 8] >> (i % 8) & 1u;
        out[i] = (uint8_t)(out[i] + (bit << shift));
    }
}

struct code_centred code_centre(const float *row, const float *centre, size_t dim, float *out)
{
    enum { LANES = 8 };
    float squares[LANES] = {0};
    float products[LANES] = {0};
    float row_products[LANES] = {0};
    for (size_t i = 0; i < dim; i++) {
        out[i] = row[i] - centre[i];
    }
    for (size_t i = 0; i < dim; i += LANES) {
        size_t lanes = dim - i < LANES ? dim - i : LANES;
        for (size_t lane = 0; lane < lanes; lane++) {
            float difference = out[i + lane];
            squares[lane] += difference * difference;
            products[lane] += difference * centre[i + lane];
            row_products[lane] += row[i + lane] * centre[i + lane];
        }
    }
    struct code_centred sums = {0};
    for (size_t lane = 0; lane < LANES; lane++) {
        sums.squares += squares[lane];
        sums.product += products[lane];
        sums.row_product += row_products[lane];
    }
    return sums;
}

uint32_t code_nearest_scalar(const float *values, size_t dims, const float *codebook,
                             float *distance)
{
    float sums[CODEWORDS] = {0};
    for (size_t d = 0; d < dims; d++) {
        for (size_t word = 0; word < CODEWORDS; word++) {
            float difference = values[d] - codebook[d * CODEWORDS + word];
            sums[word] += difference * difference;
        }
    }
    uint32_t best = 0;
    for (uint32_t word = 1; word < CODEWORDS; word++) {
        best = sums[word] < sums[best] ? word : best;
    }
    *distance = sums[best];
    return best;
}

void code_table_fill(enum code_table kind, const float *values, size_t dims, const float *codebook,
                     float *out)
{
    memset(out, 0, CODEWORDS * sizeof *out);
    for (size_t d = 0; d < dims; d++) {
        const float *row = codebook + d * CODEWORDS;
        float value = values[d];
        for (size_t word = 0; kind == CODE_TABLE_DOT && word < CODEWORDS; word++) {
            out[word] -= value * row[word];
        }
        for (size_t word = 0; kind == CODE_TABLE_EUCLID && word < CODEWORDS; word++) {
            out[word] += (value - row[word]) * (value - row[word]);
        }
        for (size_t word = 0; kind == CODE_TABLE_MANHATTAN && word < CODEWORDS; word++) {
            out[word] += fabsf(value - row[word]);
        }
    }
}

/* Four codes side by side: their additions do not wait for each other. Gathering instructions are
 * no faster than plain loads here. */
void code_table_sums(const float *tables, size_t parts, const void *const *records, size_t count,
                     float *out)
{
    enum { ABREAST = 4 };
    const struct code_shape shape = {.record_bytes = parts};
    size_t prefetch = code_prefetch_bytes(&shape);
    size_t ahead = code_ahead(&shape);
    for (size_t i = 0; i < ahead && i < count; i++) {
        prefetch_record(records[i], prefetch);
    }
    for (size_t i = 0; i < count; i += ABREAST) {
        const uint8_t *codes[ABREAST];
        for (size_t c = 0; c < ABREAST; c++) {
            codes[c] = records[i + c < count ? i + c : count - 1];
            if (i + c + ahead < count) {
                prefetch_record(records[i + c + ahead], prefetch);
            }
        }
        float sums[ABREAST] = {0};
        const float *table = tables;
        for (size_t at = 0; at < parts; at++, table += CODEWORDS) {
            for (size_t c = 0; c < ABREAST; c++) {
                sums[c] += table[codes[c][at]];
            }
        }
        size_t have = count - i < ABREAST ? count - i : ABREAST;
        memcpy(out + i, sums, have * sizeof *out);
    }
}
