/* Counting values. An index that knows all values gives each with its count; else one pass over the
 * payloads of the matching points counts them in a hash map. Of all values a heap keeps the most
 * frequent.
 *
 * An entry notes the point that counted last, so that a value that a point has twice counts once.
 * Threads: any reader. Failures: a client that has left, storage, too many different values. */
#include "index/collection/view_facet.h"

#include "index/collection/best.h"
#include "index/collection/engine_int.h"
#include "index/payload/presence.h"
#include "index/segment/segment_values.h"
#include "storage/base/buffer.h"
#include "storage/base/hashmap.h"

enum { VALUES_MAX = 1 << 23 };

struct entry {
    struct facet_hit hit;
    point_offset last; /* the point that counted last */
};
struct counting {
    const struct view_facet *facet;
    struct hashmap *entries; /* kind and value -> struct entry */
    struct arena *arena;     /* of the entries and their texts */
    struct buffer key;
    point_offset point; /* at hand */
    bool uuids;         /* strings that are UUIDs are counted by what they say */
    bool too_many;
};

static int rank_of(const struct field_value *value)
{
    return value->kind == VALUE_BOOL ? 0 : value->kind == VALUE_INTEGER ? 1 : 2;
}

static int compare_facet_values(const struct field_value *a, const struct field_value *b)
{
    if (rank_of(a) != rank_of(b)) {
        return rank_of(a) - rank_of(b);
    }
    if (a->kind == VALUE_BOOL) {
        return (int)a->boolean - (int)b->boolean;
    }
    if (a->kind == VALUE_INTEGER) {
        return (a->integer > b->integer) - (a->integer < b->integer);
    }
    return slice_compare(a->text, b->text);
}

static int compare_hits(const void *ctx, const void *a, const void *b)
{
    const struct facet_hit *left = a, *right = b;
    (void)ctx;
    if (left->count != right->count) {
        return left->count > right->count ? -1 : 1;
    }
    return compare_facet_values(&left->value, &right->value);
}

/* Writes kind and value to counting->key. False: the value does not count. */
static bool read_value(struct counting *counting, struct json_view view, struct field_value *out)
{
    struct buffer *key = &counting->key;
    buffer_clear(key);
    switch (json_view_kind(view)) {
    case JSON_FALSE:
    case JSON_TRUE:
        *out =
            (struct field_value){.kind = VALUE_BOOL, .boolean = json_view_kind(view) == JSON_TRUE};
        buffer_append_byte(key, (uint8_t)VALUE_BOOL);
        buffer_append_byte(key, out->boolean);
        return true;
    case JSON_NUMBER: {
        struct json_number number = json_view_number(view);
        *out = (struct field_value){.kind = VALUE_INTEGER, .integer = number.signed_value};
        buffer_append_byte(key, (uint8_t)VALUE_INTEGER);
        buffer_append(key, &out->integer, sizeof(out->integer));
        return number.kind == NUMBER_SIGNED;
    }
    case JSON_STRING: {
        struct slice raw = json_view_raw_string(view);
        buffer_append_byte(key, (uint8_t)VALUE_TEXT);
        uint8_t *text = buffer_reserve(key, raw.size + 1);
        size_t size = json_string_unescape(raw, text);
        buffer_commit(key, size);
        *out = (struct field_value){.kind = VALUE_TEXT, .text = slice_of(key->data + 1, size)};
        return size == 0 || memchr(text, 0, size) == NULL;
    }
    default:
        return false;
    }
}

/* One text for every way to write a UUID. */
static void normalise_uuid(struct counting *counting, struct field_value *value)
{
    struct point_id uuid;
    char text[POINT_ID_TEXT_BYTES];
    if (value->kind != VALUE_TEXT || !point_id_parse_uuid(value->text, &uuid)) {
        return;
    }
    point_id_format(uuid, text);
    buffer_clear(&counting->key);
    buffer_append_byte(&counting->key, (uint8_t)VALUE_TEXT);
    buffer_append_text(&counting->key, text);
    value->text = slice_of(counting->key.data + 1, counting->key.size - 1);
}

static struct entry *entry_add(struct counting *counting, const struct field_value *value)
{
    if (hashmap_count(counting->entries) == VALUES_MAX) {
        counting->too_many = true;
        return NULL;
    }
    struct entry *entry = arena_new(counting->arena, struct entry);
    if (!entry) {
        counting->too_many = true;
        return NULL;
    }
    entry->hit.value = *value;
    if (value->kind == VALUE_TEXT && value->text.size > 0) {
        uint8_t *text = arena_memdup(counting->arena, value->text.data, value->text.size);
        entry->hit.value.text.data = text;
        counting->too_many = !text;
    }
    (void)hashmap_put(counting->entries, buffer_slice(&counting->key), entry);
    return counting->too_many ? NULL : entry;
}

static bool count_value(void *ctx, struct json_view view)
{
    struct counting *counting = ctx;
    struct field_value value;
    if (!read_value(counting, view, &value)) {
        return false;
    }
    if (counting->uuids) {
        normalise_uuid(counting, &value);
    }
    struct entry *entry = hashmap_get(counting->entries, buffer_slice(&counting->key));
    if (!entry) {
        entry = entry_add(counting, &value);
    } else if (entry->last == counting->point) {
        return false;
    }
    if (!entry) {
        return true;
    }
    entry->hit.count++;
    entry->last = counting->point;
    return false;
}

static bool count_point(void *ctx, point_offset point, struct slice payload)
{
    struct counting *counting = ctx;
    counting->point = point;
    payload_each_value(counting->facet->path, json_view_of(payload), count_value, counting);
    return counting->too_many;
}

/* ---- the most frequent ---- */

struct choosing {
    struct best best;    /* struct facet_hit */
    struct arena *texts; /* of values that an index gave: they are its own */
    bool uuids;          /* a UUID is one value however it is written */
    bool mixed;          /* the index has one that is written in another way than it is told */
    bool no_memory;
};

static bool is_told_otherwise(struct slice text)
{
    struct point_id uuid;
    char told[POINT_ID_TEXT_BYTES];
    if (!point_id_parse_uuid(text, &uuid)) {
        return false;
    }
    point_id_format(uuid, told);
    return !slice_equal(text, slice_text(told));
}

static bool choose_hit(void *ctx, const struct field_value *value, uint64_t count)
{
    struct choosing *choosing = ctx;
    struct facet_hit hit = {.value = *value, .count = count};
    if (choosing->uuids && value->kind == VALUE_TEXT && is_told_otherwise(value->text)) {
        choosing->mixed = true;
        return true;
    }
    const struct facet_hit *worst = best_worst(&choosing->best);
    if (worst && compare_hits(NULL, &hit, worst) > 0) {
        return false;
    }
    if (value->kind == VALUE_TEXT && value->text.size > 0) {
        if (memchr(value->text.data, 0, value->text.size)) {
            return false;
        }
        hit.value.text.data = arena_memdup(choosing->texts, value->text.data, value->text.size);
        choosing->no_memory = !hit.value.text.data;
    }
    choosing->no_memory = choosing->no_memory || !best_push(&choosing->best, &hit);
    return choosing->no_memory;
}

static enum status no_memory(struct error *err)
{
    return error_set(err, STATUS_TOO_LARGE, "request needs too much memory");
}

/* Copies hits, best first, to the caller's arena. */
static enum status take_hits(struct best *best, struct arena *arena, struct facet_hit **out,
                             size_t *count, struct error *err)
{
    struct facet_hit *hits = arena_new_array(arena, struct facet_hit, best->count + 1);
    if (!hits) {
        return no_memory(err);
    }
    best_sort(best);
    for (size_t i = 0; i < best->count; i++) {
        hits[i] = *(const struct facet_hit *)best_at(best, i);
        struct slice *text = &hits[i].value.text;
        if (hits[i].value.kind == VALUE_TEXT && text->size > 0) {
            text->data = arena_memdup(arena, text->data, text->size);
            if (!text->data) {
                return no_memory(err);
            }
        }
    }
    *out = hits;
    *count = best->count;
    return STATUS_OK;
}

static bool has_uuid_index(const struct schema *schema, const struct path *path)
{
    for (uint32_t i = 0; i < schema->fields_count; i++) {
        if (schema->fields[i].type == FIELD_UUID && path_equal(schema->fields[i].path, path)) {
            return true;
        }
    }
    return false;
}

static enum status count_by_pass(const struct view *view, const struct view_facet *facet,
                                 struct choosing *choosing, struct error *err)
{
    struct counting counting = {.facet = facet,
                                .entries = hashmap_create(),
                                .arena = choosing->texts,
                                .uuids = choosing->uuids};
    struct payload_pass pass = {.filter = facet->filter,
                                .cancelled = facet->cancelled,
                                .each = count_point,
                                .ctx = &counting};
    buffer_init(&counting.key, 0);
    enum status status = segment_each_payload(view->collection->segment, &pass, err);
    if (status == STATUS_OK && counting.too_many) {
        status =
            error_set(err, STATUS_TOO_LARGE,
                      "the key has more than %d different values: narrow the filter", VALUES_MAX);
    }
    size_t cursor = 0;
    struct slice key;
    void *entry = NULL;
    while (status == STATUS_OK && !choosing->no_memory &&
           hashmap_next(counting.entries, &cursor, &key, &entry)) {
        choosing->no_memory = !best_push(&choosing->best, &((const struct entry *)entry)->hit);
    }
    buffer_deinit(&counting.key);
    hashmap_destroy(counting.entries);
    return status;
}

enum status view_facet(const struct view *view, const struct view_facet *facet, struct arena *arena,
                       struct facet_hit **out, size_t *count, struct error *err)
{
    struct choosing choosing = {.texts = arena_create(0),
                                .uuids = has_uuid_index(view->schema, facet->path)};
    struct index_pass pass = {.path = facet->path, .filter = facet->filter};
    best_init(&choosing.best, sizeof(struct facet_hit), facet->limit, compare_hits, NULL);
    enum status status = STATUS_OK;
    bool counted = segment_index_values(view->collection->segment, &pass, choose_hit, &choosing);
    if (!counted || choosing.mixed) {
        best_deinit(&choosing.best);
        best_init(&choosing.best, sizeof(struct facet_hit), facet->limit, compare_hits, NULL);
        status = count_by_pass(view, facet, &choosing, err);
    }
    if (status == STATUS_OK && choosing.no_memory) {
        status = no_memory(err);
    }
    if (status == STATUS_OK) {
        status = take_hits(&choosing.best, arena, out, count, err);
    }
    best_deinit(&choosing.best);
    arena_destroy(choosing.texts);
    return status;
}
