/* is_empty: the key reaches nothing, or only null and empty arrays. Both as a condition of its own
 * and as a part of a field condition, where `false` asks for the opposite. */
#include "index/filter/filter_int.h"

struct cond_is_empty {
    struct cond base;
    const struct path *path;
    bool wanted;
};

static bool value_is_full(void *ctx, struct json_view value)
{
    (void)ctx;
    enum json_kind kind = json_view_kind(value);
    if (kind == JSON_ARRAY)
        return value.text.size > 2; /* the text is minified: an empty array is `[]` */
    return kind != JSON_NULL;
}

static bool is_empty_check(const struct cond *cond, struct checker *checker)
{
    const struct cond_is_empty *self = (const struct cond_is_empty *)cond;
    bool full = path_each(self->path, checker_payload(checker), value_is_full, NULL);
    return full != self->wanted;
}

static const struct cond_kind is_empty_kind = {
    .name = "is_empty", .needs_payload = true, .check = is_empty_check};

static enum status create(struct compiler *compiler, const struct path *path, bool wanted,
                          struct cond **out)
{
    struct cond_is_empty *self = compiler_alloc(compiler, 1, sizeof(*self));
    if (!self)
        return STATUS_TOO_LARGE;
    self->base = (struct cond){.kind = &is_empty_kind, .needs_payload = true};
    self->path = path;
    self->wanted = wanted;
    *out = &self->base;
    return STATUS_OK;
}

enum status cond_is_empty_compile(struct compiler *compiler, const void *wire, struct cond **out)
{
    const Qdrant__IsEmptyCondition *message = wire;
    struct path *path;
    enum status status = compiler_path(compiler, message->key, &path);
    return status == STATUS_OK ? create(compiler, path, true, out) : status;
}

enum status part_is_empty_compile(struct compiler *compiler, const struct path *path,
                                  const Qdrant__FieldCondition *wire, struct cond **out)
{
    return create(compiler, path, wire->is_empty != 0, out);
}
