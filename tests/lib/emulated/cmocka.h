/* The part of cmocka that the kernel tests use, for a cross-compiled test that runs under emulation
 * where the library itself is not at hand. A failed assertion ends the process; the closing lines
 * are cmocka's, for they are counted. */
#pragma once
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CMUnitTest unit_test
struct unit_test {
    const char *name;
    void (*run)(void **state);
};
#define cmocka_unit_test(function)                                                                 \
    {                                                                                              \
        .name = #function, .run = function                                                         \
    }

#define print_error(...)   fprintf(stderr, __VA_ARGS__)
#define print_message(...) printf(__VA_ARGS__)
#define fail_msg(...)                                                                              \
    (fprintf(stderr, "%s:%d: ", __FILE__, __LINE__), fprintf(stderr, __VA_ARGS__),                 \
     fprintf(stderr, "\n[  FAILED  ] 1 test(s)\n"), exit(1))
#define assert_true(x)               ((x) ? (void)0 : fail_msg("%s", #x))
#define assert_false(x)              assert_true(!(x))
#define assert_null(x)               assert_true((x) == NULL)
#define assert_non_null(x)           assert_true((x) != NULL)
#define assert_int_equal(a, b)       assert_true((long long)(a) == (long long)(b))
#define assert_memory_equal(a, b, n) assert_true(memcmp(a, b, n) == 0)
#define assert_string_equal(a, b)    assert_true(strcmp(a, b) == 0)

static inline int run_group(const struct unit_test *tests, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        tests[i].run(&(void *){NULL});
        printf("[       OK ] %s\n", tests[i].name);
    }
    printf("[  PASSED  ] %zu test(s).\n", count);
    return 0;
}
#define cmocka_run_group_tests(tests, setup, teardown)                                             \
    run_group(tests, sizeof(tests) / sizeof *(tests))
