/* The files of a segment's vectors: sealing them, and looking after what was sealed.
 *
 * Sealing brings storage to disk first, up to the last command that was committed, then each slot's
 * file up to the same point. From then on no later life of the collection can give the sealed
 * offsets to other points, whatever is lost.
 *
 * After a start each piece that was sealed before is read once and compared with its checksum. A
 * piece that is damaged gets its rows from storage again; the slot's index, which may have been
 * built over them, is dropped and built anew.
 *
 * Threads: the builder's, but for the last seal at the end. Readers of a damaged piece read what
 * is there; while it is restored they may read rows of both kinds. Failures: a file that cannot be
 * sealed costs the next start some time, nothing else. */
#include "index/segment/segment_int.h"
#include "storage/base/logger.h"
#include "storage/kv/keys.h"

/* Rows not sealed yet that make sealing worth while, on the way and at the end. */
enum { SEAL_BYTES = 64 << 20, SEAL_BYTES_AT_END = 1 << 20 };

/* Bytes of rows beyond what is sealed and beyond `from`. */
static uint64_t unsealed_bytes(const struct segment *segment, point_offset from)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < segment->slots_count; i++) {
        const struct vectors *vectors = &segment->slots[i].vectors;
        size_t count = vectors_count(vectors);
        point_offset sealed = vectors_sealed(vectors);
        sealed = sealed > from ? sealed : from;
        bytes += count > sealed ? (count - sealed) * vectors->rows.stride : 0;
    }
    return bytes;
}

static enum status seal(struct segment *segment, struct error *err)
{
    struct snapshot snapshot = segment_snapshot(segment);
    enum status status = kv_flush(segment->kv, err);
    for (uint32_t i = 0; i < segment->slots_count && status == STATUS_OK; i++) {
        status = vectors_seal(&segment->slots[i].vectors, snapshot.count, err);
    }
    return status;
}

enum status segment_seal(struct segment *segment, struct error *err)
{
    bool is_due = unsealed_bytes(segment, 0) >= SEAL_BYTES_AT_END;
    return is_due && !atomic_load(&segment->dropped) ? seal(segment, err) : STATUS_OK;
}

/* The damaged rows as storage has them; those that it has no more belonged to the index alone. */
static enum status restore_rows(struct segment *segment, uint32_t number, point_offset first,
                                uint32_t count, struct error *err)
{
    struct slot *slot = &segment->slots[number];
    struct arena *arena = arena_create(0);
    enum status status = STATUS_OK;
    for (point_offset i = first; i < first + count && status == STATUS_OK; i++) {
        struct slice row = {0};
        if (!vectors_is_filled(&slot->vectors, i)) {
            continue;
        }
        struct key key = key_vector(segment->collection, (uint16_t)number, i);
        status = kv_get(segment->kv, KV_VECTORS, key_slice(&key), arena, &row, err);
        if (status == STATUS_OK && row.size == vector_bytes(slot)) {
            vectors_rewrite(&slot->vectors, i, row.data);
        } else if (status == STATUS_NOT_FOUND && !vectors_has(&slot->vectors, i)) {
            vectors_rewrite(&slot->vectors, i, NULL);
            status = STATUS_OK;
        } else if (status == STATUS_OK || status == STATUS_NOT_FOUND) {
            status =
                error_set(err, STATUS_CORRUPT, "vector %u at offset %u of collection %u is damaged",
                          number, i, segment->collection);
        }
        arena_reset(arena);
    }
    arena_destroy(arena);
    return status;
}

static enum status verify_piece(struct segment *segment, uint32_t number, bool *more,
                                struct error *err)
{
    struct slot *slot = &segment->slots[number];
    point_offset first = 0;
    uint32_t count = 0;
    struct error damage = {0};
    if (vectors_verify(&slot->vectors, more, &first, &count, &damage) == STATUS_OK) {
        return STATUS_OK;
    }
    log_error("index/segment", "%s: they are restored from storage, and the index is built anew",
              damage.message);
    enum status status = restore_rows(segment, number, first, count, err);
    if (status == STATUS_OK) {
        slot_set_index(slot, NULL);
        segment_image_remove(segment, number);
        status = vectors_mend(&slot->vectors, first, err);
    }
    return status;
}

enum status segment_maintain(struct segment *segment, bool *more, struct error *err)
{
    enum status status = STATUS_OK;
    *more = false;
    if (unsealed_bytes(segment, segment->seal_tried) >= SEAL_BYTES) {
        segment->seal_tried = segment_snapshot(segment).count;
        status = seal(segment, err);
    }
    for (uint32_t i = 0; i < segment->slots_count && status == STATUS_OK; i++) {
        bool piece_more = false;
        status = verify_piece(segment, i, &piece_more, err);
        *more |= piece_more;
    }
    return status;
}
