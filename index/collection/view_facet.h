/* Facets: which values points have at a payload key, and how many points have each.
 *
 * Values are strings, integers of 64 bits with a sign, and booleans; all others do not count. Nor
 * do strings with U+0000, which the contract's messages cannot hold. A point counts once for each
 * of its different values. Under a key with a uuid index a UUID is one value however it is written,
 * and is told hyphenated and in lower case. */
#pragma once
#include "index/collection/view.h"
#include "index/field/field.h"

struct view_facet {
    const struct path *path;
    uint64_t limit;
    const struct filter *filter;
    const atomic_bool *cancelled;
};
struct facet_hit {
    struct field_value value; /* VALUE_TEXT, VALUE_INTEGER or VALUE_BOOL; text in the arena */
    uint64_t count;
};
/* Most frequent first; of equal counts booleans come before integers before strings, and the
 * smaller value first. Exact. TOO_LARGE: the key has too many values. CANCELLED. */
enum status view_facet(const struct view *view, const struct view_facet *facet, struct arena *arena,
                       struct facet_hit **out, size_t *count, struct error *err);
