/* Changing payload: merge, merge at a path, remove, include, exclude; untouched bytes stay. */
#include "index/payload/edit.h"
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

enum { PATHS_MAX = 4 };
enum action { MERGE, MERGE_AT, REMOVE, INCLUDE, EXCLUDE };

struct row {
    enum action action;
    const char *payload;
    const char *paths[PATHS_MAX];
    const char *patch; /* MERGE, MERGE_AT */
    const char *result;
};

static const struct row ROWS[] = {
    {MERGE, "", {0}, "", "{}"},
    {MERGE, "", {0}, "{\"a\":1}", "{\"a\":1}"},
    {MERGE, "{\"a\":1,\"b\":2.50}", {0}, "{}", "{\"a\":1,\"b\":2.50}"},
    {MERGE,
     "{\"a\":1,\"b\":{\"x\":1}}",
     {0},
     "{\"b\":{\"y\":2},\"c\":3}",
     "{\"a\":1,\"b\":{\"y\":2},\"c\":3}"},
    {MERGE,
     "{\"\\u0061\":1,\"z\":18446744073709551615}",
     {0},
     "{\"a\":2}",
     "{\"\\u0061\":2,\"z\":18446744073709551615}"},

    {MERGE_AT, "{}", {"a"}, "{\"x\":1}", "{\"a\":{\"x\":1}}"},
    {MERGE_AT, "{}", {"a.b"}, "{\"x\":1}", "{\"a\":{\"b\":{\"x\":1}}}"},
    {MERGE_AT,
     "{\"a\":{\"b\":{\"y\":2}},\"c\":1.0}",
     {"a.b"},
     "{\"x\":1}",
     "{\"a\":{\"b\":{\"y\":2,\"x\":1}},\"c\":1.0}"},
    {MERGE_AT, "{\"a\":5}", {"a"}, "{\"x\":1}", "{\"a\":{\"x\":1}}"},
    {MERGE_AT, "{\"a\":5}", {"a.b.c"}, "{\"x\":1}", "{\"a\":{\"b\":{\"c\":{\"x\":1}}}}"},
    {MERGE_AT, "{\"a\":[1]}", {"a.b"}, "{\"x\":1}", "{\"a\":{\"b\":{\"x\":1}}}"},
    {MERGE_AT,
     "{\"a\":[{\"k\":1},2,{\"x\":0}]}",
     {"a[]"},
     "{\"x\":9}",
     "{\"a\":[{\"k\":1,\"x\":9},{\"x\":9},{\"x\":9}]}"},
    {MERGE_AT,
     "{\"a\":[{\"k\":1},2]}",
     {"a[].k"},
     "{\"x\":9}",
     "{\"a\":[{\"k\":{\"x\":9}},{\"k\":{\"x\":9}}]}"},
    {MERGE_AT,
     "{\"a\":[{\"k\":1},{\"k\":2}]}",
     {"a[1]"},
     "{\"x\":9}",
     "{\"a\":[{\"k\":1},{\"k\":2,\"x\":9}]}"},
    {MERGE_AT, "{\"a\":[1,2]}", {"a[0]"}, "{\"x\":9}", "{\"a\":[{\"x\":9},2]}"},
    {MERGE_AT, "{\"a\":[1,2]}", {"a[2]"}, "{\"x\":9}", "{\"a\":[1,2]}"},
    {MERGE_AT, "{\"a\":[1,2]}", {"a[7].b"}, "{\"x\":9}", "{\"a\":[1,2]}"},
    {MERGE_AT, "{}", {"a[]"}, "{\"x\":9}", "{\"a\":[]}"},
    {MERGE_AT, "{\"a\":3}", {"a[0].b"}, "{\"x\":9}", "{\"a\":[]}"},
    {MERGE_AT, "", {"\"q \\ . \"", NULL}, "{\"x\":1}", "{\"q \\\\ . \":{\"x\":1}}"},

    {REMOVE, "", {"a"}, NULL, "{}"},
    {REMOVE, "{\"a\":1,\"b\":2,\"c\":3}", {"a"}, NULL, "{\"b\":2,\"c\":3}"},
    {REMOVE, "{\"a\":1,\"b\":2,\"c\":3}", {"b"}, NULL, "{\"a\":1,\"c\":3}"},
    {REMOVE, "{\"a\":1,\"b\":2,\"c\":3}", {"c"}, NULL, "{\"a\":1,\"b\":2}"},
    {REMOVE, "{\"a\":{\"b\":1,\"c\":[2]}}", {"a.b"}, NULL, "{\"a\":{\"c\":[2]}}"},
    {REMOVE,
     "{\"a\":[{\"b\":1},{\"b\":2,\"c\":3},4]}",
     {"a[].b"},
     NULL,
     "{\"a\":[{},{\"c\":3},4]}"},
    {REMOVE, "{\"a\":[{\"b\":1},{\"b\":2}]}", {"a[1].b"}, NULL, "{\"a\":[{\"b\":1},{}]}"},
    {REMOVE, "{\"a\":[1,2]}", {"a[]"}, NULL, "{\"a\":[]}"},
    {REMOVE, "{\"a\":[1,2]}", {"a[0]"}, NULL, "{\"a\":[1,2]}"},
    {REMOVE, "{\"a\":[[1],[2]]}", {"a[][]"}, NULL, "{\"a\":[[],[]]}"},
    {REMOVE, "{\"a\":{\"b\":1}}", {"a.b.c"}, NULL, "{\"a\":{\"b\":1}}"},
    {REMOVE, "{\"a.b\":1,\"a\":{\"b\":2}}", {"\"a.b\""}, NULL, "{\"a\":{\"b\":2}}"},

    {INCLUDE, "{\"a\":1,\"b\":2}", {NULL}, NULL, "{}"},
    {INCLUDE, "", {"a"}, NULL, "{}"},
    {INCLUDE, "{\"a\":1.50,\"aa\":2,\"b\":{\"a\":3}}", {"a"}, NULL, "{\"a\":1.50}"},
    {INCLUDE,
     "{\"a\":{\"b\":{\"c\":1},\"d\":2},\"e\":3}",
     {"a.b"},
     NULL,
     "{\"a\":{\"b\":{\"c\":1}}}"},
    {INCLUDE,
     "{\"a\":{\"b\":1,\"d\":2},\"e\":3,\"f\":4}",
     {"a.d", "f"},
     NULL,
     "{\"a\":{\"d\":2},\"f\":4}"},
    {INCLUDE,
     "{\"a\":[{\"b\":1,\"c\":2},{\"c\":3},4]}",
     {"a[].b"},
     NULL,
     "{\"a\":[{\"b\":1},{},4]}"},
    {INCLUDE, "{\"a\":[{\"b\":1}]}", {"a.b"}, NULL, "{\"a\":[]}"},
    {INCLUDE, "{\"a\":[{\"b\":1}]}", {"a[0].b"}, NULL, "{\"a\":[]}"},
    {INCLUDE, "{\"a\":5}", {"a.b"}, NULL, "{\"a\":5}"},
    {INCLUDE, "{\"a\":[[1,2],[3]]}", {"a[]"}, NULL, "{\"a\":[[1,2],[3]]}"},
    {INCLUDE, "{\"a.b\":1,\"a\":{\"b\":2}}", {"\"a.b\""}, NULL, "{\"a.b\":1}"},
    {INCLUDE, "{\"a\":{\"b\":1}}", {"a", "a.c"}, NULL, "{\"a\":{\"b\":1}}"},

    {EXCLUDE, "{\"a\":1,\"b\":2}", {NULL}, NULL, "{\"a\":1,\"b\":2}"},
    {EXCLUDE, "{\"a\":1,\"b\":2}", {"a"}, NULL, "{\"b\":2}"},
    {EXCLUDE, "{\"a\":{\"b\":1,\"c\":2}}", {"a.b"}, NULL, "{\"a\":{\"c\":2}}"},
    {EXCLUDE, "{\"a\":[{\"b\":1,\"c\":2},3]}", {"a[].b"}, NULL, "{\"a\":[{\"c\":2},3]}"},
    {EXCLUDE, "{\"a\":[1,2]}", {"a[]"}, NULL, "{\"a\":[]}"},
    {EXCLUDE, "{\"a\":[{\"b\":1}]}", {"a.b"}, NULL, "{\"a\":[{\"b\":1}]}"},
    {EXCLUDE, "{\"a\":[1,2]}", {"a[0]"}, NULL, "{\"a\":[1,2]}"},
    {EXCLUDE, "{\"a\":{\"b\":1},\"c\":{\"b\":2}}", {"c", "a.x"}, NULL, "{\"a\":{\"b\":1}}"},
};

static void run(const struct row *row, struct buffer *out)
{
    struct arena *arena = arena_create(0);
    struct path *paths[PATHS_MAX];
    size_t count = 0;
    while (count < PATHS_MAX && row->paths[count]) {
        assert_int_equal(path_parse(slice_text(row->paths[count]), arena, &paths[count], NULL),
                         STATUS_OK);
        count++;
    }
    struct slice payload = slice_text(row->payload);
    if (row->action == MERGE)
        payload_merge(payload, slice_text(row->patch), out);
    else if (row->action == MERGE_AT)
        payload_merge_at(payload, paths[0], slice_text(row->patch), out);
    else if (row->action == REMOVE)
        payload_remove(payload, paths[0], out);
    else if (row->action == INCLUDE)
        payload_include(payload, paths, count, out);
    else
        payload_exclude(payload, paths, count, out);
    arena_destroy(arena);
}

/* Each row's edit gives exactly the expected text, behind what the buffer already holds. */
static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        struct buffer out;
        char expected[512];
        buffer_init(&out, 0);
        buffer_append_text(&out, "before:");
        run(&ROWS[i], &out);
        snprintf(expected, sizeof(expected), "before:%s", ROWS[i].result);
        if (!slice_equal(buffer_slice(&out), slice_text(expected)))
            fail_msg("row %zu, %s: %.*s", i, ROWS[i].payload, (int)out.size, (char *)out.data);
        buffer_deinit(&out);
    }
}

static void put_members(struct buffer *out, const int *values, size_t count)
{
    bool first = true;
    buffer_append_byte(out, '{');
    for (size_t i = 0; i < count; i++) {
        if (values[i] < 0)
            continue;
        /* Every third key is escaped, to show that keys match by meaning. */
        buffer_printf(out, i % 3 == 0 ? "%s\"\\u006b%zu\":%d" : "%s\"k%zu\":%d", first ? "" : ",",
                      i, values[i]);
        first = false;
    }
    buffer_append_byte(out, '}');
}

/* Patches above and below the size where keys are hashed give the same as a table of numbers. */
static void test_merge_random(void **state)
{
    (void)state;
    enum { KEYS = 60 };
    struct random random;
    random_init(&random, 31337);
    print_message("seed 31337\n");
    for (int round = 0; round < 500; round++) {
        struct buffer payload, patch, out;
        int old[KEYS], new[KEYS];
        uint64_t density = 1 + random_below(&random, 10);
        buffer_init(&payload, 0);
        buffer_init(&patch, 0);
        buffer_init(&out, 0);
        for (size_t i = 0; i < KEYS; i++) {
            old[i] = random_below(&random, 2) ? (int)random_below(&random, 100) : -1;
            new[i] = random_below(&random, 10) < density ? 100 + (int)random_below(&random, 9) : -1;
        }
        put_members(&payload, old, KEYS);
        put_members(&patch, new, KEYS);
        payload_merge(buffer_slice(&payload), buffer_slice(&patch), &out);
        struct json_view merged = json_view_of(buffer_slice(&out)), value;
        for (size_t i = 0; i < KEYS; i++) {
            char key[16];
            snprintf(key, sizeof(key), "k%zu", i);
            int expected = new[i] >= 0 ? new[i] : old[i];
            bool found = json_view_find(merged, slice_text(key), &value);
            assert_int_equal(found, expected >= 0);
            if (found)
                assert_int_equal(json_view_number(value).signed_value, expected);
        }
        buffer_deinit(&payload);
        buffer_deinit(&patch);
        buffer_deinit(&out);
    }
}

/* A full output buffer is marked failed and nothing is written past its limit. */
static void test_output_limit(void **state)
{
    (void)state;
    struct buffer out;
    buffer_init(&out, 8);
    payload_merge(SLICE_LITERAL("{\"a\":\"a long enough value\"}"), SLICE_LITERAL("{\"b\":1}"),
                  &out);
    assert_true(out.failed);
    assert_true(out.size <= 8);
    buffer_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_merge_random),
        cmocka_unit_test(test_output_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
