/* Aliases: changed all together or not at all; listed in the order of their names. */
#include "server/api/api.h"
#include "server/api/config_check.h"
#include "server/api/ops.h"

static enum status check_action(struct call *call, const Qdrant__AliasOperations *action)
{
    switch (action->action_case) {
    case QDRANT__ALIAS_OPERATIONS__ACTION_CREATE_ALIAS:
        return config_check_name(call, action->create_alias->alias_name);
    case QDRANT__ALIAS_OPERATIONS__ACTION_RENAME_ALIAS:
        return config_check_name(call, action->rename_alias->new_alias_name);
    case QDRANT__ALIAS_OPERATIONS__ACTION_DELETE_ALIAS:
        return STATUS_OK;
    default:
        return error_set(call->err, STATUS_BAD_REQUEST, "An alias action is empty");
    }
}

/* Whether collections and aliases exist is seen when the actions are applied: one may prepare the
 * next. */
enum status propose_change_aliases(struct call *call, const void *input, struct buffer *command)
{
    const Qdrant__ChangeAliases *request = input;
    for (size_t i = 0; i < request->n_actions; i++) {
        enum status status = check_action(call, request->actions[i]);
        if (status != STATUS_OK) {
            return status;
        }
    }
    if (request->n_actions == 0) {
        return STATUS_OK;
    }
    Sagitta__ChangeAliases change = SAGITTA__CHANGE_ALIASES__INIT;
    change.actions = request->actions;
    change.n_actions = request->n_actions;
    Sagitta__Command message = SAGITTA__COMMAND__INIT;
    message.kind_case = SAGITTA__COMMAND__KIND_CHANGE_ALIASES;
    message.change_aliases = &change;
    return command_pack(call, &message, command);
}

enum status reply_change_aliases(struct call *call, const void *input,
                                 const struct fsm_result *result, void *output)
{
    (void)input;
    ((Qdrant__CollectionOperationResponse *)output)->result = true;
    return api_result_status(call, result);
}

static enum status list(struct call *call, const char *collection,
                        Qdrant__ListAliasesResponse *response)
{
    struct alias_name *names = NULL;
    size_t count = 0;
    enum status status = engine_aliases(call->engine, collection, call->arena, &names, &count);
    if (status != STATUS_OK) {
        return api_no_memory(call);
    }
    response->aliases = arena_new_array(call->arena, Qdrant__AliasDescription *, count + 1);
    if (!response->aliases) {
        return api_no_memory(call);
    }
    for (size_t i = 0; i < count; i++) {
        Qdrant__AliasDescription *alias = api_new(call, &qdrant__alias_description__descriptor);
        if (!alias) {
            return api_no_memory(call);
        }
        alias->alias_name = (char *)names[i].alias;
        alias->collection_name = (char *)names[i].collection;
        response->aliases[response->n_aliases++] = alias;
    }
    return STATUS_OK;
}

enum status run_list_aliases(struct call *call, const void *input, void *output)
{
    (void)input;
    return list(call, NULL, output);
}

enum status run_collection_aliases(struct call *call, const void *input, void *output)
{
    const Qdrant__ListCollectionAliasesRequest *request = input;
    struct view view;
    enum status status = api_pin(call, request->collection_name, &view);
    return status == STATUS_OK ? list(call, view.name, output) : status;
}
