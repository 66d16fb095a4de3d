/* Count: the number of points that a filter accepts. Always exact, whatever the request allows. */
#include "server/api/api.h"
#include "server/api/ops.h"

enum status run_count(struct call *call, const void *input, void *output)
{
    const Qdrant__CountPoints *request = input;
    Qdrant__CountResponse *response = output;
    struct view view;
    struct filter *filter = NULL;
    enum status status = api_check_shard_key(call, request->shard_key_selector);
    if (status == STATUS_OK) {
        status = api_pin(call, request->collection_name, &view);
    }
    if (status == STATUS_OK) {
        status = api_filter(call, &view, request->filter, &filter);
    }
    if (status != STATUS_OK) {
        return status;
    }
    response->result = api_new(call, &qdrant__count_result__descriptor);
    if (!response->result) {
        return api_no_memory(call);
    }
    return view_count(&view, filter, call->cancelled, &response->result->count, call->err);
}
