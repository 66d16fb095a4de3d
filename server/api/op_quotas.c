/* The quotas of the node: read them with what is in use now, or replace them. */
#include "server/api/api.h"
#include "server/api/guard.h"
#include "server/api/ops.h"
#include "server/api/quota_json.h"
#include "storage/base/clock.h"

static void add_percent(struct buffer *out, const char *name, bool known, uint32_t percent)
{
    if (known) {
        buffer_printf(out, "\"%s\":%u", name, percent);
    } else {
        buffer_printf(out, "\"%s\":null", name);
    }
}

enum status run_get_quotas(struct call *call, const void *input, void *output)
{
    (void)input;
    struct quota_limits limits;
    struct quota_reading reading;
    struct quota_state state;
    struct buffer json;
    buffer_init(&json, 0);
    engine_quotas(call->engine, &limits);
    quota_look(call->guard->quota, &limits, clock_monotonic_ns(), &reading, &state);
    buffer_append_text(&json, "{\"config\":");
    quota_json_config(&limits, &json);
    buffer_append_text(&json, ",\"usage\":{");
    add_percent(&json, "resident_memory_percent", reading.memory_known, reading.memory_percent);
    buffer_append_byte(&json, ',');
    add_percent(&json, "disk_usage_percent", reading.disk_known, reading.disk_percent);
    buffer_append_text(&json, "}}");
    return api_take(call, &json, &((Sagitta__JsonReply *)output)->json);
}

enum status propose_update_quotas(struct call *call, const void *input, struct buffer *command)
{
    Sagitta__Command message = SAGITTA__COMMAND__INIT;
    message.kind_case = SAGITTA__COMMAND__KIND_SET_QUOTAS;
    message.set_quotas = (Sagitta__Quotas *)input;
    return command_pack(call, &message, command);
}

enum status reply_update_quotas(struct call *call, const void *input,
                                const struct fsm_result *result, void *output)
{
    (void)input;
    ((Qdrant__CollectionOperationResponse *)output)->result = true;
    return api_result_status(call, result);
}
