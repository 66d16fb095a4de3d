/* Sets of matching points, flat, compressed and remembered, against an array of bool. */
#include "index/segment/match_set.h"
#include "storage/base/random.h"
#include "tests/lib/unit.h"

#include <string.h>

enum { POINTS = 200000, ROOM = 37, SHAPES = 6 };
static const uint64_t SEED = 20261126;

struct model {
    bool has[POINTS];
    size_t count;
};

/* Arrays, runs, flat containers and gaps of whole containers. */
static void draw(struct model *model, struct random *random, int shape)
{
    memset(model, 0, sizeof *model);
    for (size_t i = 0; i < POINTS; i++) {
        bool has = false;
        switch (shape) {
        case 0:
            break;
        case 1:
            has = random_below(random, 1000) == 0;
            break;
        case 2:
            has = random_below(random, 3) != 0;
            break;
        case 3:
            has = i / 777 % 5 == 2 || i == 63 || i == 64 || i == POINTS - 1;
            break;
        case 4:
            has = i >= 140000 && i < 141000;
            break;
        default:
            has = true;
            break;
        }
        model->has[i] = has;
        model->count += has;
    }
}

static void check_walk(const struct match_set *set, const struct model *model, point_offset from)
{
    struct match_walk walk;
    point_offset points[ROOM];
    size_t expected = from;
    size_t count;
    match_walk_begin(&walk, set, from);
    while ((count = match_walk_next(&walk, points, ROOM)) > 0) {
        for (size_t i = 0; i < count; i++, expected++) {
            while (expected < POINTS && !model->has[expected]) {
                expected++;
            }
            assert_int_equal(points[i], expected);
        }
    }
    while (expected < POINTS) {
        assert_false(model->has[expected++]);
    }
}

static void check(const struct match_set *set, const struct model *model)
{
    static const point_offset froms[] = {0,     1,     63,     64,         65,
                                         65535, 65536, 100001, POINTS - 1, POINTS};
    assert_int_equal(match_set_count(set), model->count);
    for (size_t i = 0; i < sizeof froms / sizeof froms[0]; i++) {
        check_walk(set, model, froms[i]);
    }
    for (point_offset i = 0; i < POINTS; i++) {
        assert_int_equal(match_set_contains(set, i), model->has[i]);
    }
    assert_false(match_set_contains(set, POINTS));
    assert_false(match_set_contains(set, UINT32_MAX));
}

static void fill_bits(struct bitmap *bits, const struct model *model)
{
    bitmap_init(bits);
    assert_true(bitmap_resize(bits, POINTS));
    for (size_t i = 0; i < POINTS; i++) {
        if (model->has[i]) {
            bitmap_set(bits, i);
        }
    }
}

static void check_compressed(const struct model *model, bool runs)
{
    roaring_bitmap_t *points = roaring_bitmap_create();
    for (uint32_t i = 0; i < POINTS; i++) {
        if (model->has[i]) {
            roaring_bitmap_add(points, i);
        }
    }
    if (runs) {
        (void)roaring_bitmap_run_optimize(points);
    }
    struct match_set set;
    match_set_init(&set);
    match_set_take_compressed(&set, points);
    check(&set, model);
    assert_null(set.words);
    assert_true(match_set_expand(&set));
    assert_non_null(set.words);
    check(&set, model);
    assert_true(match_set_expand(&set));
    match_set_deinit(&set);
}

/* Proves that all three kinds of set have the members they were made of, and keep them when spread
 * out. */
static void test_sets(void **state)
{
    (void)state;
    static struct model model;
    struct random random;
    random_init(&random, SEED);
    print_message("seed %llu\n", (unsigned long long)SEED);
    for (int shape = 0; shape < SHAPES; shape++) {
        struct bitmap bits;
        struct match_set set;
        draw(&model, &random, shape);
        match_set_init(&set);
        fill_bits(&bits, &model);
        match_set_take_bits(&set, &bits);
        assert_null(bits.words);
        check(&set, &model);
        match_set_deinit(&set);
        check_compressed(&model, false);
        check_compressed(&model, true);
    }
}

/* Proves that a remembered answer is used in place and let go of. */
static void test_entry(void **state)
{
    (void)state;
    static struct model model;
    struct match_cache cache;
    struct bitmap bits;
    struct match_set set;
    struct random random;
    random_init(&random, SEED);
    draw(&model, &random, 2);
    fill_bits(&bits, &model);
    match_cache_init(&cache);
    match_cache_put(&cache, slice_text("a"), match_cache_epoch(&cache), POINTS, &bits);
    match_set_init(&set);
    match_set_take_entry(&set, match_cache_get(&cache, slice_text("a")));
    match_cache_deinit(&cache);
    check(&set, &model);
    match_set_deinit(&set);
    check(&set, &(struct model){.count = 0});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sets),
        cmocka_unit_test(test_entry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
