/* The index kind of strings: every distinct string with its points.
 *
 * Values that are no strings are foreign; questions about strings cannot be meant by them. Numbers,
 * booleans and places are no strings the other way round: of those questions the kind knows that
 * none of its own values match. Points in time are strings, read by a rule that it does not know.
 */
#include "index/field/field_int.h"
#include "index/field/words.h"
#include "storage/base/mem.h"

struct field_keyword {
    struct field base;
    struct words words;
    struct buffer scratch; /* of the writer */
};

static enum status keyword_create(const struct field_spec *spec, struct field **out,
                                  struct error *err)
{
    struct field_keyword *self = mem_zalloc(sizeof(*self));
    enum status status = field_init(&self->base, &field_keyword, spec, err);
    if (status != STATUS_OK) {
        mem_free(self);
        return status;
    }
    words_init(&self->words, NULL, spec->patterns);
    buffer_init(&self->scratch, 0);
    *out = &self->base;
    return STATUS_OK;
}

static void keyword_destroy(struct field *field)
{
    struct field_keyword *self = (struct field_keyword *)field;
    words_deinit(&self->words);
    buffer_deinit(&self->scratch);
    field_deinit(field);
    mem_free(self);
}

static bool keyword_add(struct field *field, point_offset point, struct json_view value)
{
    struct field_keyword *self = (struct field_keyword *)field;
    if (json_view_kind(value) != JSON_STRING) {
        return false;
    }
    words_add(&self->words, point, words_string(value, &self->scratch));
    return true;
}

static void keyword_remove(struct field *field, point_offset point)
{
    words_remove(&((struct field_keyword *)field)->words, point);
}

static void gather_prefix(const struct words *words, struct slice prefix, struct gather *gather)
{
    struct buffer high; /* above all that begin so: UTF-8 has no such byte */
    buffer_init(&high, 0);
    buffer_append_slice(&high, prefix);
    buffer_append_byte(&high, 0xff);
    words_gather_between(words, prefix, buffer_slice(&high), NULL, gather);
    buffer_deinit(&high);
}

static bool keyword_find(const struct field *field, const struct field_query *query,
                         struct field_found *out, bool *foreign)
{
    const struct words *words = &((const struct field_keyword *)field)->words;
    struct gather gather = {0};
    switch (query->kind) {
    case QUERY_WORDS:
        for (size_t i = 0; i < query->words_count; i++) {
            words_gather(words, query->words[i], &gather);
        }
        break;
    case QUERY_PREFIX:
        if (query->prefix.size > 0) {
            gather_prefix(words, query->prefix, &gather);
        } else {
            words_gather_all(words, &gather);
        }
        break;
    case QUERY_PATTERN:
        *foreign = false;
        return words_find_pattern(words, query->pattern, out);
    case QUERY_INTEGERS:
    case QUERY_BOOL:
    case QUERY_RANGE:
    case QUERY_GEO:
        *foreign = true;
        *out = (struct field_found){.sure = roaring_bitmap_create()};
        return true;
    default:
        return false;
    }
    *foreign = false;
    *out = (struct field_found){.sure = gather_finish(&gather)};
    return true;
}

static void keyword_each_value(const struct field *field, const roaring_bitmap_t *among,
                               bool (*each)(void *ctx, const struct field_value *value,
                                            uint64_t count),
                               void *ctx)
{
    words_each_value(&((const struct field_keyword *)field)->words, among, each, ctx);
}

static void keyword_save(const struct field *field, struct buffer *out)
{
    words_save(&((const struct field_keyword *)field)->words, out);
}

static enum status keyword_load(struct field *field, struct reader *image, struct error *err)
{
    bool any_points = !roaring_bitmap_is_empty(field->present);
    point_offset point_max = any_points ? roaring_bitmap_maximum(field->present) : 0;
    return words_load(&((struct field_keyword *)field)->words, image, any_points, point_max, err);
}

static size_t keyword_memory(const struct field *field)
{
    const struct field_keyword *self = (const struct field_keyword *)field;
    return sizeof(*self) + self->scratch.capacity + words_memory(&self->words);
}

const struct field_kind field_keyword = {
    .name = "keyword",
    .create = keyword_create,
    .destroy = keyword_destroy,
    .add = keyword_add,
    .remove = keyword_remove,
    .find = keyword_find,
    .each_value = keyword_each_value,
    .save = keyword_save,
    .load = keyword_load,
    .memory = keyword_memory,
};
