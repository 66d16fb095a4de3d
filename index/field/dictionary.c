/* A dictionary of strings.
 *
 * Strings lie one after the other in chunks that grow with their number; what removed ones leave is
 * given back by copying all living strings once more than half is dead. The hash table holds half a
 * hash beside each id: most strings that differ are told apart, and the table grows, without
 * reading them. Removal shifts the followers back, so there are no tombstones. Order:
 * dictionary_order.c.
 *
 * No locks. Memory that runs out ends the process (mem.h); the owner's points bound the strings. */
#include "index/field/dictionary.h"

#include "storage/base/assert.h"
#include "storage/base/checksum.h"
#include "storage/base/mem.h"
#include "storage/base/random.h"

enum {
    SLOTS_MIN = 16,
    CHUNK_SIZE_MIN = 512,
    CHUNK_SIZE_MAX = 1 << 20,
    DEAD_BYTES_MIN = 1 << 16, /* less is not worth a copy */
};

struct key_chunk {
    struct key_chunk *older;
    size_t size, used; /* of bytes */
    uint8_t bytes[];
};

void dictionary_init(struct dictionary *dictionary)
{
    *dictionary = (struct dictionary){.slots_count = SLOTS_MIN};
    dictionary->slots = mem_zalloc(SLOTS_MIN * sizeof(dictionary->slots[0]));
    random_os_bytes(&dictionary->seed, sizeof(dictionary->seed));
}

static void free_chunks(struct key_chunk *chunk)
{
    while (chunk) {
        struct key_chunk *older = chunk->older;
        mem_free(chunk);
        chunk = older;
    }
}

void dictionary_deinit(struct dictionary *dictionary)
{
    free_chunks(dictionary->chunks);
    for (size_t i = 0; i < dictionary->blocks_count; i++) {
        mem_free(dictionary->blocks[i]);
    }
    mem_free(dictionary->blocks);
    mem_free(dictionary->slots);
    mem_free(dictionary->free_ids);
    mem_free(dictionary->keys);
}

/* ---- strings ---- */

bool dictionary_has(const struct dictionary *dictionary, uint32_t id)
{
    return id < dictionary->ids_count && dictionary->keys[id];
}

struct slice dictionary_key(const struct dictionary *dictionary, uint32_t id)
{
    const uint8_t *at = dictionary->keys[id];
    size_t size = *at & 0x7f;
    for (unsigned shift = 7; *at++ & 0x80; shift += 7) {
        size |= (size_t)(*at & 0x7f) << shift;
    }
    return slice_of(at, size);
}

static size_t stored_size(size_t size)
{
    size_t bytes = 1;
    for (size_t rest = size >> 7; rest > 0; rest >>= 7) {
        bytes++;
    }
    return bytes + size;
}

static uint8_t *reserve(struct dictionary *dictionary, size_t size)
{
    struct key_chunk *newest = dictionary->chunks;
    if (newest && newest->size - newest->used >= size) {
        newest->used += size;
        return newest->bytes + newest->used - size;
    }
    size_t chunk_size = newest ? newest->size * 2 : CHUNK_SIZE_MIN;
    chunk_size = chunk_size > CHUNK_SIZE_MAX ? CHUNK_SIZE_MAX : chunk_size;
    bool is_large = size > chunk_size / 2;
    chunk_size = is_large ? size : chunk_size;
    struct key_chunk *chunk = mem_alloc(sizeof(*chunk) + chunk_size);
    *chunk = (struct key_chunk){.older = newest, .size = chunk_size, .used = size};
    dictionary->chunks = chunk;
    if (is_large && newest) { /* the newest goes on being filled */
        chunk->older = newest->older;
        newest->older = chunk;
        dictionary->chunks = newest;
    }
    return chunk->bytes;
}

static const uint8_t *store(struct dictionary *dictionary, struct slice key)
{
    size_t total = stored_size(key.size);
    uint8_t *bytes = reserve(dictionary, total);
    uint8_t *at = bytes;
    size_t rest = key.size;
    for (; rest >= 0x80; rest >>= 7) {
        *at++ = (uint8_t)(rest | 0x80);
    }
    *at++ = (uint8_t)rest;
    if (key.size > 0) {
        memcpy(at, key.data, key.size);
    }
    dictionary->stored_bytes += total;
    return bytes;
}

/* Copies the living strings, so that the dead ones' memory goes. */
static void compact(struct dictionary *dictionary)
{
    struct key_chunk *old = dictionary->chunks;
    dictionary->chunks = NULL;
    dictionary->stored_bytes = 0;
    dictionary->dead_bytes = 0;
    for (uint32_t id = 0; id < dictionary->ids_count; id++) {
        if (dictionary->keys[id]) {
            dictionary->keys[id] = store(dictionary, dictionary_key(dictionary, id));
        }
    }
    free_chunks(old);
}

/* ---- ids ---- */

static uint32_t take_id(struct dictionary *dictionary)
{
    if (dictionary->free_count > 0) {
        return dictionary->free_ids[--dictionary->free_count];
    }
    if (dictionary->ids_count == dictionary->ids_capacity) {
        ASSERT(dictionary->ids_count < DICTIONARY_NONE); /* memory ends before */
        dictionary->ids_capacity += dictionary->ids_capacity / 2 + 16;
        dictionary->keys =
            mem_realloc(dictionary->keys, dictionary->ids_capacity * sizeof(dictionary->keys[0]));
    }
    return dictionary->ids_count++;
}

static void give_id(struct dictionary *dictionary, uint32_t id)
{
    if (dictionary->free_count == dictionary->free_capacity) {
        dictionary->free_capacity += dictionary->free_capacity / 2 + 16;
        dictionary->free_ids = mem_realloc(
            dictionary->free_ids, dictionary->free_capacity * sizeof(dictionary->free_ids[0]));
    }
    dictionary->free_ids[dictionary->free_count++] = id;
}

/* ---- hash table ---- */

static uint32_t hash_of(const struct dictionary *dictionary, struct slice key)
{
    return (uint32_t)(checksum64_seeded(key, dictionary->seed) >> 32);
}

static size_t home_of(uint64_t slot, size_t mask)
{
    return (size_t)(slot >> 32) & mask;
}

/* The slot of the string, or the empty one where it belongs. */
static size_t find_slot(const struct dictionary *dictionary, struct slice key, uint32_t hash)
{
    size_t mask = dictionary->slots_count - 1;
    size_t at = hash & mask;
    for (; dictionary->slots[at] != 0; at = (at + 1) & mask) {
        uint64_t slot = dictionary->slots[at];
        if (slot >> 32 == hash &&
            slice_equal(dictionary_key(dictionary, (uint32_t)slot - 1), key)) {
            break;
        }
    }
    return at;
}

static void grow_slots(struct dictionary *dictionary)
{
    uint64_t *old = dictionary->slots;
    size_t old_count = dictionary->slots_count;
    dictionary->slots_count *= 2;
    dictionary->slots = mem_zalloc(dictionary->slots_count * sizeof(dictionary->slots[0]));
    size_t mask = dictionary->slots_count - 1;
    for (size_t i = 0; i < old_count; i++) {
        if (old[i] != 0) {
            size_t at = home_of(old[i], mask);
            while (dictionary->slots[at] != 0) {
                at = (at + 1) & mask;
            }
            dictionary->slots[at] = old[i];
        }
    }
    mem_free(old);
}

static void empty_slot(struct dictionary *dictionary, size_t hole)
{
    size_t mask = dictionary->slots_count - 1;
    uint64_t *slots = dictionary->slots;
    for (size_t at = (hole + 1) & mask; slots[at] != 0; at = (at + 1) & mask) {
        /* May it move back to the hole? Only if its home is not between the two. */
        if (((at - home_of(slots[at], mask)) & mask) >= ((at - hole) & mask)) {
            slots[hole] = slots[at];
            hole = at;
        }
    }
    slots[hole] = 0;
}

/* ---- the dictionary ---- */

uint32_t dictionary_find(const struct dictionary *dictionary, struct slice key)
{
    uint64_t slot = dictionary->slots[find_slot(dictionary, key, hash_of(dictionary, key))];
    return slot != 0 ? (uint32_t)slot - 1 : DICTIONARY_NONE;
}

uint32_t dictionary_put(struct dictionary *dictionary, struct slice key, bool *added)
{
    uint32_t hash = hash_of(dictionary, key);
    size_t at = find_slot(dictionary, key, hash);
    *added = dictionary->slots[at] == 0;
    if (!*added) {
        return (uint32_t)dictionary->slots[at] - 1;
    }
    if ((size_t)dictionary->count + 1 > dictionary->slots_count / 4 * 3) {
        grow_slots(dictionary);
        at = find_slot(dictionary, key, hash);
    }
    uint32_t id = take_id(dictionary);
    dictionary->keys[id] = store(dictionary, key);
    dictionary->slots[at] = (uint64_t)hash << 32 | (id + 1);
    dictionary->count++;
    dictionary->bytes += key.size;
    order_insert(dictionary, id);
    return id;
}

void dictionary_remove(struct dictionary *dictionary, uint32_t id)
{
    struct slice key = dictionary_key(dictionary, id);
    order_remove(dictionary, id);
    empty_slot(dictionary, find_slot(dictionary, key, hash_of(dictionary, key)));
    dictionary->count--;
    dictionary->bytes -= key.size;
    dictionary->dead_bytes += stored_size(key.size);
    dictionary->keys[id] = NULL;
    give_id(dictionary, id);
    if (dictionary->dead_bytes > DEAD_BYTES_MIN &&
        dictionary->dead_bytes > dictionary->stored_bytes / 2) {
        compact(dictionary);
    }
}

size_t dictionary_memory(const struct dictionary *dictionary)
{
    size_t bytes = dictionary->slots_count * sizeof(dictionary->slots[0]) +
                   dictionary->ids_capacity * sizeof(dictionary->keys[0]) +
                   dictionary->free_capacity * sizeof(dictionary->free_ids[0]) +
                   dictionary->blocks_capacity * sizeof(dictionary->blocks[0]) +
                   dictionary->blocks_count * sizeof(struct order_block);
    for (const struct key_chunk *chunk = dictionary->chunks; chunk; chunk = chunk->older) {
        bytes += sizeof(*chunk) + chunk->size;
    }
    return bytes;
}
