/* The k nearest seen so far: a bounded heap. Equal distances are ordered by `tie` (the segment
 * orders by point id), so the answer does not depend on the order of arrival. */
#pragma once
#include "index/vectors.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct scored {
    float distance; /* raw, smaller is nearer */
    point_offset point;
};
struct tie_order {
    /* <0: a before b. Never 0 for different points. */
    int (*compare)(const void *ctx, point_offset a, point_offset b);
    const void *ctx;
};
struct topk {
    struct scored *items; /* max-heap by (distance, tie) until topk_sort */
    size_t count, limit;
    const struct tie_order *tie; /* NULL: by offset */
};
/* `items` has room for `limit` entries and is the caller's. limit 0 keeps nothing. */
void topk_init(struct topk *topk, struct scored *items, size_t limit, const struct tie_order *tie);
bool topk_full(const struct topk *topk);
/* Worst kept distance; +infinity while not full. A point farther than this cannot enter; one equal
 * may. */
float topk_bound(const struct topk *topk);
bool topk_push(struct topk *topk, float distance, point_offset point); /* true: entered */
void topk_sort(struct topk *topk); /* nearest first; no pushes after */
