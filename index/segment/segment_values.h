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

/* The same values by way of the payload index of a path. False: there is none, or it does not know
 * all values of the points that the filter accepts, or a pass is faster; what `each` was given so
 * far does not count then. The indexes are locked meanwhile: `each` copies the texts that it keeps,
 * and is short. Returning true stops. */
struct index_pass {
    const struct path *path;
    const struct filter *filter; /* NULL: all points */
};
/* Each value with the number of points that have it, in no order: strings of keywords and UUIDs,
 * integers, booleans. */
bool segment_index_values(struct segment *segment, const struct index_pass *pass,
                          bool (*each)(void *ctx, const struct field_value *value, uint64_t count),
                          void *ctx);
/* Each value of each point, in the order of values, equal values in no order: integers, reals and
 * points in time. `from`: the first value; NULL: all. */
struct index_order {
    bool descending;
    const struct json_number *from;
};
bool segment_index_order(
    struct segment *segment, const struct index_pass *pass, const struct index_order *order,
    bool (*each)(void *ctx, const struct field_value *value, point_offset point), void *ctx);

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
