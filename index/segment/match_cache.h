/* Remembered answers of filters over one segment. The same filters come again and again, and
 * reading every payload is the dearest part of a filtered search.
 *
 * An entry holds the matches among the offsets below `upto`. Offsets are never used twice and a new
 * version of a point has a new offset, so an entry stays true while points come and go; only a
 * change of a payload or of a vector's presence in place makes it stale: each raises the segment's
 * epoch. The caller looks at liveness itself, and checks the offsets from `upto` on. Thread-safe.
 */
#pragma once
#include "index/vectors.h"
#include "storage/base/bitmap.h"
#include "storage/base/slice.h"

#include <pthread.h>
#include <stdatomic.h>

enum { MATCH_CACHE_ENTRIES = 32 };

struct match_entry {
    atomic_uint refs;
    uint8_t *key;
    size_t key_size;
    uint64_t epoch;
    point_offset upto; /* 0: the filter was seen, its matches were not collected */
    struct bitmap bits;
    size_t count; /* of the bits set */
    uint64_t used;
};
struct match_cache {
    pthread_mutex_t lock; /* guards entries, clock */
    struct match_entry *entries[MATCH_CACHE_ENTRIES];
    uint64_t clock;
    atomic_uint_fast64_t epoch;
};
void match_cache_init(struct match_cache *cache);
void match_cache_deinit(struct match_cache *cache);
/* Before and after (when it is committed) any change in place. */
void match_cache_invalidate(struct match_cache *cache);
uint64_t match_cache_epoch(struct match_cache *cache);
/* + reference, or NULL: not known, or stale. */
struct match_entry *match_cache_get(struct match_cache *cache, struct slice key);
/* Remembers matches as they were at `epoch`, read before they were collected; takes `bits` over
 * (may be empty: `upto` 0). */
void match_cache_put(struct match_cache *cache, struct slice key, uint64_t epoch, point_offset upto,
                     struct bitmap *bits);
void match_entry_unref(struct match_entry *entry);
