/* Patterns of any bytes: refused with a message, or they match without a fault, the same each time,
 * and no string that matches is missed by the trigrams that the pattern needs.
 *
 * The first byte chooses the kind, the second the size of the pattern; what follows it is the
 * string. */
#include "index/text/pattern.h"
#include "index/text/trigram.h"
#include "storage/base/mem.h"

#include <stdlib.h>
#include <unicode/utf8.h>

enum { HEAD_BYTES = 2, GRAM_BITS = 1 << 24 };
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t *grams_seen; /* a bit each; kept between inputs, empty between them */

static void set_gram(void *ctx, uint32_t gram)
{
    (void)ctx;
    grams_seen[gram >> 3] |= (uint8_t)(1 << (gram & 7));
}

static void clear_gram(void *ctx, uint32_t gram)
{
    (void)ctx;
    grams_seen[gram >> 3] = 0;
}

static bool piece_holds(const struct pattern_piece *piece)
{
    for (size_t i = 0; i < piece->count; i++) {
        uint32_t gram = piece->grams[i];
        if (!(grams_seen[gram >> 3] >> (gram & 7) & 1)) {
            return false;
        }
    }
    return true;
}

static bool needs_hold(struct pattern_needs needs)
{
    for (size_t i = 0; i < needs.count; i++) {
        bool holds = false;
        for (size_t k = 0; k < needs.clauses[i].count && !holds; k++) {
            holds = piece_holds(&needs.clauses[i].pieces[k]);
        }
        if (!holds) {
            return false;
        }
    }
    return true;
}

static bool is_utf8(struct slice text)
{
    for (size_t at = 0; at < text.size;) {
        UChar32 code;
        U8_NEXT(text.data, at, text.size, code);
        if (code < 0) {
            return false;
        }
    }
    return true;
}

static void check(const struct pattern *pattern, struct slice string)
{
    bool matches = pattern_matches(pattern, string);
    if (pattern_matches(pattern, string) != matches) {
        abort();
    }
    if (!is_utf8(string)) { /* stored strings always are */
        return;
    }
    trigram_each(string, set_gram, NULL);
    if (matches && !needs_hold(pattern_needs(pattern))) {
        abort();
    }
    trigram_each(string, clear_gram, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pattern *pattern = NULL;
    struct error err = {0};
    if (size < HEAD_BYTES) {
        return 0;
    }
    if (!grams_seen) {
        grams_seen = mem_zalloc(GRAM_BITS / 8);
    }
    size_t rest = size - HEAD_BYTES;
    size_t pattern_size = data[1] < rest ? data[1] : rest;
    enum pattern_kind kind = (enum pattern_kind)(data[0] % 3);
    struct slice text = slice_of(data + HEAD_BYTES, pattern_size);
    struct slice string = slice_of(data + HEAD_BYTES + pattern_size, rest - pattern_size);
    enum status status = pattern_create(kind, text, &pattern, &err);
    if (status == STATUS_OK) {
        check(pattern, string);
        pattern_destroy(pattern);
    } else if (status != STATUS_BAD_INPUT || err.message[0] == '\0') {
        abort();
    }
    return 0;
}
