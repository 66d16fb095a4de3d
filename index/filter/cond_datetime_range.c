/* datetime_range: a string that is a point in time, within bounds, compared at microseconds. Other
 * values and strings of other forms are in no range. */
#include "index/filter/filter_int.h"
#include "index/payload/datetime.h"

enum { NANOS_MAX = 999999999 };

struct bound {
    bool present;
    int64_t us;
};
struct datetime_test {
    struct value_test base;
    struct bound lt, lte, gt, gte;
};

static bool datetime_check(const struct value_test *test, struct json_view value)
{
    const struct datetime_test *self = (const struct datetime_test *)test;
    int64_t us;
    return datetime_of_value(value, &us) && (!self->lt.present || us < self->lt.us) &&
           (!self->lte.present || us <= self->lte.us) && (!self->gt.present || us > self->gt.us) &&
           (!self->gte.present || us >= self->gte.us);
}

static enum status set_bound(struct compiler *compiler, struct bound *bound,
                             const Google__Protobuf__Timestamp *wire)
{
    int64_t us;
    if (!wire)
        return STATUS_OK;
    if (wire->nanos < 0 || wire->nanos > NANOS_MAX ||
        __builtin_mul_overflow(wire->seconds, INT64_C(1000000), &us) ||
        __builtin_add_overflow(us, (int64_t)(wire->nanos / 1000), &us))
        return compiler_refuse(compiler,
                               "a bound of the datetime range is not a valid time: "
                               "%lld seconds, %d nanoseconds",
                               (long long)wire->seconds, wire->nanos);
    *bound = (struct bound){.present = true, .us = us};
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
    enum status status = set_bound(compiler, &self->lt, range->lt);
    if (status == STATUS_OK)
        status = set_bound(compiler, &self->lte, range->lte);
    if (status == STATUS_OK)
        status = set_bound(compiler, &self->gt, range->gt);
    if (status == STATUS_OK)
        status = set_bound(compiler, &self->gte, range->gte);
    return status == STATUS_OK ? cond_values_create(compiler, path, &self->base, out) : status;
}
