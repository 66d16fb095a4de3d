/* Streams JSON text into a buffer. Commas are the writer's affair; the caller keeps begin and end
 * in pairs. A buffer that reached its limit swallows the rest: the owner looks at buffer->failed
 * once at the end. */
#pragma once
#include "storage/base/buffer.h"

struct json_writer {
    struct buffer *out;
    bool comma; /* a value stands before the next one */
};
void json_writer_init(struct json_writer *writer, struct buffer *out);
void json_begin_object(struct json_writer *writer);
void json_end_object(struct json_writer *writer);
void json_begin_list(struct json_writer *writer);
void json_end_list(struct json_writer *writer);
void json_key(struct json_writer *writer, const char *key);
void json_key_slice(struct json_writer *writer, struct slice key);
void json_text(struct json_writer *writer, const char *text);
void json_slice(struct json_writer *writer, struct slice text); /* valid UTF-8 */
void json_unsigned(struct json_writer *writer, uint64_t number);
void json_signed(struct json_writer *writer, int64_t number);
void json_float(struct json_writer *writer, float number);   /* NaN and infinities: null */
void json_double(struct json_writer *writer, double number); /* likewise */
void json_bool(struct json_writer *writer, bool value);
void json_null(struct json_writer *writer);
void json_raw(struct json_writer *writer, struct slice text); /* the text of one JSON value */
void json_floats(struct json_writer *writer, const float *numbers, size_t count);
