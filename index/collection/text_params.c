/* Reading the parameters of a text index: defaults, limits, and copies of the names.
 *
 * The contract's defaults: tokenizer word, lowercase true, everything else off. Lengths on the wire
 * have 64 bits; no token has more than 32 bits of code points, so larger limits are the largest.
 * Which languages there are, the tokenizer knows. */
#include "index/collection/text_params.h"

static uint32_t clamp(uint64_t length)
{
    return length > UINT32_MAX ? UINT32_MAX : (uint32_t)length;
}

static enum status read_kind(const Qdrant__TextIndexParams *wire, enum tokenizer_kind *out,
                             struct error *err)
{
    switch (wire->tokenizer) {
    case QDRANT__TOKENIZER_TYPE__Unknown: /* not given */
    case QDRANT__TOKENIZER_TYPE__Word:
        *out = TOKENIZER_WORD;
        return STATUS_OK;
    case QDRANT__TOKENIZER_TYPE__Whitespace:
        *out = TOKENIZER_WHITESPACE;
        return STATUS_OK;
    case QDRANT__TOKENIZER_TYPE__Prefix:
        *out = TOKENIZER_PREFIX;
        return STATUS_OK;
    case QDRANT__TOKENIZER_TYPE__Multilingual:
        *out = TOKENIZER_MULTILINGUAL;
        return STATUS_OK;
    default:
        return error_set(err, STATUS_BAD_INPUT, "tokenizer: type %d is unknown",
                         (int)wire->tokenizer);
    }
}

static enum status read_lengths(const Qdrant__TextIndexParams *wire, struct tokenizer_params *out,
                                struct error *err)
{
    bool has_min = wire->_min_token_len_case != 0;
    bool has_max = wire->_max_token_len_case != 0;
    if (has_max && wire->max_token_len == 0) {
        return error_set(err, STATUS_BAD_INPUT,
                         "max_token_len: value 0 invalid, must be 1 or larger");
    }
    out->token_min = has_min ? clamp(wire->min_token_len) : 0;
    out->token_max = has_max ? clamp(wire->max_token_len) : 0;
    return STATUS_OK;
}

static enum status copy_words(char *const *words, size_t count, struct arena *arena,
                              const char *const **out, struct error *err)
{
    const char **copies = arena_new_array(arena, const char *, count + 1);
    for (size_t i = 0; i < count && copies; i++) {
        copies[i] = arena_strndup(arena, words[i], strlen(words[i]));
        if (!copies[i]) {
            copies = NULL;
        }
    }
    if (!copies) {
        return error_set(err, STATUS_TOO_LARGE, "stopwords: the lists are too large");
    }
    *out = copies;
    return STATUS_OK;
}

static enum status read_stopwords(const Qdrant__StopwordsSet *wire, struct arena *arena,
                                  struct tokenizer_params *out, struct error *err)
{
    enum status status =
        copy_words(wire->languages, wire->n_languages, arena, &out->languages, err);
    if (status == STATUS_OK) {
        status = copy_words(wire->custom, wire->n_custom, arena, &out->stopwords, err);
    }
    out->languages_count = wire->n_languages;
    out->stopwords_count = wire->n_custom;
    return status;
}

static enum status read_stemmer(const Qdrant__StemmingAlgorithm *wire, struct arena *arena,
                                struct tokenizer_params *out, struct error *err)
{
    if (wire->stemming_params_case != QDRANT__STEMMING_ALGORITHM__STEMMING_PARAMS_SNOWBALL) {
        return STATUS_OK; /* disabled */
    }
    const char *language = wire->snowball->language;
    out->stemmer = arena_strndup(arena, language, strlen(language));
    return out->stemmer ? STATUS_OK
                        : error_set(err, STATUS_TOO_LARGE, "stemmer: the name is too long");
}

enum status text_params_read(const Qdrant__TextIndexParams *wire, struct arena *arena,
                             struct tokenizer_params *out, bool *phrases, struct error *err)
{
    struct tokenizer_params params = tokenizer_plain;
    if (!wire) {
        *out = params;
        *phrases = false;
        return STATUS_OK;
    }
    if (wire->_lowercase_case) {
        params.lowercase = wire->lowercase;
    }
    params.ascii_folding = wire->_ascii_folding_case && wire->ascii_folding;
    enum status status = read_kind(wire, &params.kind, err);
    if (status == STATUS_OK) {
        status = read_lengths(wire, &params, err);
    }
    if (status == STATUS_OK && wire->stopwords) {
        status = read_stopwords(wire->stopwords, arena, &params, err);
    }
    if (status == STATUS_OK && wire->stemmer) {
        status = read_stemmer(wire->stemmer, arena, &params, err);
    }
    if (status == STATUS_OK) {
        status = tokenizer_params_check(&params, err);
    }
    if (status == STATUS_OK) {
        *out = params;
        *phrases = wire->_phrase_matching_case && wire->phrase_matching;
    }
    return status;
}
