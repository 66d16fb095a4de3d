/* What matching points hold: their payloads one after the other, or a few points drawn by lot. For
 * orders, facets and samples. A call sees the points as they were after one command. */
#pragma once
#include "index/segment/segment.h"

struct payload_pass {
    const struct filter *filter; /* NULL: all points */
    const atomic_bool *cancelled;
    /* `payload` is borrowed until the return. True: stops. */
    bool (*each)(void *ctx, point_offset point, struct slice payload);
    void *ctx;
};
/* Visits every point that the filter accepts and that has a payload. CANCELLED. */
enum status segment_each_payload(struct segment *segment, const struct payload_pass *pass,
                                 struct error *err);

struct segment_draw {
    const struct filter *filter; /* NULL: all points */
    const atomic_bool *cancelled;
    uint32_t slot; /* only points that have this vector */
    uint32_t limit;
    uint64_t seed;
};
/* Points drawn by lot, each set of `limit` points equally likely, in no order; fewer when there are
 * fewer. `out` has room for `limit`. CANCELLED. */
enum status segment_draw(struct segment *segment, const struct segment_draw *draw,
                         point_offset *out, size_t *count, struct error *err);
