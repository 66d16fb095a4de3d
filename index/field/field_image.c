/* The image of a field: the sets that every kind has, then the kind's own values. The caller frames
 * it and guards it with a checksum.
 *
 * Sets: bytes u64, then CRoaring's portable format. Order: points, present, many, foreign, empty,
 * null; then count sets: how many u32, and for each its count u64 and the set. */
#include "index/field/field.h"
#include "index/field/field_int.h"
#include "storage/base/assert.h"
#include "storage/base/mem.h"

enum { COUNT_SETS_MAX = 1 << 20 };

void set_save(const roaring_bitmap_t *set, struct buffer *out)
{
    size_t size = roaring_bitmap_portable_size_in_bytes(set);
    char *bytes = mem_alloc(size);
    size_t written = roaring_bitmap_portable_serialize(set, bytes);
    ASSERT(written == size);
    buffer_append_u64(out, size);
    buffer_append(out, bytes, size);
    mem_free(bytes);
}

enum status set_load(struct reader *image, roaring_bitmap_t **out, struct error *err)
{
    uint64_t size = reader_u64(image);
    struct slice bytes = reader_bytes(image, size);
    roaring_bitmap_t *set =
        image->failed ? NULL
                      : roaring_bitmap_portable_deserialize_safe((const char *)bytes.data, size);
    if (!set) {
        return error_set(err, STATUS_CORRUPT, "a set of points in the image is damaged");
    }
    if (*out) {
        roaring_bitmap_free(*out);
    }
    *out = set;
    return STATUS_OK;
}

void field_save(const struct field *field, struct buffer *out)
{
    const roaring_bitmap_t *const sets[] = {field->points,  field->present, field->many,
                                            field->foreign, field->empty,   field->null};
    for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
        set_save(sets[i], out);
    }
    buffer_append_u32(out, (uint32_t)field->counts_count);
    for (size_t i = 0; i < field->counts_count; i++) {
        buffer_append_u64(out, field->counts[i].count);
        set_save(field->counts[i].points, out);
    }
    field->kind->save(field, out);
}

static enum status load_counts(struct field *field, struct reader *image, struct error *err)
{
    uint32_t count = reader_u32(image);
    if (image->failed || count > COUNT_SETS_MAX) {
        return error_set(err, STATUS_CORRUPT, "the numbers of values in the image are damaged");
    }
    for (uint32_t i = 0; i < count; i++) {
        struct count_set set = {.count = reader_u64(image)};
        enum status status = set_load(image, &set.points, err);
        if (status != STATUS_OK) {
            return status;
        }
        if (i > 0 && set.count <= field->counts[i - 1].count) {
            roaring_bitmap_free(set.points);
            return error_set(err, STATUS_CORRUPT, "the numbers of values are out of order");
        }
        field->counts = mem_realloc(field->counts, (i + 1) * sizeof(field->counts[0]));
        field->counts[i] = set;
        field->counts_count = i + 1;
    }
    return STATUS_OK;
}

enum status field_load(struct field *field, struct reader *image, struct error *err)
{
    roaring_bitmap_t **sets[] = {&field->points,  &field->present, &field->many,
                                 &field->foreign, &field->empty,   &field->null};
    enum status status = STATUS_OK;
    for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]) && status == STATUS_OK; i++) {
        status = set_load(image, sets[i], err);
    }
    if (status == STATUS_OK) {
        status = load_counts(field, image, err);
    }
    return status == STATUS_OK ? field->kind->load(field, image, err) : status;
}
