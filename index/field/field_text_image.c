/* The image of a text index: its format u32, whether it has positions u32, and how its tokenizer
 * behaved u64 (an image of other tokens is as good as damaged); the sets of points
 * with a text and of those not read; for each of the former its length u32 and span u64; then how
 * many terms u32, and for each its size u32, its bytes and its list (text_list_image.c). What a
 * point has is made anew from the lists, so the two cannot disagree. Terms are numbered anew. */
#include "index/field/field_text_int.h"
#include "storage/base/mem.h"

enum { FORMAT = 1, DOC_BYTES = 12 };

struct saving {
    const struct field_text *self;
    struct buffer *out;
};

static bool save_doc(uint32_t point, void *ctx)
{
    const struct saving *saving = ctx;
    const struct text_doc *doc = text_doc_find(saving->self, point);
    buffer_append_u32(saving->out, doc->length);
    buffer_append_u64(saving->out, doc->span);
    return true;
}

void text_save(const struct field *field, struct buffer *out)
{
    const struct field_text *self = (const struct field_text *)field;
    struct saving saving = {self, out};
    buffer_append_u32(out, FORMAT);
    buffer_append_u32(out, self->terms.lists.positions);
    buffer_append_u64(out, tokenizer_behaviour(self->tokenizer));
    set_save(self->texts, out);
    set_save(self->unread, out);
    roaring_iterate(self->texts, save_doc, &saving);
    buffer_append_u32(out, self->terms.count);
    for (uint32_t i = 0; i < self->terms.items_count; i++) {
        if (self->terms.items[i].size > 0) {
            buffer_append_u32(out, self->terms.items[i].size);
            buffer_append_slice(out, text_terms_at(&self->terms, i));
            text_list_save(&self->terms.items[i].list, out);
        }
    }
}

struct loading {
    struct field_text *self;
    struct reader *image;
    struct buffer numbers; /* of a point's terms */
};

static bool load_doc(uint32_t point, void *ctx)
{
    struct loading *loading = ctx;
    struct text_doc *doc = text_doc_make(loading->self, point);
    doc->length = reader_u32(loading->image);
    doc->span = reader_u64(loading->image);
    loading->self->length_sum += doc->length;
    return !loading->image->failed && doc->length <= TEXT_FREQUENCY_MAX;
}

static bool load_sets(struct field_text *self, struct reader *image)
{
    return set_load(image, &self->texts, NULL) == STATUS_OK &&
           set_load(image, &self->unread, NULL) == STATUS_OK &&
           roaring_bitmap_is_subset(self->texts, self->base.present) &&
           roaring_bitmap_is_subset(self->unread, self->texts) &&
           roaring_bitmap_get_cardinality(self->texts) <= reader_left(image) / DOC_BYTES;
}

/* Four bytes a term until pack_doc, in memory that doubles. */
static void note_term(struct text_doc *doc, uint32_t term)
{
    enum { ROOM_MIN = 64 };
    uint32_t size = doc->terms_size;
    bool is_full = size == 0 || (size >= ROOM_MIN && (size & (size - 1)) == 0);
    if (is_full) {
        doc->terms = mem_realloc(doc->terms, size == 0 ? ROOM_MIN : 2 * (size_t)size);
    }
    memcpy(doc->terms + size, &term, sizeof(term));
    doc->terms_size = size + (uint32_t)sizeof(term);
}

/* Notes the term with each of its points; false: a posting that the point cannot have. */
static bool note_points(struct field_text *self, uint32_t term)
{
    struct text_cursor cursor;
    text_cursor_init(&cursor, &self->terms.items[term].list, self->terms.lists.positions);
    while (text_cursor_next(&cursor)) {
        if (!roaring_bitmap_contains(self->texts, cursor.point)) {
            return false;
        }
        struct text_doc *doc = text_doc_find(self, cursor.point);
        uint64_t position = 0;
        const uint8_t *at = cursor.positions.data;
        const uint8_t *end = at + cursor.positions.size;
        while (at < end) {
            position = text_position_next(&at, position);
        }
        if (position >= doc->span || cursor.frequency > doc->length) {
            return false;
        }
        note_term(doc, term);
    }
    return true;
}

static bool load_term(struct field_text *self, struct reader *image)
{
    uint32_t size = reader_u32(image);
    struct slice text = reader_bytes(image, size);
    if (image->failed || size == 0 || text_terms_find(&self->terms, text) != TERM_NONE) {
        return false;
    }
    uint32_t term = text_terms_put(&self->terms, text);
    struct text_list *list = &self->terms.items[term].list;
    return text_list_load(&self->terms.lists, list, image,
                          roaring_bitmap_maximum(self->base.present)) &&
           list->points_count > 0 && note_points(self, term);
}

static bool pack_doc(uint32_t point, void *ctx)
{
    struct loading *loading = ctx;
    struct text_doc *doc = text_doc_find(loading->self, point);
    if (doc->terms_size > 0) {
        buffer_clear(&loading->numbers);
        buffer_append(&loading->numbers, doc->terms, doc->terms_size);
        size_t count = doc->terms_size / sizeof(uint32_t);
        mem_free(doc->terms);
        doc->terms = NULL;
        doc->terms_size = 0;
        text_doc_append(loading->self, doc, (const uint32_t *)(void *)loading->numbers.data, count);
    }
    return true;
}

enum status text_load(struct field *field, struct reader *image, struct error *err)
{
    struct field_text *self = (struct field_text *)field;
    struct loading loading = {.self = self, .image = image};
    bool is_good = reader_u32(image) == FORMAT &&
                   reader_u32(image) == self->terms.lists.positions &&
                   reader_u64(image) == tokenizer_behaviour(self->tokenizer) &&
                   load_sets(self, image) && roaring_iterate(self->texts, load_doc, &loading);
    uint32_t count = reader_u32(image);
    for (uint32_t i = 0; i < count && is_good; i++) {
        is_good = load_term(self, image);
    }
    if (!is_good || image->failed) {
        return error_set(err, STATUS_CORRUPT,
                         "the text index in the image is damaged or has other words");
    }
    buffer_init(&loading.numbers, 0);
    roaring_iterate(self->texts, pack_doc, &loading);
    buffer_deinit(&loading.numbers);
    return STATUS_OK;
}
