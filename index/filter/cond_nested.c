/* nested: some element of an array passes a filter by itself, each element taken as a payload of
 * its own. `key` and `key[]` mean the same array. A value that is no array has no elements; an
 * element that is no object has no fields, so it can only pass conditions about what is missing. */
#include "index/filter/filter_int.h"

struct cond_nested {
    struct cond base;
    struct path *path;
    struct filter *filter;
};
struct visit {
    const struct cond_nested *self;
    const struct checker *checker;
};

static bool check_elements(void *ctx, struct json_view value)
{
    const struct visit *visit = ctx;
    struct json_iter iter;
    struct json_view element;
    if (json_view_kind(value) != JSON_ARRAY)
        return false;
    json_view_begin(value, &iter);
    while (json_view_next_item(&iter, &element)) {
        struct checker inner = {.point = visit->checker->point,
                                .payload = element,
                                .payload_known = true,
                                .inside_nested = true};
        if (check_filter(visit->self->filter, &inner))
            return true;
    }
    return false;
}

static bool nested_check(const struct cond *cond, struct checker *checker)
{
    const struct cond_nested *self = (const struct cond_nested *)cond;
    struct visit visit = {.self = self, .checker = checker};
    return path_each(self->path, checker_payload(checker), check_elements, &visit);
}

static void nested_candidates(const struct cond *cond, const struct lookup *lookup,
                              struct pair *out)
{
    lookup_nested(((const struct cond_nested *)cond)->filter, lookup, out);
}

static const struct filter *nested_inside(const struct cond *cond)
{
    return ((const struct cond_nested *)cond)->filter;
}

static const struct cond_kind nested_kind = {.name = "nested",
                                             .needs_payload = true,
                                             .check = nested_check,
                                             .candidates = nested_candidates,
                                             .inside = nested_inside};

/* The filter inside, its keys seen from the root as below the array's elements. */
static enum status compile_inside(struct compiler *compiler, struct slice key,
                                  const Qdrant__Filter *wire, struct filter **out)
{
    const char *prefix = compiler->prefix;
    compiler->prefix =
        arena_printf(compiler->arena, "%s%.*s[].", prefix, (int)key.size, (const char *)key.data);
    if (!compiler->prefix)
        return compiler_no_memory(compiler);
    enum status status = compile_filter(compiler, wire, out);
    compiler->prefix = prefix;
    return status;
}

enum status cond_nested_compile(struct compiler *compiler, const void *wire, struct cond **out)
{
    const Qdrant__NestedCondition *message = wire;
    struct slice key = slice_text(message->key ? message->key : "");
    if (!message->filter)
        return compiler_refuse(compiler, "A nested condition on key '%.128s' has no filter",
                               message->key ? message->key : "");
    if (key.size > 2 && memcmp(key.data + key.size - 2, "[]", 2) == 0)
        key.size -= 2;
    struct cond_nested *self = compiler_alloc(compiler, 1, sizeof(*self));
    if (!self)
        return STATUS_TOO_LARGE;
    enum status status = path_parse(key, compiler->arena, &self->path, compiler->err);
    if (status == STATUS_OK)
        status = compile_inside(compiler, key, message->filter, &self->filter);
    if (status != STATUS_OK)
        return status;
    self->base = (struct cond){.kind = &nested_kind, .needs_payload = true};
    *out = &self->base;
    return STATUS_OK;
}
