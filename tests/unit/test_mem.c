/* Heap memory and assertions: what is refused, and how the process ends. */
#include "storage/base/assert.h"
#include "storage/base/mem.h"
#include "tests/lib/unit.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static char last_words[8192];

/* Runs `fn` in a child and returns its wait status; what it writes to standard error is in
 * last_words. */
static int run_in_child(void (*fn)(void))
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        const struct rlimit no_core = {0, 0};
        (void)setrlimit(RLIMIT_CORE, &no_core);
        const struct sigaction plain = {.sa_handler =
                                            SIG_DFL}; /* cmocka and sanitizers have their own */
        (void)sigaction(SIGABRT, &plain, NULL);
        (void)dup2(ends[1], STDERR_FILENO);
        (void)close(ends[0]);
        (void)close(ends[1]);
        fn();
        _exit(0);
    }
    (void)close(ends[1]);
    size_t size = 0;
    ssize_t got;
    while (size < sizeof(last_words) - 1 &&
           (got = read(ends[0], last_words + size, sizeof(last_words) - 1 - size)) > 0) {
        size += (size_t)got;
    }
    last_words[size] = '\0';
    (void)close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void break_promise(void)
{
    volatile int one = 1;
    ASSERT(one == 2);
}

static void keep_promise(void)
{
    volatile int one = 1;
    ASSERT(one == 1);
}

static void test_assert(void **state)
{
    /* Proves that a false condition ends the process by abort and says which, and that a true one
     * does nothing. */
    (void)state;
    int status = run_in_child(break_promise);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_memory_equal(last_words, "assertion failed: one == 2 at ", 30);
    assert_non_null(strstr(last_words, "tests/unit/test_mem.c:"));
    assert_non_null(strstr(strchr(last_words, '\n'), "test_mem")); /* the stack names the program */
    assert_int_equal(run_in_child(keep_promise), 0);
    assert_string_equal(last_words, "");
}

static void take_too_much(void)
{
    volatile size_t huge = SIZE_MAX / 4;
    mem_free(mem_alloc(huge));
}

static void test_no_memory(void **state)
{
    /* Proves that trying returns NULL and leaves the old memory, while the others end the process
     * with a message. */
    (void)state;
    volatile size_t huge = SIZE_MAX / 4;
    assert_null(mem_try_alloc(huge));
    char *text = mem_strdup("kept");
    assert_null(mem_try_realloc(text, huge));
    assert_string_equal(text, "kept");
    mem_free(text);
    int status = run_in_child(take_too_much);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_memory_equal(last_words, "out of memory: ", 15);
}

static void test_sizes(void **state)
{
    /* Proves that nothing is a size too, that zeroed memory is zero, and that growing keeps bytes.
     */
    (void)state;
    void *none = mem_alloc(0);
    assert_non_null(none);
    none = mem_realloc(none, 0);
    assert_non_null(none);
    mem_free(none);
    uint8_t *bytes = mem_zalloc(1000);
    for (size_t i = 0; i < 1000; i++) {
        assert_int_equal(bytes[i], 0);
        bytes[i] = (uint8_t)i;
    }
    bytes = mem_realloc(bytes, 100000);
    for (size_t i = 0; i < 1000; i++) {
        assert_int_equal(bytes[i], (uint8_t)i);
    }
    mem_free(bytes);
    mem_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_assert),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
