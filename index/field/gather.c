/* Unions of postings.
 *
 * Bitmaps are united by CRoaring. Single values are collected first, and then sorted, when they are
 * few or far apart, or set as flat bits that become a set at once. */
#include "index/field/gather.h"

#include "index/field/point_bits.h"
#include "storage/base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { WORDS_PER_VALUE_MAX = 16 }; /* of flat bits; sparser values are sorted */

void gather_add(struct gather *gather, const struct posting *posting)
{
    if (posting_is_large(posting)) {
        if (gather->sets_count == gather->sets_capacity) {
            gather->sets_capacity = gather->sets_capacity * 2 + 4;
            gather->sets =
                mem_realloc(gather->sets, gather->sets_capacity * sizeof(gather->sets[0]));
        }
        gather->sets[gather->sets_count++] = posting_bitmap(posting);
        return;
    }
    uint32_t room, count;
    const uint32_t *values = posting_values(posting, &room, &count);
    if (count == 0) {
        return;
    }
    if (gather->capacity - gather->count < count) {
        gather->capacity = gather->capacity * 2 + count;
        gather->values = mem_realloc(gather->values, gather->capacity * sizeof(gather->values[0]));
    }
    memcpy(gather->values + gather->count, values, count * sizeof(values[0]));
    gather->count += count;
}

static bool is_sorted(const struct gather *gather)
{
    for (size_t i = 1; i < gather->count; i++) {
        if (gather->values[i] <= gather->values[i - 1]) {
            return false;
        }
    }
    return true;
}

static int compare_values(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

/* NULL: the values are too few for where they lie. */
static roaring_bitmap_t *set_by_bits(const struct gather *gather)
{
    uint32_t low = UINT32_MAX, high = 0;
    for (size_t i = 0; i < gather->count; i++) {
        low = gather->values[i] < low ? gather->values[i] : low;
        high = gather->values[i] > high ? gather->values[i] : high;
    }
    size_t chunks_count = (high >> POINT_CHUNK_SHIFT) - (low >> POINT_CHUNK_SHIFT) + 1;
    if (chunks_count * POINT_CHUNK_WORDS > gather->count * WORDS_PER_VALUE_MAX) {
        return NULL;
    }
    struct point_bits bits;
    point_bits_init(&bits);
    point_bits_mark(&bits, gather->values, gather->count);
    roaring_bitmap_t *set = point_bits_to_roaring(&bits);
    point_bits_deinit(&bits);
    return set;
}

static roaring_bitmap_t *set_of_values(struct gather *gather)
{
    roaring_bitmap_t *set = gather->count > 0 ? set_by_bits(gather) : roaring_bitmap_create();
    if (set) {
        return set;
    }
    if (!is_sorted(gather)) {
        qsort(gather->values, gather->count, sizeof(gather->values[0]), compare_values);
    }
    return roaring_bitmap_of_ptr(gather->count, gather->values);
}

roaring_bitmap_t *gather_finish(struct gather *gather)
{
    roaring_bitmap_t *found = set_of_values(gather);
    if (gather->sets_count > 0) {
        roaring_bitmap_t *sets = roaring_bitmap_or_many(gather->sets_count, gather->sets);
        roaring_bitmap_or_inplace(sets, found);
        roaring_bitmap_free(found);
        found = sets;
    }
    mem_free(gather->values);
    mem_free(gather->sets);
    *gather = (struct gather){0};
    return found;
}
