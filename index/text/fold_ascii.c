/* ASCII folding: Latin letters lose their marks and become the letters they are variants of.
 *
 * A code point whose compatibility decomposition is ASCII and marks becomes that ASCII (é, fi as
 * one letter, full-width A, circled 1); letters that do not decompose are in a list (ß, ø, ł, æ),
 * as are typographic quotes and dashes. A mark after what came out as ASCII is dropped. Letters of
 * other scripts and their marks stay: there a mark makes another letter. */
#include "index/text/chars.h"
#include "index/text/fold.h"
#include "storage/base/assert.h"

#include <stdlib.h>
#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/utf16.h>

struct variant {
    uint16_t code;
    const char *ascii;
};
/* Ascending. Only letters without a decomposition to ASCII and marks. */
static const struct variant variants[] = {
    {0x00c6, "AE"}, {0x00d0, "D"},  {0x00d8, "O"},  {0x00de, "TH"}, {0x00df, "ss"}, {0x00e6, "ae"},
    {0x00f0, "d"},  {0x00f8, "o"},  {0x00fe, "th"}, {0x0110, "D"},  {0x0111, "d"},  {0x0126, "H"},
    {0x0127, "h"},  {0x0131, "i"},  {0x0138, "k"},  {0x0141, "L"},  {0x0142, "l"},  {0x0149, "n"},
    {0x014a, "N"},  {0x014b, "n"},  {0x0152, "OE"}, {0x0153, "oe"}, {0x0166, "T"},  {0x0167, "t"},
    {0x0180, "b"},  {0x0181, "B"},  {0x0182, "B"},  {0x0183, "b"},  {0x0186, "O"},  {0x0187, "C"},
    {0x0188, "c"},  {0x0189, "D"},  {0x018a, "D"},  {0x018b, "D"},  {0x018c, "d"},  {0x018e, "E"},
    {0x018f, "A"},  {0x0190, "E"},  {0x0191, "F"},  {0x0192, "f"},  {0x0193, "G"},  {0x0197, "I"},
    {0x0198, "K"},  {0x0199, "k"},  {0x019a, "l"},  {0x019d, "N"},  {0x019e, "n"},  {0x019f, "O"},
    {0x01a4, "P"},  {0x01a5, "p"},  {0x01ab, "t"},  {0x01ac, "T"},  {0x01ad, "t"},  {0x01ae, "T"},
    {0x01b2, "V"},  {0x01b3, "Y"},  {0x01b4, "y"},  {0x01b5, "Z"},  {0x01b6, "z"},  {0x01dd, "e"},
    {0x01e4, "G"},  {0x01e5, "g"},  {0x0220, "N"},  {0x0221, "d"},  {0x0224, "Z"},  {0x0225, "z"},
    {0x0234, "l"},  {0x0235, "n"},  {0x0236, "t"},  {0x0237, "j"},  {0x023a, "A"},  {0x023b, "C"},
    {0x023c, "c"},  {0x023d, "L"},  {0x023e, "T"},  {0x0243, "B"},  {0x0244, "U"},  {0x0246, "E"},
    {0x0247, "e"},  {0x0248, "J"},  {0x0249, "j"},  {0x024c, "R"},  {0x024d, "r"},  {0x024e, "Y"},
    {0x024f, "y"},  {0x0253, "b"},  {0x0254, "o"},  {0x0256, "d"},  {0x0257, "d"},  {0x0259, "e"},
    {0x025b, "e"},  {0x0260, "g"},  {0x0268, "i"},  {0x026b, "l"},  {0x0272, "n"},  {0x0275, "o"},
    {0x0288, "t"},  {0x028b, "v"},  {0x1e9e, "SS"}, {0x2010, "-"},  {0x2011, "-"},  {0x2012, "-"},
    {0x2013, "-"},  {0x2014, "-"},  {0x2015, "-"},  {0x2018, "'"},  {0x2019, "'"},  {0x201a, "'"},
    {0x201b, "'"},  {0x201c, "\""}, {0x201d, "\""}, {0x201e, "\""}, {0x2212, "-"},  {0x2c65, "a"},
    {0x2c66, "t"},
};

static int compare_variants(const void *key, const void *item)
{
    uint32_t code = *(const uint32_t *)key, other = ((const struct variant *)item)->code;
    return (code > other) - (code < other);
}

/* The code point in ASCII, into `out`; 0 when it has no such form. */
static size_t to_ascii(uint32_t code, char *out, size_t out_max)
{
    const struct variant *variant = bsearch(&code, variants, sizeof(variants) / sizeof(variants[0]),
                                            sizeof(variants[0]), compare_variants);
    if (variant) {
        size_t size = strlen(variant->ascii);
        memcpy(out, variant->ascii, size);
        return size;
    }
    UChar parts[32]; /* the longest decomposition has 18 units */
    UErrorCode error = U_ZERO_ERROR;
    const UNormalizer2 *nfkc = unorm2_getNFKCInstance(&error);
    int32_t length = unorm2_getDecomposition(nfkc, (UChar32)code, parts, 32, &error);
    ASSERT(U_SUCCESS(error));
    size_t size = 0;
    for (int32_t i = 0; i < length;) {
        uint32_t part = chars_next16(parts, &i, length);
        if (part < 0x80 && size < out_max) {
            out[size++] = (char)part;
        } else if (!(U_GET_GC_MASK((UChar32)part) & U_GC_MN_MASK)) {
            return 0;
        }
    }
    return size;
}

static void append(struct buffer *out, const char *text, size_t size, bool lower)
{
    for (size_t i = 0; i < size; i++) {
        bool upper = text[i] >= 'A' && text[i] <= 'Z';
        buffer_append_byte(out, (uint8_t)(lower && upper ? text[i] | 0x20 : text[i]));
    }
}

struct slice fold_ascii(struct buffer *buffer, bool lower)
{
    enum { ASCII_MAX = 20 };
    char ascii[ASCII_MAX];
    bool after_ascii = false; /* what came out last is ASCII */
    size_t size = buffer->size;
    /* Nothing grows by more than a third, so the appends below do not move the text. */
    uint8_t *room = buffer_reserve(buffer, 2 * size + ASCII_MAX);
    ASSERT(room);
    const uint8_t *at = buffer->data, *end = at + size;
    while (at < end) {
        size_t run = chars_ascii_prefix(at, end);
        if (run > 0) {
            buffer_append(buffer, at, run);
            at += run;
            after_ascii = true;
            continue;
        }
        uint32_t code = chars_next(&at, end);
        if (after_ascii && char_info(code).combining_class != 0) {
            continue;
        }
        size_t ascii_size = to_ascii(code, ascii, ASCII_MAX);
        if (ascii_size > 0) {
            append(buffer, ascii, ascii_size, lower);
        } else {
            chars_append(buffer, code);
        }
        after_ascii = ascii_size > 0;
    }
    ASSERT(buffer->data + size == end);
    return slice_of(buffer->data + size, buffer->size - size);
}
