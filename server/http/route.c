/* The router: patterns of the operation table, sorted so that the first match is the right one.
 *
 * A pattern is split into segments once. Rows are grouped by number of segments and ordered so that
 * literal segments come before parameters, from the left; matching walks the group of the target's
 * length. A segment is decoded after splitting, so %2F belongs to a name. Parameters match any
 * non-empty segment.
 *
 * Threads: constant after creation. Failures: none but the results; out of arena memory is
 * ROUTE_BAD_TARGET. */
#include "server/http/route.h"

#include "storage/base/assert.h"
#include "storage/base/mem.h"

#include <stdio.h>
#include <stdlib.h>

struct row {
    const struct op *op;
    size_t count;
    struct slice segments[ROUTE_SEGMENTS_MAX]; /* of op->path; "{name}" is a parameter */
};

struct router {
    size_t count;
    struct row rows[];
};

struct target {
    struct slice path, query;
    size_t count;
    struct slice segments[ROUTE_SEGMENTS_MAX];
};

/* Splits at slashes, leaving out empty pieces. False: too many. */
static bool split(struct slice path, struct slice *segments, size_t *count)
{
    *count = 0;
    size_t begin = 0;
    for (size_t i = 0; i <= path.size; i++) {
        if (i < path.size && path.data[i] != '/') {
            continue;
        }
        if (i > begin) {
            if (*count == ROUTE_SEGMENTS_MAX) {
                return false;
            }
            segments[(*count)++] = slice_of(path.data + begin, i - begin);
        }
        begin = i + 1;
    }
    return true;
}

static bool is_parameter(struct slice segment)
{
    return segment.data[0] == '{';
}

static int row_compare(const void *left, const void *right)
{
    const struct row *a = left;
    const struct row *b = right;
    if (a->count != b->count) {
        return a->count < b->count ? -1 : 1;
    }
    for (size_t i = 0; i < a->count; i++) {
        int order = (int)is_parameter(a->segments[i]) - (int)is_parameter(b->segments[i]);
        if (order != 0) {
            return order;
        }
    }
    return a->op < b->op ? -1 : a->op > b->op;
}

struct router *router_create(const struct op *ops, size_t count)
{
    struct router *router = mem_zalloc(sizeof(*router) + count * sizeof(router->rows[0]));
    for (size_t i = 0; i < count; i++) {
        if (ops[i].path == NULL) {
            continue;
        }
        struct row *row = &router->rows[router->count++];
        row->op = &ops[i];
        bool fits = split(slice_text(ops[i].path), row->segments, &row->count);
        ASSERT(fits);
    }
    qsort(router->rows, router->count, sizeof(router->rows[0]), row_compare);
    return router;
}

void router_destroy(struct router *router)
{
    mem_free(router);
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Length of the UTF-8 character at `at`, or 0. */
static size_t utf8_size(const uint8_t *at, size_t left)
{
    uint8_t c = at[0];
    size_t size = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
    if (size == 0 || size > left) {
        return 0;
    }
    for (size_t i = 1; i < size; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool overlong = (c == 0xe0 && at[1] < 0xa0) || (c == 0xf0 && at[1] < 0x90);
    bool surrogate = c == 0xed && at[1] >= 0xa0;
    bool beyond = c == 0xf4 && at[1] >= 0x90;
    return overlong || surrogate || beyond ? 0 : size;
}

static bool text_valid(struct slice text)
{
    for (size_t i = 0; i < text.size;) {
        size_t size = text.data[i] != 0 ? utf8_size(text.data + i, text.size - i) : 0;
        if (size == 0) {
            return false;
        }
        i += size;
    }
    return true;
}

/* Percent-decodes into the arena; in queries a plus is a blank. The result is UTF-8 without NUL. */
static bool decode(struct slice raw, bool plus_is_blank, struct arena *arena, struct slice *out)
{
    uint8_t *text = arena_alloc(arena, raw.size + 1, 1);
    if (text == NULL) {
        return false;
    }
    size_t size = 0;
    for (size_t i = 0; i < raw.size; i++) {
        uint8_t c = raw.data[i];
        if (c == '%') {
            int high = i + 2 < raw.size ? hex_digit(raw.data[i + 1]) : -1;
            int low = i + 2 < raw.size ? hex_digit(raw.data[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return false;
            }
            c = (uint8_t)(high << 4 | low);
            i += 2;
        } else if (c == '+' && plus_is_blank) {
            c = ' ';
        }
        text[size++] = c;
    }
    text[size] = '\0';
    *out = slice_of(text, size);
    return text_valid(*out);
}

/* Takes a target apart: a path, or a whole URL whose path counts. */
static bool target_parse(struct slice raw, struct target *out)
{
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < 2; i++) {
        struct slice scheme = slice_text(schemes[i]);
        if (slice_has_prefix(raw, scheme)) {
            size_t at = scheme.size;
            while (at < raw.size && raw.data[at] != '/' && raw.data[at] != '?') {
                at++;
            }
            raw = slice_of(raw.data + at, raw.size - at);
            break;
        }
    }
    const uint8_t *mark = raw.size > 0 ? memchr(raw.data, '?', raw.size) : NULL;
    size_t path_size = mark != NULL ? (size_t)(mark - raw.data) : raw.size;
    out->path = slice_of(raw.data, path_size);
    out->query = mark != NULL ? slice_of(mark + 1, raw.size - path_size - 1) : slice_of("", 0);
    if (path_size > 0 && raw.data[0] != '/') {
        return false;
    }
    return split(out->path, out->segments, &out->count);
}

static bool query_parse(struct slice query, struct arena *arena, struct route *out)
{
    out->query_count = 0;
    while (query.size > 0) {
        const uint8_t *end = memchr(query.data, '&', query.size);
        size_t size = end != NULL ? (size_t)(end - query.data) : query.size;
        const uint8_t *equals = size > 0 ? memchr(query.data, '=', size) : NULL;
        size_t name_size = equals != NULL ? (size_t)(equals - query.data) : size;
        if (size > 0) {
            if (out->query_count == ROUTE_QUERY_MAX) {
                return false;
            }
            struct rest_param *param = &out->query[out->query_count++];
            struct slice value =
                equals != NULL ? slice_of(equals + 1, size - name_size - 1) : slice_of("", 0);
            if (!decode(slice_of(query.data, name_size), true, arena, &param->name) ||
                !decode(value, true, arena, &param->value)) {
                return false;
            }
        }
        size_t skip = end != NULL ? size + 1 : size;
        query = slice_of(query.data + skip, query.size - skip);
    }
    return true;
}

static bool row_matches(const struct row *row, const struct target *target)
{
    if (row->count != target->count) {
        return false;
    }
    for (size_t i = 0; i < row->count; i++) {
        if (!is_parameter(row->segments[i]) &&
            !slice_equal(row->segments[i], target->segments[i])) {
            return false;
        }
    }
    return true;
}

static bool path_parse(const struct row *row, const struct target *target, struct arena *arena,
                       struct route *out)
{
    out->path_count = 0;
    for (size_t i = 0; i < row->count; i++) {
        struct slice pattern = row->segments[i];
        if (!is_parameter(pattern)) {
            continue;
        }
        struct rest_param *param = &out->path[out->path_count++];
        param->name = slice_of(pattern.data + 1, pattern.size - 2);
        if (!decode(target->segments[i], false, arena, &param->value)) {
            return false;
        }
    }
    return true;
}

static void add_method(struct route *out, const char *method)
{
    size_t size = strlen(out->methods);
    (void)snprintf(out->methods + size, sizeof(out->methods) - size, "%s%s", size > 0 ? ", " : "",
                   method);
}

enum route_result router_find(const struct router *router, const char *method, struct slice target,
                              struct arena *arena, struct route *out)
{
    struct target parsed = {.count = 0};
    out->methods[0] = '\0';
    if (!target_parse(target, &parsed)) {
        return ROUTE_BAD_TARGET;
    }
    const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;
    for (size_t i = 0; i < router->count; i++) {
        const struct row *row = &router->rows[i];
        if (!row_matches(row, &parsed)) {
            continue;
        }
        if (strcmp(row->op->method, wanted) != 0) {
            add_method(out, row->op->method);
            continue;
        }
        out->op = row->op;
        bool good = path_parse(row, &parsed, arena, out) && query_parse(parsed.query, arena, out);
        return good ? ROUTE_FOUND : ROUTE_BAD_TARGET;
    }
    return out->methods[0] != '\0' ? ROUTE_BAD_METHOD : ROUTE_UNKNOWN;
}
