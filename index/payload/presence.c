/* What is at a path: emptiness, null, numbers of values, and the values that conditions test. */
#include "index/payload/presence.h"

static bool value_is_full(void *ctx, struct json_view value)
{
    (void)ctx;
    enum json_kind kind = json_view_kind(value);
    if (kind == JSON_ARRAY)
        return value.text.size > 2; /* the text is minified: an empty array is `[]` */
    return kind != JSON_NULL;
}

bool payload_is_empty(const struct path *path, struct json_view payload)
{
    return !path_each(path, payload, value_is_full, NULL);
}

/* Visits the items of an array, or the value itself. */
static bool spread(struct json_view value, bool (*each)(void *ctx, struct json_view value),
                   void *ctx)
{
    if (json_view_kind(value) != JSON_ARRAY)
        return each(ctx, value);
    struct json_iter iter;
    struct json_view item;
    json_view_begin(value, &iter);
    while (json_view_next_item(&iter, &item)) {
        if (each(ctx, item))
            return true;
    }
    return false;
}

static bool is_null(void *ctx, struct json_view value)
{
    (void)ctx;
    return json_view_kind(value) == JSON_NULL;
}

static bool has_null(void *ctx, struct json_view value)
{
    return spread(value, is_null, ctx);
}

bool payload_is_null(const struct path *path, struct json_view payload)
{
    return path_each(path, payload, has_null, NULL);
}

struct counting {
    bool (*each)(void *ctx, uint64_t count);
    void *ctx;
    bool reached;
};

static bool count_value(void *ctx, struct json_view value)
{
    struct counting *counting = ctx;
    enum json_kind kind = json_view_kind(value);
    counting->reached = true;
    uint64_t count = kind == JSON_ARRAY ? json_view_count(value) : kind == JSON_NULL ? 0 : 1;
    return counting->each(counting->ctx, count);
}

bool payload_each_count(const struct path *path, struct json_view payload,
                        bool (*each)(void *ctx, uint64_t count), void *ctx)
{
    struct counting counting = {.each = each, .ctx = ctx};
    if (path_each(path, payload, count_value, &counting))
        return true;
    return !counting.reached && each(ctx, 0);
}

struct visiting {
    bool (*each)(void *ctx, struct json_view value);
    void *ctx;
};

static bool visit_spread(void *ctx, struct json_view value)
{
    const struct visiting *visiting = ctx;
    return spread(value, visiting->each, visiting->ctx);
}

bool payload_each_value(const struct path *path, struct json_view payload,
                        bool (*each)(void *ctx, struct json_view value), void *ctx)
{
    struct visiting visiting = {.each = each, .ctx = ctx};
    return path_ends_in_key(path) ? path_each(path, payload, visit_spread, &visiting)
                                  : path_each(path, payload, each, ctx);
}
