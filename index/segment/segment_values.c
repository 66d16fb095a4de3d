/* Reading the payloads of matching points, and drawing some of them by lot.
 *
 * First the set of matches is found, then payloads are read: in one pass over the rows, which lie
 * in the order of places, or point by point when the matches are few. A payload may change in place
 * between the two, so the filter looks at what was read once more: a point counts with one state of
 * its payload only. Points that came later are not in the set; rows of points that went later are
 * kept for a while (segment_purge.c).
 *
 * Threads: any reader. Failures: those of storage, and a client that has left. */
#include "index/segment/segment_values.h"

#include "index/segment/segment_int.h"
#include "storage/base/random.h"
#include "storage/kv/keys.h"

enum {
    CANCEL_CHECK_EVERY = 256,
    POINTWISE_PART = 32 /* fewer matches than this part of all places are read one by one */
};

struct reading {
    struct segment *segment;
    const struct payload_pass *pass;
    const struct bitmap *matches;
};

static bool is_cancelled(const atomic_bool *cancelled, size_t step)
{
    return cancelled && step % CANCEL_CHECK_EVERY == 0 &&
           atomic_load_explicit(cancelled, memory_order_relaxed);
}

/* Does the point match with this payload too? */
static bool still_matches(const struct reading *reading, point_offset point, struct slice payload)
{
    const struct filter *filter = reading->pass->filter;
    return !filter || !filter_needs_payload(filter) ||
           segment_check_payload(reading->segment, filter, point, payload);
}

static enum status read_rows(const struct reading *reading, struct error *err)
{
    struct segment *segment = reading->segment;
    const struct payload_pass *pass = reading->pass;
    struct key from = key_payload(segment->collection, 0);
    struct key to = key_collection_end(segment->collection);
    struct kv_cursor *rows =
        kv_cursor_open(segment->kv, KV_PAYLOAD, key_slice(&from), key_slice(&to));
    enum status status = STATUS_OK;
    for (size_t step = 0; kv_cursor_valid(rows); kv_cursor_next(rows), step++) {
        if (is_cancelled(pass->cancelled, step)) {
            status = error_set(err, STATUS_CANCELLED, "cancelled");
            break;
        }
        point_offset point = key_offset_parse(kv_cursor_key(rows));
        struct slice payload = kv_cursor_value(rows);
        if (bitmap_get(reading->matches, point) && still_matches(reading, point, payload) &&
            pass->each(pass->ctx, point, payload)) {
            break;
        }
    }
    if (status == STATUS_OK) {
        status = kv_cursor_status(rows, err);
    }
    kv_cursor_close(rows);
    return status;
}

static enum status read_points(const struct reading *reading, struct error *err)
{
    const struct payload_pass *pass = reading->pass;
    struct arena *arena = arena_create(0);
    enum status status = STATUS_OK;
    size_t step = 0;
    for (size_t at = bitmap_next(reading->matches, 0);
         at < reading->matches->bits && status == STATUS_OK;
         at = bitmap_next(reading->matches, at + 1), step++) {
        struct slice payload;
        point_offset point = (point_offset)at;
        if (is_cancelled(pass->cancelled, step)) {
            status = error_set(err, STATUS_CANCELLED, "cancelled");
            break;
        }
        status = segment_payload(reading->segment, point, arena, &payload, err);
        if (status == STATUS_OK && still_matches(reading, point, payload) &&
            pass->each(pass->ctx, point, payload)) {
            break;
        }
        if (status == STATUS_NOT_FOUND) { /* gone for good */
            status = STATUS_OK;
        }
        arena_reset(arena);
    }
    arena_destroy(arena);
    return status;
}

enum status segment_each_payload(struct segment *segment, const struct payload_pass *pass,
                                 struct error *err)
{
    struct bitmap matches;
    struct reading reading = {.segment = segment, .pass = pass, .matches = &matches};
    struct snapshot snapshot = segment_snapshot(segment);
    bitmap_init(&matches);
    enum status status =
        segment_matches_at(segment, pass->filter, &snapshot, pass->cancelled, &matches, err);
    if (status == STATUS_OK) {
        status = bitmap_count(&matches) < matches.bits / POINTWISE_PART ? read_points(&reading, err)
                                                                        : read_rows(&reading, err);
    }
    bitmap_deinit(&matches);
    return status;
}

/* Algorithm R of Vitter, "Random sampling with a reservoir", 1985. */
static void draw_from(struct segment *segment, const struct segment_draw *draw,
                      const struct bitmap *matches, point_offset *out, size_t *count)
{
    struct random random;
    uint64_t seen = 0;
    random_init(&random, draw->seed);
    *count = 0;
    for (size_t at = bitmap_next(matches, 0); at < matches->bits;
         at = bitmap_next(matches, at + 1)) {
        point_offset point = (point_offset)at;
        if (!segment_found_vector(segment, point, draw->slot).data) {
            continue;
        }
        seen++;
        if (*count < draw->limit) {
            out[(*count)++] = point;
            continue;
        }
        uint64_t place = random_below(&random, seen);
        if (place < draw->limit) {
            out[place] = point;
        }
    }
}

enum status segment_draw(struct segment *segment, const struct segment_draw *draw,
                         point_offset *out, size_t *count, struct error *err)
{
    struct bitmap matches;
    bitmap_init(&matches);
    enum status status = segment_matches(segment, draw->filter, draw->cancelled, &matches, err);
    if (status == STATUS_OK) {
        draw_from(segment, draw, &matches, out, count);
    }
    bitmap_deinit(&matches);
    return status;
}
