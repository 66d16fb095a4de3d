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
#include "index/segment/segment_int.h"
#include "storage/base/checksum.h"
#include "storage/base/file.h"
#include "storage/base/logger.h"
#include "storage/base/reader.h"

#include <stdio.h>

enum { PATH_BYTES_MAX = 4096, POINTS_MIN = 10000 };
static const char MAGIC[8] = "SGFIELD1";

static enum status image_path(const struct segment *segment, char path[PATH_BYTES_MAX],
                              struct error *err)
{
    int size = snprintf(path, PATH_BYTES_MAX, "%s/fields.image", segment->index_path);
    return size < PATH_BYTES_MAX ? STATUS_OK
                                 : error_set(err, STATUS_IO, "path of the data folder is too long");
}

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
    char path[PATH_BYTES_MAX];
    const struct file_system *fs = file_system_real();
    if (segment_next_offset(segment) < POINTS_MIN || atomic_load(&segment->dropped)) {
        return STATUS_OK;
    }
    /* The next start knows nothing of points that have gone. */
    segment_fields_forget(segment, segment->graves.old, segment->graves.old_count);
    segment_fields_forget(segment, segment->graves.fresh, segment->graves.fresh_count);
    struct buffer rest;
    struct buffer file;
    buffer_init(&rest, 0);
    buffer_init(&file, 0);
    buffer_append_u64(&rest, applied);
    buffer_append_u32(&rest, segment_next_offset(segment));
    field_set_lock_read(segment->fields);
    append_fields(segment->fields, &rest);
    field_set_unlock_read(segment->fields);
    buffer_append(&file, MAGIC, sizeof(MAGIC));
    buffer_append_u64(&file, checksum64(buffer_slice(&rest)));
    buffer_append_slice(&file, buffer_slice(&rest));
    buffer_deinit(&rest);
    enum status status = image_path(segment, path, err);
    if (status == STATUS_OK) {
        status = fs->make_dirs(fs, segment->index_path, err);
    }
    if (status == STATUS_OK) {
        status = file_write_atomic(fs, path, buffer_slice(&file), err);
    }
    buffer_deinit(&file);
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

/* The parts of an image of exactly this state; data NULL: none. */
static struct slice open_image(const struct segment *segment, struct slice file, uint64_t applied)
{
    struct reader reader;
    reader_init(&reader, file);
    struct slice magic = reader_bytes(&reader, sizeof(MAGIC));
    uint64_t checksum = reader_u64(&reader);
    if (reader.failed || memcmp(magic.data, MAGIC, sizeof(MAGIC)) != 0 ||
        checksum64(slice_of(reader.at, reader_left(&reader))) != checksum) {
        log_warn("index/segment",
                 "payload indexes of collection %u are filled anew: their image is damaged",
                 segment->collection);
        return slice_of(NULL, 0);
    }
    uint64_t own_applied = reader_u64(&reader);
    uint32_t next_offset = reader_u32(&reader);
    if (reader.failed || own_applied != applied || next_offset != segment_next_offset(segment)) {
        return slice_of(NULL, 0);
    }
    return slice_of(reader.at, reader_left(&reader));
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
    char path[PATH_BYTES_MAX];
    struct buffer file;
    struct error err = {0};
    struct slice image = slice_of(NULL, 0);
    buffer_init(&file, 0);
    enum status status = image_path(segment, path, &err);
    if (status == STATUS_OK && schema->fields_count > 0) {
        status = file_read_whole(file_system_real(), path, &file, &err);
    }
    if (status == STATUS_OK && file.size > 0) {
        image = open_image(segment, buffer_slice(&file), applied);
    } else if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
        log_warn("index/segment", "payload indexes of collection %u are filled anew: %s",
                 segment->collection, err.message);
    }
    for (uint32_t i = 0; i < schema->fields_count; i++) {
        load_field(segment, &schema->fields[i], image);
    }
    buffer_deinit(&file);
}
