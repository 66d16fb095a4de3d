/* Putting nodes into the graph by searching it (algorithm 1 of Malkov & Yashunin), a batch at a
 * time as in ParlayANN (Manohar et al., arXiv 2305.04359).
 *
 * 1. Every node of the batch by itself: descend greedily to its level; then on each level collect
 * ef_construct near nodes, mix in the near ones of the batch, choose neighbours by the heuristic
 * and write its own rows. Nobody can see them yet, and the graph stands still meanwhile.
 * 2. From level 0 up, give each chosen neighbour a link back (hnsw_backlinks.c).
 *
 * Since the batch is compared with itself, points that arrive together find each other, and a first
 * batch needs no graph at all. A walk keeps only a few copies of one vector (`spread`).
 *
 * Threads: the job's; searches run beside. The graph depends on the order alone. Failures:
 * TOO_LARGE and CANCELLED before anything is linked.
 */
#include "index/cluster/cluster.h"
#include "index/hnsw/hnsw_link.h"
#include "storage/base/assert.h"

#include <string.h>

enum { TWINS_IN_POOL = 8 };

struct batch {
    struct hnsw *hnsw;
    const point_offset *points;
    size_t count;
    uint64_t entry;
    uint32_t levels[BATCH_MAX];
    atomic_bool failed;
};

static bool is_twin_too_many(const struct hnsw *hnsw, const struct pool *pool, uint32_t place,
                             struct candidate candidate)
{
    if (place < TWINS_IN_POOL ||
        pool->items[place - TWINS_IN_POOL].distance != candidate.distance) {
        return false;
    }
    return are_twins(hnsw, pool->items[place - TWINS_IN_POOL].id & ~POOL_EXPANDED, candidate.id);
}

static void drop(struct pool *pool, point_offset point)
{
    for (uint32_t i = 0; i < pool->count; i++) {
        if ((pool->items[i].id & ~POOL_EXPANDED) == point) {
            pool->count--;
            memmove(&pool->items[i], &pool->items[i + 1], (pool->count - i) * sizeof *pool->items);
            return;
        }
    }
}

/* Adds the others of the batch that reach the level to the pool. */
static void mix_in(const struct batch *batch, struct scratch *scratch, size_t self, uint32_t level)
{
    const struct hnsw *hnsw = batch->hnsw;
    struct pool *pool = &scratch->pool;
    struct candidate near[BATCH_MAX];
    uint32_t count = 0;
    for (size_t i = 0; i < batch->count; i++) {
        if (i != self && batch->levels[i] >= level) {
            near[count++].id = batch->points[i];
        }
    }
    const void *centre = vectors_at(hnsw->vectors, batch->points[self]);
    distances_to(hnsw, scratch, centre, near, count);
    for (uint32_t i = 0; i < count; i++) {
        if (near[i].distance < pool_bound(pool)) {
            uint32_t place = pool_place(pool, near[i].distance);
            if (!is_twin_too_many(hnsw, pool, place, near[i])) {
                pool_insert_at(pool, place, near[i]);
            }
        }
    }
}

static void write_own_rows(const struct batch *batch, struct scratch *scratch, size_t self)
{
    const struct hnsw *hnsw = batch->hnsw;
    point_offset point = batch->points[self];
    const void *row = vectors_at(hnsw->vectors, point);
    struct walk_space space = space_of_rows(hnsw, row);
    struct choice choice = choice_around(hnsw, row, hnsw->m);
    bool empty = batch->entry == NO_ENTRY;
    uint32_t top = (uint32_t)(batch->entry >> 32);
    uint32_t level = batch->levels[self];
    struct candidate start = {0};
    if (!empty) {
        start = candidate_of(&space, (point_offset)batch->entry);
        start = greedy_descend(hnsw, scratch, &space, start, top, level < top ? level : top);
    }
    for (uint32_t above = level + 1; above > 0; above--) {
        pool_reset(&scratch->pool, hnsw->ef_construct);
        if (!empty && above - 1 <= top) {
            struct level_walk walk = {
                .space = &space, .level = above - 1, .ef = hnsw->ef_construct, .spread = true};
            ASSERT(search_level(hnsw, scratch, &walk, start));
            start = scratch->pool.items[0];
            start.id &= ~POOL_EXPANDED;
        }
        drop(&scratch->pool, point); /* it may be in the graph */
        mix_in(batch, scratch, self, above - 1);
        uint32_t chosen =
            hnsw_choose(hnsw, scratch, &choice, scratch->pool.items, scratch->pool.count);
        row_write(row_at(hnsw, point, above - 1), row_capacity(hnsw, above - 1), scratch->chosen,
                  chosen);
    }
}

static void insert_one(void *ctx, size_t i)
{
    struct batch *batch = ctx;
    struct scratch *scratch = scratch_of_thread();
    size_t nodes = atomic_load_explicit(&batch->hnsw->planned, memory_order_relaxed);
    if (scratch_reserve(scratch, batch->hnsw->ef_construct, nodes, NULL) != STATUS_OK) {
        atomic_store_explicit(&batch->failed, true, memory_order_relaxed);
        return;
    }
    write_own_rows(batch, scratch, i);
}

static enum status link_levels(const struct batch *batch, uint32_t threads, struct error *err)
{
    enum status status = STATUS_OK;
    for (uint32_t level = 0; status == STATUS_OK && level <= LEVEL_MAX; level++) {
        point_offset points[BATCH_MAX];
        struct backlinks links = {
            .hnsw = batch->hnsw, .points = points, .level = level, .threads = threads};
        for (size_t i = 0; i < batch->count; i++) {
            if (batch->levels[i] >= level) {
                points[links.count++] = batch->points[i];
            }
        }
        if (links.count == 0) {
            break;
        }
        status = hnsw_link_back(&links, err);
        if (status == STATUS_OK) {
            status = hnsw_force_ways_in(&links, err);
        }
    }
    return status;
}

void hnsw_enter(struct hnsw *hnsw, const point_offset *points, size_t count)
{
    uint64_t entry = atomic_load_explicit(&hnsw->entry, memory_order_relaxed);
    unsigned fresh = 0;
    for (size_t i = 0; i < count; i++) {
        fresh += node_state_of(hnsw, points[i]) != NODE_LINKED;
        uint64_t level = level_of(hnsw, points[i]);
        if (entry == NO_ENTRY || level > entry >> 32) {
            entry = level << 32 | points[i];
        }
        atomic_store_explicit(&node_at(hnsw, points[i])->state, NODE_LINKED, memory_order_release);
    }
    atomic_fetch_add_explicit(&hnsw->in_graph, fresh, memory_order_relaxed);
    atomic_store_explicit(&hnsw->entry, entry, memory_order_release);
}

enum status hnsw_insert(struct hnsw *hnsw, const point_offset *points, size_t count,
                        const struct build_job *job, struct error *err)
{
    ASSERT(count > 0 && count <= BATCH_MAX);
    struct batch batch = {.hnsw = hnsw,
                          .points = points,
                          .count = count,
                          .entry = atomic_load_explicit(&hnsw->entry, memory_order_relaxed)};
    for (size_t i = 0; i < count; i++) {
        batch.levels[i] = level_of(hnsw, points[i]);
    }
    if (!parallel_for(job->threads, count, job->cancelled, insert_one, &batch)) {
        return error_set(err, STATUS_CANCELLED, "the build was cancelled");
    }
    if (atomic_load_explicit(&batch.failed, memory_order_relaxed)) {
        return error_set(err, STATUS_TOO_LARGE, "no memory to build the graph");
    }
    if (atomic_load_explicit(&hnsw->claimed, memory_order_relaxed) <= points[count - 1]) {
        atomic_store_explicit(&hnsw->claimed, points[count - 1] + 1, memory_order_relaxed);
    }
    enum status status = link_levels(&batch, job->threads, err);
    if (status == STATUS_OK) {
        hnsw_enter(hnsw, points, count);
    }
    return status;
}
