/* The index of integers: JSON numbers written without point or exponent that fit 64 bits. Other
 * numbers are foreign. Ranges are exact whatever their bounds are: a bound becomes the least or
 * greatest integer that is within it. */
#include "index/field/field_numbers.h"

#include <math.h>

static bool encode(struct json_view value, int64_t *key)
{
    if (json_view_kind(value) != JSON_NUMBER)
        return false;
    struct json_number number = json_view_number(value);
    *key = number.signed_value;
    return number.kind == NUMBER_SIGNED;
}

static struct field_value decode(int64_t key)
{
    return (struct field_value){.kind = VALUE_INTEGER, .integer = key};
}

static bool is_valid(int64_t key)
{
    (void)key;
    return true;
}

static bool least_of_real(double real, bool inclusive, int64_t *key)
{
    if (real >= 0x1p63)
        return false;
    if (real < -0x1p63) {
        *key = INT64_MIN;
        return true;
    }
    double whole = floor(real);
    *key = (int64_t)whole + (whole < real || !inclusive ? 1 : 0); /* whole < 2^63 - 1023 */
    return true;
}

static bool greatest_of_real(double real, bool inclusive, int64_t *key)
{
    if (real >= 0x1p63) {
        *key = INT64_MAX;
        return true;
    }
    if (real < -0x1p63)
        return false;
    double whole = floor(real);
    int64_t floored = (int64_t)whole;
    if (whole < real || inclusive)
        *key = floored;
    else if (floored > INT64_MIN)
        *key = floored - 1;
    else
        return false;
    return true;
}

bool integer_least(struct json_number number, bool inclusive, int64_t *key)
{
    if (number.kind == NUMBER_REAL)
        return least_of_real(number.real_value, inclusive, key);
    if (number.kind == NUMBER_UNSIGNED && number.unsigned_value > INT64_MAX)
        return false;
    int64_t value =
        number.kind == NUMBER_SIGNED ? number.signed_value : (int64_t)number.unsigned_value;
    if (!inclusive && value == INT64_MAX)
        return false;
    *key = value + (inclusive ? 0 : 1);
    return true;
}

bool integer_greatest(struct json_number number, bool inclusive, int64_t *key)
{
    if (number.kind == NUMBER_REAL)
        return greatest_of_real(number.real_value, inclusive, key);
    if (number.kind == NUMBER_UNSIGNED && number.unsigned_value > INT64_MAX) {
        *key = INT64_MAX;
        return true;
    }
    int64_t value =
        number.kind == NUMBER_SIGNED ? number.signed_value : (int64_t)number.unsigned_value;
    if (!inclusive && value == INT64_MIN)
        return false;
    *key = value - (inclusive ? 0 : 1);
    return true;
}

static const struct number_codec codec = {.encode = encode,
                                          .decode = decode,
                                          .is_valid = is_valid,
                                          .least = integer_least,
                                          .greatest = integer_greatest};

static enum status create(const struct field_spec *spec, struct field **out, struct error *err)
{
    return field_numbers_create(&field_integer, &codec, spec, out, err);
}

static roaring_bitmap_t *find_list(const struct field_numbers *self,
                                   const struct field_query *query)
{
    struct point_sink sink;
    ordered_sink(self->map, &sink);
    for (size_t i = 0; i < query->integers_count; i++)
        ordered_collect(self->map, query->integers[i], query->integers[i], &sink);
    return point_sink_finish(&sink);
}

static bool find(const struct field *field, const struct field_query *query,
                 struct field_found *out, bool *foreign)
{
    const struct field_numbers *self = (const struct field_numbers *)field;
    switch (query->kind) {
    case QUERY_INTEGERS:
        if (!field->spec.lookup)
            return false;
        *out = (struct field_found){.sure = find_list(self, query)};
        *foreign = false;
        return true;
    case QUERY_RANGE:
        if (!field->spec.range)
            return false;
        *out = (struct field_found){.sure = field_numbers_range(self, &query->range)};
        *foreign = field_numbers_has_odd(self);
        return true;
    default:
        field_numbers_none(out);
        *foreign = true;
        return true;
    }
}

const struct field_kind field_integer = {.name = "integer",
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
