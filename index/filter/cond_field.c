/* Field conditions: a key and one thing to ask of its values.
 *
 * The first part that is present (in the order of kinds.def) decides. Match, range and geo parts
 * are tests of one value: the condition holds when any value at the path passes. An array that the
 * path's last key names stands for its items; below `[]` or `[n]` it is one value, as the contract
 * has it. */
#include "index/filter/filter_int.h"

struct cond_values {
    struct cond base;
    const struct path *path;
    const struct value_test *test;
    bool spread; /* arrays stand for their items */
};

static bool visit_value(void *ctx, struct json_view value)
{
    const struct cond_values *self = ctx;
    if (!self->spread || json_view_kind(value) != JSON_ARRAY)
        return self->test->test(self->test, value);
    struct json_iter iter;
    struct json_view item;
    json_view_begin(value, &iter);
    while (json_view_next_item(&iter, &item)) {
        if (self->test->test(self->test, item))
            return true;
    }
    return false;
}

static bool values_check(const struct cond *cond, struct checker *checker)
{
    struct cond_values self = *(const struct cond_values *)cond;
    return path_each(self.path, checker_payload(checker), visit_value, &self);
}

static const struct cond_kind values_kind = {
    .name = "field", .needs_payload = true, .check = values_check};

enum status cond_values_create(struct compiler *compiler, const struct path *path,
                               const struct value_test *test, struct cond **out)
{
    struct cond_values *self = compiler_alloc(compiler, 1, sizeof(*self));
    if (!self)
        return STATUS_TOO_LARGE;
    *self = (struct cond_values){.base = {.kind = &values_kind, .needs_payload = true},
                                 .path = path,
                                 .test = test,
                                 .spread = path_ends_in_key(path)};
    *out = &self->base;
    return STATUS_OK;
}

struct part_kind {
    bool (*is_present)(const Qdrant__FieldCondition *wire);
    enum status (*compile)(struct compiler *compiler, const struct path *path,
                           const Qdrant__FieldCondition *wire, struct cond **out);
};

#define FIELD_PART(name, present)                                                                  \
    static bool has_##name(const Qdrant__FieldCondition *wire)                                     \
    {                                                                                              \
        return present;                                                                            \
    }
#include "index/filter/kinds.def"
#undef FIELD_PART

static const struct part_kind part_kinds[] = {
#define FIELD_PART(name, present) {.is_present = has_##name, .compile = part_##name##_compile},
#include "index/filter/kinds.def"
#undef FIELD_PART
};

static enum status compile_part(struct compiler *compiler, const struct path *path,
                                const Qdrant__FieldCondition *wire, struct cond **out)
{
    for (size_t i = 0; i < sizeof(part_kinds) / sizeof(part_kinds[0]); i++) {
        if (part_kinds[i].is_present(wire))
            return part_kinds[i].compile(compiler, path, wire, out);
    }
    return compiler_refuse(compiler, "At least one field condition must be specified");
}

enum status cond_field_compile(struct compiler *compiler, const void *wire, struct cond **out)
{
    const Qdrant__FieldCondition *message = wire;
    struct path *path;
    enum status status = compiler_path(compiler, message->key, &path);
    if (status != STATUS_OK)
        return status;
    status = compile_part(compiler, path, message, out);
    if (status != STATUS_OK)
        return error_wrap(compiler->err, "condition on key '%.128s'", message->key);
    return STATUS_OK;
}
