/* The tree of an ordered multimap: adding, removing, finding a place.
 *
 * Three levels are enough for all points that there can be: 2^32 pairs are some 90,000 inner nodes,
 * and the root is one array. A full leaf gives its upper half to a new one; when the pair comes
 * behind all others, as times do, little is given, so that leaves filled in order stay nearly
 * full. A leaf that together with its neighbour fills less than half a leaf is merged with it. */
#include "index/field/ordered_int.h"
#include "storage/base/assert.h"
#include "storage/base/mem.h"

#include <string.h>

enum { LEAF_MERGE_MAX = LEAF_PAIRS_MAX / 2, INNER_MERGE_MAX = INNER_LEAVES_MAX / 2 };

struct ordered *ordered_create(void)
{
    struct ordered *map = mem_zalloc(sizeof(*map));
    map->present = roaring_bitmap_create();
    map->several = roaring_bitmap_create();
    map->slices_next_at = SLICES_PAIRS_MIN;
    return map;
}

void ordered_destroy(struct ordered *map)
{
    if (!map)
        return;
    for (size_t i = 0; i < map->inners_count; i++) {
        for (uint32_t j = 0; j < map->inners[i]->count; j++)
            mem_free(map->inners[i]->leaves[j]);
        mem_free(map->inners[i]);
    }
    mem_free(map->inners);
    mem_free(map->keys);
    mem_free(map->points);
    slices_drop(map);
    roaring_bitmap_free(map->present);
    roaring_bitmap_free(map->several);
    mem_free(map);
}

static int64_t *keys_of(struct leaf *leaf)
{
    return (int64_t *)(void *)(leaf->points + leaf->capacity);
}

/* How many of the ascending keys are below `key`; without branches, which would be guesses. */
static size_t count_below(const int64_t *keys, size_t count, int64_t key)
{
    size_t low = 0;
    for (; count > 1; count -= count / 2)
        low += count / 2 * (size_t)(keys[low + count / 2 - 1] < key);
    return low + (count == 1 && keys[low] < key ? 1 : 0);
}

/* How many of the pairs are before (key, point). */
static size_t count_before(const int64_t *keys, const uint32_t *points, size_t count, int64_t key,
                           uint32_t point)
{
    size_t low = count_below(keys, count, key);
    if (low == count || keys[low] != key || points[low] >= point)
        return low;
    size_t high = key == INT64_MAX ? count : count_below(keys, count, key + 1);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (points[middle] < point)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The node whose first pair is the last one not behind (key, point), or the first node. */
static size_t choose(const int64_t *keys, const uint32_t *points, size_t count, int64_t key,
                     uint32_t point)
{
    size_t at = count_before(keys, points, count, key, point);
    bool same = at < count && keys[at] == key && points[at] == point;
    return same || at == 0 ? at : at - 1;
}

/* Where (key, point) is or would be put; the map is not empty. */
static struct ordered_place locate(const struct ordered *map, int64_t key, uint32_t point)
{
    struct ordered_place place;
    place.inner = choose(map->keys, map->points, map->inners_count, key, point);
    const struct inner *inner = map->inners[place.inner];
    place.leaf = (uint32_t)choose(inner->keys, inner->points, inner->count, key, point);
    const struct leaf *leaf = inner->leaves[place.leaf];
    place.at = (uint32_t)count_before(leaf_keys(leaf), leaf->points, inner->counts[place.leaf], key,
                                      point);
    return place;
}

struct ordered_place ordered_seek(const struct ordered *map, int64_t key)
{
    if (map->inners_count == 0)
        return (struct ordered_place){0};
    struct ordered_place place = locate(map, key, 0);
    if (place.at < map->inners[place.inner]->counts[place.leaf])
        return place;
    place.at = 0;
    if (++place.leaf == map->inners[place.inner]->count) {
        place.leaf = 0;
        place.inner++;
    }
    return place;
}

bool ordered_step_back(const struct ordered *map, struct ordered_place *place)
{
    if (place->at > 0) {
        place->at--;
        return true;
    }
    if (place->leaf == 0) {
        if (place->inner == 0)
            return false;
        place->inner--;
        place->leaf = map->inners[place->inner]->count;
    }
    place->leaf--;
    place->at = map->inners[place->inner]->counts[place->leaf] - 1u;
    return true;
}

/* ---- nodes ---- */

static struct leaf *leaf_create(uint64_t capacity)
{
    struct leaf *leaf = mem_alloc(sizeof(*leaf) + capacity * (sizeof(int64_t) + sizeof(uint32_t)));
    leaf->capacity = capacity;
    return leaf;
}

static size_t steps_of(size_t pairs)
{
    return (pairs + LEAF_STEP - 1) / LEAF_STEP * LEAF_STEP;
}

static struct leaf *leaf_resize(struct leaf *leaf, size_t count, size_t wanted)
{
    struct leaf *out = leaf_create(steps_of(wanted));
    memcpy(keys_of(out), keys_of(leaf), count * sizeof(int64_t));
    memcpy(out->points, leaf->points, count * sizeof(uint32_t));
    mem_free(leaf);
    return out;
}

static void root_insert(struct ordered *map, size_t at, struct inner *inner)
{
    if (map->inners_count == map->inners_capacity) {
        map->inners_capacity = map->inners_capacity ? map->inners_capacity * 2 : 4;
        map->inners = mem_realloc(map->inners, map->inners_capacity * sizeof(struct inner *));
        map->keys = mem_realloc(map->keys, map->inners_capacity * sizeof(map->keys[0]));
        map->points = mem_realloc(map->points, map->inners_capacity * sizeof(map->points[0]));
    }
    size_t behind = map->inners_count - at;
    memmove(map->inners + at + 1, map->inners + at, behind * sizeof(struct inner *));
    memmove(map->keys + at + 1, map->keys + at, behind * sizeof(map->keys[0]));
    memmove(map->points + at + 1, map->points + at, behind * sizeof(map->points[0]));
    map->inners[at] = inner;
    map->keys[at] = inner->keys[0];
    map->points[at] = inner->points[0];
    map->inners_count++;
}

static void root_remove(struct ordered *map, size_t at)
{
    size_t behind = map->inners_count - at - 1;
    mem_free(map->inners[at]);
    memmove(map->inners + at, map->inners + at + 1, behind * sizeof(struct inner *));
    memmove(map->keys + at, map->keys + at + 1, behind * sizeof(map->keys[0]));
    memmove(map->points + at, map->points + at + 1, behind * sizeof(map->points[0]));
    map->inners_count--;
}

/* Makes room for, or closes the gap of, one leaf. */
static void inner_shift(struct inner *inner, uint32_t to, uint32_t from)
{
    size_t behind = inner->count - from;
    memmove(inner->keys + to, inner->keys + from, behind * sizeof(inner->keys[0]));
    memmove(inner->points + to, inner->points + from, behind * sizeof(inner->points[0]));
    memmove(inner->counts + to, inner->counts + from, behind * sizeof(inner->counts[0]));
    memmove(inner->leaves + to, inner->leaves + from, behind * sizeof(struct leaf *));
    inner->count += to - from; /* one more or one less */
}

static void inner_move(struct inner *to, struct inner *from, uint32_t first)
{
    size_t count = from->count - first, at = to->count;
    memcpy(to->keys + at, from->keys + first, count * sizeof(to->keys[0]));
    memcpy(to->points + at, from->points + first, count * sizeof(to->points[0]));
    memcpy(to->counts + at, from->counts + first, count * sizeof(to->counts[0]));
    memcpy(to->leaves + at, from->leaves + first, count * sizeof(struct leaf *));
    for (size_t i = first; i < from->count; i++) {
        to->pairs += from->counts[i];
        from->pairs -= from->counts[i];
    }
    to->count += (uint32_t)count;
    from->count = first;
}

/* Room for one more leaf in the inner node of the place; the place stays with its leaf. */
static void split_inner(struct ordered *map, struct ordered_place *place)
{
    struct inner *inner = map->inners[place->inner];
    if (inner->count < INNER_LEAVES_MAX)
        return;
    bool last = place->inner + 1 == map->inners_count && place->leaf + 1 == inner->count;
    uint32_t half = last ? INNER_LEAVES_MAX - 1 : INNER_LEAVES_MAX / 2;
    struct inner *upper = mem_zalloc(sizeof(*upper));
    inner_move(upper, inner, half);
    root_insert(map, place->inner + 1, upper);
    if (place->leaf >= half) {
        place->inner++;
        place->leaf -= half;
    }
}

/* Room for one more pair in the leaf of the place. */
static void split_leaf(struct ordered *map, struct ordered_place *place)
{
    if (map->inners[place->inner]->counts[place->leaf] < LEAF_PAIRS_MAX)
        return;
    split_inner(map, place);
    struct inner *inner = map->inners[place->inner];
    struct leaf *leaf = inner->leaves[place->leaf];
    bool last = place->inner + 1 == map->inners_count && place->leaf + 1 == inner->count &&
                place->at == LEAF_PAIRS_MAX;
    uint32_t half = last ? LEAF_PAIRS_MAX - LEAF_STEP / 2 : LEAF_PAIRS_MAX / 2;
    uint32_t moved = LEAF_PAIRS_MAX - half;
    struct leaf *upper = leaf_create(steps_of(moved + 1));
    memcpy(keys_of(upper), keys_of(leaf) + half, moved * sizeof(int64_t));
    memcpy(upper->points, leaf->points + half, moved * sizeof(uint32_t));
    uint32_t next = place->leaf + 1;
    inner_shift(inner, next + 1, next);
    inner->keys[next] = keys_of(upper)[0];
    inner->points[next] = upper->points[0];
    inner->counts[next] = (uint16_t)moved;
    inner->leaves[next] = upper;
    inner->counts[place->leaf] = (uint16_t)half;
    if (!last)
        inner->leaves[place->leaf] = leaf_resize(leaf, half, half + 1);
    if (place->at > half) {
        place->leaf = next;
        place->at -= half;
    }
}

static void create_first(struct ordered *map, int64_t key, uint32_t point)
{
    struct inner *inner = mem_zalloc(sizeof(*inner));
    inner->count = 1;
    inner->keys[0] = key;
    inner->points[0] = point;
    inner->leaves[0] = leaf_create(LEAF_STEP);
    root_insert(map, 0, inner);
}

static void put_pair(struct ordered *map, struct ordered_place place, int64_t key, uint32_t point)
{
    struct inner *inner = map->inners[place.inner];
    struct leaf *leaf = inner->leaves[place.leaf];
    size_t count = inner->counts[place.leaf], behind = count - place.at;
    if (count == leaf->capacity)
        leaf = inner->leaves[place.leaf] = leaf_resize(leaf, count, count + 1);
    int64_t *keys = keys_of(leaf) + place.at;
    uint32_t *points = leaf->points + place.at;
    memmove(keys + 1, keys, behind * sizeof(keys[0]));
    memmove(points + 1, points, behind * sizeof(points[0]));
    keys[0] = key;
    points[0] = point;
    inner->counts[place.leaf]++;
    inner->pairs++;
    map->pairs++;
    if (place.at > 0)
        return;
    /* The first leaf of all got a smaller pair, or another one's first pair had gone. */
    inner->keys[place.leaf] = key;
    inner->points[place.leaf] = point;
    if (place.leaf == 0) {
        map->keys[place.inner] = key;
        map->points[place.inner] = point;
    }
}

bool ordered_add(struct ordered *map, int64_t key, uint32_t point)
{
    if (map->inners_count == 0)
        create_first(map, key, point);
    struct ordered_place place = locate(map, key, point);
    const struct inner *inner = map->inners[place.inner];
    const struct leaf *leaf = inner->leaves[place.leaf];
    if (place.at < inner->counts[place.leaf] && leaf_keys(leaf)[place.at] == key &&
        leaf->points[place.at] == point)
        return false;
    split_leaf(map, &place);
    put_pair(map, place, key, point);
    if (!roaring_bitmap_add_checked(map->present, point))
        roaring_bitmap_add(map->several, point);
    slices_added(map, key, point);
    return true;
}

static void merge_inner(struct ordered *map, size_t at)
{
    if (at + 1 >= map->inners_count)
        return;
    struct inner *inner = map->inners[at], *next = map->inners[at + 1];
    if (inner->count + next->count > INNER_MERGE_MAX)
        return;
    inner_move(inner, next, 0);
    root_remove(map, at + 1);
}

/* Joins the leaf with the one behind it when both together are small. */
static void merge_leaf(struct inner *inner, uint32_t at)
{
    if (at + 1 >= inner->count)
        return;
    uint32_t count = inner->counts[at], moved = inner->counts[at + 1];
    if (count + moved > LEAF_MERGE_MAX)
        return;
    struct leaf *next = inner->leaves[at + 1];
    struct leaf *leaf = leaf_resize(inner->leaves[at], count, count + moved);
    memcpy(keys_of(leaf) + count, keys_of(next), moved * sizeof(int64_t));
    memcpy(leaf->points + count, next->points, moved * sizeof(uint32_t));
    mem_free(next);
    inner->leaves[at] = leaf;
    inner->counts[at] = (uint16_t)(count + moved);
    inner_shift(inner, at + 1, at + 2);
}

static void drop_leaf(struct ordered *map, struct ordered_place place)
{
    struct inner *inner = map->inners[place.inner];
    mem_free(inner->leaves[place.leaf]);
    inner_shift(inner, place.leaf, place.leaf + 1);
    if (inner->count == 0)
        root_remove(map, place.inner);
}

/* False: the pair is not there. */
static bool remove_pair(struct ordered *map, int64_t key, uint32_t point)
{
    if (map->inners_count == 0)
        return false;
    struct ordered_place place = locate(map, key, point);
    struct inner *inner = map->inners[place.inner];
    struct leaf *leaf = inner->leaves[place.leaf];
    int64_t *keys = keys_of(leaf) + place.at;
    uint32_t *points = leaf->points + place.at;
    uint32_t count = inner->counts[place.leaf];
    if (place.at == count || keys[0] != key || points[0] != point)
        return false;
    size_t behind = count - place.at - 1;
    memmove(keys, keys + 1, behind * sizeof(keys[0]));
    memmove(points, points + 1, behind * sizeof(points[0]));
    inner->counts[place.leaf] = (uint16_t)--count;
    inner->pairs--;
    map->pairs--;
    if (count == 0) {
        drop_leaf(map, place);
        return true;
    }
    if (leaf->capacity >= count + 2 * LEAF_STEP)
        inner->leaves[place.leaf] = leaf_resize(leaf, count, count);
    merge_leaf(inner, place.leaf > 0 ? place.leaf - 1 : 0);
    merge_inner(map, place.inner > 0 ? place.inner - 1 : 0);
    return true;
}

void ordered_remove(struct ordered *map, uint32_t point, const int64_t *keys, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (remove_pair(map, keys[i], point))
            slices_removed(map, keys[i], point);
    }
    roaring_bitmap_remove(map->present, point);
    roaring_bitmap_remove(map->several, point);
}

uint64_t ordered_pairs(const struct ordered *map)
{
    return map->pairs;
}

size_t ordered_memory(const struct ordered *map)
{
    size_t bytes = sizeof(*map) + map->inners_capacity *
                                      (sizeof(struct inner *) + sizeof(int64_t) + sizeof(uint32_t));
    bytes += roaring_bitmap_size_in_bytes(map->present);
    bytes += roaring_bitmap_size_in_bytes(map->several);
    for (size_t i = 0; i < map->inners_count; i++) {
        bytes += sizeof(struct inner);
        for (uint32_t j = 0; j < map->inners[i]->count; j++)
            bytes += sizeof(struct leaf) +
                     map->inners[i]->leaves[j]->capacity * (sizeof(int64_t) + sizeof(uint32_t));
    }
    for (size_t i = 0; i < map->slices_count; i++)
        bytes += point_bits_memory(&map->slices[i].bits);
    return bytes;
}
