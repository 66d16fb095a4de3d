/* Measured bounds of estimates, for kinds that know none of their own.
 *
 * Rows of the sample play queries against other rows of it, among them their nearest by estimate.
 * The error is measured in units in which it hardly depends on the pair:
 *   dot, cosine: the length of the query; the error is its product with what a code lost;
 *   Euclid (squared): the distance, never less than what a code loses itself;
 *   Manhattan: one.
 * error_factor is a high quantile of error / unit with a margin. No threads; nothing fails.
 */
#include "index/quant/quant_int.h"
#include "storage/base/mem.h"
#include "storage/base/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { QUERIES = 48, ROWS = 512 };
static const double QUANTILE = 0.997;
static const float MARGIN = 1.15f;

static float unit_of(const struct quantizer *quantizer, const struct query_state *state,
                     float estimate)
{
    switch (quantizer->distance) {
    case DISTANCE_EUCLID:
        return sqrtf(fmaxf(estimate, 0.0f) + quantizer->error_floor);
    case DISTANCE_MANHATTAN:
        return 1.0f;
    default:
        return state->length;
    }
}

static int compare_floats(const void *a, const void *b)
{
    float x = *(const float *)a;
    float y = *(const float *)b;
    return (x > y) - (x < y);
}

void quant_plain_units(const struct quantizer *quantizer, const void *state,
                       const void *const *codes, size_t count, const float *estimates, float *units)
{
    (void)codes;
    for (size_t i = 0; i < count; i++) {
        units[i] = unit_of(quantizer, state, estimates[i]);
    }
}

struct measuring {
    const struct quantizer *quantizer;
    const struct sample *sample;
    size_t rows_count;
    const void *codes[ROWS];
    const void *rows[ROWS]; /* stored */
    void *state;
};

/* Exact less estimated distances of one query to all rows, and their units. */
static void measure_query(const struct measuring *measuring, size_t query, float *errors,
                          float *units)
{
    const struct quantizer *quantizer = measuring->quantizer;
    const void *stored = measuring->sample->training->rows[query];
    const struct kernel *kernel = kernel_get(quantizer->distance, quantizer->element);
    float estimates[ROWS];
    float error_units[ROWS]; /* in units of the kind, with a factor of 1 */
    quantizer_query(quantizer, stored, measuring->state);
    quantizer_bounds(quantizer, measuring->state, measuring->codes, measuring->rows_count,
                     estimates, error_units);
    kernel->many(stored, measuring->rows, measuring->rows_count, quantizer->dim, errors);
    for (size_t i = 0; i < measuring->rows_count; i++) {
        errors[i] -= estimates[i];
        units[i] = error_units[i];
    }
}

/* The mean of squared differences between rows and what their codes stand for. */
static float lost_by_codes(const struct measuring *measuring, float *row, float *decoded)
{
    const struct quantizer *quantizer = measuring->quantizer;
    double sum = 0.0;
    for (size_t i = 0; i < measuring->rows_count; i++) {
        quant_restore(quantizer->distance, quantizer->element, measuring->rows[i], quantizer->dim,
                      row);
        quantizer->kind->decode(quantizer, measuring->codes[i], decoded);
        for (size_t d = 0; d < quantizer->dim; d++) {
            double difference = (double)row[d] - (double)decoded[d];
            sum += difference * difference;
        }
    }
    return (float)(sum / (double)measuring->rows_count);
}

static void settle(struct quantizer *quantizer, float *errors, const float *units, size_t pairs)
{
    if (quantizer->kind->shifts) {
        float *sorted = mem_alloc(pairs * sizeof *sorted);
        memcpy(sorted, errors, pairs * sizeof *sorted);
        qsort(sorted, pairs, sizeof *sorted, compare_floats);
        quantizer->shift = sorted[pairs / 2];
        mem_free(sorted);
    }
    for (size_t i = 0; i < pairs; i++) {
        float error = fabsf(errors[i] - quantizer->shift) / units[i];
        errors[i] = isfinite(error) ? error : 0.0f;
    }
    qsort(errors, pairs, sizeof *errors, compare_floats);
    quantizer->error_factor = MARGIN * errors[(size_t)((double)(pairs - 1) * QUANTILE)];
}

void quant_measure_error(struct quantizer *quantizer, const struct sample *sample)
{
    struct measuring measuring = {.quantizer = quantizer, .sample = sample};
    struct random random;
    random_init(&random, sample->training->seed ^ 0x626f756e6473ull);
    measuring.rows_count = sample->count < ROWS ? sample->count : ROWS;
    size_t queries = sample->count < QUERIES ? sample->count : QUERIES;
    uint8_t *codes = mem_alloc(measuring.rows_count * quantizer->code_bytes);
    void *state = mem_alloc(quantizer->state_bytes + CODE_QUERY_ALIGN);
    measuring.state = quant_align(state);
    float *errors = mem_alloc(2 * queries * measuring.rows_count * sizeof *errors);
    float *floats = mem_alloc(2 * quantizer->dim * sizeof *floats);
    for (size_t i = 0; i < measuring.rows_count; i++) {
        measuring.rows[i] = sample->training->rows[(size_t)random_below(&random, sample->count)];
        measuring.codes[i] = codes + i * quantizer->code_bytes;
        quantizer_encode(quantizer, measuring.rows[i], codes + i * quantizer->code_bytes);
    }
    quantizer->error_floor = lost_by_codes(&measuring, floats, floats + quantizer->dim);
    quantizer->error_factor = 1.0f;
    size_t pairs = queries * measuring.rows_count;
    for (size_t q = 0; q < queries; q++) {
        size_t query = (size_t)random_below(&random, sample->count);
        size_t at = q * measuring.rows_count;
        measure_query(&measuring, query, errors + at, errors + pairs + at);
    }
    settle(quantizer, errors, errors + pairs, pairs);
    mem_free(floats);
    mem_free(errors);
    mem_free(state);
    mem_free(codes);
}

int64_t quant_query_integers(const float *in, size_t dim, float step, int most, int8_t *out)
{
    float scale = step > 0.0f ? 1.0f / step : 0.0f;
    scale = isfinite(scale) ? scale : 0.0f;
    float top = (float)most;
    int64_t sum = 0;
    for (size_t i = 0; i < dim; i++) {
        float value = in[i] * scale;
        value = value > -top ? value : -top;
        value = value < top ? value : top;
        int32_t integer = (int32_t)(value + (value < 0.0f ? -0.5f : 0.5f));
        out[i] = (int8_t)integer;
        sum += integer;
    }
    return sum;
}

float quant_largest(const float *in, size_t dim)
{
    float largest = 0.0f;
    for (size_t i = 0; i < dim; i++) {
        float size = fabsf(in[i]);
        largest = size > largest ? size : largest;
    }
    return largest;
}
