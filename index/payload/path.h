/* Payload paths: dotted keys, `[]` for every item of an array, `[3]` for one item,
 * "quoted.segments" for keys with dots. */
#pragma once
#include "index/payload/json_view.h"
#include "storage/base/arena.h"
#include "storage/base/status.h"

struct path;
/* BAD_INPUT names the path and what is wrong. */
enum status path_parse(struct slice text, struct arena *arena, struct path **out,
                       struct error *err);
/* Calls `each` for every value that the path reaches in the payload; stops when it returns true and
 * then returns true. A final `[]` visits the items; without it an array is visited as one value. In
 * the middle of a path an array that is not followed by `[]` reaches nothing. */
bool path_each(const struct path *path, struct json_view payload,
               bool (*each)(void *ctx, struct json_view value), void *ctx);
/* True when the last part is a key: only then does an array stand for its items in match, range and
 * geo conditions. */
bool path_ends_in_key(const struct path *path);
bool path_equal(const struct path *a, const struct path *b); /* however each was written */
/* Does `items` reach the items of what `whole` reaches (`k[]` and `k`)? */
bool path_is_items(const struct path *items, const struct path *whole);
