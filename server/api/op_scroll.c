/* Scroll: pages of points in the order of their ids, or the first points in the order of a payload
 * key. The latter has no pages: a client goes on from the last value it saw (start_from) and leaves
 * out the ids it has, by a filter. */
#include "server/api/ops.h"
#include "server/api/ranking.h"

enum { SCROLL_LIMIT_DEFAULT = 10 };

static uint32_t limit_of(const Qdrant__ScrollPoints *request)
{
    return request->_limit_case ? request->limit : SCROLL_LIMIT_DEFAULT;
}

static enum status scroll_by_value(struct call *call, const struct projection *projection,
                                   const Qdrant__ScrollPoints *request, const struct filter *filter,
                                   Qdrant__ScrollResponse *response)
{
    struct view_order order;
    struct found *points = NULL;
    size_t count = 0;
    if (request->offset) {
        return error_set(call->err, STATUS_BAD_INPUT,
                         "`offset` is not supported together with `order_by`: continue with "
                         "`order_by.start_from` and a filter on the ids seen");
    }
    enum status status = order_read(call, request->order_by, &order);
    if (status != STATUS_OK) {
        return status;
    }
    order.limit = limit_of(request);
    order.filter = filter;
    order.cancelled = call->cancelled;
    status = view_order(projection->view, &order, call->arena, &points, &count, call->err);
    return status == STATUS_OK ? project_retrieved(call, projection, points, count,
                                                   &response->n_result, &response->result)
                               : status;
}

static enum status scroll_by_id(struct call *call, const struct projection *projection,
                                const Qdrant__ScrollPoints *request, const struct filter *filter,
                                Qdrant__ScrollResponse *response)
{
    struct point_id start, next;
    struct found *points = NULL;
    size_t count = 0;
    bool has_next = false;
    enum status status = request->offset ? id_read(call, request->offset, &start) : STATUS_OK;
    if (status != STATUS_OK) {
        return status;
    }
    struct view_scroll scroll = {.start = request->offset ? &start : NULL,
                                 .limit = limit_of(request),
                                 .filter = filter,
                                 .cancelled = call->cancelled};
    status = view_scroll(projection->view, &scroll, call->arena, &points, &count, &has_next, &next,
                         call->err);
    if (status == STATUS_OK) {
        status = project_retrieved(call, projection, points, count, &response->n_result,
                                   &response->result);
    }
    if (status == STATUS_OK && has_next) {
        response->next_page_offset = id_message(call, next);
        status = response->next_page_offset ? STATUS_OK : api_no_memory(call);
    }
    return status;
}

enum status run_scroll(struct call *call, const void *input, void *output)
{
    const Qdrant__ScrollPoints *request = input;
    struct view view;
    struct projection projection;
    struct filter *filter = NULL;
    enum status status = api_check_shard_key(call, request->shard_key_selector);
    if (status == STATUS_OK) {
        status = api_pin(call, request->collection_name, &view);
    }
    if (status == STATUS_OK) {
        status = projection_read(call, &view, request->with_payload, true, request->with_vectors,
                                 &projection);
    }
    if (status == STATUS_OK) {
        status = api_filter(call, &view, request->filter, &filter);
    }
    if (status != STATUS_OK) {
        return status;
    }
    return request->order_by ? scroll_by_value(call, &projection, request, filter, output)
                             : scroll_by_id(call, &projection, request, filter, output);
}
