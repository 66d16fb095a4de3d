/* An ordered multimap from 64-bit keys to points, for ranges, orders and lookups.
 *
 * A B+-tree of three levels over pairs in the order of (key, point) (Bayer and McCreight,
 * "Organization and maintenance of large ordered indexes", 1972), and beside it up to 16 slices:
 * stretches of keys with a flat bitmap of their points, so that a wide range is a few unions and
 * two ends. About 16 bytes a pair. One writer, readers excluded by the caller's lock. Nothing
 * fails. */
#pragma once
#include "index/field/point_bits.h"

struct ordered;
struct ordered *ordered_create(void);
void ordered_destroy(struct ordered *map);
/* False: the pair is there already. */
bool ordered_add(struct ordered *map, int64_t key, uint32_t point);
/* Takes a point out: `keys` are all keys that it has, in any order; repeated ones are allowed. */
void ordered_remove(struct ordered *map, uint32_t point, const int64_t *keys, size_t count);
uint64_t ordered_pairs(const struct ordered *map);
/* Pairs with low <= key <= high: O(log n). */
uint64_t ordered_count(const struct ordered *map, int64_t low, int64_t high);
/* Are there more than so many pairs with low <= key <= high? Faster than counting them. */
bool ordered_exceeds(const struct ordered *map, int64_t low, int64_t high, size_t limit);
/* A sink for points of the map. */
void ordered_sink(const struct ordered *map, struct point_sink *sink);
/* Points of the pairs with low <= key <= high. */
void ordered_collect(const struct ordered *map, int64_t low, int64_t high, struct point_sink *sink);
roaring_bitmap_t *ordered_range(const struct ordered *map, int64_t low, int64_t high);
/* Calls `each` for all pairs from the first with key >= from on (descending: from the last with
 * key <= from down); stops when it returns true and then returns true. */
bool ordered_each(const struct ordered *map, bool descending, int64_t from,
                  bool (*each)(void *ctx, int64_t key, uint32_t point), void *ctx);
size_t ordered_memory(const struct ordered *map);
