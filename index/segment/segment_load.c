/* Loading a segment: points first, from their image when storage is where it was when the image was
 * written, otherwise from storage; then the vectors of each slot, those that were
 * sealed from their file, the others from storage in the order of their offsets; then the images of
 * the indexes. A vector row without a point that has it belongs to an index's past: it is there for
 * the index to walk over.
 *
 * The file of a slot is taken when it holds every row that the points say it must, and some of
 * them, looked at, are what storage has. */
#include "index/segment/segment_int.h"
#include "storage/base/assert.h"
#include "storage/base/logger.h"
#include "storage/base/mem.h"
#include "storage/base/reader.h"
#include "storage/kv/keys.h"

enum { SAMPLES = 16 }; /* rows of a file that are compared with storage */

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
    id_map_reserve(&segment->ids, segment_next_offset(segment));
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

/* Is this sealed row what storage has? */
static enum status compare_row(struct segment *segment, uint32_t slot_number, point_offset offset,
                               bool *same, struct error *err)
{
    const struct slot *slot = &segment->slots[slot_number];
    struct key key = key_vector(segment->collection, (uint16_t)slot_number, offset);
    struct arena *arena = arena_create(0);
    struct slice stored = {0};
    enum status status = kv_get(segment->kv, KV_VECTORS, key_slice(&key), arena, &stored, err);
    *same = status == STATUS_OK && stored.size == vector_bytes(slot) &&
            memcmp(stored.data, vectors_at(&slot->vectors, offset), stored.size) == 0;
    arena_destroy(arena);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

static enum status check_sealed(struct segment *segment, uint32_t slot_number,
                                const struct bitmap *has, bool *fits, struct error *err)
{
    const struct vectors *vectors = &segment->slots[slot_number].vectors;
    point_offset sealed = vectors_sealed(vectors);
    *fits = true;
    for (size_t i = bitmap_next(has, 0); i < sealed && *fits; i = bitmap_next(has, i + 1)) {
        *fits = vectors_is_filled(vectors, (point_offset)i);
    }
    enum status status = STATUS_OK;
    for (uint64_t i = 0; i < SAMPLES && *fits && status == STATUS_OK; i++) {
        size_t offset = bitmap_next(has, i * sealed / SAMPLES);
        if (offset < sealed) {
            status = compare_row(segment, slot_number, (point_offset)offset, fits, err);
        }
    }
    return status;
}

/* Takes the rows that are in the slot's file. */
static enum status take_sealed(struct segment *segment, uint32_t slot_number,
                               const struct bitmap *has, struct error *err)
{
    struct slot *slot = &segment->slots[slot_number];
    bool fits = true;
    enum status status = check_sealed(segment, slot_number, has, &fits, err);
    if (status != STATUS_OK || !fits) {
        if (status == STATUS_OK) {
            log_warn(
                "index/segment",
                "vectors of collection %u, vector %u are loaded from storage: their file is of "
                "another history",
                segment->collection, slot_number);
            status = vectors_restart(&slot->vectors, err);
        }
        return status;
    }
    unsigned present = 0;
    unsigned filled = 0;
    for (point_offset i = 0; i < vectors_sealed(&slot->vectors); i++) {
        filled += vectors_is_filled(&slot->vectors, i);
        present += bitmap_get(has, i) && vectors_revive(&slot->vectors, i);
    }
    atomic_store(&slot->present, present);
    atomic_store(&slot->dead, filled - present);
    return STATUS_OK;
}

/* The rows that were not in the slot's file. */
static enum status load_vectors(struct segment *segment, uint32_t slot_number,
                                const struct bitmap *has, struct error *err)
{
    struct slot *slot = &segment->slots[slot_number];
    struct key from =
        key_vector(segment->collection, (uint16_t)slot_number, vectors_sealed(&slot->vectors));
    struct key to = key_vector_end(segment->collection, (uint16_t)slot_number);
    struct kv_cursor *cursor =
        kv_cursor_open(segment->kv, KV_VECTORS, key_slice(&from), key_slice(&to));
    enum status status = STATUS_OK;
    unsigned present = atomic_load(&slot->present);
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

enum status segment_load(struct segment *segment, uint64_t applied, struct error *err)
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
    bool loaded = false;
    if (status == STATUS_OK) {
        segment_points_load(segment, applied, has, &loaded);
    }
    if (status == STATUS_OK && !loaded) {
        status = load_points(segment, has, err);
    }
    for (uint32_t i = 0; status == STATUS_OK && i < segment->slots_count; i++) {
        status = take_sealed(segment, i, &has[i], err);
        if (status == STATUS_OK) {
            status = load_vectors(segment, i, &has[i], err);
        }
    }
    for (uint32_t i = 0; i < segment->slots_count; i++) {
        bitmap_deinit(&has[i]);
        struct error image_error = {0};
        if (status == STATUS_OK && segment_image_load(segment, i, &image_error) != STATUS_OK) {
            log_warn("index/segment", "graph of collection %u, vector %u will be built anew: %s",
                     segment->collection, i, image_error.message);
            segment_image_remove(segment, i); /* it could fit by chance one day */
        }
    }
    mem_free(has);
    return status;
}
