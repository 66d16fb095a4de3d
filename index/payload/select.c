/* Choosing parts of a payload: only what some paths name, or all but that.
 *
 * The walk carries the list of paths that agree with the way taken so far. A path that ends decides
 * the whole subtree below; when no path is left, the subtree is kept (exclude) or left out
 * (include). A value is entered only while a path goes on, so PATH_PARTS_MAX bounds the recursion.
 * Only `[]` reaches the items of an array: a path with [n] selects the empty array and excludes
 * nothing, as the contract has it. Any thread may call these functions. */
#include "index/payload/edit.h"
#include "index/payload/path_int.h"
#include "storage/base/mem.h"

struct selection {
    bool include;
    /* Stack of lists of live paths, one list a level. */
    const struct path **stack;
    size_t size, capacity;
    struct buffer *out;
};
enum verdict { VERDICT_KEEP, VERDICT_DROP, VERDICT_ENTER };

static void push(struct selection *selection, const struct path *path)
{
    if (selection->size == selection->capacity) {
        selection->capacity = selection->capacity ? selection->capacity * 2 : 16;
        selection->stack =
            mem_realloc(selection->stack, selection->capacity * sizeof(selection->stack[0]));
    }
    selection->stack[selection->size++] = path;
}

/* Puts on the stack those of the paths [from, from + count) whose part at `level` fits: the key, or
 * `[]` when raw_key is NULL; then says what happens to the value there. */
static enum verdict narrow(struct selection *selection, size_t from, size_t count, size_t level,
                           const struct slice *raw_key)
{
    size_t base = selection->size;
    bool ended = false;
    for (size_t i = from; i < from + count; i++) {
        const struct path *path = selection->stack[i];
        const struct path_part *part = &path->parts[level];
        bool fits = raw_key ? part->kind == PART_KEY && json_string_equal(*raw_key, part->key)
                            : part->kind == PART_WILDCARD;
        if (!fits)
            continue;
        ended = ended || path->count == level + 1;
        push(selection, path);
    }
    if (ended)
        return selection->include ? VERDICT_KEEP : VERDICT_DROP;
    if (selection->size == base)
        return selection->include ? VERDICT_DROP : VERDICT_KEEP;
    return VERDICT_ENTER;
}

static void select_value(struct selection *selection, struct json_view value, size_t from,
                         size_t count, size_t level);

static void put_selected(struct selection *selection, enum verdict verdict, struct json_view value,
                         size_t base, size_t level)
{
    if (verdict == VERDICT_KEEP)
        buffer_append_slice(selection->out, value.text);
    else
        select_value(selection, value, base, selection->size - base, level + 1);
}

static void select_members(struct selection *selection, struct json_view object, size_t from,
                           size_t count, size_t level)
{
    struct buffer *out = selection->out;
    struct json_iter iter;
    struct slice raw_key;
    struct json_view value;
    bool first = true;
    buffer_append_byte(out, '{');
    json_view_begin(object, &iter);
    while (json_view_next_member(&iter, &raw_key, &value)) {
        size_t base = selection->size;
        enum verdict verdict = narrow(selection, from, count, level, &raw_key);
        if (verdict != VERDICT_DROP) {
            if (!first)
                buffer_append_byte(out, ',');
            first = false;
            buffer_append_byte(out, '"');
            buffer_append_slice(out, raw_key);
            buffer_append_text(out, "\":");
            put_selected(selection, verdict, value, base, level);
        }
        selection->size = base;
    }
    buffer_append_byte(out, '}');
}

static void select_items(struct selection *selection, struct json_view array, size_t from,
                         size_t count, size_t level)
{
    struct buffer *out = selection->out;
    size_t base = selection->size;
    enum verdict verdict = narrow(selection, from, count, level, NULL);
    struct json_iter iter;
    struct json_view item;
    bool first = true;
    buffer_append_byte(out, '[');
    json_view_begin(array, &iter);
    while (verdict != VERDICT_DROP && json_view_next_item(&iter, &item)) {
        if (!first)
            buffer_append_byte(out, ',');
        first = false;
        put_selected(selection, verdict, item, base, level);
    }
    buffer_append_byte(out, ']');
    selection->size = base;
}

static void select_value(struct selection *selection, struct json_view value, size_t from,
                         size_t count, size_t level)
{
    enum json_kind kind = json_view_kind(value);
    if (kind == JSON_OBJECT)
        select_members(selection, value, from, count, level);
    else if (kind == JSON_ARRAY)
        select_items(selection, value, from, count, level);
    else
        buffer_append_slice(selection->out, value.text);
}

static void select_paths(struct slice payload, struct path *const *paths, size_t count,
                         bool include, struct buffer *out)
{
    struct selection selection = {.include = include, .out = out};
    if (payload.size == 0)
        payload = SLICE_LITERAL("{}");
    for (size_t i = 0; i < count; i++)
        push(&selection, paths[i]);
    select_value(&selection, json_view_of(payload), 0, count, 0);
    mem_free(selection.stack);
}

void payload_include(struct slice payload, struct path *const *paths, size_t count,
                     struct buffer *out)
{
    select_paths(payload, paths, count, true, out);
}

void payload_exclude(struct slice payload, struct path *const *paths, size_t count,
                     struct buffer *out)
{
    select_paths(payload, paths, count, false, out);
}
