/* Linking many points at once.
 *
 * On every level by itself, over the nodes of the graph that reach it and the new ones:
 * 1. Copies of a vector are told apart (hnsw_copies.c); the rest goes on with distinct vectors.
 * 2. A graph of near neighbours alone leads nowhere from afar. In one that grew by inserting, early
 * points chose their neighbours when there were few, so their links are long. Scales take the place
 * of time: one point in four is on the next coarser scale, one in sixteen on the one after, and a
 * point is compared with those of its own scale and coarser ones.
 * 3. The points of a scale are clustered into lists of about LIST_POINTS near ones (few points:
 * lists in order, each compared with all). Every new point gets candidates from its list and the
 * lists nearest to it, by matrix products (hnsw_knn.c).
 * 4. Distances of the candidates are computed exactly, the heuristic chooses among them, and the
 * point's own row is written. Nobody can see it yet.
 * Then, from level 0 up, neighbours get their links back (hnsw_backlinks.c), copies are hung behind
 * their originals, and the nodes enter the graph.
 *
 * Threads: the job's; searches run beside. The graph does not depend on how many. Failures:
 * CANCELLED and TOO_LARGE leave the graph as it was; lack of memory while links are written leaves
 * the points planned.
 */
#include "index/cluster/cluster.h"
#include "index/hnsw/hnsw_copies.h"
#include "index/hnsw/hnsw_knn.h"
#include "storage/base/assert.h"
#include "storage/base/mem.h"

#include <cblas.h>
#include <stdlib.h>
#include <string.h>

enum {
    LIST_POINTS = 160,
    ALL_PAIRS_MAX = 4096, /* so few are all compared */
    COMPARED_LISTS = 80, /* measured on words: half as many cost a third of the speed of searches */
    NEAR_LISTS = 96,     /* some are short */
    SCALE_BITS = 2,
    SCALE_POINTS = 32, /* on the coarsest scale at least */
    KEEP_MAX = 512,    /* candidates of a point */
};

struct bulk {
    struct hnsw *hnsw;
    const struct build_job *job;
    const point_offset *points;
    size_t count;
    struct copies copies[LEVEL_MAX + 1];
    uint32_t levels;    /* in use */
    uint32_t scale_max; /* of the level in work */
    atomic_size_t done; /* points with their row on level 0, for display */
};

/* Points to compare, in lists. */
struct lists {
    const struct bulk *bulk;
    const point_offset *points; /* ascending */
    size_t count;
    uint32_t scale;
    struct knn knn;
    point_offset *members;
    size_t *first;
    uint32_t *near;
    struct knn_piece *pieces;
    size_t pieces_count;
};

struct choosing {
    struct bulk *bulk;
    const struct lists *lists;
    uint32_t level;
    uint32_t limit;
    atomic_bool failed;
};

static enum status no_memory(size_t count, struct error *err)
{
    return error_set(err, STATUS_TOO_LARGE, "no memory to link %zu points", count);
}

static void lists_deinit(struct lists *lists)
{
    mem_free(lists->pieces);
    mem_free(lists->near);
    mem_free(lists->first);
    mem_free(lists->members);
}

/* Few points: lists in order, each near to all. False: no memory. */
static bool lists_of_few(struct lists *lists)
{
    size_t count = (lists->count + KNN_ROWS - 1) / KNN_ROWS;
    lists->first = mem_try_alloc((count + 1) * sizeof *lists->first);
    lists->members = mem_try_alloc(lists->count * sizeof *lists->members + 1);
    lists->near = mem_try_alloc(count * count * sizeof *lists->near + 1);
    if (lists->first == NULL || lists->members == NULL || lists->near == NULL) {
        return false;
    }
    memcpy(lists->members, lists->points, lists->count * sizeof *lists->members);
    for (size_t i = 0; i < count; i++) {
        lists->first[i] = i * KNN_ROWS;
        for (size_t near = 0; near < count; near++) {
            lists->near[i * count + near] = (uint32_t)near;
        }
    }
    lists->first[count] = lists->count;
    lists->knn.lists = lists->knn.width = count;
    lists->knn.columns = lists->count;
    return true;
}

/* Sorts the points by their cluster. False: no memory. */
static bool sort_members(struct lists *lists, const struct clustering *clustering)
{
    size_t count = lists->count;
    lists->members = mem_try_alloc(count * sizeof *lists->members);
    lists->first = mem_try_alloc((clustering->clusters + 1) * sizeof *lists->first);
    if (lists->members == NULL || lists->first == NULL) {
        return false;
    }
    memset(lists->first, 0, (clustering->clusters + 1) * sizeof *lists->first);
    for (size_t i = 0; i < count; i++) {
        lists->first[clustering->assignment[i] + 1]++;
    }
    for (size_t i = 0; i < clustering->clusters; i++) {
        lists->first[i + 1] += lists->first[i];
    }
    for (size_t i = 0; i < count; i++) {
        lists->members[lists->first[clustering->assignment[i]]++] = lists->points[i];
    }
    /* Each start has moved to its end. */
    for (size_t i = clustering->clusters; i > 0; i--) {
        lists->first[i] = lists->first[i - 1];
    }
    lists->first[0] = 0;
    lists->knn.lists = clustering->clusters;
    return true;
}

static enum status lists_by_cluster(struct lists *lists, struct error *err)
{
    const struct bulk *bulk = lists->bulk;
    size_t count = lists->count;
    struct cluster_job job = {.vectors = bulk->hnsw->vectors,
                              .points = lists->points,
                              .count = count,
                              .clusters = count / LIST_POINTS,
                              .seed = bulk->hnsw->seed,
                              .threads = bulk->job->threads,
                              .cancelled = bulk->job->cancelled};
    struct clustering clustering;
    enum status status = cluster_train(&job, &clustering, err);
    if (status != STATUS_OK) {
        return status;
    }
    size_t width = NEAR_LISTS < clustering.clusters ? NEAR_LISTS : clustering.clusters;
    lists->near = mem_try_alloc(clustering.clusters * width * sizeof *lists->near);
    if (lists->near == NULL || !sort_members(lists, &clustering)) {
        status = no_memory(count, err);
    } else {
        status = cluster_nearest(&clustering, clustering.centroids, clustering.clusters, width,
                                 bulk->job->threads, lists->near, NULL, err);
    }
    clustering_deinit(&clustering);
    lists->knn.width = width;
    lists->knn.columns = COMPARED_LISTS * LIST_POINTS;
    return status;
}

/* How far the point stands from the finest scale: one in four is on the next coarser one. */
static uint32_t scale_of(const struct hnsw *hnsw, point_offset point)
{
    uint64_t drawn = (hnsw->seed ^ point) * 0x9e3779b97f4a7c15u;
    drawn = (drawn ^ drawn >> 32) * 0xd6e8feb86659fd93u;
    drawn ^= drawn >> 32;
    return drawn == 0 ? 0 : (uint32_t)__builtin_ctzll(drawn) / SCALE_BITS;
}

static bool is_row(const struct lists *lists, point_offset point)
{
    const struct bulk *bulk = lists->bulk;
    if (point < bulk->points[0]) {
        return false;
    }
    uint32_t scale = scale_of(bulk->hnsw, point);
    return (scale < bulk->scale_max ? scale : bulk->scale_max) == lists->scale;
}

/* Moves those that get candidates behind those that only are some, and cuts them into pieces.
 * False: no memory. */
static bool cut_pieces(struct lists *lists)
{
    const struct knn *knn = &lists->knn;
    size_t room = knn->lists + knn->first[knn->lists] / KNN_ROWS + 1;
    lists->pieces = mem_try_alloc(room * sizeof *lists->pieces);
    point_offset *rows = mem_try_alloc(lists->count * sizeof *rows + 1);
    for (uint32_t list = 0; lists->pieces != NULL && rows != NULL && list < knn->lists; list++) {
        size_t end = knn->first[list + 1];
        size_t at = knn->first[list];
        size_t count = 0;
        for (size_t i = at; i < end; i++) {
            if (is_row(lists, lists->members[i])) {
                rows[count++] = lists->members[i];
            } else {
                lists->members[at++] = lists->members[i];
            }
        }
        memcpy(lists->members + at, rows, count * sizeof *rows);
        for (; at < end; at += KNN_ROWS) {
            size_t stop = at + KNN_ROWS < end ? at + KNN_ROWS : end;
            lists->pieces[lists->pieces_count++] =
                (struct knn_piece){.list = list, .begin = at, .end = stop};
        }
    }
    bool fits = lists->pieces != NULL && rows != NULL;
    mem_free(rows);
    return fits;
}

/* `lists` has its points. */
static enum status lists_init(struct lists *lists, struct error *err)
{
    const struct hnsw *hnsw = lists->bulk->hnsw;
    lists->knn.vectors = hnsw->vectors;
    lists->knn.keep = hnsw->ef_construct < KEEP_MAX ? hnsw->ef_construct : KEEP_MAX;
    enum status status = STATUS_OK;
    if (lists->count > ALL_PAIRS_MAX) {
        status = lists_by_cluster(lists, err);
    } else if (!lists_of_few(lists)) {
        status = no_memory(lists->count, err);
    }
    if (status == STATUS_OK) {
        lists->knn.members = lists->members;
        lists->knn.first = lists->first;
        lists->knn.near = lists->near;
        if (!cut_pieces(lists)) {
            status = no_memory(lists->count, err);
        }
    }
    if (status != STATUS_OK) {
        lists_deinit(lists);
    }
    return status;
}

static void choose_row(const struct choosing *choosing, struct scratch *scratch, point_offset point,
                       struct candidate *found, uint32_t count)
{
    struct hnsw *hnsw = choosing->bulk->hnsw;
    const void *centre = vectors_at(hnsw->vectors, point);
    distances_to(hnsw, scratch, centre, found, count);
    candidates_sort(found, count);
    struct choice choice = choice_around(hnsw, centre, choosing->limit);
    uint32_t chosen = hnsw_choose(hnsw, scratch, &choice, found, count);
    row_write(row_at(hnsw, point, choosing->level), row_capacity(hnsw, choosing->level),
              scratch->chosen, chosen);
}

static void show_progress(struct bulk *bulk, size_t rows)
{
    size_t done = atomic_fetch_add_explicit(&bulk->done, rows, memory_order_relaxed) + rows;
    if (bulk->job->progress != NULL) {
        /* Links back are still to come. */
        unsigned linked = atomic_load_explicit(&bulk->hnsw->linked, memory_order_relaxed);
        atomic_store_explicit(bulk->job->progress, linked + (unsigned)(done - done / 8),
                              memory_order_relaxed);
    }
}

static void choose_piece(void *ctx, size_t i)
{
    struct choosing *choosing = ctx;
    const struct knn *knn = &choosing->lists->knn;
    const struct knn_piece *piece = &choosing->lists->pieces[i];
    struct scratch *scratch = scratch_of_thread();
    struct knn_work work;
    if (!knn_work_init(&work, knn)) {
        atomic_store_explicit(&choosing->failed, true, memory_order_relaxed);
        return;
    }
    knn_find(knn, &work, piece);
    size_t rows = piece->end - piece->begin;
    for (size_t r = 0; r < rows; r++) {
        choose_row(choosing, scratch, knn->members[piece->begin + r], knn_found(knn, &work, r),
                   work.counts[r]);
    }
    knn_work_deinit(&work);
    if (choosing->level == 0) {
        show_progress(choosing->bulk, rows);
    }
}

/* The nodes of the graph that reach the level, and the new ones. NULL: no memory. */
static point_offset *level_points(const struct bulk *bulk, uint32_t level, size_t *count)
{
    const struct hnsw *hnsw = bulk->hnsw;
    point_offset *out = mem_try_alloc((bulk->points[0] + bulk->count) * sizeof *out);
    size_t at = 0;
    for (point_offset i = 0; out != NULL && i < bulk->points[0]; i++) {
        if (node_state_of(hnsw, i) == NODE_LINKED && level_of(hnsw, i) >= level) {
            out[at++] = i;
        }
    }
    for (size_t i = 0; out != NULL && i < bulk->count; i++) {
        if (level_of(hnsw, bulk->points[i]) >= level) {
            out[at++] = bulk->points[i];
        }
    }
    *count = at;
    return out;
}

static enum status choose_scale(struct bulk *bulk, uint32_t level, uint32_t scale,
                                struct error *err)
{
    const struct copies *copies = &bulk->copies[level];
    point_offset *points = mem_try_alloc(copies->distinct_count * sizeof *points + 1);
    if (points == NULL) {
        return no_memory(copies->distinct_count, err);
    }
    struct lists lists = {.bulk = bulk, .points = points, .scale = scale};
    for (size_t i = 0; i < copies->distinct_count; i++) {
        point_offset point = copies->distinct[i];
        if (point < bulk->points[0] || scale_of(bulk->hnsw, point) >= scale) {
            points[lists.count++] = point;
        }
    }
    enum status status = lists_init(&lists, err);
    if (status != STATUS_OK) {
        mem_free(points);
        return status;
    }
    struct choosing choosing = {
        .bulk = bulk, .lists = &lists, .level = level, .limit = bulk->hnsw->m};
    bool whole = parallel_for(bulk->job->threads, lists.pieces_count, bulk->job->cancelled,
                              choose_piece, &choosing);
    lists_deinit(&lists);
    mem_free(points);
    if (!whole) {
        return error_set(err, STATUS_CANCELLED, "the build was cancelled");
    }
    return atomic_load_explicit(&choosing.failed, memory_order_relaxed)
               ? no_memory(lists.count, err)
               : STATUS_OK;
}
static enum status choose_level(struct bulk *bulk, uint32_t level, struct error *err)
{
    size_t count;
    point_offset *points = level_points(bulk, level, &count);
    if (points == NULL) {
        return no_memory(bulk->count, err);
    }
    struct copies *copies = &bulk->copies[level];
    struct copies_search search = {.hnsw = bulk->hnsw,
                                   .points = points,
                                   .count = count,
                                   .from = bulk->points[0],
                                   .threads = bulk->job->threads};
    enum status status = copies_find(&search, copies, err);
    mem_free(points);
    if (status != STATUS_OK) {
        return status;
    }
    bulk->levels = level + 1;
    size_t old = 0;
    while (old < copies->distinct_count && copies->distinct[old] < bulk->points[0]) {
        old++;
    }
    /* Coarser scales while there are enough new points, and more than old ones. */
    size_t least = old > SCALE_POINTS ? old : SCALE_POINTS;
    uint32_t scales = 1;
    while ((copies->distinct_count - old) >> SCALE_BITS * scales > least) {
        scales++;
    }
    bulk->scale_max = scales - 1;
    for (uint32_t scale = 0; status == STATUS_OK && scale <= bulk->scale_max; scale++) {
        status = choose_scale(bulk, level, scale, err);
    }
    return status;
}

/* The new ones among the distinct. */
static struct backlinks new_links(const struct bulk *bulk, uint32_t level)
{
    const struct copies *copies = &bulk->copies[level];
    size_t old = 0;
    while (old < copies->distinct_count && copies->distinct[old] < bulk->points[0]) {
        old++;
    }
    return (struct backlinks){.hnsw = bulk->hnsw,
                              .points = copies->distinct + old,
                              .count = copies->distinct_count - old,
                              .level = level,
                              .threads = bulk->job->threads};
}

static bool reaches(const struct bulk *bulk, uint32_t level)
{
    for (size_t i = 0; i < bulk->count; i++) {
        if (level_of(bulk->hnsw, bulk->points[i]) >= level) {
            return true;
        }
    }
    return false;
}

static enum status link_level(struct bulk *bulk, uint32_t level, struct error *err)
{
    struct backlinks links = new_links(bulk, level);
    enum status status = hnsw_link_back(&links, err);
    if (status == STATUS_OK) {
        copies_link(bulk->hnsw, &bulk->copies[level], level);
    }
    return status;
}

static void one_blas_thread(void)
{
    openblas_set_num_threads(1);
}

enum status hnsw_bulk(struct hnsw *hnsw, const point_offset *points, size_t count,
                      const struct build_job *job, struct error *err)
{
    static pthread_once_t blas_once = PTHREAD_ONCE_INIT;
    ASSERT(pthread_once(&blas_once, one_blas_thread) == 0);
    ASSERT(count > 0);
    struct bulk bulk = {.hnsw = hnsw, .job = job, .points = points, .count = count};
    enum status status = STATUS_OK;
    for (uint32_t level = 0; status == STATUS_OK && level <= LEVEL_MAX && reaches(&bulk, level);
         level++) {
        status = choose_level(&bulk, level, err);
    }
    if (status == STATUS_OK) {
        atomic_store_explicit(&hnsw->claimed, points[count - 1] + 1, memory_order_relaxed);
    }
    for (uint32_t level = 0; status == STATUS_OK && level < bulk.levels; level++) {
        status = link_level(&bulk, level, err);
    }
    if (status == STATUS_OK) {
        hnsw_enter(hnsw, points, count);
    }
    for (uint32_t level = 0; level < bulk.levels; level++) {
        copies_deinit(&bulk.copies[level]);
    }
    return status;
}
