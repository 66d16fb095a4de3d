/* Slices: equality, order and prefixes against a byte-by-byte reference. */
#include "storage/base/random.h"
#include "storage/base/slice.h"
#include "tests/lib/unit.h"

enum { SEED = 11 };

/* -1, 0, 1; a missing byte is smaller than any. */
static int order_by_bytes(struct slice a, struct slice b)
{
    for (size_t i = 0;; i++) {
        int x = i < a.size ? a.data[i] : -1;
        int y = i < b.size ? b.data[i] : -1;
        if (x != y) {
            return x < y ? -1 : 1;
        }
        if (x < 0) {
            return 0;
        }
    }
}

static void test_order(void **state)
{
    /* Proves order, equality and prefix on short texts over few letters, where ties are common. */
    (void)state;
    struct random random;
    random_init(&random, SEED);
    print_message("seed %d\n", SEED);
    for (int round = 0; round < 20000; round++) {
        uint8_t bytes[2][6];
        struct slice s[2];
        for (size_t i = 0; i < 2; i++) {
            s[i] = slice_of(bytes[i], random_below(&random, 7));
            for (size_t k = 0; k < s[i].size; k++) {
                bytes[i][k] = (uint8_t)(random_below(&random, 2) * 255);
            }
        }
        int order = slice_compare(s[0], s[1]);
        assert_int_equal((order > 0) - (order < 0), order_by_bytes(s[0], s[1]));
        assert_int_equal(slice_equal(s[0], s[1]), order_by_bytes(s[0], s[1]) == 0);
        bool starts =
            s[0].size >= s[1].size && order_by_bytes(slice_of(s[0].data, s[1].size), s[1]) == 0;
        assert_int_equal(slice_has_prefix(s[0], s[1]), starts);
    }
}

static void test_empty(void **state)
{
    /* Proves that slices without memory compare as empty. */
    (void)state;
    struct slice none = slice_of(NULL, 0);
    assert_true(slice_equal(none, SLICE_LITERAL("")));
    assert_int_equal(slice_compare(none, none), 0);
    assert_true(slice_compare(none, SLICE_LITERAL("a")) < 0);
    assert_int_equal(slice_text("abc").size, 3);
    assert_int_equal(SLICE_LITERAL("a\0b").size, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
