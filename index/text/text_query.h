/* Words to look for in texts: prepared once, then asked of stored values, by reading them (a check)
 * or by an index that knows its terms. Immutable once created; thread-safe.
 *
 * A query whose words are all dropped (stop words, limits) or that has none matches nothing. In a
 * phrase dropped words keep their places: "state of the art" with "of" and "the" as stop words
 * finds `state` with `art` three words later. Words dropped before the first and after the last
 * kept one say nothing. */
#pragma once
#include "index/text/tokenizer.h"

enum text_mode {
    TEXT_ALL,    /* all words, in any order */
    TEXT_ANY,    /* one is enough */
    TEXT_PHRASE, /* all, one after the other */
};
enum { TEXT_WORDS_MAX = 1024 };

struct text_query;
/* Holds a reference to the tokenizer. BAD_INPUT: more than TEXT_WORDS_MAX words. */
enum status text_query_create(const struct tokenizer *tokenizer, struct slice text,
                              enum text_mode mode, struct text_query **out, struct error *err);
void text_query_destroy(struct text_query *query);
enum text_mode text_query_mode(const struct text_query *query);
/* tokenizer_fingerprint of the tokenizer that read it. */
uint64_t text_query_fingerprint(const struct text_query *query);
uint32_t text_query_terms_count(const struct text_query *query); /* different ones */
struct slice text_query_term(const struct text_query *query, uint32_t term);
/* Does the stored text match? Linear in its size. */
bool text_query_check(const struct text_query *query, struct slice text);

/* A phrase searched for in a sequence of terms with positions. */
enum { PHRASE_LANES_MAX = TEXT_WORDS_MAX / 64 };
struct phrase {
    const struct text_query *query;
    uint64_t matched[PHRASE_LANES_MAX]; /* bit i: the first i + 1 places fit, up to here */
    uint64_t allowed[PHRASE_LANES_MAX]; /* bit i: what is here fits place i */
    uint64_t position;                  /* here */
};
uint32_t text_query_span(const struct text_query *query); /* places from first to last word */
void phrase_begin(struct phrase *phrase, const struct text_query *query);
/* The query's term is at the position. Positions must not descend. True: the phrase has been found
 * before this position. */
bool phrase_feed(struct phrase *phrase, uint64_t position, uint32_t term);
bool phrase_end(struct phrase *phrase); /* true: it was found */
