/* Tokenizers: text to terms, as a text index is configured. The same tokenizer reads stored values
 * and queries, so a stored text always matches itself. Immutable once created; thread-safe.
 *
 * Steps: NFC, (lowercase: full case folding), (ascii_folding: marks and Latin variants to ASCII),
 * split, length limits, stop words, stemming. Positions count the words of the split, dropped ones
 * included. */
#pragma once
#include "storage/base/buffer.h"
#include "storage/base/slice.h"
#include "storage/base/status.h"

enum tokenizer_kind {
    TOKENIZER_WORD,         /* runs of letters, marks and digits */
    TOKENIZER_WHITESPACE,   /* between white space */
    TOKENIZER_PREFIX,       /* words; stored ones also as all their prefixes within the limits */
    TOKENIZER_MULTILINGUAL, /* word boundaries by dictionary where a script has no spaces */
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
/* BAD_INPUT names a language that is not known. Everything is copied. Reference counted, from 1. */
enum status tokenizer_create(const struct tokenizer_params *params, struct tokenizer **out,
                             struct error *err);
struct tokenizer *tokenizer_ref(struct tokenizer *tokenizer);
void tokenizer_unref(struct tokenizer *tokenizer);

enum text_role {
    TEXT_STORED, /* a value of a payload */
    TEXT_QUERY,  /* words to look for: the prefix kind does not take prefixes of them */
};
struct token {
    struct slice text; /* valid during the call only */
    uint32_t position; /* of its word; several tokens of one word share it */
};
/* Calls `each` for every token in order; stops when it returns true and then returns true. `text`
 * is valid UTF-8. `scratch` is the caller's, reused between calls. */
bool tokenizer_run(const struct tokenizer *tokenizer, enum text_role role, struct slice text,
                   struct buffer *scratch, bool (*each)(void *ctx, struct token token), void *ctx);
