/* A scanner over stored payload text: finds values by walking the bytes once, without a tree and
 * without memory.
 *
 * The text was written by our own writer, so there is no white space outside strings and every
 * value is well formed; the scanner trusts that, but it never reads past the end of its slice, so
 * damaged text gives a wrong answer and not a crash. A value is skipped by counting brackets, not
 * by recursion, so the depth of the text costs no stack. Pure functions of their arguments; any
 * thread may call them. */
#include "index/payload/json_view.h"

#include "storage/base/assert.h"

/* `at` stands behind an opening quote; returns the place of the closing one, or `end`. */
static const uint8_t *string_end(const uint8_t *at, const uint8_t *end)
{
    while (at < end) {
        const uint8_t *quote = memchr(at, '"', (size_t)(end - at));
        if (!quote)
            return end;
        /* An odd number of backslashes before it escapes the quote. */
        const uint8_t *back = quote;
        while (back > at && back[-1] == '\\')
            back--;
        if (((quote - back) & 1) == 0)
            return quote;
        at = quote + 1;
    }
    return end;
}

static const uint8_t *skip_string(const uint8_t *at, const uint8_t *end)
{
    const uint8_t *quote = string_end(at + 1, end);
    return quote < end ? quote + 1 : end;
}

static const uint8_t *skip_container(const uint8_t *at, const uint8_t *end)
{
    size_t depth = 0;
    while (at < end) {
        switch (*at) {
        case '"':
            at = skip_string(at, end);
            continue;
        case '[':
        case '{':
            depth++;
            break;
        case ']':
        case '}':
            if (--depth == 0)
                return at + 1;
            break;
        default:
            break;
        }
        at++;
    }
    return end;
}

static const uint8_t *skip_value(const uint8_t *at, const uint8_t *end)
{
    if (at == end)
        return end;
    if (*at == '"')
        return skip_string(at, end);
    if (*at == '{' || *at == '[')
        return skip_container(at, end);
    while (at < end && *at != ',' && *at != ']' && *at != '}')
        at++;
    return at;
}

struct json_view json_view_of(struct slice text)
{
    return (struct json_view){.text = text};
}

enum json_kind json_view_kind(struct json_view view)
{
    if (view.text.size == 0)
        return JSON_NULL;
    switch (view.text.data[0]) {
    case '{':
        return JSON_OBJECT;
    case '[':
        return JSON_ARRAY;
    case '"':
        return JSON_STRING;
    case 't':
        return JSON_TRUE;
    case 'f':
        return JSON_FALSE;
    case 'n':
        return JSON_NULL;
    default:
        return JSON_NUMBER;
    }
}

void json_view_begin(struct json_view container, struct json_iter *iter)
{
    enum json_kind kind = json_view_kind(container);
    ASSERT(kind == JSON_ARRAY || kind == JSON_OBJECT);
    size_t size = container.text.size;
    iter->at = container.text.data + 1;
    iter->end = container.text.data + (size > 1 ? size - 1 : 1);
}

static void step_over_comma(struct json_iter *iter)
{
    if (iter->at < iter->end && *iter->at == ',')
        iter->at++;
}

bool json_view_next_item(struct json_iter *iter, struct json_view *item)
{
    if (iter->at >= iter->end)
        return false;
    const uint8_t *after = skip_value(iter->at, iter->end);
    if (after == iter->at) { /* a stray bracket or comma: damaged text */
        iter->at = iter->end;
        return false;
    }
    item->text = slice_of(iter->at, (size_t)(after - iter->at));
    iter->at = after;
    step_over_comma(iter);
    return true;
}

bool json_view_next_member(struct json_iter *iter, struct slice *raw_key, struct json_view *value)
{
    if (iter->at >= iter->end)
        return false;
    const uint8_t *key = iter->at + 1;
    const uint8_t *quote = string_end(key < iter->end ? key : iter->end, iter->end);
    if (iter->end - quote < 2) { /* no colon: damaged text */
        iter->at = iter->end;
        return false;
    }
    *raw_key = slice_of(key, (size_t)(quote - key));
    const uint8_t *start = quote + 2;
    const uint8_t *after = skip_value(start, iter->end);
    value->text = slice_of(start, (size_t)(after - start));
    iter->at = after;
    step_over_comma(iter);
    return true;
}

bool json_view_find(struct json_view object, struct slice key, struct json_view *out)
{
    struct json_iter iter;
    struct slice raw_key;
    struct json_view value;
    json_view_begin(object, &iter);
    while (json_view_next_member(&iter, &raw_key, &value)) {
        if (json_string_equal(raw_key, key)) {
            *out = value;
            return true;
        }
    }
    return false;
}

size_t json_view_count(struct json_view array)
{
    struct json_iter iter;
    struct json_view item;
    size_t count = 0;
    json_view_begin(array, &iter);
    while (json_view_next_item(&iter, &item))
        count++;
    return count;
}

struct slice json_view_raw_string(struct json_view string)
{
    ASSERT(json_view_kind(string) == JSON_STRING);
    size_t size = string.text.size;
    return slice_of(string.text.data + 1, size >= 2 ? size - 2 : 0);
}
