/* JSON text, written as it is produced.
 *
 * The story of a value: a comma when one is due, then its text. Strings are escaped as little as
 * JSON allows: the quote, the backslash and control characters; everything else is copied in runs.
 * Lists of floats take one reservation for a block of numbers. No state but the writer's; nothing
 * fails but the buffer, which remembers it. */
#include "server/rest/json_writer.h"

#include "server/rest/json_shim.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

enum { FLOAT_BLOCK = 64, INTEGER_TEXT_MAX = 24 };

void json_writer_init(struct json_writer *writer, struct buffer *out)
{
    writer->out = out;
    writer->comma = false;
}

static void before_value(struct json_writer *writer)
{
    if (writer->comma)
        buffer_append_byte(writer->out, ',');
    writer->comma = true;
}

static void begin(struct json_writer *writer, char bracket)
{
    before_value(writer);
    buffer_append_byte(writer->out, (uint8_t)bracket);
    writer->comma = false;
}

static void end(struct json_writer *writer, char bracket)
{
    buffer_append_byte(writer->out, (uint8_t)bracket);
    writer->comma = true;
}

void json_begin_object(struct json_writer *writer)
{
    begin(writer, '{');
}

void json_end_object(struct json_writer *writer)
{
    end(writer, '}');
}

void json_begin_list(struct json_writer *writer)
{
    begin(writer, '[');
}

void json_end_list(struct json_writer *writer)
{
    end(writer, ']');
}

static void append_escaped(struct buffer *out, uint8_t byte)
{
    static const char short_forms[] = "btn?fr"; /* from 8 to 13 */
    uint8_t text[6] = {'\\', byte};
    if (byte >= 8 && byte <= 13 && byte != 11) {
        text[1] = (uint8_t)short_forms[byte - 8];
        buffer_append(out, text, 2);
    } else if (byte >= 0x20) {
        buffer_append(out, text, 2);
    } else {
        static const char digits[] = "0123456789abcdef";
        memcpy(text + 1, "u00", 3);
        text[4] = (uint8_t)digits[byte >> 4];
        text[5] = (uint8_t)digits[byte & 15];
        buffer_append(out, text, 6);
    }
}

static void append_string(struct buffer *out, struct slice text)
{
    buffer_append_byte(out, '"');
    size_t start = 0;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = text.data[i];
        if (byte >= 0x20 && byte != '"' && byte != '\\')
            continue;
        buffer_append(out, text.data + start, i - start);
        append_escaped(out, byte);
        start = i + 1;
    }
    if (start < text.size)
        buffer_append(out, text.data + start, text.size - start);
    buffer_append_byte(out, '"');
}

void json_key_slice(struct json_writer *writer, struct slice key)
{
    before_value(writer);
    append_string(writer->out, key);
    buffer_append_byte(writer->out, ':');
    writer->comma = false;
}

void json_key(struct json_writer *writer, const char *key)
{
    json_key_slice(writer, slice_text(key));
}

void json_slice(struct json_writer *writer, struct slice text)
{
    before_value(writer);
    append_string(writer->out, text);
}

void json_text(struct json_writer *writer, const char *text)
{
    json_slice(writer, slice_text(text));
}

void json_raw(struct json_writer *writer, struct slice text)
{
    before_value(writer);
    buffer_append_slice(writer->out, text);
}

static void raw_text(struct json_writer *writer, const char *text, size_t size)
{
    json_raw(writer, slice_of(text, size));
}

void json_unsigned(struct json_writer *writer, uint64_t number)
{
    char text[INTEGER_TEXT_MAX];
    raw_text(writer, text, (size_t)snprintf(text, sizeof(text), "%" PRIu64, number));
}

void json_signed(struct json_writer *writer, int64_t number)
{
    char text[INTEGER_TEXT_MAX];
    raw_text(writer, text, (size_t)snprintf(text, sizeof(text), "%" PRId64, number));
}

void json_bool(struct json_writer *writer, bool value)
{
    raw_text(writer, value ? "true" : "false", value ? 4 : 5);
}

void json_null(struct json_writer *writer)
{
    raw_text(writer, "null", 4);
}

void json_float(struct json_writer *writer, float number)
{
    char text[DOM_NUMBER_TEXT_MAX];
    if (!isfinite(number))
        json_null(writer);
    else
        raw_text(writer, text, dom_float_text(number, text));
}

void json_double(struct json_writer *writer, double number)
{
    char text[DOM_NUMBER_TEXT_MAX];
    if (!isfinite(number))
        json_null(writer);
    else
        raw_text(writer, text, dom_double_text(number, text));
}

/* Writes up to FLOAT_BLOCK finite numbers, each after a comma but the very first. */
static void append_block(struct buffer *out, const float *numbers, size_t count, bool comma)
{
    char *start = (char *)buffer_reserve(out, count * (DOM_NUMBER_TEXT_MAX + 1));
    if (!start)
        return;
    char *at = start;
    for (size_t i = 0; i < count; i++) {
        if (comma)
            *at++ = ',';
        comma = true;
        if (isfinite(numbers[i])) {
            at += dom_float_text(numbers[i], at);
        } else {
            memcpy(at, "null", 4);
            at += 4;
        }
    }
    buffer_commit(out, (size_t)(at - start));
}

void json_floats(struct json_writer *writer, const float *numbers, size_t count)
{
    json_begin_list(writer);
    for (size_t i = 0; i < count; i += FLOAT_BLOCK) {
        size_t left = count - i;
        append_block(writer->out, numbers + i, left < FLOAT_BLOCK ? left : FLOAT_BLOCK, i > 0);
    }
    json_end_list(writer);
}
