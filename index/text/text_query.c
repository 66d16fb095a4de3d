/* Queries for words of texts.
 *
 * The query's terms are numbered; a check runs the stored text through the tokenizer and looks each
 * token up by hash. All: a bit a term, until none is missing. Any: the first hit.
 *
 * Phrase: the bit-parallel automaton of Baeza-Yates and Gonnet (1992), over positions instead of
 * characters, because several tokens may stand at one position and dropped words fit anything. Each
 * term has a mask of the places of the phrase where it stands; a step shifts the places that fit so
 * far and keeps those allowed by what is at the position. So a check takes (words of the text) x
 * (words of the phrase / 64) steps at most, however often the phrase nearly fits. */
#include "index/text/text_query.h"

#include "index/text/word_set.h"
#include "storage/base/assert.h"
#include "storage/base/mem.h"

enum { LANE_BITS = 64 };

struct text_query {
    struct tokenizer *tokenizer;
    enum text_mode mode;
    struct word_set terms;
    uint32_t span, lanes; /* of a phrase: places, and words of 64 bits for them */
    uint64_t *masks;      /* of a phrase: `lanes` a term, then those where anything fits */
    bool has_gaps;        /* of a phrase: anything fits somewhere */
};

/* ---- making ---- */

/* The tokens of a query as they come. */
struct reading {
    struct word_set *terms;
    struct {
        uint32_t term, position;
    } words[TEXT_WORDS_MAX];
    uint32_t count;
    bool too_many;
    bool is_phrase;
};

static bool read_token(void *ctx, struct token token)
{
    struct reading *reading = ctx;
    reading->too_many = reading->count == TEXT_WORDS_MAX ||
                        (reading->is_phrase && reading->count > 0 &&
                         token.position - reading->words[0].position >= TEXT_WORDS_MAX);
    if (reading->too_many) {
        return true;
    }
    reading->words[reading->count].term = word_set_add(reading->terms, token.text);
    reading->words[reading->count].position = token.position;
    reading->count++;
    return false;
}

static uint64_t *mask_of(const struct text_query *query, uint32_t term)
{
    return &query->masks[(size_t)term * query->lanes];
}

static void build_masks(struct text_query *query, const struct reading *reading)
{
    uint32_t first = reading->words[0].position;
    query->span = reading->words[reading->count - 1].position - first + 1;
    query->lanes = (query->span + LANE_BITS - 1) / LANE_BITS;
    size_t rows = query->terms.count + 1;
    query->masks = mem_zalloc(rows * query->lanes * sizeof(query->masks[0]));
    uint64_t *anything = mask_of(query, query->terms.count);
    for (uint32_t place = 0; place < query->span; place++) {
        anything[place / LANE_BITS] |= UINT64_C(1) << (place % LANE_BITS);
    }
    for (uint32_t i = 0; i < reading->count; i++) {
        uint32_t place = reading->words[i].position - first;
        uint64_t bit = UINT64_C(1) << (place % LANE_BITS);
        mask_of(query, reading->words[i].term)[place / LANE_BITS] |= bit;
        anything[place / LANE_BITS] &= ~bit;
    }
    for (uint32_t lane = 0; lane < query->lanes; lane++) {
        query->has_gaps = query->has_gaps || anything[lane] != 0;
    }
}

enum status text_query_create(const struct tokenizer *tokenizer, struct slice text,
                              enum text_mode mode, struct text_query **out, struct error *err)
{
    struct text_query *query = mem_zalloc(sizeof(*query));
    *query = (struct text_query){.tokenizer = tokenizer_ref(tokenizer), .mode = mode};
    word_set_init(&query->terms);
    struct reading reading = {.terms = &query->terms, .is_phrase = mode == TEXT_PHRASE};
    struct buffer scratch;
    buffer_init(&scratch, 0);
    tokenizer_run(tokenizer, TEXT_QUERY, text, &scratch, read_token, &reading);
    buffer_deinit(&scratch);
    if (reading.too_many) {
        text_query_destroy(query);
        return error_set(err, STATUS_BAD_INPUT, "the text to match has more than %d words",
                         TEXT_WORDS_MAX);
    }
    if (mode == TEXT_PHRASE && reading.count > 0) {
        build_masks(query, &reading);
    }
    *out = query;
    return STATUS_OK;
}

void text_query_destroy(struct text_query *query)
{
    if (query) {
        tokenizer_unref(query->tokenizer);
        word_set_deinit(&query->terms);
        mem_free(query->masks);
        mem_free(query);
    }
}

enum text_mode text_query_mode(const struct text_query *query)
{
    return query->mode;
}

uint64_t text_query_fingerprint(const struct text_query *query)
{
    return tokenizer_fingerprint(query->tokenizer);
}

uint32_t text_query_terms_count(const struct text_query *query)
{
    return query->terms.count;
}

struct slice text_query_term(const struct text_query *query, uint32_t term)
{
    return word_set_at(&query->terms, term);
}

uint32_t text_query_span(const struct text_query *query)
{
    return query->span;
}

/* ---- phrases ---- */

void phrase_begin(struct phrase *phrase, const struct text_query *query)
{
    ASSERT(query->span > 0);
    phrase->query = query;
    phrase->position = 0;
    memset(phrase->matched, 0, query->lanes * sizeof(phrase->matched[0]));
    memcpy(phrase->allowed, mask_of(query, query->terms.count),
           query->lanes * sizeof(phrase->allowed[0]));
}

static bool has_last(const struct phrase *phrase)
{
    uint32_t last = phrase->query->span - 1;
    return (phrase->matched[last / LANE_BITS] >> (last % LANE_BITS)) & 1;
}

/* One position on: what is here is known, what comes is not. */
static bool step(struct phrase *phrase)
{
    const uint64_t *anything = mask_of(phrase->query, phrase->query->terms.count);
    uint64_t carry = 1;
    for (uint32_t lane = 0; lane < phrase->query->lanes; lane++) {
        uint64_t matched = phrase->matched[lane];
        phrase->matched[lane] = (matched << 1 | carry) & phrase->allowed[lane];
        carry = matched >> (LANE_BITS - 1);
        phrase->allowed[lane] = anything[lane];
    }
    return has_last(phrase);
}

bool phrase_feed(struct phrase *phrase, uint64_t position, uint32_t term)
{
    const struct text_query *query = phrase->query;
    ASSERT(position >= phrase->position);
    if (position > phrase->position) {
        if (step(phrase)) {
            return true;
        }
        uint64_t gap = position - phrase->position - 1;
        if (gap >= query->span || (gap > 0 && !query->has_gaps)) {
            memset(phrase->matched, 0, query->lanes * sizeof(phrase->matched[0]));
            gap = 0;
        }
        for (; gap > 0; gap--) { /* the last place is a word: these cannot find it */
            (void)step(phrase);
        }
        phrase->position = position;
    }
    const uint64_t *mask = mask_of(query, term);
    for (uint32_t lane = 0; lane < query->lanes; lane++) {
        phrase->allowed[lane] |= mask[lane];
    }
    return false;
}

bool phrase_end(struct phrase *phrase)
{
    return step(phrase);
}

/* ---- checks ---- */

struct checking {
    const struct text_query *query;
    uint64_t seen[TEXT_WORDS_MAX / LANE_BITS]; /* ALL: terms */
    uint32_t missing;
    struct phrase phrase;
};

static bool check_token(void *ctx, struct token token)
{
    struct checking *checking = ctx;
    uint32_t term = word_set_find(&checking->query->terms, token.text);
    if (term == WORD_NONE) {
        return false;
    }
    if (checking->query->mode == TEXT_PHRASE) {
        return phrase_feed(&checking->phrase, token.position, term);
    }
    uint64_t bit = UINT64_C(1) << (term % LANE_BITS);
    if (!(checking->seen[term / LANE_BITS] & bit)) {
        checking->seen[term / LANE_BITS] |= bit;
        checking->missing--;
    }
    return checking->missing == 0 || checking->query->mode == TEXT_ANY;
}

bool text_query_check(const struct text_query *query, struct slice text)
{
    if (query->terms.count == 0) {
        return false;
    }
    struct checking checking;
    checking.query = query;
    checking.missing = query->terms.count;
    if (query->mode == TEXT_PHRASE) {
        phrase_begin(&checking.phrase, query);
    } else {
        memset(checking.seen, 0, (query->terms.count + LANE_BITS - 1) / LANE_BITS * 8);
    }
    struct buffer scratch;
    buffer_init(&scratch, 0);
    bool found =
        tokenizer_run(query->tokenizer, TEXT_STORED, text, &scratch, check_token, &checking);
    buffer_deinit(&scratch);
    return found || (query->mode == TEXT_PHRASE && phrase_end(&checking.phrase));
}
