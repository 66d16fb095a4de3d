/* Copies of one vector among the points of a bulk build. */
#pragma once
#include "index/hnsw/hnsw_link.h"

struct copies {
    point_offset *distinct; /* the first of each vector, ascending */
    size_t distinct_count;
    struct copy {
        point_offset point, original;
        uint32_t rank; /* among the copies of its original, from 1 */
    } * items;         /* by original, then ascending */
    size_t count;
};
struct copies_search {
    const struct hnsw *hnsw;
    const point_offset *points; /* ascending */
    size_t count;
    point_offset from; /* copies below are linked already: only left out of `distinct` */
    uint32_t threads;
};
/* TOO_LARGE: no memory. */
enum status copies_find(const struct copies_search *search, struct copies *out, struct error *err);
void copies_deinit(struct copies *copies);
/* Links the copies on a level where their originals are linked: on level 0 they hang
 * from the original in a binary tree; above, nothing leads to them. Each has links to the
 * original's neighbours and their neighbours. */
void copies_link(struct hnsw *hnsw, const struct copies *copies, uint32_t level);
