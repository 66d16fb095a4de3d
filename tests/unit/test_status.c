/* Status table and error messages: texts, wrapping, and what is kept when a message is too long. */
#include "storage/base/status.h"
#include "tests/lib/unit.h"

#include <string.h>

static void test_facts_of_statuses(void **state)
{
    /* Proves that names, codes and prefixes are those of the wire contract. */
    (void)state;
    assert_string_equal(status_name(STATUS_NOT_FOUND), "NOT_FOUND");
    assert_int_equal(status_http(STATUS_NOT_FOUND), 404);
    assert_int_equal(status_grpc(STATUS_NOT_FOUND), 5);
    assert_string_equal(status_prefix(STATUS_NOT_FOUND), "Not found: ");
    assert_string_equal(status_prefix(STATUS_OK), "");
    assert_int_equal(status_http(STATUS_VALIDATION), 422);
    assert_int_equal(status_http(STATUS_NO_SPACE), 507);
    assert_true(status_retryable(STATUS_UNAVAILABLE));
    assert_false(status_retryable(STATUS_BAD_INPUT));
}

static void test_set_and_wrap(void **state)
{
    /* Proves that wrapping puts text before the message and keeps the code. */
    (void)state;
    struct error err;
    assert_int_equal(error_set(&err, STATUS_IO, "disk %d", 7), STATUS_IO);
    assert_int_equal(error_wrap(&err, "log %s", "a"), STATUS_IO);
    assert_int_equal(error_wrap(&err, "start"), STATUS_IO);
    assert_string_equal(err.message, "start: log a: disk 7");
    assert_int_equal(err.code, STATUS_IO);
}

static void test_message_may_quote_itself(void **state)
{
    /* Proves that an old message may be an argument of the new one. */
    (void)state;
    struct error err;
    (void)error_set(&err, STATUS_IO, "inner");
    (void)error_set(&err, STATUS_CORRUPT, "outer (%s)", err.message);
    assert_string_equal(err.message, "outer (inner)");
    (void)error_wrap(&err, "%s", err.message);
    assert_string_equal(err.message, "outer (inner): outer (inner)");
}

static void test_without_error(void **state)
{
    /* Proves that callers may leave out the message. */
    (void)state;
    assert_int_equal(error_set(NULL, STATUS_TIMEOUT, "x"), STATUS_TIMEOUT);
    assert_int_equal(error_wrap(NULL, "x"), STATUS_INTERNAL);
}

static void test_long_messages(void **state)
{
    /* Proves that for all lengths the result fits, begins with the prefix and ends with the fault.
     */
    (void)state;
    char text[1200];
    memset(text, 'm', sizeof(text));
    for (int inner = 4; inner < 1000; inner += 83) {
        for (int outer = 1; outer < 1000; outer += 61) {
            struct error err;
            (void)error_set(&err, STATUS_IO, "%.*sEND", inner, text);
            bool was_cut = inner + 3 > 511;
            (void)error_wrap(&err, "P%.*s", outer - 1, text);
            size_t size = strlen(err.message);
            assert_true(size < sizeof(err.message));
            assert_int_equal(err.message[0], 'P');
            assert_non_null(strstr(err.message, ": "));
            if (!was_cut) {
                assert_string_equal(err.message + size - 3, "END");
            }
            if (!was_cut && outer + 2 + inner + 3 <= 511) {
                assert_int_equal(size, (size_t)(outer + 2 + inner + 3));
            } else {
                assert_int_equal(size, sizeof(err.message) - 1);
            }
        }
    }
}

/* Is the text made of whole two-byte and three-byte characters, ASCII and nothing else? */
static bool is_whole(const char *text)
{
    while (*text) {
        int follow = (*text & 0xf0) == 0xe0 ? 2 : (*text & 0xe0) == 0xc0 ? 1 : 0;
        if (!follow && (*text & 0x80)) {
            return false;
        }
        for (text++; follow > 0; follow--, text++) {
            if ((*text & 0xc0) != 0x80) {
                return false;
            }
        }
    }
    return true;
}

static void test_cuts_between_characters(void **state)
{
    /* Proves that a message that is cut anywhere is still UTF-8, as the wire's texts must be. */
    (void)state;
    char text[901];
    for (size_t i = 0; i < 180; i++) {
        memcpy(text + i * 5, "\xc3\xa4\xe2\x82\xac", 5);
    }
    text[900] = '\0';
    for (int inner = 0; inner < 8; inner++) {
        for (int outer = 0; outer < 8; outer++) {
            struct error err;
            (void)error_set(&err, STATUS_IO, "%.*s%s", inner, "xxxxxxxx", text);
            assert_true(is_whole(err.message) && strlen(err.message) >= 508);
            (void)error_wrap(&err, "%.*s%s", outer, "yyyyyyyy", text);
            assert_true(is_whole(err.message) && strlen(err.message) >= 505);
            (void)error_wrap(&err, "%.*s", outer, "zzzzzzzz");
            assert_true(is_whole(err.message) && strlen(err.message) >= 505);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_facts_of_statuses),
        cmocka_unit_test(test_set_and_wrap),
        cmocka_unit_test(test_message_may_quote_itself),
        cmocka_unit_test(test_without_error),
        cmocka_unit_test(test_long_messages),
        cmocka_unit_test(test_cuts_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
