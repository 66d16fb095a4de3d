/* The JSON writer: commas, escapes, numbers, blocks of floats, and a buffer at its limit. */
#include "server/rest/json_writer.h"
#include "tests/lib/unit.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static struct buffer out;
static struct json_writer writer;

static int set_up(void **state)
{
    (void)state;
    buffer_init(&out, 0);
    json_writer_init(&writer, &out);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    buffer_deinit(&out);
    return 0;
}

static void assert_out(const char *expected)
{
    assert_int_equal(out.size, strlen(expected));
    assert_memory_equal(out.data, expected, out.size);
}

static void test_structure(void **state)
{
    /* Proves: commas and colons fall where JSON wants them, whatever is nested in what. */
    (void)state;
    json_begin_object(&writer);
    json_key(&writer, "a");
    json_begin_list(&writer);
    json_unsigned(&writer, UINT64_MAX);
    json_signed(&writer, INT64_MIN);
    json_begin_object(&writer);
    json_end_object(&writer);
    json_begin_list(&writer);
    json_end_list(&writer);
    json_null(&writer);
    json_end_list(&writer);
    json_key(&writer, "b");
    json_bool(&writer, true);
    json_key(&writer, "c");
    json_raw(&writer, SLICE_LITERAL("{\"x\":1}"));
    json_key(&writer, "d");
    json_bool(&writer, false);
    json_end_object(&writer);
    assert_out("{\"a\":[18446744073709551615,-9223372036854775808,{},[],null],\"b\":true,"
               "\"c\":{\"x\":1},\"d\":false}");
}

static void test_strings(void **state)
{
    /* Proves: only what must be escaped is, in keys as in values; UTF-8 and NUL bytes pass. */
    (void)state;
    json_begin_object(&writer);
    json_key(&writer, "k\"\n");
    json_slice(&writer, slice_of("a\0\x1f\b\t\f\r\\\"/\xc3\xa9\x7f", 13));
    json_key(&writer, "");
    json_text(&writer, "");
    json_end_object(&writer);
    assert_out("{\"k\\\"\\n\":\"a\\u0000\\u001f\\b\\t\\f\\r\\\\\\\"/\xc3\xa9\x7f\",\"\":\"\"}");
}

static void test_numbers(void **state)
{
    /* Proves: shortest forms, integral reals keep their point, no NaN or infinity gets out. */
    (void)state;
    json_begin_list(&writer);
    json_float(&writer, 0.1f);
    json_double(&writer, 0.1);
    json_float(&writer, 3);
    json_double(&writer, -2);
    json_float(&writer, NAN);
    json_double(&writer, INFINITY);
    json_end_list(&writer);
    assert_out("[0.1,0.1,3.0,-2.0,null,null]");
}

static void test_floats(void **state)
{
    /* Proves: lists of any length around the block size come out whole, one text for each number.
     */
    (void)state;
    static const size_t counts[] = {0, 1, 2, 63, 64, 65, 128, 1000};
    for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
        float *numbers = malloc((counts[i] + 1) * sizeof(float));
        struct buffer expected;
        buffer_init(&expected, 0);
        buffer_append_text(&expected, "[");
        assert_non_null(numbers);
        for (size_t j = 0; j < counts[i]; j++) {
            numbers[j] = (float)j + 0.5f;
            buffer_printf(&expected, "%s%zu.5", j ? "," : "", j);
        }
        buffer_append(&expected, "]", 2); /* with its NUL */
        buffer_clear(&out);
        json_writer_init(&writer, &out);
        json_floats(&writer, numbers, counts[i]);
        assert_out((char *)expected.data);
        buffer_deinit(&expected);
        free(numbers);
    }
    float bad[2] = {NAN, 1};
    buffer_clear(&out);
    json_writer_init(&writer, &out);
    json_floats(&writer, bad, 2);
    assert_out("[null,1.0]");
}

static void test_full_buffer(void **state)
{
    /* Proves: a buffer at its limit swallows the rest and remembers it. */
    (void)state;
    struct buffer small;
    buffer_init(&small, 100);
    json_writer_init(&writer, &small);
    float numbers[200] = {0};
    json_floats(&writer, numbers, 200);
    json_text(&writer, "more");
    assert_true(small.failed);
    assert_true(small.size <= 100);
    buffer_deinit(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_structure, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_strings, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_numbers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_floats, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_full_buffer, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
