/* The tree and the slices of an ordered multimap, for its files.
 *
 * A leaf is one allocation: points, then keys, with room in steps, so that half-full leaves cost
 * little. Inner nodes have the first pair and the count of each leaf, so that walking down touches
 * few cache lines; the root has the same of each inner node. A leaf's first pair as its parent has
 * it may have gone: it is then a lower bound, above all pairs before. No node is empty. */
#pragma once
#include "index/field/ordered.h"

enum {
    LEAF_PAIRS_MAX = 256,
    LEAF_STEP = 32, /* pairs */
    INNER_LEAVES_MAX = 256,
    SLICES_MAX = 16,
    SLICES_PAIRS_MIN = 65536, /* smaller maps have none */
};
struct leaf {
    uint64_t capacity; /* pairs, a multiple of LEAF_STEP */
    uint32_t points[]; /* then as many keys */
};
struct inner {
    uint32_t count;
    uint64_t pairs;
    int64_t keys[INNER_LEAVES_MAX];
    uint32_t points[INNER_LEAVES_MAX];
    uint16_t counts[INNER_LEAVES_MAX];
    struct leaf *leaves[INNER_LEAVES_MAX];
};
struct ordered_slice { /* keys from `low` up to the next slice's */
    int64_t low;
    uint64_t pairs;
    uint64_t split_at; /* pairs at which halving is tried */
    struct point_bits bits;
};
struct ordered {
    struct inner **inners;
    int64_t *keys; /* first pair of each inner node */
    uint32_t *points;
    size_t inners_count, inners_capacity;
    uint64_t pairs;
    roaring_bitmap_t *present, *several; /* points with a pair, with more than one */
    struct ordered_slice slices[SLICES_MAX + 1];
    size_t slices_count;     /* 0: none */
    uint64_t slices_next_at; /* pairs at which they are looked at again */
};
struct ordered_place {
    size_t inner;
    uint32_t leaf, at;
};
static inline const int64_t *leaf_keys(const struct leaf *leaf)
{
    return (const int64_t *)(const void *)(leaf->points + leaf->capacity);
}
/* The first pair not before (key, 0); inner == inners_count: there is none. */
struct ordered_place ordered_seek(const struct ordered *map, int64_t key);
/* The pair before a place; false: there is none. */
bool ordered_step_back(const struct ordered *map, struct ordered_place *place);
/* Calls `each` with the stretches of pairs that have low <= key <= high. */
void ordered_spans(const struct ordered *map, int64_t low, int64_t high,
                   void (*each)(void *ctx, const int64_t *keys, const uint32_t *points,
                                size_t count),
                   void *ctx);

/* ordered_slices.c: what the tree tells its slices. */
void slices_added(struct ordered *map, int64_t key, uint32_t point);
void slices_removed(struct ordered *map, int64_t key, uint32_t point);
void slices_drop(struct ordered *map);
