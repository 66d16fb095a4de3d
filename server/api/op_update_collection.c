/* Update a collection: only what the request names changes. */
#include "server/api/api.h"
#include "server/api/config_check.h"
#include "server/api/ops.h"

enum status propose_update_collection(struct call *call, const void *input, struct buffer *command)
{
    const Qdrant__UpdateCollection *request = input;
    struct view view;
    struct schema *schema = NULL;
    enum status status = api_pin(call, request->collection_name, &view);
    if (status == STATUS_OK) {
        status = config_check_update(call, request);
    }
    if (status == STATUS_OK) {
        status = schema_update(view.schema, request, &schema, call->err);
    }
    if (status != STATUS_OK) {
        return status;
    }
    schema_unref(schema); /* it was made only to see that it can be */
    Sagitta__UpdateCollection update = SAGITTA__UPDATE_COLLECTION__INIT;
    update.name = (char *)view.name;
    update.diff = (Qdrant__UpdateCollection *)request;
    Sagitta__Command message = SAGITTA__COMMAND__INIT;
    message.kind_case = SAGITTA__COMMAND__KIND_UPDATE_COLLECTION;
    message.update_collection = &update;
    return command_pack(call, &message, command);
}

enum status reply_update_collection(struct call *call, const void *input,
                                    const struct fsm_result *result, void *output)
{
    (void)input;
    ((Qdrant__CollectionOperationResponse *)output)->result = true;
    return api_result_status(call, result);
}
