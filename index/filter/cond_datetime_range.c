/* datetime_range: a string that is a point in time, within bounds, compared at microseconds. Other
 * values and strings of other forms are in no range. */
#include "index/filter/filter_int.h"
#include "index/payload/datetime.h"

enum { NANOS_MAX = 999999999 };

struct datetime_test {
    struct value_test base;
    struct field_query query;
};

static bool datetime_check(const struct value_test *test, struct json_view value)
{
    const struct datetime_test *self = (const struct datetime_test *)test;
    struct json_number us = {.kind = NUMBER_SIGNED};
    return datetime_of_value(value, &us.signed_value) && number_in_range(us, &self->query.range);
}

static enum status narrow(struct compiler *compiler, struct datetime_test *self,
                          enum bound_side side, bool inclusive,
                          const Google__Protobuf__Timestamp *wire)
{
    struct json_number us = {.kind = NUMBER_SIGNED};
    if (!wire)
        return STATUS_OK;
    if (wire->nanos < 0 || wire->nanos > NANOS_MAX ||
        __builtin_mul_overflow(wire->seconds, INT64_C(1000000), &us.signed_value) ||
        __builtin_add_overflow(us.signed_value, (int64_t)(wire->nanos / 1000), &us.signed_value))
        return compiler_refuse(compiler,
                               "a bound of the datetime range is not a valid time: "
                               "%lld seconds, %d nanoseconds",
                               (long long)wire->seconds, wire->nanos);
    number_range_narrow(&self->query.range, side, inclusive, us);
    return STATUS_OK;
}

enum status part_datetime_range_compile(struct compiler *compiler, const struct path *path,
                                        const Qdrant__FieldCondition *wire, struct cond **out)
{
    const Qdrant__DatetimeRange *range = wire->datetime_range;
    struct datetime_test *self = compiler_alloc(compiler, 1, sizeof(*self));
    if (!self)
        return STATUS_TOO_LARGE;
    self->base.test = datetime_check;
    self->query.kind = QUERY_DATETIMES;
    enum status status = narrow(compiler, self, BOUND_HIGH, false, range->lt);
    if (status == STATUS_OK)
        status = narrow(compiler, self, BOUND_HIGH, true, range->lte);
    if (status == STATUS_OK)
        status = narrow(compiler, self, BOUND_LOW, false, range->gt);
    if (status == STATUS_OK)
        status = narrow(compiler, self, BOUND_LOW, true, range->gte);
    return status == STATUS_OK ? cond_values_create(compiler, path, &self->base, &self->query, out)
                               : status;
}
