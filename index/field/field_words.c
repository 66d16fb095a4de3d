/* Life, facets and images of the kinds over strings. */
#include "index/field/field_words.h"

#include "storage/base/mem.h"

enum status field_words_create(const struct field_kind *kind, words_text text_of,
                               const struct field_spec *spec, struct field **out, struct error *err)
{
    struct field_words *self = mem_zalloc(sizeof(*self));
    enum status status = field_init(&self->base, kind, spec, err);
    if (status != STATUS_OK) {
        mem_free(self);
        return status;
    }
    words_init(&self->words, text_of, spec->patterns);
    buffer_init(&self->scratch, 0);
    *out = &self->base;
    return STATUS_OK;
}

void field_words_destroy(struct field *field)
{
    struct field_words *self = (struct field_words *)field;
    words_deinit(&self->words);
    buffer_deinit(&self->scratch);
    field_deinit(field);
    mem_free(self);
}

void field_words_remove(struct field *field, point_offset point)
{
    words_remove(&((struct field_words *)field)->words, point);
}

void field_words_each_value(const struct field *field, const roaring_bitmap_t *among,
                            bool (*each)(void *ctx, const struct field_value *value,
                                         uint64_t count),
                            void *ctx)
{
    words_each_value(words_of(field), among, each, ctx);
}

void field_words_save(const struct field *field, struct buffer *out)
{
    words_save(words_of(field), out);
}

enum status field_words_load(struct field *field, struct reader *image, struct error *err)
{
    bool any_points = !roaring_bitmap_is_empty(field->present);
    point_offset point_max = any_points ? roaring_bitmap_maximum(field->present) : 0;
    return words_load(&((struct field_words *)field)->words, image, any_points, point_max, err);
}

size_t field_words_memory(const struct field *field)
{
    const struct field_words *self = (const struct field_words *)field;
    return sizeof(*self) + self->scratch.capacity + words_memory(&self->words);
}

void field_words_prefix(const struct words *words, struct slice prefix,
                        bool (*accepts)(struct slice key), struct gather *gather)
{
    struct buffer high; /* above all that begin so: UTF-8 has no such byte */
    buffer_init(&high, 0);
    buffer_append_slice(&high, prefix);
    buffer_append_byte(&high, 0xff);
    words_gather_between(words, prefix, buffer_slice(&high), accepts, gather);
    buffer_deinit(&high);
}
