/* Point ids: text forms, order, keys. */
#include "index/point_id.h"
#include "storage/base/random.h"

#include <stdio.h>

/* cmocka needs these before it. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

static const char *const SAME_UUID[] = {
    "550e8400-e29b-41d4-a716-446655440000",
    "550E8400-E29B-41D4-A716-446655440000",
    "550e8400e29b41d4a716446655440000",
    "{550e8400-e29b-41d4-a716-446655440000}",
    "urn:uuid:550e8400-e29b-41d4-a716-446655440000",
    "URN:UUID:550e8400-E29B-41d4-a716-446655440000",
};
static const char *const NO_UUID[] = {
    "",
    "550e8400",
    "550e8400-e29b-41d4-a716-44665544000",
    "550e8400-e29b-41d4-a716-4466554400000",
    "550e8400-e29b-41d4-a716-44665544000g",
    "550e8400ae29b-41d4-a716-446655440000",
    "{550e8400-e29b-41d4-a716-446655440000",
    "{550e8400e29b41d4a716446655440000}",
    "urn:uuid:550e8400e29b41d4a716446655440000",
    "urn:uuie:550e8400-e29b-41d4-a716-446655440000",
    "550e8400-e29b-41d4-a716-446655440000 ",
};

/* Every accepted form of a UUID gives the same id, printed hyphenated and in lower case. */
static void test_uuid_forms(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(SAME_UUID) / sizeof(SAME_UUID[0]); i++) {
        struct point_id id;
        char text[POINT_ID_TEXT_BYTES];
        assert_true(point_id_parse_uuid(slice_text(SAME_UUID[i]), &id));
        point_id_format(id, text);
        assert_string_equal(text, SAME_UUID[0]);
        assert_true(id.is_uuid);
        assert_true(id.high == UINT64_C(0x550e8400e29b41d4));
        assert_true(id.low == UINT64_C(0xa716446655440000));
    }
}

/* Anything else is refused, and the out-parameter stays as it was. */
static void test_uuid_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(NO_UUID) / sizeof(NO_UUID[0]); i++) {
        struct point_id id = point_id_number(77);
        if (point_id_parse_uuid(slice_text(NO_UUID[i]), &id))
            fail_msg("accepted '%s'", NO_UUID[i]);
        assert_true(id.low == 77 && !id.is_uuid);
    }
}

/* Path parameters: decimal numbers up to 2^64 - 1, else UUIDs. */
static void test_parse_number(void **state)
{
    (void)state;
    struct point_id id;
    assert_true(point_id_parse(SLICE_LITERAL("0"), &id) && id.low == 0 && !id.is_uuid);
    assert_true(point_id_parse(SLICE_LITERAL("18446744073709551615"), &id) && id.low == UINT64_MAX);
    assert_false(point_id_parse(SLICE_LITERAL("18446744073709551616"), &id));
    assert_false(point_id_parse(SLICE_LITERAL("99999999999999999999"), &id));
    assert_false(point_id_parse(SLICE_LITERAL("-1"), &id));
    assert_false(point_id_parse(SLICE_LITERAL("+1"), &id));
    assert_false(point_id_parse(SLICE_LITERAL("1 "), &id));
    assert_false(point_id_parse(SLICE_LITERAL(""), &id));
    assert_true(point_id_parse(SLICE_LITERAL("00000000000000000000000000000001"), &id));
    assert_true(id.is_uuid && id.low == 1);
}

static struct point_id random_id(struct random *random)
{
    struct point_id id = {.low = random_u64(random) >> random_below(random, 64)};
    if (random_below(random, 2)) {
        id.is_uuid = true;
        id.high = random_u64(random) >> random_below(random, 64);
    }
    return id;
}

/* Keys decode to the id they were made from, and their byte order is the order of ids; text goes
 * both ways. */
static void test_keys_keep_order(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 20240601);
    print_message("seed 20240601\n");
    for (int round = 0; round < 20000; round++) {
        struct point_id a = random_id(&random), b = random_id(&random), back;
        uint8_t key_a[POINT_ID_KEY_BYTES], key_b[POINT_ID_KEY_BYTES];
        char text[POINT_ID_TEXT_BYTES];
        size_t size_a = point_id_encode(a, key_a), size_b = point_id_encode(b, key_b);
        assert_true(point_id_decode(slice_of(key_a, size_a), &back));
        assert_int_equal(point_id_compare(a, back), 0);
        int order = slice_compare(slice_of(key_a, size_a), slice_of(key_b, size_b));
        assert_int_equal((order > 0) - (order < 0), point_id_compare(a, b));
        assert_int_equal(point_id_compare(b, a), -point_id_compare(a, b));
        point_id_format(a, text);
        assert_true(point_id_parse(slice_text(text), &back) && point_id_compare(a, back) == 0);
        assert_true(point_id_hash(a) == point_id_hash(back));
    }
}

/* Damaged keys are refused. */
static void test_decode_refuses(void **state)
{
    (void)state;
    uint8_t key[POINT_ID_KEY_BYTES + 1] = {0};
    struct point_id id;
    assert_int_equal(point_id_encode(point_id_number(1), key), 9);
    assert_false(point_id_decode(slice_of(key, 8), &id));
    assert_false(point_id_decode(slice_of(key, 17), &id));
    key[0] = 1;
    assert_false(point_id_decode(slice_of(key, 9), &id));
    assert_true(point_id_decode(slice_of(key, 17), &id));
    key[0] = 2;
    assert_false(point_id_decode(slice_of(key, 17), &id));
    assert_false(point_id_decode(slice_of(key, 0), &id));
}

/* Neighbouring numbers spread over all hash bits, and a number differs from the UUID with its bits.
 */
static void test_hash_spreads(void **state)
{
    (void)state;
    uint32_t low[256] = {0}, high[256] = {0};
    for (uint64_t i = 0; i < 65536; i++) {
        uint64_t hash = point_id_hash(point_id_number(i));
        low[hash & 255]++;
        high[hash >> 56]++;
    }
    for (size_t i = 0; i < 256; i++) {
        assert_in_range(low[i], 150, 370);
        assert_in_range(high[i], 150, 370);
    }
    struct point_id uuid = {.low = 5, .is_uuid = true};
    assert_true(point_id_hash(uuid) != point_id_hash(point_id_number(5)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uuid_forms),     cmocka_unit_test(test_uuid_refused),
        cmocka_unit_test(test_parse_number),   cmocka_unit_test(test_keys_keep_order),
        cmocka_unit_test(test_decode_refuses), cmocka_unit_test(test_hash_spreads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
