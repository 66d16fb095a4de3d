/* Removing what is left in storage of points that have gone.
 *
 * The apply strand notes each place in `fresh`. A purge (the builder's, every few seconds) removes
 * the rows of `old` and makes `fresh` the new `old`, so rows stay for at least one interval: as
 * long as any request may need what it has found. After a crash the tombstones are found and
 * removed while loading. */
#include "index/segment/segment_fields.h"
#include "index/segment/segment_int.h"
#include "storage/base/assert.h"
#include "storage/base/mem.h"
#include "storage/kv/keys.h"

enum { GRAVES_FIRST = 64, PURGE_BATCH = 4096 };

void graveyard_init(struct graveyard *graves)
{
    memset(graves, 0, sizeof(*graves));
    ASSERT(pthread_mutex_init(&graves->lock, NULL) == 0);
}

void graveyard_deinit(struct graveyard *graves)
{
    mem_free(graves->fresh);
    mem_free(graves->old);
    pthread_mutex_destroy(&graves->lock);
}

void graveyard_add(struct graveyard *graves, point_offset offset)
{
    pthread_mutex_lock(&graves->lock);
    if (graves->fresh_count == graves->fresh_capacity) {
        graves->fresh_capacity = graves->fresh_capacity ? graves->fresh_capacity * 2 : GRAVES_FIRST;
        graves->fresh =
            mem_realloc(graves->fresh, graves->fresh_capacity * sizeof(graves->fresh[0]));
    }
    graves->fresh[graves->fresh_count++] = offset;
    pthread_mutex_unlock(&graves->lock);
}

static bool find_grave(const struct segment *segment, const point_offset *graves, size_t count,
                       struct point_id id, const struct snapshot *snapshot, point_offset *out)
{
    for (size_t i = 0; i < count; i++) {
        if (graves[i] < snapshot->count && is_visible(segment, graves[i], snapshot) &&
            point_id_compare(segment_id(segment, graves[i]), id) == 0) {
            *out = graves[i];
            return true;
        }
    }
    return false;
}

bool segment_locate_at(struct segment *segment, struct point_id id, const struct snapshot *snapshot,
                       point_offset *out)
{
    if (segment_locate(segment, id, out) && *out < snapshot->count) {
        return true;
    }
    struct graveyard *graves = &segment->graves;
    pthread_mutex_lock(&graves->lock);
    bool found = find_grave(segment, graves->fresh, graves->fresh_count, id, snapshot, out) ||
                 find_grave(segment, graves->old, graves->old_count, id, snapshot, out);
    pthread_mutex_unlock(&graves->lock);
    return found;
}

enum status segment_remove_rows(struct segment *segment, const point_offset *offsets, size_t count,
                                struct error *err)
{
    struct kv_batch *batch = kv_batch_create();
    enum status status = STATUS_OK;
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        struct key point = key_point(segment->collection, offsets[i]);
        struct key payload = key_payload(segment->collection, offsets[i]);
        kv_delete(batch, KV_POINTS, key_slice(&point));
        kv_delete(batch, KV_PAYLOAD, key_slice(&payload));
        if (i % PURGE_BATCH == PURGE_BATCH - 1 || i == count - 1) {
            status = kv_commit(segment->kv, batch, err);
            kv_batch_clear(batch);
        }
    }
    kv_batch_destroy(batch);
    return status;
}

enum status segment_purge(struct segment *segment, struct error *err)
{
    struct graveyard *graves = &segment->graves;
    if (!segment_is_committed(segment, graves->old_begun)) { /* only the purge sets it */
        return STATUS_OK;                                    /* a long command: next time */
    }
    segment_fields_forget(segment, graves->old,
                          graves->old_count); /* while they are known as gone */
    pthread_mutex_lock(&graves->lock);
    point_offset *purged = graves->old;
    size_t count = graves->old_count;
    graves->old = graves->fresh;
    graves->old_count = graves->fresh_count;
    graves->fresh = NULL;
    graves->fresh_count = 0;
    graves->fresh_capacity = 0;
    graves->old_begun = atomic_load(&segment->begun);
    pthread_mutex_unlock(&graves->lock);
    enum status status = segment_remove_rows(segment, purged, count, err);
    for (size_t i = 0; i < count; i++) { /* no search may want them any more */
        for (uint32_t slot = 0; slot < segment->slots_count; slot++) {
            vectors_bury(&segment->slots[slot].vectors, purged[i]);
        }
    }
    mem_free(purged);
    segment_note_purge(segment);
    return status == STATUS_OK && count > 0 ? segment_release(segment, err) : status;
}
