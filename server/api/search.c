/* Nearest points, and points in order, as search and query give them.
 *
 * `limit` and `offset` are the client's: the engine bounds them by the number of points, the arena
 * bounds the answer. */
#include "server/api/api.h"

static uint32_t limit_of(const struct search *search)
{
    uint64_t sum = 0;
    if (__builtin_add_overflow(search->limit, search->offset, &sum) ||
        __builtin_add_overflow(sum, search->excluded ? 1u : 0u, &sum) || sum > UINT32_MAX) {
        return UINT32_MAX;
    }
    return (uint32_t)sum;
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

/* The part of the points that the client asked for, without the excluded one. */
static size_t cut(const struct search *search, struct found *points, size_t count,
                  struct found **out)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (!search->excluded || point_id_compare(points[i].id, *search->excluded) != 0) {
            points[kept++] = points[i];
        }
    }
    size_t skipped = search->offset < kept ? (size_t)search->offset : kept;
    *out = points + skipped;
    kept -= skipped;
    return search->limit < kept ? (size_t)search->limit : kept;
}

static enum status prepare(struct call *call, const struct view *view, const struct search *search,
                           struct projection *projection, struct filter **filter)
{
    enum status status =
        projection_read(call, view, search->with_payload, false, search->with_vectors, projection);
    return status == STATUS_OK
               ? filter_compile(search->filter, NULL, call->arena, filter, call->err)
               : status;
}

enum status search_nearest(struct call *call, const struct view *view, const struct search *search,
                           const float *numbers, size_t numbers_count, size_t *out_count,
                           Qdrant__ScoredPoint ***out)
{
    struct projection projection;
    struct filter *filter = NULL;
    const struct vector_spec *spec = NULL;
    void *query = NULL;
    struct found *points = NULL, *first = NULL;
    size_t count = 0;
    enum status status = vector_spec_find(call, view->schema, search->vector_name, &spec);
    if (status == STATUS_OK) {
        status = vector_query(call, spec, numbers, numbers_count, &query);
    }
    if (status == STATUS_OK) {
        status = prepare(call, view, search, &projection, &filter);
    }
    if (status != STATUS_OK) {
        return status;
    }
    struct view_search args = {.slot = spec->slot,
                               .query = query,
                               .limit = limit_of(search),
                               .has_threshold = search->has_threshold,
                               .threshold = search->threshold,
                               .filter = filter,
                               .cancelled = call->cancelled};
    read_params(search->params, &args);
    status = view_search(view, &args, call->arena, &points, &count, call->err);
    if (status != STATUS_OK) {
        return status;
    }
    count = cut(search, points, count, &first);
    return project_scored(call, &projection, first, count, out_count, out);
}

enum status search_in_order(struct call *call, const struct view *view, const struct search *search,
                            size_t *out_count, Qdrant__ScoredPoint ***out)
{
    struct projection projection;
    struct filter *filter = NULL;
    struct found *points = NULL, *first = NULL;
    struct point_id next;
    size_t count = 0;
    bool has_next = false;
    enum status status = prepare(call, view, search, &projection, &filter);
    if (status != STATUS_OK) {
        return status;
    }
    struct view_scroll scroll = {
        .limit = limit_of(search), .filter = filter, .cancelled = call->cancelled};
    status = view_scroll(view, &scroll, call->arena, &points, &count, &has_next, &next, call->err);
    if (status != STATUS_OK) {
        return status;
    }
    count = cut(search, points, count, &first);
    return project_scored(call, &projection, first, count, out_count, out);
}
