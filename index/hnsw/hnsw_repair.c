/* The promise that every node can be found: a walk over level 0 from the entry, and a new link for
 * each node it missed.
 *
 * Pruning full rows can drop the last link to a node, and crowds of equal vectors can close in on
 * themselves. After each build pass the whole of level 0 is walked once (a bit and at most one
 * stack place a node). For a node not reached, the nearest reached node is searched, and gets a
 * link to it; what becomes reachable through it is walked at once. Every such step reaches at least
 * one more node and loses none (see link_or_take_over), so it ends.
 *
 * Threads: no inserts meanwhile; searches go on. Failures: TOO_LARGE without memory for the walk;
 * the graph is valid.
 */
#include "index/hnsw/hnsw_link.h"
#include "storage/base/bitmap.h"
#include "storage/base/mem.h"

struct reach {
    struct bitmap reached;
    point_offset *stack; /* every node enters once */
};

static void reach_from(const struct hnsw *hnsw, struct reach *reach, point_offset start)
{
    size_t count = 0;
    bitmap_set(&reach->reached, start);
    reach->stack[count++] = start;
    while (count > 0) {
        _Atomic uint32_t *row = row_at(hnsw, reach->stack[--count], 0);
        point_offset neighbour;
        for (uint32_t i = 0; i < hnsw->m0 && row_get(row, i, &neighbour); i++) {
            if (!bitmap_get(&reach->reached, neighbour)) {
                bitmap_set(&reach->reached, neighbour);
                __builtin_prefetch(row_at(hnsw, neighbour, 0));
                reach->stack[count++] = neighbour;
            }
        }
    }
}

static void attach(struct hnsw *hnsw, struct scratch *scratch, point_offset point, uint64_t entry)
{
    const void *vector = vectors_at(hnsw->vectors, point);
    /* From the entry and on level 0 alone: the upper levels could lead to a node that was not
     * reached. */
    struct walk_space space = space_of_rows(hnsw, vector);
    struct candidate start = candidate_of(&space, (point_offset)entry);
    struct level_walk walk = {.space = &space, .ef = hnsw->ef_construct};
    (void)search_level(hnsw, scratch, &walk, start); /* only a cancel flag could end it early */
    point_offset id;
    for (uint32_t i = 0; i < scratch->pool.count; i++) {
        point_offset near = scratch->pool.items[i].id & ~POOL_EXPANDED;
        if (!row_get(row_at(hnsw, near, 0), hnsw->m0 - 1, &id)) { /* it has room */
            link_or_take_over(hnsw, scratch, 0, near, point);
            return;
        }
    }
    point_offset nearest = scratch->pool.items[0].id & ~POOL_EXPANDED;
    link_or_take_over(hnsw, scratch, 0, nearest, point);
}

enum status hnsw_repair(struct hnsw *hnsw, struct scratch *scratch, uint32_t *repaired,
                        struct error *err)
{
    uint64_t entry = atomic_load_explicit(&hnsw->entry, memory_order_acquire);
    size_t nodes = atomic_load_explicit(&hnsw->planned, memory_order_acquire);
    if (entry == NO_ENTRY) {
        *repaired = 0;
        return STATUS_OK;
    }
    struct reach reach;
    bitmap_init(&reach.reached);
    reach.stack = mem_try_alloc(nodes * sizeof *reach.stack);
    bool fits = reach.stack != NULL && bitmap_resize(&reach.reached, nodes);
    uint32_t count = 0;
    if (fits) {
        reach_from(hnsw, &reach, (point_offset)entry);
        for (point_offset point = 0; point < nodes; point++) {
            if (!bitmap_get(&reach.reached, point) && node_state_of(hnsw, point) == NODE_LINKED) {
                attach(hnsw, scratch, point, entry);
                reach_from(hnsw, &reach, point);
                count++;
            }
        }
    }
    mem_free(reach.stack);
    bitmap_deinit(&reach.reached);
    if (!fits) {
        return error_set(err, STATUS_TOO_LARGE, "no memory to check %zu nodes", nodes);
    }
    *repaired = count;
    return STATUS_OK;
}
