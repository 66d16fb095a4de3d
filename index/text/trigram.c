/* Trigrams of texts.
 *
 * The text is read as code points; each is folded and its bytes pushed through a window of three.
 * Folding is lower case first and simple case folding then: a code point, its lower case and its
 * folding all end in the same, so trigrams of a text that somebody else folded in either way are
 * trigrams of the text itself. Pure; nothing fails: bytes that are not UTF-8 count as U+FFFD. */
#include "index/text/trigram.h"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

enum { REPLACEMENT = 0xfffd, WINDOW = 0xffffff };

struct window {
    uint32_t bytes; /* the last three */
    unsigned count; /* up to three */
    void (*each)(void *ctx, uint32_t gram);
    void *ctx;
};

static void push(struct window *window, uint8_t byte)
{
    window->bytes = (window->bytes << 8 | byte) & WINDOW;
    if (window->count < TRIGRAM_BYTES) {
        window->count++;
    }
    if (window->count == TRIGRAM_BYTES) {
        window->each(window->ctx, window->bytes);
    }
}

static void push_code(struct window *window, uint32_t code)
{
    uint8_t bytes[U8_MAX_LENGTH];
    int32_t size = 0;
    U8_APPEND_UNSAFE(bytes, size, code);
    for (int32_t i = 0; i < size; i++) {
        push(window, bytes[i]);
    }
}

void trigram_each(struct slice text, void (*each)(void *ctx, uint32_t gram), void *ctx)
{
    struct window window = {.each = each, .ctx = ctx};
    size_t at = 0;
    while (at < text.size) {
        uint8_t byte = text.data[at];
        if (byte < 0x80) {
            bool is_upper = byte >= 'A' && byte <= 'Z';
            push(&window, is_upper ? (uint8_t)(byte | 0x20) : byte);
            at++;
            continue;
        }
        UChar32 code;
        U8_NEXT(text.data, at, text.size, code);
        if (code < 0) {
            code = REPLACEMENT;
        }
        push_code(&window, (uint32_t)u_foldCase(u_tolower(code), U_FOLD_CASE_DEFAULT));
    }
}
