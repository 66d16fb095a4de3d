/* Log lines: both forms, escaping, levels, lengths, and whole lines from many threads. */
#include "storage/base/logger.h"
#include "storage/base/slice.h"
#include "tests/lib/unit.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char captured[1 << 20];
static int saved_stderr;
static FILE *capture_file;

static void capture_begin(void)
{
    capture_file = tmpfile();
    assert_non_null(capture_file);
    saved_stderr = dup(STDERR_FILENO);
    assert_true(dup2(fileno(capture_file), STDERR_FILENO) >= 0);
}

static const char *capture_end(void)
{
    assert_true(dup2(saved_stderr, STDERR_FILENO) >= 0);
    assert_int_equal(close(saved_stderr), 0);
    rewind(capture_file);
    size_t size = fread(captured, 1, sizeof(captured) - 1, capture_file);
    captured[size] = '\0';
    assert_int_equal(fclose(capture_file), 0);
    return captured;
}

static void test_text(void **state)
{
    /* Proves the shape of a text line and that a message cannot begin a second line. */
    (void)state;
    logger_init(LOG_INFO, LOG_FORMAT_TEXT);
    capture_begin();
    log_info("storage/log", "opened %d \"files\"\nfake line\x1b[0m", 3);
    const char *line = capture_end();
    assert_memory_equal(line, "20", 2);
    assert_int_equal(line[23], 'Z');
    assert_string_equal(line + 24,
                        " INFO  storage/log: opened 3 \"files\"\\nfake line\\u001b[0m\n");
}

static void test_json(void **state)
{
    /* Proves that quotes, backslashes, control characters and broken UTF-8 are escaped, good UTF-8
     * is not. */
    (void)state;
    logger_init(LOG_INFO, LOG_FORMAT_JSON);
    capture_begin();
    log_error("server", "a \"b\" \\ \n \x01 \xc3\xa4 \xff \xed\xa0\x80 \xe2\x82");
    const char *line = capture_end();
    assert_memory_equal(line, "{\"time\":\"20", 11);
    assert_string_equal(line + 33,
                        "\",\"level\":\"ERROR\",\"module\":\"server\",\"message\":"
                        "\"a \\\"b\\\" \\\\ \\n \\u0001 \xc3\xa4 \xef\xbf\xbd "
                        "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd \xef\xbf\xbd\xef\xbf\xbd\"}\n");
}

static void test_levels(void **state)
{
    /* Proves that lines below the level are not written, and that OFF silences all. */
    (void)state;
    logger_init(LOG_WARN, LOG_FORMAT_TEXT);
    assert_false(logger_enabled(LOG_INFO));
    assert_true(logger_enabled(LOG_ERROR));
    capture_begin();
    log_debug("m", "no");
    log_info("m", "no");
    log_warn("m", "yes");
    logger_init(LOG_OFF, LOG_FORMAT_TEXT);
    log_error("m", "no");
    const char *lines = capture_end();
    assert_string_equal(lines + 24, " WARN  m: yes\n");
}

static void test_parse(void **state)
{
    /* Proves that level names are read in any case and that others are refused. */
    (void)state;
    enum log_level level = LOG_OFF;
    assert_true(log_level_parse("info", &level));
    assert_int_equal(level, LOG_INFO);
    assert_true(log_level_parse("WARN", &level));
    assert_int_equal(level, LOG_WARN);
    assert_true(log_level_parse("Off", &level));
    assert_int_equal(level, LOG_OFF);
    assert_false(log_level_parse("", &level));
    assert_false(log_level_parse("infos", &level));
    assert_int_equal(level, LOG_OFF);
}

static void test_long_messages(void **state)
{
    /* Proves that a line of any length ends as it should, in the worst case of escaping too. */
    (void)state;
    static char text[20000];
    static const char fills[] = {'x', '\x01', '\xff', '"'};
    for (size_t i = 0; i < sizeof(fills); i++) {
        for (int form = LOG_FORMAT_TEXT; form <= LOG_FORMAT_JSON; form++) {
            memset(text, fills[i], sizeof(text) - 1);
            logger_init(LOG_INFO, (enum log_format)form);
            capture_begin();
            log_info("m", "%s", text);
            const char *line = capture_end();
            const char *end = form == LOG_FORMAT_JSON ? "...\"}\n" : "...\n";
            size_t size = strlen(line);
            assert_in_range(size, 4000, 8192);
            assert_string_equal(line + size - strlen(end), end);
            assert_ptr_equal(strchr(line, '\n'), line + size - 1);
        }
    }
}

enum { THREADS_COUNT = 4, LINES_COUNT = 500 };

static void *write_lines(void *arg)
{
    for (int i = 0; i < LINES_COUNT; i++) {
        log_info("m", "thread %d line %d end", *(int *)arg, i);
    }
    return NULL;
}

static void test_threads(void **state)
{
    /* Proves that the lines of several threads come out whole, each thread's in order. */
    (void)state;
    logger_init(LOG_INFO, LOG_FORMAT_TEXT);
    pthread_t threads[THREADS_COUNT];
    int numbers[THREADS_COUNT];
    int next[THREADS_COUNT] = {0};
    capture_begin();
    for (int i = 0; i < THREADS_COUNT; i++) {
        numbers[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, write_lines, &numbers[i]), 0);
    }
    for (int i = 0; i < THREADS_COUNT; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    const char *line = capture_end();
    for (int i = 0; i < THREADS_COUNT * LINES_COUNT; i++) {
        static const char head[] = " INFO  m: thread ";
        static const char middle[] = " line ";
        static const char tail[] = " end\n";
        char *at;
        assert_memory_equal(line + 24, head, strlen(head));
        long thread = strtol(line + 24 + strlen(head), &at, 10);
        assert_true(thread >= 0 && thread < THREADS_COUNT);
        assert_memory_equal(at, middle, strlen(middle));
        assert_int_equal(strtol(at + strlen(middle), &at, 10), next[thread]++);
        assert_memory_equal(at, tail, strlen(tail));
        line = at + strlen(tail);
    }
    assert_int_equal(*line, '\0');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),          cmocka_unit_test(test_json),
        cmocka_unit_test(test_levels),        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_long_messages), cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
