/* Which texts have which trigrams: the index behind pattern conditions. A text is known by a
 * number; who asks gets a superset of the texts that match, to be tested one by one. One writer, or
 * any readers. */
#pragma once
#include "index/field/posting.h"
#include "index/text/pattern.h"

struct trigrams;
struct trigrams *trigrams_create(void);
void trigrams_destroy(struct trigrams *trigrams); /* may be NULL */
void trigrams_add(struct trigrams *trigrams, uint32_t number, struct slice text);
/* What was added. A number's texts go together: what two of them share goes with the first. */
void trigrams_remove(struct trigrams *trigrams, uint32_t number, struct slice text);
/* The numbers of texts that may match (the caller's, to free), or NULL: the pattern needs nothing
 * that trigrams could tell. */
roaring_bitmap_t *trigrams_find(const struct trigrams *trigrams, struct pattern_needs needs);
size_t trigrams_memory(const struct trigrams *trigrams);
