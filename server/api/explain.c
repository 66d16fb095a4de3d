/* The report of a search as JSON: names of ours and numbers only, so nothing needs escaping. Times
 * are microseconds. */
#include "server/api/explain.h"

#include <math.h>

static double micros(double ns)
{
    return ns / 1000;
}

static void write_costs(const struct plan *plan, struct buffer *out)
{
    bool first = true;
    buffer_append_text(out, "{");
    for (int i = 0; i < SEARCH_OPERATORS; i++) {
        if (plan->cost_ns[i] > 0 && isfinite(plan->cost_ns[i])) { /* what can be done */
            buffer_printf(out, "%s\"%s\":%.1f", first ? "" : ",",
                          search_operator_name((enum search_operator)i), micros(plan->cost_ns[i]));
            first = false;
        }
    }
    buffer_append_text(out, "}");
}

static void write_step(const struct search_step *step, struct buffer *out)
{
    const char *gave_up = gave_up_name(step->trace.gave_up);
    double estimated = isfinite(step->estimated_ns) ? micros(step->estimated_ns) : 0;
    buffer_printf(out, "{\"operator\":\"%s\",\"estimated_us\":%.1f,\"took_us\":%.1f,",
                  search_operator_name(step->operator), estimated, micros((double)step->took_ns));
    buffer_printf(out, "\"checked\":%llu,\"compared\":%llu,\"rescored\":%llu,\"hops\":%llu,",
                  (unsigned long long)step->trace.checked, (unsigned long long)step->trace.compared,
                  (unsigned long long)step->trace.rescored, (unsigned long long)step->trace.hops);
    if (gave_up) {
        buffer_printf(out, "\"gave_up\":\"%s\",", gave_up);
    }
    buffer_printf(out, "\"short\":%s}", step->is_short ? "true" : "false");
}

enum status explain_write(struct call *call, const struct search_report *report,
                          ProtobufCBinaryData *out)
{
    struct buffer text;
    buffer_init(&text, 0);
    buffer_printf(&text, "{\"points\":%llu,", (unsigned long long)report->points);
    if (report->filtered) {
        buffer_printf(&text, "\"matches\":{\"estimated\":%llu,\"sampled\":%s,\"took_us\":%.1f},",
                      (unsigned long long)report->estimated_matches,
                      report->sampled ? "true" : "false", micros((double)report->matches_ns));
    }
    buffer_append_text(&text, "\"costs_us\":");
    write_costs(&report->plan, &text);
    buffer_append_text(&text, ",\"steps\":[");
    for (size_t i = 0; i < report->steps_count; i++) {
        buffer_append_text(&text, i > 0 ? "," : "");
        write_step(&report->steps[i], &text);
    }
    buffer_printf(&text, "],\"tail\":%llu,\"took_us\":%.1f}", (unsigned long long)report->tail,
                  micros((double)report->took_ns));
    out->data = arena_memdup(call->arena, text.data, text.size);
    out->len = text.size;
    buffer_deinit(&text);
    return out->data ? STATUS_OK : api_no_memory(call);
}
