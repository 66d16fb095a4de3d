/* Training: from points to a whole table.
 *
 * 1. The points are clustered; the lists' sizes are known.
 * 2. Codebooks: of centroids, and of a sample of points less their centroids. What the codes leave
 *    of the sample gives the steps of the rests, and the range of addends.
 * 3. Every list's points are encoded into the region, lists in parallel.
 * 4. Calibration (calibrate.c).
 *
 * Threads: the job's, over independent pieces; the table depends on the points and the seed only.
 * Failures: CANCELLED, TOO_LARGE when there is no memory. */
#include "index/ivfpq/ivfpq_int.h"
#include "storage/base/assert.h"
#include "storage/base/mem.h"

#include <math.h>
#include <string.h>

enum {
    SAMPLE_MAX = 8192,
    PER_LIST_MIN = 24,
    COLD_PART = 96,
    COLD_PER_LIST_MIN = 4,
    COLD_PER_LIST_MAX = 40,
    COLD_CHUNK_BYTES = 8 << 20,
};
static const double COLD_LISTS_PER_ROOT =
    2.0;                                  /* of rows on disk: what they are trained on must fit */
static const double LISTS_PER_ROOT = 6.0; /* lists: this times the root of the number of points */
static const float REST_STEP = 0.335f;    /* of the deviation: least error for a normal one */

static size_t lists_for(const struct ivfpq *ivfpq, size_t count)
{
    double per_root = ivfpq->cold ? COLD_LISTS_PER_ROOT : LISTS_PER_ROOT;
    size_t lists = (size_t)lrint(per_root * sqrt((double)count));
    size_t most = count / PER_LIST_MIN;
    lists = lists < most ? lists : most;
    return lists > 0 ? lists : 1;
}

/* Rows that are on disk are many times the memory there is: training looks at a part of them that
 * fits. 0: the default. */
static size_t per_list_for(const struct ivfpq *ivfpq, size_t count)
{
    size_t most = count / COLD_PART / lists_for(ivfpq, count);
    if (!ivfpq->cold) {
        return 0;
    }
    return most < COLD_PER_LIST_MIN   ? COLD_PER_LIST_MIN
           : most > COLD_PER_LIST_MAX ? COLD_PER_LIST_MAX
                                      : most;
}

struct training {
    const struct ivfpq *ivfpq;
    const struct build_job *job;
    const point_offset *points;
    size_t count;
    struct clustering clustering;
    struct table *table;
    float *sample; /* sample_count x padded: rows less their centroids, or rows */
    size_t sample_count;
};

static enum status no_memory(struct error *err)
{
    return error_set(err, STATUS_TOO_LARGE, "no memory to train an index");
}

static enum status cancelled(struct error *err)
{
    return error_set(err, STATUS_CANCELLED, "the build was cancelled");
}

/* The mean of the points from their clusters, and the centroids less it. */
static void take_off_mean(struct training *t, float *mean, float *centroids)
{
    const struct clustering *c = &t->clustering;
    size_t dim = c->dim;
    double *sums = mem_zalloc(dim * sizeof *sums);
    uint32_t *sizes = mem_zalloc(c->clusters * sizeof *sizes);
    for (size_t i = 0; i < t->count; i++) {
        sizes[c->assignment[i]]++;
    }
    for (size_t i = 0; i < c->clusters * dim; i++) {
        sums[i % dim] += (double)c->centroids[i] * sizes[i / dim];
    }
    bool centred = t->table->model.space != SPACE_INNER;
    for (size_t d = 0; d < dim; d++) {
        float value = (float)(sums[d] / (double)t->count);
        mean[d] = centred && isfinite(value) ? value : 0;
    }
    for (size_t i = 0; i < c->clusters * dim; i++) {
        centroids[i] = c->centroids[i] - mean[i % dim];
    }
    mem_free(sizes);
    mem_free(sums);
}

static void copy_sample(struct training *t)
{
    const struct model *model = &t->table->model;
    size_t padded = pq_padded(&model->fine);
    for (size_t i = 0; i < t->sample_count; i++) {
        size_t at = (size_t)((uint64_t)i * t->count / t->sample_count);
        float *row = t->sample + i * padded;
        ivfpq_row(t->ivfpq, model, vectors_at(t->ivfpq->vectors, t->points[at]), row);
        const float *centroid =
            t->table->coarse.centroids + t->clustering.assignment[at] * model->dim;
        for (size_t d = 0; d < model->dim && model->space != SPACE_ABSOLUTE; d++) {
            row[d] -= centroid[d];
        }
    }
}

struct range {
    float low, high;
};

static void widen(struct range *range, float value)
{
    range->low = value < range->low ? value : range->low;
    range->high = value > range->high ? value : range->high;
}

/* Outliers beyond the sample's range are cut to it. */
static struct addends addends_of(const struct range *range)
{
    float step = (range->high - range->low) / UINT8_MAX;
    bool usable = isfinite(step) && step > 1e-30f;
    return (struct addends){.low = isfinite(range->low) ? range->low : 0,
                            .step = usable ? step : 1e-30f};
}

/* What the codes leave of the sample: the rests' steps, the addends' range. */
static void measure_rests(struct training *t, float *rest_step)
{
    struct model *model = &t->table->model;
    const struct pq *pq = &model->fine;
    size_t padded = pq_padded(pq);
    double *squares = mem_zalloc(model->dim * sizeof *squares);
    float *decoded = mem_alloc(padded * sizeof *decoded);
    uint8_t *codes = mem_alloc(pq->subs);
    struct range range = {INFINITY, -INFINITY};
    for (size_t i = 0; i < t->sample_count; i++) {
        const float *row = t->sample + i * padded;
        size_t at = (size_t)((uint64_t)i * t->count / t->sample_count);
        const float *centroid =
            t->table->coarse.centroids + t->clustering.assignment[at] * model->dim;
        fastscan_get()->encode(row, pq->words, pq->subs, pq->width, codes);
        pq_decode(pq, codes, decoded);
        float addend = 0;
        for (size_t d = 0; d < model->dim; d++) {
            double rest = (double)(row[d] - decoded[d]);
            squares[d] += rest * rest;
            addend += (2 * centroid[d] + decoded[d]) * decoded[d];
        }
        widen(&range, addend);
    }
    double error = 0;
    for (size_t d = 0; d < model->dim; d++) {
        double deviation = sqrt(squares[d] / (double)t->sample_count);
        float step = (float)deviation * REST_STEP;
        rest_step[d] = isfinite(step) && step > 1e-30f ? step : 1e-30f;
        /* A normal distribution in 16 steps of that width keeps this much of its square. */
        error += squares[d] / (double)t->sample_count * 0.0115;
    }
    model->head.rest_error = isfinite(error) ? (float)(error / (double)model->dim) : 0;
    model->head.addends = addends_of(&range);
    mem_free(codes);
    mem_free(decoded);
    mem_free(squares);
}

static bool train_coarse_codes(struct training *t, float *words)
{
    struct model *model = &t->table->model;
    const struct coarse *coarse = &t->table->coarse;
    size_t padded = pq_padded(&model->coarse);
    size_t count = coarse->count < SAMPLE_MAX ? coarse->count : SAMPLE_MAX;
    float *rows = mem_zalloc(count * padded * sizeof *rows);
    for (size_t i = 0; i < count; i++) {
        size_t at = (size_t)((uint64_t)i * coarse->count / count);
        const float *centroid = coarse->centroids + at * model->dim;
        memcpy(rows + i * padded, centroid, model->dim * sizeof *rows);
    }
    bool done = pq_train(&model->coarse, rows, count, t->job->threads, t->job->cancelled, words);
    mem_free(rows);
    return done;
}

static enum status train_model(struct training *t, struct error *err)
{
    struct table *table = t->table;
    size_t dim = t->ivfpq->vectors->dim;
    enum space space = space_of(t->ivfpq->vectors->distance);
    struct memory *memory = memory_create(NULL, model_bytes(space, dim));
    if (memory == NULL) {
        return no_memory(err);
    }
    model_place(&table->model, space, dim, memory->bytes);
    table->model.memory = memory;
    struct memory *coarse =
        memory_create(NULL, coarse_bytes(&table->model, t->clustering.clusters));
    if (coarse == NULL) {
        return no_memory(err);
    }
    coarse_place(&table->coarse, &table->model, coarse->bytes, t->clustering.clusters);
    table->coarse.memory = coarse;
    take_off_mean(t, (float *)table->model.mean, (float *)table->coarse.centroids);
    t->sample_count = t->count < SAMPLE_MAX ? t->count : SAMPLE_MAX;
    size_t floats = t->sample_count * pq_padded(&table->model.fine);
    t->sample = mem_try_alloc(floats * sizeof *t->sample);
    if (t->sample == NULL) {
        return no_memory(err);
    }
    memset(t->sample, 0, floats * sizeof *t->sample);
    copy_sample(t);
    const struct build_job *job = t->job;
    bool done = pq_train(&table->model.fine, t->sample, t->sample_count, job->threads,
                         job->cancelled, (float *)table->model.fine.words) &&
                train_coarse_codes(t, (float *)table->model.coarse.words);
    if (!done) {
        return cancelled(err);
    }
    measure_rests(t, (float *)table->model.rest_step);
    table->model.head.trained_count = (uint32_t)t->count;
    return STATUS_OK;
}

static enum status lay_out_lists(struct training *t, struct error *err)
{
    struct table *table = t->table;
    const uint32_t *assignment = t->clustering.assignment;
    uint32_t *sizes = mem_zalloc(table->lists_count * sizeof *sizes);
    size_t total = 0;
    for (size_t i = 0; i < t->count; i++) {
        sizes[assignment[i]]++;
    }
    for (size_t i = 0; i < table->lists_count; i++) {
        total += list_layout(&table->model, sizes[i]).total;
    }
    table->region = memory_create(table->folder, total);
    if (table->region == NULL) {
        mem_free(sizes);
        return no_memory(err);
    }
    uint8_t *at = table->region->bytes;
    for (size_t i = 0; i < table->lists_count; i++) {
        table->lists[i] = list_at(&table->model, at, sizes[i]);
        at += list_layout(&table->model, sizes[i]).total;
        table->list_max = sizes[i] > table->list_max ? sizes[i] : table->list_max;
        sizes[i] = 0;
    }
    for (size_t i = 0; i < t->count; i++) {
        uint32_t list = assignment[i];
        ((point_offset *)table->lists[list].points)[sizes[list]++] = t->points[i];
    }
    table->region_bytes = total;
    table->entries = (uint32_t)t->count;
    mem_free(sizes);
    return STATUS_OK;
}

static void encode_list(void *ctx, size_t i)
{
    struct training *t = ctx;
    struct table *table = t->table;
    list_encode(t->ivfpq, table, i, &table->lists[i], 0);
    const float *centroid = table->coarse.centroids + i * table->model.dim;
    ((float *)table->coarse.spreads)[i] =
        list_spread(t->ivfpq, &table->model, &table->lists[i], centroid);
    if (t->job->progress != NULL) {
        atomic_fetch_add_explicit(t->job->progress, table->lists[i].count, memory_order_relaxed);
    }
}

static void measure_usual_distance(struct table *table)
{
    double sum = 0;
    for (size_t i = 0; i < table->lists_count; i++) {
        double spread = (double)table->coarse.spreads[i];
        sum += spread * spread * table->lists[i].count;
    }
    table->model.head.usual_distance = (float)sqrt(sum / table->entries);
}

/* After calibration, which gives the reach. */
static void encode_centroids(struct table *table)
{
    const struct coarse *coarse = &table->coarse;
    struct model *model = &table->model;
    struct range range = {INFINITY, -INFINITY};
    for (size_t i = 0; i < coarse->count; i++) {
        const float *centroid = coarse->centroids + i * model->dim;
        widen(&range, coarse_addend(model, centroid, coarse->spreads[i]));
    }
    model->head.coarse_addends = addends_of(&range);
    coarse_encode(coarse, model);
}

static enum status train(struct training *t, struct error *err)
{
    t->table = table_create(t->ivfpq->folder, t->clustering.clusters);
    if (t->table == NULL) {
        return no_memory(err);
    }
    enum status status = train_model(t, err);
    if (status == STATUS_OK) {
        status = lay_out_lists(t, err);
    }
    if (status == STATUS_OK &&
        !parallel_for(t->job->threads, t->table->lists_count, t->job->cancelled, encode_list, t)) {
        status = cancelled(err);
    }
    if (status == STATUS_OK) {
        measure_usual_distance(t->table);
        status = ivfpq_calibrate(t->ivfpq, t->job, t->table, err);
    }
    if (status == STATUS_OK) {
        encode_centroids(t->table);
    }
    return status;
}

enum status ivfpq_train(const struct ivfpq *ivfpq, const struct build_job *job,
                        const point_offset *points, size_t count, struct table **out,
                        struct error *err)
{
    struct training t = {.ivfpq = ivfpq, .job = job, .points = points, .count = count};
    const struct cluster_job clustering = {.vectors = ivfpq->vectors,
                                           .points = points,
                                           .count = count,
                                           .clusters = lists_for(ivfpq, count),
                                           .per_cluster = per_list_for(ivfpq, count),
                                           .chunk_bytes = ivfpq->cold ? COLD_CHUNK_BYTES : 0,
                                           .thorough = !ivfpq->cold,
                                           .seed = ivfpq->seed,
                                           .threads = job->threads,
                                           .cancelled = job->cancelled};
    enum status status = cluster_train(&clustering, &t.clustering, err);
    if (status != STATUS_OK) {
        return status;
    }
    status = train(&t, err);
    clustering_deinit(&t.clustering);
    mem_free(t.sample);
    if (status != STATUS_OK) {
        table_unref(t.table);
        return status;
    }
    *out = t.table;
    return STATUS_OK;
}
