/* The index of points in time: strings that say one (index/payload/datetime.h), as microseconds.
 * Other strings and all other values are foreign. What a string looks like is not kept, so
 * questions about strings are not answered. */
#include "index/field/field_numbers.h"
#include "index/payload/datetime.h"

static struct field_value decode(int64_t key)
{
    return (struct field_value){.kind = VALUE_DATETIME, .integer = key};
}

static bool is_valid(int64_t key)
{
    (void)key;
    return true;
}

static const struct number_codec codec = {.encode = datetime_of_value,
                                          .decode = decode,
                                          .is_valid = is_valid,
                                          .least = integer_least,
                                          .greatest = integer_greatest};

static enum status create(const struct field_spec *spec, struct field **out, struct error *err)
{
    return field_numbers_create(&field_datetime, &codec, spec, out, err);
}

static bool find(const struct field *field, const struct field_query *query,
                 struct field_found *out, bool *foreign)
{
    const struct field_numbers *self = (const struct field_numbers *)field;
    switch (query->kind) {
    case QUERY_DATETIMES:
        *out = (struct field_found){.sure = field_numbers_range(self, &query->range)};
        *foreign = false;
        return true;
    case QUERY_INTEGERS:
    case QUERY_RANGE:
        field_numbers_none(out);
        *foreign = field_numbers_has_odd(self);
        return true;
    case QUERY_BOOL:
    case QUERY_GEO:
        field_numbers_none(out);
        *foreign = true;
        return true;
    default:
        return false;
    }
}

const struct field_kind field_datetime = {.name = "datetime",
                                          .create = create,
                                          .destroy = field_numbers_destroy,
                                          .add = field_numbers_add,
                                          .remove = field_numbers_remove,
                                          .find = find,
                                          .each_value = field_numbers_each_value,
                                          .each_in_order = field_numbers_each_in_order,
                                          .save = field_numbers_save,
                                          .load = field_numbers_load,
                                          .memory = field_numbers_memory};
