/* match by words: text (all words, in any order), text_any (one is enough), phrase (all, one after
 * the other).
 *
 * Without a text index both sides are split at everything that is no letter or digit and compared
 * in lower case; the words must be whole. The query's words are prepared once, each with a hash. A
 * check splits the value on the fly: a word is read as a hash and a place, looked up by hash, and
 * confirmed by reading it again. A phrase runs through the words with the failure table of Knuth,
 * Morris and Pratt (1977), so a check is linear however often the phrase nearly fits. A query
 * without words matches nothing. */
#include "index/filter/filter_int.h"
#include "index/payload/unicode.h"
#include "storage/base/mem.h"

#include <stdlib.h>

enum { WORDS_MAX = 1024, MARK_BITS = 64 };

struct word {
    uint64_t hash;
    struct slice text; /* as it was written; lower case is made while comparing */
};
struct text_test {
    struct value_test base;
    enum text_mode mode;
    const struct word *words; /* ascending by hash; a phrase keeps its order */
    const size_t *fail;       /* phrase: longest proper prefix that is also a suffix, by length */
    size_t count;
};

static bool same_word(const struct word *a, const struct word *b)
{
    struct slice left = a->text, right = b->text;
    if (a->hash != b->hash)
        return false;
    while (left.size > 0 && right.size > 0) {
        size_t left_size, right_size;
        uint32_t left_code = unicode_lower(unicode_next(left, &left_size));
        uint32_t right_code = unicode_lower(unicode_next(right, &right_size));
        if (left_code != right_code)
            return false;
        left = slice_of(left.data + left_size, left.size - left_size);
        right = slice_of(right.data + right_size, right.size - right_size);
    }
    return left.size == right.size;
}

/* Takes the next word off `rest`; false when there is none. The hash is FNV-1a over lower-case code
 * points. */
static bool next_word(struct slice *rest, struct word *out)
{
    const uint8_t *start = NULL, *at = rest->data, *end = rest->data + rest->size;
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    while (at < end) {
        size_t size;
        uint32_t code = unicode_next(slice_of(at, (size_t)(end - at)), &size);
        if (!unicode_is_alphanumeric(code)) {
            if (start)
                break;
            at += size;
            continue;
        }
        if (!start)
            start = at;
        hash = (hash ^ unicode_lower(code)) * UINT64_C(0x100000001b3);
        at += size;
    }
    if (!start)
        return false;
    *out = (struct word){.hash = hash, .text = slice_of(start, (size_t)(at - start))};
    *rest = slice_of(at, (size_t)(end - at));
    return true;
}

/* The first word that is the same, by its place; `count` when there is none. */
static size_t find_word(const struct text_test *self, const struct word *word)
{
    size_t low = 0, high = self->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (self->words[middle].hash < word->hash)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < self->count && self->words[low].hash == word->hash; low++) {
        if (same_word(&self->words[low], word))
            return low;
    }
    return self->count;
}

static bool has_all(const struct text_test *self, struct slice text)
{
    uint64_t marks[WORDS_MAX / MARK_BITS] = {0};
    size_t missing = self->count;
    struct word word;
    while (missing > 0 && next_word(&text, &word)) {
        size_t found = find_word(self, &word);
        if (found == self->count)
            continue;
        uint64_t bit = UINT64_C(1) << (found % MARK_BITS);
        if (!(marks[found / MARK_BITS] & bit))
            missing--;
        marks[found / MARK_BITS] |= bit;
    }
    return missing == 0;
}

static bool has_any(const struct text_test *self, struct slice text)
{
    struct word word;
    while (next_word(&text, &word)) {
        if (find_word(self, &word) < self->count)
            return true;
    }
    return false;
}

static bool has_phrase(const struct text_test *self, struct slice text)
{
    size_t matched = 0;
    struct word word;
    while (next_word(&text, &word)) {
        while (matched > 0 && !same_word(&self->words[matched], &word))
            matched = self->fail[matched];
        if (same_word(&self->words[matched], &word) && ++matched == self->count)
            return true;
    }
    return false;
}

static bool text_has(const struct text_test *self, struct slice text)
{
    if (self->mode == TEXT_ALL)
        return has_all(self, text);
    return self->mode == TEXT_ANY ? has_any(self, text) : has_phrase(self, text);
}

static bool text_check(const struct value_test *test, struct json_view value)
{
    const struct text_test *self = (const struct text_test *)test;
    if (self->count == 0 || json_view_kind(value) != JSON_STRING)
        return false;
    struct slice raw = json_view_raw_string(value);
    if (raw.size == 0 || !memchr(raw.data, '\\', raw.size))
        return text_has(self, raw);
    uint8_t *plain = mem_alloc(raw.size);
    bool has = text_has(self, slice_of(plain, json_string_unescape(raw, plain)));
    mem_free(plain);
    return has;
}

static int compare_hashes(const void *a, const void *b)
{
    uint64_t left = ((const struct word *)a)->hash, right = ((const struct word *)b)->hash;
    return (left > right) - (left < right);
}

/* Sorts and drops words that are said twice: each is to be found once. */
static size_t sort_unique(struct word *words, size_t count)
{
    size_t kept = 0;
    if (count > 1)
        qsort(words, count, sizeof(*words), compare_hashes);
    for (size_t i = 0; i < count; i++) {
        bool seen = false;
        for (size_t j = kept; j > 0 && words[j - 1].hash == words[i].hash; j--)
            seen = seen || same_word(&words[j - 1], &words[i]);
        if (!seen)
            words[kept++] = words[i];
    }
    return kept;
}

/* fail[n]: how much of the phrase still fits when its first n words did and the next one did not.
 */
static void build_fail(const struct word *words, size_t count, size_t *fail)
{
    size_t length = 0;
    for (size_t i = 1; i < count; i++) {
        while (length > 0 && !same_word(&words[length], &words[i]))
            length = fail[length];
        if (same_word(&words[length], &words[i]))
            length++;
        fail[i + 1] = length;
    }
}

static enum status read_words(struct compiler *compiler, struct slice text, struct word *out,
                              size_t *count)
{
    struct word word;
    size_t n = 0;
    while (next_word(&text, &word)) {
        if (n == WORDS_MAX)
            return compiler_refuse(compiler, "the text to match has more than %d words", WORDS_MAX);
        out[n++] = word;
    }
    *count = n;
    return STATUS_OK;
}

enum status text_test_create(struct compiler *compiler, const struct path *path, const char *text,
                             enum text_mode mode, const struct value_test **out,
                             struct field_query **query)
{
    (void)path;
    struct word words[WORDS_MAX];
    size_t count = 0, size = text ? strlen(text) : 0;
    enum status status = unicode_init(compiler->err);
    if (status != STATUS_OK)
        return status;
    char *copy = arena_strndup(compiler->arena, text ? text : "", size);
    if (!copy)
        return compiler_no_memory(compiler);
    status = read_words(compiler, slice_of(copy, size), words, &count);
    if (status != STATUS_OK)
        return status;
    if (mode != TEXT_PHRASE)
        count = sort_unique(words, count);
    struct text_test *self = compiler_alloc(compiler, 1, sizeof(*self));
    struct word *kept = compiler_alloc(compiler, count, sizeof(*kept));
    size_t *fail = compiler_alloc(compiler, count + 1, sizeof(*fail));
    if (!self || !kept || !fail)
        return STATUS_TOO_LARGE;
    memcpy(kept, words, count * sizeof(*kept));
    if (mode == TEXT_PHRASE)
        build_fail(kept, count, fail);
    *self = (struct text_test){
        .base = {text_check}, .mode = mode, .words = kept, .fail = fail, .count = count};
    *out = &self->base;
    *query = NULL;
    return STATUS_OK;
}
