/* Arena: alignment, no overlap, limit, notes in reverse order, reset. */
#include "storage/base/arena.h"
#include "storage/base/random.h"
#include "tests/lib/unit.h"

#include <stdio.h>
#include <string.h>

enum { SEED = 20260131 };

static void test_allocations_do_not_overlap(void **state)
{
    /* Proves that random allocations are aligned, keep their bytes, and are counted. */
    (void)state;
    enum { COUNT = 4000 };
    static struct {
        uint8_t *at;
        size_t size;
    } made[COUNT];
    struct random random;
    random_init(&random, SEED);
    print_message("seed %d\n", SEED);
    struct arena *arena = arena_create(0);
    size_t sum = 0;
    for (size_t i = 0; i < COUNT; i++) {
        size_t align = (size_t)1 << random_below(&random, 7);
        size_t size = random_below(&random, i % 50 == 0 ? 20000 : 100);
        made[i].at = arena_alloc(arena, size, align);
        made[i].size = size;
        assert_non_null(made[i].at);
        assert_int_equal((uintptr_t)made[i].at % align, 0);
        memset(made[i].at, (int)(i & 0xff), size);
        sum += size;
    }
    assert_int_equal(arena_used(arena), sum);
    for (size_t i = 0; i < COUNT; i++) {
        for (size_t k = 0; k < made[i].size; k++) {
            assert_int_equal(made[i].at[k], i & 0xff);
        }
    }
    arena_destroy(arena);
}

static void test_limit(void **state)
{
    /* Proves that the limit is exact, and that a refused allocation leaves the arena usable. */
    (void)state;
    struct arena *arena = arena_create(100);
    assert_non_null(arena_alloc(arena, 60, 1));
    assert_null(arena_alloc(arena, 41, 1));
    assert_null(arena_alloc(arena, SIZE_MAX - 10, 1));
    assert_null(arena_strndup(arena, "x", SIZE_MAX));
    assert_non_null(arena_alloc(arena, 40, 1));
    assert_null(arena_alloc(arena, 1, 1));
    assert_null(arena_printf(arena, "%d", 1));
    assert_false(arena_defer(arena, NULL, NULL));
    assert_int_equal(arena_used(arena), 100);
    arena_reset(arena);
    assert_non_null(arena_alloc(arena, 100, 1));
    arena_destroy(arena);
}

static void test_copies(void **state)
{
    /* Proves that copies and printed text are equal to their source and end in NUL. */
    (void)state;
    struct arena *arena = arena_create(0);
    assert_string_equal(arena_strndup(arena, "abcdef", 3), "abc");
    assert_string_equal(arena_strndup(arena, NULL, 0), "");
    assert_memory_equal(arena_memdup(arena, "xyz", 3), "xyz", 3);
    assert_string_equal(arena_printf(arena, "%s-%05d", "n", 42), "n-00042");
    uint32_t *zeros = arena_new_array(arena, uint32_t, 1000);
    for (size_t i = 0; i < 1000; i++) {
        assert_int_equal(zeros[i], 0);
    }
    volatile size_t huge = SIZE_MAX / 2; /* the compiler would warn about the constant */
    assert_null(arena_zalloc_array(arena, huge, 3, 8));
    arena_destroy(arena);
}

struct trace {
    char text[16];
    size_t size;
};
struct note {
    struct trace *trace;
    char letter;
};

static void write_letter(void *arg)
{
    struct note *note = arg;
    note->trace->text[note->trace->size++] = note->letter;
}

static void test_defer_order(void **state)
{
    /* Proves that notes run once, newest first, while the arena's memory is still there. */
    (void)state;
    struct trace trace = {0};
    struct arena *arena = arena_create(0);
    for (const char *letter = "abc"; *letter; letter++) {
        struct note *note = arena_new(arena, struct note);
        *note = (struct note){.trace = &trace, .letter = *letter};
        assert_true(arena_defer(arena, write_letter, note));
    }
    arena_reset(arena);
    assert_string_equal(trace.text, "cba");
    struct note *last = arena_new(arena, struct note);
    *last = (struct note){.trace = &trace, .letter = 'd'};
    assert_true(arena_defer(arena, write_letter, last));
    arena_destroy(arena);
    assert_string_equal(trace.text, "cbad");
}

static void test_reset(void **state)
{
    /* Proves that an arena can be used again and again after reset. */
    (void)state;
    struct arena *arena = arena_create(1 << 20);
    for (int round = 0; round < 100; round++) {
        for (int i = 0; i < 100; i++) {
            memset(arena_alloc(arena, 1000, 8), round, 1000);
        }
        assert_int_equal(arena_used(arena), 100000);
        arena_reset(arena);
        assert_int_equal(arena_used(arena), 0);
    }
    arena_destroy(arena);
    arena_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_allocations_do_not_overlap),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_copies),
        cmocka_unit_test(test_defer_order),
        cmocka_unit_test(test_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
