/* Bit set against an array of bool. */
#include "storage/base/bitmap.h"
#include "storage/base/random.h"
#include "tests/lib/unit.h"

#include <string.h>

enum { SEED = 5, BITS_MAX = 700 };

static void check(const struct bitmap *bitmap, const bool *model, size_t bits)
{
    assert_int_equal(bitmap->bits, bits);
    size_t count = 0;
    size_t next = bits;
    for (size_t i = bits; i-- > 0;) {
        assert_int_equal(bitmap_get(bitmap, i), model[i]);
        count += model[i];
        next = model[i] ? i : next;
        assert_int_equal(bitmap_next(bitmap, i), next);
    }
    assert_int_equal(bitmap_count(bitmap), count);
    assert_int_equal(bitmap_next(bitmap, bits), bits);
    assert_false(bitmap_get(bitmap, bits));
}

static void fill(struct random *random, struct bitmap *bitmap, bool *model, size_t bits)
{
    assert_true(bitmap_resize(bitmap, bits));
    memset(model, 0, bits * sizeof(bool));
    for (size_t i = 0; i < bits; i++) {
        if (random_below(random, 20) == 0) {
            bitmap_set(bitmap, i);
            model[i] = true;
        }
    }
}

static void test_against_array(void **state)
{
    /* Proves all operations for every size around the edges of words. */
    (void)state;
    static bool a_model[BITS_MAX];
    static bool b_model[BITS_MAX];
    struct random random;
    random_init(&random, SEED);
    print_message("seed %d\n", SEED);
    for (size_t bits = 0; bits < BITS_MAX; bits += bits < 140 ? 1 : 37) {
        struct bitmap a;
        struct bitmap b;
        bitmap_init(&a);
        bitmap_init(&b);
        fill(&random, &a, a_model, bits);
        fill(&random, &b, b_model, bits);
        check(&a, a_model, bits);
        bitmap_or(&a, &b);
        for (size_t i = 0; i < bits; i++) {
            a_model[i] = a_model[i] || b_model[i];
        }
        check(&a, a_model, bits);
        bitmap_not(&a);
        for (size_t i = 0; i < bits; i++) {
            a_model[i] = !a_model[i];
        }
        check(&a, a_model, bits);
        bitmap_and(&a, &b);
        for (size_t i = 0; i < bits; i++) {
            a_model[i] = a_model[i] && b_model[i];
            if (i % 3 == 0) {
                bitmap_clear(&a, i);
                a_model[i] = false;
            }
        }
        check(&a, a_model, bits);
        bitmap_deinit(&a);
        bitmap_deinit(&b);
    }
}

static void test_resize(void **state)
{
    /* Proves that new bits are 0 even where an older, larger set had ones. */
    (void)state;
    struct bitmap bitmap;
    bitmap_init(&bitmap);
    static const size_t sizes[] = {130, 65, 200, 3, 64, 128, 1, 0, 1000};
    size_t had = 0;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        assert_true(bitmap_resize(&bitmap, sizes[i]));
        assert_int_equal(bitmap_count(&bitmap), had < sizes[i] ? had : sizes[i]);
        for (size_t k = 0; k < sizes[i]; k++) {
            bitmap_set(&bitmap, k);
        }
        had = sizes[i];
        assert_int_equal(bitmap_count(&bitmap), had);
    }
    assert_false(bitmap_resize(&bitmap, SIZE_MAX / 2));
    assert_int_equal(bitmap.bits, 1000);
    bitmap_deinit(&bitmap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_array),
        cmocka_unit_test(test_resize),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
