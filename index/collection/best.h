/* The best of many items: a heap that keeps `limit` of them, the worst at its root. Memory grows
 * with what is kept, so a limit may be as large as a client likes. Not thread-safe. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct best {
    uint8_t *items; /* after best_sort: best first */
    size_t item_bytes, count, capacity;
    uint64_t limit;
    int (*compare)(const void *ctx, const void *a, const void *b); /* <0: a is better */
    const void *ctx;
};
void best_init(struct best *best, size_t item_bytes, uint64_t limit,
               int (*compare)(const void *ctx, const void *a, const void *b), const void *ctx);
void best_deinit(struct best *best);
void best_clear(struct best *best); /* empty, as new */
/* The worst item kept, which a better one would replace; NULL while there is room. */
const void *best_worst(const struct best *best);
/* Keeps a copy of the item if it is good enough. False: no memory. */
bool best_push(struct best *best, const void *item);
void best_sort(struct best *best); /* no pushes after */
static inline const void *best_at(const struct best *best, size_t index)
{
    return best->items + index * best->item_bytes;
}
