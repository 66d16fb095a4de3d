/* The index kind of strings: every distinct string with its points.
 *
 * Values that are no strings are foreign; questions about strings cannot be meant by them. Numbers,
 * booleans and places are no strings the other way round: of those questions the kind knows that
 * none of its own values match. Points in time are strings, read by a rule that it does not know.
 */
#include "index/field/field_words.h"

static enum status keyword_create(const struct field_spec *spec, struct field **out,
                                  struct error *err)
{
    return field_words_create(&field_keyword, NULL, spec, out, err);
}

static bool keyword_add(struct field *field, point_offset point, struct json_view value)
{
    struct field_words *self = (struct field_words *)field;
    if (json_view_kind(value) != JSON_STRING) {
        return false;
    }
    words_add(&self->words, point, words_string(value, &self->scratch));
    return true;
}

static bool keyword_find(const struct field *field, const struct field_query *query,
                         struct field_found *out, bool *foreign)
{
    const struct words *words = words_of(field);
    struct gather gather = {0};
    switch (query->kind) {
    case QUERY_WORDS:
        for (size_t i = 0; i < query->words_count; i++) {
            words_gather(words, query->words[i], &gather);
        }
        break;
    case QUERY_PREFIX:
        if (query->prefix.size > 0) {
            field_words_prefix(words, query->prefix, NULL, &gather);
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

const struct field_kind field_keyword = {
    .name = "keyword",
    .create = keyword_create,
    .destroy = field_words_destroy,
    .add = keyword_add,
    .remove = field_words_remove,
    .find = keyword_find,
    .each_value = field_words_each_value,
    .save = field_words_save,
    .load = field_words_load,
    .memory = field_words_memory,
};
