/* Which points does a filter accept? One point at a time (reading its payload), or all of a segment
 * in one pass over the payload rows, which lie in the order of offsets. */
#include "index/segment/segment_int.h"
#include "storage/base/arena.h"
#include "storage/kv/keys.h"

enum { CANCEL_CHECK_EVERY = 256 };

struct segment_point {
    struct point_view view; /* first */
    struct segment *segment;
    struct arena *arena;
    point_offset offset;
    bool pending; /* the writer's view: payloads that are not committed yet count */
};

static bool has_vector(struct point_view *view, struct slice name)
{
    const struct segment_point *point = (const struct segment_point *)view;
    for (uint32_t i = 0; i < point->segment->slots_count; i++) {
        if (slice_equal(slice_text(point->segment->slots[i].spec.name), name)) {
            return vectors_has(&point->segment->slots[i].vectors, point->offset);
        }
    }
    return false;
}

/* A point whose payload cannot be read any more (gone, or the disk failed) is seen as one without
 * payload; it is dropped later because it is not current, or the failure meets the request when the
 * payload is read for the answer. */
static struct slice read_payload(struct point_view *view)
{
    struct segment_point *point = (struct segment_point *)view;
    if (!view->payload_read) {
        enum status (*read)(struct segment *, point_offset, struct arena *, struct slice *,
                            struct error *) =
            point->pending ? segment_pending_payload : segment_payload;
        view->payload_read = true;
        if (read(point->segment, point->offset, point->arena, &view->payload_text, NULL) !=
            STATUS_OK) {
            view->payload_text = SLICE_LITERAL("{}");
        }
    }
    return view->payload_text;
}

static void point_at(struct segment_point *point, struct segment *segment, point_offset offset,
                     struct arena *arena)
{
    *point = (struct segment_point){
        .view = {.id = segment_id(segment, offset),
                 .payload = read_payload,
                 .has_vector = has_vector},
        .segment = segment,
        .arena = arena,
        .offset = offset,
    };
}

bool segment_check(struct segment *segment, const struct filter *filter, point_offset offset,
                   struct arena *arena)
{
    struct segment_point point;
    point_at(&point, segment, offset, arena);
    return filter_check(filter, &point.view);
}

bool segment_check_pending(struct segment *segment, const struct filter *filter,
                           point_offset offset, struct arena *arena)
{
    struct segment_point point;
    point_at(&point, segment, offset, arena);
    point.pending = true;
    return filter_check(filter, &point.view);
}

bool segment_check_payload(struct segment *segment, const struct filter *filter,
                           point_offset offset, struct slice payload)
{
    struct segment_point point;
    point_at(&point, segment, offset, NULL);
    point.view.payload_read = true;
    point.view.payload_text = payload;
    return filter_check(filter, &point.view);
}

static bool is_cancelled(const atomic_bool *cancelled, point_offset offset)
{
    return cancelled && offset % CANCEL_CHECK_EVERY == 0 &&
           atomic_load_explicit(cancelled, memory_order_relaxed);
}

struct match {
    const struct filter *filter;
    const atomic_bool *cancelled;
    bool pending;
    point_offset from; /* matches below are known already */
    struct snapshot snapshot;
};

/* Checks all live points below `count`, taking payloads from one cursor. A point that came after
 * the cursor was opened has no row there: its payload is read by itself. */
static enum status match_all(struct segment *segment, const struct match *match, struct bitmap *out,
                             struct error *err)
{
    struct key from = key_point(segment->collection, match->from); /* as key_payload */
    struct key to = key_collection_end(segment->collection);
    struct kv_cursor *points =
        kv_cursor_open(segment->kv, KV_POINTS, key_slice(&from), key_slice(&to));
    struct kv_cursor *payloads =
        kv_cursor_open(segment->kv, KV_PAYLOAD, key_slice(&from), key_slice(&to));
    struct arena *arena = arena_create(0);
    enum status status = STATUS_OK;
    for (point_offset offset = match->from; offset < out->bits; offset++) {
        if (is_cancelled(match->cancelled, offset)) {
            status = error_set(err, STATUS_CANCELLED, "cancelled");
            break;
        }
        if (!is_visible(segment, offset, &match->snapshot)) {
            continue;
        }
        while (kv_cursor_valid(points) && key_offset_parse(kv_cursor_key(points)) < offset) {
            kv_cursor_next(points);
        }
        while (kv_cursor_valid(payloads) && key_offset_parse(kv_cursor_key(payloads)) < offset) {
            kv_cursor_next(payloads);
        }
        bool accepted = false;
        if (match->pending && segment_is_pending(segment, offset)) {
            accepted = segment_check_pending(segment, match->filter, offset, arena);
            arena_reset(arena);
        } else if (kv_cursor_valid(payloads) &&
                   key_offset_parse(kv_cursor_key(payloads)) == offset) {
            accepted =
                segment_check_payload(segment, match->filter, offset, kv_cursor_value(payloads));
        } else if (kv_cursor_valid(points) && key_offset_parse(kv_cursor_key(points)) == offset) {
            accepted = segment_check_payload(segment, match->filter, offset, SLICE_LITERAL("{}"));
        } else {
            accepted = segment_check(segment, match->filter, offset, arena);
            arena_reset(arena);
        }
        if (accepted) {
            bitmap_set(out, offset);
        }
    }
    if (status == STATUS_OK) {
        status = kv_cursor_status(payloads, err);
    }
    if (status == STATUS_OK) {
        status = kv_cursor_status(points, err);
    }
    arena_destroy(arena);
    kv_cursor_close(payloads);
    kv_cursor_close(points);
    return status;
}

/* Filters that name their points, or that do not look at payloads. */
static enum status match_without_payload(struct segment *segment, const struct match *match,
                                         struct bitmap *out, struct error *err)
{
    for (point_offset offset = 0; offset < out->bits; offset++) {
        if (is_cancelled(match->cancelled, offset)) {
            return error_set(err, STATUS_CANCELLED, "cancelled");
        }
        if (is_visible(segment, offset, &match->snapshot) &&
            segment_check_payload(segment, match->filter, offset, SLICE_LITERAL("{}"))) {
            bitmap_set(out, offset);
        }
    }
    return STATUS_OK;
}

static void match_ids(struct segment *segment, const struct match *match,
                      const struct point_id *ids, size_t count, struct bitmap *out)
{
    bool (*check)(struct segment *, const struct filter *, point_offset, struct arena *) =
        match->pending ? segment_check_pending : segment_check;
    struct arena *arena = arena_create(0);
    for (size_t i = 0; i < count; i++) {
        point_offset offset = 0;
        bool found = match->pending ? segment_locate(segment, ids[i], &offset) && offset < out->bits
                                    : segment_locate_at(segment, ids[i], &match->snapshot, &offset);
        if (found && check(segment, match->filter, offset, arena)) {
            bitmap_set(out, offset);
        }
        arena_reset(arena);
    }
    arena_destroy(arena);
}

/* Takes over what is remembered of the filter; checking goes on at match->from. */
static void recall_matches(struct segment *segment, const struct match_entry *entry,
                           struct match *match, struct bitmap *out)
{
    size_t upto = entry->upto < out->bits ? entry->upto : out->bits;
    for (size_t i = bitmap_next(&entry->bits, 0); i < upto; i = bitmap_next(&entry->bits, i + 1)) {
        if (is_visible(segment, (point_offset)i, &match->snapshot)) {
            bitmap_set(out, i);
        }
    }
    match->from = (point_offset)upto;
}

static void remember_matches(struct segment *segment, struct slice key, uint64_t epoch,
                             const struct bitmap *matches)
{
    struct bitmap copy;
    bitmap_init(&copy);
    if (bitmap_resize(&copy, matches->bits)) { /* no memory: not remembered */
        bitmap_or(&copy, matches);
        match_cache_put(&segment->matches, key, epoch, (point_offset)matches->bits, &copy);
    }
    bitmap_deinit(&copy);
}

/* A pass over the payloads, less what is remembered of an earlier one. */
static enum status match_remembered(struct segment *segment, struct match *match,
                                    struct bitmap *out, struct error *err)
{
    uint64_t epoch = match_cache_epoch(&segment->matches);
    struct match_entry *entry = match_cache_get(&segment->matches, filter_key(match->filter));
    if (entry) {
        recall_matches(segment, entry, match, out);
        match_entry_unref(entry);
    }
    bool refresh = out->bits - match->from > out->bits / 8;
    enum status status = match_all(segment, match, out, err);
    if (status == STATUS_OK && refresh) {
        remember_matches(segment, filter_key(match->filter), epoch, out);
    }
    return status;
}

static bool match_cheaply(struct segment *segment, const struct match *match, struct bitmap *out,
                          enum status *status, struct error *err)
{
    const struct point_id *ids = NULL;
    size_t ids_count = 0;
    if (match->filter && filter_ids(match->filter, &ids, &ids_count)) {
        match_ids(segment, match, ids, ids_count, out);
        *status = STATUS_OK;
        return true;
    }
    if (!match->filter || !filter_needs_payload(match->filter)) {
        *status = match_without_payload(segment, match, out, err);
        return true;
    }
    return false;
}

static enum status make_room(const struct match *match, struct bitmap *out, struct error *err)
{
    return bitmap_resize(out, match->snapshot.count)
               ? STATUS_OK
               : error_set(err, STATUS_INTERNAL, "no memory for a set of %u points",
                           match->snapshot.count);
}

enum status segment_matches_by_pass(struct segment *segment, const struct filter *filter,
                                    const struct snapshot *snapshot, const atomic_bool *cancelled,
                                    struct bitmap *out, struct error *err)
{
    struct match match = {.filter = filter, .cancelled = cancelled, .snapshot = *snapshot};
    enum status status = make_room(&match, out, err);
    if (status != STATUS_OK || match_cheaply(segment, &match, out, &status, err)) {
        return status;
    }
    return match_remembered(segment, &match, out, err);
}

enum status segment_matches_at(struct segment *segment, const struct filter *filter,
                               const struct snapshot *snapshot, const atomic_bool *cancelled,
                               struct bitmap *out, struct error *err)
{
    roaring_bitmap_t *found = NULL;
    enum status status = segment_lookup(segment, filter, snapshot, cancelled, &found, err);
    if (status != STATUS_OK || !found) {
        return status == STATUS_OK
                   ? segment_matches_by_pass(segment, filter, snapshot, cancelled, out, err)
                   : status;
    }
    bool fits = bitmap_resize(out, snapshot->count);
    if (fits) {
        segment_set_bits(found, out);
    }
    roaring_bitmap_free(found);
    return fits ? STATUS_OK
                : error_set(err, STATUS_INTERNAL, "no memory for a set of %u points",
                            snapshot->count);
}

enum status segment_matches(struct segment *segment, const struct filter *filter,
                            const atomic_bool *cancelled, struct bitmap *out, struct error *err)
{
    struct snapshot snapshot = segment_snapshot(segment);
    return segment_matches_at(segment, filter, &snapshot, cancelled, out, err);
}

enum status segment_count(struct segment *segment, const struct filter *filter,
                          const atomic_bool *cancelled, uint64_t *count, struct error *err)
{
    struct snapshot snapshot = segment_snapshot(segment);
    roaring_bitmap_t *found = NULL;
    enum status status = segment_lookup(segment, filter, &snapshot, cancelled, &found, err);
    if (status != STATUS_OK || found) {
        *count = found ? roaring_bitmap_get_cardinality(found) : 0;
        if (found) {
            roaring_bitmap_free(found);
        }
        return status;
    }
    struct bitmap matches;
    bitmap_init(&matches);
    status = segment_matches_by_pass(segment, filter, &snapshot, cancelled, &matches, err);
    *count = status == STATUS_OK ? bitmap_count(&matches) : 0;
    bitmap_deinit(&matches);
    return status;
}

enum status segment_matches_pending(struct segment *segment, const struct filter *filter,
                                    struct bitmap *out, struct error *err)
{
    /* The writer sees what it has done so far, and nothing that has gone. */
    struct snapshot now = {.version = UINT64_MAX, .count = segment_next_offset(segment)};
    struct match match = {.filter = filter, .pending = true, .snapshot = now};
    enum status status = make_room(&match, out, err);
    if (status != STATUS_OK || match_cheaply(segment, &match, out, &status, err)) {
        return status;
    }
    if (segment_lookup_pending(segment, filter, out)) {
        return STATUS_OK;
    }
    return match_all(segment, &match, out, err);
}

struct match_entry *segment_remembered(struct segment *segment, const struct filter *filter,
                                       point_offset count)
{
    struct match_entry *entry = match_cache_get(&segment->matches, filter_key(filter));
    if (entry && entry->upto < count) {
        match_entry_unref(entry);
        entry = NULL;
    }
    return entry;
}

bool segment_knows_filter(struct segment *segment, const struct filter *filter)
{
    struct bitmap none;
    struct match_entry *entry = match_cache_get(&segment->matches, filter_key(filter));
    if (entry) {
        match_entry_unref(entry);
        return true;
    }
    bitmap_init(&none);
    match_cache_put(&segment->matches, filter_key(filter), match_cache_epoch(&segment->matches), 0,
                    &none);
    return false;
}
