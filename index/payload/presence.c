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

/* ---- all in one walk ---- */

struct visit {
    const struct payload_visitor *visitor;
    bool spread; /* arrays stand for their items */
    bool reached, full, null;
};

static void visit_one(struct visit *visit, struct json_view value)
{
    if (json_view_kind(value) == JSON_NULL)
        visit->null = true;
    else
        visit->visitor->value(visit->visitor->ctx, value);
}

static uint64_t visit_items(struct visit *visit, struct json_view array)
{
    struct json_iter iter;
    struct json_view item;
    uint64_t count = 0;
    json_view_begin(array, &iter);
    for (; json_view_next_item(&iter, &item); count++) {
        if (visit->spread)
            visit_one(visit, item);
        else
            visit->null = visit->null || json_view_kind(item) == JSON_NULL;
    }
    if (!visit->spread)
        visit->visitor->value(visit->visitor->ctx, array);
    return count;
}

static bool visit_reached(void *ctx, struct json_view value)
{
    struct visit *visit = ctx;
    enum json_kind kind = json_view_kind(value);
    uint64_t count = kind == JSON_NULL ? 0 : 1;
    if (kind == JSON_ARRAY)
        count = visit_items(visit, value);
    else
        visit_one(visit, value);
    visit->reached = true;
    visit->full = visit->full || count > 0;
    visit->visitor->count(visit->visitor->ctx, count);
    return false;
}

struct presence payload_visit(const struct path *path, struct json_view payload,
                              const struct payload_visitor *visitor)
{
    struct visit visit = {.visitor = visitor, .spread = path_ends_in_key(path)};
    path_each(path, payload, visit_reached, &visit);
    if (!visit.reached)
        visitor->count(visitor->ctx, 0);
    return (struct presence){.empty = !visit.full, .null = visit.null};
}
