/* The dictionary of a text index.
 *
 * Open addressing with linear probing, at most three quarters full; removal shifts the followers
 * back. Texts lie one after the other; when more than half of that is of terms that went, it is
 * written anew, so changing texts do not pile up. The caller makes a list for every term it puts.
 * No memory ends the process. */
#include "index/field/text_terms.h"

#include "storage/base/assert.h"
#include "storage/base/checksum.h"
#include "storage/base/mem.h"
#include "storage/base/random.h"

enum { SLOTS_MIN = 64, ITEMS_MIN = 32, DEAD_BYTES_MIN = 65536 };

void text_terms_init(struct text_terms *terms, bool positions)
{
    *terms = (struct text_terms){
        .slots_count = SLOTS_MIN, .free_first = TERM_NONE, .lists = {.positions = positions}};
    terms->slots = mem_zalloc(SLOTS_MIN * sizeof(terms->slots[0]));
    buffer_init(&terms->texts, 0);
    random_os_bytes(&terms->seed, sizeof(terms->seed));
}

void text_terms_deinit(struct text_terms *terms)
{
    for (uint32_t i = 0; i < terms->items_count; i++) {
        if (terms->items[i].size > 0) {
            text_list_clear(&terms->lists, &terms->items[i].list);
        }
    }
    mem_free(terms->items);
    mem_free(terms->slots);
    buffer_deinit(&terms->texts);
}

struct slice text_terms_at(const struct text_terms *terms, uint32_t term)
{
    return slice_of(terms->texts.data + terms->items[term].at, terms->items[term].size);
}

/* The slot of the text, or the empty one where it would be. */
static uint32_t find_slot(const struct text_terms *terms, struct slice text, uint32_t hash)
{
    uint32_t mask = terms->slots_count - 1;
    uint32_t at = hash & mask;
    while (terms->slots[at] != 0) {
        uint32_t term = terms->slots[at] - 1;
        if (terms->items[term].hash == hash && slice_equal(text_terms_at(terms, term), text)) {
            break;
        }
        at = (at + 1) & mask;
    }
    return at;
}

static uint32_t hash_of(const struct text_terms *terms, struct slice text)
{
    return (uint32_t)(checksum64_seeded(text, terms->seed) >> 32);
}

uint32_t text_terms_find(const struct text_terms *terms, struct slice text)
{
    uint32_t slot = terms->slots[find_slot(terms, text, hash_of(terms, text))];
    return slot ? slot - 1 : TERM_NONE;
}

static void grow_slots(struct text_terms *terms)
{
    ASSERT(terms->slots_count <= UINT32_MAX / 4);
    terms->slots_count *= 2;
    mem_free(terms->slots);
    terms->slots = mem_zalloc(terms->slots_count * sizeof(terms->slots[0]));
    uint32_t mask = terms->slots_count - 1;
    for (uint32_t i = 0; i < terms->items_count; i++) {
        if (terms->items[i].size == 0) {
            continue;
        }
        uint32_t at = terms->items[i].hash & mask;
        while (terms->slots[at] != 0) {
            at = (at + 1) & mask;
        }
        terms->slots[at] = i + 1;
    }
}

static uint32_t take_number(struct text_terms *terms)
{
    uint32_t term = terms->free_first;
    if (term != TERM_NONE) {
        terms->free_first = (uint32_t)terms->items[term].at;
        return term;
    }
    if (terms->items_count == terms->items_capacity) {
        size_t capacity = terms->items_capacity + terms->items_capacity / 4 + ITEMS_MIN;
        ASSERT(capacity < TERM_NONE);
        terms->items = mem_realloc(terms->items, capacity * sizeof(terms->items[0]));
        terms->items_capacity = (uint32_t)capacity;
    }
    return terms->items_count++;
}

uint32_t text_terms_put(struct text_terms *terms, struct slice text)
{
    ASSERT(text.size > 0 && text.size <= UINT32_MAX);
    uint32_t hash = hash_of(terms, text);
    uint32_t slot = find_slot(terms, text, hash);
    if (terms->slots[slot] != 0) {
        return terms->slots[slot] - 1;
    }
    if (terms->count >= terms->slots_count / 4 * 3) {
        grow_slots(terms);
        slot = find_slot(terms, text, hash);
    }
    uint32_t term = take_number(terms);
    terms->items[term] =
        (struct text_term){.hash = hash, .size = (uint32_t)text.size, .at = terms->texts.size};
    buffer_append_slice(&terms->texts, text);
    terms->slots[slot] = term + 1;
    terms->count++;
    return term;
}

static void write_texts_anew(struct text_terms *terms)
{
    struct buffer texts;
    buffer_init(&texts, 0);
    buffer_reserve(&texts, terms->texts.size - terms->dead_bytes);
    for (uint32_t i = 0; i < terms->items_count; i++) {
        if (terms->items[i].size > 0) {
            struct slice text = text_terms_at(terms, i);
            terms->items[i].at = texts.size;
            buffer_append_slice(&texts, text);
        }
    }
    buffer_deinit(&terms->texts);
    terms->texts = texts;
    terms->dead_bytes = 0;
}

void text_terms_remove(struct text_terms *terms, uint32_t term)
{
    struct text_term *item = &terms->items[term];
    ASSERT(item->size > 0 && item->list.points_count == 0);
    uint32_t mask = terms->slots_count - 1;
    uint32_t hole = find_slot(terms, text_terms_at(terms, term), item->hash);
    for (uint32_t at = (hole + 1) & mask; terms->slots[at] != 0; at = (at + 1) & mask) {
        uint32_t home = terms->items[terms->slots[at] - 1].hash & mask;
        if (((at - home) & mask) >= ((at - hole) & mask)) { /* its way goes through the hole */
            terms->slots[hole] = terms->slots[at];
            hole = at;
        }
    }
    terms->slots[hole] = 0;
    terms->count--;
    terms->dead_bytes += item->size;
    *item = (struct text_term){.at = terms->free_first};
    terms->free_first = term;
    if (terms->dead_bytes > DEAD_BYTES_MIN && terms->dead_bytes > terms->texts.size / 2) {
        write_texts_anew(terms);
    }
}

size_t text_terms_memory(const struct text_terms *terms)
{
    return terms->items_capacity * sizeof(terms->items[0]) +
           terms->slots_count * sizeof(terms->slots[0]) + terms->texts.capacity +
           terms->lists.bytes;
}
