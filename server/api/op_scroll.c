/* Scroll: pages of points in the order of their ids. */
#include "server/api/api.h"
#include "server/api/ops.h"

enum { SCROLL_LIMIT_DEFAULT = 10 };

enum status run_scroll(struct call *call, const void *input, void *output)
{
    const Qdrant__ScrollPoints *request = input;
    Qdrant__ScrollResponse *response = output;
    struct view view;
    struct projection projection;
    struct filter *filter = NULL;
    struct point_id start, next;
    struct found *points = NULL;
    size_t count = 0;
    bool has_next = false;
    enum status status = api_check_shard_key(call, request->shard_key_selector);
    if (status == STATUS_OK && request->order_by) {
        status = api_refuse(call, "order_by");
    }
    if (status == STATUS_OK) {
        status = api_pin(call, request->collection_name, &view);
    }
    if (status == STATUS_OK) {
        status = projection_read(call, &view, request->with_payload, true, request->with_vectors,
                                 &projection);
    }
    if (status == STATUS_OK) {
        status = filter_compile(request->filter, NULL, call->arena, &filter, call->err);
    }
    if (status == STATUS_OK && request->offset) {
        status = id_read(call, request->offset, &start);
    }
    if (status != STATUS_OK) {
        return status;
    }
    struct view_scroll scroll = {.start = request->offset ? &start : NULL,
                                 .limit =
                                     request->_limit_case ? request->limit : SCROLL_LIMIT_DEFAULT,
                                 .filter = filter,
                                 .cancelled = call->cancelled};
    status = view_scroll(&view, &scroll, call->arena, &points, &count, &has_next, &next, call->err);
    if (status == STATUS_OK) {
        status = project_retrieved(call, &projection, points, count, &response->n_result,
                                   &response->result);
    }
    if (status == STATUS_OK && has_next) {
        response->next_page_offset = id_message(call, next);
        status = response->next_page_offset ? STATUS_OK : api_no_memory(call);
    }
    return status;
}
