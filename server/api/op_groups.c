/* Groups: the nearest points of each value of a payload key, for search and for query; and the
 * point of another collection whose id a group's value is. */
#include "server/api/groups.h"
#include "server/api/ops.h"

enum { LIMIT_DEFAULT = 10, GROUP_SIZE_DEFAULT = 3 };

/* What both requests say beside how to rank. */
struct groups_request {
    const char *group_by;
    const Qdrant__Filter *filter;
    uint64_t limit, group_size;
    const Qdrant__WithPayloadSelector *with_payload;
    const Qdrant__WithVectorsSelector *with_vectors;
    const Qdrant__WithLookup *with_lookup; /* NULL: none */
};
/* Where lookups are found. */
struct lookup {
    struct view view;
    struct projection projection;
};

static Qdrant__GroupId *group_id(struct call *call, const struct group *group)
{
    Qdrant__GroupId *id = api_new(call, &qdrant__group_id__descriptor);
    if (!id) {
        return NULL;
    }
    if (group->is_text) {
        id->kind_case = QDRANT__GROUP_ID__KIND_STRING_VALUE;
        id->string_value = (char *)(uintptr_t)group->text;
    } else if (group->number.kind == NUMBER_SIGNED && group->number.signed_value < 0) {
        id->kind_case = QDRANT__GROUP_ID__KIND_INTEGER_VALUE;
        id->integer_value = group->number.signed_value;
    } else {
        id->kind_case = QDRANT__GROUP_ID__KIND_UNSIGNED_VALUE;
        id->unsigned_value = group->number.unsigned_value;
    }
    return id;
}

/* False: the value is no point's id. */
static bool point_of_group(const struct group *group, struct point_id *out)
{
    if (group->is_text) {
        return point_id_parse_uuid(slice_text(group->text), out);
    }
    *out = point_id_number(group->number.unsigned_value);
    return group->number.kind == NUMBER_UNSIGNED || group->number.signed_value >= 0;
}

static enum status open_lookup(struct call *call, const Qdrant__WithLookup *request,
                               struct lookup *out)
{
    enum status status = api_pin(call, request->collection, &out->view);
    return status == STATUS_OK ? projection_read(call, &out->view, request->with_payload, true,
                                                 request->with_vectors, &out->projection)
                               : status;
}

/* *out stays NULL when there is no such point. */
static enum status look_up(struct call *call, const struct lookup *lookup,
                           const struct group *group, Qdrant__RetrievedPoint **out)
{
    struct point_id id;
    struct found point;
    Qdrant__RetrievedPoint **points = NULL;
    size_t count = 0;
    if (!point_of_group(group, &id) || !view_locate(&lookup->view, id, &point)) {
        return STATUS_OK;
    }
    enum status status = project_retrieved(call, &lookup->projection, &point, 1, &count, &points);
    if (status == STATUS_OK && count > 0) {
        *out = points[0];
    }
    return status;
}

/* *out NULL: the group's points have gone meanwhile. */
static enum status group_message(struct call *call, const struct projection *projection,
                                 const struct lookup *lookup, const struct group *group,
                                 Qdrant__PointGroup **out)
{
    Qdrant__PointGroup *message = api_new(call, &qdrant__point_group__descriptor);
    if (!message) {
        return api_no_memory(call);
    }
    message->id = group_id(call, group);
    enum status status = message->id ? api_check_cancelled(call) : api_no_memory(call);
    if (status == STATUS_OK) {
        status = project_scored(call, projection, group->hits, group->hits_count, &message->n_hits,
                                &message->hits);
    }
    if (status == STATUS_OK && lookup) {
        status = look_up(call, lookup, group, &message->lookup);
    }
    *out = message->n_hits > 0 ? message : NULL;
    return status;
}

static enum status groups_message(struct call *call, const struct projection *projection,
                                  const struct lookup *lookup, const struct groups *groups,
                                  Qdrant__GroupsResult **out)
{
    Qdrant__GroupsResult *result = api_new(call, &qdrant__groups_result__descriptor);
    Qdrant__PointGroup **list =
        arena_new_array(call->arena, Qdrant__PointGroup *, groups->count + 1);
    enum status status = result && list ? STATUS_OK : api_no_memory(call);
    size_t count = 0;
    for (size_t i = 0; i < groups->count && status == STATUS_OK; i++) {
        status = group_message(call, projection, lookup, groups->items[i], &list[count]);
        if (status == STATUS_OK && list[count]) {
            count++;
        }
    }
    if (status == STATUS_OK) {
        result->groups = list;
        result->n_groups = count;
        *out = result;
    }
    return status;
}

static enum status run_groups(struct call *call, const struct view *view,
                              const struct ranking *ranking, const struct groups_request *request,
                              Qdrant__GroupsResult **out)
{
    struct projection projection;
    struct lookup lookup;
    struct path *path = NULL;
    struct groups groups;
    if (request->limit == 0 || request->group_size == 0) {
        return error_set(call->err, STATUS_BAD_INPUT, "limit and group_size must be 1 or larger");
    }
    enum status status = path_parse(slice_text(request->group_by), call->arena, &path, call->err);
    if (status == STATUS_OK) {
        status = projection_read(call, view, request->with_payload, false, request->with_vectors,
                                 &projection);
    }
    if (status == STATUS_OK && request->with_lookup) {
        status = open_lookup(call, request->with_lookup, &lookup);
    }
    if (status != STATUS_OK) {
        return status;
    }
    struct grouping grouping = {.path = path,
                                .key = request->group_by,
                                .filter = request->filter,
                                .limit = request->limit,
                                .group_size = request->group_size};
    status = groups_find(call, view, ranking, &grouping, &groups);
    return status == STATUS_OK ? groups_message(call, &projection,
                                                request->with_lookup ? &lookup : NULL, &groups, out)
                               : status;
}

enum status run_search_groups(struct call *call, const void *input, void *output)
{
    const Qdrant__SearchPointGroups *request = input;
    Qdrant__SearchGroupsResponse *response = output;
    struct view view;
    struct ranking ranking;
    Qdrant__SearchPoints search = QDRANT__SEARCH_POINTS__INIT;
    search.vector = request->vector;
    search.n_vector = request->n_vector;
    search.params = request->params;
    search.sparse_indices = request->sparse_indices;
    search.shard_key_selector = request->shard_key_selector;
    if (request->_vector_name_case) {
        search._vector_name_case = QDRANT__SEARCH_POINTS___VECTOR_NAME_VECTOR_NAME;
        search.vector_name = request->vector_name;
    }
    if (request->_score_threshold_case) {
        search._score_threshold_case = QDRANT__SEARCH_POINTS___SCORE_THRESHOLD_SCORE_THRESHOLD;
        search.score_threshold = request->score_threshold;
    }
    enum status status = api_pin(call, request->collection_name, &view);
    if (status == STATUS_OK) {
        status = search_ranking(call, &view, &search, &ranking);
    }
    if (status != STATUS_OK) {
        return status;
    }
    struct groups_request groups = {.group_by = request->group_by,
                                    .filter = request->filter,
                                    .limit = request->limit,
                                    .group_size = request->group_size,
                                    .with_payload = request->with_payload,
                                    .with_vectors = request->with_vectors,
                                    .with_lookup = request->with_lookup};
    return run_groups(call, &view, &ranking, &groups, &response->result);
}

/* What of the request says how to rank. */
static Qdrant__QueryPoints query_of(const Qdrant__QueryPointGroups *request)
{
    Qdrant__QueryPoints query = QDRANT__QUERY_POINTS__INIT;
    query.prefetch = request->prefetch;
    query.n_prefetch = request->n_prefetch;
    query.query = request->query;
    query.params = request->params;
    query.lookup_from = request->lookup_from;
    query.shard_key_selector = request->shard_key_selector;
    if (request->_using_case) {
        query._using_case = QDRANT__QUERY_POINTS___USING_USING;
        query.using_ = request->using_;
    }
    if (request->_score_threshold_case) {
        query._score_threshold_case = QDRANT__QUERY_POINTS___SCORE_THRESHOLD_SCORE_THRESHOLD;
        query.score_threshold = request->score_threshold;
    }
    return query;
}

enum status run_query_groups(struct call *call, const void *input, void *output)
{
    const Qdrant__QueryPointGroups *request = input;
    Qdrant__QueryGroupsResponse *response = output;
    struct view view;
    struct ranking ranking;
    Qdrant__QueryPoints query = query_of(request);
    enum status status = api_pin(call, request->collection_name, &view);
    if (status == STATUS_OK) {
        status = query_ranking(call, &view, &query, &ranking);
    }
    if (status != STATUS_OK) {
        return status;
    }
    struct groups_request groups = {.group_by = request->group_by,
                                    .filter = request->filter,
                                    .limit = request->_limit_case ? request->limit : LIMIT_DEFAULT,
                                    .group_size = request->_group_size_case ? request->group_size
                                                                            : GROUP_SIZE_DEFAULT,
                                    .with_payload = request->with_payload,
                                    .with_vectors = request->with_vectors,
                                    .with_lookup = request->with_lookup};
    return run_groups(call, &view, &ranking, &groups, &response->result);
}
