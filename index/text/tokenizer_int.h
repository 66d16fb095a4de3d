/* For the kinds of tokenizers. */
#pragma once
#include "index/text/stem.h"
#include "index/text/tokenizer.h"
#include "index/text/word_set.h"

#include <stdatomic.h>

struct token_run;
struct tokenizer {
    atomic_uint references;
    enum tokenizer_kind kind;
    unsigned folding; /* enum fold_flags */
    uint32_t token_min, token_max;
    enum stem_language stemmer; /* STEM_LANGUAGES_COUNT: none */
    struct word_set stopwords;  /* folded as texts are */
    bool is_simple;             /* every word becomes one token as it is */
    uint64_t fingerprint;
};
/* One text on its way through. */
struct token_run {
    const struct tokenizer *tokenizer;
    enum text_role role;
    uint32_t position; /* of the next word */
    bool (*each)(void *ctx, struct token token);
    void *ctx;
};
/* Splits folded text and emits its words; true: stopped. */
bool split_words(struct token_run *run, struct slice text);
bool split_whitespace(struct token_run *run, struct slice text);
bool split_multilingual(struct token_run *run, struct slice text);
/* The next run of letters, digits and marks off `rest`; false: no more. */
bool take_word(struct slice *rest, struct slice *word);
/* A word of the split: limits, stop words, stemming or prefixes. */
bool emit_word(struct token_run *run, struct slice word);
/* A token as it is, unless it is a stop word; the position stays. */
bool emit_token(struct token_run *run, struct slice token);
/* INTERNAL: ICU lacks its data for word boundaries. */
enum status multilingual_init(struct error *err);
