/* The ordered map against a plain list: ranges, counts, both orders, whatever came and went. */
#include "index/field/ordered_int.h"
#include "storage/base/mem.h"
#include "storage/base/random.h"
#include "tests/lib/unit.h"

#include <stdio.h>
#include <stdlib.h>

enum { SMALL_POINTS = 3000, LARGE_POINTS = 200000, KEYS_MAX = 3 };

/* Every point with its keys; count 0: it is not in the map. */
struct model {
    size_t points;
    int64_t (*keys)[KEYS_MAX];
    uint8_t *counts;
};
static struct random rng;

static void model_init(struct model *model, size_t points)
{
    model->points = points;
    model->keys = mem_zalloc(points * sizeof(model->keys[0]));
    model->counts = mem_zalloc(points);
}

static void model_deinit(struct model *model)
{
    mem_free(model->keys);
    mem_free(model->counts);
}

/* Few keys with many points, many keys with few, extreme ones. */
static int64_t random_key(int spread)
{
    static const int64_t edges[] = {INT64_MIN, INT64_MIN + 1, -1, 0, 1, INT64_MAX - 1, INT64_MAX};
    if (random_below(&rng, 50) == 0)
        return edges[random_below(&rng, 7)];
    if (spread == 0)
        return (int64_t)random_below(&rng, 4);
    if (spread == 1)
        return (int64_t)random_below(&rng, 1000) - 500;
    return (int64_t)random_u64(&rng);
}

static void add(struct ordered *map, struct model *model, size_t point, int64_t key)
{
    bool known = false;
    for (size_t i = 0; i < model->counts[point]; i++)
        known = known || model->keys[point][i] == key;
    assert_int_equal(ordered_add(map, key, (uint32_t)point), !known);
    if (!known)
        model->keys[point][model->counts[point]++] = key;
}

static void take_out(struct ordered *map, struct model *model, size_t point)
{
    ordered_remove(map, (uint32_t)point, model->keys[point], model->counts[point]);
    model->counts[point] = 0;
}

static void check_range(const struct ordered *map, const struct model *model, int64_t low,
                        int64_t high)
{
    roaring_bitmap_t *found = ordered_range(map, low, high);
    uint64_t pairs = 0, points = 0;
    for (size_t p = 0; p < model->points; p++) {
        uint64_t within = 0;
        for (size_t i = 0; i < model->counts[p]; i++)
            within += model->keys[p][i] >= low && model->keys[p][i] <= high ? 1 : 0;
        pairs += within;
        points += within > 0 ? 1 : 0;
        if (within > 0 && !roaring_bitmap_contains(found, (uint32_t)p))
            fail_msg("point %zu is missing in [%lld, %lld]", p, (long long)low, (long long)high);
    }
    assert_int_equal(roaring_bitmap_get_cardinality(found), points);
    assert_int_equal(ordered_count(map, low, high), pairs);
    roaring_bitmap_free(found);
}

struct pair {
    int64_t key;
    uint32_t point;
};
struct walk {
    const struct pair *pairs;
    size_t at, count;
    bool descending;
};

static int compare_pairs(const void *a, const void *b)
{
    const struct pair *left = a, *right = b;
    if (left->key != right->key)
        return left->key < right->key ? -1 : 1;
    return (left->point > right->point) - (left->point < right->point);
}

static bool next_pair(void *ctx, int64_t key, uint32_t point)
{
    struct walk *walk = ctx;
    assert_true(walk->at < walk->count);
    size_t at = walk->descending ? walk->count - 1 - walk->at : walk->at;
    walk->at++;
    assert_int_equal(walk->pairs[at].key, key);
    assert_int_equal(walk->pairs[at].point, point);
    return false;
}

/* The pairs from `from` on in both directions, as qsort has them. */
static void check_order(const struct ordered *map, const struct model *model, int64_t from)
{
    struct pair *pairs = mem_alloc((model->points * KEYS_MAX + 1) * sizeof(*pairs));
    size_t count = 0, below = 0, upto = 0;
    for (size_t p = 0; p < model->points; p++) {
        for (size_t i = 0; i < model->counts[p]; i++)
            pairs[count++] = (struct pair){model->keys[p][i], (uint32_t)p};
    }
    qsort(pairs, count, sizeof(*pairs), compare_pairs);
    assert_int_equal(ordered_pairs(map), count);
    for (; below < count && pairs[below].key < from; below++) {
    }
    for (upto = below; upto < count && pairs[upto].key <= from; upto++) {
    }
    struct walk up = {.pairs = pairs + below, .count = count - below};
    assert_false(ordered_each(map, false, from, next_pair, &up));
    assert_int_equal(up.at, up.count);
    struct walk down = {.pairs = pairs, .count = upto, .descending = true};
    assert_false(ordered_each(map, true, from, next_pair, &down));
    assert_int_equal(down.at, down.count);
    mem_free(pairs);
}

/* What every node says of those below it, and the slices of the pairs. */
static void check_structure(const struct ordered *map, const struct model *model)
{
    uint64_t pairs = 0;
    for (size_t i = 0; i < map->inners_count; i++) {
        const struct inner *inner = map->inners[i];
        uint64_t here = 0;
        assert_in_range(inner->count, 1, INNER_LEAVES_MAX);
        for (uint32_t j = 0; j < inner->count; j++) {
            assert_in_range(inner->counts[j], 1, LEAF_PAIRS_MAX);
            assert_true(inner->counts[j] <= inner->leaves[j]->capacity);
            assert_true(inner->keys[j] <= leaf_keys(inner->leaves[j])[0]);
            here += inner->counts[j];
        }
        assert_true(map->keys[i] <= inner->keys[0]);
        assert_int_equal(here, inner->pairs);
        pairs += here;
    }
    assert_int_equal(pairs, map->pairs);
    for (size_t p = 0; p < model->points; p++) {
        assert_int_equal(roaring_bitmap_contains(map->present, (uint32_t)p), model->counts[p] > 0);
        assert_int_equal(roaring_bitmap_contains(map->several, (uint32_t)p), model->counts[p] > 1);
    }
    for (size_t s = 0; s < map->slices_count; s++) {
        const struct ordered_slice *slice = &map->slices[s];
        int64_t low = slice->low;
        int64_t high = s + 1 < map->slices_count ? slice[1].low - 1 : INT64_MAX;
        assert_true(low <= high);
        assert_int_equal(slice->pairs, ordered_count(map, low, high));
        uint64_t within = 0;
        for (size_t p = 0; p < model->points; p++) {
            bool has = false;
            for (size_t i = 0; i < model->counts[p]; i++)
                has = has || (model->keys[p][i] >= low && model->keys[p][i] <= high);
            assert_int_equal(point_bits_has(&slice->bits, (uint32_t)p), has);
            within += has ? 1 : 0;
        }
        uint64_t counted = 0;
        for (size_t c = 0; c < slice->bits.chunks_count; c++)
            counted += slice->bits.chunks[c] ? slice->bits.chunks[c]->count : 0;
        assert_int_equal(counted, within);
    }
}

static void check_random_ranges(const struct ordered *map, const struct model *model, int spread,
                                int rounds)
{
    check_range(map, model, INT64_MIN, INT64_MAX);
    check_range(map, model, 1, 0);
    for (int i = 0; i < rounds; i++) {
        int64_t a = random_key(spread), b = random_key(spread);
        check_range(map, model, a < b ? a : b, a < b ? b : a);
        check_range(map, model, a, a);
    }
    check_order(map, model, random_key(spread));
    check_order(map, model, INT64_MIN);
    check_order(map, model, INT64_MAX);
}

/* Points come and go with one to three keys; after each stretch all answers are those of the list,
 * down to the empty map. */
static void test_comes_and_goes(void **state)
{
    (void)state;
    const uint64_t seed = 4711;
    print_message("seed %llu\n", (unsigned long long)seed);
    random_init(&rng, seed);
    for (int spread = 0; spread < 3; spread++) {
        struct ordered *map = ordered_create();
        struct model model;
        model_init(&model, SMALL_POINTS);
        check_random_ranges(map, &model, spread, 1);
        for (int stretch = 0; stretch < 8; stretch++) {
            for (size_t step = 0; step < SMALL_POINTS; step++) {
                size_t point = random_below(&rng, SMALL_POINTS);
                bool full = model.counts[point] == KEYS_MAX;
                if (full || (stretch % 4 == 3 && random_below(&rng, 3) > 0))
                    take_out(map, &model, point);
                else
                    add(map, &model, point, random_key(spread));
            }
            check_random_ranges(map, &model, spread, 10);
            check_structure(map, &model);
        }
        for (size_t point = 0; point < SMALL_POINTS; point++)
            take_out(map, &model, point);
        check_random_ranges(map, &model, spread, 1);
        assert_int_equal(map->inners_count, 0);
        ordered_destroy(map);
        model_deinit(&model);
    }
}

/* Slices come with many pairs, stay right while pairs come and go, and go with them. */
static void test_slices(void **state)
{
    (void)state;
    random_init(&rng, 12);
    for (int spread = 0; spread < 4; spread++) { /* 3: ascending, as times come */
        struct ordered *map = ordered_create();
        struct model model;
        bool several = spread == 1;
        model_init(&model, LARGE_POINTS);
        for (size_t point = 0; point < LARGE_POINTS; point++) {
            add(map, &model, point, spread == 3 ? (int64_t)point * 5 : random_key(spread));
            if (several && point % 3 == 0)
                add(map, &model, point, random_key(spread));
        }
        assert_int_equal(roaring_bitmap_is_empty(map->several), !several);
        assert_in_range(map->slices_count, spread == 0 ? 3 : 8, SLICES_MAX);
        check_structure(map, &model);
        check_random_ranges(map, &model, spread, 4);
        if (spread == 3)
            check_range(map, &model, LARGE_POINTS, 4 * LARGE_POINTS);
        for (size_t step = 0; step < LARGE_POINTS / 2; step++) {
            size_t point = random_below(&rng, LARGE_POINTS);
            take_out(map, &model, point);
            if (random_below(&rng, 2))
                add(map, &model, point, random_key(spread));
        }
        check_structure(map, &model);
        check_random_ranges(map, &model, spread, 4);
        for (size_t point = 0; point < LARGE_POINTS; point++) {
            if (point % 16)
                take_out(map, &model, point);
        }
        assert_int_equal(map->slices_count, 0);
        check_random_ranges(map, &model, spread, 2);
        ordered_destroy(map);
        model_deinit(&model);
    }
}

/* Points far apart: no slices, chunks that come and go, the highest point of all. */
static void test_sparse_points(void **state)
{
    (void)state;
    struct ordered *map = ordered_create();
    enum { COUNT = 70000 };
    for (uint32_t i = 0; i < COUNT; i++)
        assert_true(ordered_add(map, i % 100, i * 61356u));
    assert_true(ordered_add(map, 50, UINT32_MAX));
    assert_int_equal(map->slices_count, 0);
    roaring_bitmap_t *found = ordered_range(map, 10, 49);
    assert_int_equal(roaring_bitmap_get_cardinality(found), COUNT / 100 * 40);
    roaring_bitmap_free(found);
    found = ordered_range(map, 50, 99);
    assert_int_equal(roaring_bitmap_get_cardinality(found), COUNT / 100 * 50 + 1);
    assert_true(roaring_bitmap_contains(found, UINT32_MAX));
    roaring_bitmap_free(found);
    /* Few for so many chunks, and yet a chunk of its own. */
    enum { CROWD = 9000, CROWD_FIRST = 3 << 16 };
    for (uint32_t i = 0; i < CROWD; i++)
        assert_true(ordered_add(map, 1000 + i % 5, CROWD_FIRST + i * 7));
    found = ordered_range(map, 1001, 1004);
    assert_int_equal(roaring_bitmap_get_cardinality(found), CROWD / 5 * 4);
    for (uint32_t i = 0; i < CROWD; i++)
        assert_int_equal(roaring_bitmap_contains(found, CROWD_FIRST + i * 7), i % 5 > 0);
    roaring_bitmap_free(found);
    ordered_destroy(map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_comes_and_goes),
        cmocka_unit_test(test_slices),
        cmocka_unit_test(test_sparse_points),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
