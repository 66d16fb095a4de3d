/* Hash map: random puts, gets and removes against an array indexed by key number. */
#include "storage/base/hashmap.h"
#include "storage/base/random.h"
#include "tests/lib/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEED = 3, KEYS_COUNT = 3000 };

static struct slice key_of(char *text, size_t number)
{
    int size = snprintf(text, 32, "key-%zu", number);
    return slice_of(text, (size_t)size);
}

static void check_all(const struct hashmap *map, void *const *model)
{
    size_t count = 0;
    for (size_t i = 0; i < KEYS_COUNT; i++) {
        char text[32];
        assert_ptr_equal(hashmap_get(map, key_of(text, i)), model[i]);
        count += model[i] != NULL;
    }
    assert_int_equal(hashmap_count(map), count);
    static bool seen[KEYS_COUNT];
    memset(seen, 0, sizeof(seen));
    size_t cursor = 0;
    struct slice key;
    void *value;
    while (hashmap_next(map, &cursor, &key, &value)) {
        char text[32] = {0};
        memcpy(text, key.data, key.size);
        size_t number = strtoul(text + 4, NULL, 10);
        assert_true(number < KEYS_COUNT && !seen[number]);
        seen[number] = true;
        assert_ptr_equal(value, model[number]);
        count--;
    }
    assert_int_equal(count, 0);
}

static void test_against_array(void **state)
{
    /* Proves put, get, remove and iteration over growth and many removals. */
    (void)state;
    static void *model[KEYS_COUNT];
    static char values[KEYS_COUNT];
    struct random random;
    random_init(&random, SEED);
    print_message("seed %d\n", SEED);
    struct hashmap *map = hashmap_create();
    for (size_t round = 0; round < 60000; round++) {
        char text[32];
        size_t number = random_below(&random, KEYS_COUNT);
        struct slice key = key_of(text, number);
        /* Phases of filling and of emptying. */
        if (random_below(&random, 10) < (round / 10000 % 2 ? 2U : 8U)) {
            void *value = &values[random_below(&random, KEYS_COUNT)];
            assert_ptr_equal(hashmap_put(map, key, value), model[number]);
            model[number] = value;
        } else {
            assert_ptr_equal(hashmap_remove(map, key), model[number]);
            model[number] = NULL;
        }
        if (round % 5000 == 0) {
            check_all(map, model);
        }
    }
    check_all(map, model);
    hashmap_destroy(map);
}

static void test_keys_are_bytes(void **state)
{
    /* Proves that keys are copied, may be empty, and may hold zeros. */
    (void)state;
    struct hashmap *map = hashmap_create();
    char text[] = "abc";
    int one = 1;
    int two = 2;
    int three = 3;
    assert_null(hashmap_put(map, slice_text(text), &one));
    text[0] = 'x';
    assert_null(hashmap_put(map, slice_of(NULL, 0), &two));
    assert_null(hashmap_put(map, SLICE_LITERAL("a\0b"), &three));
    assert_ptr_equal(hashmap_get(map, SLICE_LITERAL("abc")), &one);
    assert_null(hashmap_get(map, SLICE_LITERAL("xbc")));
    assert_ptr_equal(hashmap_get(map, slice_of(NULL, 0)), &two);
    assert_ptr_equal(hashmap_get(map, SLICE_LITERAL("a\0b")), &three);
    assert_null(hashmap_get(map, SLICE_LITERAL("a")));
    assert_null(hashmap_remove(map, SLICE_LITERAL("a")));
    hashmap_destroy(map);
    hashmap_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_array),
        cmocka_unit_test(test_keys_are_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
