/* Matches of a filter by way of the payload indexes.
 *
 * Indexes say which points match for sure and which may (index/filter/candidates.h); the latter are
 * checked by reading their payloads. They know points that a snapshot must not show: those put by
 * later commands, which lie at or above its count, and those that went before it but were not
 * purged yet, which the graveyard lists. Both are left out here, so the set's size is the exact
 * number of matches.
 *
 * The lock of the indexes is held while the filter is looked up, not while payloads are read: a
 * payload changed in between is seen as it is now, wholly. */
#include "index/filter/candidates.h"
#include "index/segment/segment_int.h"
#include "storage/base/arena.h"
#include "storage/base/assert.h"
#include "storage/base/mem.h"
#include "storage/kv/keys.h"

/* Unsure points are read by a cursor when at least one of so many neighbours is asked for, else one
 * by one. */
enum { CURSOR_DENSITY = 16, CANCEL_CHECK_EVERY = 256, REMEMBER_CHECKS = 256 };

struct place {
    struct segment *segment;
    const struct snapshot *snapshot; /* NULL: what the writer has done so far */
};

static void locate(void *ctx, const struct point_id *ids, size_t count, roaring_bitmap_t *out)
{
    const struct place *place = ctx;
    for (size_t i = 0; i < count; i++) {
        point_offset point = 0;
        bool found = place->snapshot
                         ? segment_locate_at(place->segment, ids[i], place->snapshot, &point)
                         : segment_locate(place->segment, ids[i], &point);
        if (found) {
            roaring_bitmap_add(out, point);
        }
    }
}

bool segment_candidates(struct segment *segment, const struct filter *filter,
                        const struct snapshot *snapshot, struct candidates *out)
{
    struct place place = {.segment = segment, .snapshot = snapshot};
    struct candidate_source source = {.fields = segment->fields, .ctx = &place, .locate = locate};
    return field_set_count(segment->fields) > 0 && filter_candidates(filter, &source, out);
}

static bool look_up(struct segment *segment, const struct filter *filter,
                    const struct snapshot *snapshot, struct candidates *out)
{
    field_set_lock_read(segment->fields);
    bool known = segment_candidates(segment, filter, snapshot, out);
    field_set_unlock_read(segment->fields);
    return known;
}

void segment_drop_hidden(struct segment *segment, const struct snapshot *snapshot,
                         roaring_bitmap_t *set)
{
    struct graveyard *graves = &segment->graves;
    roaring_bitmap_remove_range(set, snapshot->count, (uint64_t)UINT32_MAX + 1);
    pthread_mutex_lock(&graves->lock);
    for (size_t i = 0; i < graves->fresh_count + graves->old_count; i++) {
        point_offset point =
            i < graves->fresh_count ? graves->fresh[i] : graves->old[i - graves->fresh_count];
        if (point < snapshot->count && !is_visible(segment, point, snapshot)) {
            roaring_bitmap_remove(set, point);
        }
    }
    pthread_mutex_unlock(&graves->lock);
}

/* ---- checking the unsure ---- */

struct checking {
    struct segment *segment;
    const struct filter *filter;
    const atomic_bool *cancelled;
    struct arena *arena;
    roaring_bitmap_t *matches;
    struct kv_cursor *payloads; /* NULL: one by one */
    size_t checked;
};

/* Is the cursor's payload this point's? Moves it there. */
static bool cursor_at(struct kv_cursor *payloads, point_offset point)
{
    while (kv_cursor_valid(payloads) && key_offset_parse(kv_cursor_key(payloads)) < point) {
        kv_cursor_next(payloads);
    }
    return kv_cursor_valid(payloads) && key_offset_parse(kv_cursor_key(payloads)) == point;
}

static bool check_one(uint32_t point, void *ctx)
{
    struct checking *c = ctx;
    if (c->cancelled && c->checked++ % CANCEL_CHECK_EVERY == 0 &&
        atomic_load_explicit(c->cancelled, memory_order_relaxed)) {
        return false;
    }
    bool accepted;
    if (c->payloads && cursor_at(c->payloads, point)) {
        accepted =
            segment_check_payload(c->segment, c->filter, point, kv_cursor_value(c->payloads));
    } else {
        accepted = segment_check(c->segment, c->filter, point, c->arena);
        arena_reset(c->arena);
    }
    if (accepted) {
        roaring_bitmap_add(c->matches, point);
    }
    return true;
}

static struct kv_cursor *open_payloads(struct segment *segment, const roaring_bitmap_t *unsure)
{
    uint64_t count = roaring_bitmap_get_cardinality(unsure);
    point_offset first = roaring_bitmap_minimum(unsure);
    uint64_t range = (uint64_t)roaring_bitmap_maximum(unsure) - first + 1;
    if (count < CURSOR_DENSITY || range / count > CURSOR_DENSITY) {
        return NULL;
    }
    struct key from = key_payload(segment->collection, first);
    struct key to = key_collection_end(segment->collection);
    return kv_cursor_open(segment->kv, KV_PAYLOAD, key_slice(&from), key_slice(&to));
}

/* Adds those of `unsure` that match to `matches`. */
static enum status check_unsure(struct segment *segment, const struct filter *filter,
                                const atomic_bool *cancelled, const roaring_bitmap_t *unsure,
                                roaring_bitmap_t *matches, struct error *err)
{
    if (roaring_bitmap_is_empty(unsure)) {
        return STATUS_OK;
    }
    struct checking checking = {
        .segment = segment,
        .filter = filter,
        .cancelled = cancelled,
        .arena = arena_create(0),
        .matches = matches,
        .payloads = filter_needs_payload(filter) ? open_payloads(segment, unsure) : NULL};
    enum status status = roaring_iterate(unsure, check_one, &checking)
                             ? STATUS_OK
                             : error_set(err, STATUS_CANCELLED, "cancelled");
    if (checking.payloads) {
        enum status read = kv_cursor_status(checking.payloads, status == STATUS_OK ? err : NULL);
        status = status == STATUS_OK ? read : status;
        kv_cursor_close(checking.payloads);
    }
    arena_destroy(checking.arena);
    return status;
}

static bool set_bit(uint32_t point, void *bits)
{
    bitmap_set(bits, point);
    return true;
}

void segment_set_bits(const roaring_bitmap_t *points, struct bitmap *bits)
{
    roaring_iterate(points, set_bit, bits);
}

/* What cost many reads is kept for the next who asks the same. */
static void remember(struct segment *segment, const struct filter *filter, uint64_t epoch,
                     point_offset count, const roaring_bitmap_t *matches)
{
    struct bitmap bits;
    bitmap_init(&bits);
    if (bitmap_resize(&bits, count)) { /* no memory: not remembered */
        segment_set_bits(matches, &bits);
        match_cache_put(&segment->matches, filter_key(filter), epoch, count, &bits);
    }
    bitmap_deinit(&bits);
}

static bool is_remembered(struct segment *segment, const struct filter *filter, point_offset count)
{
    struct match_entry *entry = segment_remembered(segment, filter, count);
    if (entry) {
        match_entry_unref(entry);
    }
    return entry != NULL;
}

enum status segment_lookup(struct segment *segment, const struct filter *filter,
                           const struct snapshot *snapshot, const atomic_bool *cancelled,
                           roaring_bitmap_t **out, struct error *err)
{
    struct candidates found;
    uint64_t epoch = match_cache_epoch(&segment->matches); /* before anything is looked at */
    *out = NULL;
    if (!filter || !look_up(segment, filter, snapshot, &found)) {
        return STATUS_OK;
    }
    segment_drop_hidden(segment, snapshot, found.sure);
    if (!found.possible) {
        *out = found.sure;
        return STATUS_OK;
    }
    enum status status = STATUS_OK;
    if (!is_remembered(segment, filter, snapshot->count)) {
        roaring_bitmap_t *unsure = roaring_bitmap_andnot(found.possible, found.sure);
        segment_drop_hidden(segment, snapshot, unsure);
        status = check_unsure(segment, filter, cancelled, unsure, found.sure, err);
        if (status == STATUS_OK && roaring_bitmap_get_cardinality(unsure) >= REMEMBER_CHECKS) {
            remember(segment, filter, epoch, snapshot->count, found.sure);
        }
        roaring_bitmap_free(unsure);
        if (status == STATUS_OK) {
            *out = found.sure;
            found.sure = NULL;
        }
    }
    candidates_free(&found);
    return status;
}

/* ---- the writer's view ---- */

static bool set_live(uint32_t point, void *ctx)
{
    struct bitmap *bits = ((void **)ctx)[0];
    const struct segment *segment = ((void **)ctx)[1];
    if (point < bits->bits && is_live(segment, point)) {
        bitmap_set(bits, point);
    }
    return true;
}

struct pending_check {
    struct segment *segment;
    const struct filter *filter;
    struct arena *arena;
    struct bitmap *out;
};

static bool check_pending(uint32_t point, void *ctx)
{
    struct pending_check *c = ctx;
    if (point < c->out->bits && is_live(c->segment, point)) {
        if (segment_check_pending(c->segment, c->filter, point, c->arena)) {
            bitmap_set(c->out, point);
        } else {
            bitmap_clear(c->out, point);
        }
        arena_reset(c->arena);
    }
    return true;
}

bool segment_lookup_pending(struct segment *segment, const struct filter *filter,
                            struct bitmap *out)
{
    struct candidates found;
    if (!filter || !look_up(segment, filter, NULL, &found)) {
        return false;
    }
    void *live[] = {out, segment};
    roaring_iterate(found.sure, set_live, live);
    struct pending_check check = {
        .segment = segment, .filter = filter, .arena = arena_create(0), .out = out};
    if (found.possible) {
        roaring_bitmap_andnot_inplace(found.possible, found.sure);
        roaring_iterate(found.possible, check_pending, &check);
    }
    /* What this command wrote is not in the indexes yet. */
    size_t cursor = 0;
    struct slice key;
    void *note = NULL;
    while (hashmap_next(segment->pending, &cursor, &key, &note)) {
        check_pending(((const struct pending *)note)->offset, &check);
    }
    arena_destroy(check.arena);
    candidates_free(&found);
    return true;
}
