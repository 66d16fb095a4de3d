/* What is at a path, whatever its values are: the meaning of is_empty, is_null and values_count,
 * for checks and for indexes alike. */
#pragma once
#include "index/payload/path.h"

/* The path reaches nothing, or only null and empty arrays. */
bool payload_is_empty(const struct path *path, struct json_view payload);
/* The path reaches null, or an array with a null among its items. A missing key is not null. */
bool payload_is_null(const struct path *path, struct json_view payload);
/* How many values each value reached is: an array its items, null 0, any other 1; 0 once when
 * nothing is reached. Stops when `each` returns true and then returns true. */
bool payload_each_count(const struct path *path, struct json_view payload,
                        bool (*each)(void *ctx, uint64_t count), void *ctx);
/* All of this in one walk, for an index: every count, and every value that is not null, in order.
 */
struct presence {
    bool empty, null;
};
struct payload_visitor {
    void (*value)(void *ctx, struct json_view value);
    void (*count)(void *ctx, uint64_t count);
    void *ctx;
};
struct presence payload_visit(const struct path *path, struct json_view payload,
                              const struct payload_visitor *visitor);
/* The values that match, range and geo conditions see: those the path reaches, an array taken apart
 * when the path's last part is a key. Stops when `each` returns true and then returns true. */
bool payload_each_value(const struct path *path, struct json_view payload,
                        bool (*each)(void *ctx, struct json_view value), void *ctx);
