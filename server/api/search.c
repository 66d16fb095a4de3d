/* Running a ranking: the nearest points, or points in the order of ids or values.
 *
 * `limit` and `offset` are the client's: the engine bounds them by the number of points, the arena
 * bounds the answer. Points in an order have no distance; their score is 1. */
#include "server/api/ranking.h"

static const float SCORE_OF_ORDER = 1;

static void read_acorn(const Qdrant__AcornSearchParams *acorn, struct view_search *out)
{
    if (acorn && acorn->_enable_case) {
        out->hops = acorn->enable ? HOPS_BELOW : HOPS_NEVER;
    }
    if (acorn && acorn->_max_selectivity_case) {
        out->hops_part = acorn->max_selectivity;
    }
}

static void read_params(const Qdrant__SearchParams *params, struct view_search *out)
{
    if (!params) {
        return;
    }
    out->exact = params->_exact_case && params->exact;
    out->indexed_only = params->_indexed_only_case && params->indexed_only;
    if (params->_hnsw_ef_case) {
        out->ef = params->hnsw_ef < UINT32_MAX ? (uint32_t)params->hnsw_ef : UINT32_MAX;
    }
    read_acorn(params->acorn, out);
    const Qdrant__QuantizationSearchParams *quantization = params->quantization;
    if (quantization && quantization->_ignore_case && quantization->ignore) {
        out->codes = CODES_IGNORED;
    } else if (quantization && quantization->_rescore_case && !quantization->rescore) {
        out->codes = CODES_ONLY;
    }
    if (quantization && quantization->_oversampling_case) {
        /* More would be all points of any collection. */
        out->oversampling = quantization->oversampling < 1e6 ? quantization->oversampling : 1e6;
    }
}

enum status ranking_nearest(struct call *call, const struct view *view, const char *vector_name,
                            const float *numbers, size_t numbers_count,
                            const Qdrant__SearchParams *params, struct ranking *out)
{
    const struct vector_spec *spec = NULL;
    void *query = NULL;
    enum status status = vector_spec_find(call, view->schema, vector_name, &spec);
    if (status == STATUS_OK) {
        status = vector_query(call, spec, numbers, numbers_count, &query);
    }
    if (status != STATUS_OK) {
        return status;
    }
    *out = (struct ranking){.by = RANKED_BY_DISTANCE,
                            .nearest = {.slot = spec->slot, .query = query},
                            .distance = spec->distance};
    read_params(params, &out->nearest);
    return STATUS_OK;
}

/* Points in the order of ids. */
static enum status scroll(struct call *call, const struct view *view, const struct filter *filter,
                          uint32_t limit, struct arena *arena, struct found **out, size_t *count)
{
    struct view_scroll args = {.limit = limit, .filter = filter, .cancelled = call->cancelled};
    struct point_id next;
    bool has_next = false;
    return view_scroll(view, &args, arena, out, count, &has_next, &next, call->err);
}

static enum status run(struct call *call, const struct view *view, const struct ranking *ranking,
                       const struct filter *filter, uint64_t limit, struct arena *arena,
                       struct found **out, size_t *count)
{
    uint32_t bounded = limit < UINT32_MAX ? (uint32_t)limit : UINT32_MAX;
    struct view_search nearest = ranking->nearest;
    struct view_order order = ranking->order;
    switch (ranking->by) {
    case RANKED_BY_DISTANCE:
        nearest.limit = bounded;
        nearest.filter = filter;
        nearest.cancelled = call->cancelled;
        return view_search(view, &nearest, arena, out, count, call->err);
    case RANKED_BY_VALUE:
        order.limit = limit;
        order.filter = filter;
        order.cancelled = call->cancelled;
        return view_order(view, &order, arena, out, count, call->err);
    case RANKED_BY_ID:
        break;
    }
    return scroll(call, view, filter, bounded, arena, out, count);
}

enum status ranking_run(struct call *call, const struct view *view, const struct ranking *ranking,
                        const struct filter *filter, uint64_t limit, struct arena *arena,
                        struct found **out, size_t *count)
{
    uint64_t wanted = limit;
    if (ranking->excluded && limit < UINT64_MAX) {
        wanted++; /* in place of the excluded one */
    }
    struct found *points = NULL;
    size_t found = 0, kept = 0;
    enum status status = run(call, view, ranking, filter, wanted, arena, &points, &found);
    if (status != STATUS_OK) {
        return status;
    }
    for (size_t i = 0; i < found && kept < limit; i++) {
        if (!ranking->excluded || point_id_compare(points[i].id, *ranking->excluded) != 0) {
            points[kept] = points[i];
            if (ranking->by != RANKED_BY_DISTANCE) {
                points[kept].score = SCORE_OF_ORDER;
            }
            kept++;
        }
    }
    *out = points;
    *count = kept;
    return STATUS_OK;
}

int ranking_compare(const struct ranking *ranking, const struct found *a, const struct found *b)
{
    int order = 0;
    if (ranking->by == RANKED_BY_DISTANCE) {
        order = (a->score > b->score) - (a->score < b->score);
        order = distance_larger_is_better(ranking->distance) ? -order : order;
    } else if (ranking->by == RANKED_BY_VALUE) {
        order = json_number_compare(a->value, b->value);
        order = ranking->order.descending ? -order : order;
    }
    return order ? order : point_id_compare(a->id, b->id);
}

enum status ranking_select(struct call *call, const struct view *view,
                           const struct ranking *ranking, const struct selection *selection,
                           size_t *out_count, Qdrant__ScoredPoint ***out)
{
    struct projection projection;
    struct filter *filter = NULL;
    struct found *points = NULL;
    size_t count = 0;
    uint64_t limit;
    enum status status = projection_read(call, view, selection->with_payload, false,
                                         selection->with_vectors, &projection);
    if (status == STATUS_OK) {
        status = api_filter(call, view, selection->filter, &filter);
    }
    if (__builtin_add_overflow(selection->limit, selection->offset, &limit)) {
        limit = UINT64_MAX;
    }
    if (status == STATUS_OK) {
        status = ranking_run(call, view, ranking, filter, limit, call->arena, &points, &count);
    }
    if (status != STATUS_OK) {
        return status;
    }
    size_t skipped = selection->offset < count ? (size_t)selection->offset : count;
    return project_scored(call, &projection, points + skipped, count - skipped, out_count, out);
}
