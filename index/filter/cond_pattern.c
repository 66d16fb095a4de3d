/* match by patterns: a part of a string, a wildcard, a regular expression (index/text/pattern.h).
 *
 * Only strings match, with the case as it is written. A pattern is compiled once and freed with the
 * filter's arena. Its memory is not the arena's but has a limit of its own, so the number of
 * patterns in a filter has one too. A string that is stored with escapes is unescaped for the test.
 */
#include "index/filter/filter_int.h"
#include "storage/base/mem.h"

enum { PATTERNS_MAX = 64, TEXT_BYTES_ON_STACK = 1024 };

struct pattern_test {
    struct value_test base;
    const struct pattern *pattern;
};

static bool matches_escaped(const struct pattern *pattern, struct slice raw)
{
    uint8_t on_stack[TEXT_BYTES_ON_STACK];
    uint8_t *text = raw.size <= sizeof(on_stack) ? on_stack : mem_alloc(raw.size);
    bool matches = pattern_matches(pattern, slice_of(text, json_string_unescape(raw, text)));
    if (text != on_stack) {
        mem_free(text);
    }
    return matches;
}

static bool pattern_check(const struct value_test *test, struct json_view value)
{
    const struct pattern_test *self = (const struct pattern_test *)test;
    if (json_view_kind(value) != JSON_STRING) {
        return false;
    }
    struct slice raw = json_view_raw_string(value);
    if (raw.size > 0 && memchr(raw.data, '\\', raw.size)) {
        return matches_escaped(self->pattern, raw);
    }
    return pattern_matches(self->pattern, raw);
}

static void destroy_pattern(void *pattern)
{
    pattern_destroy(pattern);
}

enum status pattern_test_create(struct compiler *compiler, enum pattern_kind kind, const char *text,
                                const struct value_test **out, struct field_query **query)
{
    struct pattern_test *self = compiler_alloc(compiler, 1, sizeof(*self));
    struct field_query *asked = compiler_query(compiler, QUERY_PATTERN);
    struct pattern *pattern = NULL;
    if (!self || !asked) {
        return STATUS_TOO_LARGE;
    }
    if (++compiler->patterns_count > PATTERNS_MAX) {
        return compiler_refuse(compiler, "The filter has more than %d patterns", PATTERNS_MAX);
    }
    enum status status =
        pattern_create(kind, slice_text(text ? text : ""), &pattern, compiler->err);
    if (status != STATUS_OK) {
        return status;
    }
    if (!arena_defer(compiler->arena, destroy_pattern, pattern)) {
        pattern_destroy(pattern);
        return compiler_no_memory(compiler);
    }
    *self = (struct pattern_test){.base = {pattern_check}, .pattern = pattern};
    asked->pattern = pattern;
    *out = &self->base;
    *query = asked;
    return STATUS_OK;
}
