/* Scalar codes: a byte of 7 bits a dimension, one step for all dimensions.
 *
 * The range holds the wanted part of all values of the sample; a value outside of it counts as the
 * end it passed. A dimension's code c stands for low + step c.
 *   dot, cosine: the query has integers of 8 bits with its own step; minus the dot product is
 *     -(low sum(q) + step step_q sum(k c)). A float of each code brings its length along itself
 *     right, which counts when values were cut: the estimate is multiplied with |x|^2 / <x, x'>.
 *   Euclid, Manhattan: the query lies on the same grid, so that equal rows have distance 0 and
 *     errors are those of the difference. What was cut from the query is added; for Manhattan that
 *     is exact.
 * With 7 bits vpmaddubsw does not saturate (see codes_avx2.c).
 *
 * A code: dot, cosine: f32 factor; then the bytes, zeros up to a multiple of 4.
 * No threads; BAD_INPUT for a quantile outside 0.5..1.
 */
#include "index/quant/quant_int.h"
#include "storage/base/mem.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LEVELS_MAX = 127, VALUES_MAX = 1 << 20 };
static const float QUANTILE_DEFAULT = 0.99f;
/* A factor outside says more about a code that lost nearly everything than about the row. */
static const float FACTOR_MIN = 0.25f;
static const float FACTOR_MAX = 4.0f;
static const float STEP_MIN = 0x1p-100f; /* its inverse is finite */

struct scalar {
    struct quantizer base;
    float low, step;
    struct code_shape shape;
    const struct code_kernel *kernel;
};
struct scalar_state {
    struct query_state base;
    float scale; /* of the sum */
    float add;
    float pad[14];
    uint8_t integers[];
};

static const struct scalar *scalar_of(const struct quantizer *quantizer)
{
    return (const struct scalar *)(const void *)quantizer;
}

static enum code_sum sum_for(enum distance distance)
{
    switch (distance) {
    case DISTANCE_EUCLID:
        return CODE_EUCLID7;
    case DISTANCE_MANHATTAN:
        return CODE_MANHATTAN;
    default:
        return CODE_DOT7;
    }
}

static enum status scalar_init(struct quantizer *quantizer, struct error *err)
{
    struct scalar *scalar = (struct scalar *)(void *)quantizer;
    float quantile = quantizer->params.quantile;
    if (quantile != 0.0f && !(quantile >= 0.5f && quantile <= 1.0f)) {
        return error_set(err, STATUS_BAD_INPUT, "quantile must be within 0.5 and 1");
    }
    size_t factor = quant_is_dot(quantizer) ? sizeof(float) : 0;
    scalar->shape.offset = factor;
    scalar->shape.bytes = (quantizer->dim + 3) / 4 * 4;
    scalar->shape.record_bytes = factor + scalar->shape.bytes;
    scalar->kernel = code_kernel_get(sum_for(quantizer->distance));
    quantizer->code_bytes = scalar->shape.record_bytes;
    quantizer->state_bytes = sizeof(struct scalar_state) + code_query_size(scalar->shape.bytes);
    quantizer->memory = sizeof *scalar;
    snprintf(quantizer->kernel_name, sizeof quantizer->kernel_name, "scalar/%s",
             scalar->kernel->isa);
    return STATUS_OK;
}

static int compare_floats(const void *a, const void *b)
{
    float x = *(const float *)a;
    float y = *(const float *)b;
    return (x > y) - (x < y);
}

static enum status scalar_train(struct quantizer *quantizer, const struct sample *sample,
                                struct error *err)
{
    (void)err;
    struct scalar *scalar = (struct scalar *)(void *)quantizer;
    size_t rows = VALUES_MAX / sample->dim;
    rows = rows < 16 ? 16 : rows;
    rows = rows < sample->count ? rows : sample->count;
    float *values = mem_alloc(rows * sample->dim * sizeof *values);
    for (size_t i = 0; i < rows; i++) {
        sample_row(sample, i * sample->count / rows, values + i * sample->dim);
    }
    size_t count = rows * sample->dim;
    qsort(values, count, sizeof *values, compare_floats);
    float quantile = quantizer->params.quantile;
    double kept = (double)(quantile > 0.0f ? quantile : QUANTILE_DEFAULT);
    size_t cut = (size_t)((double)(count - 1) * (1.0 - kept) / 2.0);
    scalar->low = values[cut];
    float high = values[count - 1 - cut];
    scalar->step = high / LEVELS_MAX - scalar->low / LEVELS_MAX;
    if (scalar->step < STEP_MIN) { /* values that hardly differ */
        scalar->step = fmaxf(STEP_MIN, fabsf(scalar->low) * 0x1p-20f);
    }
    mem_free(values);
    return STATUS_OK;
}

static void scalar_encode(const struct quantizer *quantizer, const float *row, void *code)
{
    const struct scalar *scalar = scalar_of(quantizer);
    size_t dim = quantizer->dim;
    uint8_t *bytes = (uint8_t *)code + scalar->shape.offset;
    memset(bytes + scalar->shape.bytes - 4, 0, 4);
    code_levels(row, dim, scalar->low, 1.0f / scalar->step, LEVELS_MAX, bytes);
    if (scalar->shape.offset == 0) {
        return;
    }
    struct code_levels_sums sums = code_levels_dots(row, bytes, dim);
    float own = scalar->low * sums.values + scalar->step * sums.products;
    float factor = sums.squares / own;
    factor = factor > FACTOR_MIN && factor < FACTOR_MAX ? factor : 1.0f;
    memcpy(code, &factor, sizeof factor);
}

static void scalar_decode(const struct quantizer *quantizer, const void *code, float *out)
{
    const struct scalar *scalar = scalar_of(quantizer);
    const uint8_t *bytes = (const uint8_t *)code + scalar->shape.offset;
    for (size_t i = 0; i < quantizer->dim; i++) {
        out[i] = scalar->low + scalar->step * (float)bytes[i];
    }
}

/* The query on the grid of the codes; what is lost at the ends goes into `add`. */
static void grid_query(const struct scalar *scalar, const float *row, struct scalar_state *state)
{
    size_t dim = scalar->base.dim;
    bool squares = scalar->base.distance == DISTANCE_EUCLID;
    float high = scalar->low + LEVELS_MAX * scalar->step;
    float lost = 0.0f;
    for (size_t i = 0; i < dim; i++) {
        float past = fmaxf(scalar->low - row[i], row[i] - high);
        past = fmaxf(past, 0.0f);
        lost += squares ? past * past : past;
    }
    code_levels(row, dim, scalar->low, 1.0f / scalar->step, LEVELS_MAX, state->integers);
    state->scale = squares ? scalar->step * scalar->step : scalar->step;
    state->add = lost;
}

static void scalar_query(const struct quantizer *quantizer, const float *row, void *out)
{
    const struct scalar *scalar = scalar_of(quantizer);
    struct scalar_state *state = out;
    memset(state->integers, 0, code_query_size(scalar->shape.bytes));
    if (!quant_is_dot(quantizer)) {
        grid_query(scalar, row, state);
        return;
    }
    float step = quant_largest(row, quantizer->dim) / LEVELS_MAX;
    float sum = 0.0f;
    for (size_t i = 0; i < quantizer->dim; i++) {
        sum += row[i];
    }
    quant_query_integers(row, quantizer->dim, step, LEVELS_MAX, (int8_t *)state->integers);
    state->scale = -step * scalar->step;
    state->add = -scalar->low * sum;
}

static void scalar_many(const struct quantizer *quantizer, const void *from,
                        const void *const *codes, size_t count, float *out)
{
    const struct scalar *scalar = scalar_of(quantizer);
    const struct scalar_state *state = from;
    int32_t sums[QUANT_BATCH];
    scalar->kernel->many(&scalar->shape, state->integers, codes, count, sums);
    if (scalar->shape.offset == 0) {
        for (size_t i = 0; i < count; i++) {
            out[i] = state->add + state->scale * (float)sums[i];
        }
        return;
    }
    for (size_t i = 0; i < count; i++) {
        float factor;
        memcpy(&factor, codes[i], sizeof factor);
        out[i] = (state->add + state->scale * (float)sums[i]) * factor;
    }
}

static double scalar_oversampling(const struct quantizer *quantizer)
{
    return quant_oversampling_between(quantizer->dim, 1.5, 1.2);
}

static void scalar_save(const struct quantizer *quantizer, struct buffer *out)
{
    quant_put_float(out, scalar_of(quantizer)->low);
    quant_put_float(out, scalar_of(quantizer)->step);
}

static enum status scalar_load(struct quantizer *quantizer, struct reader *reader,
                               struct error *err)
{
    struct scalar *scalar = (struct scalar *)(void *)quantizer;
    scalar->low = quant_get_finite(reader);
    scalar->step = quant_get_finite(reader);
    if (scalar->step < STEP_MIN) {
        return error_set(err, STATUS_CORRUPT, "a saved scalar quantizer has no step");
    }
    return STATUS_OK;
}

const struct quantizer_kind quantizer_scalar = {
    .id = QUANT_SCALAR,
    .size = sizeof(struct scalar),
    .init = scalar_init,
    .train = scalar_train,
    .encode = scalar_encode,
    .decode = scalar_decode,
    .query = scalar_query,
    .many = scalar_many,
    .units = quant_plain_units,
    .oversampling = scalar_oversampling,
    .save = scalar_save,
    .load = scalar_load,
};
