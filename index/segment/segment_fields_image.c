/* The image of a segment's payload indexes: "fields.image" in the collection's index folder,
 * written at the end, so that a start need not read every payload.
 *
 * It stands for one state of storage, told by the applied log index and the next offset; of any
 * other state it is ignored, and so is a part whose spec is not the schema's. What is missing is
 * filled from storage in the background.
 *
 * File, integers little endian: magic "SGFIELD1", checksum u64 of what follows, applied u64, next
 * offset u32, fields u32, and for each: fingerprint u64 of its spec, bytes u64, the field's image.
 */
#include "index/segment/segment_fields.h"
#include "index/segment/segment_frame.h"
#include "index/segment/segment_int.h"
#include "storage/base/logger.h"
#include "storage/base/reader.h"

enum { POINTS_MIN = 10000 };
static const char MAGIC[FRAME_MAGIC_BYTES] = "SGFIELD1";
static const char NAME[] = "fields.image";

/* ---- saving ---- */

static void append_fields(const struct field_set *fields, struct buffer *out)
{
    uint32_t ready = 0;
    for (size_t i = 0; i < field_set_count(fields); i++) {
        ready += field_set_is_ready(fields, i);
    }
    buffer_append_u32(out, ready);
    struct buffer image;
    buffer_init(&image, 0);
    for (size_t i = 0; i < field_set_count(fields); i++) {
        if (field_set_is_ready(fields, i)) {
            const struct field *field = field_set_at(fields, i);
            buffer_clear(&image);
            field_save(field, &image);
            buffer_append_u64(out, field_spec(field)->fingerprint);
            buffer_append_u64(out, image.size);
            buffer_append_slice(out, buffer_slice(&image));
        }
    }
    buffer_deinit(&image);
}

enum status segment_save_fields(struct segment *segment, uint64_t applied, struct error *err)
{
    if (segment_next_offset(segment) < POINTS_MIN || atomic_load(&segment->dropped)) {
        return STATUS_OK;
    }
    /* The next start knows nothing of points that have gone. */
    segment_fields_forget(segment, segment->graves.old, segment->graves.old_count);
    segment_fields_forget(segment, segment->graves.fresh, segment->graves.fresh_count);
    struct buffer rest;
    buffer_init(&rest, 0);
    buffer_append_u64(&rest, applied);
    buffer_append_u32(&rest, segment_next_offset(segment));
    field_set_lock_read(segment->fields);
    bool any = field_set_count(segment->fields) > 0;
    append_fields(segment->fields, &rest);
    field_set_unlock_read(segment->fields);
    enum status status = STATUS_OK;
    if (any) {
        status = segment_frame_write(segment, NAME, MAGIC, buffer_slice(&rest), err);
    }
    buffer_deinit(&rest);
    return status;
}

/* ---- loading ---- */

/* The part of the image with this fingerprint; data NULL: there is none. */
static struct slice find_part(struct slice image, uint64_t fingerprint)
{
    struct reader reader;
    reader_init(&reader, image);
    uint32_t count = reader_u32(&reader);
    for (uint32_t i = 0; i < count && !reader.failed; i++) {
        uint64_t own = reader_u64(&reader);
        struct slice part = reader_bytes(&reader, reader_u64(&reader));
        if (!reader.failed && own == fingerprint) {
            return part;
        }
    }
    return slice_of(NULL, 0);
}

/* The parts, when the image is of exactly this state; data NULL: it is not. */
static struct slice parts_of(const struct segment *segment, struct reader rest, uint64_t applied)
{
    bool same_state = reader_u64(&rest) == applied;
    same_state = reader_u32(&rest) == segment_next_offset(segment) && same_state;
    return same_state && !rest.failed ? slice_of(rest.at, reader_left(&rest)) : slice_of(NULL, 0);
}

static void load_field(struct segment *segment, const struct field_spec *spec, struct slice image)
{
    struct field *field = NULL;
    struct error err = {0};
    struct slice part = image.data ? find_part(image, spec->fingerprint) : image;
    enum status status = field_create(spec, &field, &err);
    if (status != STATUS_OK) { /* the schema checked the same */
        log_error("index/segment", "payload index `%s` of collection %u is not made: %s", spec->key,
                  segment->collection, err.message);
        return;
    }
    struct reader reader;
    reader_init(&reader, part);
    if (part.data && field_load(field, &reader, &err) == STATUS_OK) {
        field_set_add_ready(segment->fields, field);
        return;
    }
    if (part.data) {
        log_warn("index/segment", "payload index `%s` of collection %u is filled anew: %s",
                 spec->key, segment->collection, err.message);
        field_destroy(field); /* it may hold a part */
        field = NULL;
        status = field_create(spec, &field, &err);
    }
    if (status == STATUS_OK) {
        field_set_add(segment->fields, field);
    }
}

void segment_fields_load(struct segment *segment, const struct schema *schema, uint64_t applied)
{
    struct buffer file;
    struct reader rest;
    struct error err = {0};
    struct slice parts = slice_of(NULL, 0);
    if (schema->fields_count == 0) {
        return;
    }
    buffer_init(&file, 0);
    enum status status = segment_frame_read(segment, NAME, MAGIC, &file, &rest, &err);
    if (status == STATUS_OK) {
        parts = parts_of(segment, rest, applied);
    } else if (status != STATUS_NOT_FOUND) {
        log_warn("index/segment", "payload indexes of collection %u are filled anew: %s",
                 segment->collection, err.message);
    }
    for (uint32_t i = 0; i < schema->fields_count; i++) {
        load_field(segment, &schema->fields[i], parts);
    }
    buffer_deinit(&file);
}
