/* Product codes: the dimensions are cut into groups, and each group of a row is replaced by the
 * nearest of 256 words (Jegou and others, Product quantization for nearest neighbor search, 2011).
 *
 * A group has compression / 4 dimensions, the last one maybe fewer, so that a code is `compression`
 * times smaller than float32. Words are trained group by group with k-means on a part of the sample
 * (quant_product_train.c). A query makes a table of its distances to all words of each group, and
 * an estimate is a sum of table entries.
 *
 * A code: a byte a group, zeros up to a multiple of 4. No threads here; BAD_INPUT for a compression
 * that is not 4, 8, 16, 32 or 64; CORRUPT when a saved one holds no finite numbers.
 */
#include "index/quant/quant_product.h"

#include "storage/base/mem.h"

#include <stdio.h>
#include <string.h>

struct product_state {
    struct query_state base;
    float tables[]; /* groups x CODEWORDS */
};

static const struct product *product_of(const struct quantizer *quantizer)
{
    return (const struct product *)(const void *)quantizer;
}

static enum status product_init(struct quantizer *quantizer, struct error *err)
{
    struct product *product = (struct product *)(void *)quantizer;
    uint32_t compression = quantizer->params.compression;
    bool known = compression == 4 || compression == 8 || compression == 16 || compression == 32 ||
                 compression == 64;
    if (!known) {
        return error_set(err, STATUS_BAD_INPUT, "no product quantization with compression %u",
                         compression);
    }
    product->group_dim = compression / 4;
    product->groups = (quantizer->dim + product->group_dim - 1) / product->group_dim;
    size_t words_bytes = product->groups * product->group_dim * CODEWORDS * sizeof(float);
    product->words = mem_try_alloc(words_bytes);
    if (product->words == NULL) {
        return error_set(err, STATUS_TOO_LARGE, "no memory for %zu bytes of codewords",
                         words_bytes);
    }
    memset(product->words, 0, words_bytes);
    product->nearest = code_nearest_get();
    quantizer->shifts = true;
    quantizer->code_bytes = (product->groups + 3) / 4 * 4;
    quantizer->state_bytes =
        sizeof(struct product_state) + product->groups * CODEWORDS * sizeof(float);
    quantizer->memory = sizeof *product + words_bytes;
    snprintf(quantizer->kernel_name, sizeof quantizer->kernel_name, "product/table");
    return STATUS_OK;
}

static void product_deinit(struct quantizer *quantizer)
{
    mem_free(((struct product *)(void *)quantizer)->words);
}

static void product_encode(const struct quantizer *quantizer, const float *row, void *code)
{
    const struct product *product = product_of(quantizer);
    uint8_t *bytes = code;
    memset(bytes + quantizer->code_bytes - 4, 0, 4);
    for (size_t group = 0; group < product->groups; group++) {
        float distance;
        bytes[group] =
            (uint8_t)product->nearest(row + group * product->group_dim, group_dims(product, group),
                                      group_words(product, group), &distance);
    }
}

static void product_decode(const struct quantizer *quantizer, const void *code, float *out)
{
    const struct product *product = product_of(quantizer);
    const uint8_t *bytes = code;
    for (size_t d = 0; d < quantizer->dim; d++) {
        size_t group = d / product->group_dim;
        out[d] = product->words[d * CODEWORDS + bytes[group]];
    }
}

static void product_query(const struct quantizer *quantizer, const float *row, void *out)
{
    const struct product *product = product_of(quantizer);
    struct product_state *state = out;
    static const enum code_table kinds[DISTANCE_COUNT] = {
        [DISTANCE_COSINE] = CODE_TABLE_EUCLID, /* see product_many */
        [DISTANCE_DOT] = CODE_TABLE_DOT,
        [DISTANCE_EUCLID] = CODE_TABLE_EUCLID,
        [DISTANCE_MANHATTAN] = CODE_TABLE_MANHATTAN,
    };
    enum code_table kind = kinds[quantizer->distance];
    for (size_t group = 0; group < product->groups; group++) {
        code_table_fill(kind, row + group * product->group_dim, group_dims(product, group),
                        group_words(product, group), state->tables + group * CODEWORDS);
    }
}

/* Cosine goes by the Euclidean distance of the normalised rows, -q.x = |q - x|^2 / 2 - 1: where
 * codes miss x by e, that errs by (q - x).e and not by q.e, which is much less when all rows share
 * a large mean. A row of zeros, whose cosine is 0, is then taken for one of 0.5. */
static void product_many(const struct quantizer *quantizer, const void *state,
                         const void *const *codes, size_t count, float *out)
{
    code_table_sums(((const struct product_state *)state)->tables, product_of(quantizer)->groups,
                    codes, count, out);
    if (quantizer->distance == DISTANCE_COSINE) {
        for (size_t i = 0; i < count; i++) {
            out[i] = out[i] / 2 - 1;
        }
    }
}

static double product_oversampling(const struct quantizer *quantizer)
{
    static const double measured[][2] = {[4] = {1.3, 1.2},
                                         [8] = {2.0, 1.5},
                                         [16] = {12.0, 2.0},
                                         [32] = {100.0, 4.0},
                                         [64] = {100.0, 12.0}};
    const double *pair = measured[quantizer->params.compression];
    return quant_oversampling_between(quantizer->dim, pair[0], pair[1]);
}

static void product_save(const struct quantizer *quantizer, struct buffer *out)
{
    quant_put_floats(out, product_of(quantizer)->words, quantizer->dim * CODEWORDS);
}

static enum status product_load(struct quantizer *quantizer, struct reader *reader,
                                struct error *err)
{
    size_t count = quantizer->dim * CODEWORDS;
    if (reader_left(reader) != count * sizeof(float)) {
        return error_set(err, STATUS_CORRUPT, "a saved product quantizer has %zu bytes of words",
                         reader_left(reader));
    }
    quant_get_finites(reader, ((struct product *)(void *)quantizer)->words, count);
    return STATUS_OK;
}

const struct quantizer_kind quantizer_product = {
    .id = QUANT_PRODUCT,
    .size = sizeof(struct product),
    .init = product_init,
    .train = product_train,
    .deinit = product_deinit,
    .encode = product_encode,
    .decode = product_decode,
    .query = product_query,
    .many = product_many,
    .units = quant_plain_units,
    .oversampling = product_oversampling,
    .save = product_save,
    .load = product_load,
};
