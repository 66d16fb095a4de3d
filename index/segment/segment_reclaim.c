/* Giving back what points that went have left behind.
 *
 * A row of a vector is needed by readers who found its point a moment ago (until the purge buries
 * it), and by an index that walks over it (until the index was built anew or vacuumed). When
 * neither holds, it is released: whole pages go back to the system, in memory and on disk.
 *
 * Dead rows between live ones keep their pages. Where more than half of a range of offsets is dead,
 * its live points move to new places at the end, as if they were written again with the same
 * version, so that the range becomes wholly dead. A move is one batch, like a command: after a
 * crash it is there or not. Offsets of commands that are applied again may then differ from those
 * of the first time, which is why images and files of rows never cover what storage does not have
 * on disk.
 *
 * Threads: the builder's; for a move it holds the segment's write lock. Failures leave rows as they
 * were, to be released with a later call. */
#include "index/segment/segment_int.h"

enum { RANGE = 4096, MOVE_BATCH = 64, PASS_PART = 256 };
static const point_offset MOVE_BELOW =
    UINT32_MAX - (1u << 28); /* the last offsets are for writes */

static enum status release_slot(struct slot *slot, struct error *err)
{
    size_t released = 0;
    return vectors_release(&slot->vectors, &released, err);
}

enum status segment_reclaim(struct segment *segment, uint32_t number,
                            const struct bitmap *unreferred, struct error *err)
{
    struct slot *slot = &segment->slots[number];
    size_t count = vectors_count(&slot->vectors);
    if (unreferred && unreferred->bits < count) {
        count = unreferred->bits;
    }
    for (size_t i = 0; i < count; i++) {
        if ((!unreferred || bitmap_get(unreferred, i)) &&
            !vectors_has(&slot->vectors, (point_offset)i)) {
            vectors_unrefer(&slot->vectors, (point_offset)i);
        }
    }
    return release_slot(slot, err);
}

static size_t count_live(const struct segment *segment, point_offset first)
{
    size_t live = 0;
    for (point_offset i = first; i < first + RANGE; i++) {
        live += is_live(segment, i);
    }
    return live;
}

/* ---- point rows ---- */

static void mark_graves(struct graveyard *graves, struct bitmap *ranges)
{
    pthread_mutex_lock(&graves->lock);
    for (size_t i = 0; i < graves->fresh_count; i++) {
        if (graves->fresh[i] / RANGE < ranges->bits) {
            bitmap_set(ranges, graves->fresh[i] / RANGE);
        }
    }
    for (size_t i = 0; i < graves->old_count; i++) {
        if (graves->old[i] / RANGE < ranges->bits) {
            bitmap_set(ranges, graves->old[i] / RANGE);
        }
    }
    pthread_mutex_unlock(&graves->lock);
}

/* Rows of points in ranges that are dead as a whole and were purged. */
static enum status release_points(struct segment *segment, struct error *err)
{
    size_t ranges = segment_next_offset(segment) / RANGE;
    struct bitmap needed;
    bitmap_init(&needed);
    if (!bitmap_resize(&needed, ranges) || !bitmap_resize(&segment->given_back, ranges)) {
        bitmap_deinit(&needed);
        return error_set(err, STATUS_INTERNAL, "no memory to give back memory");
    }
    mark_graves(&segment->graves, &needed);
    enum status status = STATUS_OK;
    for (size_t i = 0; i < ranges && status == STATUS_OK; i++) {
        point_offset first = (point_offset)(i * RANGE);
        if (!bitmap_get(&needed, i) && !bitmap_get(&segment->given_back, i) &&
            count_live(segment, first) == 0) {
            status = blocks_release(&segment->points, first, RANGE, err);
            bitmap_set(&segment->given_back, i);
        }
    }
    bitmap_deinit(&needed);
    return status;
}

enum status segment_release(struct segment *segment, struct error *err)
{
    enum status status = release_points(segment, err);
    for (uint32_t i = 0; i < segment->slots_count && status == STATUS_OK; i++) {
        status = release_slot(&segment->slots[i], err);
    }
    return status;
}

/* ---- moving ---- */

/* Goes on to the next range worth moving from. The newest ranges are left alone. */
static bool find_range(struct segment *segment)
{
    uint64_t count = segment_next_offset(segment);
    while ((uint64_t)segment->moved_below + 2 * RANGE <= count) {
        size_t live = count_live(segment, segment->moved_below);
        if (live > 0 && live <= RANGE / 2) {
            return true;
        }
        segment->moved_below += RANGE;
    }
    return false;
}

bool segment_move_due(struct segment *segment)
{
    point_offset count = segment_next_offset(segment);
    if (count >= MOVE_BELOW) {
        return false;
    }
    if (find_range(segment)) {
        return true;
    }
    unsigned gone = atomic_load(&segment->gone);
    if (gone - segment->moves_seen < RANGE / 2 + count / PASS_PART) {
        return false;
    }
    segment->moves_seen = gone;
    segment->moved_below = 0;
    return find_range(segment);
}

static enum status move_point(struct segment *segment, struct kv_batch *batch, point_offset offset,
                              struct arena *arena, struct error *err)
{
    struct slice vectors[VECTORS_MAX] = {{0}};
    struct slice payload = {0};
    for (uint32_t slot = 0; slot < segment->slots_count; slot++) {
        vectors[slot] = segment_vector(segment, offset, slot);
    }
    enum status status = segment_pending_payload(segment, offset, arena, &payload, err);
    if (status == STATUS_OK) {
        status = segment_put(segment, batch, segment_version(segment, offset),
                             segment_id(segment, offset), vectors, payload, err);
    }
    return status;
}

enum status segment_move(struct segment *segment, struct kv_batch *batch, size_t *moved,
                         struct error *err)
{
    struct arena *arena = arena_create(0);
    enum status status = STATUS_OK;
    *moved = 0;
    while (status == STATUS_OK && *moved < MOVE_BATCH && find_range(segment)) {
        point_offset end = segment->moved_below + RANGE;
        for (point_offset i = segment->moved_below;
             i < end && status == STATUS_OK && *moved < MOVE_BATCH; i++) {
            if (is_live(segment, i)) {
                status = move_point(segment, batch, i, arena, err);
                *moved += status == STATUS_OK;
                arena_reset(arena);
            }
        }
    }
    if (status != STATUS_OK) { /* not again before more has gone */
        segment->moved_below = segment_next_offset(segment);
    }
    arena_destroy(arena);
    return status;
}
