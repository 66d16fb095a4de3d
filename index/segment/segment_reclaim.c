/* Giving back what points that went have left behind.
 *
 * A row of a vector is needed by readers who found its point a moment ago (until the purge buries
 * it), and by an index that walks over it (until the index was built anew or vacuumed). When
 * neither holds, it is released: whole pages go back to the system, in memory and on disk.
 *
 * Threads: the builder's. Failures leave rows as they were, to be released with a later call. */
#include "index/segment/segment_int.h"

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

enum status segment_release(struct segment *segment, struct error *err)
{
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < segment->slots_count && status == STATUS_OK; i++) {
        status = release_slot(&segment->slots[i], err);
    }
    return status;
}
