/* Splits that need no dictionary: words are runs of letters, digits and the marks on them, or what
 * stands between white space. ASCII is told apart without a table. */
#include "index/text/chars.h"
#include "index/text/tokenizer_int.h"

/* Past the characters of a class from `at` on; a mark belongs to what it stands on. */
static const uint8_t *skip_word(const uint8_t *at, const uint8_t *end)
{
    while (at < end) {
        if (*at < 0x80) {
            if (!char_is_ascii_word(*at)) {
                break;
            }
            at++;
            continue;
        }
        const uint8_t *next = at;
        if (!(char_info(chars_next(&next, end)).flags & (CHAR_WORD | CHAR_MARK))) {
            break;
        }
        at = next;
    }
    return at;
}

static const uint8_t *skip_to_word(const uint8_t *at, const uint8_t *end)
{
    while (at < end) {
        if (*at < 0x80) {
            if (char_is_ascii_word(*at)) {
                break;
            }
            at++;
            continue;
        }
        const uint8_t *next = at;
        if (char_info(chars_next(&next, end)).flags & CHAR_WORD) {
            break;
        }
        at = next;
    }
    return at;
}

bool take_word(struct slice *rest, struct slice *word)
{
    const uint8_t *end = rest->data + rest->size;
    const uint8_t *start = skip_to_word(rest->data, end);
    const uint8_t *at = skip_word(start, end);
    *word = slice_of(start, (size_t)(at - start));
    *rest = slice_of(at, (size_t)(end - at));
    return word->size > 0;
}

bool split_words(struct token_run *run, struct slice text)
{
    struct slice word;
    while (take_word(&text, &word)) {
        if (emit_word(run, word)) {
            return true;
        }
    }
    return false;
}

static const uint8_t *skip_spaces(const uint8_t *at, const uint8_t *end, bool spaces)
{
    while (at < end) {
        const uint8_t *next = at + 1;
        bool is_space = *at < 0x80 ? char_is_ascii_space(*at) : false;
        if (*at >= 0x80) {
            next = at;
            is_space = (char_info(chars_next(&next, end)).flags & CHAR_SPACE) != 0;
        }
        if (is_space != spaces) {
            break;
        }
        at = next;
    }
    return at;
}

bool split_whitespace(struct token_run *run, struct slice text)
{
    const uint8_t *end = text.data + text.size;
    const uint8_t *at = skip_spaces(text.data, end, true);
    while (at < end) {
        const uint8_t *start = at;
        at = skip_spaces(at, end, false);
        if (emit_word(run, slice_of(start, (size_t)(at - start)))) {
            return true;
        }
        at = skip_spaces(at, end, true);
    }
    return false;
}
