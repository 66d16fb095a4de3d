/* Loading a segment from storage: point rows first, then the vectors of each slot in the order of
 * their offsets, then the graphs' images. A vector row without a point that has it belongs to a
 * graph's past: it is loaded for the graph to walk over, or removed from storage when there is no
 * graph. */
#include "index/segment/segment_int.h"
#include "storage/base/assert.h"
#include "storage/base/logger.h"
#include "storage/base/mem.h"
#include "storage/base/reader.h"
#include "storage/kv/keys.h"

static enum status load_point(struct segment *segment, point_offset offset, struct slice value,
                              struct bitmap *has, struct error *err)
{
    struct reader reader;
    reader_init(&reader, value);
    struct point_row *row = offset < segment_next_offset(segment) ? row_at(segment, offset) : NULL;
    uint64_t version = reader_u64(&reader);
    struct slice id = reader_bytes(&reader, reader_u8(&reader));
    uint32_t count = reader_u8(&reader);
    count |= (uint32_t)reader_u8(&reader) << 8;
    if (!row || reader.failed || !point_id_decode(id, &row->id) || count > segment->slots_count) {
        return error_set(err, STATUS_CORRUPT,
                         "row of the point at offset %u of collection %u is damaged", offset,
                         segment->collection);
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t slot = reader_u8(&reader);
        slot |= (uint32_t)reader_u8(&reader) << 8;
        if (reader.failed || slot >= segment->slots_count) {
            return error_set(err, STATUS_CORRUPT,
                             "row of the point at offset %u of collection %u is damaged", offset,
                             segment->collection);
        }
        bitmap_set(&has[slot], offset);
    }
    atomic_store_explicit(&row->version, version, memory_order_relaxed);
    atomic_store_explicit(live_at(segment, offset), 1, memory_order_release);
    point_offset old = 0;
    if (id_map_put(&segment->ids, offset, &old)) {
        return error_set(err, STATUS_CORRUPT,
                         "offsets %u and %u of collection %u hold the same point", old, offset,
                         segment->collection);
    }
    return STATUS_OK;
}

static enum status load_points(struct segment *segment, struct bitmap *has, struct error *err)
{
    struct key from = key_collection_begin(segment->collection);
    struct key to = key_collection_end(segment->collection);
    struct kv_cursor *cursor =
        kv_cursor_open(segment->kv, KV_POINTS, key_slice(&from), key_slice(&to));
    enum status status = STATUS_OK;
    for (; status == STATUS_OK && kv_cursor_valid(cursor); kv_cursor_next(cursor)) {
        if (kv_cursor_value(cursor).size == 0) { /* a tombstone */
            point_offset offset = key_offset_parse(kv_cursor_key(cursor));
            status = segment_remove_rows(segment, &offset, 1, err);
            continue;
        }
        status = load_point(segment, key_offset_parse(kv_cursor_key(cursor)),
                            kv_cursor_value(cursor), has, err);
    }
    if (status == STATUS_OK) {
        status = kv_cursor_status(cursor, err);
    }
    kv_cursor_close(cursor);
    return status;
}

static enum status load_vectors(struct segment *segment, uint32_t slot_number,
                                const struct bitmap *has, struct error *err)
{
    struct slot *slot = &segment->slots[slot_number];
    struct key from = key_vector_begin(segment->collection, (uint16_t)slot_number);
    struct key to = key_vector_end(segment->collection, (uint16_t)slot_number);
    struct kv_cursor *cursor =
        kv_cursor_open(segment->kv, KV_VECTORS, key_slice(&from), key_slice(&to));
    enum status status = STATUS_OK;
    unsigned present = 0;
    for (; status == STATUS_OK && kv_cursor_valid(cursor); kv_cursor_next(cursor)) {
        point_offset offset = key_offset_parse(kv_cursor_key(cursor));
        struct slice value = kv_cursor_value(cursor);
        if (value.size != vector_bytes(slot) || offset >= segment_next_offset(segment)) {
            status =
                error_set(err, STATUS_CORRUPT, "vector %u at offset %u of collection %u is damaged",
                          slot_number, offset, segment->collection);
            break;
        }
        status = vectors_put(&slot->vectors, offset, value.data, err);
        if (status == STATUS_OK && bitmap_get(has, offset)) {
            present++;
        } else if (status == STATUS_OK) {
            vectors_remove(&slot->vectors, offset);
            atomic_fetch_add(&slot->dead, 1);
        }
    }
    if (status == STATUS_OK) {
        status = kv_cursor_status(cursor, err);
    }
    kv_cursor_close(cursor);
    atomic_store(&slot->present, present);
    if (status == STATUS_OK && present != bitmap_count(has)) {
        status =
            error_set(err, STATUS_CORRUPT, "%zu vectors of slot %u of collection %u are missing",
                      bitmap_count(has) - present, slot_number, segment->collection);
    }
    return status;
}

enum status segment_load(struct segment *segment, struct error *err)
{
    struct bitmap *has = mem_zalloc((segment->slots_count + 1) * sizeof(has[0]));
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < segment->slots_count; i++) {
        bitmap_init(&has[i]);
        if (!bitmap_resize(&has[i], segment_next_offset(segment))) {
            status = error_set(err, STATUS_INTERNAL, "no memory to load collection %u",
                               segment->collection);
        }
    }
    if (status == STATUS_OK) {
        status = load_points(segment, has, err);
    }
    for (uint32_t i = 0; status == STATUS_OK && i < segment->slots_count; i++) {
        status = load_vectors(segment, i, &has[i], err);
    }
    for (uint32_t i = 0; i < segment->slots_count; i++) {
        bitmap_deinit(&has[i]);
        struct error image_error = {0};
        if (status == STATUS_OK && segment_image_load(segment, i, &image_error) != STATUS_OK) {
            log_warn("index/segment", "graph of collection %u, vector %u will be built anew: %s",
                     segment->collection, i, image_error.message);
        }
    }
    mem_free(has);
    return status;
}
