/* The fast scan's reference: plain C, and the choice of the best set for the CPU. Nothing fails. */
#include "index/kernel/fastscan_int.h"

static uint16_t sum_of(const struct fastscan_query *query, const uint8_t *block, size_t place)
{
    uint32_t sum = 0;
    for (size_t s = 0; s < 2 * query->pairs; s++) {
        sum += query->tables[s * FASTSCAN_WORDS + fastscan_code(block, place, s)];
    }
    if (query->has_addends) {
        uint32_t addend = block[query->pairs * FASTSCAN_BLOCK + place];
        sum += addend * query->addend_scale >> 8;
    }
    return sum < UINT16_MAX ? (uint16_t)sum : UINT16_MAX;
}

static void scalar_sums(const struct fastscan_query *query, const uint8_t *blocks, size_t count,
                        uint16_t *out)
{
    size_t block_bytes = fastscan_block_bytes(query->pairs, query->has_addends);
    for (size_t i = 0; i < count; i++) {
        out[i] = sum_of(query, blocks + i / FASTSCAN_BLOCK * block_bytes, i % FASTSCAN_BLOCK);
    }
}

static size_t scalar_below(const struct fastscan_query *query, const uint8_t *blocks, size_t count,
                           uint16_t bound, uint32_t *positions, uint16_t *sums)
{
    size_t block_bytes = fastscan_block_bytes(query->pairs, query->has_addends);
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        uint16_t sum = sum_of(query, blocks + i / FASTSCAN_BLOCK * block_bytes, i % FASTSCAN_BLOCK);
        if (sum <= bound) {
            positions[found] = (uint32_t)i;
            sums[found++] = sum;
        }
    }
    return found;
}

static void scalar_tables(const float *q, const float *words, size_t subs, size_t width,
                          float scale, bool absolute, float *tables)
{
    tables_of(q, words, subs, width, scale, absolute, tables);
}

static struct fastscan_quantized scalar_quantize(const float *tables, size_t subs, float step_min,
                                                 uint8_t *out)
{
    return quantize_tables(tables, subs, step_min, out);
}

static void scalar_encode(const float *x, const float *words, size_t subs, size_t width,
                          uint8_t *codes)
{
    encode_parts(x, words, subs, width, codes);
}

static int32_t scalar_rest(const uint8_t *row, size_t bytes, const int8_t *weights)
{
    int32_t sum = 0;
    size_t from = 0;
    for (;; weights += 2 * FASTSCAN_REST_STEP) {
        for (size_t i = 0; i < FASTSCAN_REST_STEP && from + i < bytes; i++) {
            uint8_t byte = row[from + i];
            sum += (byte & 15) * weights[i] + (byte >> 4) * weights[FASTSCAN_REST_STEP + i];
        }
        if (from + FASTSCAN_REST_STEP >= bytes) {
            return sum;
        }
        from += FASTSCAN_REST_STEP;
        from = from + FASTSCAN_REST_STEP > bytes ? bytes - FASTSCAN_REST_STEP : from;
    }
}

const struct fastscan fastscan_scalar = {
    .name = "scalar",
    .sums = scalar_sums,
    .below = scalar_below,
    .tables = scalar_tables,
    .quantize = scalar_quantize,
    .encode = scalar_encode,
    .rest = scalar_rest,
};

const struct fastscan *fastscan_get(void)
{
#if defined(__x86_64__)
    if (fastscan_avx2_usable()) {
        return &fastscan_avx2;
    }
#endif
#if defined(__aarch64__)
    return &fastscan_neon;
#else
    return &fastscan_scalar;
#endif
}
