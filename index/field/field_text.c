/* The index kind of texts: every term with the points that have it (text_terms.h), and for every
 * point its terms, so that it can be taken out.
 *
 * A value's tokens become pairs of term and position; sorted, those of a term stand together and go
 * into its list at once, and the terms into the point's record. Each costs little however many
 * values a point has, since lists and records are only appended to. A value that makes more than
 * TEXT_TOKENS_MAX tokens, or a point more words than a list can count, is not indexed: such points
 * are possible matches of every query.
 *
 * Values that are no strings are foreign and match no text query. A second value of the same text
 * counts again in frequencies and lengths. */
#include "index/field/field_text_int.h"
#include "index/field/words.h"
#include "storage/base/assert.h"
#include "storage/base/mem.h"

#include <stdlib.h>

/* ---- life ---- */

static enum status text_create(const struct field_spec *spec, struct field **out, struct error *err)
{
    struct field_text *self = mem_zalloc(sizeof(*self));
    enum status status = tokenizer_create(&spec->text, &self->tokenizer, err);
    if (status != STATUS_OK) {
        goto fail_tokenizer;
    }
    status = field_init(&self->base, &field_text, spec, err);
    if (status != STATUS_OK) {
        goto fail_field;
    }
    text_terms_init(&self->terms, spec->phrases);
    self->texts = roaring_bitmap_create();
    self->unread = roaring_bitmap_create();
    buffer_init(&self->plain, 0);
    buffer_init(&self->scratch, 0);
    *out = &self->base;
    return STATUS_OK;

fail_field:
    tokenizer_unref(self->tokenizer);
fail_tokenizer:
    mem_free(self);
    return status;
}

static void free_words(struct field_text *self)
{
    mem_free(self->words);
    mem_free(self->positions);
    mem_free(self->terms_found);
    self->words = self->positions = NULL;
    self->terms_found = NULL;
    self->words_capacity = 0;
    buffer_deinit(&self->plain);
    buffer_deinit(&self->scratch);
}

static void text_destroy(struct field *field)
{
    struct field_text *self = (struct field_text *)field;
    for (size_t i = 0; i < self->chunks_count; i++) {
        for (size_t j = 0; j < DOCS_CHUNK && self->chunks[i]; j++) {
            mem_free(self->chunks[i][j].terms);
        }
        mem_free(self->chunks[i]);
    }
    mem_free(self->chunks);
    text_terms_deinit(&self->terms);
    tokenizer_unref(self->tokenizer);
    roaring_bitmap_free(self->texts);
    roaring_bitmap_free(self->unread);
    free_words(self);
    field_deinit(field);
    mem_free(self);
}

static size_t text_memory(const struct field *field)
{
    const struct field_text *self = (const struct field_text *)field;
    size_t word_bytes =
        sizeof(self->words[0]) + sizeof(self->positions[0]) + sizeof(self->terms_found[0]);
    return sizeof(*self) + text_terms_memory(&self->terms) + self->docs_bytes +
           self->chunks_count * sizeof(self->chunks[0]) + self->plain.capacity +
           self->scratch.capacity + self->words_capacity * word_bytes +
           roaring_bitmap_size_in_bytes(self->texts) + roaring_bitmap_size_in_bytes(self->unread);
}

/* ---- what points have ---- */

struct text_doc *text_doc_find(const struct field_text *self, point_offset point)
{
    size_t chunk = point / DOCS_CHUNK;
    return chunk < self->chunks_count && self->chunks[chunk]
               ? &self->chunks[chunk][point % DOCS_CHUNK]
               : NULL;
}

struct text_doc *text_doc_make(struct field_text *self, point_offset point)
{
    size_t chunk = point / DOCS_CHUNK;
    if (chunk >= self->chunks_count) {
        size_t count = chunk + 1 + chunk / 4;
        self->chunks = mem_realloc(self->chunks, count * sizeof(self->chunks[0]));
        memset(&self->chunks[self->chunks_count], 0,
               (count - self->chunks_count) * sizeof(self->chunks[0]));
        self->chunks_count = count;
    }
    if (!self->chunks[chunk]) {
        self->chunks[chunk] = mem_zalloc(DOCS_CHUNK * sizeof(struct text_doc));
        self->docs_bytes += DOCS_CHUNK * sizeof(struct text_doc);
    }
    return &self->chunks[chunk][point % DOCS_CHUNK];
}

void text_doc_append(struct field_text *self, struct text_doc *doc, const uint32_t *terms,
                     size_t count)
{
    uint8_t bytes[VARINT_BYTES_MAX];
    size_t size = doc->terms_size + (doc->terms_size > 0);
    uint32_t before = UINT32_MAX; /* -1 */
    for (size_t i = 0; i < count; i++) {
        size += varint_write(bytes, (uint32_t)(terms[i] - before));
        before = terms[i];
    }
    size_t room = text_room(size), room_before = text_room(doc->terms_size);
    if (room != room_before) {
        doc->terms = mem_realloc(doc->terms, room);
        self->docs_bytes += room - room_before;
    }
    uint8_t *out = doc->terms + doc->terms_size;
    if (doc->terms_size > 0) {
        *out++ = 0;
    }
    before = UINT32_MAX;
    for (size_t i = 0; i < count; i++) {
        out += varint_write(out, (uint32_t)(terms[i] - before));
        before = terms[i];
    }
    ASSERT(size <= UINT32_MAX && out == doc->terms + size);
    doc->terms_size = (uint32_t)size;
}

/* ---- changing ---- */

static bool take_token(void *ctx, struct token token)
{
    struct field_text *self = ctx;
    if (self->words_count == TEXT_TOKENS_MAX) {
        self->words_count++;
        return true;
    }
    if (self->words_count == self->words_capacity) {
        size_t capacity = self->words_capacity * 2 + 256;
        self->words = mem_realloc(self->words, capacity * sizeof(self->words[0]));
        self->positions = mem_realloc(self->positions, capacity * sizeof(self->positions[0]));
        self->terms_found = mem_realloc(self->terms_found, capacity * sizeof(self->terms_found[0]));
        self->words_capacity = capacity;
    }
    uint64_t before = self->words_count > 0 ? self->words[self->words_count - 1] : UINT32_MAX;
    self->words_length += (uint32_t)before != token.position;
    self->words[self->words_count++] =
        (uint64_t)text_terms_put(&self->terms, token.text) << 32 | token.position;
    return false;
}

static int compare_words(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static void sort_words(uint64_t *words, size_t count)
{
    enum { FEW = 48 };
    if (count > FEW) {
        qsort(words, count, sizeof(words[0]), compare_words);
        return;
    }
    for (size_t i = 1; i < count; i++) {
        uint64_t word = words[i];
        size_t at = i;
        for (; at > 0 && words[at - 1] > word; at--) {
            words[at] = words[at - 1];
        }
        words[at] = word;
    }
}

/* The words at hand are not indexed: terms that were made for them go. */
static void forget_words(struct field_text *self)
{
    for (size_t i = 0; i < self->words_count; i++) {
        uint32_t term = (uint32_t)(self->words[i] >> 32);
        const struct text_term *item = &self->terms.items[term];
        if (item->size > 0 && item->list.points_count == 0) {
            text_terms_remove(&self->terms, term);
        }
    }
}

/* The words at hand, sorted, to the lists and the point's record. */
static void index_words(struct field_text *self, point_offset point, struct text_doc *doc)
{
    size_t terms_count = 0;
    uint32_t last = 0;
    for (size_t i = 0; i < self->words_count;) {
        uint32_t term = (uint32_t)(self->words[i] >> 32);
        uint32_t frequency = 0;
        for (; i < self->words_count && (uint32_t)(self->words[i] >> 32) == term; i++) {
            uint32_t position = (uint32_t)self->words[i];
            last = position > last ? position : last;
            if (frequency == 0 || self->positions[frequency - 1] != doc->span + position) {
                self->positions[frequency++] = doc->span + position;
            }
        }
        text_list_add(&self->terms.lists, &self->terms.items[term].list, point, self->positions,
                      frequency);
        self->terms_found[terms_count++] = term;
    }
    text_doc_append(self, doc, self->terms_found, terms_count);
    doc->length += self->words_length;
    doc->span += (uint64_t)last + 1 + TEXT_VALUE_GAP;
    self->length_sum += self->words_length;
}

static bool text_add(struct field *field, point_offset point, struct json_view value)
{
    enum { KEPT_WORDS_MAX = 65536 };
    struct field_text *self = (struct field_text *)field;
    if (json_view_kind(value) != JSON_STRING) {
        return false;
    }
    roaring_bitmap_add(self->texts, point);
    self->words_count = 0;
    self->words_length = 0;
    tokenizer_run(self->tokenizer, TEXT_STORED, words_string(value, &self->plain), &self->scratch,
                  take_token, self);
    struct text_doc *doc = text_doc_make(self, point);
    if (self->words_count > TEXT_TOKENS_MAX ||
        doc->length + (uint64_t)self->words_length > TEXT_FREQUENCY_MAX) {
        self->words_count -= self->words_count > TEXT_TOKENS_MAX;
        forget_words(self);
        roaring_bitmap_add(self->unread, point);
    } else if (self->words_count > 0) {
        sort_words(self->words, self->words_count);
        index_words(self, point, doc);
    }
    if (self->words_capacity > KEPT_WORDS_MAX) { /* of a large text: not kept for small ones */
        free_words(self);
    }
    return true;
}

static void text_remove(struct field *field, point_offset point)
{
    struct field_text *self = (struct field_text *)field;
    struct text_doc *doc = text_doc_find(self, point);
    roaring_bitmap_remove(self->texts, point);
    roaring_bitmap_remove(self->unread, point);
    if (!doc) {
        return;
    }
    const uint8_t *at = doc->terms, *end = at + doc->terms_size;
    uint32_t term = UINT32_MAX;
    while (at < end) {
        uint32_t distance = (uint32_t)varint_read(&at);
        term = distance ? term + distance : UINT32_MAX;
        /* A term of several values has gone with the first of them. */
        if (distance &&
            text_list_remove(&self->terms.lists, &self->terms.items[term].list, point) &&
            self->terms.items[term].list.points_count == 0) {
            text_terms_remove(&self->terms, term);
        }
    }
    self->docs_bytes -= text_room(doc->terms_size);
    self->length_sum -= doc->length;
    mem_free(doc->terms);
    *doc = (struct text_doc){0};
}

/* ---- for scoring ---- */

static const struct field_text *text_of(const struct field *field)
{
    ASSERT(field->kind == &field_text);
    return (const struct field_text *)field;
}

const struct tokenizer *field_text_tokenizer(const struct field *field)
{
    return text_of(field)->tokenizer;
}

uint32_t field_text_term(const struct field *field, struct slice token)
{
    return text_terms_find(&text_of(field)->terms, token);
}

uint64_t field_text_term_points(const struct field *field, uint32_t term)
{
    return text_of(field)->terms.items[term].list.points_count;
}

void field_text_cursor(const struct field *field, uint32_t term, struct text_cursor *out)
{
    const struct text_terms *terms = &text_of(field)->terms;
    text_cursor_init(out, &terms->items[term].list, terms->lists.positions);
}

uint32_t field_text_length(const struct field *field, point_offset point)
{
    const struct text_doc *doc = text_doc_find(text_of(field), point);
    return doc ? doc->length : 0;
}

uint64_t field_text_points(const struct field *field)
{
    return roaring_bitmap_get_cardinality(text_of(field)->texts);
}

double field_text_average_length(const struct field *field)
{
    uint64_t points = field_text_points(field);
    return points > 0 ? (double)text_of(field)->length_sum / (double)points : 0;
}

const roaring_bitmap_t *field_text_unread(const struct field *field)
{
    return text_of(field)->unread;
}

const struct field_kind field_text = {
    .name = "text",
    .create = text_create,
    .destroy = text_destroy,
    .add = text_add,
    .remove = text_remove,
    .find = text_find,
    .save = text_save,
    .load = text_load,
    .memory = text_memory,
};
