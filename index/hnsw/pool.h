/* The candidate pool: the ef nearest seen so far in one sorted array, each marked once it was
 * expanded. Sorted insertion into a few hundred eight-byte entries beats two heaps. One thread;
 * room is the scratch's. */
#pragma once
#include "storage/base/assert.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct candidate {
    float distance;
    uint32_t id; /* in the pool: the top bit says that it was expanded */
};
#define POOL_EXPANDED 0x80000000u

struct pool {
    struct candidate *items; /* nearest first */
    uint32_t count, limit;
    uint32_t next; /* the nearest not expanded; count: none */
};
static inline void pool_reset(struct pool *pool, uint32_t limit)
{
    pool->count = 0;
    pool->limit = limit;
    pool->next = 0;
}
/* A candidate must be nearer than this to get in. */
static inline float pool_bound(const struct pool *pool)
{
    return pool->count < pool->limit ? __builtin_inff() : pool->items[pool->count - 1].distance;
}
/* Where it belongs: after all that are as near. */
static inline uint32_t pool_place(const struct pool *pool, float distance)
{
    const struct candidate *base = pool->items;
    uint32_t left = pool->count;
    while (left > 1) { /* which half cannot be foretold, so there is no branch */
        uint32_t half = left / 2;
        uint32_t above = base[half - 1].distance <= distance;
        base += half & (0U - above);
        left -= half;
    }
    return (uint32_t)(base - pool->items) + (left == 1 && base->distance <= distance);
}
/* `place` is pool_place of its distance, and its distance is below the bound. */
static inline void pool_insert_at(struct pool *pool, uint32_t place, struct candidate candidate)
{
    DASSERT(place < pool->limit);
    uint32_t kept = pool->count < pool->limit ? pool->count : pool->limit - 1;
    memmove(&pool->items[place + 1], &pool->items[place],
            (size_t)(kept - place) * sizeof *pool->items);
    pool->items[place] = candidate;
    pool->count = kept + 1;
    if (place < pool->next) {
        pool->next = place;
    }
}
/* The nearest not yet expanded, now marked. False: all are. */
static inline bool pool_next(struct pool *pool, struct candidate *out)
{
    if (pool->next >= pool->count) {
        return false;
    }
    *out = pool->items[pool->next];
    pool->items[pool->next].id |= POOL_EXPANDED;
    do {
        pool->next++;
    } while (pool->next < pool->count && (pool->items[pool->next].id & POOL_EXPANDED) != 0);
    return true;
}
