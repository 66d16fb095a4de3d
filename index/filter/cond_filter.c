/* filter: a whole filter as one condition. */
#include "index/filter/filter_int.h"

struct cond_filter {
    struct cond base;
    struct filter *filter; /* NULL: accepts all */
};

static bool sub_filter_check(const struct cond *cond, struct checker *checker)
{
    return check_filter(((const struct cond_filter *)cond)->filter, checker);
}

static void sub_filter_candidates(const struct cond *cond, const struct lookup *lookup,
                                  struct pair *out)
{
    lookup_filter(((const struct cond_filter *)cond)->filter, lookup, out);
}

static const struct filter *sub_filter_inside(const struct cond *cond)
{
    return ((const struct cond_filter *)cond)->filter;
}

static const struct cond_kind filter_kind = {.name = "filter",
                                             .check = sub_filter_check,
                                             .candidates = sub_filter_candidates,
                                             .inside = sub_filter_inside};

enum status cond_filter_compile(struct compiler *compiler, const void *wire, struct cond **out)
{
    struct cond_filter *self = compiler_alloc(compiler, 1, sizeof(*self));
    if (!self)
        return STATUS_TOO_LARGE;
    enum status status = compile_filter(compiler, wire, &self->filter);
    if (status != STATUS_OK)
        return status;
    self->base =
        (struct cond){.kind = &filter_kind, .needs_payload = filter_needs_payload(self->filter)};
    *out = &self->base;
    return STATUS_OK;
}
