/* Tokenizers: parameters, and the way of a word from the split to its tokens.
 *
 * A text is folded as a whole (fold.h) and then split; the split hands each word to emit_word,
 * which drops it or makes tokens of it. Stop words are folded like texts when the tokenizer is
 * made. Everything is constant after that; what libraries keep per thread is in stem.c and
 * tokenizer_multilingual.c. */
#include "index/text/chars.h"
#include "index/text/fold.h"
#include "index/text/stopwords.h"
#include "index/text/tokenizer_int.h"
#include "storage/base/assert.h"
#include "storage/base/checksum.h"
#include "storage/base/mem.h"

#include <unicode/uversion.h>

const struct tokenizer_params tokenizer_plain = {.kind = TOKENIZER_WORD, .lowercase = true};

/* ---- life ---- */

enum status tokenizer_params_check(const struct tokenizer_params *params, struct error *err)
{
    if (params->token_max > 0 && params->token_min > params->token_max) {
        return error_set(err, STATUS_BAD_INPUT, "min_token_len %u is larger than max_token_len %u",
                         params->token_min, params->token_max);
    }
    if (params->stemmer && stem_language(params->stemmer) == STEM_LANGUAGES_COUNT) {
        return error_set(err, STATUS_BAD_INPUT,
                         "stemmer: language `%.64s` is unknown, there are: %s", params->stemmer,
                         stem_languages());
    }
    for (size_t i = 0; i < params->languages_count; i++) {
        if (!stopwords_of(params->languages[i])) {
            return error_set(err, STATUS_BAD_INPUT,
                             "stopwords: language `%.64s` is unknown, there are: %s",
                             params->languages[i], stopwords_languages());
        }
    }
    if (params->stopwords_count > WORD_SET_MAX / 2) {
        return error_set(err, STATUS_BAD_INPUT, "stopwords: there are too many");
    }
    return STATUS_OK;
}

static uint64_t fingerprint(const struct tokenizer_params *params)
{
    struct buffer bytes;
    buffer_init(&bytes, 0);
    buffer_printf(&bytes, "%d %d %d %u %u %s", (int)params->kind, params->lowercase,
                  params->ascii_folding, params->token_min, params->token_max,
                  params->stemmer ? params->stemmer : "");
    for (size_t i = 0; i < params->languages_count; i++) {
        buffer_printf(&bytes, " %s", params->languages[i]);
    }
    for (size_t i = 0; i < params->stopwords_count; i++) {
        size_t size = strlen(params->stopwords[i]);
        buffer_append_u64(&bytes, size);
        buffer_append(&bytes, params->stopwords[i], size);
    }
    uint64_t sum = checksum64(buffer_slice(&bytes));
    buffer_deinit(&bytes);
    return sum;
}

static void add_stopword(struct tokenizer *tokenizer, struct slice word, struct buffer *scratch)
{
    uint32_t number =
        word_set_add(&tokenizer->stopwords, text_fold(word, tokenizer->folding, scratch));
    ASSERT(number != WORD_NONE); /* tokenizer_params_check bounds them */
}

static void add_stopwords(struct tokenizer *tokenizer, const struct tokenizer_params *params)
{
    struct buffer scratch;
    buffer_init(&scratch, 0);
    for (size_t i = 0; i < params->languages_count; i++) {
        const char *at = stopwords_of(params->languages[i]);
        for (at += strspn(at, " "); *at; at += strspn(at, " ")) {
            size_t size = strcspn(at, " ");
            add_stopword(tokenizer, slice_of(at, size), &scratch);
            at += size;
        }
    }
    for (size_t i = 0; i < params->stopwords_count; i++) {
        add_stopword(tokenizer, slice_text(params->stopwords[i]), &scratch);
    }
    buffer_deinit(&scratch);
}

enum status tokenizer_create(const struct tokenizer_params *params, struct tokenizer **out,
                             struct error *err)
{
    enum status status = tokenizer_params_check(params, err);
    if (status == STATUS_OK) {
        status = chars_init(err);
    }
    if (status == STATUS_OK && params->kind == TOKENIZER_MULTILINGUAL) {
        status = multilingual_init(err);
    }
    if (status != STATUS_OK) {
        return status;
    }
    struct tokenizer *tokenizer = mem_zalloc(sizeof(*tokenizer));
    atomic_init(&tokenizer->references, 1);
    tokenizer->kind = params->kind;
    tokenizer->folding =
        (params->lowercase ? FOLD_CASE : 0u) | (params->ascii_folding ? FOLD_ASCII : 0u);
    tokenizer->token_min = params->token_min;
    tokenizer->token_max = params->token_max;
    tokenizer->stemmer = params->stemmer ? stem_language(params->stemmer) : STEM_LANGUAGES_COUNT;
    word_set_init(&tokenizer->stopwords);
    add_stopwords(tokenizer, params);
    tokenizer->is_simple = params->kind != TOKENIZER_PREFIX && params->token_min <= 1 &&
                           params->token_max == 0 && !params->stemmer &&
                           tokenizer->stopwords.count == 0;
    tokenizer->fingerprint = fingerprint(params);
    *out = tokenizer;
    return STATUS_OK;
}

struct tokenizer *tokenizer_ref(const struct tokenizer *tokenizer)
{
    struct tokenizer *counted = (struct tokenizer *)(uintptr_t)tokenizer;
    atomic_fetch_add_explicit(&counted->references, 1, memory_order_relaxed);
    return counted;
}

void tokenizer_unref(struct tokenizer *tokenizer)
{
    if (!tokenizer ||
        atomic_fetch_sub_explicit(&tokenizer->references, 1, memory_order_acq_rel) > 1) {
        return;
    }
    word_set_deinit(&tokenizer->stopwords);
    mem_free(tokenizer);
}

uint64_t tokenizer_fingerprint(const struct tokenizer *tokenizer)
{
    return tokenizer->fingerprint;
}

/* ---- words to tokens ---- */

static bool is_stopword(const struct tokenizer *tokenizer, struct slice word)
{
    return tokenizer->stopwords.count > 0 &&
           word_set_find(&tokenizer->stopwords, word) != WORD_NONE;
}

static bool emit(const struct token_run *run, struct slice text)
{
    return run->each(run->ctx, (struct token){.text = text, .position = run->position});
}

bool emit_token(struct token_run *run, struct slice token)
{
    return !is_stopword(run->tokenizer, token) && emit(run, token);
}

static bool has_length(const struct tokenizer *tokenizer, struct slice word)
{
    if (tokenizer->token_min <= 1 && tokenizer->token_max == 0) {
        return true;
    }
    size_t length = chars_count(word);
    return length >= tokenizer->token_min &&
           (tokenizer->token_max == 0 || length <= tokenizer->token_max);
}

static bool emit_prefixes(const struct token_run *run, struct slice word)
{
    const struct tokenizer *tokenizer = run->tokenizer;
    size_t shortest = tokenizer->token_min > 1 ? tokenizer->token_min : 1;
    size_t longest = tokenizer->token_max > 0 && tokenizer->token_max < TOKEN_PREFIX_MAX
                         ? tokenizer->token_max
                         : TOKEN_PREFIX_MAX;
    size_t length = chars_count(word);
    length = length < longest ? length : longest;
    if (length < shortest) {
        return false;
    }
    if (run->role == TEXT_QUERY) {
        return emit(run, slice_of(word.data, chars_prefix(word, length)));
    }
    size_t size = chars_prefix(word, shortest);
    for (size_t n = shortest; n <= length; n++) {
        if (emit(run, slice_of(word.data, size))) {
            return true;
        }
        size += chars_prefix(slice_of(word.data + size, word.size - size), 1);
    }
    return false;
}

static bool emit_checked(const struct token_run *run, struct slice word)
{
    const struct tokenizer *tokenizer = run->tokenizer;
    if (tokenizer->kind == TOKENIZER_PREFIX) {
        return !is_stopword(tokenizer, word) && emit_prefixes(run, word);
    }
    if (!has_length(tokenizer, word) || is_stopword(tokenizer, word)) {
        return false;
    }
    return emit(run, tokenizer->stemmer == STEM_LANGUAGES_COUNT
                         ? word
                         : stem_word(tokenizer->stemmer, word));
}

bool emit_word(struct token_run *run, struct slice word)
{
    bool stopped = run->tokenizer->is_simple ? emit(run, word) : emit_checked(run, word);
    run->position++;
    return stopped;
}

bool tokenizer_run(const struct tokenizer *tokenizer, enum text_role role, struct slice text,
                   struct buffer *scratch, bool (*each)(void *ctx, struct token token), void *ctx)
{
    struct token_run run = {.tokenizer = tokenizer, .role = role, .each = each, .ctx = ctx};
    if (text.size == 0) {
        return false;
    }
    struct slice folded = text_fold(text, tokenizer->folding, scratch);
    switch (tokenizer->kind) {
    case TOKENIZER_WHITESPACE:
        return split_whitespace(&run, folded);
    case TOKENIZER_MULTILINGUAL:
        return split_multilingual(&run, folded);
    default:
        return split_words(&run, folded);
    }
}

/* ---- what stored tokens rely on ---- */

enum { RULES = 1 }; /* of splits, foldings and limits here: counted up when they change */

static bool add_token(void *ctx, struct token token)
{
    uint64_t *sum = ctx;
    *sum = checksum64_seeded(token.text, *sum + token.position);
    return false;
}

/* ICU tells its version. The stemmers do not, so they are watched at work on the words that are at
 * hand: those of all languages' lists. */
uint64_t tokenizer_behaviour(const struct tokenizer *tokenizer)
{
    uint64_t sum = tokenizer->fingerprint + RULES;
    struct buffer scratch;
    UVersionInfo version;
    const char *words;
    buffer_init(&scratch, 0);
    u_getVersion(version);
    sum = checksum64_seeded(slice_of(version, sizeof(version)), sum);
    for (size_t i = 0; (words = stopwords_at(i)) != NULL; i++) {
        tokenizer_run(tokenizer, TEXT_STORED, slice_text(words), &scratch, add_token, &sum);
    }
    buffer_deinit(&scratch);
    return sum;
}
