/* Payload paths: what is a path, and what it reaches. */
#include "index/payload/path.h"

#include <stdio.h>

/* cmocka needs these before it. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

struct found {
    char text[512];
    size_t stop_after; /* 0: never */
    size_t count;
};

static bool collect(void *ctx, struct json_view value)
{
    struct found *found = ctx;
    size_t used = strlen(found->text);
    snprintf(found->text + used, sizeof(found->text) - used, "%s%.*s", used ? " " : "",
             (int)value.text.size, (const char *)value.text.data);
    return ++found->count == found->stop_after;
}

static const char PAYLOAD[] =
    "{\"a\":{\"b\":[{\"c\":1},{\"c\":[2,3]},4,{\"d\":5}],\"e\":null},\"k.x\":6,\"m\":[[7,8],[9]],"
    "\"\xc3\xa9t\xc3\xa9\":10,\"n-1_z\":[],\"0\":11,\"\":12,\"say \\\"hi\\\"\":13}";

static const struct {
    const char *path, *values;
} REACHED[] = {
    {"a.e", "null"},
    {"a.b", "[{\"c\":1},{\"c\":[2,3]},4,{\"d\":5}]"},
    {"a.b[]", "{\"c\":1} {\"c\":[2,3]} 4 {\"d\":5}"},
    {"a.b[].c", "1 [2,3]"},
    {"a.b[].c[]", "2 3"},
    {"a.b[1].c[0]", "2"},
    {"a.b[3].d", "5"},
    {"a.b[4].d", ""},
    {"a.b[18446744073709551615]", ""},
    {"a.b.c", ""},
    {"a[]", ""},
    {"a.e.f", ""},
    {"zz", ""},
    {"\"k.x\"", "6"},
    {"k.x", ""},
    {"m[][]", "7 8 9"},
    {"m[0][1]", "8"},
    {"m[]", "[7,8] [9]"},
    {"\xc3\xa9t\xc3\xa9", "10"},
    {"n-1_z", "[]"},
    {"n-1_z[]", ""},
    {"0", "11"},
    {"\"\"", "12"},
    {"\"a\".\"b\"[2]", "4"},
};

/* Each path reaches exactly these values, in order; what is not there is reached by nothing. */
static void test_reaches(void **state)
{
    (void)state;
    struct arena *arena = arena_create(0);
    for (size_t i = 0; i < sizeof(REACHED) / sizeof(REACHED[0]); i++) {
        struct path *path;
        struct error err;
        struct found found = {{0}, 0, 0};
        assert_int_equal(path_parse(slice_text(REACHED[i].path), arena, &path, &err), STATUS_OK);
        assert_false(path_each(path, json_view_of(slice_text(PAYLOAD)), collect, &found));
        if (strcmp(found.text, REACHED[i].values) != 0)
            fail_msg("%s reaches '%s'", REACHED[i].path, found.text);
        size_t size = strlen(REACHED[i].path);
        assert_int_equal(path_ends_in_key(path), REACHED[i].path[size - 1] != ']');
    }
    arena_destroy(arena);
}

/* The visitor ends the walk by returning true. */
static void test_stops(void **state)
{
    (void)state;
    struct arena *arena = arena_create(0);
    struct path *path;
    struct found found = {{0}, 2, 0};
    assert_int_equal(path_parse(SLICE_LITERAL("m[][]"), arena, &path, NULL), STATUS_OK);
    assert_true(path_each(path, json_view_of(slice_text(PAYLOAD)), collect, &found));
    assert_string_equal(found.text, "7 8");
    arena_destroy(arena);
}

static const char *const REFUSED[] = {
    "",
    ".",
    ".a",
    "a.",
    "a..b",
    "[]",
    "[0]",
    "a[",
    "a[x]",
    "a[-1]",
    "a[]b",
    "a]b",
    "a b",
    "a$",
    "\"a",
    "\"a\"b",
    "a\"b\"",
    "a[1",
    "a[18446744073709551616]",
    "a[ 1]",
    "a.[0]",
    "\xf0\x9f\x98\x80",
    "a\xff",
};

/* Everything else is bad input, and the message shows the path. */
static void test_refuses(void **state)
{
    (void)state;
    struct arena *arena = arena_create(0);
    for (size_t i = 0; i < sizeof(REFUSED) / sizeof(REFUSED[0]); i++) {
        struct path *path = NULL;
        struct error err = {0};
        if (path_parse(slice_text(REFUSED[i]), arena, &path, &err) != STATUS_BAD_INPUT)
            fail_msg("accepted '%s'", REFUSED[i]);
        assert_null(path);
        assert_non_null(strstr(err.message, REFUSED[i]));
    }
    arena_destroy(arena);
}

/* 128 parts pass and 129 do not; a full arena is an error and not a crash. */
static void test_limits(void **state)
{
    (void)state;
    struct arena *arena = arena_create(0), *small = arena_create(64);
    char text[260];
    struct path *path;
    struct error err;
    text[0] = 'a';
    for (size_t i = 0; i < 128; i++)
        memcpy(text + 1 + 2 * i, ".a", 2);
    assert_int_equal(path_parse(slice_of(text, 255), arena, &path, &err), STATUS_OK);
    assert_int_equal(path_parse(slice_of(text, 257), arena, &path, &err), STATUS_BAD_INPUT);
    assert_int_equal(path_parse(slice_of(text, 255), small, &path, &err), STATUS_TOO_LARGE);
    arena_destroy(arena);
    arena_destroy(small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reaches),
        cmocka_unit_test(test_stops),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
