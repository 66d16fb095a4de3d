/* Fuzzes tokenizers: any bytes are safe, tokens are in order and within their limits, and a text
 * matches itself whenever its query has tokens.
 *
 * The first four bytes of the input choose the parameters, the rest is the text. */
#include "index/text/chars.h"
#include "index/text/stem.h"
#include "index/text/text_query.h"
#include "storage/base/mem.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CHOICE_BYTES = 4, TEXT_BYTES_MAX = 1 << 16 };

struct watch {
    const struct tokenizer_params *params;
    size_t tokens;
    uint32_t position;
    bool is_query;
};

static bool watch_token(void *ctx, struct token token)
{
    struct watch *watch = ctx;
    bool first = watch->tokens++ == 0;
    if (token.text.size == 0 || (!first && token.position < watch->position) ||
        (!first && watch->is_query && token.position == watch->position)) {
        abort();
    }
    watch->position = token.position;
    uint32_t longest = watch->params->token_max;
    bool limited =
        longest > 0 && watch->params->kind != TOKENIZER_MULTILINGUAL && !watch->params->stemmer;
    if (limited && chars_count(token.text) > longest) {
        abort();
    }
    return false;
}

static size_t run(const struct tokenizer *tokenizer, const struct tokenizer_params *params,
                  enum text_role role, struct slice text)
{
    struct watch watch = {.params = params, .is_query = role == TEXT_QUERY};
    struct buffer scratch;
    buffer_init(&scratch, 0);
    tokenizer_run(tokenizer, role, text, &scratch, watch_token, &watch);
    buffer_deinit(&scratch);
    return watch.tokens;
}

static void try_query(const struct tokenizer *tokenizer, enum text_mode mode, struct slice text,
                      bool has_tokens)
{
    struct text_query *query;
    enum status status = text_query_create(tokenizer, text, mode, &query, NULL);
    if (status == STATUS_BAD_INPUT) {
        return; /* too many words */
    }
    if (status != STATUS_OK || text_query_check(query, text) != has_tokens) {
        abort();
    }
    text_query_destroy(query);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
#define X(name) #name,
    static const char *const stemmers[] = {STEM_LANGUAGE_LIST(X)};
#undef X
    static const char *const languages[] = {"english", "chinese", "arabic"};
    if (size < CHOICE_BYTES || size > TEXT_BYTES_MAX) {
        return 0;
    }
    struct tokenizer_params params = {.kind = (enum tokenizer_kind)(data[0] % 4),
                                      .lowercase = (data[0] & 4) != 0,
                                      .ascii_folding = (data[0] & 8) != 0,
                                      .token_min = data[1] % 4,
                                      .token_max = data[1] / 4 % 4 == 0 ? 3 + data[1] / 16 : 0,
                                      .languages = languages,
                                      .languages_count = data[2] % 4,
                                      .stemmer = data[3] < STEM_LANGUAGES_COUNT ? stemmers[data[3]]
                                                                                : NULL};
    struct tokenizer *tokenizer;
    if (tokenizer_create(&params, &tokenizer, NULL) != STATUS_OK) {
        abort();
    }
    struct slice text = slice_of(data + CHOICE_BYTES, size - CHOICE_BYTES);
    size_t stored = run(tokenizer, &params, TEXT_STORED, text);
    size_t asked = run(tokenizer, &params, TEXT_QUERY, text);
    if (asked > stored) {
        abort();
    }
    for (int mode = TEXT_ALL; mode <= TEXT_PHRASE; mode++) {
        try_query(tokenizer, (enum text_mode)mode, text, asked > 0);
    }
    tokenizer_unref(tokenizer);
    return 0;
}
