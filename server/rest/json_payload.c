/* A parsed JSON value as text again: how payloads and metadata become stored bytes.
 *
 * Stored text has no duplicate keys, so they are dropped here, the last one staying. A small object
 * is checked pair by pair; a larger one is sorted by key first, so that a body of many keys costs n
 * log n. Recursion ends at the depth limit of the parser. What can fail: the arena, for the list of
 * members. */
#include "server/rest/json_payload.h"

#include <stdlib.h>

enum { PAIRWISE_MAX = 16 };

struct ranked {
    struct slice key;
    size_t index;
};

static int compare_ranked(const void *a, const void *b)
{
    const struct ranked *left = a, *right = b;
    int order = slice_compare(left->key, right->key);
    return order ? order : (left->index > right->index) - (left->index < right->index);
}

static bool stands_later(const struct dom_member *members, size_t index, size_t count)
{
    for (size_t i = index + 1; i < count; i++) {
        if (slice_equal(members[i].key, members[index].key))
            return true;
    }
    return false;
}

/* Marks members that a later one replaces by an empty key with no data. */
static bool mark_sorted(struct dom_member *members, size_t count, struct arena *arena)
{
    struct ranked *ranked = arena_new_array(arena, struct ranked, count);
    if (!ranked)
        return false;
    for (size_t i = 0; i < count; i++)
        ranked[i] = (struct ranked){members[i].key, i};
    qsort(ranked, count, sizeof(*ranked), compare_ranked);
    for (size_t i = 1; i < count; i++) {
        if (slice_equal(ranked[i - 1].key, ranked[i].key))
            members[ranked[i - 1].index].key.data = NULL;
    }
    return true;
}

bool dom_unique_members(struct dom_value object, struct arena *arena, struct dom_member **out,
                        size_t *count)
{
    size_t total = dom_count(object), kept = 0;
    struct dom_member *members = arena_new_array(arena, struct dom_member, total ? total : 1);
    if (!members)
        return false;
    struct dom_cursor cursor = dom_members(object);
    for (size_t i = 0; i < total; i++)
        (void)dom_next_member(&cursor, &members[i].key, &members[i].value);
    if (total > PAIRWISE_MAX && !mark_sorted(members, total, arena))
        return false;
    for (size_t i = 0; i < total; i++) {
        bool replaced =
            total > PAIRWISE_MAX ? members[i].key.data == NULL : stands_later(members, i, total);
        if (!replaced)
            members[kept++] = members[i];
    }
    *out = members;
    *count = kept;
    return true;
}

static bool write_object(struct dom_value object, struct arena *arena, struct json_writer *writer)
{
    struct dom_member *members;
    size_t count;
    if (!dom_unique_members(object, arena, &members, &count))
        return false;
    json_begin_object(writer);
    for (size_t i = 0; i < count; i++) {
        json_key_slice(writer, members[i].key);
        if (!dom_write(members[i].value, arena, writer))
            return false;
    }
    json_end_object(writer);
    return true;
}

static bool write_list(struct dom_value list, struct arena *arena, struct json_writer *writer)
{
    struct dom_cursor cursor = dom_items(list);
    struct dom_value item;
    json_begin_list(writer);
    while (dom_next_item(&cursor, &item)) {
        if (!dom_write(item, arena, writer))
            return false;
    }
    json_end_list(writer);
    return true;
}

bool dom_write(struct dom_value value, struct arena *arena, struct json_writer *writer)
{
    switch (dom_type(value)) {
    case DOM_NULL:
        json_null(writer);
        return true;
    case DOM_BOOL:
        json_bool(writer, dom_bool(value));
        return true;
    case DOM_SIGNED:
        json_signed(writer, dom_signed(value));
        return true;
    case DOM_UNSIGNED:
        json_unsigned(writer, dom_unsigned(value));
        return true;
    case DOM_REAL:
        json_double(writer, dom_real(value));
        return true;
    case DOM_STRING:
        json_slice(writer, dom_string(value));
        return true;
    case DOM_ARRAY:
        return write_list(value, arena, writer);
    case DOM_OBJECT:
        break;
    }
    return write_object(value, arena, writer);
}
