/* Reading payload text: values, members, strings with escapes, exact numbers, points in time. */
#include "index/payload/datetime.h"
#include "index/payload/json_view.h"
#include "storage/base/random.h"

#include <stdio.h>
#include <stdlib.h>

/* cmocka needs these before it. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

static struct json_view view(const char *text)
{
    return json_view_of(slice_text(text));
}

/* The first byte tells the kind. */
static void test_kinds(void **state)
{
    (void)state;
    assert_int_equal(json_view_kind(view("null")), JSON_NULL);
    assert_int_equal(json_view_kind(view("true")), JSON_TRUE);
    assert_int_equal(json_view_kind(view("false")), JSON_FALSE);
    assert_int_equal(json_view_kind(view("-1.5")), JSON_NUMBER);
    assert_int_equal(json_view_kind(view("0")), JSON_NUMBER);
    assert_int_equal(json_view_kind(view("\"x\"")), JSON_STRING);
    assert_int_equal(json_view_kind(view("[]")), JSON_ARRAY);
    assert_int_equal(json_view_kind(view("{}")), JSON_OBJECT);
}

/* Items come in order, each with exactly its own bytes, whatever they contain. */
static void test_items(void **state)
{
    (void)state;
    static const char *const items[] = {
        "1", "\"a,]}\\\"[{\"", "[]", "[1,[2,{\"x\":[3]}]]", "{\"}\":1}", "\"\\\\\"", "null", "{}"};
    char text[256];
    int size = snprintf(text, sizeof(text), "[");
    size_t count = sizeof(items) / sizeof(items[0]);
    for (size_t i = 0; i < count; i++)
        size += snprintf(text + size, sizeof(text) - (size_t)size, "%s%s", i ? "," : "", items[i]);
    snprintf(text + size, sizeof(text) - (size_t)size, "]");
    struct json_iter iter;
    struct json_view item;
    json_view_begin(view(text), &iter);
    for (size_t i = 0; i < count; i++) {
        assert_true(json_view_next_item(&iter, &item));
        assert_true(slice_equal(item.text, slice_text(items[i])));
    }
    assert_false(json_view_next_item(&iter, &item));
    assert_int_equal(json_view_count(view(text)), count);
    assert_int_equal(json_view_count(view("[]")), 0);
}

/* A member is found by its unescaped key; a key inside a nested value or a string is not a member.
 */
static void test_find(void **state)
{
    (void)state;
    struct json_view found, object = view("{\"x\":{\"a\":1},\"s\":\"\\\"a\\\":2\",\"\\u00e9\\n\":3,"
                                          "\"a\":[4],\"\":5,\"\\ud83d\\ude00\":6}");
    assert_true(json_view_find(object, SLICE_LITERAL("a"), &found));
    assert_true(slice_equal(found.text, SLICE_LITERAL("[4]")));
    assert_true(json_view_find(object, SLICE_LITERAL("\xc3\xa9\n"), &found));
    assert_true(slice_equal(found.text, SLICE_LITERAL("3")));
    assert_true(json_view_find(object, SLICE_LITERAL(""), &found));
    assert_true(slice_equal(found.text, SLICE_LITERAL("5")));
    assert_true(json_view_find(object, SLICE_LITERAL("\xf0\x9f\x98\x80"), &found));
    assert_true(slice_equal(found.text, SLICE_LITERAL("6")));
    assert_false(json_view_find(object, SLICE_LITERAL("b"), &found));
    assert_false(json_view_find(view("{}"), SLICE_LITERAL("a"), &found));
}

/* Strings compare as if they were unescaped, in all the ways to ask. */
static void test_strings(void **state)
{
    (void)state;
    static const struct {
        const char *raw, *plain;
    } rows[] = {{"", ""},
                {"abc", "abc"},
                {"a\\\"b\\\\c\\/", "a\"b\\c/"},
                {"\\b\\f\\n\\r\\t", "\b\f\n\r\t"},
                {"\\u0041\\u00E4", "A\xc3\xa4"},
                {"\\u20ac", "\xe2\x82\xac"},
                {"\\ud83d\\ude00!", "\xf0\x9f\x98\x80!"},
                {"\\ud83dx", "\xef\xbf\xbdx"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct slice raw = slice_text(rows[i].raw), plain = slice_text(rows[i].plain);
        uint8_t out[64];
        size_t size = json_string_unescape(raw, out);
        assert_true(slice_equal(slice_of(out, size), plain));
        for (size_t j = 0; j < sizeof(rows) / sizeof(rows[0]); j++) {
            struct slice other = slice_text(rows[j].plain);
            int expected = slice_compare(plain, other), got = json_string_compare(raw, other);
            assert_int_equal((got > 0) - (got < 0), (expected > 0) - (expected < 0));
            assert_int_equal(json_string_equal(raw, other), i == j);
            assert_int_equal(json_string_has_prefix(raw, other), slice_has_prefix(plain, other));
            assert_int_equal(json_string_same(raw, slice_text(rows[j].raw)), i == j);
        }
        struct slice shorter = slice_of(plain.data, plain.size ? plain.size - 1 : 0);
        assert_true(json_string_has_prefix(raw, shorter));
        assert_int_equal(json_string_equal(raw, shorter), plain.size == 0);
    }
    assert_true(json_string_same(SLICE_LITERAL("a\\n"), SLICE_LITERAL("\\u0061\\u000a")));
    assert_false(json_string_same(SLICE_LITERAL("a\\n"), SLICE_LITERAL("a")));
}

/* Integers of 64 bits are kept exactly and their neighbours told apart from doubles. */
static void test_numbers_in_order(void **state)
{
    (void)state;
    static const char *const ascending[] = {"-1e300",
                                            "-9223372036854777856.0",
                                            "-9223372036854775808",
                                            "-9223372036854775807",
                                            "-9007199254740993",
                                            "-9007199254740992",
                                            "-1.5",
                                            "-1",
                                            "-0.5",
                                            "0",
                                            "1e-300",
                                            "0.5",
                                            "1",
                                            "9007199254740992",
                                            "9007199254740993",
                                            "9007199254740994.0",
                                            "9223372036854775806",
                                            "9223372036854775807",
                                            "9223372036854775808",
                                            "9223372036854775809",
                                            "18446744073709551615",
                                            "18446744073709551616",
                                            "1.8446744073709556e19",
                                            "1e300"};
    size_t count = sizeof(ascending) / sizeof(ascending[0]);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < count; j++) {
            struct json_number a = json_view_number(view(ascending[i]));
            struct json_number b = json_view_number(view(ascending[j]));
            if (json_number_compare(a, b) != (i > j) - (i < j))
                fail_msg("%s against %s", ascending[i], ascending[j]);
        }
    }
    assert_int_equal(
        json_number_compare(json_view_number(view("1")), json_view_number(view("1.0"))), 0);
    assert_int_equal(
        json_number_compare(json_view_number(view("-0")), json_view_number(view("-0.0"))), 0);
    struct json_number seven = {.kind = NUMBER_UNSIGNED, .unsigned_value = 7};
    assert_int_equal(json_number_compare(seven, json_view_number(view("7"))), 0);
    assert_int_equal(json_view_number(view("18446744073709551615")).kind, NUMBER_UNSIGNED);
    assert_true(json_view_number(view("-9223372036854775808")).signed_value == INT64_MIN);
}

/* Reals read as the nearest double, just as strtod does, for short and long digit strings. */
static void test_reals_like_strtod(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 4711);
    print_message("seed 4711\n");
    for (int round = 0; round < 50000; round++) {
        char text[300];
        int digits_count = (int)random_below(&random, 20);
        int size =
            snprintf(text, sizeof(text), "%s%llu.%0*llu", random_below(&random, 2) ? "-" : "",
                     (unsigned long long)random_below(&random, 1000000), digits_count,
                     (unsigned long long)random_u64(&random) % 1000000007);
        if (random_below(&random, 2))
            snprintf(text + size, sizeof(text) - (size_t)size, "e%d",
                     (int)random_below(&random, 640) - 320);
        struct json_number number = json_view_number(view(text));
        double expected = strtod(text, NULL);
        assert_int_equal(number.kind, NUMBER_REAL);
        if (memcmp(&number.real_value, &expected, sizeof(expected)) != 0)
            fail_msg("%s reads as %.17g", text, number.real_value);
    }
    char digits[400];
    memset(digits, '7', sizeof(digits) - 1);
    digits[sizeof(digits) - 1] = 0;
    assert_true(json_view_number(view(digits)).real_value > 1e308);
    digits[300] = 0;
    assert_true(json_view_number(view(digits)).real_value == strtod(digits, NULL));
}

/* Damaged text gives wrong answers, but the scan stays inside the slice and ends. */
static void test_damaged_text_ends(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 99);
    print_message("seed 99\n");
    static const char alphabet[] = "{}[]\",:\\u1ae.-";
    for (int round = 0; round < 20000; round++) {
        size_t size = 1 + (size_t)random_below(&random, 24);
        uint8_t *text = malloc(size);
        for (size_t i = 0; i < size; i++)
            text[i] = (uint8_t)alphabet[random_below(&random, sizeof(alphabet) - 1)];
        text[0] = random_below(&random, 2) ? '{' : '[';
        struct json_view item, all = json_view_of(slice_of(text, size));
        struct json_iter iter;
        struct slice key;
        size_t steps = 0;
        json_view_begin(all, &iter);
        while (text[0] == '[' ? json_view_next_item(&iter, &item)
                              : json_view_next_member(&iter, &key, &item))
            assert_true(++steps <= size);
        free(text);
    }
}

struct datetime_row {
    const char *text;
    bool valid;
    int64_t us;
};
static const struct datetime_row DATETIMES[] = {
    {"1970-01-01", true, 0},
    {"1970-01-01T00:00:00Z", true, 0},
    {"2024-06-15T12:30:45Z", true, INT64_C(1718454645000000)},
    {"2024-06-15 12:30:45", true, INT64_C(1718454645000000)},
    {"2024-06-15T12:30:45z", true, INT64_C(1718454645000000)},
    {"2024-06-15T12:30:45 UTC", true, INT64_C(1718454645000000)},
    {"2024-06-15T12:30:45.5", true, INT64_C(1718454645500000)},
    {"2024-06-15T12:30:45.1234567Z", true, INT64_C(1718454645123456)},
    {"2024-06-15T14:30:45+02:00", true, INT64_C(1718454645000000)},
    {"2024-06-15T14:30:45 +02:00", true, INT64_C(1718454645000000)},
    {"2024-06-15T14:30:45+02", true, INT64_C(1718454645000000)},
    {"2024-06-15T14:30:45+0200", true, INT64_C(1718454645000000)},
    {"2024-06-15T07:00:45.000-05:30", true, INT64_C(1718454645000000)},
    {"2024-06-15T12:30", true, INT64_C(1718454600000000)},
    {"  2024-06-15", true, INT64_C(1718409600000000)},
    {"2024-02-29", true, INT64_C(1709164800000000)},
    {"2000-02-29", true, INT64_C(951782400000000)},
    {"0001-01-01", true, INT64_C(-62135596800000000)},
    {"9999-12-31T23:59:59.999999Z", true, INT64_C(253402300799999999)},
    {"1969-12-31T23:59:59.999999Z", true, -1},
    {"", false, 0},
    {"2023-02-29", false, 0},
    {"1900-02-29", false, 0},
    {"0000-01-01", false, 0},
    {"2024-13-01", false, 0},
    {"2024-00-01", false, 0},
    {"2024-01-32", false, 0},
    {"2024-01-00", false, 0},
    {"24-01-01", false, 0},
    {"2024-06-15T", false, 0},
    {"2024-06-15T12", false, 0},
    {"2024-06-15 12:3x", false, 0},
    {"2024-06-15T24:00:00", false, 0},
    {"2024-06-15T12:60:00", false, 0},
    {"2024-06-15T12:30:60", false, 0},
    {"2024-06-15T12:30:45.", false, 0},
    {"2024-06-15T12:30:45.Z", false, 0},
    {"2024-06-15T12:30:45+2", false, 0},
    {"2024-06-15T12:30:45+24:00", false, 0},
    {"2024-06-15T12:30:45+02:60", false, 0},
    {"2024-06-15T12:30:45+02:00x", false, 0},
    {"2024-06-15T12:30:45UTC", false, 0},
    {"2024-06-15T12:30:45 ", false, 0},
    {"2024-06-15T12:30Z", false, 0},
    {"2024-06-15Z", false, 0},
    {"2024-06-15 UTC", false, 0},
    {"yesterday", false, 0},
};

/* Each form of a point in time gives the right microsecond; near misses are refused. */
static void test_datetimes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(DATETIMES) / sizeof(DATETIMES[0]); i++) {
        int64_t us = 0;
        bool valid = datetime_parse(slice_text(DATETIMES[i].text), &us);
        if (valid != DATETIMES[i].valid || us != DATETIMES[i].us)
            fail_msg("'%s': %d, %lld", DATETIMES[i].text, valid, (long long)us);
    }
    int64_t us;
    assert_true(datetime_of_value(view("\"\\n1970-01-01\\u0054\\u0030\\u0030:00:01\""), &us));
    assert_int_equal(us, 1000000);
    assert_false(datetime_of_value(view("1970"), &us));
    char text[400] = "\"1970-01-01T00:00:00.";
    memset(text + 21, '0', 300);
    memcpy(text + 321, "\"", 2);
    assert_false(datetime_of_value(view(text), &us));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_items),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_numbers_in_order),
        cmocka_unit_test(test_reals_like_strtod),
        cmocka_unit_test(test_damaged_text_ends),
        cmocka_unit_test(test_datetimes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
