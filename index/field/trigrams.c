/* An index of trigrams.
 *
 * A hash table from trigrams to postings. Trigrams stay in the table once seen (there are 2^24 at
 * most), with an empty posting when their last text went. A piece of a pattern is looked up by its
 * rarest trigrams only: each one more costs an intersection and soon takes away little, and what
 * stays is tested anyway. */
#include "index/field/trigrams.h"

#include "index/text/trigram.h"
#include "storage/base/mem.h"

#include <stdlib.h>

enum {
    SLOTS_MIN = 64,
    RAREST_MAX = 6,  /* trigrams that a piece is looked up by */
    FEW_ENOUGH = 64, /* texts that are tested rather than thinned out further */
    HASH_SHIFT = 32,
};

struct slot {
    uint32_t gram_plus_one; /* 0: empty */
    struct posting posting;
};
struct trigrams {
    struct slot *slots;
    size_t slots_count; /* a power of two */
    size_t count;
};

struct trigrams *trigrams_create(void)
{
    struct trigrams *trigrams = mem_zalloc(sizeof(*trigrams));
    trigrams->slots = mem_zalloc(SLOTS_MIN * sizeof(trigrams->slots[0]));
    trigrams->slots_count = SLOTS_MIN;
    return trigrams;
}

void trigrams_destroy(struct trigrams *trigrams)
{
    if (!trigrams) {
        return;
    }
    for (size_t i = 0; i < trigrams->slots_count; i++) {
        posting_clear(&trigrams->slots[i].posting);
    }
    mem_free(trigrams->slots);
    mem_free(trigrams);
}

/* The trigram's slot, or the empty one where it belongs. Fibonacci hashing: the table has all of
 * the few there are, so no choice of texts makes it slow. */
static struct slot *find_slot(const struct trigrams *trigrams, uint32_t gram)
{
    size_t mask = trigrams->slots_count - 1;
    size_t at = (size_t)(gram * UINT64_C(0x9e3779b97f4a7c15) >> HASH_SHIFT) & mask;
    while (trigrams->slots[at].gram_plus_one != 0 &&
           trigrams->slots[at].gram_plus_one != gram + 1) {
        at = (at + 1) & mask;
    }
    return &trigrams->slots[at];
}

static void grow(struct trigrams *trigrams)
{
    struct slot *old = trigrams->slots;
    size_t old_count = trigrams->slots_count;
    trigrams->slots_count *= 2;
    trigrams->slots = mem_zalloc(trigrams->slots_count * sizeof(trigrams->slots[0]));
    for (size_t i = 0; i < old_count; i++) {
        if (old[i].gram_plus_one != 0) {
            *find_slot(trigrams, old[i].gram_plus_one - 1) = old[i];
        }
    }
    mem_free(old);
}

struct changing {
    struct trigrams *trigrams;
    uint32_t number;
};

static void add_gram(void *ctx, uint32_t gram)
{
    const struct changing *changing = ctx;
    struct trigrams *trigrams = changing->trigrams;
    struct slot *slot = find_slot(trigrams, gram);
    if (slot->gram_plus_one == 0) {
        if (trigrams->count + 1 > trigrams->slots_count / 4 * 3) {
            grow(trigrams);
            slot = find_slot(trigrams, gram);
        }
        slot->gram_plus_one = gram + 1;
        trigrams->count++;
    }
    posting_add(&slot->posting, changing->number);
}

void trigrams_add(struct trigrams *trigrams, uint32_t number, struct slice text)
{
    struct changing changing = {.trigrams = trigrams, .number = number};
    trigram_each(text, add_gram, &changing);
}

static void remove_gram(void *ctx, uint32_t gram)
{
    const struct changing *changing = ctx;
    posting_remove(&find_slot(changing->trigrams, gram)->posting, changing->number);
}

void trigrams_remove(struct trigrams *trigrams, uint32_t number, struct slice text)
{
    struct changing changing = {.trigrams = trigrams, .number = number};
    trigram_each(text, remove_gram, &changing);
}

/* ---- finding ---- */

struct rare {
    const struct posting *posting;
    uint64_t count;
};

static int compare_rare(const void *a, const void *b)
{
    const struct rare *left = a, *right = b;
    return (left->count > right->count) - (left->count < right->count);
}

static roaring_bitmap_t *find_piece(const struct trigrams *trigrams,
                                    const struct pattern_piece *piece)
{
    struct rare *rare = mem_alloc(piece->count * sizeof(rare[0]));
    for (size_t i = 0; i < piece->count; i++) {
        const struct posting *posting = &find_slot(trigrams, piece->grams[i])->posting;
        rare[i] = (struct rare){.posting = posting, .count = posting_count(posting)};
    }
    qsort(rare, piece->count, sizeof(rare[0]), compare_rare);
    roaring_bitmap_t *found = posting_copy(rare[0].posting);
    uint64_t left = rare[0].count;
    for (size_t i = 1; i < piece->count && i < RAREST_MAX && left > FEW_ENOUGH; i++) {
        roaring_bitmap_t *other = posting_copy(rare[i].posting);
        roaring_bitmap_and_inplace(found, other);
        roaring_bitmap_free(other);
        left = roaring_bitmap_get_cardinality(found);
    }
    mem_free(rare);
    return found;
}

static roaring_bitmap_t *find_clause(const struct trigrams *trigrams,
                                     const struct pattern_clause *clause)
{
    roaring_bitmap_t *found = find_piece(trigrams, &clause->pieces[0]);
    for (size_t i = 1; i < clause->count; i++) {
        roaring_bitmap_t *other = find_piece(trigrams, &clause->pieces[i]);
        roaring_bitmap_or_inplace(found, other);
        roaring_bitmap_free(other);
    }
    return found;
}

roaring_bitmap_t *trigrams_find(const struct trigrams *trigrams, struct pattern_needs needs)
{
    if (needs.count == 0) {
        return NULL;
    }
    roaring_bitmap_t *found = find_clause(trigrams, &needs.clauses[0]);
    for (size_t i = 1; i < needs.count && !roaring_bitmap_is_empty(found); i++) {
        roaring_bitmap_t *other = find_clause(trigrams, &needs.clauses[i]);
        roaring_bitmap_and_inplace(found, other);
        roaring_bitmap_free(other);
    }
    return found;
}

size_t trigrams_memory(const struct trigrams *trigrams)
{
    size_t bytes = sizeof(*trigrams) + trigrams->slots_count * sizeof(trigrams->slots[0]);
    for (size_t i = 0; i < trigrams->slots_count; i++) {
        bytes += posting_memory(&trigrams->slots[i].posting);
    }
    return bytes;
}
