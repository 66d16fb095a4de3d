/* Reading a query: nearest to a vector or to a point, by values of the payload, or by ids when
 * nothing is asked.
 *
 * A point given as the query lends its vector, from this collection or from the one that
 * lookup_from names; a point of this collection is not among its own answers. */
#include "server/api/ranking.h"

struct target {
    const float *numbers;
    size_t count;
    struct point_id id;
    bool excluded;
};

static enum status refuse_query(struct call *call, const char *kind)
{
    return error_set(call->err, STATUS_BAD_REQUEST, "query kind `%s` is not served by this version",
                     kind);
}

static const char *kind_name(const Qdrant__Query *query)
{
    switch (query->variant_case) {
    case QDRANT__QUERY__VARIANT_RECOMMEND:
        return "recommend";
    case QDRANT__QUERY__VARIANT_DISCOVER:
        return "discover";
    case QDRANT__QUERY__VARIANT_CONTEXT:
        return "context";
    case QDRANT__QUERY__VARIANT_FUSION:
        return "fusion";
    case QDRANT__QUERY__VARIANT_SAMPLE:
        return "sample";
    case QDRANT__QUERY__VARIANT_FORMULA:
        return "formula";
    case QDRANT__QUERY__VARIANT_NEAREST_WITH_MMR:
        return "mmr";
    case QDRANT__QUERY__VARIANT_RRF:
        return "rrf";
    case QDRANT__QUERY__VARIANT_RELEVANCE_FEEDBACK:
        return "relevance_feedback";
    default:
        return "unknown";
    }
}

static enum status target_by_id(struct call *call, const struct view *view,
                                const Qdrant__QueryPoints *request, const Qdrant__PointId *wire_id,
                                struct target *out)
{
    const Qdrant__LookupLocation *lookup = request->lookup_from;
    const char *name = request->_using_case ? request->using_ : "";
    struct view source = *view;
    const struct vector_spec *spec = NULL;
    struct found point;
    enum status status = id_read(call, wire_id, &out->id);
    if (status == STATUS_OK && lookup) {
        status = api_check_shard_key(call, lookup->shard_key_selector);
        name = lookup->_vector_name_case ? lookup->vector_name : name;
        if (status == STATUS_OK) {
            status = api_pin(call, lookup->collection_name, &source);
        }
    }
    if (status == STATUS_OK) {
        status = vector_spec_find(call, source.schema, name, &spec);
    }
    if (status != STATUS_OK) {
        return status;
    }
    if (!view_locate(&source, out->id, &point)) {
        return id_not_found(call, out->id);
    }
    float *numbers = arena_new_array(call->arena, float, spec->dim);
    if (!numbers) {
        return api_no_memory(call);
    }
    if (!view_vector(&source, &point, spec->slot, numbers)) {
        char text[POINT_ID_TEXT_BYTES];
        point_id_format(out->id, text);
        return error_set(call->err, STATUS_NOT_FOUND,
                         "Vector with name `%.300s` for point %s not found", name, text);
    }
    out->numbers = numbers;
    out->count = spec->dim;
    out->excluded = source.number == view->number;
    return STATUS_OK;
}

static enum status read_target(struct call *call, const struct view *view,
                               const Qdrant__QueryPoints *request,
                               const Qdrant__VectorInput *nearest, struct target *out)
{
    switch (nearest->variant_case) {
    case QDRANT__VECTOR_INPUT__VARIANT_ID:
        return target_by_id(call, view, request, nearest->id, out);
    case QDRANT__VECTOR_INPUT__VARIANT_DENSE:
        out->numbers = nearest->dense->data;
        out->count = nearest->dense->n_data;
        return STATUS_OK;
    case QDRANT__VECTOR_INPUT__VARIANT_SPARSE:
        return api_refuse(call, "query.nearest: a sparse vector");
    case QDRANT__VECTOR_INPUT__VARIANT_MULTI_DENSE:
        return api_refuse(call, "query.nearest: a multivector");
    case QDRANT__VECTOR_INPUT__VARIANT_DOCUMENT:
        return api_refuse(call, "query.nearest: a document");
    case QDRANT__VECTOR_INPUT__VARIANT_IMAGE:
        return api_refuse(call, "query.nearest: an image");
    case QDRANT__VECTOR_INPUT__VARIANT_OBJECT:
        return api_refuse(call, "query.nearest: an inference object");
    default:
        return error_set(call->err, STATUS_BAD_REQUEST, "query.nearest is empty");
    }
}

static enum status rank_nearest(struct call *call, const struct view *view,
                                const Qdrant__QueryPoints *request, struct ranking *out)
{
    struct target target = {0};
    struct point_id *excluded = NULL;
    const char *name = request->_using_case ? request->using_ : "";
    enum status status = read_target(call, view, request, request->query->nearest, &target);
    if (status == STATUS_OK && target.excluded) {
        excluded = arena_memdup(call->arena, &target.id, sizeof(target.id));
        status = excluded ? STATUS_OK : api_no_memory(call);
    }
    if (status == STATUS_OK) {
        status =
            ranking_nearest(call, view, name, target.numbers, target.count, request->params, out);
    }
    if (status == STATUS_OK) {
        out->excluded = excluded;
        out->nearest.has_threshold = request->_score_threshold_case != 0;
        out->nearest.threshold = request->_score_threshold_case ? request->score_threshold : 0;
    }
    return status;
}

static enum status rank_by_value(struct call *call, const Qdrant__QueryPoints *request,
                                 struct ranking *out)
{
    if (request->_score_threshold_case) {
        return error_set(call->err, STATUS_BAD_REQUEST,
                         "Can't use score_threshold with an order_by query.");
    }
    *out = (struct ranking){.by = RANKED_BY_VALUE};
    return order_read(call, request->query->order_by, &out->order);
}

enum status query_ranking(struct call *call, const struct view *view,
                          const Qdrant__QueryPoints *request, struct ranking *out)
{
    enum status status = api_check_shard_key(call, request->shard_key_selector);
    if (status == STATUS_OK && request->n_prefetch > 0) {
        status = api_refuse(call, "prefetch");
    }
    if (status != STATUS_OK) {
        return status;
    }
    const Qdrant__Query *query = request->query;
    switch (query ? query->variant_case : QDRANT__QUERY__VARIANT__NOT_SET) {
    case QDRANT__QUERY__VARIANT__NOT_SET:
        *out = (struct ranking){.by = RANKED_BY_ID};
        return STATUS_OK;
    case QDRANT__QUERY__VARIANT_NEAREST:
        return rank_nearest(call, view, request, out);
    case QDRANT__QUERY__VARIANT_ORDER_BY:
        return rank_by_value(call, request, out);
    default:
        return refuse_query(call, kind_name(query));
    }
}
