/* The k nearest against sorting everything. */
#include "index/topk.h"
#include "storage/base/random.h"

/* cmocka needs these before it. */
/* clang-format off */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
/* clang-format on */

enum { COUNT = 500 };
static const uint64_t SEED = 7;

static int by_distance_then_offset(const void *a, const void *b)
{
    const struct scored *x = a;
    const struct scored *y = b;
    if (x->distance != y->distance) {
        return x->distance < y->distance ? -1 : 1;
    }
    return (x->point > y->point) - (x->point < y->point);
}

static int backwards(const void *ctx, point_offset a, point_offset b)
{
    (void)ctx;
    return a > b ? -1 : 1;
}

/* Whatever the order of arrival and however many ties, the kept set is the head of the sorted list.
 */
static void test_equals_sorting(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, SEED);
    for (size_t limit = 0; limit < COUNT + 20; limit += 13) {
        struct scored all[COUNT];
        struct scored kept[COUNT + 20];
        struct topk topk;
        topk_init(&topk, kept, limit, NULL);
        for (size_t i = 0; i < COUNT; i++) {
            all[i] =
                (struct scored){(float)random_below(&random, 40), (point_offset)(i * 7919 % COUNT)};
            float bound = topk_bound(&topk);
            bool entered = topk_push(&topk, all[i].distance, all[i].point);
            assert_true(all[i].distance < bound ? entered : !entered || all[i].distance == bound);
        }
        qsort(all, COUNT, sizeof *all, by_distance_then_offset);
        topk_sort(&topk);
        assert_int_equal(topk.count, limit < COUNT ? limit : COUNT);
        for (size_t i = 0; i < topk.count; i++) {
            assert_int_equal(kept[i].point, all[i].point);
        }
    }
    printf("seed %llu\n", (unsigned long long)SEED);
}

/* The caller's order decides between equal distances. */
static void test_tie_order(void **state)
{
    (void)state;
    struct tie_order tie = {.compare = backwards};
    struct scored kept[3];
    struct topk topk;
    topk_init(&topk, kept, 3, &tie);
    for (point_offset point = 0; point < 10; point++) {
        topk_push(&topk, 1.0f, point);
    }
    topk_push(&topk, 0.5f, 4);
    topk_sort(&topk);
    assert_int_equal(kept[0].point, 4);
    assert_int_equal(kept[1].point, 9);
    assert_int_equal(kept[2].point, 8);
}

/* The bound is infinite until full, then the worst kept; a limit of zero keeps nothing. */
static void test_bound(void **state)
{
    (void)state;
    struct scored kept[2];
    struct topk topk;
    topk_init(&topk, kept, 2, NULL);
    assert_true(isinf(topk_bound(&topk)) && topk_bound(&topk) > 0);
    topk_push(&topk, 3.0f, 1);
    assert_false(topk_full(&topk));
    topk_push(&topk, 1.0f, 2);
    assert_true(topk_full(&topk));
    assert_true(topk_bound(&topk) == 3.0f);
    assert_true(topk_push(&topk, 2.0f, 3));
    assert_true(topk_bound(&topk) == 2.0f);
    assert_false(topk_push(&topk, 2.0f, 4));
    topk_init(&topk, NULL, 0, NULL);
    assert_false(topk_push(&topk, -1.0f, 1));
    topk_sort(&topk);
    assert_int_equal(topk.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equals_sorting),
        cmocka_unit_test(test_tie_order),
        cmocka_unit_test(test_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
