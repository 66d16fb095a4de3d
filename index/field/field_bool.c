/* The index kind of booleans: the points with false and the points with true. All other values are
 * foreign; and of questions about other values the kind knows that its own do not match. */
#include "index/field/field_int.h"
#include "index/field/posting.h"
#include "storage/base/mem.h"

struct field_bool {
    struct field base;
    struct posting points[2]; /* false, true */
};

static enum status bool_create(const struct field_spec *spec, struct field **out, struct error *err)
{
    struct field_bool *self = mem_zalloc(sizeof(*self));
    enum status status = field_init(&self->base, &field_bool, spec, err);
    if (status != STATUS_OK) {
        mem_free(self);
        return status;
    }
    *out = &self->base;
    return STATUS_OK;
}

static void bool_destroy(struct field *field)
{
    struct field_bool *self = (struct field_bool *)field;
    posting_clear(&self->points[0]);
    posting_clear(&self->points[1]);
    field_deinit(field);
    mem_free(self);
}

static bool bool_add(struct field *field, point_offset point, struct json_view value)
{
    enum json_kind kind = json_view_kind(value);
    if (kind != JSON_FALSE && kind != JSON_TRUE) {
        return false;
    }
    posting_add(&((struct field_bool *)field)->points[kind == JSON_TRUE], point);
    return true;
}

static void bool_remove(struct field *field, point_offset point)
{
    struct field_bool *self = (struct field_bool *)field;
    posting_remove(&self->points[0], point);
    posting_remove(&self->points[1], point);
}

static bool bool_find(const struct field *field, const struct field_query *query,
                      struct field_found *out, bool *foreign)
{
    const struct field_bool *self = (const struct field_bool *)field;
    *foreign = query->kind != QUERY_BOOL;
    *out = (struct field_found){.sure = *foreign ? roaring_bitmap_create()
                                                 : posting_copy(&self->points[query->boolean])};
    return true;
}

static void
bool_each_value(const struct field *field, const roaring_bitmap_t *among,
                bool (*each)(void *ctx, const struct field_value *value, uint64_t count), void *ctx)
{
    const struct field_bool *self = (const struct field_bool *)field;
    for (int i = 0; i < 2; i++) {
        struct field_value value = {.kind = VALUE_BOOL, .boolean = i == 1};
        uint64_t count =
            among ? posting_count_among(&self->points[i], among) : posting_count(&self->points[i]);
        if (count > 0 && each(ctx, &value, count)) {
            return;
        }
    }
}

static void bool_save(const struct field *field, struct buffer *out)
{
    const struct field_bool *self = (const struct field_bool *)field;
    posting_save(&self->points[0], out);
    posting_save(&self->points[1], out);
}

static enum status bool_load(struct field *field, struct reader *image, struct error *err)
{
    struct field_bool *self = (struct field_bool *)field;
    bool any_points = !roaring_bitmap_is_empty(field->present);
    point_offset point_max = any_points ? roaring_bitmap_maximum(field->present) : 0;
    for (int i = 0; i < 2; i++) {
        if (!posting_load(&self->points[i], image, point_max) ||
            (!any_points && !posting_is_empty(&self->points[i]))) {
            return error_set(err, STATUS_CORRUPT, "the booleans in the image are damaged");
        }
    }
    return STATUS_OK;
}

static size_t bool_memory(const struct field *field)
{
    const struct field_bool *self = (const struct field_bool *)field;
    return sizeof(*self) + posting_memory(&self->points[0]) + posting_memory(&self->points[1]);
}

const struct field_kind field_bool = {
    .name = "bool",
    .create = bool_create,
    .destroy = bool_destroy,
    .add = bool_add,
    .remove = bool_remove,
    .find = bool_find,
    .each_value = bool_each_value,
    .save = bool_save,
    .load = bool_load,
    .memory = bool_memory,
};
