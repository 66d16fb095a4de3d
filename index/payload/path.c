/* Payload paths: parsing the text and walking a payload along it.
 *
 * Grammar: segment ( "." segment )*, where a segment is a key followed by any number of `[]` or
 * `[n]`. A bare key is made of letters, digits, `_` and `-` (letters and digits of all scripts);
 * any other key is written in double quotes, which have no escapes. Paths come from clients: each
 * fault is BAD_INPUT with the path. The walk recurses once per part of the path, so PATH_PARTS_MAX
 * bounds the stack. A parsed path is immutable and may be used by several threads. */
#include "index/payload/path.h"

#include "index/payload/path_int.h"
#include "index/payload/unicode.h"
#include "storage/base/assert.h"

enum { SHOWN_BYTES_MAX = 128 }; /* of a path, in messages */

struct parser {
    struct slice text;
    size_t at;
    struct path_part parts[PATH_PARTS_MAX];
    size_t count;
    struct error *err;
};

static enum status refuse(const struct parser *parser, const char *why)
{
    size_t shown = parser->text.size < SHOWN_BYTES_MAX ? parser->text.size : SHOWN_BYTES_MAX;
    return error_set(parser->err, STATUS_BAD_INPUT, "Invalid json path: '%.*s': %s", (int)shown,
                     (const char *)parser->text.data, why);
}

static struct slice rest(const struct parser *parser)
{
    return slice_of(parser->text.data + parser->at, parser->text.size - parser->at);
}

static enum status add_part(struct parser *parser, struct path_part part)
{
    if (parser->count == PATH_PARTS_MAX)
        return refuse(parser, "it has more than 128 parts");
    parser->parts[parser->count++] = part;
    return STATUS_OK;
}

static enum status parse_quoted_key(struct parser *parser)
{
    struct slice left = rest(parser);
    const uint8_t *close = memchr(left.data + 1, '"', left.size - 1);
    if (!close)
        return refuse(parser, "a quote is not closed");
    size_t size = (size_t)(close - left.data) - 1;
    parser->at += size + 2;
    return add_part(parser,
                    (struct path_part){.kind = PART_KEY, .key = slice_of(left.data + 1, size)});
}

static enum status parse_bare_key(struct parser *parser)
{
    size_t start = parser->at;
    while (parser->at < parser->text.size) {
        size_t size;
        uint32_t code = unicode_next(rest(parser), &size);
        if (code >= 0x80 && parser->text.data[parser->at] >= 0x80) {
            enum status status = unicode_init(parser->err);
            if (status != STATUS_OK)
                return status;
        }
        if (code != '_' && code != '-' && !unicode_is_alphanumeric(code))
            break;
        parser->at += size;
    }
    if (parser->at == start)
        return refuse(parser, "a key is empty or has a character that needs quotes");
    struct slice key = slice_of(parser->text.data + start, parser->at - start);
    return add_part(parser, (struct path_part){.kind = PART_KEY, .key = key});
}

/* `at` stands at the opening bracket. */
static enum status parse_brackets(struct parser *parser)
{
    struct slice left = rest(parser);
    uint64_t number = 0;
    size_t i = 1;
    for (; i < left.size && left.data[i] >= '0' && left.data[i] <= '9'; i++) {
        if (__builtin_mul_overflow(number, UINT64_C(10), &number) ||
            __builtin_add_overflow(number, (uint64_t)(left.data[i] - '0'), &number))
            return refuse(parser, "an array index is too large");
    }
    if (i == left.size || left.data[i] != ']')
        return refuse(parser, "brackets hold a number or nothing");
    parser->at += i + 1;
    if (i == 1)
        return add_part(parser, (struct path_part){.kind = PART_WILDCARD});
    return add_part(parser, (struct path_part){.kind = PART_INDEX, .index_value = number});
}

static enum status parse_segment(struct parser *parser)
{
    enum status status;
    if (parser->at < parser->text.size && parser->text.data[parser->at] == '"')
        status = parse_quoted_key(parser);
    else
        status = parse_bare_key(parser);
    while (status == STATUS_OK && parser->at < parser->text.size &&
           parser->text.data[parser->at] == '[')
        status = parse_brackets(parser);
    return status;
}

static enum status finish(const struct parser *parser, struct arena *arena, struct path **out)
{
    struct path *path = arena_alloc(arena, sizeof(*path) + parser->count * sizeof(path->parts[0]),
                                    _Alignof(struct path));
    if (!path)
        return error_set(parser->err, STATUS_TOO_LARGE, "payload paths need too much memory");
    path->count = parser->count;
    for (size_t i = 0; i < parser->count; i++) {
        path->parts[i] = parser->parts[i];
        struct slice key = parser->parts[i].key;
        if (key.size == 0)
            continue;
        const uint8_t *copy = arena_memdup(arena, key.data, key.size);
        if (!copy)
            return error_set(parser->err, STATUS_TOO_LARGE, "payload paths need too much memory");
        path->parts[i].key = slice_of(copy, key.size);
    }
    *out = path;
    return STATUS_OK;
}

enum status path_parse(struct slice text, struct arena *arena, struct path **out, struct error *err)
{
    struct parser parser = {.text = text, .err = err};
    for (;;) {
        enum status status = parse_segment(&parser);
        if (status != STATUS_OK)
            return status;
        if (parser.at == text.size)
            break;
        if (text.data[parser.at] != '.')
            return refuse(&parser, "a key ends in a character that needs quotes");
        parser.at++;
    }
    ASSERT(parser.count > 0 && parser.parts[0].kind == PART_KEY);
    return finish(&parser, arena, out);
}

bool path_ends_in_key(const struct path *path)
{
    return path->parts[path->count - 1].kind == PART_KEY;
}

static bool same_parts(const struct path *a, const struct path *b, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct path_part *left = &a->parts[i], *right = &b->parts[i];
        if (left->kind != right->kind ||
            (left->kind == PART_KEY && !slice_equal(left->key, right->key)) ||
            (left->kind == PART_INDEX && left->index_value != right->index_value))
            return false;
    }
    return true;
}

bool path_equal(const struct path *a, const struct path *b)
{
    return a->count == b->count && same_parts(a, b, a->count);
}

bool path_is_items(const struct path *items, const struct path *whole)
{
    return items->count == whole->count + 1 && items->parts[whole->count].kind == PART_WILDCARD &&
           same_parts(items, whole, whole->count);
}

static bool walk(const struct path_part *parts, size_t count, struct json_view value,
                 bool (*each)(void *ctx, struct json_view value), void *ctx)
{
    if (count == 0)
        return each(ctx, value);
    enum json_kind kind = json_view_kind(value);
    struct json_view found;
    if (parts->kind == PART_KEY)
        return kind == JSON_OBJECT && json_view_find(value, parts->key, &found) &&
               walk(parts + 1, count - 1, found, each, ctx);
    if (kind != JSON_ARRAY)
        return false;
    struct json_iter iter;
    json_view_begin(value, &iter);
    for (uint64_t i = 0; json_view_next_item(&iter, &found); i++) {
        bool wanted = parts->kind == PART_WILDCARD || i == parts->index_value;
        if (wanted && walk(parts + 1, count - 1, found, each, ctx))
            return true;
        if (parts->kind == PART_INDEX && i == parts->index_value)
            break;
    }
    return false;
}

bool path_each(const struct path *path, struct json_view payload,
               bool (*each)(void *ctx, struct json_view value), void *ctx)
{
    return walk(path->parts, path->count, payload, each, ctx);
}
