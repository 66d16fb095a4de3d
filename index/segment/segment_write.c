/* Writing to a segment.
 *
 * The apply strand changes memory first and notes the storage rows in the command's batch; the
 * caller commits the batch. Order for readers: the new row and its vectors, then the id, then the
 * end of the old row. Rows of vectors that a graph may hold stay in storage after their point has
 * gone, because a graph opened from its image walks over them; they are removed when the graph is
 * built anew.
 *
 * Point row in storage: version:8, id size:1, id bytes, count:2, slots:2 each (little endian). */
#include "index/segment/segment_fields.h"
#include "index/segment/segment_int.h"
#include "storage/base/assert.h"
#include "storage/base/buffer.h"
#include "storage/base/mem.h"
#include "storage/kv/keys.h"

enum status segment_grow(struct segment *segment, point_offset count, struct error *err)
{
    enum status status = blocks_grow(&segment->points, count, err);
    return status == STATUS_OK ? blocks_grow(&segment->live, count, err) : status;
}

static struct slice offset_slice(const point_offset *offset)
{
    return slice_of(offset, sizeof(*offset));
}

static void remember_payload(struct segment *segment, point_offset offset, struct slice payload)
{
    struct pending *note = mem_alloc(sizeof(*note) + payload.size);
    note->offset = offset;
    note->size = payload.size;
    if (payload.size) {
        memcpy(note->payload, payload.data, payload.size);
    }
    mem_free(hashmap_put(segment->pending, offset_slice(&offset), note));
}

void segment_begin_write(struct segment *segment)
{
    pthread_mutex_lock(&segment->write_lock);
}

void segment_end_write(struct segment *segment)
{
    pthread_mutex_unlock(&segment->write_lock);
}

/* Moves the snapshot; under one lock, so that version and count belong together. */
static void show(struct segment *segment)
{
    pthread_mutex_lock(&segment->snapshot_lock);
    segment->snapshot =
        (struct snapshot){.version = segment->batch_number, .count = segment_next_offset(segment)};
    pthread_mutex_unlock(&segment->snapshot_lock);
    segment->batch_number++;
}

static void begin(struct segment *segment)
{
    atomic_store(&segment->begun, segment->batch_number);
}

bool segment_is_committed(struct segment *segment, uint64_t begun)
{
    return segment_snapshot(segment).version >= begun;
}

void segment_committed(struct segment *segment)
{
    segment_fields_commit(segment);
    show(segment);
    size_t cursor = 0;
    struct slice key;
    void *note = NULL;
    if (segment->edited) {
        match_cache_invalidate(&segment->matches);
        segment->edited = false;
    }
    if (hashmap_count(segment->pending) == 0) {
        return;
    }
    while (hashmap_next(segment->pending, &cursor, &key, &note)) {
        mem_free(note);
    }
    hashmap_destroy(segment->pending);
    segment->pending = hashmap_create();
}

bool segment_is_pending(struct segment *segment, point_offset offset)
{
    return hashmap_get(segment->pending, offset_slice(&offset)) != NULL;
}

enum status segment_pending_payload(struct segment *segment, point_offset offset,
                                    struct arena *arena, struct slice *out, struct error *err)
{
    const struct pending *note = hashmap_get(segment->pending, offset_slice(&offset));
    if (note) {
        *out = note->size ? slice_of(note->payload, note->size) : SLICE_LITERAL("{}");
        return STATUS_OK;
    }
    struct key key = key_payload(segment->collection, offset);
    enum status status = kv_get(segment->kv, KV_PAYLOAD, key_slice(&key), arena, out, err);
    if (status == STATUS_NOT_FOUND) {
        *out = SLICE_LITERAL("{}");
        return STATUS_OK;
    }
    return status;
}

static void put_point_row(struct segment *segment, struct kv_batch *batch, point_offset offset)
{
    uint8_t id[POINT_ID_KEY_BYTES];
    uint8_t id_size = (uint8_t)point_id_encode(segment_id(segment, offset), id);
    struct buffer row;
    buffer_init(&row, 0);
    buffer_append_u64(&row, segment_version(segment, offset));
    buffer_append_byte(&row, id_size);
    buffer_append(&row, id, id_size);
    uint16_t count = 0;
    for (uint32_t i = 0; i < segment->slots_count; i++) {
        count = (uint16_t)(count + vectors_has(&segment->slots[i].vectors, offset));
    }
    buffer_append_byte(&row, (uint8_t)(count & 0xff));
    buffer_append_byte(&row, (uint8_t)(count >> 8));
    for (uint32_t i = 0; i < segment->slots_count; i++) {
        if (vectors_has(&segment->slots[i].vectors, offset)) {
            buffer_append_byte(&row, (uint8_t)(i & 0xff));
            buffer_append_byte(&row, (uint8_t)(i >> 8));
        }
    }
    struct key key = key_point(segment->collection, offset);
    kv_put(batch, KV_POINTS, key_slice(&key), buffer_slice(&row));
    buffer_deinit(&row);
}

static void put_payload_row(struct segment *segment, struct kv_batch *batch, point_offset offset,
                            struct slice payload)
{
    struct key key = key_payload(segment->collection, offset);
    remember_payload(segment, offset, payload);
    if (payload.size > 2) { /* "{}" is no payload */
        kv_put(batch, KV_PAYLOAD, key_slice(&key), payload);
    } else {
        kv_delete(batch, KV_PAYLOAD, key_slice(&key));
    }
}

/* The vector at the offset no longer counts. */
static void drop_vector(struct segment *segment, struct kv_batch *batch, point_offset offset,
                        uint32_t slot_number, bool retired)
{
    struct slot *slot = &segment->slots[slot_number];
    if (!vectors_has(&slot->vectors, offset)) {
        return;
    }
    if (retired) {
        vectors_retire(&slot->vectors, offset);
    } else {
        vectors_remove(&slot->vectors, offset);
    }
    atomic_fetch_sub(&slot->present, 1);
    atomic_fetch_add(&slot->dead, 1);
    struct index_ref *ref = slot_pin(slot);
    if (!ref) { /* no graph can hold it */
        struct key key = key_vector(segment->collection, (uint16_t)slot_number, offset);
        kv_delete(batch, KV_VECTORS, key_slice(&key));
        vectors_unrefer(&slot->vectors, offset);
    } else {
        slot_unpin(ref);
    }
}

/* The point's row becomes a tombstone (an empty value) that the purge, or the next start, removes
 * together with the payload: a reader that has found the point may still be about to read it. */
static void retire(struct segment *segment, struct kv_batch *batch, point_offset offset)
{
    atomic_store_explicit(&row_at(segment, offset)->retired, segment->batch_number,
                          memory_order_release);
    atomic_store_explicit(live_at(segment, offset), 0, memory_order_release);
    for (uint32_t i = 0; i < segment->slots_count; i++) {
        drop_vector(segment, batch, offset, i, true);
    }
    struct key point = key_point(segment->collection, offset);
    kv_put(batch, KV_POINTS, key_slice(&point), slice_of("", 0));
    graveyard_add(&segment->graves, offset);
    atomic_fetch_add(&segment->gone, 1);
}

enum status segment_put(struct segment *segment, struct kv_batch *batch, uint64_t version,
                        struct point_id id, const struct slice *vectors, struct slice payload,
                        struct error *err)
{
    point_offset offset = segment_next_offset(segment);
    begin(segment);
    if (offset == UINT32_MAX - 1) {
        return error_set(err, STATUS_BAD_REQUEST,
                         "the collection has used all its %u places: move its points to a new one",
                         UINT32_MAX);
    }
    /* All room first: a write that finds none has changed nothing. */
    enum status status = segment_grow(segment, offset + 1, err);
    for (uint32_t i = 0; i < segment->slots_count && status == STATUS_OK; i++) {
        if (vectors[i].data) {
            status = vectors_reserve(&segment->slots[i].vectors, offset, err);
        }
    }
    if (status != STATUS_OK) {
        return status;
    }
    struct point_row *row = row_at(segment, offset);
    row->id = id;
    atomic_store_explicit(&row->version, version, memory_order_relaxed);
    atomic_store_explicit(live_at(segment, offset), 1, memory_order_release);
    for (uint32_t i = 0; i < segment->slots_count; i++) {
        struct slot *slot = &segment->slots[i];
        if (!vectors[i].data) {
            continue;
        }
        ASSERT(vectors[i].size == vector_bytes(slot));
        status = vectors_put(&slot->vectors, offset, vectors[i].data, err);
        if (status != STATUS_OK) {
            return status;
        }
        atomic_fetch_add(&slot->present, 1);
        struct key key = key_vector(segment->collection, (uint16_t)i, offset);
        kv_put(batch, KV_VECTORS, key_slice(&key), vectors[i]);
    }
    atomic_store_explicit(&segment->count, offset + 1, memory_order_release);
    put_point_row(segment, batch, offset);
    put_payload_row(segment, batch, offset, payload);
    uint8_t id_bytes[POINT_ID_KEY_BYTES];
    struct key id_key =
        key_id(segment->collection, slice_of(id_bytes, point_id_encode(id, id_bytes)));
    kv_put(batch, KV_IDS, key_slice(&id_key), offset_slice(&offset));
    point_offset old = 0;
    if (id_map_put(&segment->ids, offset, &old)) {
        retire(segment, batch, old);
    }
    return STATUS_OK;
}

void segment_delete(struct segment *segment, struct kv_batch *batch, point_offset offset)
{
    struct point_id id = segment_id(segment, offset);
    uint8_t id_bytes[POINT_ID_KEY_BYTES];
    struct key id_key =
        key_id(segment->collection, slice_of(id_bytes, point_id_encode(id, id_bytes)));
    point_offset old = 0;
    begin(segment);
    bool removed = id_map_remove(&segment->ids, id, &old);
    ASSERT(removed && old == offset);
    kv_delete(batch, KV_IDS, key_slice(&id_key));
    retire(segment, batch, offset);
}

static void touch(struct segment *segment, struct kv_batch *batch, uint64_t version,
                  point_offset offset)
{
    match_cache_invalidate(&segment->matches);
    segment->edited = true;
    atomic_store_explicit(&row_at(segment, offset)->version, version, memory_order_relaxed);
    put_point_row(segment, batch, offset);
}

void segment_set_payload(struct segment *segment, struct kv_batch *batch, uint64_t version,
                         point_offset offset, struct slice payload)
{
    touch(segment, batch, version, offset);
    put_payload_row(segment, batch, offset, payload);
}

void segment_delete_vectors(struct segment *segment, struct kv_batch *batch, uint64_t version,
                            point_offset offset, const uint32_t *slots, size_t count)
{
    begin(segment);
    for (size_t i = 0; i < count; i++) {
        drop_vector(segment, batch, offset, slots[i], false);
    }
    touch(segment, batch, version, offset);
}
