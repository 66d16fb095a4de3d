/* Keys of the store: the bytes of the format, order, ranges. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h> /* needs those above */
/* clang-format on */

#include "storage/base/random.h"
#include "storage/kv/keys.h"

static void check(struct key key, const char *bytes, size_t size)
{
    assert_int_equal(key.size, size);
    assert_memory_equal(key.bytes, bytes, size);
    assert_true(slice_equal(key_slice(&key), slice_of(bytes, size)));
}

/* Proves that every key has the bytes that the format says: existing stores stay readable. */
static void test_bytes(void **state)
{
    (void)state;
    check(key_format(), "V", 1);
    check(key_catalog(), "N", 1);
    check(key_applied(0x01020304), "A\1\2\3\4", 5);
    check(key_config(7), "C\0\0\0\7", 5);
    check(key_config_begin(), "C", 1);
    check(key_config_end(), "D", 1);
    check(key_id(1, slice_of("123456789", 9)),
          "\0\0\0\1"
          "123456789",
          13);
    check(key_point(1, 0x0a0b0c0d), "\0\0\0\1\x0a\x0b\x0c\x0d", 8);
    check(key_payload(2, 3), "\0\0\0\2\0\0\0\3", 8);
    check(key_vector(2, 0x0102, 3), "\0\0\0\2\1\2\0\0\0\3", 10);
    check(key_collection_begin(258), "\0\0\1\2", 4);
    check(key_collection_end(258), "\0\0\1\3", 4);
    check(key_vector_begin(1, 5), "\0\0\0\1\0\5", 6);
    check(key_vector_end(1, 5), "\0\0\0\1\0\6", 6);
    check(key_vector_end(1, UINT16_MAX), "\0\0\0\2", 4);
}

static uint32_t pick(struct random *random)
{
    static const uint32_t EDGES[] = {0, 1, 255, 256, 65535, 65536, UINT32_MAX - 1, UINT32_MAX};
    return random_below(random, 2) ? EDGES[random_below(random, 8)] : (uint32_t)random_u64(random);
}

static int order(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int sign(int x)
{
    return (x > 0) - (x < 0);
}

/* Proves that bytewise order of keys is the order of their numbers, and that parsing gives the
 * numbers back. */
static void test_order(void **state)
{
    (void)state;
    const uint64_t seed = 20260131;
    printf("seed %llu\n", (unsigned long long)seed);
    struct random random;
    random_init(&random, seed);
    for (int i = 0; i < 20000; i++) {
        uint32_t c1 = pick(&random), c2 = random_below(&random, 2) ? c1 : pick(&random);
        uint16_t s1 = (uint16_t)pick(&random),
                 s2 = random_below(&random, 2) ? s1 : (uint16_t)pick(&random);
        uint32_t o1 = pick(&random), o2 = pick(&random);
        struct key a = key_vector(c1, s1, o1), b = key_vector(c2, s2, o2);
        int expect = order(c1, c2) ? order(c1, c2) : order(s1, s2) ? order(s1, s2) : order(o1, o2);
        assert_int_equal(sign(slice_compare(key_slice(&a), key_slice(&b))), expect);
        assert_int_equal(key_offset_parse(key_slice(&a)), o1);
        assert_int_equal(key_collection_parse(key_slice(&a)), c1);
        struct key config = key_config(c1), applied = key_applied(c2);
        assert_int_equal(key_meta_collection_parse(key_slice(&config)), c1);
        assert_int_equal(key_meta_collection_parse(key_slice(&applied)), c2);
    }
}

static bool inside(struct key begin, struct key key, struct key end)
{
    return slice_compare(key_slice(&begin), key_slice(&key)) <= 0 &&
           slice_compare(key_slice(&key), key_slice(&end)) < 0;
}

/* Proves that ranges hold all keys of their collection or slot and none of another, the last
 * numbers too. */
static void test_ranges(void **state)
{
    (void)state;
    static const uint8_t ID_LAST[17] = {255, 255, 255, 255, 255, 255, 255, 255, 255,
                                        255, 255, 255, 255, 255, 255, 255, 255};
    static const uint32_t NUMBERS[] = {0, 1, 255, 256, UINT32_MAX - 1, UINT32_MAX};
    for (size_t i = 0; i < 6; i++) {
        for (size_t j = 0; j < 6; j++) {
            uint32_t a = NUMBERS[i], b = NUMBERS[j];
            struct key begin = key_collection_begin(a), end = key_collection_end(a);
            assert_int_equal(inside(begin, key_id(b, slice_of(ID_LAST, 17)), end), a == b);
            assert_int_equal(inside(begin, key_id(b, slice_of("\0\0\0\0\0\0\0\0\0", 9)), end),
                             a == b);
            assert_int_equal(inside(begin, key_point(b, UINT32_MAX), end), a == b);
            assert_int_equal(inside(begin, key_point(b, 0), end), a == b);
            uint16_t s = (uint16_t)a, t = (uint16_t)b;
            begin = key_vector_begin(UINT32_MAX, s);
            end = key_vector_end(UINT32_MAX, s);
            assert_int_equal(inside(begin, key_vector(UINT32_MAX, t, UINT32_MAX), end), s == t);
            assert_int_equal(inside(begin, key_vector(UINT32_MAX, t, 0), end), s == t);
            assert_true(inside(key_config_begin(), key_config(a), key_config_end()));
            assert_false(inside(key_config_begin(), key_applied(a), key_config_end()));
        }
    }
    assert_false(inside(key_config_begin(), key_format(), key_config_end()));
    assert_false(inside(key_config_begin(), key_catalog(), key_config_end()));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_ranges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
