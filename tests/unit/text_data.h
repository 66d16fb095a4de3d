/* Random texts in many scripts, for tests: words that tokenizers take differently, in composed and
 * decomposed forms, between separators of all kinds, and code points drawn at random. */
#pragma once
#include "storage/base/buffer.h"
#include "storage/base/random.h"

#define TEXT_MAKER static __attribute__((unused))

static const char *const TEXT_WORDS[] = {
    "the",
    "of",
    "State",
    "art",
    "running",
    "Runs",
    "a",
    "I",
    "x1",
    "42",
    "Stra\xc3\x9f"
    "e",
    "STRASSE",
    "\xc3\x84pfel",
    "caf\xc3\xa9",
    "cafe\xcc\x81",
    "CAF\xc3\x89",
    "cafe",
    "\xc4\xb0stanbul",
    "i\xcc\x87stanbul",
    "ISTANBUL",
    "\xc4\xb1",
    "S\xc3\xb8ren",
    "\xc5\x82\xc3\xb3"
    "d\xc5\xba",
    "\xce\x9f\xce\x94\xce\x9f\xce\xa3",
    "\xce\xbf\xce\xb4\xce\xbf\xcf\x82",
    "\xce\x90",
    "\xce\xaa\xcc\x81",
    "\xd0\x81\xd0\xbb\xd0\xba\xd0\xb0",
    "\xd0\xb5\xcc\x88\xd0\xbb\xd0\xba\xd0\xb0",
    "\xd0\xb8",
    "\xd0\xb2",
    "\xd9\x83\xd9\x90\xd8\xaa\xd9\x8e\xd8\xa7\xd8\xa8",
    "\xd9\x83\xd8\xaa\xd8\xa7\xd8\xa8",
    "\xe0\xa4\xb9\xe0\xa4\xbf\xe0\xa4\xa8\xe0\xa5\x8d\xe0\xa4\xa6\xe0\xa5\x80",
    "\xe0\xa4\x95\xe0\xa4\xbc",
    "\xe0\xa5\x98",
    "\xe0\xb8\xaa\xe0\xb8\xa7\xe0\xb8\xb1\xe0\xb8\xaa\xe0\xb8\x94\xe0\xb8\xb5"
    "\xe0\xb8\x8a\xe0\xb8\xb2\xe0\xb8\xa7\xe0\xb9\x82\xe0\xb8\xa5\xe0\xb8\x81",
    "\xe6\x9d\xb1\xe4\xba\xac\xe9\x83\xbd\xe5\xba\x81",
    "\xe9\x83\xbd\xe5\xba\x81",
    "\xe4\xba\xac",
    "\xe3\x81\x8c",
    "\xe3\x81\x8b\xe3\x82\x99",
    "\xe3\x82\xb3\xe3\x83\xbc\xe3\x83\x92\xe3\x83\xbc",
    "\xed\x95\x9c\xea\xb8\x80",
    "\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab\xe1\x84\x80\xe1\x85\xb3\xe1\x86\xaf",
    "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbb",
    "\xe2\x9d\xa4\xef\xb8\x8f",
    "co\xc2\xadop",
    "coop",
    "\xf0\x90\x90\x80",
    "\xf0\x90\x90\xa8",
    "\xef\xac\x81n",
    "\xe2\x91\xa0",
    "q\xcc\xa3\xcc\x87",
    "q\xcc\x87\xcc\xa3",
    "\xe2\x84\xaa",
    "\xcc\x81",
    "na\xc3\xafve",
    "verylongwordwithoutanyend",
};
static const char *const TEXT_GAPS[] = {
    " ", " ", " ", "-", ", ", "\n", "", "\xc2\xa0", "\xe3\x80\x80", "'", "_"};

#define TEXT_COUNT(array) (sizeof(array) / sizeof((array)[0]))

TEXT_MAKER void text_append_code(struct buffer *out, uint32_t code)
{
    if (code < 0x80) {
        buffer_append_byte(out, (uint8_t)code);
    } else if (code < 0x800) {
        buffer_append_byte(out, (uint8_t)(0xc0 | code >> 6));
        buffer_append_byte(out, (uint8_t)(0x80 | (code & 0x3f)));
    } else if (code < 0x10000) {
        buffer_append_byte(out, (uint8_t)(0xe0 | code >> 12));
        buffer_append_byte(out, (uint8_t)(0x80 | (code >> 6 & 0x3f)));
        buffer_append_byte(out, (uint8_t)(0x80 | (code & 0x3f)));
    } else {
        buffer_append_byte(out, (uint8_t)(0xf0 | code >> 18));
        buffer_append_byte(out, (uint8_t)(0x80 | (code >> 12 & 0x3f)));
        buffer_append_byte(out, (uint8_t)(0x80 | (code >> 6 & 0x3f)));
        buffer_append_byte(out, (uint8_t)(0x80 | (code & 0x3f)));
    }
}

/* A valid code point; most are in the blocks of the words above. */
TEXT_MAKER uint32_t text_random_code(struct random *random)
{
    static const uint32_t starts[] = {0x20,   0xc0,   0x300,  0x370,   0x400,   0x590,  0x600,
                                      0x900,  0xe00,  0x1100, 0x1e00,  0x2000,  0x3040, 0x4e00,
                                      0xac00, 0xfe00, 0xfb00, 0x10400, 0x1d150, 0xe0100};
    uint32_t code = random_below(random, 8) == 0
                        ? (uint32_t)random_below(random, 0x110000)
                        : starts[random_below(random, TEXT_COUNT(starts))] +
                              (uint32_t)random_below(random, 0x70);
    return code == 0 || (code >= 0xd800 && code < 0xe000) ? 0xfffd : code;
}

/* Up to `words_max` words of the first `variety`, with what stands between them. */
TEXT_MAKER void text_random(struct random *random, size_t words_max, size_t variety,
                            struct buffer *out)
{
    buffer_clear(out);
    size_t count = random_below(random, words_max + 1);
    for (size_t i = 0; i < count; i++) {
        if (random_below(random, 40) == 0) {
            text_append_code(out, text_random_code(random));
        } else {
            buffer_append_text(out, TEXT_WORDS[random_below(random, variety)]);
        }
        buffer_append_text(out, TEXT_GAPS[random_below(random, TEXT_COUNT(TEXT_GAPS))]);
    }
}
