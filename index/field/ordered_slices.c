/* The slices of an ordered multimap: stretches of keys with a flat bitmap of their points.
 *
 * There are at most 16. One that has grown beyond an eighth of all pairs is halved at its middle
 * key, unless it is one key; when that makes one too many, the two neighbours that are smallest
 * together are joined. So a range's ends, which are walked, are an eighth each at most, and the
 * work of halving is paid by the pairs that came since. Slices pay where points are dense: below
 * half a point a place, or below 65,536 pairs, there are none. */
#include "index/field/ordered_int.h"
#include "storage/base/assert.h"

#include <string.h>

enum { SLICE_SHARE = 8, CHUNK_PAIRS_MIN = 32768 };

void slices_drop(struct ordered *map)
{
    for (size_t i = 0; i < map->slices_count; i++)
        point_bits_deinit(&map->slices[i].bits);
    map->slices_count = 0;
}

static size_t slice_of_key(const struct ordered *map, int64_t key)
{
    size_t at = 0;
    while (at + 1 < map->slices_count && map->slices[at + 1].low <= key)
        at++;
    return at;
}

static void mark_span(void *ctx, const int64_t *keys, const uint32_t *points, size_t count)
{
    (void)keys;
    point_bits_mark(ctx, points, count);
}

static void fill(const struct ordered *map, struct ordered_slice *slice, int64_t high)
{
    point_bits_deinit(&slice->bits);
    ordered_spans(map, slice->low, high, mark_span, &slice->bits);
    point_bits_recount(&slice->bits);
    slice->pairs = ordered_count(map, slice->low, high);
    slice->split_at = 0;
}

struct middle {
    uint64_t left; /* pairs to pass */
    int64_t low;
    bool found;
    int64_t key;
};

/* The first key from the middle on that is not the slice's first. */
static void find_middle(void *ctx, const int64_t *keys, const uint32_t *points, size_t count)
{
    struct middle *middle = ctx;
    (void)points;
    if (middle->found)
        return;
    if (middle->left >= count) {
        middle->left -= count;
        return;
    }
    for (size_t i = (size_t)middle->left; i < count && !middle->found; i++) {
        middle->found = keys[i] > middle->low;
        middle->key = keys[i];
    }
    middle->left = 0;
}

static void join_smallest(struct ordered *map)
{
    size_t best = 0;
    uint64_t best_pairs = UINT64_MAX;
    for (size_t i = 0; i + 1 < map->slices_count; i++) {
        uint64_t pairs = map->slices[i].pairs + map->slices[i + 1].pairs;
        if (pairs < best_pairs) {
            best = i;
            best_pairs = pairs;
        }
    }
    struct ordered_slice *into = &map->slices[best], *from = into + 1;
    point_bits_or(&into->bits, &from->bits);
    point_bits_recount(&into->bits);
    point_bits_deinit(&from->bits);
    into->pairs = best_pairs;
    into->split_at = 0;
    memmove(from, from + 1, (map->slices_count - best - 2) * sizeof(*from));
    map->slices_count--;
}

/* False: it cannot be halved. */
static bool halve(struct ordered *map, size_t at)
{
    struct ordered_slice *slice = &map->slices[at];
    int64_t high = at + 1 < map->slices_count ? slice[1].low - 1 : INT64_MAX;
    struct middle middle = {.left = slice->pairs / 2, .low = slice->low};
    /* The lowest slice begins below its first key. */
    struct ordered_place first = ordered_seek(map, slice->low);
    ASSERT(first.inner < map->inners_count);
    middle.low = leaf_keys(map->inners[first.inner]->leaves[first.leaf])[first.at];
    ordered_spans(map, slice->low, high, find_middle, &middle);
    if (!middle.found) {
        slice->split_at = slice->pairs * 2;
        return false;
    }
    memmove(slice + 2, slice + 1, (map->slices_count - at - 1) * sizeof(*slice));
    map->slices_count++;
    slice[1] = (struct ordered_slice){.low = middle.key};
    fill(map, slice, middle.key - 1);
    fill(map, slice + 1, high);
    if (map->slices_count > SLICES_MAX)
        join_smallest(map);
    return true;
}

static bool is_large(const struct ordered *map, const struct ordered_slice *slice)
{
    return slice->pairs > map->pairs / SLICE_SHARE && slice->pairs >= slice->split_at &&
           slice->pairs > 1;
}

static void create_slices(struct ordered *map)
{
    roaring_statistics_t statistics;
    roaring_bitmap_statistics(map->present, &statistics);
    map->slices_next_at = map->pairs * 2;
    if (map->pairs / CHUNK_PAIRS_MIN < statistics.n_containers)
        return;
    map->slices[0] = (struct ordered_slice){.low = INT64_MIN};
    map->slices_count = 1;
    fill(map, &map->slices[0], INT64_MAX);
    for (size_t i = 0; i < map->slices_count && map->slices_count < SLICES_MAX;) {
        if (!is_large(map, &map->slices[i]) || !halve(map, i))
            i++;
    }
}

void slices_added(struct ordered *map, int64_t key, uint32_t point)
{
    if (map->slices_count == 0) {
        if (map->pairs >= map->slices_next_at)
            create_slices(map);
        return;
    }
    size_t at = slice_of_key(map, key);
    point_bits_add(&map->slices[at].bits, point);
    map->slices[at].pairs++;
    if (is_large(map, &map->slices[at]))
        (void)halve(map, at);
}

void slices_removed(struct ordered *map, int64_t key, uint32_t point)
{
    if (map->slices_count == 0)
        return;
    size_t at = slice_of_key(map, key);
    point_bits_remove(&map->slices[at].bits, point);
    map->slices[at].pairs--;
    if (map->pairs < SLICES_PAIRS_MIN / 2) {
        slices_drop(map);
        map->slices_next_at = SLICES_PAIRS_MIN;
    }
}
