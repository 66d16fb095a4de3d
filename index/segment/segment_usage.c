/* Sizes of what the points of a segment hold.
 *
 * Vectors are counted as they come and go. Payloads are not: their sum is the sum over the rows in
 * storage, but for the rows of points that have gone and are not purged yet. Any thread; a point
 * that changes meanwhile is counted as it was or as it is. */
#include "index/segment/segment_usage.h"

#include "index/segment/segment_int.h"
#include "storage/kv/keys.h"

enum { ROWS_BETWEEN_LOOKS = 256 };

uint64_t segment_stored_vector_bytes(const struct segment *segment)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < segment->slots_count; i++) {
        const struct slot *slot = &segment->slots[i];
        bytes += (uint64_t)atomic_load(&slot->present) * vector_bytes(slot);
    }
    return bytes;
}

enum status segment_stored_payload_bytes(const struct segment *segment,
                                         const atomic_bool *cancelled, uint64_t *out,
                                         struct error *err)
{
    struct key from = key_collection_begin(segment->collection);
    struct key to = key_collection_end(segment->collection);
    point_offset count = segment_next_offset(segment);
    enum status status = STATUS_OK;
    uint64_t bytes = 0;
    struct kv_cursor *cursor =
        kv_cursor_open(segment->kv, KV_PAYLOAD, key_slice(&from), key_slice(&to));
    for (size_t row = 0; kv_cursor_valid(cursor) && status == STATUS_OK; kv_cursor_next(cursor)) {
        if (row++ % ROWS_BETWEEN_LOOKS == 0 && cancelled &&
            atomic_load_explicit(cancelled, memory_order_relaxed)) {
            status = error_set(err, STATUS_CANCELLED, "cancelled");
            break;
        }
        point_offset offset = key_offset_parse(kv_cursor_key(cursor));
        if (offset < count && is_live(segment, offset)) {
            bytes += kv_cursor_value(cursor).size;
        }
    }
    if (status == STATUS_OK) {
        status = kv_cursor_status(cursor, err);
    }
    kv_cursor_close(cursor);
    if (status == STATUS_OK) {
        *out = bytes;
    }
    return status;
}

void segment_each_unindexed(const struct segment *segment, const struct filter *filter,
                            void (*each)(void *ctx, const char *key, enum field_type type),
                            void *ctx)
{
    field_set_lock_read(segment->fields);
    filter_each_unindexed(filter, segment->fields, each, ctx);
    field_set_unlock_read(segment->fields);
}
