/* Update batch: several operations in one command. All are checked before anything is logged; they
 * are applied in order, and each gets the same answer. */
#include "server/api/api.h"
#include "server/api/ops.h"

#define ARM(name) QDRANT__POINTS_UPDATE_OPERATION__OPERATION_##name

static enum status add_upsert(struct write *write,
                              const Qdrant__PointsUpdateOperation__PointStructList *list)
{
    enum status status = api_check_shard_key(write->call, list->shard_key_selector);
    return status != STATUS_OK
               ? status
               : write_upsert(write, list->points, list->n_points, list->update_filter,
                              list->_update_mode_case ? list->update_mode
                                                      : QDRANT__UPDATE_MODE__Upsert);
}

static enum status add_set(struct write *write,
                           const Qdrant__PointsUpdateOperation__SetPayload *set)
{
    if (!set->_payload_json_case) {
        return api_refuse(write->call, "a payload that is not JSON text");
    }
    struct payload_write payload = {.selector = set->points_selector,
                                    .json = set->payload_json,
                                    .key = set->_key_case ? set->key : NULL};
    enum status status = api_check_shard_key(write->call, set->shard_key_selector);
    return status == STATUS_OK ? write_set_payload(write, &payload, false) : status;
}

static enum status add_overwrite(struct write *write,
                                 const Qdrant__PointsUpdateOperation__OverwritePayload *set)
{
    if (!set->_payload_json_case) {
        return api_refuse(write->call, "a payload that is not JSON text");
    }
    struct payload_write payload = {.selector = set->points_selector,
                                    .json = set->payload_json,
                                    .key = set->_key_case ? set->key : NULL};
    enum status status = api_check_shard_key(write->call, set->shard_key_selector);
    return status == STATUS_OK ? write_set_payload(write, &payload, true) : status;
}

static const Qdrant__ShardKeySelector *shard_key_of(const Qdrant__PointsUpdateOperation *operation)
{
    switch (operation->operation_case) {
    case ARM(DELETE_PAYLOAD):
        return operation->delete_payload->shard_key_selector;
    case ARM(UPDATE_VECTORS):
        return operation->update_vectors->shard_key_selector;
    case ARM(DELETE_VECTORS):
        return operation->delete_vectors->shard_key_selector;
    case ARM(DELETE_POINTS):
        return operation->delete_points->shard_key_selector;
    case ARM(CLEAR_PAYLOAD):
        return operation->clear_payload->shard_key_selector;
    default:
        return NULL;
    }
}

static enum status add_operation(struct write *write,
                                 const Qdrant__PointsUpdateOperation *operation)
{
    enum status status = api_check_shard_key(write->call, shard_key_of(operation));
    if (status != STATUS_OK) {
        return status;
    }
    switch (operation->operation_case) {
    case ARM(UPSERT):
        return add_upsert(write, operation->upsert);
    case ARM(SET_PAYLOAD):
        return add_set(write, operation->set_payload);
    case ARM(OVERWRITE_PAYLOAD):
        return add_overwrite(write, operation->overwrite_payload);
    case ARM(DELETE_PAYLOAD):
        return write_delete_payload(write, operation->delete_payload->points_selector,
                                    operation->delete_payload->keys,
                                    operation->delete_payload->n_keys);
    case ARM(UPDATE_VECTORS):
        return write_update_vectors(write, operation->update_vectors->points,
                                    operation->update_vectors->n_points,
                                    operation->update_vectors->update_filter);
    case ARM(DELETE_VECTORS):
        return write_delete_vectors(write, operation->delete_vectors->points_selector,
                                    operation->delete_vectors->vectors);
    case ARM(DELETE_POINTS):
        return write_delete(write, operation->delete_points->points);
    case ARM(CLEAR_PAYLOAD):
        return write_clear_payload(write, operation->clear_payload->points);
    case ARM(DELETE_DEPRECATED):
        return api_refuse(write->call, "the deprecated form of `delete`");
    case ARM(CLEAR_PAYLOAD_DEPRECATED):
        return api_refuse(write->call, "the deprecated form of `clear_payload`");
    default:
        return error_set(write->call->err, STATUS_BAD_REQUEST, "An update operation is empty");
    }
}

enum status propose_update_batch(struct call *call, const void *input, struct buffer *command)
{
    const Qdrant__UpdateBatchPoints *request = input;
    struct write write;
    enum status status = write_begin(call, request->collection_name, request->n_operations, &write);
    for (size_t i = 0; i < request->n_operations && status == STATUS_OK; i++) {
        status = api_check_cancelled(call);
        if (status == STATUS_OK) {
            status = add_operation(&write, request->operations[i]);
        }
    }
    return status == STATUS_OK ? write_end(&write, command) : status;
}

bool wait_update_batch(const void *input)
{
    const Qdrant__UpdateBatchPoints *request = input;
    return request->_wait_case && request->wait;
}

enum status reply_update_batch(struct call *call, const void *input,
                               const struct fsm_result *result, void *output)
{
    const Qdrant__UpdateBatchPoints *request = input;
    Qdrant__UpdateBatchResponse *response = output;
    enum status status = api_result_status(call, result);
    if (status != STATUS_OK) {
        return status;
    }
    response->result =
        arena_new_array(call->arena, Qdrant__UpdateResult *, request->n_operations + 1);
    if (!response->result) {
        return api_no_memory(call);
    }
    for (size_t i = 0; i < request->n_operations; i++) {
        response->result[i] = write_result(call, result, wait_update_batch(input));
        if (!response->result[i]) {
            return api_no_memory(call);
        }
    }
    response->n_result = request->n_operations;
    return STATUS_OK;
}
