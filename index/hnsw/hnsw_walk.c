/* Walking the graph.
 *
 * A search descends greedily through the upper levels, then collects the ef nearest on level 0.
 * Expanding a node takes two passes over its row: first gather the neighbours not seen before and
 * ask for their vectors, then compare them all with one kernel call, so that memory waits overlap.
 * A candidate's own row is asked for when it enters the pool. Over codes a step expands two nodes:
 * comparing is cheap there and waiting is not, and the second nearest is nearly always expanded in
 * the end.
 *
 * Without a filter the pool (pool.h) is both queue and result. With one, refused nodes still lead
 * on: a frontier orders all that was seen, and the walk ends when the nearest node not expanded is
 * farther than two bounds: that of the nearest nodes of all, as many as without a filter, and that
 * of some more accepted ones than are asked for. So the fewer are accepted the longer it is, but
 * not by as much as if it had to find ef of them: measured on a million clustered vectors, four
 * accepted for each asked for give the recall of ef without a filter, at any part accepted. Where
 * accepted points turn out to be rarer near the query than elsewhere, the walk has come far from
 * it and has to look wider: then more are wanted.
 *
 * Threads: no locks; see hnsw_int.h. Nothing fails but by cancelling and for want of memory.
 */
#include "index/hnsw/hnsw_int.h"
#include "storage/base/assert.h"

enum { TWINS_IN_POOL = 8 /* copies of one vector that an insert's walk keeps */ };
static const double BEHIND = 0.8; /* of the part that is accepted elsewhere */

struct candidate candidate_of(const struct walk_space *space, point_offset point)
{
    struct candidate candidate = {.id = point};
    const void *row = space_at(space, point);
    space_many(space, &row, 1, &candidate.distance);
    return candidate;
}

struct candidate greedy_descend(const struct hnsw *hnsw, struct scratch *scratch,
                                const struct walk_space *space, struct candidate at, uint32_t from,
                                uint32_t to)
{
    for (uint32_t level = from; level > to; level--) {
        point_offset best = at.id;
        do {
            at.id = best;
            _Atomic uint32_t *row = row_at(hnsw, best, level);
            uint32_t count = 0;
            for (; count < hnsw->m && row_get(row, count, &scratch->ids[count]); count++) {
                scratch->rows[count] = space_at(space, scratch->ids[count]);
            }
            space_many(space, scratch->rows, count, scratch->distances);
            for (uint32_t i = 0; i < count; i++) {
                if (scratch->distances[i] < at.distance) {
                    at.distance = scratch->distances[i];
                    best = scratch->ids[i];
                }
            }
        } while (best != at.id);
    }
    return at;
}

/* Appends the neighbours of a node that the walk has not seen to scratch->ids, of which there are
 * `fresh`; returns how many there are then. */
static inline uint32_t gather(const struct hnsw *hnsw, struct scratch *scratch, point_offset point,
                              uint32_t level, uint32_t fresh)
{
    _Atomic uint32_t *row = row_at(hnsw, point, level);
    uint32_t capacity = row_capacity(hnsw, level);
    point_offset neighbour;
    for (uint32_t i = 0; i < capacity && row_get(row, i, &neighbour); i++) {
        scratch->ids[fresh] = neighbour;
        fresh += !visited_test_and_set(&scratch->visited, neighbour);
    }
    return fresh;
}

/* Would this be one copy too many of a vector the pool has? Copies are equally near, so they stand
 * side by side. */
static bool is_twin_too_many(const struct hnsw *hnsw, const struct pool *pool, uint32_t place,
                             struct candidate candidate)
{
    if (place < TWINS_IN_POOL ||
        pool->items[place - TWINS_IN_POOL].distance != candidate.distance) {
        return false;
    }
    const struct vectors *vectors = hnsw->vectors;
    point_offset other = pool->items[place - TWINS_IN_POOL].id & ~POOL_EXPANDED;
    return memcmp(vectors_at(vectors, other), vectors_at(vectors, candidate.id),
                  row_bytes(vectors->element, vectors->dim)) == 0;
}

bool search_level(const struct hnsw *hnsw, struct scratch *scratch, const struct level_walk *walk,
                  struct candidate start)
{
    struct pool *pool = &scratch->pool;
    DASSERT(walk->ef <= scratch->pool_room);
    pool_reset(pool, walk->ef);
    visited_clear(&scratch->visited);
    visited_test_and_set(&scratch->visited, start.id);
    pool_insert_at(pool, 0, start);
    struct candidate at;
    for (uint32_t step = 0; pool_next(pool, &at); step++) {
        if (walk_cancelled(walk->cancelled, step)) {
            return false;
        }
        uint32_t fresh = gather(hnsw, scratch, at.id, walk->level, 0);
        for (uint32_t also = 1; also < walk->space->beam && pool_next(pool, &at); also++) {
            fresh = gather(hnsw, scratch, at.id, walk->level, fresh);
        }
        walk_compare(scratch, walk->space, fresh);
        for (uint32_t i = 0; i < fresh; i++) {
            struct candidate found = {.distance = scratch->distances[i], .id = scratch->ids[i]};
            if (!(found.distance < pool_bound(pool))) {
                continue;
            }
            uint32_t place = pool_place(pool, found.distance);
            if (walk->spread && is_twin_too_many(hnsw, pool, place, found)) {
                continue;
            }
            walk_ask_row(hnsw, found.id);
            pool_insert_at(pool, place, found);
        }
    }
    return true;
}

static bool may_return(const struct search_args *args, point_offset point)
{
    return point < args->count && (args->accept == NULL || accept_point(args->accept, point));
}

/* Farther nodes need not be expanded. */
static float bound_of(const struct accepted_walk *walk)
{
    float nearest = topk_bound(&walk->all);
    float wanted = topk_bound(walk->behind ? &walk->best : &walk->near);
    return wanted > nearest ? wanted : nearest;
}

/* Are points near the query accepted more seldom than elsewhere? */
static bool is_behind(const struct search_args *args, const struct search_trace *work,
                      uint64_t accepted)
{
    return args->accept != NULL &&
           (double)accepted < BEHIND * args->accept->selectivity * (double)work->checked;
}

static void meet(const struct search_args *args, struct accepted_walk *walk, struct candidate found)
{
    walk->work.checked++;
    topk_push(&walk->all, found.distance, found.id);
    if (may_return(args, found.id)) {
        walk->accepted++;
        topk_push(&walk->near, found.distance, found.id);
        topk_push(&walk->best, found.distance, found.id);
    }
}

/* Expands a node, and one more where the walk takes two at once. False: no memory. */
static bool expand(const struct hnsw *hnsw, struct scratch *scratch, const struct search_args *args,
                   struct accepted_walk *walk, struct candidate at)
{
    struct frontier *frontier = &scratch->frontier;
    uint32_t fresh = gather(hnsw, scratch, at.id, 0, 0);
    walk->work.hops++;
    for (uint32_t also = 1; also < walk->space->beam && frontier->count > 0 &&
                            frontier->items[0].distance <= bound_of(walk);
         also++) {
        (void)frontier_pop(frontier, &at);
        fresh = gather(hnsw, scratch, at.id, 0, fresh);
        walk->work.hops++;
    }
    walk_compare(scratch, walk->space, fresh);
    walk->work.compared += fresh;
    bool fits = true;
    for (uint32_t i = 0; i < fresh && fits; i++) {
        struct candidate found = {.distance = scratch->distances[i], .id = scratch->ids[i]};
        if (!(found.distance > bound_of(walk))) {
            walk_ask_row(hnsw, found.id);
            fits = frontier_push(frontier, found);
            meet(args, walk, found);
        }
    }
    return fits;
}

enum status search_accepted(const struct hnsw *hnsw, struct scratch *scratch,
                            const struct search_args *args, struct accepted_walk *walk,
                            struct candidate start)
{
    struct frontier *frontier = &scratch->frontier;
    frontier->count = 0;
    visited_clear(&scratch->visited);
    visited_test_and_set(&scratch->visited, start.id);
    meet(args, walk, start);
    bool fits = frontier_push(frontier, start);
    bool cancelled = false;
    struct candidate at;
    for (uint32_t step = 0; fits && !cancelled && frontier_pop(frontier, &at); step++) {
        if (at.distance > bound_of(walk)) {
            walk->behind = walk->behind || is_behind(args, &walk->work, walk->accepted);
            if (at.distance > bound_of(walk)) {
                break;
            }
        }
        if (walk_over_budget(args, &walk->work)) {
            walk->work.gave_up = GAVE_UP_BUDGET;
            break;
        }
        cancelled = walk_cancelled(args->cancelled, step);
        fits = expand(hnsw, scratch, args, walk, at);
    }
    walk_note(args, &walk->work);
    return cancelled ? STATUS_CANCELLED : fits ? STATUS_OK : STATUS_TOO_LARGE;
}
