/* Rows and quantizers for the tests of index/quant: clustered normal data, codes, recall. */
#pragma once
#include "index/quant/quantizer.h"
#include "storage/base/random.h"
#include "tests/lib/unit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct quant_data {
    enum distance distance;
    enum element element;
    size_t dim, count, queries_count;
    uint8_t *stored; /* rows, then queries */
    const void **rows;
    const void **queries;
};

static inline double quant_data_normal(struct random *random)
{
    double sum = 0.0;
    for (int i = 0; i < 12; i++) {
        sum += random_double(random);
    }
    return sum - 6.0;
}

/* Clusters of rows around centres that lie around a point that is not the origin. */
static inline void quant_data_init(struct quant_data *data, enum distance distance,
                                   enum element element, size_t dim, size_t count, uint64_t seed)
{
    enum { CLUSTERS = 8, QUERIES = 20 };
    *data = (struct quant_data){.distance = distance, .element = element, .dim = dim};
    data->count = count;
    data->queries_count = QUERIES;
    struct random random;
    random_init(&random, seed);
    float *centres = malloc(CLUSTERS * dim * sizeof *centres);
    for (size_t i = 0; i < CLUSTERS * dim; i++) {
        centres[i] = (float)(quant_data_normal(&random) + 0.3);
    }
    size_t all = count + QUERIES;
    size_t bytes = row_bytes(element, dim);
    data->stored = malloc(all * bytes);
    data->rows = malloc(all * sizeof *data->rows);
    data->queries = data->rows + count;
    float *row = malloc(dim * sizeof *row);
    for (size_t i = 0; i < all; i++) {
        const float *centre = centres + random_below(&random, CLUSTERS) * dim;
        for (size_t d = 0; d < dim; d++) {
            row[d] = centre[d] + (float)(0.6 * quant_data_normal(&random));
            row[d] = element == ELEMENT_U8 ? 110.0f + 28.0f * row[d] : row[d];
        }
        data->rows[i] = data->stored + i * bytes;
        assert_true(vector_prepare(distance, element, row, dim, data->stored + i * bytes));
    }
    free(row);
    free(centres);
}

static inline void quant_data_deinit(struct quant_data *data)
{
    free(data->rows);
    free(data->stored);
}

static inline struct quantizer *
quant_data_train(const struct quant_data *data, const struct quant_params *params, uint32_t threads)
{
    struct quant_training training = {.distance = data->distance,
                                      .element = data->element,
                                      .dim = data->dim,
                                      .rows = data->rows,
                                      .count = data->count,
                                      .seed = 7,
                                      .threads = threads};
    struct quantizer *quantizer = NULL;
    struct error err = {0};
    if (quantizer_train(params, &training, &quantizer, &err) != STATUS_OK) {
        print_error("%s\n", err.message);
    }
    assert_non_null(quantizer);
    return quantizer;
}

struct quant_codes {
    uint8_t *bytes;
    const void **codes;
    void *state;
    float *estimates, *errors, *exact;
};

static inline void quant_codes_init(struct quant_codes *codes, const struct quant_data *data,
                                    const struct quantizer *quantizer)
{
    size_t code_bytes = quantizer_code_bytes(quantizer);
    codes->bytes = malloc(data->count * code_bytes); /* nothing behind the last one */
    codes->codes = malloc(data->count * sizeof *codes->codes);
    codes->state = aligned_alloc(64, quantizer_state_bytes(quantizer));
    codes->estimates = malloc(data->count * sizeof(float));
    codes->errors = malloc(data->count * sizeof(float));
    codes->exact = malloc(data->count * sizeof(float));
    for (size_t i = 0; i < data->count; i++) {
        codes->codes[i] = codes->bytes + i * code_bytes;
        quantizer_encode(quantizer, data->rows[i], codes->bytes + i * code_bytes);
    }
}

static inline void quant_codes_deinit(struct quant_codes *codes)
{
    free(codes->bytes);
    free(codes->codes);
    free(codes->state);
    free(codes->estimates);
    free(codes->errors);
    free(codes->exact);
}

/* How many of the `wanted` nearest by exact distance are among the `fetched` first by estimate. */
static inline size_t quant_codes_found(const struct quant_codes *codes, size_t count, size_t wanted,
                                       size_t fetched)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        size_t nearer = 0;
        size_t before = 0;
        for (size_t j = 0; j < count && nearer < wanted; j++) {
            nearer += codes->exact[j] < codes->exact[i];
        }
        if (nearer >= wanted) {
            continue;
        }
        for (size_t j = 0; j < count; j++) {
            before += codes->estimates[j] < codes->estimates[i];
        }
        found += before < fetched;
    }
    return found;
}
