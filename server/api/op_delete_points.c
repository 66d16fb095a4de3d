/* Delete points: by ids or by a filter. Ids that do not exist are no error. */
#include "server/api/api.h"
#include "server/api/ops.h"

enum status propose_delete_points(struct call *call, const void *input, struct buffer *command)
{
    const Qdrant__DeletePoints *request = input;
    struct write write;
    enum status status = api_check_shard_key(call, request->shard_key_selector);
    if (status == STATUS_OK) {
        status = write_begin(call, request->collection_name, 1, &write);
    }
    if (status == STATUS_OK) {
        status = write_delete(&write, request->points);
    }
    return status == STATUS_OK ? write_end(&write, command) : status;
}

bool wait_delete_points(const void *input)
{
    const Qdrant__DeletePoints *request = input;
    return request->_wait_case && request->wait;
}

enum status reply_delete_points(struct call *call, const void *input,
                                const struct fsm_result *result, void *output)
{
    return write_reply(call, result, wait_delete_points(input), output);
}
