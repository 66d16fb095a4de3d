/* range: a number within bounds. Bounds come as exact numbers (REST) or as doubles (gRPC); both are
 * compared with the payload's number without rounding either. Only numbers are in a range: strings,
 * booleans and null never are. */
#include "index/filter/filter_int.h"

#include <math.h>

struct bound {
    bool present;
    struct json_number number;
};
struct range_test {
    struct value_test base;
    struct bound lt, lte, gt, gte;
    bool impossible; /* a bound is not a number: nothing compares with it */
};

static bool range_check(const struct value_test *test, struct json_view value)
{
    const struct range_test *self = (const struct range_test *)test;
    if (self->impossible || json_view_kind(value) != JSON_NUMBER)
        return false;
    struct json_number number = json_view_number(value);
    return (!self->lt.present || json_number_compare(number, self->lt.number) < 0) &&
           (!self->lte.present || json_number_compare(number, self->lte.number) <= 0) &&
           (!self->gt.present || json_number_compare(number, self->gt.number) > 0) &&
           (!self->gte.present || json_number_compare(number, self->gte.number) >= 0);
}

static void set_real(struct range_test *self, struct bound *bound, bool present, double value)
{
    if (!present)
        return;
    if (isnan(value)) {
        self->impossible = true;
        return;
    }
    *bound = (struct bound){.present = true, .number = {.kind = NUMBER_REAL, .real_value = value}};
}

static enum status set_exact(struct compiler *compiler, struct range_test *self,
                             struct bound *bound, const Qdrant__ExactNumber *wire)
{
    if (!wire)
        return STATUS_OK;
    switch (wire->kind_case) {
    case QDRANT__EXACT_NUMBER__KIND_SIGNED_VALUE:
        bound->number =
            (struct json_number){.kind = NUMBER_SIGNED, .signed_value = wire->signed_value};
        break;
    case QDRANT__EXACT_NUMBER__KIND_UNSIGNED_VALUE:
        bound->number =
            (struct json_number){.kind = NUMBER_UNSIGNED, .unsigned_value = wire->unsigned_value};
        break;
    case QDRANT__EXACT_NUMBER__KIND_REAL_VALUE:
        set_real(self, bound, true, wire->real_value);
        return STATUS_OK;
    default:
        return compiler_refuse(compiler, "a bound of the range has no number");
    }
    bound->present = true;
    return STATUS_OK;
}

static enum status set_exact_bounds(struct compiler *compiler, struct range_test *self,
                                    const Qdrant__ExactRange *wire)
{
    enum status status = set_exact(compiler, self, &self->lt, wire->lt);
    if (status == STATUS_OK)
        status = set_exact(compiler, self, &self->lte, wire->lte);
    if (status == STATUS_OK)
        status = set_exact(compiler, self, &self->gt, wire->gt);
    if (status == STATUS_OK)
        status = set_exact(compiler, self, &self->gte, wire->gte);
    return status;
}

enum status part_range_compile(struct compiler *compiler, const struct path *path,
                               const Qdrant__FieldCondition *wire, struct cond **out)
{
    struct range_test *self = compiler_alloc(compiler, 1, sizeof(*self));
    if (!self)
        return STATUS_TOO_LARGE;
    self->base.test = range_check;
    if (wire->exact_range) {
        enum status status = set_exact_bounds(compiler, self, wire->exact_range);
        if (status != STATUS_OK)
            return status;
    } else {
        const Qdrant__Range *range = wire->range;
        set_real(self, &self->lt, range->_lt_case != 0, range->lt);
        set_real(self, &self->lte, range->_lte_case != 0, range->lte);
        set_real(self, &self->gt, range->_gt_case != 0, range->gt);
        set_real(self, &self->gte, range->_gte_case != 0, range->gte);
    }
    return cond_values_create(compiler, path, &self->base, out);
}
