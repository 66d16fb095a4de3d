/* Delete a collection. One that does not exist is no error: the answer is then false. */
#include "server/api/api.h"
#include "server/api/ops.h"

enum status propose_delete_collection(struct call *call, const void *input, struct buffer *command)
{
    const Qdrant__DeleteCollection *request = input;
    if (!engine_exists(call->engine, request->collection_name)) {
        return STATUS_OK;
    }
    Sagitta__DeleteCollection drop = SAGITTA__DELETE_COLLECTION__INIT;
    drop.name = request->collection_name;
    Sagitta__Command message = SAGITTA__COMMAND__INIT;
    message.kind_case = SAGITTA__COMMAND__KIND_DELETE_COLLECTION;
    message.delete_collection = &drop;
    return command_pack(call, &message, command);
}

enum status reply_delete_collection(struct call *call, const void *input,
                                    const struct fsm_result *result, void *output)
{
    (void)input;
    ((Qdrant__CollectionOperationResponse *)output)->result = result->changed > 0;
    return api_result_status(call, result);
}
