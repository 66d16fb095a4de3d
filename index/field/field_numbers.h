/* What the kinds of numbers share: integers, reals and times are all kept as 64-bit keys in the
 * order of their values. A codec says how; everything else is the same for all. */
#pragma once
#include "index/field/field_int.h"
#include "index/field/ordered.h"
#include "index/field/value_column.h"

struct number_codec {
    bool (*encode)(struct json_view value, int64_t *key); /* false: foreign */
    struct field_value (*decode)(int64_t key);
    bool (*is_valid)(int64_t key); /* can encode have made it? */
    /* The least key at or above the number, the greatest at or below it; not inclusive: above,
     * below. False: there is none. Nothing is rounded. */
    bool (*least)(struct json_number number, bool inclusive, int64_t *key);
    bool (*greatest)(struct json_number number, bool inclusive, int64_t *key);
};
struct field_numbers {
    struct field base;
    const struct number_codec *codec;
    struct ordered *map;
    struct value_column column; /* keys */
    roaring_bitmap_t *odd;      /* points with a number that is foreign */
};
enum status field_numbers_create(const struct field_kind *kind, const struct number_codec *codec,
                                 const struct field_spec *spec, struct field **out,
                                 struct error *err);
/* Points with a value within the range. */
roaring_bitmap_t *field_numbers_range(const struct field_numbers *self,
                                      const struct number_range *range);
/* The answer to queries that no own value can match. */
void field_numbers_none(struct field_found *out);
bool field_numbers_has_odd(const struct field_numbers *self);

/* For the kinds' tables. */
void field_numbers_destroy(struct field *field);
bool field_numbers_add(struct field *field, point_offset point, struct json_view value);
void field_numbers_remove(struct field *field, point_offset point);
void field_numbers_each_value(const struct field *field, const roaring_bitmap_t *among,
                              bool (*each)(void *ctx, const struct field_value *value,
                                           uint64_t count),
                              void *ctx);
void field_numbers_each_in_order(
    const struct field *field, bool descending, const struct json_number *from,
    bool (*each)(void *ctx, const struct field_value *value, point_offset point), void *ctx);
void field_numbers_save(const struct field *field, struct buffer *out);
enum status field_numbers_load(struct field *field, struct reader *image, struct error *err);
size_t field_numbers_memory(const struct field *field);

/* Keys of integers and of microseconds: the values themselves. */
bool integer_least(struct json_number number, bool inclusive, int64_t *key);
bool integer_greatest(struct json_number number, bool inclusive, int64_t *key);
