/* The index of reals: every JSON number that a double holds exactly; other integers are foreign, so
 * that answers stay exact.
 *
 * The key of a double is its bits, those of negative ones turned round, so that keys have the order
 * of values and neighbours differ by one. Minus zero is zero. A bound that no double holds becomes
 * the next one within it. Match integer takes numbers written as integers only, which a double does
 * not tell: such points are possible, not sure. */
#include "index/field/field_numbers.h"

#include <math.h>
#include <string.h>

static int64_t key_of(double real)
{
    int64_t bits;
    real += 0.0; /* minus zero becomes zero */
    memcpy(&bits, &real, sizeof(bits));
    return bits >= 0 ? bits : ~(bits & INT64_MAX);
}

static double real_of(int64_t key)
{
    int64_t bits = key >= 0 ? key : ~key | INT64_MIN;
    double real;
    memcpy(&real, &bits, sizeof(real));
    return real;
}

/* The double next to the number; returns how it compares with it. */
static int nearest(struct json_number number, double *out)
{
    double real = number.kind == NUMBER_REAL     ? number.real_value
                  : number.kind == NUMBER_SIGNED ? (double)number.signed_value
                                                 : (double)number.unsigned_value;
    *out = real;
    return json_number_compare((struct json_number){.kind = NUMBER_REAL, .real_value = real},
                               number);
}

static bool encode(struct json_view value, int64_t *key)
{
    double real;
    if (json_view_kind(value) != JSON_NUMBER || nearest(json_view_number(value), &real) != 0)
        return false;
    *key = key_of(real);
    return true;
}

static struct field_value decode(int64_t key)
{
    return (struct field_value){.kind = VALUE_REAL, .real = real_of(key)};
}

static bool is_valid(int64_t key)
{
    double real = real_of(key);
    return !isnan(real) && key_of(real) == key;
}

static bool least(struct json_number number, bool inclusive, int64_t *key)
{
    double real;
    int order = nearest(number, &real);
    *key = key_of(real) + (order < 0 || (order == 0 && !inclusive) ? 1 : 0);
    return true;
}

static bool greatest(struct json_number number, bool inclusive, int64_t *key)
{
    double real;
    int order = nearest(number, &real);
    *key = key_of(real) - (order > 0 || (order == 0 && !inclusive) ? 1 : 0);
    return true;
}

static const struct number_codec codec = {
    .encode = encode, .decode = decode, .is_valid = is_valid, .least = least, .greatest = greatest};

static enum status create(const struct field_spec *spec, struct field **out, struct error *err)
{
    return field_numbers_create(&field_float, &codec, spec, out, err);
}

/* Points whose value is one of the integers, however it was written. */
static roaring_bitmap_t *find_list(const struct field_numbers *self,
                                   const struct field_query *query, bool *has_inexact)
{
    struct point_sink sink;
    ordered_sink(self->map, &sink);
    *has_inexact = false;
    for (size_t i = 0; i < query->integers_count; i++) {
        double real;
        struct json_number number = {.kind = NUMBER_SIGNED, .signed_value = query->integers[i]};
        if (nearest(number, &real) == 0)
            ordered_collect(self->map, key_of(real), key_of(real), &sink);
        else
            *has_inexact = true;
    }
    return point_sink_finish(&sink);
}

static bool find(const struct field *field, const struct field_query *query,
                 struct field_found *out, bool *foreign)
{
    const struct field_numbers *self = (const struct field_numbers *)field;
    bool has_inexact;
    switch (query->kind) {
    case QUERY_INTEGERS:
        field_numbers_none(out);
        out->possible = find_list(self, query, &has_inexact);
        *foreign = has_inexact && field_numbers_has_odd(self);
        return true;
    case QUERY_RANGE:
        *out = (struct field_found){.sure = field_numbers_range(self, &query->range)};
        *foreign = field_numbers_has_odd(self);
        return true;
    default:
        field_numbers_none(out);
        *foreign = true;
        return true;
    }
}

const struct field_kind field_float = {.name = "float",
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
