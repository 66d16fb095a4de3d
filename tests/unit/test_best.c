/* The heap of the best items against sorting all of them. */
#define _GNU_SOURCE /* qsort_r */
#include "index/collection/best.h"
#include "storage/base/random.h"
#include "tests/lib/unit.h"

#include <stdio.h>
#include <stdlib.h>

enum { ITEMS = 500, ROUNDS = 200 };
static const uint64_t SEED = 20261125;

struct item {
    uint32_t rank, serial;
    char rest[5]; /* an odd size */
};

static int compare(const void *ctx, const void *a, const void *b)
{
    const struct item *left = a, *right = b;
    int order = (left->rank > right->rank) - (left->rank < right->rank);
    order = *(const int *)ctx * order;
    return order ? order : (left->serial > right->serial) - (left->serial < right->serial);
}

static int compare_qsort(const void *a, const void *b, void *ctx)
{
    return compare(ctx, a, b);
}

/* Whatever the limit, the order and the ties: what is kept, and its order, is the head of the
 * sorted list. */
static void test_keeps_the_head(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, SEED);
    for (int round = 0; round < ROUNDS; round++) {
        struct item items[ITEMS] = {0};
        int direction = round % 2 ? 1 : -1;
        size_t count = (size_t)random_below(&random, ITEMS);
        uint64_t limit = round % 7 ? random_below(&random, ITEMS) : UINT64_MAX;
        struct best best;
        best_init(&best, sizeof(struct item), limit, compare, &direction);
        for (size_t i = 0; i < count; i++) {
            items[i].rank = (uint32_t)random_below(&random, 40);
            items[i].serial = (uint32_t)i;
            (void)snprintf(items[i].rest, sizeof(items[i].rest), "%u", (unsigned)(i % 1000));
            const struct item *worst = best_worst(&best);
            assert_int_equal(worst != NULL, i >= limit && limit > 0);
            assert_true(best_push(&best, &items[i]));
        }
        if (count > 0) {
            qsort_r(items, count, sizeof(items[0]), compare_qsort, &direction);
        }
        best_sort(&best);
        assert_int_equal(best.count, limit < count ? limit : count);
        for (size_t i = 0; i < best.count; i++) {
            assert_memory_equal(best_at(&best, i), &items[i], sizeof(items[i]));
        }
        best_clear(&best);
        assert_int_equal(best.count, 0);
        assert_true(best_push(&best, &items[0]));
        assert_int_equal(best.count, limit > 0);
        best_deinit(&best);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_keeps_the_head)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
