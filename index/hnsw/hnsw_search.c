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

/* How many candidates are rescored at most when the walk leaves more. */
static uint32_t candidates_wanted(const struct search *search)
{
    const struct search_args *args = search->args;
    double oversampling = args->oversampling;
    if (!(oversampling > 0)) {
        oversampling = quantizer_oversampling(search->space.quantizer);
    }
    double wanted = oversampling > 1 ? args->limit * oversampling : args->limit;
    return wanted < OFFSETS_MAX ? (uint32_t)wanted : OFFSETS_MAX;
}

static uint32_t effort_of(const struct search *search)
{
    const struct search_args *args = search->args;
    uint32_t wanted = search->rescored ? candidates_wanted(search) : args->limit;
    uint32_t ef = args->effort != 0 ? args->effort : EF_DEFAULT;
    ef = ef < wanted ? wanted : ef;
    uint32_t nodes = atomic_load_explicit(&search->hnsw->planned, memory_order_acquire);
    return ef < nodes ? ef : nodes;
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
    if (args->oversampling > 0 && candidates_wanted(search) < count) {
        count = candidates_wanted(search);
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

static enum status search_from(const struct search *search, struct candidate start,
                               struct topk *out, struct error *err)
{
    const struct hnsw *hnsw = search->hnsw;
    const struct search_args *args = search->args;
    struct scratch *scratch = search->scratch;
    uint32_t ef = effort_of(search);
    uint32_t nodes = atomic_load_explicit(&hnsw->planned, memory_order_acquire);
    uint32_t claimed = atomic_load_explicit(&hnsw->claimed, memory_order_relaxed);
    uint32_t past = claimed > args->count ? claimed - args->count : 0;
    bool plain = args->accept == NULL && past <= OVERSHOOT_MAX;
    ef += plain ? past : 0; /* room for those that are dropped at the end */
    enum status status = scratch_reserve(scratch, ef, nodes, err);
    if (status == STATUS_OK) {
        status = scratch_reserve_accepted(scratch, ef, err);
    }
    if (status != STATUS_OK) {
        return status;
    }
    if (args->accept != NULL && args->walk == FILTER_HOPS) {
        status = search_hops(hnsw, scratch, args, &search->space, start, ef);
        if (status == STATUS_OK) {
            finish(search, take_pool(search), out);
        }
        return status == STATUS_OK ? status : search_failed(status, err);
    }
    if (!plain) {
        struct topk best;
        topk_init(&best, scratch->accepted, ef, NULL);
        status = search_accepted(hnsw, scratch, args, &search->space, start, &best);
        topk_sort(&best);
        if (status == STATUS_OK) {
            finish(search, best.count, out);
        }
        return status == STATUS_OK ? status : search_failed(status, err);
    }
    struct level_walk walk = {.space = &search->space, .ef = ef, .cancelled = args->cancelled};
    if (!search_level(hnsw, scratch, &walk, start)) {
        return search_failed(STATUS_CANCELLED, err);
    }
    finish(search, take_pool(search), out);
    return STATUS_OK;
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
