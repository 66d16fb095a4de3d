/* What indexes tell of a filter's matches without reading a payload: two sets of points, those that
 * match for sure and those that may. Conditions without an index are answered by "none for sure,
 * all may"; must, should, must_not and min_should are algebra on the pairs. Only points in
 * `possible` but not in `sure` need a check. */
#pragma once
#include "index/field/field_set.h"
#include "index/filter/filter.h"

struct candidates {
    roaring_bitmap_t *sure;     /* the caller's, to free by candidates_free */
    roaring_bitmap_t *possible; /* NULL: the same as `sure`: nothing needs a check */
};
struct candidate_source {
    const struct field_set *fields; /* locked for reading by the caller */
    void *ctx;
    /* Adds the places of those of the ids that exist. */
    void (*locate)(void *ctx, const struct point_id *ids, size_t count, roaring_bitmap_t *out);
};
/* False: the indexes do not narrow the filter at all, every point must be checked; *out is empty.
 */
bool filter_candidates(const struct filter *filter, const struct candidate_source *source,
                       struct candidates *out);
void candidates_free(struct candidates *candidates);
/* Keys that the filter asks for but that no index serves; for advice and for limits. Calls `each`
 * with the key and the type of index that would serve it. */
void filter_each_unindexed(const struct filter *filter, const struct field_set *fields,
                           void (*each)(void *ctx, const char *key, enum field_type type),
                           void *ctx);
