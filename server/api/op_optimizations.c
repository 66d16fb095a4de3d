/* Progress of the background work on a collection, as JSON.
 *
 * A collection has one segment, so there is at most one piece of work, and nothing waits in a
 * queue: `queued` is empty. Work that ended is remembered until the server stops. The identifiers
 * of segment and work are made from the collection's number and the work's. */
#include "server/api/api.h"
#include "server/api/ops.h"
#include "storage/base/clock.h"

enum { COMPLETED_DEFAULT = 16 };

static void add_segment(struct buffer *out, const struct view *view, uint64_t points)
{
    buffer_printf(out, "{\"uuid\":\"00000000-0000-4000-8000-%012x\",\"points_count\":%llu}",
                  view->number, (unsigned long long)points);
}

static void add_running(struct buffer *out, const struct view *view, const struct view_stats *stats)
{
    buffer_printf(out,
                  "{\"uuid\":\"00000000-0000-4000-8001-%012x\",\"optimizer\":\"%s\","
                  "\"status\":\"optimizing\",\"segments\":[",
                  view->number, stats->build_name ? stats->build_name : "indexing");
    add_segment(out, view, stats->points);
    buffer_printf(out, "],\"progress\":{\"name\":\"vector_index\",\"done\":%llu,\"total\":%llu}}",
                  (unsigned long long)stats->build_done, (unsigned long long)stats->build_total);
}

static void add_finished(struct buffer *out, const struct view *view,
                         const struct finished_work *work)
{
    char started[32];
    char finished[32];
    clock_format_utc(work->started_ms, started);
    clock_format_utc(work->finished_ms, finished);
    buffer_printf(out, "{\"uuid\":\"%08x-0000-4000-8002-%012llx\",\"optimizer\":\"%s\",\"status\":",
                  view->number, (unsigned long long)work->number, work->kind);
    if (work->status == STATUS_OK) {
        buffer_append_text(out, "\"done\"");
    } else {
        buffer_printf(out, "{\"%s\":", work->status == STATUS_CANCELLED ? "cancelled" : "error");
        api_json_string(out, work->failure);
        buffer_append_byte(out, '}');
    }
    buffer_append_text(out, ",\"segments\":[");
    add_segment(out, view, work->total);
    buffer_printf(
        out,
        "],\"progress\":{\"name\":\"vector_index\",\"started_at\":\"%s\",\"finished_at\":\"%s\","
        "\"duration_sec\":%.3f,\"done\":%llu,\"total\":%llu}}",
        started, finished, (double)(work->finished_ms - work->started_ms) / 1000.0,
        (unsigned long long)work->done, (unsigned long long)work->total);
}

static void add_completed(struct buffer *out, const struct view *view, size_t limit)
{
    struct finished_work works[WORK_LOG_ENTRIES];
    size_t count =
        view_finished_work(view, works, limit < WORK_LOG_ENTRIES ? limit : WORK_LOG_ENTRIES);
    buffer_append_text(out, ",\"completed\":[");
    for (size_t i = 0; i < count; i++) {
        if (i > 0) {
            buffer_append_byte(out, ',');
        }
        add_finished(out, view, &works[i]);
    }
    buffer_append_byte(out, ']');
}

/* Is the word in the comma-separated list? */
static bool asked_for(const char *list, const char *word)
{
    size_t size = strlen(word);
    for (const char *at = list; *at; at += strcspn(at, ",") + (at[strcspn(at, ",")] == ',')) {
        if (strcspn(at, ",") == size && memcmp(at, word, size) == 0) {
            return true;
        }
    }
    return false;
}

enum status run_optimizations(struct call *call, const void *input, void *output)
{
    const Sagitta__OptimizationsQuery *request = input;
    Sagitta__JsonReply *reply = output;
    struct view view;
    struct view_stats stats;
    enum status status = api_pin(call, request->collection_name, &view);
    if (status != STATUS_OK) {
        return status;
    }
    view_stats(&view, &stats);
    struct buffer json;
    buffer_init(&json, 0);
    buffer_printf(&json,
                  "{\"summary\":{\"queued_optimizations\":0,\"queued_segments\":0,"
                  "\"queued_points\":0,\"idle_segments\":%llu},\"running\":[",
                  (unsigned long long)(stats.building ? 0 : stats.segments));
    if (stats.building) {
        add_running(&json, &view, &stats);
    }
    buffer_append_byte(&json, ']');
    if (asked_for(request->with, "queued")) {
        buffer_append_text(&json, ",\"queued\":[]");
    }
    if (asked_for(request->with, "completed")) {
        add_completed(&json, &view,
                      request->completed_limit ? request->completed_limit : COMPLETED_DEFAULT);
    }
    if (asked_for(request->with, "idle_segments")) {
        buffer_append_text(&json, ",\"idle_segments\":[");
        if (!stats.building) {
            add_segment(&json, &view, stats.points);
        }
        buffer_append_byte(&json, ']');
    }
    buffer_append_byte(&json, '}');
    return api_take(call, &json, &reply->json);
}
