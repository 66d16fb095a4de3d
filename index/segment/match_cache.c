/* A handful of entries in an array, the least recently used goes first; lookups compare whole keys.
 */
#include "index/segment/match_cache.h"

#include "storage/base/assert.h"
#include "storage/base/mem.h"

void match_cache_init(struct match_cache *cache)
{
    memset(cache, 0, sizeof(*cache));
    ASSERT(pthread_mutex_init(&cache->lock, NULL) == 0);
}

void match_entry_unref(struct match_entry *entry)
{
    if (atomic_fetch_sub_explicit(&entry->refs, 1, memory_order_acq_rel) == 1) {
        bitmap_deinit(&entry->bits);
        mem_free(entry->key);
        mem_free(entry);
    }
}

void match_cache_deinit(struct match_cache *cache)
{
    for (size_t i = 0; i < MATCH_CACHE_ENTRIES; i++) {
        if (cache->entries[i]) {
            match_entry_unref(cache->entries[i]);
        }
    }
    pthread_mutex_destroy(&cache->lock);
}

void match_cache_invalidate(struct match_cache *cache)
{
    atomic_fetch_add_explicit(&cache->epoch, 1, memory_order_acq_rel);
}

uint64_t match_cache_epoch(struct match_cache *cache)
{
    return atomic_load_explicit(&cache->epoch, memory_order_acquire);
}

static bool has_key(const struct match_entry *entry, struct slice key)
{
    return entry && slice_equal(slice_of(entry->key, entry->key_size), key);
}

struct match_entry *match_cache_get(struct match_cache *cache, struct slice key)
{
    struct match_entry *found = NULL;
    pthread_mutex_lock(&cache->lock);
    for (size_t i = 0; i < MATCH_CACHE_ENTRIES && !found; i++) {
        if (has_key(cache->entries[i], key)) {
            found = cache->entries[i];
        }
    }
    if (found && found->epoch == match_cache_epoch(cache)) {
        found->used = ++cache->clock;
        atomic_fetch_add_explicit(&found->refs, 1, memory_order_relaxed);
    } else {
        found = NULL;
    }
    pthread_mutex_unlock(&cache->lock);
    return found;
}

/* The place of the key, or a free one, or that of the least recently used. */
static size_t place_for(const struct match_cache *cache, struct slice key)
{
    size_t place = 0;
    for (size_t i = 0; i < MATCH_CACHE_ENTRIES; i++) {
        if (has_key(cache->entries[i], key)) {
            return i;
        }
        const struct match_entry *best = cache->entries[place];
        if (best && (!cache->entries[i] || cache->entries[i]->used < best->used)) {
            place = i;
        }
    }
    return place;
}

void match_cache_put(struct match_cache *cache, struct slice key, uint64_t epoch, point_offset upto,
                     struct bitmap *bits)
{
    struct match_entry *entry = mem_zalloc(sizeof(*entry));
    atomic_init(&entry->refs, 1);
    entry->key = mem_alloc(key.size + 1);
    memcpy(entry->key, key.data, key.size);
    entry->key_size = key.size;
    entry->epoch = epoch;
    entry->upto = upto;
    entry->bits = *bits;
    entry->count = bitmap_count(bits);
    bitmap_init(bits);
    pthread_mutex_lock(&cache->lock);
    size_t place = place_for(cache, key);
    struct match_entry *old = cache->entries[place];
    entry->used = ++cache->clock;
    cache->entries[place] = entry;
    pthread_mutex_unlock(&cache->lock);
    if (old) {
        match_entry_unref(old);
    }
}
