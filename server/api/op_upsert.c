/* Upsert: points are inserted, or replaced whole. */
#include "server/api/api.h"
#include "server/api/ops.h"

enum status propose_upsert(struct call *call, const void *input, struct buffer *command)
{
    const Qdrant__UpsertPoints *request = input;
    struct write write;
    enum status status = api_check_shard_key(call, request->shard_key_selector);
    if (status == STATUS_OK) {
        status = write_begin(call, request->collection_name, 1, &write);
    }
    if (status == STATUS_OK) {
        status = write_upsert(&write, request->points, request->n_points, request->update_filter,
                              request->_update_mode_case ? request->update_mode
                                                         : QDRANT__UPDATE_MODE__Upsert);
    }
    return status == STATUS_OK ? write_end(&write, command) : status;
}

bool wait_upsert(const void *input)
{
    const Qdrant__UpsertPoints *request = input;
    return request->_wait_case && request->wait;
}

enum status reply_upsert(struct call *call, const void *input, const struct fsm_result *result,
                         void *output)
{
    return write_reply(call, result, wait_upsert(input), output);
}
