/* Reading an ordered multimap: stretches of pairs, counts, ranges, both orders.
 *
 * A range takes the slices that lie within it as they are and walks the leaves for its two ends.
 * Where every point has one pair, the points outside of the range are collected instead when they
 * are fewer. */
#include "index/field/ordered_int.h"
#include "storage/base/assert.h"

enum { CACHE_LINE_POINTS = 16 };

struct span { /* of the leaf at a place, from the place on */
    const int64_t *keys;
    const uint32_t *points;
    size_t count;
};

static struct span span_at(const struct ordered *map, struct ordered_place place)
{
    const struct inner *inner = map->inners[place.inner];
    const struct leaf *leaf = inner->leaves[place.leaf];
    return (struct span){.keys = leaf_keys(leaf) + place.at,
                         .points = leaf->points + place.at,
                         .count = (size_t)inner->counts[place.leaf] - place.at};
}

static void next_leaf(const struct ordered *map, struct ordered_place *place)
{
    place->at = 0;
    if (++place->leaf == map->inners[place->inner]->count) {
        place->leaf = 0;
        place->inner++;
    }
}

/* How many of the span's first keys are at most `high`. */
static size_t count_within(const struct span *span, int64_t high)
{
    size_t low = 0, count = span->count;
    while (count > 0) {
        size_t half = count / 2;
        if (span->keys[low + half] <= high) {
            low += half + 1;
            count -= half + 1;
        } else {
            count = half;
        }
    }
    return low;
}

/* Leaves lie anywhere in memory: their points are asked for ahead. */
static void prefetch(const struct leaf *leaf, size_t count)
{
    for (size_t i = 0; i < count; i += CACHE_LINE_POINTS)
        __builtin_prefetch(leaf->points + i);
}

void ordered_spans(const struct ordered *map, int64_t low, int64_t high,
                   void (*each)(void *ctx, const int64_t *keys, const uint32_t *points,
                                size_t count),
                   void *ctx)
{
    struct ordered_place place = ordered_seek(map, low);
    for (; place.inner < map->inners_count; next_leaf(map, &place)) {
        const struct inner *inner = map->inners[place.inner];
        struct span span = span_at(map, place);
        uint32_t next = place.leaf + 1;
        size_t within = span.count;
        /* A leaf's keys need no look when the next one begins within the range. */
        if (next < inner->count && inner->keys[next] <= high)
            prefetch(inner->leaves[next], inner->counts[next]);
        else
            within = count_within(&span, high);
        if (within > 0)
            each(ctx, span.keys, span.points, within);
        if (within < span.count)
            return;
    }
}

/* Pairs before the place. */
static uint64_t rank_of(const struct ordered *map, struct ordered_place place)
{
    uint64_t rank = place.at;
    for (size_t i = 0; i < place.inner; i++)
        rank += map->inners[i]->pairs;
    for (uint32_t i = 0; i < place.leaf; i++)
        rank += map->inners[place.inner]->counts[i];
    return rank;
}

uint64_t ordered_count(const struct ordered *map, int64_t low, int64_t high)
{
    if (low > high)
        return 0;
    uint64_t before = rank_of(map, ordered_seek(map, low));
    uint64_t upto = high == INT64_MAX ? map->pairs : rank_of(map, ordered_seek(map, high + 1));
    return upto - before;
}

bool ordered_exceeds(const struct ordered *map, int64_t low, int64_t high, size_t limit)
{
    struct ordered_place place = ordered_seek(map, low);
    for (; place.inner < map->inners_count; next_leaf(map, &place)) {
        struct span span = span_at(map, place);
        if (span.count > limit)
            return span.keys[limit] <= high;
        limit -= span.count;
    }
    return false;
}

void ordered_sink(const struct ordered *map, struct point_sink *sink)
{
    bool empty = roaring_bitmap_is_empty(map->present);
    point_sink_init(sink, empty ? 0 : roaring_bitmap_maximum(map->present));
}

static void walk_into(void *ctx, const int64_t *keys, const uint32_t *points, size_t count)
{
    (void)keys;
    point_sink_add(ctx, points, count);
}

static void walk(const struct ordered *map, int64_t low, int64_t high, struct point_sink *sink)
{
    if (low <= high)
        ordered_spans(map, low, high, walk_into, sink);
}

/* Keys of slice `i` end here, inclusive. */
static int64_t slice_high(const struct ordered *map, size_t i)
{
    return i + 1 < map->slices_count ? map->slices[i + 1].low - 1 : INT64_MAX;
}

void ordered_collect(const struct ordered *map, int64_t low, int64_t high, struct point_sink *sink)
{
    size_t first = 0;
    while (first < map->slices_count && map->slices[first].low < low)
        first++;
    size_t end = first;
    while (end < map->slices_count && slice_high(map, end) <= high)
        end++;
    if (first >= end) {
        walk(map, low, high, sink);
        return;
    }
    for (size_t i = first; i < end; i++)
        point_sink_or(sink, &map->slices[i].bits);
    int64_t begin = map->slices[first].low, last = slice_high(map, end - 1);
    if (begin > INT64_MIN)
        walk(map, low, begin - 1, sink);
    if (last < INT64_MAX)
        walk(map, last + 1, high, sink);
}

static roaring_bitmap_t *range_by_rest(const struct ordered *map, int64_t low, int64_t high)
{
    struct point_sink sink;
    ordered_sink(map, &sink);
    if (low > INT64_MIN)
        ordered_collect(map, INT64_MIN, low - 1, &sink);
    if (high < INT64_MAX)
        ordered_collect(map, high + 1, INT64_MAX, &sink);
    roaring_bitmap_t *rest = point_sink_finish(&sink);
    roaring_bitmap_t *out = roaring_bitmap_andnot(map->present, rest);
    roaring_bitmap_free(rest);
    return out;
}

roaring_bitmap_t *ordered_range(const struct ordered *map, int64_t low, int64_t high)
{
    if (low > high)
        return roaring_bitmap_create();
    if (roaring_bitmap_is_empty(map->several) && ordered_count(map, low, high) > map->pairs / 2)
        return range_by_rest(map, low, high);
    struct point_sink sink;
    ordered_sink(map, &sink);
    ordered_collect(map, low, high, &sink);
    return point_sink_finish(&sink);
}

static bool each_down(const struct ordered *map, struct ordered_place place,
                      bool (*each)(void *ctx, int64_t key, uint32_t point), void *ctx)
{
    while (ordered_step_back(map, &place)) {
        struct span span = span_at(map, place);
        if (each(ctx, span.keys[0], span.points[0]))
            return true;
    }
    return false;
}

static bool each_up(const struct ordered *map, struct ordered_place place,
                    bool (*each)(void *ctx, int64_t key, uint32_t point), void *ctx)
{
    for (; place.inner < map->inners_count; next_leaf(map, &place)) {
        struct span span = span_at(map, place);
        for (size_t i = 0; i < span.count; i++) {
            if (each(ctx, span.keys[i], span.points[i]))
                return true;
        }
    }
    return false;
}

bool ordered_each(const struct ordered *map, bool descending, int64_t from,
                  bool (*each)(void *ctx, int64_t key, uint32_t point), void *ctx)
{
    if (!descending)
        return each_up(map, ordered_seek(map, from), each, ctx);
    struct ordered_place end = {.inner = map->inners_count};
    if (from < INT64_MAX)
        end = ordered_seek(map, from + 1);
    return each_down(map, end, each, ctx);
}
