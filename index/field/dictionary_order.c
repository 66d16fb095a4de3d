/* The order of a dictionary's strings: ids in blocks, a list of blocks.
 *
 * Both levels are searched by halves and read strings through the ids, so the order costs little
 * more than four bytes a string. A full block is split; but one that is filled at its very end
 * stays as it is, so strings that come in order leave full blocks behind. A block that runs low
 * joins a neighbour. */
#include "index/field/dictionary.h"
#include "storage/base/assert.h"
#include "storage/base/mem.h"

struct place {
    size_t block;
    uint32_t at;
};

static bool is_before(const struct dictionary *dictionary, uint32_t id, struct slice key)
{
    return slice_compare(dictionary_key(dictionary, id), key) < 0;
}

/* The first string not before `key`; at the end of its block it is the next block's first. The end
 * is looked at first: images are in order. */
static struct place find_place(const struct dictionary *dictionary, struct slice key)
{
    size_t low = 0;
    size_t high = dictionary->blocks_count;
    if (high > 0) {
        const struct order_block *last = dictionary->blocks[high - 1];
        if (is_before(dictionary, last->ids[last->count - 1], key)) {
            return (struct place){.block = high - 1, .at = last->count};
        }
    }
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (is_before(dictionary, dictionary->blocks[middle]->ids[0], key)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == 0) {
        return (struct place){0};
    }
    const struct order_block *block = dictionary->blocks[low - 1];
    uint32_t from = 1;
    uint32_t to = block->count;
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        if (is_before(dictionary, block->ids[middle], key)) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    return (struct place){.block = low - 1, .at = from};
}

static struct order_block *insert_block(struct dictionary *dictionary, size_t at)
{
    if (dictionary->blocks_count == dictionary->blocks_capacity) {
        dictionary->blocks_capacity = dictionary->blocks_capacity * 2 + 1;
        dictionary->blocks = mem_realloc(dictionary->blocks, dictionary->blocks_capacity *
                                                                 sizeof(dictionary->blocks[0]));
    }
    memmove(&dictionary->blocks[at + 1], &dictionary->blocks[at],
            (dictionary->blocks_count - at) * sizeof(dictionary->blocks[0]));
    dictionary->blocks[at] = mem_alloc(sizeof(struct order_block));
    dictionary->blocks[at]->count = 0;
    dictionary->blocks_count++;
    return dictionary->blocks[at];
}

static void drop_block(struct dictionary *dictionary, size_t at)
{
    mem_free(dictionary->blocks[at]);
    dictionary->blocks_count--;
    memmove(&dictionary->blocks[at], &dictionary->blocks[at + 1],
            (dictionary->blocks_count - at) * sizeof(dictionary->blocks[0]));
}

static void move_ids(struct order_block *from, uint32_t at, struct order_block *to)
{
    memcpy(&to->ids[to->count], &from->ids[at], (from->count - at) * sizeof(to->ids[0]));
    to->count += from->count - at;
    from->count = at;
}

void order_insert(struct dictionary *dictionary, uint32_t id)
{
    if (dictionary->blocks_count == 0) {
        struct order_block *first = insert_block(dictionary, 0);
        first->ids[first->count++] = id;
        return;
    }
    struct place place = find_place(dictionary, dictionary_key(dictionary, id));
    struct order_block *block = dictionary->blocks[place.block];
    if (block->count == ORDER_BLOCK_IDS) {
        struct order_block *next = insert_block(dictionary, place.block + 1);
        uint32_t cut = place.at == ORDER_BLOCK_IDS ? ORDER_BLOCK_IDS : ORDER_BLOCK_IDS / 2;
        move_ids(block, cut, next);
        if (place.at > cut || cut == ORDER_BLOCK_IDS) {
            block = next;
            place.at -= cut;
        }
    }
    memmove(&block->ids[place.at + 1], &block->ids[place.at],
            (block->count - place.at) * sizeof(block->ids[0]));
    block->ids[place.at] = id;
    block->count++;
}

/* Joins a block with the next one when both together are half of one. */
static bool join_next(struct dictionary *dictionary, size_t at)
{
    if (at + 1 >= dictionary->blocks_count) {
        return false;
    }
    struct order_block *block = dictionary->blocks[at];
    struct order_block *next = dictionary->blocks[at + 1];
    if (block->count + next->count > ORDER_BLOCK_IDS / 2) {
        return false;
    }
    move_ids(next, 0, block);
    drop_block(dictionary, at + 1);
    return true;
}

void order_remove(struct dictionary *dictionary, uint32_t id)
{
    struct place place = find_place(dictionary, dictionary_key(dictionary, id));
    if (place.at == dictionary->blocks[place.block]->count) {
        place = (struct place){.block = place.block + 1};
    }
    ASSERT(place.block < dictionary->blocks_count);
    struct order_block *block = dictionary->blocks[place.block];
    ASSERT(block->ids[place.at] == id);
    block->count--;
    memmove(&block->ids[place.at], &block->ids[place.at + 1],
            (block->count - place.at) * sizeof(block->ids[0]));
    if (block->count == 0) {
        drop_block(dictionary, place.block);
    } else if (!join_next(dictionary, place.block) && place.block > 0) {
        join_next(dictionary, place.block - 1);
    }
}

void dictionary_each_between(const struct dictionary *dictionary, struct slice low,
                             struct slice high, void (*each)(void *ctx, uint32_t id), void *ctx)
{
    struct place place = find_place(dictionary, low);
    struct place end = {.block = dictionary->blocks_count};
    if (high.data) {
        end = find_place(dictionary, high);
    }
    for (; place.block <= end.block && place.block < dictionary->blocks_count;
         place = (struct place){.block = place.block + 1}) {
        const struct order_block *block = dictionary->blocks[place.block];
        uint32_t to = place.block == end.block ? end.at : block->count;
        for (uint32_t at = place.at; at < to; at++) {
            each(ctx, block->ids[at]);
        }
    }
}
