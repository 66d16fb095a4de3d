/* Strings and small dense numbers for them: by hash, and in the order of their bytes. Numbers of
 * strings that went are used again. One writer, or any readers. */
#pragma once
#include "storage/base/slice.h"

enum { DICTIONARY_NONE = 0x7fffffff, ORDER_BLOCK_IDS = 256 };

struct key_chunk;
struct order_block {
    uint32_t count;
    uint32_t ids[ORDER_BLOCK_IDS];
};
struct dictionary {
    const uint8_t **keys; /* by id: the size, seven bits a byte, then the bytes; NULL: free */
    uint32_t ids_count, ids_capacity;
    uint32_t *free_ids;
    size_t free_count, free_capacity;
    uint32_t count;
    size_t bytes; /* of the strings */
    /* Open addressing: upper half of the hash, lower half id + 1; 0: empty. */
    uint64_t *slots;
    size_t slots_count;
    uint64_t seed; /* clients must not be able to choose colliding strings */
    struct key_chunk *chunks;
    size_t stored_bytes, dead_bytes; /* of sizes and strings in chunks */
    struct order_block **blocks;     /* none is empty */
    size_t blocks_count, blocks_capacity;
};
void dictionary_init(struct dictionary *dictionary);
void dictionary_deinit(struct dictionary *dictionary);
/* The id of a string, a new one when it was not there. Strings of 4 GiB are not for it. */
uint32_t dictionary_put(struct dictionary *dictionary, struct slice key, bool *added);
uint32_t dictionary_find(const struct dictionary *dictionary, struct slice key); /* or NONE */
void dictionary_remove(struct dictionary *dictionary, uint32_t id);
bool dictionary_has(const struct dictionary *dictionary, uint32_t id);
/* Valid until the dictionary changes. */
struct slice dictionary_key(const struct dictionary *dictionary, uint32_t id);
/* The ids of the strings from `low` to below `high` (data NULL: to the end), in order. */
void dictionary_each_between(const struct dictionary *dictionary, struct slice low,
                             struct slice high, void (*each)(void *ctx, uint32_t id), void *ctx);
size_t dictionary_memory(const struct dictionary *dictionary);

/* ---- dictionary_order.c, for dictionary.c: ids by their strings, in blocks ---- */
void order_insert(struct dictionary *dictionary, uint32_t id);
void order_remove(struct dictionary *dictionary, uint32_t id);
