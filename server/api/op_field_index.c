/* Payload indexes are created and dropped on a live collection. The command only changes the
 * schema; the engine fills a new index in the background, and answers meanwhile by reading
 * payloads. */
#include "server/api/api.h"
#include "server/api/ops.h"

/* What the request asks for, as the collection's configuration keeps it. */
static enum status read_index(struct call *call, const Qdrant__CreateFieldIndexCollection *request,
                              Qdrant__PayloadIndex *out)
{
    qdrant__payload_index__init(out);
    if (!request->field_name[0]) {
        return error_set(call->err, STATUS_BAD_INPUT, "field_name: value is empty");
    }
    if (!request->_field_type_case) {
        return error_set(call->err, STATUS_BAD_INPUT,
                         "field_schema: the type of the index is missing");
    }
    out->key = request->field_name;
    out->type = (Qdrant__PayloadSchemaType)(request->field_type + 1); /* the same, from 1 */
    out->params = request->field_index_params;
    return STATUS_OK;
}

enum status propose_create_field_index(struct call *call, const void *input, struct buffer *command)
{
    const Qdrant__CreateFieldIndexCollection *request = input;
    struct view view;
    Qdrant__PayloadIndex index;
    struct schema *schema = NULL;
    enum status status = api_pin(call, request->collection_name, &view);
    if (status == STATUS_OK) {
        status = read_index(call, request, &index);
    }
    if (status == STATUS_OK) {
        status = schema_add_field(view.schema, &index, &schema, call->err);
    }
    if (status != STATUS_OK) {
        return status;
    }
    schema_unref(schema); /* it was made only to see that it can be */
    Sagitta__CreateFieldIndex create = SAGITTA__CREATE_FIELD_INDEX__INIT;
    create.name = (char *)(uintptr_t)view.name;
    create.index = &index;
    Sagitta__Command message = SAGITTA__COMMAND__INIT;
    message.kind_case = SAGITTA__COMMAND__KIND_CREATE_FIELD_INDEX;
    message.create_field_index = &create;
    return command_pack(call, &message, command);
}

enum status reply_create_field_index(struct call *call, const void *input,
                                     const struct fsm_result *result, void *output)
{
    const Qdrant__CreateFieldIndexCollection *request = input;
    return write_reply(call, result, request->_wait_case && request->wait, output);
}

bool wait_create_field_index(const void *input)
{
    const Qdrant__CreateFieldIndexCollection *request = input;
    return request->_wait_case && request->wait;
}

enum status propose_delete_field_index(struct call *call, const void *input, struct buffer *command)
{
    const Qdrant__DeleteFieldIndexCollection *request = input;
    struct view view;
    enum status status = api_pin(call, request->collection_name, &view);
    if (status != STATUS_OK) {
        return status;
    }
    Sagitta__DeleteFieldIndex drop = SAGITTA__DELETE_FIELD_INDEX__INIT;
    drop.name = (char *)(uintptr_t)view.name;
    drop.key = request->field_name;
    Sagitta__Command message = SAGITTA__COMMAND__INIT;
    message.kind_case = SAGITTA__COMMAND__KIND_DELETE_FIELD_INDEX;
    message.delete_field_index = &drop;
    return command_pack(call, &message, command);
}

enum status reply_delete_field_index(struct call *call, const void *input,
                                     const struct fsm_result *result, void *output)
{
    const Qdrant__DeleteFieldIndexCollection *request = input;
    return write_reply(call, result, request->_wait_case && request->wait, output);
}

bool wait_delete_field_index(const void *input)
{
    const Qdrant__DeleteFieldIndexCollection *request = input;
    return request->_wait_case && request->wait;
}
