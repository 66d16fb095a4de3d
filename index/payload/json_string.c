/* JSON strings as they are stored, with escapes, compared with plain UTF-8 without unescaping them
 * first.
 *
 * Nearly all strings have no backslash, so each function first tries plain memory operations and
 * only then takes the text apart byte by byte. A surrogate that stands alone reads as U+FFFD. Pure
 * functions; nothing fails. */
#include "index/payload/json_view.h"

/* Gives the unescaped bytes of a raw string one after the other. */
struct decoder {
    const uint8_t *at, *end;
    uint8_t pending[4];
    unsigned pending_count, pending_at;
};

static struct decoder decoder_of(struct slice raw)
{
    return (struct decoder){.at = raw.data, .end = raw.data + raw.size};
}

static bool has_escape(struct slice raw)
{
    return raw.size > 0 && memchr(raw.data, '\\', raw.size) != NULL;
}

static unsigned hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return ((c | 0x20u) - 'a' + 10u) & 15u;
}

/* Four hex digits at `at`, when they are there. */
static bool read_unit(const uint8_t *at, const uint8_t *end, unsigned *out)
{
    if (end - at < 4)
        return false;
    *out =
        hex_value(at[0]) << 12 | hex_value(at[1]) << 8 | hex_value(at[2]) << 4 | hex_value(at[3]);
    return true;
}

static void put_utf8(struct decoder *decoder, unsigned code)
{
    uint8_t *out = decoder->pending;
    decoder->pending_at = 0;
    if (code < 0x80) {
        out[0] = (uint8_t)code;
        decoder->pending_count = 1;
    } else if (code < 0x800) {
        out[0] = (uint8_t)(0xc0 | code >> 6);
        out[1] = (uint8_t)(0x80 | (code & 63));
        decoder->pending_count = 2;
    } else if (code < 0x10000) {
        out[0] = (uint8_t)(0xe0 | code >> 12);
        out[1] = (uint8_t)(0x80 | (code >> 6 & 63));
        out[2] = (uint8_t)(0x80 | (code & 63));
        decoder->pending_count = 3;
    } else {
        out[0] = (uint8_t)(0xf0 | code >> 18);
        out[1] = (uint8_t)(0x80 | (code >> 12 & 63));
        out[2] = (uint8_t)(0x80 | (code >> 6 & 63));
        out[3] = (uint8_t)(0x80 | (code & 63));
        decoder->pending_count = 4;
    }
}

/* `at` stands behind "\u". */
static void decode_unicode(struct decoder *decoder)
{
    enum { REPLACEMENT = 0xfffd };
    unsigned code = REPLACEMENT, low = 0;
    if (!read_unit(decoder->at, decoder->end, &code)) {
        decoder->at = decoder->end;
        put_utf8(decoder, REPLACEMENT);
        return;
    }
    decoder->at += 4;
    if (code >= 0xd800 && code < 0xdc00 && decoder->end - decoder->at >= 6 &&
        decoder->at[0] == '\\' && decoder->at[1] == 'u' &&
        read_unit(decoder->at + 2, decoder->end, &low) && low >= 0xdc00 && low < 0xe000) {
        decoder->at += 6;
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    } else if (code >= 0xd800 && code < 0xe000) {
        code = REPLACEMENT;
    }
    put_utf8(decoder, code);
}

static bool decoder_next(struct decoder *decoder, uint8_t *out)
{
    if (decoder->pending_at < decoder->pending_count) {
        *out = decoder->pending[decoder->pending_at++];
        return true;
    }
    if (decoder->at >= decoder->end)
        return false;
    uint8_t c = *decoder->at++;
    if (c != '\\' || decoder->at == decoder->end) {
        *out = c;
        return true;
    }
    c = *decoder->at++;
    switch (c) {
    case 'b':
        *out = '\b';
        return true;
    case 'f':
        *out = '\f';
        return true;
    case 'n':
        *out = '\n';
        return true;
    case 'r':
        *out = '\r';
        return true;
    case 't':
        *out = '\t';
        return true;
    case 'u':
        decode_unicode(decoder);
        *out = decoder->pending[decoder->pending_at++];
        return true;
    default: /* quote, backslash, slash */
        *out = c;
        return true;
    }
}

int json_string_compare(struct slice raw, struct slice unescaped)
{
    if (!has_escape(raw))
        return slice_compare(raw, unescaped);
    struct decoder decoder = decoder_of(raw);
    uint8_t byte;
    for (size_t i = 0; decoder_next(&decoder, &byte); i++) {
        if (i == unescaped.size)
            return 1;
        if (byte != unescaped.data[i])
            return byte > unescaped.data[i] ? 1 : -1;
        if (i + 1 == unescaped.size)
            return decoder_next(&decoder, &byte) ? 1 : 0;
    }
    return unescaped.size > 0 ? -1 : 0;
}

bool json_string_equal(struct slice raw, struct slice unescaped)
{
    /* Unescaping never makes a string longer. */
    return raw.size >= unescaped.size && json_string_compare(raw, unescaped) == 0;
}

bool json_string_has_prefix(struct slice raw, struct slice unescaped_prefix)
{
    if (!has_escape(raw))
        return slice_has_prefix(raw, unescaped_prefix);
    struct decoder decoder = decoder_of(raw);
    uint8_t byte;
    for (size_t i = 0; i < unescaped_prefix.size; i++) {
        if (!decoder_next(&decoder, &byte) || byte != unescaped_prefix.data[i])
            return false;
    }
    return true;
}

bool json_string_same(struct slice raw_a, struct slice raw_b)
{
    if (slice_equal(raw_a, raw_b))
        return true;
    if (!has_escape(raw_a) && !has_escape(raw_b))
        return false;
    struct decoder a = decoder_of(raw_a), b = decoder_of(raw_b);
    for (;;) {
        uint8_t byte_a, byte_b;
        bool more_a = decoder_next(&a, &byte_a);
        bool more_b = decoder_next(&b, &byte_b);
        if (!more_a || !more_b)
            return more_a == more_b;
        if (byte_a != byte_b)
            return false;
    }
}

size_t json_string_unescape(struct slice raw, uint8_t *out)
{
    if (!has_escape(raw)) {
        if (raw.size > 0)
            memcpy(out, raw.data, raw.size);
        return raw.size;
    }
    struct decoder decoder = decoder_of(raw);
    size_t size = 0;
    uint8_t byte;
    while (decoder_next(&decoder, &byte))
        out[size++] = byte;
    return size;
}
