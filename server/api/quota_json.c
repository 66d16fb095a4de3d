/* Prints quotas. Nothing can fail. */
#include "server/api/quota_json.h"

static void add_limit(struct buffer *out, const char *name, bool set, uint32_t percent)
{
    if (set) {
        buffer_printf(out, ",\"%s\":%u", name, percent);
    } else {
        buffer_printf(out, ",\"%s\":null", name);
    }
}

void quota_json_config(const struct quota_limits *limits, struct buffer *out)
{
    buffer_printf(out, "{\"enabled\":%s", limits->enabled ? "true" : "false");
    add_limit(out, "max_resident_memory_percent", limits->memory_percent_max > 0,
              limits->memory_percent_max);
    add_limit(out, "max_disk_usage_percent", limits->disk_percent_max > 0,
              limits->disk_percent_max);
    add_limit(out, "release_margin_percent", limits->has_margin, limits->margin_percent);
    buffer_append_byte(out, '}');
}

static const char *verdict(bool enforced, bool over)
{
    return !enforced ? "null" : over ? "true" : "false";
}

void quota_json_exceeded(const struct quota_limits *limits, const struct quota_reading *reading,
                         const struct quota_state *state, struct buffer *out)
{
    buffer_printf(
        out, "{\"resident_memory\":%s,\"disk_usage\":%s}",
        verdict(limits->enabled && limits->memory_percent_max > 0 && reading->memory_known,
                state->memory_over),
        verdict(limits->enabled && limits->disk_percent_max > 0 && reading->disk_known,
                state->disk_over));
}
