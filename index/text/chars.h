/* What the tokenizers know of a code point, from ICU's properties. The basic plane is in a table,
 * made once; the others are asked of ICU each time. */
#pragma once
#include "storage/base/buffer.h"
#include "storage/base/status.h"

enum char_flags {
    CHAR_WORD = 1,      /* letter or digit (Alphabetic, Nd) */
    CHAR_MARK = 2,      /* combining mark: continues a word */
    CHAR_SPACE = 4,     /* White_Space */
    CHAR_PAIRED = 8,    /* Chinese and Japanese: looked for by pairs of characters */
    CHAR_UNSPACED = 16, /* scripts whose words need a dictionary: Thai, Lao, Khmer, Burmese, ... */
    CHAR_SEAM = 32,     /* may change with its neighbours under NFC, or folds to several */
    CHAR_HIDDEN = 64,   /* not seen: taken out (a seam too) */
};
struct char_info {
    uint32_t fold; /* simple case folding */
    uint8_t combining_class;
    uint8_t flags;
};
/* Makes the table once. INTERNAL: ICU lacks its data. Before it succeeds nothing else here may be
 * called. */
enum status chars_init(struct error *err);
struct char_info char_info(uint32_t code);
/* Takes the code point at *at (before `end`); what is not UTF-8 reads as U+FFFD. */
uint32_t chars_next(const uint8_t **at, const uint8_t *end);
/* The same of UTF-16. */
uint32_t chars_next16(const uint16_t *text, int32_t *at, int32_t length);
void chars_append(struct buffer *out, uint32_t code);
size_t chars_count(struct slice text);            /* code points */
size_t chars_prefix(struct slice text, size_t n); /* bytes of the first n (or all) code points */
size_t chars_ascii_prefix(const uint8_t *at,
                          const uint8_t *end); /* bytes before the first >= 128 */
static inline bool char_is_ascii_word(uint8_t byte)
{
    return (uint8_t)((byte | 0x20) - 'a') < 26 || (uint8_t)(byte - '0') < 10;
}
static inline bool char_is_ascii_space(uint8_t byte)
{
    return byte == ' ' || (uint8_t)(byte - '\t') < 5;
}
