/* Facet: the values of a payload key with the number of points that have each. Always exact,
 * whatever the request allows; an index on the key makes it faster and changes nothing. */
#include "index/collection/view_facet.h"
#include "server/api/api.h"
#include "server/api/ops.h"

enum { FACET_LIMIT_DEFAULT = 10 };

static enum status hit_message(struct call *call, const struct facet_hit *hit,
                               Qdrant__FacetHit **out)
{
    Qdrant__FacetHit *message = api_new(call, &qdrant__facet_hit__descriptor);
    Qdrant__FacetValue *value = api_new(call, &qdrant__facet_value__descriptor);
    if (!message || !value) {
        return api_no_memory(call);
    }
    message->value = value;
    message->count = hit->count;
    *out = message;
    switch (hit->value.kind) {
    case VALUE_BOOL:
        value->variant_case = QDRANT__FACET_VALUE__VARIANT_BOOL_VALUE;
        value->bool_value = hit->value.boolean;
        return STATUS_OK;
    case VALUE_INTEGER:
        value->variant_case = QDRANT__FACET_VALUE__VARIANT_INTEGER_VALUE;
        value->integer_value = hit->value.integer;
        return STATUS_OK;
    default:
        break;
    }
    value->variant_case = QDRANT__FACET_VALUE__VARIANT_STRING_VALUE;
    value->string_value =
        arena_strndup(call->arena, (const char *)hit->value.text.data, hit->value.text.size);
    return value->string_value ? STATUS_OK : api_no_memory(call);
}

enum status run_facet(struct call *call, const void *input, void *output)
{
    const Qdrant__FacetCounts *request = input;
    Qdrant__FacetResponse *response = output;
    struct view view;
    struct filter *filter = NULL;
    struct path *path = NULL;
    struct facet_hit *hits = NULL;
    size_t count = 0;
    enum status status = api_check_shard_key(call, request->shard_key_selector);
    if (status == STATUS_OK) {
        status = api_pin(call, request->collection_name, &view);
    }
    if (status == STATUS_OK) {
        status = path_parse(slice_text(request->key), call->arena, &path, call->err);
    }
    if (status == STATUS_OK) {
        status = api_filter(call, &view, request->filter, &filter);
    }
    if (status != STATUS_OK) {
        return status;
    }
    struct view_facet facet = {.path = path,
                               .limit = request->_limit_case ? request->limit : FACET_LIMIT_DEFAULT,
                               .filter = filter,
                               .cancelled = call->cancelled};
    status = view_facet(&view, &facet, call->arena, &hits, &count, call->err);
    if (status != STATUS_OK) {
        return status;
    }
    response->hits = arena_new_array(call->arena, Qdrant__FacetHit *, count + 1);
    if (!response->hits) {
        return api_no_memory(call);
    }
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        status = hit_message(call, &hits[i], &response->hits[response->n_hits++]);
    }
    return status;
}
