/* is_null: the key reaches null, or an array with a null among its items. A missing key is not
 * null. Both as a condition of its own and as a part of a field condition, where `false` asks for
 * the opposite. */
#include "index/filter/filter_int.h"

struct cond_is_null {
    struct cond base;
    const struct path *path;
    bool wanted;
};

static bool value_is_null(void *ctx, struct json_view value)
{
    (void)ctx;
    enum json_kind kind = json_view_kind(value);
    if (kind != JSON_ARRAY)
        return kind == JSON_NULL;
    struct json_iter iter;
    struct json_view item;
    json_view_begin(value, &iter);
    while (json_view_next_item(&iter, &item)) {
        if (json_view_kind(item) == JSON_NULL)
            return true;
    }
    return false;
}

static bool is_null_check(const struct cond *cond, struct checker *checker)
{
    const struct cond_is_null *self = (const struct cond_is_null *)cond;
    return path_each(self->path, checker_payload(checker), value_is_null, NULL) == self->wanted;
}

static const struct cond_kind is_null_kind = {
    .name = "is_null", .needs_payload = true, .check = is_null_check};

static enum status create(struct compiler *compiler, const struct path *path, bool wanted,
                          struct cond **out)
{
    struct cond_is_null *self = compiler_alloc(compiler, 1, sizeof(*self));
    if (!self)
        return STATUS_TOO_LARGE;
    self->base = (struct cond){.kind = &is_null_kind, .needs_payload = true};
    self->path = path;
    self->wanted = wanted;
    *out = &self->base;
    return STATUS_OK;
}

enum status cond_is_null_compile(struct compiler *compiler, const void *wire, struct cond **out)
{
    const Qdrant__IsNullCondition *message = wire;
    struct path *path;
    enum status status = compiler_path(compiler, message->key, &path);
    return status == STATUS_OK ? create(compiler, path, true, out) : status;
}

enum status part_is_null_compile(struct compiler *compiler, const struct path *path,
                                 const Qdrant__FieldCondition *wire, struct cond **out)
{
    return create(compiler, path, wire->is_null != 0, out);
}
