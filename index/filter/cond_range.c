/* range: a number within bounds. Bounds come as exact numbers (REST) or as doubles (gRPC); both are
 * compared with the payload's number without rounding either. Only numbers are in a range: strings,
 * booleans and null never are. */
#include "index/filter/filter_int.h"

#include <math.h>

struct range_test {
    struct value_test base;
    struct field_query query;
    bool impossible; /* a bound is not a number: nothing compares with it */
};

bool number_in_range(struct json_number number, const struct number_range *range)
{
    if (range->low.present) {
        int order = json_number_compare(number, range->low.number);
        if (order < 0 || (order == 0 && !range->low.inclusive))
            return false;
    }
    if (range->high.present) {
        int order = json_number_compare(number, range->high.number);
        if (order > 0 || (order == 0 && !range->high.inclusive))
            return false;
    }
    return true;
}

void number_range_narrow(struct number_range *range, enum bound_side side, bool inclusive,
                         struct json_number number)
{
    struct number_bound *bound = side == BOUND_LOW ? &range->low : &range->high;
    if (bound->present) {
        int order = json_number_compare(number, bound->number);
        bool wider = side == BOUND_LOW ? order < 0 : order > 0;
        if (wider || (order == 0 && inclusive))
            return;
    }
    *bound = (struct number_bound){.present = true, .inclusive = inclusive, .number = number};
}

static bool range_check(const struct value_test *test, struct json_view value)
{
    const struct range_test *self = (const struct range_test *)test;
    return !self->impossible && json_view_kind(value) == JSON_NUMBER &&
           number_in_range(json_view_number(value), &self->query.range);
}

static void set_real(struct range_test *self, enum bound_side side, bool inclusive, double value)
{
    if (isnan(value)) {
        self->impossible = true;
        return;
    }
    number_range_narrow(&self->query.range, side, inclusive,
                        (struct json_number){.kind = NUMBER_REAL, .real_value = value});
}

static enum status set_exact(struct compiler *compiler, struct range_test *self,
                             enum bound_side side, bool inclusive, const Qdrant__ExactNumber *wire)
{
    struct json_number number;
    if (!wire)
        return STATUS_OK;
    switch (wire->kind_case) {
    case QDRANT__EXACT_NUMBER__KIND_SIGNED_VALUE:
        number = (struct json_number){.kind = NUMBER_SIGNED, .signed_value = wire->signed_value};
        break;
    case QDRANT__EXACT_NUMBER__KIND_UNSIGNED_VALUE:
        number =
            (struct json_number){.kind = NUMBER_UNSIGNED, .unsigned_value = wire->unsigned_value};
        break;
    case QDRANT__EXACT_NUMBER__KIND_REAL_VALUE:
        set_real(self, side, inclusive, wire->real_value);
        return STATUS_OK;
    default:
        return compiler_refuse(compiler, "a bound of the range has no number");
    }
    number_range_narrow(&self->query.range, side, inclusive, number);
    return STATUS_OK;
}

static enum status set_exact_bounds(struct compiler *compiler, struct range_test *self,
                                    const Qdrant__ExactRange *wire)
{
    enum status status = set_exact(compiler, self, BOUND_HIGH, false, wire->lt);
    if (status == STATUS_OK)
        status = set_exact(compiler, self, BOUND_HIGH, true, wire->lte);
    if (status == STATUS_OK)
        status = set_exact(compiler, self, BOUND_LOW, false, wire->gt);
    if (status == STATUS_OK)
        status = set_exact(compiler, self, BOUND_LOW, true, wire->gte);
    return status;
}

static void set_bounds(struct range_test *self, const Qdrant__Range *wire)
{
    if (wire->_lt_case)
        set_real(self, BOUND_HIGH, false, wire->lt);
    if (wire->_lte_case)
        set_real(self, BOUND_HIGH, true, wire->lte);
    if (wire->_gt_case)
        set_real(self, BOUND_LOW, false, wire->gt);
    if (wire->_gte_case)
        set_real(self, BOUND_LOW, true, wire->gte);
}

enum status part_range_compile(struct compiler *compiler, const struct path *path,
                               const Qdrant__FieldCondition *wire, struct cond **out)
{
    struct range_test *self = compiler_alloc(compiler, 1, sizeof(*self));
    if (!self)
        return STATUS_TOO_LARGE;
    self->base.test = range_check;
    self->query.kind = QUERY_RANGE;
    if (wire->exact_range) {
        enum status status = set_exact_bounds(compiler, self, wire->exact_range);
        if (status != STATUS_OK)
            return status;
    } else {
        set_bounds(self, wire->range);
    }
    return cond_values_create(compiler, path, &self->base, self->impossible ? NULL : &self->query,
                              out);
}
