/* has_vector: the point has a vector of that name; "" is the unnamed one. An element of a nested
 * condition has none. */
#include "index/filter/filter_int.h"

struct cond_has_vector {
    struct cond base;
    struct slice name;
};

static bool has_vector_check(const struct cond *cond, struct checker *checker)
{
    const struct cond_has_vector *self = (const struct cond_has_vector *)cond;
    return !checker->inside_nested && checker->point->has_vector(checker->point, self->name);
}

static const struct cond_kind has_vector_kind = {.name = "has_vector", .check = has_vector_check};

enum status cond_has_vector_compile(struct compiler *compiler, const void *wire, struct cond **out)
{
    const Qdrant__HasVectorCondition *message = wire;
    const char *name = message->has_vector ? message->has_vector : "";
    struct cond_has_vector *self = compiler_alloc(compiler, 1, sizeof(*self));
    char *copy = arena_strndup(compiler->arena, name, strlen(name));
    if (!self || !copy)
        return compiler_no_memory(compiler);
    self->base.kind = &has_vector_kind;
    self->name = slice_text(copy);
    *out = &self->base;
    return STATUS_OK;
}
