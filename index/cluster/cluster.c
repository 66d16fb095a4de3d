/* Balanced hierarchical k-means.
 *
 * 1. A sample of the points, some for each centroid wanted, is copied as floats.
 * 2. About sqrt(clusters) group centroids come from a part of it. Each group gets centroids in
 *    proportion to its points, by a k-means of its own: all groups together cost as much as one
 *    pass of a flat k-means.
 * 3. Some flat passes over the sample, in which a row's candidates are the centroids of its nearest
 *    groups, take away the borders of the groups. Small centroids move to halve large ones.
 * 4. Where the groups mislead, if the job is thorough (most of the variance lies in directions that
 * say nothing about near neighbours, so groups cut through what belongs together), which shows in
 * rows whose nearest centroid is in none of their nearest groups, the groups are given up: a flat
 * k-means over a part of the sample begins anew. It costs several times as much.
 * 5. All points are assigned, a chunk of copied rows at a time; centroids without points go.
 *
 * Threads: groups, tiles and centroids are independent pieces; sums run in the order of the rows.
 * Failures: CANCELLED, TOO_LARGE when there is no memory. */
#include "index/cluster/cluster_int.h"
#include "index/cluster/kmeans.h"
#include "storage/base/assert.h"
#include "storage/base/mem.h"
#include "storage/base/random.h"

#include <math.h>
#include <string.h>

enum {
    PER_CLUSTER = 40,
    PER_GROUP = 128, /* sample points for a group centroid */
    FLAT_MAX = 192,  /* up to so many clusters have no groups */
    LLOYD_PASSES = 8,
    FLAT_PASSES = 2,
    CHECKED_MAX = 2048,  /* rows looked at to see whether groups mislead */
    MISPLACED_PART = 20, /* they do when more than one row in so many is misplaced */
    FLAT_PER_CLUSTER = 24,
    FLAT_ONLY_PASSES = 8,
    CHUNK_BYTES = 64 << 20,
};

struct training {
    const struct cluster_job *job;
    struct clustering *out;
    float *sample;
    size_t count, dim;    /* of the sample */
    uint32_t *assignment; /* of the sample: groups first, then clusters */
    uint32_t *sizes;      /* of clusters */
    uint32_t *first;      /* clusters + 1: a cluster's rows in `order` */
    uint32_t *order;      /* sample rows sorted by assignment */
    atomic_bool no_memory;
};

void cluster_row(const struct vectors *vectors, const void *stored, float *out)
{
    size_t dim = vectors->dim;
    vector_restore(vectors->distance, vectors->element, stored, dim, out);
    if (vectors->distance == DISTANCE_COSINE && vectors->element == ELEMENT_U8) {
        double sum = 0;
        for (size_t i = 0; i < dim; i++) {
            sum += (double)out[i] * (double)out[i];
        }
        float scale = sum > 0 ? (float)(1 / sqrt(sum)) : 0;
        for (size_t i = 0; i < dim; i++) {
            out[i] *= scale;
        }
    }
}

void clustering_deinit(struct clustering *clustering)
{
    mem_free(clustering->centroids);
    mem_free(clustering->half_norms);
    mem_free(clustering->assignment);
    mem_free(clustering->group_centroids);
    mem_free(clustering->group_half_norms);
    mem_free(clustering->group_first);
    *clustering = (struct clustering){0};
}

static bool reserve(struct training *t)
{
    struct clustering *out = t->out;
    size_t dim = t->dim;
    out->centroids = mem_try_alloc(out->clusters * dim * sizeof(float));
    out->half_norms = mem_try_alloc(out->clusters * sizeof(float));
    out->assignment = mem_try_alloc(t->job->count * sizeof(uint32_t));
    out->group_centroids = mem_try_alloc(out->groups * dim * sizeof(float));
    out->group_half_norms = mem_try_alloc(out->groups * sizeof(float));
    out->group_first = mem_try_alloc((out->groups + 1) * sizeof(uint32_t));
    t->sample = mem_try_alloc(t->count * dim * sizeof(float));
    t->assignment = mem_try_alloc(t->count * sizeof(uint32_t));
    t->order = mem_try_alloc(t->count * sizeof(uint32_t));
    t->sizes = mem_try_alloc(out->clusters * sizeof(uint32_t));
    t->first = mem_try_alloc((out->clusters + 1) * sizeof(uint32_t));
    return out->centroids && out->half_norms && out->assignment && out->group_centroids &&
           out->group_half_norms && out->group_first && t->sample && t->assignment && t->order &&
           t->sizes && t->first;
}

/* Sample row i is one of the points of the i-th of `count` equal stretches. */
static void copy_sample_row(void *ctx, size_t i)
{
    struct training *t = ctx;
    const struct cluster_job *job = t->job;
    uint64_t from = (uint64_t)i * job->count / t->count;
    uint64_t to = (uint64_t)(i + 1) * job->count / t->count;
    struct random random;
    random_init(&random, job->seed + i);
    point_offset point = job->points[from + random_below(&random, to - from)];
    cluster_row(job->vectors, vectors_at(job->vectors, point), t->sample + i * t->dim);
}

static void sort_sample(struct training *t, size_t keys)
{
    memset(t->first, 0, (keys + 1) * sizeof *t->first);
    for (size_t i = 0; i < t->count; i++) {
        t->first[t->assignment[i] + 1]++;
    }
    for (size_t k = 0; k < keys; k++) {
        t->sizes[k] = t->first[k + 1];
        t->first[k + 1] += t->first[k];
    }
    for (size_t i = 0; i < t->count; i++) {
        t->order[t->first[t->assignment[i]]++] = (uint32_t)i;
    }
    memmove(t->first + 1, t->first, keys * sizeof *t->first);
    t->first[0] = 0;
}

static void assign_to_groups(void *ctx, size_t tile)
{
    struct training *t = ctx;
    const struct clustering *out = t->out;
    const struct centroid_set set = {out->group_centroids, out->group_half_norms, out->groups,
                                     t->dim};
    size_t from = tile * TILE_ROWS;
    size_t count = t->count - from < TILE_ROWS ? t->count - from : TILE_ROWS;
    float scores[TILE_ROWS];
    tile_nearest(&set, t->sample + from * t->dim, count, t->assignment + from, scores);
}

/* The groups' centroids, from every few rows of the sample. */
static bool train_groups(struct training *t)
{
    struct clustering *out = t->out;
    size_t wanted = out->groups * PER_GROUP;
    size_t count = t->count < wanted ? t->count : wanted;
    float *rows = mem_try_alloc(count * t->dim * sizeof *rows);
    if (rows == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        size_t row = (size_t)((uint64_t)i * t->count / count);
        memcpy(rows + i * t->dim, t->sample + row * t->dim, t->dim * sizeof *rows);
    }
    const struct kmeans kmeans = {.rows = rows,
                                  .count = count,
                                  .dim = t->dim,
                                  .clusters = out->groups,
                                  .iterations = LLOYD_PASSES,
                                  .seed = t->job->seed,
                                  .centroids = out->group_centroids,
                                  .half_norms = out->group_half_norms,
                                  .assignment = t->assignment,
                                  .sizes = t->sizes};
    kmeans_run(&kmeans);
    mem_free(rows);
    return true;
}

/* Each group's part of the centroids: as its part of the rows, rounded so that the sum is right. A
 * group never has more centroids than rows, for there are at most as many clusters as rows. */
static void allot_clusters(struct training *t)
{
    struct clustering *out = t->out;
    for (size_t g = 0; g <= out->groups; g++) {
        uint64_t rows_before = t->first[g];
        out->group_first[g] = (uint32_t)(rows_before * out->clusters / t->count);
    }
}

static void train_group(void *ctx, size_t g)
{
    struct training *t = ctx;
    struct clustering *out = t->out;
    uint32_t first = out->group_first[g];
    uint32_t clusters = out->group_first[g + 1] - first;
    uint32_t count = t->first[g + 1] - t->first[g];
    if (clusters == 0) {
        return;
    }
    float *rows = mem_try_alloc(count * t->dim * sizeof *rows);
    uint32_t *numbers = mem_try_alloc(2 * count * sizeof *numbers);
    if (rows == NULL || numbers == NULL) {
        mem_free(rows);
        mem_free(numbers);
        atomic_store(&t->no_memory, true);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        memcpy(rows + i * t->dim, t->sample + t->order[t->first[g] + i] * t->dim,
               t->dim * sizeof *rows);
    }
    const struct kmeans kmeans = {.rows = rows,
                                  .count = count,
                                  .dim = t->dim,
                                  .clusters = clusters < count ? clusters : count,
                                  .iterations = LLOYD_PASSES,
                                  .seed = t->job->seed + g,
                                  .centroids = out->centroids + first * t->dim,
                                  .half_norms = out->half_norms + first,
                                  .assignment = numbers,
                                  .sizes = numbers + count};
    kmeans_run(&kmeans);
    for (uint32_t c = (uint32_t)kmeans.clusters; c < clusters; c++) { /* one row too few */
        memcpy(out->centroids + (first + c) * t->dim, out->centroids + first * t->dim,
               t->dim * sizeof(float));
        out->half_norms[first + c] = out->half_norms[first];
    }
    mem_free(numbers);
    mem_free(rows);
}

static void move_to_mean(void *ctx, size_t c)
{
    struct training *t = ctx;
    float *centroid = t->out->centroids + c * t->dim;
    if (t->sizes[c] == 0) {
        return;
    }
    memset(centroid, 0, t->dim * sizeof *centroid);
    for (uint32_t i = t->first[c]; i < t->first[c + 1]; i++) {
        const float *row = t->sample + (size_t)t->order[i] * t->dim;
        for (size_t d = 0; d < t->dim; d++) {
            centroid[d] += row[d];
        }
    }
    float scale = 1.0f / (float)t->sizes[c];
    for (size_t d = 0; d < t->dim; d++) {
        centroid[d] *= scale;
    }
}

/* Passes of Lloyd over the sample, in which candidates come from the groups if there are any. */
static enum status refine(struct training *t, uint32_t passes, struct error *err)
{
    const struct cluster_job *job = t->job;
    struct clustering *out = t->out;
    uint32_t mean = (uint32_t)(t->count / out->clusters);
    for (uint32_t pass = 0; pass < passes; pass++) {
        enum status status = cluster_assign(out, t->sample, t->count, job->threads, job->cancelled,
                                            t->assignment, err);
        if (status != STATUS_OK) {
            return status;
        }
        sort_sample(t, out->clusters);
        if (!parallel_for(job->threads, out->clusters, job->cancelled, move_to_mean, t)) {
            return error_set(err, STATUS_CANCELLED, "the clustering was cancelled");
        }
        kmeans_reseed(out->centroids, t->sizes, out->clusters, t->dim, 1 + mean / 10, 3 * mean);
        half_norms_of(out->centroids, out->clusters, t->dim, out->half_norms);
    }
    return STATUS_OK;
}

struct chunk {
    const struct cluster_job *job;
    size_t from, dim;
    float *rows;
};

static void copy_row(void *ctx, size_t tile)
{
    struct chunk *chunk = ctx;
    size_t end = (tile + 1) * TILE_ROWS;
    size_t count = chunk->job->count - chunk->from;
    for (size_t i = tile * TILE_ROWS; i < end && i < count; i++) {
        point_offset point = chunk->job->points[chunk->from + i];
        cluster_row(chunk->job->vectors, vectors_at(chunk->job->vectors, point),
                    chunk->rows + i * chunk->dim);
    }
}

static enum status assign_all(struct training *t, struct error *err)
{
    const struct cluster_job *job = t->job;
    size_t bytes = job->chunk_bytes > 0 ? job->chunk_bytes : CHUNK_BYTES;
    size_t tiles = bytes / (t->dim * sizeof(float)) / TILE_ROWS;
    size_t room = (tiles > 0 ? tiles : 1) * TILE_ROWS;
    room = room < job->count ? room : job->count;
    struct chunk chunk = {.job = job, .dim = t->dim};
    chunk.rows = mem_try_alloc(room * t->dim * sizeof *chunk.rows);
    if (chunk.rows == NULL) {
        return error_set(err, STATUS_TOO_LARGE, "no memory to assign points");
    }
    enum status status = STATUS_OK;
    for (; status == STATUS_OK && chunk.from < job->count; chunk.from += room) {
        size_t count = job->count - chunk.from < room ? job->count - chunk.from : room;
        parallel_for(job->threads, (count + TILE_ROWS - 1) / TILE_ROWS, NULL, copy_row, &chunk);
        status = cluster_assign(t->out, chunk.rows, count, job->threads, job->cancelled,
                                t->out->assignment + chunk.from, err);
    }
    mem_free(chunk.rows);
    return status;
}

static void drop_empty(struct training *t)
{
    struct clustering *out = t->out;
    memset(t->sizes, 0, out->clusters * sizeof *t->sizes);
    for (size_t i = 0; i < t->job->count; i++) {
        t->sizes[out->assignment[i]]++;
    }
    uint32_t kept = 0;
    uint32_t *renamed = t->first;
    size_t group = 0;
    for (size_t c = 0; c < out->clusters; c++) {
        while (group <= out->groups && out->group_first[group] <= c) {
            out->group_first[group++] = kept;
        }
        renamed[c] = kept;
        if (t->sizes[c] > 0) {
            memmove(out->centroids + kept * t->dim, out->centroids + c * t->dim,
                    t->dim * sizeof(float));
            out->half_norms[kept++] = out->half_norms[c];
        }
    }
    for (; group <= out->groups; group++) {
        out->group_first[group] = kept;
    }
    out->clusters = kept;
    for (size_t i = 0; i < t->job->count; i++) {
        out->assignment[i] = renamed[out->assignment[i]];
    }
}

static enum status cancelled(struct error *err)
{
    return error_set(err, STATUS_CANCELLED, "the clustering was cancelled");
}

static enum status train_flat(struct training *t)
{
    struct clustering *out = t->out;
    const struct kmeans kmeans = {.rows = t->sample,
                                  .count = t->count,
                                  .dim = t->dim,
                                  .clusters = out->clusters,
                                  .iterations = LLOYD_PASSES,
                                  .seed = t->job->seed,
                                  .centroids = out->centroids,
                                  .half_norms = out->half_norms,
                                  .assignment = t->assignment,
                                  .sizes = t->sizes};
    kmeans_run(&kmeans);
    out->group_first[0] = 0;
    out->group_first[1] = (uint32_t)out->clusters;
    memcpy(out->group_centroids, out->centroids, t->dim * sizeof(float));
    out->group_half_norms[0] = out->half_norms[0];
    return STATUS_OK;
}

/* True: the sample's assignment of the last pass, which went by groups, is not good. */
static bool groups_mislead(const struct training *t)
{
    const struct clustering *out = t->out;
    const struct centroid_set set = {out->centroids, out->half_norms, out->clusters, t->dim};
    size_t checked = t->count < CHECKED_MAX ? t->count : CHECKED_MAX;
    size_t step = t->count / checked;
    size_t misplaced = 0;
    for (size_t i = 0; i < checked; i++) {
        const float *row = t->sample + i * step * t->dim;
        uint32_t by_groups;
        uint32_t nearest;
        float score;
        if (cluster_assign(out, row, 1, 1, NULL, &by_groups, NULL) != STATUS_OK) {
            return false; /* no memory for that: the result is usable as it is */
        }
        tile_nearest(&set, row, 1, &nearest, &score);
        misplaced += nearest != by_groups;
    }
    return misplaced > checked / MISPLACED_PART;
}

/* Without groups, from rows of the sample on. */
static enum status train_anew(struct training *t, struct error *err)
{
    struct clustering *out = t->out;
    size_t row_bytes = t->dim * sizeof(float);
    size_t count = out->clusters * FLAT_PER_CLUSTER;
    count = count < t->count ? count : t->count;
    for (size_t i = 0; i < count; i++) {
        size_t from = (size_t)((uint64_t)i * t->count / count);
        memmove(t->sample + i * t->dim, t->sample + from * t->dim, row_bytes);
    }
    t->count = count;
    struct random random;
    random_init(&random, t->job->seed);
    for (size_t c = 0; c < out->clusters; c++) {
        size_t from = (size_t)((uint64_t)c * count / out->clusters);
        size_t to = (size_t)((uint64_t)(c + 1) * count / out->clusters);
        size_t row = from + random_below(&random, to - from);
        memcpy(out->centroids + c * t->dim, t->sample + row * t->dim, row_bytes);
    }
    half_norms_of(out->centroids, out->clusters, t->dim, out->half_norms);
    out->groups = 1;
    out->group_first[0] = 0;
    out->group_first[1] = (uint32_t)out->clusters;
    memcpy(out->group_centroids, out->centroids, row_bytes);
    out->group_half_norms[0] = out->half_norms[0];
    return refine(t, FLAT_ONLY_PASSES, err);
}

static enum status train_by_groups(struct training *t, struct error *err)
{
    const struct cluster_job *job = t->job;
    if (!train_groups(t)) {
        return error_set(err, STATUS_TOO_LARGE, "no memory to cluster");
    }
    size_t tiles = (t->count + TILE_ROWS - 1) / TILE_ROWS;
    if (!parallel_for(job->threads, tiles, job->cancelled, assign_to_groups, t)) {
        return cancelled(err);
    }
    sort_sample(t, t->out->groups);
    allot_clusters(t);
    if (!parallel_for(job->threads, t->out->groups, job->cancelled, train_group, t)) {
        return cancelled(err);
    }
    if (atomic_load(&t->no_memory)) {
        return error_set(err, STATUS_TOO_LARGE, "no memory to cluster");
    }
    uint32_t passes = job->iterations > 0 ? job->iterations : FLAT_PASSES;
    enum status status = refine(t, passes, err);
    if (status == STATUS_OK && job->thorough && groups_mislead(t)) {
        status = train_anew(t, err);
    }
    return status;
}

static enum status train(struct training *t, struct error *err)
{
    const struct cluster_job *job = t->job;
    if (!reserve(t)) {
        return error_set(err, STATUS_TOO_LARGE, "no memory to cluster %zu points", job->count);
    }
    if (!parallel_for(job->threads, t->count, job->cancelled, copy_sample_row, t)) {
        return cancelled(err);
    }
    enum status status = t->out->groups > 1 ? train_by_groups(t, err) : train_flat(t);
    if (status == STATUS_OK) {
        status = assign_all(t, err);
    }
    if (status == STATUS_OK) {
        drop_empty(t);
    }
    return status;
}

enum status cluster_train(const struct cluster_job *job, struct clustering *out, struct error *err)
{
    ASSERT(job->count > 0 && job->clusters > 0);
    blas_single_threaded();
    size_t per_cluster = job->per_cluster > 0 ? job->per_cluster : PER_CLUSTER;
    size_t wanted = job->clusters < job->count ? job->clusters : job->count;
    struct clustering clustering = {.dim = job->vectors->dim, .clusters = wanted, .groups = 1};
    if (wanted > FLAT_MAX) {
        clustering.groups = (size_t)lrint(sqrt((double)wanted));
    }
    size_t sample = job->count / wanted >= per_cluster ? wanted * per_cluster : job->count;
    struct training training = {
        .job = job, .out = &clustering, .count = sample, .dim = clustering.dim};
    enum status status = train(&training, err);
    mem_free(training.first);
    mem_free(training.sizes);
    mem_free(training.order);
    mem_free(training.assignment);
    mem_free(training.sample);
    if (status != STATUS_OK) {
        clustering_deinit(&clustering);
        return status;
    }
    *out = clustering;
    return STATUS_OK;
}
