/* Hash map from bytes to a pointer.
 *
 * Open addressing with linear probing in a table of a power of two slots, at most three quarters
 * full. Removal shifts the followers back, so there are no tombstones and a lookup ends at the
 * first empty slot. The hash is XXH3 with a seed drawn for each map: keys come from clients, who
 * must not be able to choose colliding ones.
 *
 * One owner at a time. Growing ends the process without memory (see mem.h): the map's owner bounds
 * its entries. */
#include "storage/base/hashmap.h"

#include "storage/base/assert.h"
#include "storage/base/checksum.h"
#include "storage/base/mem.h"
#include "storage/base/random.h"

#include <string.h>

enum { SLOTS_MIN = 16 };

struct slot {
    uint64_t hash;
    uint8_t *key; /* NULL: empty */
    size_t key_size;
    void *value;
};

struct hashmap {
    struct slot *slots;
    size_t slots_count; /* a power of two */
    size_t count;
    uint64_t seed;
};

struct hashmap *hashmap_create(void)
{
    struct hashmap *map = mem_zalloc(sizeof(*map));
    map->slots = mem_zalloc(SLOTS_MIN * sizeof(struct slot));
    map->slots_count = SLOTS_MIN;
    random_os_bytes(&map->seed, sizeof(map->seed));
    return map;
}

void hashmap_destroy(struct hashmap *map)
{
    if (!map) {
        return;
    }
    for (size_t i = 0; i < map->slots_count; i++) {
        mem_free(map->slots[i].key);
    }
    mem_free(map->slots);
    mem_free(map);
}

size_t hashmap_count(const struct hashmap *map)
{
    return map->count;
}

/* The slot that holds the key, or the empty slot where it would go. */
static size_t find(const struct hashmap *map, uint64_t hash, struct slice key)
{
    size_t mask = map->slots_count - 1;
    size_t at = (size_t)hash & mask;
    for (;;) {
        const struct slot *slot = &map->slots[at];
        if (!slot->key ||
            (slot->hash == hash && slice_equal(slice_of(slot->key, slot->key_size), key))) {
            return at;
        }
        at = (at + 1) & mask;
    }
}

static void grow(struct hashmap *map)
{
    struct slot *old = map->slots;
    size_t old_count = map->slots_count;
    size_t bytes;
    bool over = __builtin_mul_overflow(old_count, 2 * sizeof(struct slot), &bytes);
    ASSERT(!over);
    map->slots = mem_zalloc(bytes);
    map->slots_count = old_count * 2;
    for (size_t i = 0; i < old_count; i++) {
        if (old[i].key) {
            struct slice key = slice_of(old[i].key, old[i].key_size);
            map->slots[find(map, old[i].hash, key)] = old[i];
        }
    }
    mem_free(old);
}

void *hashmap_get(const struct hashmap *map, struct slice key)
{
    const struct slot *slot = &map->slots[find(map, checksum64_seeded(key, map->seed), key)];
    return slot->key ? slot->value : NULL;
}

void *hashmap_put(struct hashmap *map, struct slice key, void *value)
{
    uint64_t hash = checksum64_seeded(key, map->seed);
    size_t at = find(map, hash, key);
    if (map->slots[at].key) {
        void *replaced = map->slots[at].value;
        map->slots[at].value = value;
        return replaced;
    }
    if (map->count + 1 > map->slots_count / 4 * 3) {
        grow(map);
        at = find(map, hash, key);
    }
    struct slot *slot = &map->slots[at];
    *slot = (struct slot){
        .hash = hash, .key = mem_alloc(key.size), .key_size = key.size, .value = value};
    if (key.size) {
        memcpy(slot->key, key.data, key.size);
    }
    map->count++;
    return NULL;
}

void *hashmap_remove(struct hashmap *map, struct slice key)
{
    size_t mask = map->slots_count - 1;
    size_t hole = find(map, checksum64_seeded(key, map->seed), key);
    if (!map->slots[hole].key) {
        return NULL;
    }
    void *removed = map->slots[hole].value;
    mem_free(map->slots[hole].key);
    /* A follower may move into the hole unless its own home lies between the hole and where it is.
     */
    for (size_t at = (hole + 1) & mask; map->slots[at].key; at = (at + 1) & mask) {
        size_t home = (size_t)map->slots[at].hash & mask;
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            map->slots[hole] = map->slots[at];
            hole = at;
        }
    }
    map->slots[hole] = (struct slot){0};
    map->count--;
    return removed;
}

bool hashmap_next(const struct hashmap *map, size_t *cursor, struct slice *key, void **value)
{
    for (; *cursor < map->slots_count; ++*cursor) {
        const struct slot *slot = &map->slots[*cursor];
        if (slot->key) {
            *key = slice_of(slot->key, slot->key_size);
            *value = slot->value;
            ++*cursor;
            return true;
        }
    }
    return false;
}
