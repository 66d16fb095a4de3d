/* Tokenizers: text to terms, as a text index is configured. The same tokenizer reads stored values
 * and queries, so a stored text matches itself unless limits and stop words leave nothing of it.
 * Immutable once created; thread-safe.
 *
 * Steps: NFC, (lowercase: full case folding), (ascii_folding: marks and Latin variants to ASCII),
 * split, length limits, stop words, stemming. Positions count the words of the split, dropped ones
 * included. Code points that are not seen (joiners, variation selectors, soft hyphens) are taken
 * out first. Bytes that are not UTF-8 read as U+FFFD.
 *
 * Prefix: no stemming, for the beginnings of a stem are not those of the word; and prefixes end at
 * TOKEN_PREFIX_MAX code points, where a longer word of a query ends too.
 *
 * Multilingual: Chinese and Japanese text is not cut into words, since where a word ends depends on
 * what stands around it: every character is a position, with a token of the character and one of it
 * and the next; queries take the pairs only, of a single character that one. So any piece of a
 * stored text is found. Length limits do not apply to them. Thai, Lao, Khmer, Burmese and their
 * like are cut into words by dictionary; all else is as with TOKENIZER_WORD. */
#pragma once
#include "storage/base/buffer.h"
#include "storage/base/slice.h"
#include "storage/base/status.h"

enum { TOKEN_PREFIX_MAX = 64 };
enum tokenizer_kind {
    TOKENIZER_WORD,         /* runs of letters, marks and digits */
    TOKENIZER_WHITESPACE,   /* between white space */
    TOKENIZER_PREFIX,       /* words; stored ones as all their prefixes within the limits */
    TOKENIZER_MULTILINGUAL, /* word boundaries where a script has no spaces */
};
struct tokenizer_params {
    enum tokenizer_kind kind;
    bool lowercase, ascii_folding;
    uint32_t token_min, token_max; /* code points; max 0: no limit */
    const char *stemmer;           /* a snowball language ("english"), or NULL */
    const char *const *languages;  /* of stop words */
    size_t languages_count;
    const char *const *stopwords; /* further ones */
    size_t stopwords_count;
};
/* What a text condition means on a key without a text index: whole words in lower case. */
extern const struct tokenizer_params tokenizer_plain;

struct tokenizer;
/* BAD_INPUT: a language that is not known (the message lists them), or min > max. */
enum status tokenizer_params_check(const struct tokenizer_params *params, struct error *err);
/* As the check; INTERNAL: ICU lacks its data. Everything is copied. Reference counted, from 1. */
enum status tokenizer_create(const struct tokenizer_params *params, struct tokenizer **out,
                             struct error *err);
struct tokenizer *tokenizer_ref(const struct tokenizer *tokenizer);
void tokenizer_unref(struct tokenizer *tokenizer);
/* Equal for tokenizers made of equal parameters: they make the same tokens. */
uint64_t tokenizer_fingerprint(const struct tokenizer *tokenizer);
/* For what is stored: another value when the same parameters no longer make the same tokens, as
 * after an upgrade of ICU, of the stemmers or of our lists. Takes some milliseconds. */
uint64_t tokenizer_behaviour(const struct tokenizer *tokenizer);

enum text_role {
    TEXT_STORED, /* a value of a payload */
    TEXT_QUERY,  /* words to look for; at most one token a position */
};
struct token {
    struct slice text; /* valid during the call only; never empty */
    uint32_t position; /* of its word; several tokens of one word share it; never descends */
};
/* Calls `each` for every token in order; stops when it returns true and then returns true.
 * `scratch` is the caller's, without a limit, reused between calls. */
bool tokenizer_run(const struct tokenizer *tokenizer, enum text_role role, struct slice text,
                   struct buffer *scratch, bool (*each)(void *ctx, struct token token), void *ctx);
