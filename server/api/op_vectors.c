/* Update and delete vectors of existing points; what else a point has stays. */
#include "server/api/api.h"
#include "server/api/ops.h"

enum status propose_update_vectors(struct call *call, const void *input, struct buffer *command)
{
    const Qdrant__UpdatePointVectors *request = input;
    struct write write;
    enum status status = api_check_shard_key(call, request->shard_key_selector);
    if (status == STATUS_OK) {
        status = write_begin(call, request->collection_name, 1, &write);
    }
    if (status == STATUS_OK) {
        status = write_update_vectors(&write, request->points, request->n_points,
                                      request->update_filter);
    }
    return status == STATUS_OK ? write_end(&write, command) : status;
}

bool wait_update_vectors(const void *input)
{
    const Qdrant__UpdatePointVectors *request = input;
    return request->_wait_case && request->wait;
}

enum status reply_update_vectors(struct call *call, const void *input,
                                 const struct fsm_result *result, void *output)
{
    return write_reply(call, result, wait_update_vectors(input), output);
}

enum status propose_delete_vectors(struct call *call, const void *input, struct buffer *command)
{
    const Qdrant__DeletePointVectors *request = input;
    struct write write;
    enum status status = api_check_shard_key(call, request->shard_key_selector);
    if (status == STATUS_OK) {
        status = write_begin(call, request->collection_name, 1, &write);
    }
    if (status == STATUS_OK) {
        status = write_delete_vectors(&write, request->points_selector, request->vectors);
    }
    return status == STATUS_OK ? write_end(&write, command) : status;
}

bool wait_delete_vectors(const void *input)
{
    const Qdrant__DeletePointVectors *request = input;
    return request->_wait_case && request->wait;
}

enum status reply_delete_vectors(struct call *call, const void *input,
                                 const struct fsm_result *result, void *output)
{
    return write_reply(call, result, wait_delete_vectors(input), output);
}
