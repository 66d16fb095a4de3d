/* Filters: compiled once from the wire message, then asked per point. What a condition means is
 * defined here, by checking the payload; any index only finds candidates. Compiled filters are
 * immutable and may be used by several threads. */
#pragma once
#include "qdrant_common.pb-c.h"

#include "index/payload/json_view.h"
#include "index/payload/path.h"
#include "index/point_id.h"
#include "index/text/tokenizer.h"
#include "storage/base/arena.h"
#include "storage/base/status.h"

struct filter;
/* One point as a filter sees it. `payload` is only asked when a condition needs it (it may cost a
 * read). */
struct point_view {
    struct point_id id;
    struct slice (*payload)(struct point_view *self); /* JSON object text; "{}" when none */
    bool (*has_vector)(struct point_view *self,
                       struct slice name); /* name "" is the unnamed vector */
    void *ctx;
    struct slice payload_text; /* room for the implementation's cache */
    bool payload_read;
};
/* How the text of a key is read: its index says so. Other keys: tokenizer_plain. */
struct text_field {
    const struct path *path;
    const struct tokenizer *tokenizer;
};
struct filter_options {
    uint32_t depth_max;      /* nested filters; 0: 64 */
    uint32_t conditions_max; /* 0: 65536 */
    const struct text_field *text_fields;
    size_t text_fields_count;
};
/* `options` NULL: the defaults. `wire` NULL or without clauses: accepts all, *out is NULL. Bad
 * input is found here and only here: BAD_INPUT with the condition's key and value. Borrows nothing
 * from `wire` but what lives as long as the arena. */
enum status filter_compile(const Qdrant__Filter *wire, const struct filter_options *options,
                           struct arena *arena, struct filter **out, struct error *err);
bool filter_check(const struct filter *filter, struct point_view *point); /* NULL filter: true */
/* Bytes that are equal for filters that were written alike: a key for remembered answers. */
struct slice filter_key(const struct filter *filter);
bool filter_needs_payload(const struct filter *filter);
/* When the filter can only accept some known ids (a has_id in `must`), their list; else false. */
bool filter_ids(const struct filter *filter, const struct point_id **ids, size_t *count);
