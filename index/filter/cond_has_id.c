/* has_id: the point's id is one of a list. The list is sorted once, so a check is a binary search.
 * An element of a nested condition has no id: the condition never holds there. */
#include "index/filter/filter_int.h"

#include <stdlib.h>

struct cond_has_id {
    struct cond base;
    const struct point_id *ids; /* ascending, no duplicates */
    size_t count;
};

static int compare_ids(const void *a, const void *b)
{
    return point_id_compare(*(const struct point_id *)a, *(const struct point_id *)b);
}

static bool has_id_check(const struct cond *cond, struct checker *checker)
{
    const struct cond_has_id *self = (const struct cond_has_id *)cond;
    if (checker->inside_nested || self->count == 0)
        return false;
    return bsearch(&checker->point->id, self->ids, self->count, sizeof(self->ids[0]),
                   compare_ids) != NULL;
}

static void has_id_candidates(const struct cond *cond, const struct lookup *lookup,
                              struct pair *out)
{
    const struct cond_has_id *self = (const struct cond_has_id *)cond;
    lookup_ids(lookup, self->ids, self->count, out);
}

const struct cond_kind cond_has_id_kind = {
    .name = "has_id", .check = has_id_check, .candidates = has_id_candidates};

static enum status read_id(struct compiler *compiler, const Qdrant__PointId *wire,
                           struct point_id *out)
{
    if (wire && wire->point_id_options_case == QDRANT__POINT_ID__POINT_ID_OPTIONS_NUM) {
        *out = point_id_number(wire->num);
        return STATUS_OK;
    }
    if (!wire || wire->point_id_options_case != QDRANT__POINT_ID__POINT_ID_OPTIONS_UUID ||
        !wire->uuid)
        return compiler_refuse(compiler, "has_id: a point id is neither a number nor a UUID");
    if (!point_id_parse_uuid(slice_text(wire->uuid), out))
        return compiler_refuse(compiler, "has_id: Unable to parse UUID: %.64s", wire->uuid);
    return STATUS_OK;
}

static size_t sort_unique(struct point_id *ids, size_t count)
{
    size_t kept = 0;
    if (count > 1)
        qsort(ids, count, sizeof(*ids), compare_ids);
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || point_id_compare(ids[kept - 1], ids[i]) != 0)
            ids[kept++] = ids[i];
    }
    return kept;
}

enum status cond_has_id_compile(struct compiler *compiler, const void *wire, struct cond **out)
{
    const Qdrant__HasIdCondition *message = wire;
    struct cond_has_id *self = compiler_alloc(compiler, 1, sizeof(*self));
    struct point_id *ids = compiler_alloc(compiler, message->n_has_id, sizeof(*ids));
    if (!self || !ids)
        return STATUS_TOO_LARGE;
    for (size_t i = 0; i < message->n_has_id; i++) {
        enum status status = read_id(compiler, message->has_id[i], &ids[i]);
        if (status != STATUS_OK)
            return status;
    }
    self->base.kind = &cond_has_id_kind;
    self->ids = ids;
    self->count = sort_unique(ids, message->n_has_id);
    *out = &self->base;
    return STATUS_OK;
}

bool filter_ids(const struct filter *filter, const struct point_id **ids, size_t *count)
{
    const struct cond_has_id *best = NULL;
    for (size_t i = 0; filter && i < filter->must.count; i++) {
        if (filter->must.conds[i]->kind != &cond_has_id_kind)
            continue;
        const struct cond_has_id *found = (const struct cond_has_id *)filter->must.conds[i];
        if (!best || found->count < best->count)
            best = found;
    }
    if (!best)
        return false;
    *ids = best->ids;
    *count = best->count;
    return true;
}
