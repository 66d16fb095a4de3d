/* How far estimates may be off: measured in units that each kind names.
 *
 * Rows of the sample play queries against other rows of it and, apart, against their nearest, which
 * matter most. Kinds that know nothing of a code's error have units in which it hardly depends on
 * the pair:
 *   dot, cosine: the length of the query; the error is its product with what a code lost;
 *   Euclid (squared): the distance, never less than what a code loses itself;
 *   Manhattan: one.
 * error_factor is a high quantile of error / unit with a margin, the larger one of both groups.
 * Kinds whose estimates are too small or too large as a rule get a shift first: the median of what
 * they lack. No threads; nothing fails.
 */
#include "index/quant/quant_int.h"
#include "storage/base/mem.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { QUERIES = 48, ROWS = 512, NEAR = 16, SEARCHED = 16384 };
static const double FAR_QUANTILE = 0.997;
static const double NEAR_QUANTILE = 0.995;
static const float MARGIN = 1.3f;

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
    struct quantizer *quantizer;
    const struct sample *sample;
    const void *rows[ROWS]; /* stored */
    const void *codes[ROWS];
    size_t rows_count;
    void *state;
    uint8_t *near_codes;
    /* Exact less estimated distances, and their units. */
    float *errors, *units;
    size_t errors_count, near_from;
};

/* Adds what the query, whose state is set, gets wrong about these rows. */
static void measure(struct measuring *measuring, const void *query, const void *const *rows,
                    const void *const *codes, size_t count)
{
    const struct quantizer *quantizer = measuring->quantizer;
    const struct kernel *kernel = kernel_get(quantizer->distance, quantizer->element);
    float *errors = measuring->errors + measuring->errors_count;
    float estimates[ROWS];
    kernel->many(query, rows, count, quantizer->dim, errors);
    /* The factor is 1 yet: errors come in units. */
    quantizer_bounds(quantizer, measuring->state, codes, count, estimates,
                     measuring->units + measuring->errors_count);
    for (size_t i = 0; i < count; i++) {
        errors[i] -= estimates[i];
    }
    measuring->errors_count += count;
}

static const void *row_at(const struct measuring *measuring, size_t place, size_t places)
{
    const struct sample *sample = measuring->sample;
    return sample->training->rows[place * sample->count / places];
}

/* The rows nearest to the query among `places` of the sample, not itself; how many. */
static size_t nearest_rows(const struct measuring *measuring, const void *query,
                           const void **nearest)
{
    const struct quantizer *quantizer = measuring->quantizer;
    const struct kernel *kernel = kernel_get(quantizer->distance, quantizer->element);
    size_t places = measuring->sample->count < SEARCHED ? measuring->sample->count : SEARCHED;
    float distances[NEAR];
    size_t count = 0;
    for (size_t place = 0; place < places; place++) {
        const void *row = row_at(measuring, place, places);
        if (row == query) {
            continue;
        }
        float distance = kernel->one(query, row, quantizer->dim);
        size_t at = count < NEAR ? count++ : NEAR;
        while (at > 0 && distance < distances[at - 1]) {
            if (at < NEAR) {
                distances[at] = distances[at - 1];
                nearest[at] = nearest[at - 1];
            }
            at--;
        }
        if (at < NEAR) {
            distances[at] = distance;
            nearest[at] = row;
        }
    }
    return count;
}

static void measure_near(struct measuring *measuring, size_t query_place)
{
    const struct quantizer *quantizer = measuring->quantizer;
    const void *query = row_at(measuring, query_place, QUERIES);
    const void *rows[NEAR];
    const void *codes[NEAR];
    size_t count = nearest_rows(measuring, query, rows);
    for (size_t i = 0; i < count; i++) {
        uint8_t *code = measuring->near_codes + i * quantizer->code_bytes;
        quantizer_encode(quantizer, rows[i], code);
        codes[i] = code;
    }
    quantizer_query(quantizer, query, measuring->state);
    measure(measuring, query, rows, codes, count);
}

/* The mean of squared differences between rows and what their codes stand for. */
static float lost_by_codes(const struct measuring *measuring)
{
    const struct quantizer *quantizer = measuring->quantizer;
    size_t dim = quantizer->dim;
    float *row = mem_alloc(2 * dim * sizeof *row);
    float *decoded = row + dim;
    double sum = 0.0;
    for (size_t i = 0; i < measuring->rows_count; i++) {
        quant_restore(quantizer->distance, quantizer->element, measuring->rows[i], dim, row);
        quantizer->kind->decode(quantizer, measuring->codes[i], decoded);
        for (size_t d = 0; d < dim; d++) {
            double difference = (double)row[d] - (double)decoded[d];
            sum += difference * difference;
        }
    }
    mem_free(row);
    float mean = (float)(sum / (double)measuring->rows_count);
    return isfinite(mean) ? mean : FLT_MAX;
}

/* Sorts and gives the value below which the part lies. */
static float quantile(float *values, size_t count, double part)
{
    qsort(values, count, sizeof *values, compare_floats);
    return count > 0 ? values[(size_t)((double)(count - 1) * part)] : 0.0f;
}

static void settle(struct measuring *measuring)
{
    struct quantizer *quantizer = measuring->quantizer;
    float *errors = measuring->errors;
    size_t far = measuring->near_from;
    if (quantizer->shifts) {
        float *sorted = mem_alloc(far * sizeof *sorted);
        memcpy(sorted, errors, far * sizeof *sorted);
        float median = quantile(sorted, far, 0.5);
        quantizer->shift = isfinite(median) ? median : 0.0f;
        mem_free(sorted);
    }
    for (size_t i = 0; i < measuring->errors_count; i++) {
        float error = fabsf(errors[i] - quantizer->shift) / measuring->units[i];
        errors[i] = isfinite(error) ? error : 0.0f;
    }
    float of_far = quantile(errors, far, FAR_QUANTILE);
    float of_near = quantile(errors + far, measuring->errors_count - far, NEAR_QUANTILE);
    quantizer->error_factor = MARGIN * fmaxf(of_far, of_near);
}

void quant_measure_error(struct quantizer *quantizer, const struct sample *sample)
{
    struct measuring measuring = {.quantizer = quantizer, .sample = sample};
    measuring.rows_count = sample->count < ROWS ? sample->count : ROWS;
    size_t pairs_max = (size_t)QUERIES * (ROWS + NEAR);
    uint8_t *codes = mem_alloc((measuring.rows_count + NEAR) * quantizer->code_bytes);
    void *state = mem_alloc(quantizer->state_bytes + CODE_QUERY_ALIGN);
    float *floats = mem_alloc(2 * pairs_max * sizeof *floats);
    measuring.state = quant_align(state);
    measuring.near_codes = codes + measuring.rows_count * quantizer->code_bytes;
    measuring.errors = floats;
    measuring.units = floats + pairs_max;
    for (size_t i = 0; i < measuring.rows_count; i++) {
        measuring.rows[i] = row_at(&measuring, i, measuring.rows_count);
        measuring.codes[i] = codes + i * quantizer->code_bytes;
        quantizer_encode(quantizer, measuring.rows[i], codes + i * quantizer->code_bytes);
    }
    quantizer->error_floor = lost_by_codes(&measuring);
    quantizer->error_factor = 1.0f;
    for (size_t q = 0; q < QUERIES; q++) {
        const void *query = row_at(&measuring, q, QUERIES);
        quantizer_query(quantizer, query, measuring.state);
        measure(&measuring, query, measuring.rows, measuring.codes, measuring.rows_count);
    }
    measuring.near_from = measuring.errors_count;
    for (size_t q = 0; q < QUERIES; q++) {
        measure_near(&measuring, q);
    }
    settle(&measuring);
    mem_free(floats);
    mem_free(state);
    mem_free(codes);
}
