/* What scoring needs of a text index: terms, how often points have them, and how long their texts
 * are. With the lock of the field's set held for reading; `field` is of the kind FIELD_TEXT.
 *
 *     uint32_t term = field_text_term(field, token);
 *     struct text_cursor cursor;
 *     field_text_cursor(field, term, &cursor);
 *     while (text_cursor_next(&cursor)) ... cursor.point, cursor.frequency
 *
 * Frequencies and lengths count over all values of a point. Of points in field_text_unread, which
 * have more text than an index takes, only some values are counted. */
#pragma once
#include "index/field/field.h"
#include "index/field/text_terms.h"

/* What made the terms. */
const struct tokenizer *field_text_tokenizer(const struct field *field);
uint32_t field_text_term(const struct field *field, struct slice token);   /* or TERM_NONE */
uint64_t field_text_term_points(const struct field *field, uint32_t term); /* that have it */
void field_text_cursor(const struct field *field, uint32_t term, struct text_cursor *out);
/* Words of a point's texts that are not dropped; 0: none, or no text. */
uint32_t field_text_length(const struct field *field, point_offset point);
uint64_t field_text_points(const struct field *field);       /* that have a text */
double field_text_average_length(const struct field *field); /* 0: there are none */
const roaring_bitmap_t *field_text_unread(const struct field *field);
