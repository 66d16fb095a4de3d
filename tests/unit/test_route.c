/* server/http/route: which operation a target means. */
#include "server/http/route.h"
#include "tests/lib/unit.h"

#include <string.h>

static const struct op ops[] = {
    {.name = "root", .method = "GET", .path = "/"},
    {.name = "list", .method = "GET", .path = "/collections"},
    {.name = "get", .method = "GET", .path = "/collections/{collection_name}"},
    {.name = "put", .method = "PUT", .path = "/collections/{collection_name}"},
    {.name = "alias", .method = "POST", .path = "/collections/aliases"},
    {.name = "point", .method = "GET", .path = "/collections/{collection_name}/points/{id}"},
    {.name = "points", .method = "POST", .path = "/collections/{collection_name}/points"},
    {.name = "search", .method = "POST", .path = "/collections/{collection_name}/points/search"},
    {.name = "grpc_only", .method = NULL, .path = NULL},
};

static struct router *router;
static struct arena *arena;

static enum route_result find(const char *method, const char *target, struct route *out)
{
    memset(out, 0, sizeof(*out));
    return router_find(router, method, slice_text(target), arena, out);
}

static bool is(struct slice slice, const char *text)
{
    return slice_equal(slice, slice_text(text));
}

static void test_paths(void **state)
{
    /* Proves: literals win over parameters, slashes are normalised, HEAD finds GET, whole URLs
     * count by their path. */
    (void)state;
    static const struct {
        const char *method, *target, *name;
    } cases[] = {
        {"GET", "/", "root"},
        {"GET", "", "root"},
        {"GET", "//", "root"},
        {"GET", "/collections", "list"},
        {"GET", "/collections/", "list"},
        {"GET", "//collections///", "list"},
        {"HEAD", "/collections", "list"},
        {"GET", "/collections/a", "get"},
        {"PUT", "/collections/a/", "put"},
        {"POST", "/collections/aliases", "alias"},
        {"GET", "/collections/aliases", "get"},
        {"GET", "/collections/a/points/7", "point"},
        {"GET", "/collections/a/points/search", "point"},
        {"POST", "/collections/a//points/search?x=1", "search"},
        {"GET", "http://example.com/collections/a?x", "get"},
        {"GET", "https://example.com", "root"},
        {"GET", "http://example.com?x=/collections", "root"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct route route;
        enum route_result result = find(cases[i].method, cases[i].target, &route);
        if (result != ROUTE_FOUND) {
            print_error("%s %s\n", cases[i].method, cases[i].target);
        }
        assert_int_equal(result, ROUTE_FOUND);
        assert_string_equal(route.op->name, cases[i].name);
    }
}

static void test_refusals(void **state)
{
    /* Proves: unknown paths, known paths under other methods, and malformed targets are told apart.
     */
    (void)state;
    static const struct {
        const char *method, *target;
        enum route_result result;
    } cases[] = {
        {"GET", "/nope", ROUTE_UNKNOWN},
        {"GET", "/collections/a/b", ROUTE_UNKNOWN},
        {"GET", "/Collections", ROUTE_UNKNOWN},
        {"GET", "/a/b/c/d/e/f/g/h/i/j/k/l/m/n", ROUTE_BAD_TARGET},
        {"DELETE", "/collections/a", ROUTE_BAD_METHOD},
        {"POST", "/", ROUTE_BAD_METHOD},
        {"OPTIONS", "*", ROUTE_BAD_TARGET},
        {"GET", "collections", ROUTE_BAD_TARGET},
        {"GET", "/collections/%", ROUTE_BAD_TARGET},
        {"GET", "/collections/%4", ROUTE_BAD_TARGET},
        {"GET", "/collections/%zz", ROUTE_BAD_TARGET},
        {"GET", "/collections/a%00b", ROUTE_BAD_TARGET},
        {"GET", "/collections/%ff", ROUTE_BAD_TARGET},
        {"GET", "/collections/%c0%80", ROUTE_BAD_TARGET},
        {"GET", "/collections/%ed%a0%80", ROUTE_BAD_TARGET},
        {"GET", "/collections/%f4%90%80%80", ROUTE_BAD_TARGET},
        {"GET", "/collections/a?x=%f", ROUTE_BAD_TARGET},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct route route;
        enum route_result result = find(cases[i].method, cases[i].target, &route);
        if (result != cases[i].result) {
            print_error("%s %s\n", cases[i].method, cases[i].target);
        }
        assert_int_equal(result, cases[i].result);
    }
    struct route route;
    assert_int_equal(find("DELETE", "/collections/aliases", &route), ROUTE_BAD_METHOD);
    assert_string_equal(route.methods, "POST, GET, PUT");
}

static void test_parameters(void **state)
{
    /* Proves: names and values are decoded after splitting, plus is a blank in queries only, limits
     * hold. */
    (void)state;
    struct route route;
    assert_int_equal(
        find("GET", "/collections/a%2Fb+%C3%A9/points/%7b1%7d?wait=true&&x=1+2&y&%41=%26", &route),
        ROUTE_FOUND);
    assert_int_equal(route.path_count, 2);
    assert_true(is(route.path[0].name, "collection_name"));
    assert_true(is(route.path[0].value, "a/b+\xc3\xa9"));
    assert_true(is(route.path[1].name, "id"));
    assert_true(is(route.path[1].value, "{1}"));
    assert_int_equal(route.query_count, 4);
    assert_true(is(route.query[0].name, "wait") && is(route.query[0].value, "true"));
    assert_true(is(route.query[1].name, "x") && is(route.query[1].value, "1 2"));
    assert_true(is(route.query[2].name, "y") && is(route.query[2].value, ""));
    assert_true(is(route.query[3].name, "A") && is(route.query[3].value, "&"));
    struct buffer target;
    buffer_init(&target, 0);
    buffer_append_text(&target, "/?");
    for (int i = 0; i < ROUTE_QUERY_MAX; i++) {
        buffer_append_text(&target, "a=1&");
    }
    assert_int_equal(router_find(router, "GET", buffer_slice(&target), arena, &route), ROUTE_FOUND);
    assert_int_equal(route.query_count, ROUTE_QUERY_MAX);
    buffer_append_text(&target, "a=1");
    assert_int_equal(router_find(router, "GET", buffer_slice(&target), arena, &route),
                     ROUTE_BAD_TARGET);
    buffer_deinit(&target);
}

static int open_router(void **state)
{
    (void)state;
    router = router_create(ops, sizeof(ops) / sizeof(ops[0]));
    arena = arena_create(0);
    return 0;
}

static int close_router(void **state)
{
    (void)state;
    router_destroy(router);
    arena_destroy(arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_parameters),
    };
    return cmocka_run_group_tests(tests, open_router, close_router);
}
