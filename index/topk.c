/* The k nearest: a binary max-heap ordered by (distance, tie), the worst on top.
 *
 * While there is room a point is appended and sifted up; then it replaces the top if it comes
 * before it. The order is total, so the kept set does not depend on the order of arrival. One
 * thread; nothing fails.
 */
#include "index/topk.h"

#include <math.h>

/* Does a come before b? */
static bool before(const struct topk *topk, struct scored a, struct scored b)
{
    if (a.distance < b.distance) {
        return true;
    }
    if (a.distance > b.distance) {
        return false;
    }
    if (topk->tie != NULL) {
        return topk->tie->compare(topk->tie->ctx, a.point, b.point) < 0;
    }
    return a.point < b.point;
}

void topk_init(struct topk *topk, struct scored *items, size_t limit, const struct tie_order *tie)
{
    *topk = (struct topk){.items = items, .limit = limit, .tie = tie};
}

bool topk_full(const struct topk *topk)
{
    return topk->count == topk->limit;
}

float topk_bound(const struct topk *topk)
{
    if (topk->limit == 0) {
        return -INFINITY; /* nothing can enter */
    }
    return topk->count < topk->limit ? INFINITY : topk->items[0].distance;
}

static void sift_down(struct topk *topk, size_t count, size_t at, struct scored item)
{
    struct scored *items = topk->items;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= count) {
            break;
        }
        if (child + 1 < count && before(topk, items[child], items[child + 1])) {
            child++;
        }
        if (!before(topk, item, items[child])) {
            break;
        }
        items[at] = items[child];
        at = child;
    }
    items[at] = item;
}

bool topk_push(struct topk *topk, float distance, point_offset point)
{
    struct scored item = {.distance = distance, .point = point};
    if (topk->count == topk->limit) {
        if (topk->limit == 0 || !before(topk, item, topk->items[0])) {
            return false;
        }
        sift_down(topk, topk->count, 0, item);
        return true;
    }
    size_t at = topk->count++;
    while (at > 0) {
        size_t parent = (at - 1) / 2;
        if (!before(topk, topk->items[parent], item)) {
            break;
        }
        topk->items[at] = topk->items[parent];
        at = parent;
    }
    topk->items[at] = item;
    return true;
}

void topk_sort(struct topk *topk)
{
    for (size_t left = topk->count; left > 1; left--) {
        struct scored worst = topk->items[0];
        sift_down(topk, left - 1, 0, topk->items[left - 1]);
        topk->items[left - 1] = worst;
    }
}
