/* The points that a filter accepts, known one and all: few of them compressed, many as flat bits. A
 * set of a few thousand among millions is never spread out unless somebody asks for its bits.
 *
 * A set may be older than the vectors: points beyond its end are not in it, and members may have
 * gone since. Nobody changes a set once it is made; match_set_expand is its owner's. */
#pragma once
#include "index/segment/match_cache.h"
#include "index/vectors.h"
#include "storage/base/bitmap.h"

#include <roaring/roaring.h>

struct match_set {
    const uint64_t *words; /* flat bits, the rest of the last word 0; NULL: only compressed */
    size_t bits;           /* of `words` */
    const roaring_bitmap_t *compressed; /* NULL: only flat */
    size_t count;
    /* What it owns. */
    struct bitmap own_bits;
    roaring_bitmap_t *own_compressed;
    struct match_entry *entry;
};
void match_set_init(struct match_set *set); /* empty */
void match_set_deinit(struct match_set *set);
/* An empty set becomes these points. The bitmap is empty afterwards. */
void match_set_take_bits(struct match_set *set, struct bitmap *bits);
void match_set_take_compressed(struct match_set *set, roaring_bitmap_t *points);
void match_set_take_entry(struct match_set *set, struct match_entry *entry); /* and its reference */
static inline size_t match_set_count(const struct match_set *set)
{
    return set->count;
}
bool match_set_contains(const struct match_set *set, point_offset point);
/* Makes `words` there, at the cost of one pass over the members and bits / 8 bytes. False: no
 * memory. */
bool match_set_expand(struct match_set *set);

/* The members in ascending order. */
struct match_walk {
    const struct match_set *set;
    size_t at; /* flat: the next bit to look at */
    roaring_uint32_iterator_t compressed;
};
void match_walk_begin(struct match_walk *walk, const struct match_set *set, point_offset from);
/* The next members, at most `room`; returns how many, 0 at the end. */
size_t match_walk_next(struct match_walk *walk, point_offset *out, size_t room);
