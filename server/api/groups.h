/* Points of a ranking by the values of a payload key. */
#pragma once
#include "server/api/ranking.h"

struct group {
    bool is_text;
    const char *text; /* is_text */
    struct json_number number;
    struct found *hits; /* best first; at most group_size */
    size_t hits_count, hits_capacity;
};
struct groups {
    struct group **items; /* by their best hit */
    size_t count, capacity;
};
struct grouping {
    const struct path *path;
    const char *key; /* the same, as the client wrote it */
    const Qdrant__Filter *filter;
    uint64_t limit, group_size;
};
/* The best groups, each with its best points. A point is in the group of each of its values, which
 * are strings and integers; a point with any other value at the key is in none. No group is missing
 * because others have many points: it is searched until there are `limit` groups of `group_size`,
 * or no more points. In the call's arena. */
enum status groups_find(struct call *call, const struct view *view, const struct ranking *ranking,
                        const struct grouping *grouping, struct groups *out);
