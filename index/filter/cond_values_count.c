/* values_count: how many values a key has. An array counts its items, null counts 0, any other
 * value 1; a key that reaches nothing counts 0. When the path reaches several values, one of them
 * must be within all bounds. */
#include "index/filter/filter_int.h"

struct cond_values_count {
    struct cond base;
    const struct path *path;
    uint64_t min, max; /* both inclusive */
    bool possible;
};
struct visit {
    const struct cond_values_count *self;
    bool reached;
};

static bool in_bounds(const struct cond_values_count *self, uint64_t count)
{
    return self->possible && count >= self->min && count <= self->max;
}

static bool visit_value(void *ctx, struct json_view value)
{
    struct visit *visit = ctx;
    enum json_kind kind = json_view_kind(value);
    visit->reached = true;
    uint64_t count = kind == JSON_ARRAY ? json_view_count(value) : kind == JSON_NULL ? 0 : 1;
    return in_bounds(visit->self, count);
}

static bool values_count_check(const struct cond *cond, struct checker *checker)
{
    struct visit visit = {.self = (const struct cond_values_count *)cond};
    if (path_each(visit.self->path, checker_payload(checker), visit_value, &visit))
        return true;
    return !visit.reached && in_bounds(visit.self, 0);
}

static const struct cond_kind values_count_kind = {
    .name = "values_count", .needs_payload = true, .check = values_count_check};

static void set_bounds(struct cond_values_count *self, const Qdrant__ValuesCount *wire)
{
    self->possible = true;
    self->max = UINT64_MAX;
    if (wire->_gte_case)
        self->min = wire->gte;
    if (wire->_gt_case) {
        self->possible = wire->gt < UINT64_MAX;
        if (self->possible && wire->gt + 1 > self->min)
            self->min = wire->gt + 1;
    }
    if (wire->_lte_case)
        self->max = wire->lte;
    if (wire->_lt_case) {
        self->possible = self->possible && wire->lt > 0;
        if (wire->lt > 0 && wire->lt - 1 < self->max)
            self->max = wire->lt - 1;
    }
}

enum status part_values_count_compile(struct compiler *compiler, const struct path *path,
                                      const Qdrant__FieldCondition *wire, struct cond **out)
{
    struct cond_values_count *self = compiler_alloc(compiler, 1, sizeof(*self));
    if (!self)
        return STATUS_TOO_LARGE;
    self->base = (struct cond){.kind = &values_count_kind, .needs_payload = true};
    self->path = path;
    set_bounds(self, wire->values_count);
    *out = &self->base;
    return STATUS_OK;
}
