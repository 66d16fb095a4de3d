/* Sets of matching points. Flat bits are read a word at a time; compressed ones by the library's
 * iterator, and spread out container by container, since most members of a large set stand in
 * containers that are flat bits already.
 *
 * Threads: a set is its owner's until it is made; then anybody may read it. Failures: none but for
 * want of memory. */
#include "index/segment/match_set.h"

#include "storage/base/assert.h"
#include "storage/base/mem.h"

#include <roaring/containers/containers.h>
#include <string.h>

enum { WORD_BITS = 64, CONTAINER_BITS = 1 << 16, CONTAINER_WORDS = CONTAINER_BITS / WORD_BITS };

void match_set_init(struct match_set *set)
{
    *set = (struct match_set){0};
}

void match_set_deinit(struct match_set *set)
{
    bitmap_deinit(&set->own_bits);
    if (set->own_compressed) {
        roaring_bitmap_free(set->own_compressed);
    }
    if (set->entry) {
        match_entry_unref(set->entry);
    }
    match_set_init(set);
}

void match_set_take_bits(struct match_set *set, struct bitmap *bits)
{
    ASSERT(!set->words && !set->compressed);
    static const uint64_t none = 0;
    set->own_bits = *bits;
    bitmap_init(bits);
    set->words = set->own_bits.words ? set->own_bits.words : &none;
    set->bits = set->own_bits.bits;
    set->count = bitmap_count(&set->own_bits);
}

void match_set_take_compressed(struct match_set *set, roaring_bitmap_t *points)
{
    ASSERT(!set->words && !set->compressed);
    set->own_compressed = points;
    set->compressed = points;
    set->count = roaring_bitmap_get_cardinality(points);
}

void match_set_take_entry(struct match_set *set, struct match_entry *entry)
{
    ASSERT(!set->words && !set->compressed);
    static const uint64_t none = 0;
    set->entry = entry;
    set->words = entry->bits.words ? entry->bits.words : &none;
    set->bits = entry->bits.bits;
    set->count = entry->count;
}

bool match_set_contains(const struct match_set *set, point_offset point)
{
    if (set->words) {
        return point < set->bits && (set->words[point / WORD_BITS] >> (point % WORD_BITS) & 1) != 0;
    }
    return set->compressed && roaring_bitmap_contains(set->compressed, point);
}

static void expand_array(const array_container_t *array, uint64_t *words)
{
    for (int32_t i = 0; i < array->cardinality; i++) {
        words[array->array[i] / WORD_BITS] |= (uint64_t)1 << (array->array[i] % WORD_BITS);
    }
}

static void expand_runs(const run_container_t *runs, uint64_t *words)
{
    for (int32_t i = 0; i < runs->n_runs; i++) {
        uint32_t first = runs->runs[i].value;
        uint32_t last = first + runs->runs[i].length;
        uint64_t head = UINT64_MAX << (first % WORD_BITS);
        uint64_t tail = UINT64_MAX >> (WORD_BITS - 1 - last % WORD_BITS);
        if (first / WORD_BITS == last / WORD_BITS) {
            words[first / WORD_BITS] |= head & tail;
            continue;
        }
        words[first / WORD_BITS] |= head;
        for (uint32_t word = first / WORD_BITS + 1; word < last / WORD_BITS; word++) {
            words[word] = UINT64_MAX;
        }
        words[last / WORD_BITS] |= tail;
    }
}

/* The members of one container, into zeros. */
static void expand_container(const void *container, uint8_t type, uint64_t *words)
{
    container = container_unwrap_shared(container, &type);
    switch (type) {
    case BITSET_CONTAINER_TYPE_CODE:
        memcpy(words, ((const bitset_container_t *)container)->array,
               CONTAINER_WORDS * sizeof *words);
        break;
    case ARRAY_CONTAINER_TYPE_CODE:
        expand_array(container, words);
        break;
    default:
        expand_runs(container, words);
        break;
    }
}

bool match_set_expand(struct match_set *set)
{
    if (set->words) {
        return true;
    }
    const roaring_array_t *array = set->compressed ? &set->compressed->high_low_container : NULL;
    size_t containers = array ? (size_t)array->size : 0;
    size_t bits = containers > 0 ? ((size_t)array->keys[containers - 1] + 1) * CONTAINER_BITS : 0;
    struct bitmap flat;
    bitmap_init(&flat);
    if (!bitmap_resize(&flat, bits > 0 ? bits : 1)) {
        return false;
    }
    for (size_t i = 0; i < containers; i++) {
        expand_container(array->containers[i], array->typecodes[i],
                         flat.words + (size_t)array->keys[i] * CONTAINER_WORDS);
    }
    set->own_bits = flat;
    set->words = flat.words;
    set->bits = flat.bits;
    return true;
}

void match_walk_begin(struct match_walk *walk, const struct match_set *set, point_offset from)
{
    *walk = (struct match_walk){.set = set, .at = from};
    if (!set->words && set->compressed) {
        roaring_init_iterator(set->compressed, &walk->compressed);
        (void)roaring_move_uint32_iterator_equalorlarger(&walk->compressed, from);
    }
}

static size_t next_of_words(struct match_walk *walk, point_offset *out, size_t room)
{
    const struct match_set *set = walk->set;
    size_t taken = 0;
    while (taken < room && walk->at < set->bits) {
        size_t start = walk->at / WORD_BITS * WORD_BITS;
        uint64_t word = set->words[start / WORD_BITS] & (UINT64_MAX << (walk->at % WORD_BITS));
        for (; word != 0 && taken < room; word &= word - 1) {
            out[taken++] = (point_offset)(start + (size_t)__builtin_ctzll(word));
        }
        walk->at = word != 0 ? start + (size_t)__builtin_ctzll(word) : start + WORD_BITS;
    }
    return taken;
}

size_t match_walk_next(struct match_walk *walk, point_offset *out, size_t room)
{
    if (walk->set->words) {
        return next_of_words(walk, out, room);
    }
    if (!walk->set->compressed) {
        return 0;
    }
    uint32_t wanted = room < UINT32_MAX ? (uint32_t)room : UINT32_MAX;
    return roaring_read_uint32_iterator(&walk->compressed, out, wanted);
}
