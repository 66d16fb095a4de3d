/* A set of words: open addressing with linear probing, at most half full, the bytes of all words
 * one after the other. Nothing is taken out. The owner bounds the words; no memory ends the
 * process. */
#include "index/text/word_set.h"

#include "storage/base/checksum.h"
#include "storage/base/mem.h"
#include "storage/base/random.h"

enum { SLOTS_MIN = 16 };

void word_set_init(struct word_set *set)
{
    *set = (struct word_set){.slots_count = SLOTS_MIN};
    buffer_init(&set->bytes, 0);
    set->slots = mem_zalloc(SLOTS_MIN * sizeof(set->slots[0]));
    random_os_bytes(&set->seed, sizeof(set->seed));
}

void word_set_deinit(struct word_set *set)
{
    buffer_deinit(&set->bytes);
    mem_free(set->entries);
    mem_free(set->slots);
}

struct slice word_set_at(const struct word_set *set, uint32_t number)
{
    const struct word_entry *entry = &set->entries[number];
    return slice_of(set->bytes.data + entry->at, entry->size);
}

/* The slot of the word, or the empty one where it would be. */
static uint32_t *find_slot(const struct word_set *set, struct slice word, uint64_t hash)
{
    uint32_t mask = set->slots_count - 1;
    uint32_t at = (uint32_t)hash & mask;
    while (set->slots[at] != 0) {
        uint32_t number = set->slots[at] - 1;
        if (set->entries[number].hash == hash && slice_equal(word_set_at(set, number), word)) {
            break;
        }
        at = (at + 1) & mask;
    }
    return &set->slots[at];
}

static void grow(struct word_set *set)
{
    set->slots_count *= 2;
    set->entries = mem_realloc(set->entries, set->slots_count / 2 * sizeof(set->entries[0]));
    mem_free(set->slots);
    set->slots = mem_zalloc(set->slots_count * sizeof(set->slots[0]));
    for (uint32_t i = 0; i < set->count; i++) {
        *find_slot(set, word_set_at(set, i), set->entries[i].hash) = i + 1;
    }
}

uint32_t word_set_find(const struct word_set *set, struct slice word)
{
    uint32_t *slot = find_slot(set, word, checksum64_seeded(word, set->seed));
    return *slot ? *slot - 1 : WORD_NONE;
}

uint32_t word_set_add(struct word_set *set, struct slice word)
{
    uint64_t hash = checksum64_seeded(word, set->seed);
    uint32_t *slot = find_slot(set, word, hash);
    if (*slot) {
        return *slot - 1;
    }
    if (set->count == WORD_SET_MAX) {
        return WORD_NONE;
    }
    if (!set->entries || set->count == set->slots_count / 2) {
        grow(set);
        slot = find_slot(set, word, hash);
    }
    set->entries[set->count] =
        (struct word_entry){.at = set->bytes.size, .size = word.size, .hash = hash};
    buffer_append_slice(&set->bytes, word);
    *slot = ++set->count;
    return set->count - 1;
}
