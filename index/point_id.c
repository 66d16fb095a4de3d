/* Point ids: order, hash, text and key forms.
 *
 * Everything here is a pure function of its arguments: no state, no allocation, usable from any
 * thread. Text comes from clients, so the parsers refuse what they do not know; keys come from our
 * own store, and decode refuses wrong sizes. */
#include "index/point_id.h"

#include <stdio.h>

enum {
    UUID_SIMPLE_CHARS = 32,
    UUID_HYPHENATED_CHARS = 36,
    NUMBER_CHARS_MAX = 20, /* longer digit runs are UUIDs in simple form, never numbers */
    KEY_NUMBER_BYTES = 9,
};
enum { TAG_NUMBER = 0, TAG_UUID = 1 };

int point_id_compare(struct point_id a, struct point_id b)
{
    if (a.is_uuid != b.is_uuid)
        return a.is_uuid ? 1 : -1;
    if (a.high != b.high)
        return a.high > b.high ? 1 : -1;
    return (a.low > b.low) - (a.low < b.low);
}

/* Murmur3's 64-bit finaliser with the constants of Stafford's variant 13: every input bit reaches
 * every output bit. */
static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

uint64_t point_id_hash(struct point_id id)
{
    return mix(mix(id.low + UINT64_C(0x9e3779b97f4a7c15)) ^ (id.high + (id.is_uuid ? 1 : 0)));
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* 32 digits, with hyphens at the four places of the standard form when `hyphens`. */
static bool parse_digits(struct slice text, bool hyphens, struct point_id *out)
{
    uint64_t half[2] = {0, 0};
    unsigned digits_count = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (hyphens && (i == 8 || i == 13 || i == 18 || i == 23)) {
            if (text.data[i] != '-')
                return false;
            continue;
        }
        int digit = hex_digit(text.data[i]);
        if (digit < 0)
            return false;
        half[digits_count / 16] = (half[digits_count / 16] << 4) | (uint64_t)digit;
        digits_count++;
    }
    *out = (struct point_id){.high = half[0], .low = half[1], .is_uuid = true};
    return true;
}

static bool has_urn_prefix(struct slice text)
{
    static const char prefix[] = "urn:uuid:";
    if (text.size < sizeof(prefix) - 1)
        return false;
    for (size_t i = 0; i < sizeof(prefix) - 1; i++) {
        uint8_t c = text.data[i];
        if (c >= 'A' && c <= 'Z')
            c = (uint8_t)(c + ('a' - 'A'));
        if (c != (uint8_t)prefix[i])
            return false;
    }
    return true;
}

bool point_id_parse_uuid(struct slice text, struct point_id *out)
{
    if (text.size == UUID_SIMPLE_CHARS)
        return parse_digits(text, false, out);
    if (text.size == UUID_HYPHENATED_CHARS + 2 && text.data[0] == '{' &&
        text.data[text.size - 1] == '}')
        text = slice_of(text.data + 1, text.size - 2);
    else if (text.size == UUID_HYPHENATED_CHARS + 9 && has_urn_prefix(text))
        text = slice_of(text.data + 9, text.size - 9);
    return text.size == UUID_HYPHENATED_CHARS && parse_digits(text, true, out);
}

bool point_id_parse(struct slice text, struct point_id *out)
{
    uint64_t number = 0;
    size_t i = 0;
    if (text.size > NUMBER_CHARS_MAX)
        return point_id_parse_uuid(text, out);
    for (; i < text.size && text.data[i] >= '0' && text.data[i] <= '9'; i++) {
        if (__builtin_mul_overflow(number, UINT64_C(10), &number) ||
            __builtin_add_overflow(number, (uint64_t)(text.data[i] - '0'), &number))
            return false;
    }
    if (i == 0 || i != text.size)
        return false;
    *out = point_id_number(number);
    return true;
}

void point_id_format(struct point_id id, char out[POINT_ID_TEXT_BYTES])
{
    if (!id.is_uuid) {
        snprintf(out, POINT_ID_TEXT_BYTES, "%llu", (unsigned long long)id.low);
        return;
    }
    snprintf(out, POINT_ID_TEXT_BYTES, "%08llx-%04llx-%04llx-%04llx-%012llx",
             (unsigned long long)(id.high >> 32), (unsigned long long)(id.high >> 16 & 0xffff),
             (unsigned long long)(id.high & 0xffff), (unsigned long long)(id.low >> 48),
             (unsigned long long)(id.low & UINT64_C(0xffffffffffff)));
}

static void put_big_endian(uint8_t *out, uint64_t value)
{
    for (unsigned i = 0; i < 8; i++)
        out[i] = (uint8_t)(value >> (56 - 8 * i));
}

static uint64_t get_big_endian(const uint8_t *in)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < 8; i++)
        value = value << 8 | in[i];
    return value;
}

size_t point_id_encode(struct point_id id, uint8_t out[POINT_ID_KEY_BYTES])
{
    memset(out, 0, POINT_ID_KEY_BYTES);
    out[0] = id.is_uuid ? TAG_UUID : TAG_NUMBER;
    if (!id.is_uuid) {
        put_big_endian(out + 1, id.low);
        return KEY_NUMBER_BYTES;
    }
    put_big_endian(out + 1, id.high);
    put_big_endian(out + 9, id.low);
    return POINT_ID_KEY_BYTES;
}

bool point_id_decode(struct slice key, struct point_id *out)
{
    if (key.size == KEY_NUMBER_BYTES && key.data[0] == TAG_NUMBER) {
        *out = point_id_number(get_big_endian(key.data + 1));
        return true;
    }
    if (key.size == POINT_ID_KEY_BYTES && key.data[0] == TAG_UUID) {
        *out = (struct point_id){.high = get_big_endian(key.data + 1),
                                 .low = get_big_endian(key.data + 9),
                                 .is_uuid = true};
        return true;
    }
    return false;
}
