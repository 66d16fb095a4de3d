/* Query: nearest to a vector or to a point, or points in order when nothing is asked.
 *
 * A point given as the query lends its vector, from this collection or from the one that
 * lookup_from names; a point of this collection is not among its own answers. */
#include "server/api/api.h"
#include "server/api/ops.h"

enum { QUERY_LIMIT_DEFAULT = 10 };

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
    case QDRANT__QUERY__VARIANT_ORDER_BY:
        return "order_by";
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

static enum status query_one(struct call *call, const struct view *view,
                             const Qdrant__QueryPoints *request, size_t *count,
                             Qdrant__ScoredPoint ***out)
{
    enum status status = api_check_shard_key(call, request->shard_key_selector);
    if (status == STATUS_OK && request->n_prefetch > 0) {
        status = api_refuse(call, "prefetch");
    }
    if (status != STATUS_OK) {
        return status;
    }
    struct target target = {0};
    struct search search = {.vector_name = request->_using_case ? request->using_ : "",
                            .filter = request->filter,
                            .params = request->params,
                            .limit = request->_limit_case ? request->limit : QUERY_LIMIT_DEFAULT,
                            .offset = request->_offset_case ? request->offset : 0,
                            .has_threshold = request->_score_threshold_case != 0,
                            .threshold =
                                request->_score_threshold_case ? request->score_threshold : 0,
                            .with_payload = request->with_payload,
                            .with_vectors = request->with_vectors};
    const Qdrant__Query *query = request->query;
    if (!query || query->variant_case == QDRANT__QUERY__VARIANT__NOT_SET) {
        return search_in_order(call, view, &search, count, out);
    }
    if (query->variant_case != QDRANT__QUERY__VARIANT_NEAREST) {
        return refuse_query(call, kind_name(query));
    }
    status = read_target(call, view, request, query->nearest, &target);
    if (status != STATUS_OK) {
        return status;
    }
    search.excluded = target.excluded ? &target.id : NULL;
    return search_nearest(call, view, &search, target.numbers, target.count, count, out);
}

enum status run_query(struct call *call, const void *input, void *output)
{
    const Qdrant__QueryPoints *request = input;
    Qdrant__QueryResponse *response = output;
    struct view view;
    enum status status = api_pin(call, request->collection_name, &view);
    return status == STATUS_OK
               ? query_one(call, &view, request, &response->n_result, &response->result)
               : status;
}

enum status run_query_batch(struct call *call, const void *input, void *output)
{
    const Qdrant__QueryBatchPoints *request = input;
    Qdrant__QueryBatchResponse *response = output;
    struct view view;
    enum status status = api_pin(call, request->collection_name, &view);
    if (status != STATUS_OK) {
        return status;
    }
    response->result =
        arena_new_array(call->arena, Qdrant__BatchResult *, request->n_query_points + 1);
    if (!response->result) {
        return api_no_memory(call);
    }
    for (size_t i = 0; i < request->n_query_points; i++) {
        Qdrant__BatchResult *result = api_new(call, &qdrant__batch_result__descriptor);
        status = result ? api_check_cancelled(call) : api_no_memory(call);
        if (status == STATUS_OK) {
            status = query_one(call, &view, request->query_points[i], &result->n_result,
                               &result->result);
        }
        if (status != STATUS_OK) {
            return status;
        }
        response->result[response->n_result++] = result;
    }
    return STATUS_OK;
}
