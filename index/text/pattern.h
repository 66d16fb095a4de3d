/* Patterns of strings, with the case as it is written:
 *
 *   substring   is a part of the string
 *   wildcard    the whole string: `*` any run, `?` one code point, `\` takes away a meaning
 *   regex       is found somewhere in the string; the syntax of RE2
 *
 * Texts are valid UTF-8. A test takes time linear in the string, the more the larger the pattern.
 * Patterns never change once created; any number of threads may ask. */
#pragma once
#ifdef __cplusplus
extern "C" {
#endif

#include "storage/base/slice.h"
#include "storage/base/status.h"

enum pattern_kind { PATTERN_SUBSTRING, PATTERN_WILDCARD, PATTERN_REGEX };
enum {
    PATTERN_BYTES_MAX = 1024,     /* of the text */
    PATTERN_MEMORY_MAX = 1 << 20, /* of a compiled pattern, with what matching keeps */
};
struct pattern;
/* Copies the text. BAD_INPUT names the pattern and what is wrong with it. */
enum status pattern_create(enum pattern_kind kind, struct slice text, struct pattern **out,
                           struct error *err);
void pattern_destroy(struct pattern *pattern);
bool pattern_matches(const struct pattern *pattern, struct slice text);
/* What testing texts costs, in the time that reading a byte takes. */
uint64_t pattern_cost(const struct pattern *pattern, uint64_t texts_count, uint64_t texts_bytes);

/* What a string must have to match, in trigrams (trigram.h): all the clauses hold, and a clause
 * holds when the trigrams of one of its pieces are all there. No clauses: any string may match. A
 * clause has pieces, and a piece has trigrams. */
struct pattern_piece {
    const uint32_t *grams; /* ascending, distinct */
    size_t count;
};
struct pattern_clause {
    const struct pattern_piece *pieces;
    size_t count;
};
struct pattern_needs {
    const struct pattern_clause *clauses;
    size_t count;
};
struct pattern_needs pattern_needs(const struct pattern *pattern); /* lives as long as it */

#ifdef __cplusplus
}
#endif
