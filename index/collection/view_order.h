/* Points in the order of the values that they have at a payload key.
 *
 * Values are numbers, and strings that are points in time, as microseconds; all others have no
 * order and do not count. Integers above INT64_MAX, which the contract's answers cannot hold, are
 * ordered and told as the nearest real. A point comes once for each of its different values. */
#pragma once
#include "index/collection/view.h"

struct view_order {
    const struct path *path;
    bool descending;
    const struct json_number *from; /* the first value that counts; NULL: all */
    uint64_t limit;                 /* rows, not points */
    const struct filter *filter;
    const atomic_bool *cancelled;
};
/* Rows by value, equal values by id; `value` of each is set. In the arena. CANCELLED. */
enum status view_order(const struct view *view, const struct view_order *order, struct arena *arena,
                       struct found **out, size_t *count, struct error *err);
