/* values_count: how many values a key has. An array counts its items, null counts 0, any other
 * value 1; a key that reaches nothing counts 0. When the path reaches several values, one of them
 * must be within all bounds. */
#include "index/filter/filter_int.h"
#include "index/payload/presence.h"

static bool in_bounds(void *ctx, uint64_t count)
{
    const struct field_query *query = ctx;
    return count >= query->count_min && count <= query->count_max;
}

static bool values_count_check(const struct cond *cond, struct checker *checker)
{
    return payload_each_count(cond->path, checker_payload(checker), in_bounds,
                              (void *)(uintptr_t)cond->query);
}

static const struct cond_kind values_count_kind = {
    .name = "values_count", .needs_payload = true, .check = values_count_check};

static void set_bounds(struct field_query *query, const Qdrant__ValuesCount *wire)
{
    bool possible = true;
    query->count_min = wire->_gte_case ? wire->gte : 0;
    query->count_max = wire->_lte_case ? wire->lte : UINT64_MAX;
    if (wire->_gt_case) {
        possible = wire->gt < UINT64_MAX;
        if (possible && wire->gt + 1 > query->count_min)
            query->count_min = wire->gt + 1;
    }
    if (wire->_lt_case) {
        possible = possible && wire->lt > 0;
        if (wire->lt > 0 && wire->lt - 1 < query->count_max)
            query->count_max = wire->lt - 1;
    }
    if (!possible) {
        query->count_min = 1;
        query->count_max = 0;
    }
}

enum status part_values_count_compile(struct compiler *compiler, const struct path *path,
                                      const Qdrant__FieldCondition *wire, struct cond **out)
{
    struct field_query *query = compiler_query(compiler, QUERY_COUNT);
    struct cond *self = compiler_alloc(compiler, 1, sizeof(*self));
    if (!query || !self)
        return STATUS_TOO_LARGE;
    set_bounds(query, wire->values_count);
    *self = (struct cond){
        .kind = &values_count_kind, .needs_payload = true, .path = path, .query = query};
    *out = self;
    return STATUS_OK;
}
