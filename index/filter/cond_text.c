/* match by words: text (all words, in any order), text_any (one is enough), phrase (all, one after
 * the other).
 *
 * A key with a text index is read by its tokenizer, whether the index is ready or not; any other by
 * tokenizer_plain: whole words in lower case. Both sides go the same way, so a stored text matches
 * itself unless nothing is left of it. The query is prepared once (text_query.h) and serves checks
 * and indexes alike; an index answers only when its tokenizer is made of the same parameters. A
 * query without words, or with stop words only, matches nothing. */
#include "index/filter/filter_int.h"
#include "storage/base/mem.h"

struct text_test {
    struct value_test base;
    const struct text_query *query;
};

static bool text_check(const struct value_test *test, struct json_view value)
{
    const struct text_test *self = (const struct text_test *)test;
    if (json_view_kind(value) != JSON_STRING) {
        return false;
    }
    struct slice raw = json_view_raw_string(value);
    if (raw.size == 0 || !memchr(raw.data, '\\', raw.size)) {
        return text_query_check(self->query, raw);
    }
    uint8_t *plain = mem_alloc(raw.size);
    bool has = text_query_check(self->query, slice_of(plain, json_string_unescape(raw, plain)));
    mem_free(plain);
    return has;
}

/* *out NULL: none of its own. The items of an array that an index reads are read like it. */
static enum status find_tokenizer(struct compiler *compiler, const char *key,
                                  const struct tokenizer **out)
{
    *out = NULL;
    if (compiler->text_fields_count == 0) {
        return STATUS_OK;
    }
    char *whole_key = arena_printf(compiler->arena, "%s%s", compiler->prefix, key ? key : "");
    if (!whole_key) {
        return compiler_no_memory(compiler);
    }
    struct path *path;
    enum status status = compiler_path(compiler, whole_key, &path);
    for (size_t i = 0; i < compiler->text_fields_count && status == STATUS_OK; i++) {
        const struct text_field *field = &compiler->text_fields[i];
        if (path_equal(path, field->path)) {
            *out = field->tokenizer;
            break;
        }
        if (path_is_items(path, field->path)) {
            *out = field->tokenizer;
        }
    }
    return status;
}

static void destroy_query(void *query)
{
    text_query_destroy(query);
}

/* The query belongs to the arena. */
static enum status create_query(struct compiler *compiler, const char *key, const char *text,
                                enum text_mode mode, struct text_query **out)
{
    const struct tokenizer *found;
    struct tokenizer *plain = NULL;
    struct text_query *query = NULL;
    enum status status = find_tokenizer(compiler, key, &found);
    if (status == STATUS_OK && !found) {
        status = tokenizer_create(&tokenizer_plain, &plain, compiler->err);
    }
    if (status == STATUS_OK) {
        status = text_query_create(found ? found : plain, slice_text(text ? text : ""), mode,
                                   &query, compiler->err);
    }
    tokenizer_unref(plain);
    if (status != STATUS_OK) {
        return status;
    }
    if (!arena_defer(compiler->arena, destroy_query, query)) {
        text_query_destroy(query);
        return compiler_no_memory(compiler);
    }
    *out = query;
    return STATUS_OK;
}

enum status text_test_create(struct compiler *compiler, const char *key, const char *text,
                             enum text_mode mode, const struct value_test **out,
                             struct field_query **query)
{
    struct text_query *words = NULL;
    enum status status = create_query(compiler, key, text, mode, &words);
    if (status != STATUS_OK) {
        return status;
    }
    struct text_test *self = compiler_alloc(compiler, 1, sizeof(*self));
    struct field_query *asked = compiler_query(compiler, QUERY_TEXT);
    if (!self || !asked) {
        return STATUS_TOO_LARGE;
    }
    *self = (struct text_test){.base = {text_check}, .query = words};
    asked->text = words;
    *out = &self->base;
    *query = asked;
    return STATUS_OK;
}
