/* Scanning the points that a search may return: their rows, or the codes that an index has of them.
 *
 * Points come in the order of offsets, from the set of matches or all there are, in batches; those
 * of a batch that the test refuses fall out. The rows of a batch are asked for while the
 * batch before is compared, since matches are far apart in memory.
 *
 * Threads: the caller's. Failures: CANCELLED; and those of the index. */
#include "index/segment/segment_run.h"

enum { SCAN_BATCH = 32, LINE_BYTES = 64, LINES_AHEAD = 8, CANCEL_BATCHES = 32 };

/* The points to scan, one batch after another. */
struct feed {
    const struct searching *s;
    struct match_walk walk; /* over the matches */
    size_t at;              /* without a filter: the next offset */
    point_offset until;
};

static void feed_begin(struct feed *feed, const struct searching *s, point_offset from,
                       point_offset until)
{
    *feed = (struct feed){.s = s, .at = from, .until = until};
    if (s->matches) {
        match_walk_begin(&feed->walk, s->matches, from);
    }
}

static size_t feed_offsets(struct feed *feed, point_offset *out, size_t room)
{
    if (feed->s->matches) {
        size_t count = match_walk_next(&feed->walk, out, room);
        while (count > 0 && out[count - 1] >= feed->until) {
            count--;
        }
        return count;
    }
    size_t count = 0;
    for (; count < room && feed->at < feed->until; feed->at++) {
        out[count++] = (point_offset)feed->at;
    }
    return count;
}

/* The next batch; 0: there are no more. */
static size_t feed_next(void *ctx, point_offset *out, size_t room)
{
    struct feed *feed = ctx;
    for (;;) {
        size_t count = feed_offsets(feed, out, room);
        size_t kept = 0;
        for (size_t i = 0; i < count; i++) {
            out[kept] = out[i];
            kept += feed->s->test(feed->s->ctx, out[i]);
        }
        if (kept > 0 || count == 0) {
            return kept;
        }
    }
}

struct batch {
    point_offset points[SCAN_BATCH];
    const void *rows[SCAN_BATCH];
    size_t count;
};

static void fill(struct feed *feed, struct batch *batch)
{
    const struct vectors *vectors = feed->s->vectors;
    size_t bytes = row_bytes(vectors->element, vectors->dim);
    size_t end = bytes < LINES_AHEAD * LINE_BYTES ? bytes : LINES_AHEAD * LINE_BYTES;
    batch->count = feed_next(feed, batch->points, SCAN_BATCH);
    for (size_t i = 0; i < batch->count; i++) {
        const char *row = vectors_at(vectors, batch->points[i]);
        batch->rows[i] = row;
        for (size_t at = 0; at < end; at += LINE_BYTES) {
            __builtin_prefetch(row + at);
        }
    }
}

static void compare(const struct searching *s, const struct batch *batch)
{
    const struct vectors *vectors = s->vectors;
    float distances[SCAN_BATCH];
    float bound = s->args.bound != NULL ? *s->args.bound : __builtin_inff();
    vectors->kernel->many(s->args.query, batch->rows, batch->count, vectors->dim, distances);
    for (size_t i = 0; i < batch->count; i++) {
        if (distances[i] <= topk_bound(s->top) && !(distances[i] > bound)) {
            topk_push(s->top, distances[i], batch->points[i]);
        }
    }
}

enum status scan_rows(struct searching *s, point_offset from, struct search_trace *trace,
                      struct error *err)
{
    struct batch batches[2];
    struct feed feed;
    const atomic_bool *cancelled = s->args.cancelled;
    feed_begin(&feed, s, from, s->args.count);
    fill(&feed, &batches[0]);
    for (size_t turn = 0; batches[turn & 1].count > 0; turn++) {
        if (turn % CANCEL_BATCHES == 0 && cancelled &&
            atomic_load_explicit(cancelled, memory_order_relaxed)) {
            return error_set(err, STATUS_CANCELLED, "cancelled");
        }
        fill(&feed, &batches[(turn + 1) & 1]);
        compare(s, &batches[turn & 1]);
        trace->compared += batches[turn & 1].count;
    }
    return STATUS_OK;
}

enum status scan_codes(struct searching *s, point_offset until, struct error *err)
{
    struct feed feed;
    struct point_source source = {.next = feed_next, .ctx = &feed};
    feed_begin(&feed, s, 0, until);
    return s->index->kind->scan(s->index, &s->args, &source, s->top, err);
}
