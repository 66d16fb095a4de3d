/* What the kinds over strings share: their values are words, by key. */
#pragma once
#include "index/field/field_int.h"
#include "index/field/words.h"

struct field_words {
    struct field base;
    struct words words;
    struct buffer scratch; /* of the writer */
};
static inline const struct words *words_of(const struct field *field)
{
    return &((const struct field_words *)field)->words;
}
/* `text_of` as words_init's. */
enum status field_words_create(const struct field_kind *kind, words_text text_of,
                               const struct field_spec *spec, struct field **out,
                               struct error *err);
/* For the kinds' tables. */
void field_words_destroy(struct field *field);
void field_words_remove(struct field *field, point_offset point);
void field_words_each_value(const struct field *field, const roaring_bitmap_t *among,
                            bool (*each)(void *ctx, const struct field_value *value,
                                         uint64_t count),
                            void *ctx);
void field_words_save(const struct field *field, struct buffer *out);
enum status field_words_load(struct field *field, struct reader *image, struct error *err);
size_t field_words_memory(const struct field *field);
/* Adds the points of keys that begin with `prefix` and are accepted (NULL: all are). */
void field_words_prefix(const struct words *words, struct slice prefix,
                        bool (*accepts)(struct slice key), struct gather *gather);
