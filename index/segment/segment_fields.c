/* Payload indexes beside the points.
 *
 * The truth is the payload in storage. A command's payloads go into the indexes when its batch is
 * committed, under the write lock of the set, before searches see the command; points that have
 * gone stay until the purge, as their rows do, and readers leave out what they must not see. A new
 * index is filled by the builder in the order of points: each step holds the segment's write lock,
 * so no command is half way, and takes payloads from one cursor. */
#include "index/segment/segment_fields.h"

#include "index/segment/segment_int.h"
#include "storage/base/assert.h"
#include "storage/base/clock.h"
#include "storage/base/logger.h"
#include "storage/kv/keys.h"

enum { FILL_STEP = 512, FILL_STEPS_MAX = 64 };

static const struct slice NO_PAYLOAD = {.data = (const uint8_t *)"{}", .size = 2};

void segment_fields_open(struct segment *segment, uint64_t applied)
{
    segment->fields = field_set_create();
    field_set_lock_write(segment->fields);
    for (point_offset i = 0; i < segment_next_offset(segment); i++) {
        if (is_live(segment, i)) {
            field_set_note(segment->fields, i);
        }
    }
    segment_fields_load(segment, segment->schema, applied);
    field_set_unlock_write(segment->fields);
}

void segment_fields_commit(struct segment *segment)
{
    size_t cursor = 0;
    struct slice key;
    void *note = NULL;
    if (hashmap_count(segment->pending) == 0) {
        return;
    }
    field_set_lock_write(segment->fields);
    while (hashmap_next(segment->pending, &cursor, &key, &note)) {
        const struct pending *pending = note;
        field_set_put(segment->fields, pending->offset,
                      pending->size ? slice_of(pending->payload, pending->size) : NO_PAYLOAD);
    }
    field_set_unlock_write(segment->fields);
}

void segment_fields_forget(struct segment *segment, const point_offset *points, size_t count)
{
    for (size_t i = 0; i < count; i += FILL_STEP) {
        field_set_lock_write(segment->fields);
        for (size_t j = i; j < count && j < i + FILL_STEP; j++) {
            field_set_remove(segment->fields, points[j]);
        }
        field_set_unlock_write(segment->fields);
    }
}

/* ---- changes of the schema ---- */

static bool has_spec(const struct schema *schema, const struct field *field)
{
    for (uint32_t i = 0; i < schema->fields_count; i++) {
        if (schema->fields[i].fingerprint == field_spec(field)->fingerprint) {
            return true;
        }
    }
    return false;
}

static bool has_field(const struct field_set *fields, const struct field_spec *spec)
{
    for (size_t i = 0; i < field_set_count(fields); i++) {
        if (field_spec(field_set_at(fields, i))->fingerprint == spec->fingerprint) {
            return true;
        }
    }
    return false;
}

static void add_field(struct segment *segment, const struct field_spec *spec)
{
    struct field *field = NULL;
    struct error err = {0};
    if (field_create(spec, &field, &err) != STATUS_OK) { /* the schema checked the same */
        log_error("index/segment", "payload index `%s` of collection %u is not made: %s", spec->key,
                  segment->collection, err.message);
        return;
    }
    field_set_add(segment->fields, field);
}

void segment_fields_change(struct segment *segment, const struct schema *schema)
{
    bool changed = false;
    field_set_lock_write(segment->fields);
    for (size_t i = field_set_count(segment->fields); i-- > 0;) {
        const struct field *field = field_set_at(segment->fields, i);
        if (!has_spec(schema, field)) {
            field_set_drop(segment->fields, field_path(field));
            changed = true;
        }
    }
    for (uint32_t i = 0; i < schema->fields_count; i++) {
        if (!has_field(segment->fields, &schema->fields[i])) {
            add_field(segment, &schema->fields[i]);
            changed = true;
        }
    }
    field_set_unlock_write(segment->fields);
    if (changed) { /* a text index changes what its conditions mean */
        match_cache_invalidate(&segment->matches);
    }
}

uint64_t segment_field_points(struct segment *segment, const struct field_spec *spec)
{
    uint64_t points = 0;
    field_set_lock_read(segment->fields);
    for (size_t i = 0; i < field_set_count(segment->fields); i++) {
        const struct field *field = field_set_at(segment->fields, i);
        if (field_spec(field)->fingerprint == spec->fingerprint) {
            points = field_points(field);
        }
    }
    field_set_unlock_read(segment->fields);
    return points;
}

uint64_t segment_fields_memory(struct segment *segment)
{
    uint64_t bytes = 0;
    field_set_lock_read(segment->fields);
    for (size_t i = 0; i < field_set_count(segment->fields); i++) {
        bytes += field_memory(field_set_at(segment->fields, i));
    }
    field_set_unlock_read(segment->fields);
    return bytes;
}

/* ---- filling ---- */

bool segment_fields_due(struct segment *segment)
{
    field_set_lock_read(segment->fields);
    bool due = field_set_fill_from(segment->fields) != POINT_NONE;
    field_set_unlock_read(segment->fields);
    return due;
}

void segment_fields_stats(struct segment *segment, struct segment_stats *out)
{
    field_set_lock_read(segment->fields);
    point_offset from = field_set_fill_from(segment->fields);
    field_set_unlock_read(segment->fields);
    if (from != POINT_NONE) {
        out->building = true;
        out->build_name = "payload index";
        out->build_done = from;
        out->build_total = segment_next_offset(segment);
    }
}

/* The points to fill in next, in order; *from is where the step began. */
static size_t next_points(struct segment *segment, point_offset out[FILL_STEP], point_offset *from)
{
    size_t count = 0;
    field_set_lock_read(segment->fields);
    *from = field_set_fill_from(segment->fields);
    if (*from != POINT_NONE) {
        roaring_uint32_iterator_t *points =
            roaring_create_iterator(field_set_points(segment->fields));
        if (roaring_move_uint32_iterator_equalorlarger(points, *from)) {
            count = roaring_read_uint32_iterator(points, out, FILL_STEP);
        }
        roaring_free_uint32_iterator(points);
    }
    field_set_unlock_read(segment->fields);
    return count;
}

/* The payload at the cursor if it is this point's. The slice is valid until the cursor moves. */
static struct slice payload_at(struct kv_cursor *payloads, point_offset point)
{
    while (kv_cursor_valid(payloads) && key_offset_parse(kv_cursor_key(payloads)) < point) {
        kv_cursor_next(payloads);
    }
    bool found = kv_cursor_valid(payloads) && key_offset_parse(kv_cursor_key(payloads)) == point;
    return found ? kv_cursor_value(payloads) : NO_PAYLOAD;
}

/* One step, with the segment's write lock held. *more: there are points left. */
static enum status fill_step(struct segment *segment, bool *more, struct error *err)
{
    point_offset points[FILL_STEP];
    point_offset from = POINT_NONE;
    size_t count = next_points(segment, points, &from);
    *more = count == FILL_STEP;
    if (from == POINT_NONE) {
        return STATUS_OK;
    }
    struct key first = key_payload(segment->collection, from);
    struct key last = key_collection_end(segment->collection);
    struct kv_cursor *payloads =
        kv_cursor_open(segment->kv, KV_PAYLOAD, key_slice(&first), key_slice(&last));
    field_set_lock_write(segment->fields);
    for (size_t i = 0; i < count; i++) {
        field_set_fill(segment->fields, points[i], payload_at(payloads, points[i]));
    }
    enum status status = kv_cursor_status(payloads, err);
    if (status == STATUS_OK) {
        point_offset upto = count > 0 ? points[count - 1] + 1 : from;
        field_set_filled(segment->fields, upto, !*more);
    }
    field_set_unlock_write(segment->fields);
    kv_cursor_close(payloads);
    return status;
}

enum status segment_fields_fill(struct segment *segment, const atomic_bool *cancelled,
                                struct error *err)
{
    bool more = true;
    enum status status = STATUS_OK;
    for (int i = 0; i < FILL_STEPS_MAX && more && status == STATUS_OK; i++) {
        if (cancelled && atomic_load(cancelled)) {
            return error_set(err, STATUS_CANCELLED, "cancelled");
        }
        segment_begin_write(segment);
        status = fill_step(segment, &more, err);
        segment_end_write(segment);
    }
    return status;
}
