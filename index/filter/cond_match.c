/* match: a value equals one of some values, or none of them (except), or begins with a prefix;
 * words are in cond_text.c, patterns in cond_pattern.c.
 *
 * Integer, real and boolean are distinct: 1 does not match 1.0 or true. Except holds for a value
 * that is there and is not in the list, so `except []` is any value but null, and `any []` is
 * nothing. Lists are sorted once; a check is a binary search. */
#include "index/filter/filter_int.h"

#include <stdlib.h>

/* What a match became: a test of values, and the same as a question to an index. */
struct tested {
    const struct value_test *test;
    struct field_query *query; /* NULL: no index can tell */
};
struct keywords_test {
    struct value_test base;
    const struct slice *words; /* ascending */
    size_t count;
    bool except;
};
struct integers_test {
    struct value_test base;
    const int64_t *numbers; /* ascending */
    size_t count;
    bool except;
};
struct boolean_test {
    struct value_test base;
    bool wanted;
};
struct prefix_test {
    struct value_test base;
    struct slice prefix;
};

static int compare_words(const void *a, const void *b)
{
    return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

static int compare_raw_with_word(const void *raw, const void *word)
{
    return json_string_compare(*(const struct slice *)raw, *(const struct slice *)word);
}

static int compare_numbers(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

static bool keywords_check(const struct value_test *test, struct json_view value)
{
    const struct keywords_test *self = (const struct keywords_test *)test;
    enum json_kind kind = json_view_kind(value);
    if (kind != JSON_STRING)
        return self->except && kind != JSON_NULL;
    struct slice raw = json_view_raw_string(value);
    bool found = self->count > 0 && bsearch(&raw, self->words, self->count, sizeof(self->words[0]),
                                            compare_raw_with_word) != NULL;
    return found != self->except;
}

static bool integers_check(const struct value_test *test, struct json_view value)
{
    const struct integers_test *self = (const struct integers_test *)test;
    enum json_kind kind = json_view_kind(value);
    if (kind != JSON_NUMBER)
        return self->except && kind != JSON_NULL;
    struct json_number number = json_view_number(value);
    bool found = number.kind == NUMBER_SIGNED && self->count > 0 &&
                 bsearch(&number.signed_value, self->numbers, self->count, sizeof(self->numbers[0]),
                         compare_numbers) != NULL;
    return found != self->except;
}

static bool boolean_check(const struct value_test *test, struct json_view value)
{
    const struct boolean_test *self = (const struct boolean_test *)test;
    return json_view_kind(value) == (self->wanted ? JSON_TRUE : JSON_FALSE);
}

static bool prefix_check(const struct value_test *test, struct json_view value)
{
    const struct prefix_test *self = (const struct prefix_test *)test;
    return json_view_kind(value) == JSON_STRING &&
           json_string_has_prefix(json_view_raw_string(value), self->prefix);
}

static enum status copy_text(struct compiler *compiler, const char *text, struct slice *out)
{
    size_t size = text ? strlen(text) : 0;
    char *copy = arena_strndup(compiler->arena, text ? text : "", size);
    if (!copy)
        return compiler_no_memory(compiler);
    *out = slice_of(copy, size);
    return STATUS_OK;
}

static enum status create_keywords(struct compiler *compiler, char *const *texts, size_t count,
                                   bool except, struct tested *out)
{
    struct keywords_test *self = compiler_alloc(compiler, 1, sizeof(*self));
    struct slice *words = compiler_alloc(compiler, count, sizeof(*words));
    if (!self || !words)
        return STATUS_TOO_LARGE;
    for (size_t i = 0; i < count; i++) {
        enum status status = copy_text(compiler, texts[i], &words[i]);
        if (status != STATUS_OK)
            return status;
    }
    if (count > 1)
        qsort(words, count, sizeof(*words), compare_words);
    *self = (struct keywords_test){
        .base = {keywords_check}, .words = words, .count = count, .except = except};
    struct field_query *query = compiler_query(compiler, QUERY_WORDS);
    if (!query)
        return STATUS_TOO_LARGE;
    query->words = words;
    query->words_count = count;
    query->except = except;
    *out = (struct tested){.test = &self->base, .query = query};
    return STATUS_OK;
}

static enum status create_integers(struct compiler *compiler, const int64_t *numbers, size_t count,
                                   bool except, struct tested *out)
{
    struct integers_test *self = compiler_alloc(compiler, 1, sizeof(*self));
    int64_t *copy = compiler_alloc(compiler, count, sizeof(*copy));
    if (!self || !copy)
        return STATUS_TOO_LARGE;
    if (count > 0)
        memcpy(copy, numbers, count * sizeof(*copy));
    if (count > 1)
        qsort(copy, count, sizeof(*copy), compare_numbers);
    *self = (struct integers_test){
        .base = {integers_check}, .numbers = copy, .count = count, .except = except};
    struct field_query *query = compiler_query(compiler, QUERY_INTEGERS);
    if (!query)
        return STATUS_TOO_LARGE;
    query->integers = copy;
    query->integers_count = count;
    query->except = except;
    *out = (struct tested){.test = &self->base, .query = query};
    return STATUS_OK;
}

static enum status create_boolean(struct compiler *compiler, bool wanted, struct tested *out)
{
    struct boolean_test *self = compiler_alloc(compiler, 1, sizeof(*self));
    if (!self)
        return STATUS_TOO_LARGE;
    *self = (struct boolean_test){.base = {boolean_check}, .wanted = wanted};
    struct field_query *query = compiler_query(compiler, QUERY_BOOL);
    if (!query)
        return STATUS_TOO_LARGE;
    query->boolean = wanted;
    *out = (struct tested){.test = &self->base, .query = query};
    return STATUS_OK;
}

static enum status create_prefix(struct compiler *compiler, const char *prefix, struct tested *out)
{
    struct prefix_test *self = compiler_alloc(compiler, 1, sizeof(*self));
    if (!self)
        return STATUS_TOO_LARGE;
    self->base.test = prefix_check;
    struct field_query *query = compiler_query(compiler, QUERY_PREFIX);
    if (!query)
        return STATUS_TOO_LARGE;
    enum status status = copy_text(compiler, prefix, &self->prefix);
    query->prefix = self->prefix;
    *out = (struct tested){.test = &self->base, .query = query};
    return status;
}

static enum status create_word_list(struct compiler *compiler, const Qdrant__RepeatedStrings *wire,
                                    bool except, struct tested *out)
{
    if (!wire)
        return compiler_refuse(compiler, "the match has no list");
    return create_keywords(compiler, wire->strings, wire->n_strings, except, out);
}

static enum status create_number_list(struct compiler *compiler,
                                      const Qdrant__RepeatedIntegers *wire, bool except,
                                      struct tested *out)
{
    if (!wire)
        return compiler_refuse(compiler, "the match has no list");
    return create_integers(compiler, wire->integers, wire->n_integers, except, out);
}

static enum status create_text(struct compiler *compiler, const char *key, const char *text,
                               enum text_mode mode, struct tested *out)
{
    return text_test_create(compiler, key, text, mode, &out->test, &out->query);
}

static enum status create_pattern(struct compiler *compiler, enum pattern_kind kind,
                                  const char *text, struct tested *out)
{
    return pattern_test_create(compiler, kind, text, &out->test, &out->query);
}

static enum status create_test(struct compiler *compiler, const char *key,
                               const Qdrant__Match *match, struct tested *out)
{
    switch (match->match_value_case) {
    case QDRANT__MATCH__MATCH_VALUE_KEYWORD:
        return create_keywords(compiler, &match->keyword, 1, false, out);
    case QDRANT__MATCH__MATCH_VALUE_INTEGER:
        return create_integers(compiler, &match->integer, 1, false, out);
    case QDRANT__MATCH__MATCH_VALUE_BOOLEAN:
        return create_boolean(compiler, match->boolean != 0, out);
    case QDRANT__MATCH__MATCH_VALUE_KEYWORDS:
        return create_word_list(compiler, match->keywords, false, out);
    case QDRANT__MATCH__MATCH_VALUE_EXCEPT_KEYWORDS:
        return create_word_list(compiler, match->except_keywords, true, out);
    case QDRANT__MATCH__MATCH_VALUE_INTEGERS:
        return create_number_list(compiler, match->integers, false, out);
    case QDRANT__MATCH__MATCH_VALUE_EXCEPT_INTEGERS:
        return create_number_list(compiler, match->except_integers, true, out);
    case QDRANT__MATCH__MATCH_VALUE_PREFIX:
        return create_prefix(compiler, match->prefix, out);
    case QDRANT__MATCH__MATCH_VALUE_TEXT:
        return create_text(compiler, key, match->text, TEXT_ALL, out);
    case QDRANT__MATCH__MATCH_VALUE_TEXT_ANY:
        return create_text(compiler, key, match->text_any, TEXT_ANY, out);
    case QDRANT__MATCH__MATCH_VALUE_PHRASE:
        return create_text(compiler, key, match->phrase, TEXT_PHRASE, out);
    case QDRANT__MATCH__MATCH_VALUE_SUBSTRING:
        return create_pattern(compiler, PATTERN_SUBSTRING, match->substring, out);
    case QDRANT__MATCH__MATCH_VALUE_WILDCARD:
        return create_pattern(compiler, PATTERN_WILDCARD, match->wildcard, out);
    case QDRANT__MATCH__MATCH_VALUE_REGEX:
        return create_pattern(compiler, PATTERN_REGEX, match->regex, out);
    default:
        return compiler_refuse(compiler, "the match has no value");
    }
}

enum status part_match_compile(struct compiler *compiler, const struct path *path,
                               const Qdrant__FieldCondition *wire, struct cond **out)
{
    struct tested tested = {0};
    enum status status = create_test(compiler, wire->key, wire->match, &tested);
    return status == STATUS_OK ? cond_values_create(compiler, path, tested.test, tested.query, out)
                               : status;
}
