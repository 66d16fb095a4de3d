/* For the files of the text kind. */
#pragma once
#include "index/field/field_int.h"
#include "index/field/field_text.h"

enum {
    DOCS_CHUNK = 256,
    TEXT_TOKENS_MAX = 1 << 24,       /* of one value; longer ones are left to checks */
    TEXT_VALUE_GAP = TEXT_WORDS_MAX, /* between positions of values: no phrase crosses it */
};
/* What a point has. */
struct text_doc {
    /* Its terms: varints, runs one a value; in a run ascending, each as the distance to the one
     * before, the first from -1; a 0 begins another run. A term may be in several runs. */
    uint8_t *terms;
    uint32_t terms_size;
    uint32_t length; /* words that are not dropped */
    uint64_t span;   /* where the positions of the next value begin */
};
struct field_text {
    struct field base;
    struct tokenizer *tokenizer;
    struct text_terms terms;
    struct text_doc **chunks; /* of DOCS_CHUNK points; NULL: nothing there */
    size_t chunks_count;
    size_t docs_bytes;
    uint64_t length_sum;
    roaring_bitmap_t *texts;  /* points with a string */
    roaring_bitmap_t *unread; /* points with a string too long for an index */
    /* The writer's, for one value. */
    struct buffer plain, scratch;
    uint64_t *words; /* term and position in the value */
    size_t words_count, words_capacity;
    uint64_t *positions;   /* of one term; room for as many as words */
    uint32_t *terms_found; /* room for as many as words */
    uint32_t words_length; /* positions that have a token */
};
struct text_doc *text_doc_make(struct field_text *self, point_offset point);
struct text_doc *text_doc_find(const struct field_text *self, point_offset point); /* or NULL */
/* Terms in ascending order, as one more run. */
void text_doc_append(struct field_text *self, struct text_doc *doc, const uint32_t *terms,
                     size_t count);

bool text_find(const struct field *field, const struct field_query *query, struct field_found *out,
               bool *foreign);
void text_save(const struct field *field, struct buffer *out);
enum status text_load(struct field *field, struct reader *image, struct error *err);
