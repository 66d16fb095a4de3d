/* Reading stored payload text without parsing it into a tree. The text is trusted: it was validated
 * and minified by our own writer before it was stored (no white space outside strings, valid UTF-8,
 * unique keys in an object). A view is a slice of one value inside the text; nothing is allocated.
 */
#pragma once
#include "storage/base/slice.h"

enum json_kind {
    JSON_NULL,
    JSON_FALSE,
    JSON_TRUE,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
};
struct json_view {
    struct slice text; /* exactly one value */
};
/* A number as it was written: integers stay exact. */
struct json_number {
    enum { NUMBER_SIGNED, NUMBER_UNSIGNED /* above INT64_MAX */, NUMBER_REAL } kind;
    union {
        int64_t signed_value;
        uint64_t unsigned_value;
        double real_value;
    };
};
struct json_iter {
    const uint8_t *at, *end;
};
struct json_view json_view_of(struct slice text);
enum json_kind json_view_kind(struct json_view view);
bool json_view_find(struct json_view object, struct slice key,
                    struct json_view *out);                               /* key: unescaped UTF-8 */
void json_view_begin(struct json_view container, struct json_iter *iter); /* array or object */
bool json_view_next_item(struct json_iter *iter, struct json_view *item); /* array */
/* Object. `key` is the raw text between the quotes: compare with json_string_equal. */
bool json_view_next_member(struct json_iter *iter, struct slice *raw_key, struct json_view *value);
size_t json_view_count(struct json_view array);
bool json_string_equal(struct slice raw, struct slice unescaped);
int json_string_compare(struct slice raw, struct slice unescaped); /* order of slice_compare */
bool json_string_has_prefix(struct slice raw, struct slice unescaped_prefix);
bool json_string_same(struct slice raw_a, struct slice raw_b); /* equal however each is escaped */
struct slice
json_view_raw_string(struct json_view string); /* between the quotes, escapes as stored */
/* Unescapes into `out` (room for raw.size bytes); returns the size. */
size_t json_string_unescape(struct slice raw, uint8_t *out);
struct json_number json_view_number(struct json_view number);
/* Exact order over all three kinds: a 64-bit integer is never rounded. NaN does not occur. */
int json_number_compare(struct json_number a, struct json_number b);
