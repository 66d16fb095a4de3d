/* Points by their ids. */
#include "server/api/api.h"
#include "server/api/ops.h"

enum status run_get_point(struct call *call, const void *input, void *output)
{
    const Sagitta__GetPoint *request = input;
    Sagitta__GetPointResponse *response = output;
    Qdrant__WithVectorsSelector vectors = QDRANT__WITH_VECTORS_SELECTOR__INIT;
    struct view view;
    struct point_id id;
    struct found point;
    struct projection projection;
    Qdrant__RetrievedPoint **points = NULL;
    size_t count = 0;
    vectors.selector_options_case = QDRANT__WITH_VECTORS_SELECTOR__SELECTOR_OPTIONS_ENABLE;
    vectors.enable = true;
    enum status status = api_pin(call, request->collection_name, &view);
    if (status == STATUS_OK) {
        status = id_read(call, request->id, &id);
    }
    if (status == STATUS_OK) {
        status = projection_read(call, &view, NULL, true, &vectors, &projection);
    }
    if (status != STATUS_OK) {
        return status;
    }
    if (view_locate(&view, id, &point)) {
        status = project_retrieved(call, &projection, &point, 1, &count, &points);
    }
    if (status == STATUS_OK && count == 0) {
        return id_not_found(call, id);
    }
    if (status == STATUS_OK) {
        response->result = points[0];
    }
    return status;
}

/* In the order of the request; missing points are left out. */
enum status run_get_points(struct call *call, const void *input, void *output)
{
    const Qdrant__GetPoints *request = input;
    Qdrant__GetResponse *response = output;
    struct view view;
    struct projection projection;
    size_t found = 0;
    enum status status = api_check_shard_key(call, request->shard_key_selector);
    if (status == STATUS_OK) {
        status = api_pin(call, request->collection_name, &view);
    }
    if (status == STATUS_OK) {
        status = projection_read(call, &view, request->with_payload, true, request->with_vectors,
                                 &projection);
    }
    if (status != STATUS_OK) {
        return status;
    }
    struct found *points = arena_new_array(call->arena, struct found, request->n_ids + 1);
    if (!points) {
        return api_no_memory(call);
    }
    for (size_t i = 0; i < request->n_ids; i++) {
        struct point_id id;
        status = id_read(call, request->ids[i], &id);
        if (status != STATUS_OK) {
            return status;
        }
        if (view_locate(&view, id, &points[found])) {
            found++;
        }
    }
    return project_retrieved(call, &projection, points, found, &response->n_result,
                             &response->result);
}
