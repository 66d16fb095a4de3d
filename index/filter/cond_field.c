/* Field conditions: a key and one thing to ask of its values.
 *
 * The first part that is present (in the order of kinds.def) decides. Match, range and geo parts
 * are tests of one value: the condition holds when any value at the path passes. An array that the
 * path's last key names stands for its items; below `[]` or `[n]` it is one value, as the contract
 * has it. */
#include "index/filter/filter_int.h"
#include "index/payload/presence.h"

struct cond_values {
    struct cond base;
    const struct value_test *test;
};

static bool visit_value(void *ctx, struct json_view value)
{
    const struct value_test *test = ctx;
    return test->test(test, value);
}

static bool values_check(const struct cond *cond, struct checker *checker)
{
    const struct cond_values *self = (const struct cond_values *)cond;
    return payload_each_value(cond->path, checker_payload(checker), visit_value,
                              (void *)(uintptr_t)self->test);
}

static const struct cond_kind values_kind = {
    .name = "field", .needs_payload = true, .check = values_check};

enum status cond_values_create(struct compiler *compiler, const struct path *path,
                               const struct value_test *test, const struct field_query *query,
                               struct cond **out)
{
    struct cond_values *self = compiler_alloc(compiler, 1, sizeof(*self));
    if (!self)
        return STATUS_TOO_LARGE;
    *self = (struct cond_values){
        .base = {.kind = &values_kind, .needs_payload = true, .path = path, .query = query},
        .test = test};
    *out = &self->base;
    return STATUS_OK;
}

enum status cond_presence_create(struct compiler *compiler, const struct cond_kind *kind,
                                 enum query_kind query_kind, const struct path *path, bool wanted,
                                 struct cond **out)
{
    struct field_query *query = compiler_query(compiler, query_kind);
    struct cond *self = compiler_alloc(compiler, 1, sizeof(*self));
    if (!query || !self)
        return STATUS_TOO_LARGE;
    query->wanted = wanted;
    *self = (struct cond){.kind = kind, .needs_payload = true, .path = path, .query = query};
    *out = self;
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
    return cond_locate(compiler, *out, message->key);
}
