/* A set of numbers in a word: none, one, a few in an array, or many in a bitmap. For sets of which
 * there are as many as values: most are tiny. All zero is the empty set. */
#pragma once
#include "storage/base/buffer.h"
#include "storage/base/reader.h"

#include <roaring/roaring.h>

struct posting {
    uint64_t word;
};
bool posting_add(struct posting *posting, uint32_t value);    /* false: it was there */
bool posting_remove(struct posting *posting, uint32_t value); /* false: it was not there */
void posting_clear(struct posting *posting);                  /* gives the memory back */
static inline bool posting_is_empty(const struct posting *posting)
{
    return posting->word == 0;
}
bool posting_is_large(const struct posting *posting);                  /* a bitmap */
const roaring_bitmap_t *posting_bitmap(const struct posting *posting); /* of a large one */
/* Those of a small one, ascending; `room` is for a single one. */
const uint32_t *posting_values(const struct posting *posting, uint32_t *room, uint32_t *count);
uint64_t posting_count(const struct posting *posting);
uint64_t posting_count_among(const struct posting *posting, const roaring_bitmap_t *among);
roaring_bitmap_t *posting_copy(const struct posting *posting); /* the caller's, to free */
/* Ascending; stops when `each` returns false. */
void posting_each(const struct posting *posting, roaring_iterator each, void *ctx);
size_t posting_memory(const struct posting *posting); /* beside the word itself */
/* How many u32, then the first and the distances, seven bits a byte. */
void posting_save(const struct posting *posting, struct buffer *out);
/* Into an empty set; false: the bytes are damaged, or a value is above `value_max`. */
bool posting_load(struct posting *posting, struct reader *image, uint32_t value_max);
