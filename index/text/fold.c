/* NFC and full case folding of UTF-8, fast where nothing happens.
 *
 * ASCII is copied in runs. A code point that is the same under NFC whatever stands around it is
 * folded by table. The rest goes by segments: from the last starter to the next code point that is
 * a starter on its own, at most SEGMENT_MAX of them, which ICU normalises, folds, and normalises
 * again (folding can undo NFC: U+03AA U+0301 becomes U+03CA U+0301, which is U+0390). Marks in
 * canonical order after a base that folding leaves alone, as in Thai and Hindi, need no segment.
 * SEGMENT_MAX bounds the work for heaps of marks, which canonical ordering sorts; it is beyond what
 * UAX 15 allows in its Stream-Safe Text Format, and such a text still matches itself.
 *
 * No state but the caller's buffer; any thread. ICU's calls work on stack buffers that are large
 * enough for the largest growth, so they cannot fail. */
#include "index/text/fold.h"

#include "index/text/chars.h"
#include "storage/base/assert.h"

#include <unicode/unorm2.h>
#include <unicode/ustring.h>
#include <unicode/utf16.h>

enum {
    SEGMENT_MAX = 32,                 /* code points */
    UNITS_MAX = SEGMENT_MAX * 2 * 27, /* NFC, folding and NFC again grow at most threefold each */
};

struct folding {
    const uint8_t *at, *end;
    const uint8_t *segment;  /* where the segment at hand begins in the input ... */
    size_t segment_out;      /* ... and in the output */
    uint8_t combining_class; /* of the last code point */
    bool base_changed;       /* folding changed the last starter */
    unsigned flags;
    struct buffer *out;
};

static void begin_segment(struct folding *folding, const uint8_t *at)
{
    folding->segment = at;
    folding->segment_out = folding->out->size;
    folding->combining_class = 0;
    folding->base_changed = false;
}

/* ASCII in lower case, eight bytes at a time: adding to a byte below 128 carries into its top bit
 * from `A` and from beyond `Z` on, and nowhere else. */
static void lower_ascii(const uint8_t *in, size_t size, uint8_t *out)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t from_a = (0x80 - 'A') * ones, from_beyond_z = (0x80 - 'Z' - 1) * ones;
    uint64_t eight;
    size_t i = 0;
    for (; i + sizeof(eight) <= size; i += sizeof(eight)) {
        memcpy(&eight, in + i, sizeof(eight));
        uint64_t is_upper = ((eight + from_a) ^ (eight + from_beyond_z)) & 0x80 * ones;
        eight |= is_upper >> 2;
        memcpy(out + i, &eight, sizeof(eight));
    }
    for (; i < size; i++) {
        out[i] = (uint8_t)(in[i] | ((uint8_t)(in[i] - 'A') < 26 ? 0x20 : 0));
    }
}

static void append_ascii(struct folding *folding, size_t size)
{
    uint8_t *out = buffer_reserve(folding->out, size);
    ASSERT(out); /* the buffer has no limit */
    const uint8_t *in = folding->at;
    if (folding->flags & FOLD_CASE) {
        lower_ascii(in, size, out);
    } else {
        memcpy(out, in, size);
    }
    buffer_commit(folding->out, size - 1);
    begin_segment(folding, in + size - 1);
    folding->base_changed = out[size - 1] != in[size - 1];
    buffer_commit(folding->out, 1);
    folding->at += size;
}

/* In place; returns the new length. */
static int32_t drop_hidden(UChar *text, int32_t length)
{
    int32_t kept = 0;
    for (int32_t i = 0; i < length;) {
        uint32_t code = chars_next16(text, &i, length);
        if (!(char_info(code).flags & CHAR_HIDDEN)) {
            U16_APPEND_UNSAFE(text, kept, code);
        }
    }
    return kept;
}

/* The segment's code points, as UTF-16; moves past them. */
static int32_t take_segment(struct folding *folding, UChar *out)
{
    int32_t length = 0;
    folding->at = folding->segment;
    for (size_t i = 0; i < SEGMENT_MAX && folding->at < folding->end; i++) {
        const uint8_t *next = folding->at;
        uint32_t code = chars_next(&next, folding->end);
        struct char_info info = char_info(code);
        bool starts = info.combining_class == 0 && !(info.flags & CHAR_SEAM);
        if (i > 0 && starts) {
            break;
        }
        U16_APPEND_UNSAFE(out, length, code);
        folding->at = next;
    }
    return length;
}

static void fold_segment(struct folding *folding)
{
    UChar a[UNITS_MAX], b[UNITS_MAX];
    UErrorCode error = U_ZERO_ERROR;
    const UNormalizer2 *nfc = unorm2_getNFCInstance(&error);
    int32_t length = take_segment(folding, a);
    length = unorm2_normalize(nfc, a, length, b, UNITS_MAX, &error);
    int32_t kept = drop_hidden(b, length);
    if (folding->flags & FOLD_CASE) {
        kept = u_strFoldCase(a, UNITS_MAX, b, kept, U_FOLD_CASE_DEFAULT, &error);
        kept = unorm2_normalize(nfc, a, kept, b, UNITS_MAX, &error);
    } else if (kept != length) {
        u_memcpy(a, b, kept);
        kept = unorm2_normalize(nfc, a, kept, b, UNITS_MAX, &error);
    }
    ASSERT(U_SUCCESS(error));
    folding->out->size = folding->segment_out;
    for (int32_t i = 0; i < kept;) {
        chars_append(folding->out, chars_next16(b, &i, kept));
    }
    begin_segment(folding, folding->at);
}

static void fold_one(struct folding *folding)
{
    const uint8_t *next = folding->at;
    uint32_t code = chars_next(&next, folding->end);
    struct char_info info = char_info(code);
    uint32_t folded = folding->flags & FOLD_CASE ? info.fold : code;
    if (info.flags & CHAR_SEAM) {
        fold_segment(folding);
        return;
    }
    if (info.combining_class == 0) {
        begin_segment(folding, folding->at);
        folding->base_changed = folded != code;
    } else if (folding->base_changed || info.combining_class < folding->combining_class) {
        fold_segment(folding);
        return;
    }
    folding->combining_class = info.combining_class;
    chars_append(folding->out, folded);
    folding->at = next;
}

struct slice text_fold(struct slice text, unsigned flags, struct buffer *scratch)
{
    ASSERT(scratch->bytes_max == 0);
    buffer_clear(scratch);
    struct folding folding = {
        .at = text.data, .end = text.data + text.size, .flags = flags, .out = scratch};
    if (text.size == 0) {
        return text;
    }
    size_t ascii = chars_ascii_prefix(folding.at, folding.end);
    if (ascii == text.size && !(flags & FOLD_CASE)) {
        return text;
    }
    buffer_reserve(scratch, text.size + text.size / 2);
    begin_segment(&folding, folding.at);
    while (folding.at < folding.end) {
        ascii = chars_ascii_prefix(folding.at, folding.end);
        if (ascii > 0) {
            append_ascii(&folding, ascii);
        } else {
            fold_one(&folding);
        }
    }
    struct slice folded = buffer_slice(scratch);
    bool all_ascii = chars_ascii_prefix(folded.data, folded.data + folded.size) == folded.size;
    return all_ascii || !(flags & FOLD_ASCII) ? folded
                                              : fold_ascii(scratch, (flags & FOLD_CASE) != 0);
}
