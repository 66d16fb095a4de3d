/* The JSON parser behind its C interface: types, limits, numbers as text, and payloads as text
 * again. */
#include "server/rest/json_payload.h"
#include "server/rest/json_shim.h"
#include "storage/base/random.h"
#include "tests/lib/unit.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { PADDING = 64, RANDOM_NUMBERS = 200000 };

static struct dom_parser *parser;
static uint8_t *padded; /* the body that was parsed last */

static int set_up(void **state)
{
    (void)state;
    parser = dom_parser_create();
    return parser ? 0 : 1;
}

static int tear_down(void **state)
{
    (void)state;
    dom_parser_destroy(parser);
    free(padded);
    padded = NULL;
    return 0;
}

static const char *parse_bytes(const void *data, size_t size, struct dom_value *root)
{
    free(padded);
    padded = calloc(1, size + PADDING);
    assert_non_null(padded);
    memcpy(padded, data, size);
    return dom_parse(parser, slice_of(padded, size), root);
}

static const char *parse(const char *text, struct dom_value *root)
{
    return parse_bytes(text, strlen(text), root);
}

static void test_types(void **state)
{
    /* Proves: each kind of value is told apart and read back exactly, in order. */
    (void)state;
    struct dom_value root, value;
    struct slice key;
    assert_null(
        parse("{\"a\":null,\"b\":true,\"c\":-9223372036854775808,\"d\":18446744073709551615,"
              "\"e\":1.5,\"f\":\"x\\u0000y\",\"g\":[1,2],\"h\":{}}",
              &root));
    static const enum dom_type types[] = {DOM_NULL, DOM_BOOL,   DOM_SIGNED, DOM_UNSIGNED,
                                          DOM_REAL, DOM_STRING, DOM_ARRAY,  DOM_OBJECT};
    struct dom_value values[8];
    assert_int_equal(dom_type(root), DOM_OBJECT);
    assert_int_equal(dom_count(root), 8);
    struct dom_cursor cursor = dom_members(root);
    for (size_t i = 0; i < 8; i++) {
        assert_true(dom_next_member(&cursor, &key, &values[i]));
        assert_int_equal(key.data[0], 'a' + (int)i);
        assert_int_equal(dom_type(values[i]), types[i]);
    }
    assert_false(dom_next_member(&cursor, &key, &value));
    assert_true(dom_bool(values[1]));
    assert_true(dom_signed(values[2]) == INT64_MIN);
    assert_true(dom_unsigned(values[3]) == UINT64_MAX);
    assert_true(dom_real(values[4]) == 1.5);
    assert_int_equal(dom_string(values[5]).size, 3);
    cursor = dom_items(values[6]);
    assert_true(dom_next_item(&cursor, &value));
    assert_int_equal(dom_signed(value), 1);
    assert_true(dom_next_item(&cursor, &value));
    assert_false(dom_next_item(&cursor, &value));
    cursor = dom_members(values[7]);
    assert_false(dom_next_member(&cursor, &key, &value));
}

static char *nested(size_t levels)
{
    char *text = calloc(1, levels * 2 + 2);
    assert_non_null(text);
    memset(text, '[', levels);
    text[levels] = '1';
    memset(text + levels + 1, ']', levels);
    return text;
}

static void test_depth(void **state)
{
    /* Proves: exactly DOM_DEPTH_MAX levels pass, and the error names the limit; very deep text does
     * no harm. */
    (void)state;
    struct dom_value root;
    static const size_t levels[] = {1, DOM_DEPTH_MAX, DOM_DEPTH_MAX + 1, 1000000};
    for (size_t i = 0; i < 4; i++) {
        char *text = nested(levels[i]);
        const char *fault = parse(text, &root);
        if (levels[i] <= DOM_DEPTH_MAX)
            assert_null(fault);
        else
            assert_non_null(strstr(fault, "64"));
        free(text);
    }
}

static void test_malformed(void **state)
{
    /* Proves: what is not JSON is refused with a text that fits, and the parser stays usable. */
    (void)state;
    static const struct {
        const char *text, *fault;
    } cases[] = {
        {"", "EOF"},
        {"   ", "EOF"},
        {"{", ""},
        {"[1,2", ""},
        {"{\"a\":1,}", ""},
        {"[1,]", ""},
        {"{\"a\":1}{\"b\":2}", ""},
        {"01", "number"},
        {"[.5]", ""},
        {"NaN", ""},
        {"[tru]", "true"},
        {"{'a':1}", ""},
        {"18446744073709551616", "out of range"},
        {"-9223372036854775809", "out of range"},
        {"1e400", "out of range"},
        {"\"\xff\"", "UTF-8"},
        {"\"a\nb\"", "control"},
        {"\"\\x\"", "escape"},
        {"\"abc", "string"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct dom_value root;
        const char *fault = parse(cases[i].text, &root);
        if (!fault || !strstr(fault, cases[i].fault))
            fail_msg("%s gave %s", cases[i].text, fault ? fault : "no fault");
        assert_null(parse("[1]", &root));
    }
}

static void test_number_arrays(void **state)
{
    /* Proves: arrays come over in one call, and the first bad item is named. */
    (void)state;
    struct dom_value root;
    float floats[4];
    uint32_t uints[4];
    size_t index = 99;
    assert_null(parse("[1, -2.5, 3.4028234663852886e38, 18446744073709551615]", &root));
    assert_int_equal(dom_floats(root, floats, &index), DOM_FINE);
    assert_true(floats[0] == 1 && floats[1] == -2.5f && floats[2] == FLT_MAX);
    assert_null(parse("[1, 1e39]", &root));
    assert_int_equal(dom_floats(root, floats, &index), DOM_OUT_OF_RANGE);
    assert_int_equal(index, 1);
    assert_null(parse("[1, 2, \"3\"]", &root));
    assert_int_equal(dom_floats(root, floats, &index), DOM_NOT_NUMBER);
    assert_int_equal(index, 2);
    assert_null(parse("[0, 4294967295]", &root));
    assert_int_equal(dom_uints(root, uints, &index), DOM_FINE);
    assert_true(uints[1] == UINT32_MAX);
    static const struct {
        const char *text;
        enum dom_fault fault;
    } cases[] = {{"[0, 4294967296]", DOM_OUT_OF_RANGE},
                 {"[0, -1]", DOM_OUT_OF_RANGE},
                 {"[0, 1.5]", DOM_NOT_NUMBER},
                 {"[0, null]", DOM_NOT_NUMBER}};
    for (size_t i = 0; i < 4; i++) {
        assert_null(parse(cases[i].text, &root));
        assert_int_equal(dom_uints(root, uints, &index), cases[i].fault);
        assert_int_equal(index, 1);
    }
}

static void test_number_text(void **state)
{
    /* Proves: numbers read back bit for bit, integral ones keep ".0", and floats are short. */
    (void)state;
    static const struct {
        double number;
        const char *as_float, *as_double;
    } cases[] = {{0.1, "0.1", "0.1"},
                 {1, "1.0", "1.0"},
                 {-0.0, "-0.0", "-0.0"},
                 {1e10, "1e+10", "1e+10"},
                 {16777216, "16777216.0", "16777216.0"},
                 {0.5, "0.5", "0.5"}};
    char text[DOM_NUMBER_TEXT_MAX + 1];
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        text[dom_float_text((float)cases[i].number, text)] = 0;
        assert_string_equal(text, cases[i].as_float);
        text[dom_double_text(cases[i].number, text)] = 0;
        assert_string_equal(text, cases[i].as_double);
    }
    enum { SEED = 20240611 };
    struct random random;
    random_init(&random, SEED);
    print_message("seed %d\n", SEED);
    for (int i = 0; i < RANDOM_NUMBERS; i++) {
        uint64_t bits = random_u64(&random);
        double wide;
        float narrow;
        memcpy(&wide, &bits, sizeof(wide));
        memcpy(&narrow, &bits, sizeof(narrow));
        if (isfinite(wide)) {
            text[dom_double_text(wide, text)] = 0;
            assert_true(strtod(text, NULL) == wide);
        }
        if (isfinite(narrow)) {
            text[dom_float_text(narrow, text)] = 0;
            assert_true(strtof(text, NULL) == narrow);
        }
    }
}

static void write_again(const char *text, const char *expected)
{
    struct dom_value root;
    struct buffer out;
    struct json_writer writer;
    struct arena *arena = arena_create(0);
    buffer_init(&out, 0);
    json_writer_init(&writer, &out);
    assert_null(parse(text, &root));
    assert_true(dom_write(root, arena, &writer));
    buffer_append_byte(&out, 0);
    assert_string_equal((char *)out.data, expected);
    buffer_deinit(&out);
    arena_destroy(arena);
}

static void test_payload_text(void **state)
{
    /* Proves: text is minified, integers stay exact, escapes are minimal, the last of equal keys
     * stays. */
    (void)state;
    write_again(" { \"a\" : [ 1 , 2.0, 1e2 ] , \"b\" : { } } ", "{\"a\":[1,2.0,100.0],\"b\":{}}");
    write_again("[9223372036854775807,18446744073709551615,-0.5]",
                "[9223372036854775807,18446744073709551615,-0.5]");
    write_again("[\"\\u00e9\\n\\\"\\\\\\/\\u0001\",true,false,null]",
                "[\"\xc3\xa9\\n\\\"\\\\/\\u0001\",true,false,null]");
    write_again("{\"a\":1,\"b\":2,\"a\":3}", "{\"b\":2,\"a\":3}");
    write_again("{\"a\":{\"x\":1,\"x\":[]},\"\":0}", "{\"a\":{\"x\":[]},\"\":0}");
}

static void test_many_duplicates(void **state)
{
    /* Proves: objects past the pairwise limit drop duplicates as small ones do, and in reasonable
     * time. */
    (void)state;
    enum { KEYS = 50000, DISTINCT = 1000 };
    struct dom_value root;
    struct dom_member *members;
    size_t count;
    struct buffer text;
    buffer_init(&text, 0);
    for (int i = 0; i < KEYS; i++)
        buffer_printf(&text, "%c\"k%d\":%d", i ? ',' : '{', i % DISTINCT, i);
    buffer_append_text(&text, "}");
    assert_null(parse_bytes(text.data, text.size, &root));
    struct arena *arena = arena_create(0);
    assert_true(dom_unique_members(root, arena, &members, &count));
    assert_int_equal(count, DISTINCT);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(dom_signed(members[i].value), KEYS - DISTINCT + (int)i);
    arena_destroy(arena);
    buffer_deinit(&text);
}

static void test_full_arena(void **state)
{
    /* Proves: an arena at its limit is reported, not ignored. */
    (void)state;
    struct dom_value root;
    struct buffer out;
    struct json_writer writer;
    struct arena *arena = arena_create(16);
    buffer_init(&out, 0);
    json_writer_init(&writer, &out);
    assert_null(parse("{\"a\":1,\"b\":2}", &root));
    assert_false(dom_write(root, arena, &writer));
    buffer_deinit(&out);
    arena_destroy(arena);
}

static void test_large(void **state)
{
    /* Proves: counts past 24 bits are right, and a trimmed parser parses again. */
    (void)state;
    enum { ITEMS = 0xFFFFFF + 10 };
    struct dom_value root;
    char *text = malloc(ITEMS * 2 + 2);
    assert_non_null(text);
    for (size_t i = 0; i < ITEMS; i++) {
        text[i * 2] = i ? ',' : '[';
        text[i * 2 + 1] = '1';
    }
    text[ITEMS * 2] = ']';
    assert_null(parse_bytes(text, ITEMS * 2 + 1, &root));
    assert_int_equal(dom_count(root), ITEMS);
    dom_parser_trim(parser);
    assert_null(parse("[7]", &root));
    assert_int_equal(dom_count(root), 1);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_types, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_depth, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_malformed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_number_arrays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_number_text, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_payload_text, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many_duplicates, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_full_arena, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_large, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
