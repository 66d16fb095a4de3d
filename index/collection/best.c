/* A bounded binary heap over items of any size. The root is the worst item, so a newcomer is
 * compared with it alone; sorting takes the worst away again and again (heapsort).
 *
 * One owner. Failures: no memory while the heap grows. */
#include "index/collection/best.h"

#include "storage/base/mem.h"

#include <string.h>

enum { CAPACITY_FIRST = 16 };

void best_init(struct best *best, size_t item_bytes, uint64_t limit,
               int (*compare)(const void *ctx, const void *a, const void *b), const void *ctx)
{
    *best = (struct best){.item_bytes = item_bytes, .limit = limit, .compare = compare, .ctx = ctx};
}

void best_deinit(struct best *best)
{
    mem_free(best->items);
    best->items = NULL;
}

void best_clear(struct best *best)
{
    best->count = 0;
}

static uint8_t *item_at(const struct best *best, size_t index)
{
    return best->items + index * best->item_bytes;
}

static bool is_worse(const struct best *best, size_t a, size_t b)
{
    return best->compare(best->ctx, item_at(best, a), item_at(best, b)) > 0;
}

static void swap(const struct best *best, size_t a, size_t b)
{
    uint8_t *left = item_at(best, a), *right = item_at(best, b);
    for (size_t i = 0; i < best->item_bytes; i++) {
        uint8_t byte = left[i];
        left[i] = right[i];
        right[i] = byte;
    }
}

static void sift_up(const struct best *best, size_t at)
{
    for (size_t parent = (at - 1) / 2; at > 0 && is_worse(best, at, parent);
         at = parent, parent = (at - 1) / 2) {
        swap(best, at, parent);
    }
}

static void sift_down(const struct best *best, size_t at, size_t count)
{
    for (size_t child = 2 * at + 1; child < count; child = 2 * at + 1) {
        if (child + 1 < count && is_worse(best, child + 1, child)) {
            child++;
        }
        if (!is_worse(best, child, at)) {
            return;
        }
        swap(best, at, child);
        at = child;
    }
}

const void *best_worst(const struct best *best)
{
    return best->count > 0 && best->count >= best->limit ? best->items : NULL;
}

static bool grow(struct best *best)
{
    size_t capacity = best->capacity ? best->capacity * 2 : CAPACITY_FIRST;
    size_t bytes;
    if (__builtin_mul_overflow(capacity, best->item_bytes, &bytes)) {
        return false;
    }
    uint8_t *items = mem_try_realloc(best->items, bytes);
    if (!items) {
        return false;
    }
    best->items = items;
    best->capacity = capacity;
    return true;
}

bool best_push(struct best *best, const void *item)
{
    const void *worst = best_worst(best);
    if (best->limit == 0 || (worst && best->compare(best->ctx, item, worst) >= 0)) {
        return true;
    }
    if (worst) {
        memcpy(item_at(best, 0), item, best->item_bytes);
        sift_down(best, 0, best->count);
        return true;
    }
    if (best->count == best->capacity && !grow(best)) {
        return false;
    }
    memcpy(item_at(best, best->count), item, best->item_bytes);
    sift_up(best, best->count++);
    return true;
}

void best_sort(struct best *best)
{
    for (size_t count = best->count; count > 1; count--) {
        swap(best, 0, count - 1);
        sift_down(best, 0, count - 1);
    }
}
