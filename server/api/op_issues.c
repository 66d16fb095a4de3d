/* Advice about slow requests: read it, or forget it. Nothing is logged: it is this node's. */
#include "server/api/api.h"
#include "server/api/guard.h"
#include "server/api/ops.h"

enum status run_get_issues(struct call *call, const void *input, void *output)
{
    (void)input;
    struct buffer json;
    buffer_init(&json, 0);
    issues_write(call->guard->issues, call, &json);
    return api_take(call, &json, &((Sagitta__JsonReply *)output)->json);
}

enum status propose_clear_issues(struct call *call, const void *input, struct buffer *command)
{
    (void)input;
    (void)command;
    issues_clear(call->guard->issues);
    return STATUS_OK;
}

enum status reply_clear_issues(struct call *call, const void *input,
                               const struct fsm_result *result, void *output)
{
    (void)input;
    ((Qdrant__CollectionOperationResponse *)output)->result = true;
    return api_result_status(call, result);
}
