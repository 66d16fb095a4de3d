/* How the tests of REST decoding hand a request over: rows of ops.def without handlers, a parser,
 * an arena, and the last error. */
#pragma once
#include "collections.pb-c.h"
#include "command.pb-c.h"
#include "points.pb-c.h"
#include "sagitta.pb-c.h"

#include "server/rest/rest.h"
#include "tests/lib/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PARAMS_MAX = 8 };

static const struct op ops[] = {
#define X(id, m, p, g, f, in, out, result)                                                         \
    {.name = #id, .method = m, .path = p, .input = &in##__descriptor, .output = &out##__descriptor},
#include "server/api/ops.def"
#undef X
};

static struct rest_parser *parser;
static struct arena *arena;
static struct error err;
static uint8_t *padded;

static int set_up(void **state)
{
    (void)state;
    parser = rest_parser_create();
    arena = arena_create(1 << 24);
    return parser && arena ? 0 : 1;
}

static int tear_down(void **state)
{
    (void)state;
    rest_parser_destroy(parser);
    arena_destroy(arena);
    free(padded);
    padded = NULL;
    return 0;
}

/* "name=value&name=value", as the server hands it over. */
static size_t split_params(const char *text, struct rest_param *params)
{
    size_t count = 0;
    while (text && *text) {
        size_t size = strcspn(text, "&"), name = strcspn(text, "=");
        assert_true(count < PARAMS_MAX && name < size);
        params[count].name = slice_of(text, name);
        params[count++].value = slice_of(text + name + 1, size - name - 1);
        text += size + (text[size] == '&');
    }
    return count;
}

static enum status decode_bytes(enum op_id id, const char *path, const char *query,
                                struct slice body, ProtobufCMessage **out)
{
    struct rest_param path_params[PARAMS_MAX], query_params[PARAMS_MAX];
    free(padded);
    padded = calloc(1, body.size + REST_PADDING);
    assert_non_null(padded);
    memcpy(padded, body.data, body.size);
    struct rest_request request = {.path = path_params,
                                   .path_count = split_params(path, path_params),
                                   .query = query_params,
                                   .query_count = split_params(query, query_params),
                                   .body = slice_of(padded, body.size)};
    arena_reset(arena);
    err = (struct error){0};
    return rest_decode(&ops[id], &request, parser, arena, out, &err);
}

static void *decode(enum op_id id, const char *query, const char *body)
{
    ProtobufCMessage *out = NULL;
    enum status status = decode_bytes(id, "collection_name=c1", query, slice_text(body), &out);
    if (status != STATUS_OK)
        fail_msg("%s: %s gave %s", ops[id].name, body, err.message);
    assert_ptr_equal(out->descriptor, ops[id].input);
    return out;
}

static void assert_floats(const float *numbers, size_t count, const char *expected)
{
    char text[256] = "";
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += (size_t)snprintf(text + size, sizeof(text) - size, "%s%g", i ? " " : "",
                                 (double)numbers[i]);
    assert_string_equal(text, expected);
}

static void assert_bytes(ProtobufCBinaryData data, const char *expected)
{
    assert_int_equal(data.len, strlen(expected));
    assert_memory_equal(data.data, expected, data.len);
}
