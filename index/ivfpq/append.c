/* Appending points to a table.
 *
 * 1. The points' nearest centroids, by matrix products.
 * 2. Every list that gets some is copied with them behind its own, in parallel.
 * 3. Lists that have grown far beyond the mean are split: 2-means over their rows makes two
 *    centroids, and both halves are encoded anew.
 * 4. When lists with memory of their own take half of what the region has, all move together.
 *
 * Threads: pieces are lists. Failures: CANCELLED, TOO_LARGE; nothing has changed then. */
#include "index/cluster/kmeans.h"
#include "index/ivfpq/ivfpq_int.h"
#include "storage/base/assert.h"
#include "storage/base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { SPLIT_AT_MEANS = 4, SPLIT_MIN = 256, SPLIT_PASSES = 8 };

struct arrival {
    uint32_t list;
    point_offset point;
};
struct appending {
    const struct ivfpq *ivfpq;
    const struct table *from;
    struct table *table;
    const struct arrival *arrivals; /* sorted by list */
    const size_t *first;            /* of each touched list; one more at the end */
    atomic_bool no_memory;
};

static int compare_arrivals(const void *a, const void *b)
{
    const struct arrival *x = a;
    const struct arrival *y = b;
    if (x->list != y->list) {
        return x->list < y->list ? -1 : 1;
    }
    return (x->point > y->point) - (x->point < y->point);
}

static enum status assign(const struct ivfpq *ivfpq, const struct table *table, uint32_t threads,
                          const point_offset *points, size_t count, struct arrival *out,
                          struct error *err)
{
    const struct model *model = &table->model;
    struct clustering clustering = {.dim = model->dim,
                                    .clusters = table->coarse.count,
                                    .centroids = (float *)table->coarse.centroids};
    float *rows = mem_try_alloc((count + 1) * model->dim * sizeof *rows);
    uint32_t *nearest = mem_try_alloc((count + 1) * sizeof *nearest);
    clustering.half_norms = mem_try_alloc(table->coarse.count * sizeof(float));
    enum status status = STATUS_OK;
    if (rows == NULL || nearest == NULL || clustering.half_norms == NULL) {
        status = error_set(err, STATUS_TOO_LARGE, "no memory to append %zu points", count);
    } else {
        for (size_t i = 0; i < count; i++) {
            ivfpq_row(ivfpq, model, vectors_at(ivfpq->vectors, points[i]), rows + i * model->dim);
        }
        for (size_t c = 0; c < clustering.clusters; c++) {
            const float *centroid = clustering.centroids + c * model->dim;
            float sum = 0;
            for (size_t d = 0; d < model->dim; d++) {
                sum += centroid[d] * centroid[d];
            }
            clustering.half_norms[c] = sum / 2;
        }
        status = cluster_nearest(&clustering, rows, count, 1, threads, nearest, NULL, err);
    }
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        /* Distances that are not numbers give no nearest one. */
        uint32_t list = nearest[i] < clustering.clusters ? nearest[i] : 0;
        out[i] = (struct arrival){list, points[i]};
    }
    mem_free(clustering.half_norms);
    mem_free(nearest);
    mem_free(rows);
    return status;
}

/* A list in new memory of its own, with room for `count` points. */
static bool list_create(const struct table *table, size_t count, struct list *out)
{
    const struct model *model = &table->model;
    struct memory *memory = memory_create(table->folder, list_layout(model, count).total);
    if (memory == NULL) {
        return false;
    }
    *out = list_at(model, memory->bytes, count);
    out->memory = memory;
    return true;
}

static void extend_list(void *ctx, size_t i)
{
    struct appending *a = ctx;
    const struct arrival *arrivals = a->arrivals + a->first[i];
    size_t added = a->first[i + 1] - a->first[i];
    uint32_t number = arrivals[0].list;
    const struct model *model = &a->table->model;
    const struct list *from = &a->from->lists[number];
    struct list list;
    if (!list_create(a->table, from->count + added, &list)) {
        atomic_store(&a->no_memory, true);
        return;
    }
    size_t block_bytes = fastscan_block_bytes(model->fine.subs / 2, model->space == SPACE_SQUARE);
    memcpy((uint8_t *)list.blocks, from->blocks,
           (from->count + FASTSCAN_BLOCK - 1) / FASTSCAN_BLOCK * block_bytes);
    memcpy((uint8_t *)list.rests, from->rests, from->count * ((model->dim + 1) / 2));
    point_offset *points = (point_offset *)list.points;
    memcpy(points, from->points, from->count * sizeof *points);
    if (from->addends != NULL) { /* an empty list has none */
        memcpy((float *)list.addends, from->addends, from->count * sizeof *list.addends);
    }
    for (size_t p = 0; p < added; p++) {
        points[from->count + p] = arrivals[p].point;
    }
    list_encode(a->ivfpq, a->table, number, &list, from->count);
    memory_unref(a->table->lists[number].memory);
    a->table->lists[number] = list;
}

/* ---- splitting ---- */

static bool is_too_long(const struct table *from, const struct table *table, size_t number)
{
    uint32_t count = table->lists[number].count;
    uint64_t most = (uint64_t)SPLIT_AT_MEANS * table->entries / table->lists_count;
    most = most > SPLIT_MIN ? most : SPLIT_MIN;
    uint32_t before = number < from->lists_count ? from->lists[number].count : 0;
    /* One that cannot be split is tried again when it has doubled. */
    return count > most && (before <= most || __builtin_clz(count) != __builtin_clz(before));
}

struct halves {
    float *centroids;     /* 2 x dim */
    uint32_t *assignment; /* of the list's points */
    uint32_t sizes[2];
};

/* False: no memory. */
static bool find_halves(const struct appending *a, const struct list *list, struct halves *out)
{
    const struct model *model = &a->table->model;
    float *rows = mem_try_alloc(list->count * model->dim * sizeof *rows);
    if (rows == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < list->count; i++) {
        ivfpq_row(a->ivfpq, model, vectors_at(a->ivfpq->vectors, list->points[i]),
                  rows + i * model->dim);
    }
    float half_norms[2];
    const struct kmeans kmeans = {.rows = rows,
                                  .count = list->count,
                                  .dim = model->dim,
                                  .clusters = 2,
                                  .iterations = SPLIT_PASSES,
                                  .seed = a->ivfpq->seed,
                                  .centroids = out->centroids,
                                  .half_norms = half_norms,
                                  .assignment = out->assignment,
                                  .sizes = out->sizes};
    kmeans_run(&kmeans);
    mem_free(rows);
    return true;
}

/* Puts the halves in place of list `number` and at the end of the table, which has room. The
 * centroids are the new ones already. */
static bool put_halves(const struct appending *a, size_t number, const struct halves *halves)
{
    struct table *table = a->table;
    const struct list *whole = &table->lists[number];
    size_t numbers[2] = {number, table->lists_count};
    struct list lists[2];
    if (!list_create(table, halves->sizes[0], &lists[0])) {
        return false;
    }
    if (!list_create(table, halves->sizes[1], &lists[1])) {
        memory_unref(lists[0].memory);
        return false;
    }
    uint32_t filled[2] = {0};
    for (uint32_t i = 0; i < whole->count; i++) {
        uint32_t side = halves->assignment[i];
        ((point_offset *)lists[side].points)[filled[side]++] = whole->points[i];
    }
    for (int side = 0; side < 2; side++) {
        list_encode(a->ivfpq, table, numbers[side], &lists[side], 0);
        ((float *)table->coarse.spreads)[numbers[side]] =
            list_spread(a->ivfpq, &table->model, &lists[side],
                        table->coarse.centroids + numbers[side] * table->model.dim);
    }
    memory_unref(whole->memory);
    table->lists[number] = lists[0];
    table->lists[table->lists_count++] = lists[1];
    return true;
}

/* Centroids of its own for the table, with room for `count`. */
static bool own_coarse(struct table *table, size_t count)
{
    const struct model *model = &table->model;
    struct memory *memory = memory_create(NULL, coarse_bytes(model, count));
    if (memory == NULL) {
        return false;
    }
    struct coarse coarse;
    coarse_place(&coarse, model, memory->bytes, count);
    coarse.memory = memory;
    memcpy((float *)coarse.centroids, table->coarse.centroids,
           table->coarse.count * model->dim * sizeof(float));
    memcpy((float *)coarse.spreads, table->coarse.spreads, table->coarse.count * sizeof(float));
    memory_unref(table->coarse.memory);
    table->coarse = coarse;
    return true;
}

static bool split_one(const struct appending *a, size_t number)
{
    struct table *table = a->table;
    size_t dim = table->model.dim;
    uint32_t count = table->lists[number].count;
    struct halves halves = {.centroids = mem_alloc(2 * dim * sizeof(float)),
                            .assignment = mem_alloc(count * sizeof(uint32_t))};
    bool done = find_halves(a, &table->lists[number], &halves);
    if (done && halves.sizes[0] > 0 && halves.sizes[1] > 0) {
        float *centroids = (float *)table->coarse.centroids;
        memcpy(centroids + number * dim, halves.centroids, dim * sizeof *centroids);
        memcpy(centroids + table->lists_count * dim, halves.centroids + dim,
               dim * sizeof *centroids);
        done = put_halves(a, number, &halves);
    }
    mem_free(halves.assignment);
    mem_free(halves.centroids);
    return done;
}

/* Splits what has grown too long among the lists that were touched. */
static bool split_long(struct appending *a, size_t touched)
{
    struct table *table = a->table;
    size_t room = 0;
    for (size_t i = 0; i < touched; i++) {
        room += is_too_long(a->from, table, a->arrivals[a->first[i]].list);
    }
    if (room == 0) {
        return true;
    }
    struct table *wider = table_copy(table, table->lists_count + room);
    if (wider == NULL) {
        return false;
    }
    wider->lists_count = table->lists_count;
    table_unref(table);
    a->table = wider;
    if (!own_coarse(wider, wider->lists_count + room)) {
        return false;
    }
    for (size_t i = 0; i < touched; i++) {
        uint32_t number = a->arrivals[a->first[i]].list;
        if (is_too_long(a->from, wider, number) && !split_one(a, number)) {
            return false;
        }
    }
    wider->coarse.count = wider->lists_count;
    struct coarse roomy = wider->coarse;
    wider->coarse.memory = NULL;
    bool fitted = own_coarse(wider, wider->lists_count);
    memory_unref(roomy.memory);
    if (fitted) {
        coarse_encode(&wider->coarse, &wider->model);
    }
    return fitted;
}

static void measure_lists(struct table *table)
{
    table->entries = 0;
    table->list_max = 0;
    table->own_bytes = 0;
    for (size_t i = 0; i < table->lists_count; i++) {
        const struct list *list = &table->lists[i];
        table->entries += list->count;
        table->list_max = list->count > table->list_max ? list->count : table->list_max;
        if (list->memory != NULL) {
            table->own_bytes += list->memory->size + sizeof *list->memory;
        }
    }
}

static enum status append_sorted(struct appending *a, const struct build_job *job, size_t touched,
                                 struct error *err)
{
    if (!parallel_for(job->threads, touched, job->cancelled, extend_list, a)) {
        return error_set(err, STATUS_CANCELLED, "the build was cancelled");
    }
    measure_lists(a->table);
    bool done = !atomic_load(&a->no_memory) && split_long(a, touched);
    measure_lists(a->table);
    if (done && a->table->own_bytes > a->table->region_bytes / 2) {
        done = table_compact(a->table);
    }
    return done ? STATUS_OK : error_set(err, STATUS_TOO_LARGE, "no memory to append points");
}

enum status ivfpq_append(const struct ivfpq *ivfpq, const struct build_job *job,
                         const struct table *table, const point_offset *points, size_t count,
                         struct table **out, struct error *err)
{
    struct arrival *arrivals = mem_alloc((count + 1) * sizeof *arrivals);
    size_t *first = mem_alloc((count + 1) * sizeof *first);
    struct appending appending = {
        .ivfpq = ivfpq, .from = table, .arrivals = arrivals, .first = first};
    enum status status = assign(ivfpq, table, job->threads, points, count, arrivals, err);
    if (status == STATUS_OK) {
        appending.table = table_copy(table, table->lists_count);
        if (appending.table == NULL) {
            status = error_set(err, STATUS_TOO_LARGE, "no memory to append points");
        }
    }
    if (status == STATUS_OK) {
        qsort(arrivals, count, sizeof *arrivals, compare_arrivals);
        size_t touched = 0;
        for (size_t i = 0; i < count; i++) {
            if (i == 0 || arrivals[i].list != arrivals[i - 1].list) {
                first[touched++] = i;
            }
        }
        first[touched] = count;
        status = append_sorted(&appending, job, touched, err);
    }
    mem_free(first);
    mem_free(arrivals);
    if (status != STATUS_OK) {
        table_unref(appending.table);
        return status;
    }
    *out = appending.table;
    return STATUS_OK;
}
