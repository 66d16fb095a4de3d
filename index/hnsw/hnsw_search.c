/* Answering a search: what to walk over, how far, and what becomes of the candidates.
 *
 * With codes the walk compares codes and leaves ef candidates with estimated distances; the stored
 * rows of those that may be among the nearest are then compared exactly (index/rescore.h). How many
 * are looked at: all that the walk left, or `oversampling` for each result wanted when the caller
 * says so. Their intervals decide which rows are read.
 *
 * Threads: no locks; see hnsw_int.h. Failures: CANCELLED, TOO_LARGE when the walk's memory cannot
 * grow.
 */
#include "index/hnsw/hnsw_int.h"
#include "index/rescore.h"
#include "storage/base/assert.h"

/* Nodes past args->count that the unfiltered walk makes room for. */
enum { OVERSHOOT_MAX = 64 };

struct search {
    const struct hnsw *hnsw;
    const struct search_args *args;
    struct scratch *scratch;
    struct walk_space space;
    bool rescored;
};

static enum status search_failed(enum status status, struct error *err)
{
    return status == STATUS_CANCELLED
               ? error_set(err, STATUS_CANCELLED, "the search was cancelled")
               : error_set(err, STATUS_TOO_LARGE, "no memory for a filtered search");
}

/* The errors of the estimates of scratch->accepted. */
static void measure_errors(const struct search *search, size_t count)
{
    struct scratch *scratch = search->scratch;
    for (size_t from = 0; from < count; from += ROW_MAX) {
        size_t batch = count - from < ROW_MAX ? count - from : ROW_MAX;
        for (size_t i = 0; i < batch; i++) {
            scratch->rows[i] = space_at(&search->space, scratch->accepted[from + i].point);
        }
        quantizer_bounds(search->space.quantizer, search->space.query, scratch->rows, batch,
                         scratch->distances, scratch->errors + from);
    }
}

/* Hands the best of the `count` candidates in scratch->accepted, nearest first, to `out`. */
static void finish(const struct search *search, size_t count, struct topk *out)
{
    const struct search_args *args = search->args;
    const struct scored *candidates = search->scratch->accepted;
    if (!search->rescored) {
        for (size_t i = 0; i < count && candidates[i].distance <= topk_bound(out); i++) {
            topk_push(out, candidates[i].distance, candidates[i].point);
        }
        return;
    }
    if (args->oversampling > 0) {
        uint32_t wanted = hnsw_candidates(args, search->space.quantizer);
        count = wanted < count ? wanted : count;
    }
    measure_errors(search, count);
    struct rescore_job job = {.vectors = search->hnsw->vectors,
                              .query = args->query,
                              .candidates = candidates,
                              .errors = search->scratch->errors,
                              .count = count,
                              .cold = search->hnsw->cold};
    size_t compared = rescore(&job, out);
    if (args->trace != NULL) {
        args->trace->rescored += compared;
    }
}

/* The pool's points below args->count, as candidates; returns how many. */
static size_t take_pool(const struct search *search)
{
    const struct pool *pool = &search->scratch->pool;
    size_t count = 0;
    for (uint32_t i = 0; i < pool->count; i++) {
        point_offset point = pool->items[i].id & ~POOL_EXPANDED;
        if (point < search->args->count) {
            search->scratch->accepted[count++] =
                (struct scored){.distance = pool->items[i].distance, .point = point};
        }
    }
    return count;
}

/* Over all nodes, accepted or not. */
static enum status search_checking(const struct search *search, struct candidate start,
                                   const struct walk_extent *extent, struct topk *out,
                                   struct error *err)
{
    const struct search_args *args = search->args;
    struct scratch *scratch = search->scratch;
    uint32_t nodes = atomic_load_explicit(&search->hnsw->planned, memory_order_acquire);
    size_t room = (size_t)extent->all + extent->near + extent->best;
    enum status status = scratch_reserve(scratch, 1, nodes, err);
    if (status == STATUS_OK) {
        status = scratch_reserve_accepted(scratch, room, err);
    }
    if (status != STATUS_OK) {
        return status;
    }
    struct accepted_walk walk = {.space = &search->space};
    struct scored *room_of_near = scratch->accepted + extent->best;
    topk_init(&walk.best, scratch->accepted, extent->best, NULL);
    topk_init(&walk.near, room_of_near, extent->near, NULL);
    topk_init(&walk.all, room_of_near + extent->near, extent->all, NULL);
    status = search_accepted(search->hnsw, scratch, args, &walk, start);
    topk_sort(&walk.best);
    if (status != STATUS_OK) {
        return search_failed(status, err);
    }
    finish(search, walk.best.count, out);
    return STATUS_OK;
}

/* Over accepted nodes alone, or without a filter. */
static enum status search_pool(const struct search *search, struct candidate start, uint32_t ef,
                               struct topk *out, struct error *err)
{
    const struct hnsw *hnsw = search->hnsw;
    const struct search_args *args = search->args;
    struct scratch *scratch = search->scratch;
    uint32_t nodes = atomic_load_explicit(&hnsw->planned, memory_order_acquire);
    enum status status = scratch_reserve(scratch, ef, nodes, err);
    if (status == STATUS_OK) {
        status = scratch_reserve_accepted(scratch, ef, err);
    }
    if (status != STATUS_OK) {
        return status;
    }
    if (args->accept != NULL) {
        status = search_hops(hnsw, scratch, args, &search->space, start, ef);
    } else {
        struct level_walk walk = {.space = &search->space, .ef = ef, .cancelled = args->cancelled};
        bool done = search_level(hnsw, scratch, &walk, start);
        status = done ? STATUS_OK : STATUS_CANCELLED;
    }
    if (status != STATUS_OK) {
        return search_failed(status, err);
    }
    finish(search, take_pool(search), out);
    return STATUS_OK;
}

static enum status search_from(const struct search *search, struct candidate start,
                               struct topk *out, struct error *err)
{
    const struct search_args *args = search->args;
    struct walk_extent extent = hnsw_extent(search->hnsw, args);
    uint32_t claimed = atomic_load_explicit(&search->hnsw->claimed, memory_order_relaxed);
    uint32_t past = claimed > args->count ? claimed - args->count : 0;
    if (args->accept == NULL && past <= OVERSHOOT_MAX) {
        /* Room for those that are dropped at the end. */
        return search_pool(search, start, extent.pool + past, out, err);
    }
    if (args->accept != NULL && args->walk == FILTER_HOPS) {
        return search_pool(search, start, extent.pool, out, err);
    }
    return search_checking(search, start, &extent, out, err);
}

/* Chooses what the walk compares, and makes the query fit. */
static enum status choose_space(struct search *search, struct error *err)
{
    const struct search_args *args = search->args;
    const struct quantizer *quantizer =
        args->codes == CODES_IGNORED ? NULL : hnsw_quantizer(search->hnsw);
    if (quantizer == NULL) {
        search->space = space_of_rows(search->hnsw, args->query);
        return STATUS_OK;
    }
    enum status status =
        scratch_reserve_state(search->scratch, quantizer_state_bytes(quantizer), err);
    if (status == STATUS_OK) {
        quantizer_query(quantizer, args->query, search->scratch->state);
        search->space = space_of_codes(search->hnsw, quantizer, search->scratch->state);
        search->rescored = args->codes == CODES_RESCORED;
    }
    return status;
}

enum status hnsw_search(const struct vindex *index, const struct search_args *args,
                        struct topk *out, struct error *err)
{
    const struct hnsw *hnsw = (const struct hnsw *)index;
    if (args->cancelled != NULL && atomic_load_explicit(args->cancelled, memory_order_relaxed)) {
        return search_failed(STATUS_CANCELLED, err);
    }
    uint64_t entry = atomic_load_explicit(&hnsw->entry, memory_order_acquire);
    if (entry == NO_ENTRY || args->limit == 0) {
        return STATUS_OK;
    }
    struct search search = {.hnsw = hnsw, .args = args, .scratch = scratch_of_thread()};
    enum status status = choose_space(&search, err);
    if (status != STATUS_OK) {
        return status;
    }
    struct candidate start = candidate_of(&search.space, (point_offset)entry);
    start = greedy_descend(hnsw, search.scratch, &search.space, start, (uint32_t)(entry >> 32), 0);
    return search_from(&search, start, out, err);
}
