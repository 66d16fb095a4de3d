/* Set, overwrite, delete and clear payload of existing points. */
#include "server/api/api.h"
#include "server/api/ops.h"

static enum status propose_set(struct call *call, const Qdrant__SetPayloadPoints *request,
                               bool overwrite, struct buffer *command)
{
    struct write write;
    enum status status = api_check_shard_key(call, request->shard_key_selector);
    if (status == STATUS_OK && !request->_payload_json_case) {
        status = api_refuse(call, "a payload that is not JSON text");
    }
    if (status == STATUS_OK) {
        status = write_begin(call, request->collection_name, 1, &write);
    }
    if (status == STATUS_OK) {
        struct payload_write payload = {.selector = request->points_selector,
                                        .json = request->payload_json,
                                        .key = request->_key_case ? request->key : NULL};
        status = write_set_payload(&write, &payload, overwrite);
    }
    return status == STATUS_OK ? write_end(&write, command) : status;
}

static bool wait_set(const Qdrant__SetPayloadPoints *request)
{
    return request->_wait_case && request->wait;
}

enum status propose_set_payload(struct call *call, const void *input, struct buffer *command)
{
    return propose_set(call, input, false, command);
}

bool wait_set_payload(const void *input)
{
    return wait_set(input);
}

enum status reply_set_payload(struct call *call, const void *input, const struct fsm_result *result,
                              void *output)
{
    return write_reply(call, result, wait_set(input), output);
}

enum status propose_overwrite_payload(struct call *call, const void *input, struct buffer *command)
{
    return propose_set(call, input, true, command);
}

bool wait_overwrite_payload(const void *input)
{
    return wait_set(input);
}

enum status reply_overwrite_payload(struct call *call, const void *input,
                                    const struct fsm_result *result, void *output)
{
    return write_reply(call, result, wait_set(input), output);
}

enum status propose_delete_payload(struct call *call, const void *input, struct buffer *command)
{
    const Qdrant__DeletePayloadPoints *request = input;
    struct write write;
    enum status status = api_check_shard_key(call, request->shard_key_selector);
    if (status == STATUS_OK) {
        status = write_begin(call, request->collection_name, 1, &write);
    }
    if (status == STATUS_OK) {
        status =
            write_delete_payload(&write, request->points_selector, request->keys, request->n_keys);
    }
    return status == STATUS_OK ? write_end(&write, command) : status;
}

bool wait_delete_payload(const void *input)
{
    const Qdrant__DeletePayloadPoints *request = input;
    return request->_wait_case && request->wait;
}

enum status reply_delete_payload(struct call *call, const void *input,
                                 const struct fsm_result *result, void *output)
{
    return write_reply(call, result, wait_delete_payload(input), output);
}

enum status propose_clear_payload(struct call *call, const void *input, struct buffer *command)
{
    const Qdrant__ClearPayloadPoints *request = input;
    struct write write;
    enum status status = api_check_shard_key(call, request->shard_key_selector);
    if (status == STATUS_OK) {
        status = write_begin(call, request->collection_name, 1, &write);
    }
    if (status == STATUS_OK) {
        status = write_clear_payload(&write, request->points);
    }
    return status == STATUS_OK ? write_end(&write, command) : status;
}

bool wait_clear_payload(const void *input)
{
    const Qdrant__ClearPayloadPoints *request = input;
    return request->_wait_case && request->wait;
}

enum status reply_clear_payload(struct call *call, const void *input,
                                const struct fsm_result *result, void *output)
{
    return write_reply(call, result, wait_clear_payload(input), output);
}
