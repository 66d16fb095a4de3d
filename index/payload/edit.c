/* Changing payload text: merge, merge at a path, remove.
 *
 * Each function walks the old text once and copies what it does not touch byte for byte, so numbers
 * keep their digits and strings their escapes. Members keep their place; new ones come last. The
 * walk recurses once per part of the path, which PATH_PARTS_MAX bounds. Memory comes from the
 * output buffer, whose owner checks `failed`. Any thread may call them. */
#include "index/payload/edit.h"

#include "index/payload/path_int.h"
#include "storage/base/assert.h"
#include "storage/base/hashmap.h"
#include "storage/base/mem.h"

enum { LINEAR_SEARCH_MAX = 16 }; /* members of a patch; above it a hash map finds them */

struct patch_member {
    struct slice raw_key;
    struct json_view value;
    bool used;
};
struct patch {
    struct patch_member *members;
    size_t count;
    struct hashmap *by_key; /* NULL for a small patch; keys unescaped */
};

static const struct json_view empty_object = {.text = {(const uint8_t *)"{}", 2}};

static struct json_view object_of(struct slice text)
{
    return text.size == 0 ? empty_object : json_view_of(text);
}

static void put_member_start(struct buffer *out, struct slice raw_key, bool *first)
{
    if (!*first)
        buffer_append_byte(out, ',');
    *first = false;
    buffer_append_byte(out, '"');
    buffer_append_slice(out, raw_key);
    buffer_append_text(out, "\":");
}

static void put_item_start(struct buffer *out, bool *first)
{
    if (!*first)
        buffer_append_byte(out, ',');
    *first = false;
}

/* Keys come from paths, unescaped. */
static void put_escaped(struct buffer *out, struct slice key)
{
    for (size_t i = 0; i < key.size; i++) {
        uint8_t c = key.data[i];
        if (c == '"' || c == '\\')
            buffer_append_byte(out, '\\');
        if (c < 0x20)
            buffer_printf(out, "\\u%04x", c);
        else
            buffer_append_byte(out, c);
    }
}

static void put_new_member_start(struct buffer *out, struct slice key, bool *first)
{
    put_item_start(out, first);
    buffer_append_byte(out, '"');
    put_escaped(out, key);
    buffer_append_text(out, "\":");
}

/* `scratch` has room for raw.size bytes. */
static struct slice unescape_into(struct buffer *scratch, struct slice raw)
{
    buffer_clear(scratch);
    uint8_t *room = buffer_reserve(scratch, raw.size + 1);
    return slice_of(room, json_string_unescape(raw, room));
}

static void patch_index(struct patch *patch)
{
    struct buffer scratch;
    buffer_init(&scratch, 0);
    patch->by_key = hashmap_create();
    for (size_t i = 0; i < patch->count; i++)
        hashmap_put(patch->by_key, unescape_into(&scratch, patch->members[i].raw_key),
                    &patch->members[i]);
    buffer_deinit(&scratch);
}

static void patch_init(struct patch *patch, struct json_view object)
{
    *patch = (struct patch){0};
    struct json_iter iter;
    struct patch_member member = {0};
    size_t capacity = 0;
    json_view_begin(object, &iter);
    while (json_view_next_member(&iter, &member.raw_key, &member.value)) {
        if (patch->count == capacity) {
            capacity = capacity ? capacity * 2 : 8;
            patch->members = mem_realloc(patch->members, capacity * sizeof(member));
        }
        patch->members[patch->count++] = member;
    }
    if (patch->count > LINEAR_SEARCH_MAX)
        patch_index(patch);
}

static void patch_deinit(struct patch *patch)
{
    if (patch->by_key)
        hashmap_destroy(patch->by_key);
    mem_free(patch->members);
}

static struct patch_member *patch_find(struct patch *patch, struct slice raw_key,
                                       struct buffer *scratch)
{
    if (patch->by_key)
        return hashmap_get(patch->by_key, unescape_into(scratch, raw_key));
    for (size_t i = 0; i < patch->count; i++) {
        if (json_string_same(patch->members[i].raw_key, raw_key))
            return &patch->members[i];
    }
    return NULL;
}

static void merge_objects(struct json_view object, struct json_view patch_object,
                          struct buffer *out)
{
    struct patch patch;
    struct buffer scratch;
    struct json_iter iter;
    struct slice raw_key;
    struct json_view value;
    bool first = true;
    patch_init(&patch, patch_object);
    buffer_init(&scratch, 0);
    buffer_append_byte(out, '{');
    json_view_begin(object, &iter);
    while (json_view_next_member(&iter, &raw_key, &value)) {
        struct patch_member *member = patch_find(&patch, raw_key, &scratch);
        if (member)
            member->used = true;
        put_member_start(out, raw_key, &first);
        buffer_append_slice(out, member ? member->value.text : value.text);
    }
    for (size_t i = 0; i < patch.count; i++) {
        if (patch.members[i].used)
            continue;
        put_member_start(out, patch.members[i].raw_key, &first);
        buffer_append_slice(out, patch.members[i].value.text);
    }
    buffer_append_byte(out, '}');
    buffer_deinit(&scratch);
    patch_deinit(&patch);
}

void payload_merge(struct slice payload, struct slice patch, struct buffer *out)
{
    merge_objects(object_of(payload), object_of(patch), out);
}

static void set_value(struct json_view value, const struct path_part *parts, size_t count,
                      struct json_view patch, struct buffer *out);

static void set_key(struct json_view value, const struct path_part *parts, size_t count,
                    struct json_view patch, struct buffer *out)
{
    struct json_iter iter;
    struct slice raw_key;
    struct json_view member;
    bool first = true, found = false;
    if (json_view_kind(value) != JSON_OBJECT)
        value = empty_object;
    buffer_append_byte(out, '{');
    json_view_begin(value, &iter);
    while (json_view_next_member(&iter, &raw_key, &member)) {
        put_member_start(out, raw_key, &first);
        if (found || !json_string_equal(raw_key, parts->key)) {
            buffer_append_slice(out, member.text);
            continue;
        }
        found = true;
        set_value(member, parts + 1, count - 1, patch, out);
    }
    if (!found) {
        put_new_member_start(out, parts->key, &first);
        set_value(empty_object, parts + 1, count - 1, patch, out);
    }
    buffer_append_byte(out, '}');
}

static void set_items(struct json_view value, const struct path_part *parts, size_t count,
                      struct json_view patch, struct buffer *out)
{
    struct json_iter iter;
    struct json_view item;
    bool first = true;
    buffer_append_byte(out, '[');
    if (json_view_kind(value) == JSON_ARRAY) {
        json_view_begin(value, &iter);
        for (uint64_t i = 0; json_view_next_item(&iter, &item); i++) {
            put_item_start(out, &first);
            if (parts->kind == PART_WILDCARD || i == parts->index_value)
                set_value(item, parts + 1, count - 1, patch, out);
            else
                buffer_append_slice(out, item.text);
        }
    }
    buffer_append_byte(out, ']');
}

/* Writes what `value` becomes when `patch` is merged into what the parts reach inside it. */
static void set_value(struct json_view value, const struct path_part *parts, size_t count,
                      struct json_view patch, struct buffer *out)
{
    if (count == 0)
        merge_objects(json_view_kind(value) == JSON_OBJECT ? value : empty_object, patch, out);
    else if (parts->kind == PART_KEY)
        set_key(value, parts, count, patch, out);
    else
        set_items(value, parts, count, patch, out);
}

void payload_merge_at(struct slice payload, const struct path *path, struct slice patch,
                      struct buffer *out)
{
    ASSERT(path->count > 0 && path->parts[0].kind == PART_KEY);
    set_value(object_of(payload), path->parts, path->count, object_of(patch), out);
}

static void remove_value(struct json_view value, const struct path_part *parts, size_t count,
                         struct buffer *out);

static void remove_key(struct json_view value, const struct path_part *parts, size_t count,
                       struct buffer *out)
{
    struct json_iter iter;
    struct slice raw_key;
    struct json_view member;
    bool first = true;
    buffer_append_byte(out, '{');
    json_view_begin(value, &iter);
    while (json_view_next_member(&iter, &raw_key, &member)) {
        bool wanted = json_string_equal(raw_key, parts->key);
        if (wanted && count == 1)
            continue;
        put_member_start(out, raw_key, &first);
        if (wanted)
            remove_value(member, parts + 1, count - 1, out);
        else
            buffer_append_slice(out, member.text);
    }
    buffer_append_byte(out, '}');
}

static void remove_items(struct json_view value, const struct path_part *parts, size_t count,
                         struct buffer *out)
{
    struct json_iter iter;
    struct json_view item;
    bool first = true;
    buffer_append_byte(out, '[');
    json_view_begin(value, &iter);
    for (uint64_t i = 0; json_view_next_item(&iter, &item); i++) {
        bool wanted = parts->kind == PART_WILDCARD || i == parts->index_value;
        if (wanted && parts->kind == PART_WILDCARD && count == 1)
            continue;
        put_item_start(out, &first);
        /* Removing one item by its place is not idempotent, so a path that ends in [n] changes
         * nothing. */
        if (wanted && count > 1)
            remove_value(item, parts + 1, count - 1, out);
        else
            buffer_append_slice(out, item.text);
    }
    buffer_append_byte(out, ']');
}

static void remove_value(struct json_view value, const struct path_part *parts, size_t count,
                         struct buffer *out)
{
    enum json_kind kind = json_view_kind(value);
    if (parts->kind == PART_KEY && kind == JSON_OBJECT)
        remove_key(value, parts, count, out);
    else if (parts->kind != PART_KEY && kind == JSON_ARRAY)
        remove_items(value, parts, count, out);
    else
        buffer_append_slice(out, value.text);
}

void payload_remove(struct slice payload, const struct path *path, struct buffer *out)
{
    remove_value(object_of(payload), path->parts, path->count, out);
}
