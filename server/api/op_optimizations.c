/* Progress of the background work on a collection, as JSON.
 *
 * A collection has one segment, so there is at most one piece of work, and nothing waits in a
 * queue: `queued` is empty. Finished work is not remembered, so `completed` is never there. The
 * segment's identifier is made from the collection's number. */
#include "server/api/api.h"
#include "server/api/ops.h"

static void add_segment(struct buffer *out, const struct view *view, uint64_t points)
{
    buffer_printf(out, "{\"uuid\":\"00000000-0000-4000-8000-%012x\",\"points_count\":%llu}",
                  view->number, (unsigned long long)points);
}

static void add_running(struct buffer *out, const struct view *view, const struct view_stats *stats)
{
    buffer_printf(out,
                  "{\"uuid\":\"00000000-0000-4000-8001-%012x\",\"optimizer\":\"indexing\","
                  "\"status\":\"optimizing\",\"segments\":[",
                  view->number);
    add_segment(out, view, stats->points);
    buffer_printf(out, "],\"progress\":{\"name\":\"graph\",\"done\":%llu,\"total\":%llu}}",
                  (unsigned long long)stats->build_done, (unsigned long long)stats->build_total);
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
