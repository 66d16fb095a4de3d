/* The union of many postings, as one set. */
#pragma once
#include "index/field/posting.h"

struct gather {       /* starts as {0} */
    uint32_t *values; /* of small postings, in no order, some more than once */
    size_t count, capacity;
    const roaring_bitmap_t **sets; /* of large ones, borrowed */
    size_t sets_count, sets_capacity;
};
void gather_add(struct gather *gather, const struct posting *posting);
roaring_bitmap_t *gather_finish(struct gather *gather); /* the caller's; leaves *gather as {0} */
