/* The list of issues.
 *
 * An issue keeps the names of its collection and key. Whether it is over is looked up when the list
 * is read; until then it costs a place in the table. Threads: compute threads note and read, under
 * one mutex that is never held while the engine is asked. Nothing fails. */
#include "server/api/issues.h"

#include "server/api/api.h"
#include "storage/base/clock.h"
#include "storage/base/mem.h"

#include <pthread.h>

struct issue {
    uint32_t number; /* of the collection */
    char *collection, *key;
    enum field_type type;
    uint64_t seen_ms; /* when it was noted last */
};

struct issues {
    pthread_mutex_t lock; /* guards the rest */
    struct issue items[ISSUES_MAX];
    size_t count;
};

struct issues *issues_create(void)
{
    struct issues *issues = mem_zalloc(sizeof(*issues));
    pthread_mutex_init(&issues->lock, NULL);
    return issues;
}

static void remove_at(struct issues *issues, size_t at)
{
    mem_free(issues->items[at].collection);
    mem_free(issues->items[at].key);
    issues->count--;
    memmove(&issues->items[at], &issues->items[at + 1],
            (issues->count - at) * sizeof(issues->items[0]));
}

static void remove_all(struct issues *issues)
{
    while (issues->count > 0) {
        remove_at(issues, issues->count - 1);
    }
}

void issues_destroy(struct issues *issues)
{
    remove_all(issues);
    pthread_mutex_destroy(&issues->lock);
    mem_free(issues);
}

void issues_clear(struct issues *issues)
{
    pthread_mutex_lock(&issues->lock);
    remove_all(issues);
    pthread_mutex_unlock(&issues->lock);
}

void issues_note(struct issues *issues, const struct view *view, const char *key,
                 enum field_type type)
{
    struct issue fresh = {.number = view->number, .type = type, .seen_ms = clock_realtime_ms()};
    pthread_mutex_lock(&issues->lock);
    for (size_t i = 0; i < issues->count; i++) {
        struct issue *issue = &issues->items[i];
        if (issue->number == view->number && strcmp(issue->key, key) == 0) {
            issue->type = type;
            issue->seen_ms = fresh.seen_ms;
            goto out;
        }
    }
    if (issues->count == ISSUES_MAX) {
        remove_at(issues, 0);
    }
    fresh.collection = mem_strdup(view->name);
    fresh.key = mem_strdup(key);
    issues->items[issues->count++] = fresh;
out:
    pthread_mutex_unlock(&issues->lock);
}

/* ---- reading ---- */

/* Has the collection gone, or the key an index? */
static bool is_over(struct call *call, const struct issue *issue)
{
    struct view view;
    struct error ignored;
    if (engine_pin(call->engine, issue->collection, call->arena, &view, &ignored) != STATUS_OK ||
        view.number != issue->number) {
        return true;
    }
    for (uint32_t i = 0; i < view.schema->fields_count; i++) {
        if (strcmp(view.schema->fields[i].key, issue->key) == 0) {
            return true;
        }
    }
    return false;
}

static void append_path_byte(struct buffer *out, unsigned char byte)
{
    bool plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                 (byte >= '0' && byte <= '9') || strchr("-._~", byte) != NULL;
    if (plain) {
        buffer_append_byte(out, byte);
    } else {
        buffer_printf(out, "%%%02X", byte);
    }
}

static void write_solution(const struct issue *issue, struct buffer *out)
{
    const char *type = field_kind_of(issue->type)->name;
    buffer_append_text(out, "{\"immediate\":{\"message\":");
    struct buffer text;
    buffer_init(&text, 0);
    buffer_printf(&text, "Create an index of type '%s' on the key '%s'", type, issue->key);
    buffer_append_byte(&text, 0);
    api_json_string(out, (const char *)text.data);
    buffer_append_text(out, ",\"action\":{\"method\":\"PUT\",\"uri\":\"/collections/");
    for (const char *at = issue->collection; *at; at++) {
        append_path_byte(out, (unsigned char)*at);
    }
    buffer_append_text(out, "/index\",\"headers\":{\"content-type\":\"application/json\"},"
                            "\"body\":{\"field_name\":");
    api_json_string(out, issue->key);
    buffer_printf(out, ",\"field_schema\":\"%s\"}}}}", type);
    buffer_deinit(&text);
}

static void write_issue(const struct issue *issue, struct buffer *out)
{
    char time[32];
    struct buffer text;
    buffer_init(&text, 0);
    clock_format_utc(issue->seen_ms, time);
    buffer_printf(&text, "UNINDEXED_FIELD/%s/%s", issue->collection, issue->key);
    buffer_append_byte(&text, 0);
    buffer_append_text(out, "{\"id\":");
    api_json_string(out, (const char *)text.data);
    buffer_clear(&text);
    buffer_printf(&text,
                  "The key '%s' of collection '%s' has no index, and filtering on it makes "
                  "requests slow",
                  issue->key, issue->collection);
    buffer_append_byte(&text, 0);
    buffer_append_text(out, ",\"description\":");
    api_json_string(out, (const char *)text.data);
    buffer_append_text(out, ",\"solution\":");
    write_solution(issue, out);
    buffer_printf(out, ",\"timestamp\":\"%s\",\"related_collection\":", time);
    api_json_string(out, issue->collection);
    buffer_append_byte(out, '}');
    buffer_deinit(&text);
}

/* A copy of the list whose texts are the copy's. */
static size_t copy(struct issues *issues, struct issue *out)
{
    pthread_mutex_lock(&issues->lock);
    size_t count = issues->count;
    for (size_t i = 0; i < count; i++) {
        out[i] = issues->items[i];
        out[i].collection = mem_strdup(out[i].collection);
        out[i].key = mem_strdup(out[i].key);
    }
    pthread_mutex_unlock(&issues->lock);
    return count;
}

void issues_write(struct issues *issues, struct call *call, struct buffer *out)
{
    struct issue *items = mem_zalloc(ISSUES_MAX * sizeof(items[0]));
    size_t count = copy(issues, items);
    bool first = true;
    buffer_append_text(out, "{\"issues\":[");
    for (size_t i = 0; i < count; i++) {
        if (!is_over(call, &items[i])) {
            buffer_append_text(out, first ? "" : ",");
            write_issue(&items[i], out);
            first = false;
        }
        mem_free(items[i].collection);
        mem_free(items[i].key);
    }
    buffer_append_text(out, "]}");
    mem_free(items);
}
