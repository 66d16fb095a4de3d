/* A growable run of bytes.
 *
 * Growth doubles the capacity from 256 bytes. With a limit, the memory comes through the trying
 * allocator: its failure counts as going past the limit. Without a limit, the caller vouches for
 * the size, and no memory ends the process. Integers are stored byte by byte, so the layout is the
 * same on every machine. One owner at a time. */
#include "storage/base/buffer.h"

#include "storage/base/assert.h"
#include "storage/base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { CAPACITY_MIN = 256 };

void buffer_init(struct buffer *buffer, size_t bytes_max)
{
    *buffer = (struct buffer){.bytes_max = bytes_max};
}

void buffer_deinit(struct buffer *buffer)
{
    mem_free(buffer->data);
    buffer_init(buffer, buffer->bytes_max);
}

void buffer_clear(struct buffer *buffer)
{
    buffer->size = 0;
    buffer->failed = false;
}

static bool grow(struct buffer *buffer, size_t needed)
{
    size_t capacity = buffer->capacity < CAPACITY_MIN ? CAPACITY_MIN : buffer->capacity;
    while (capacity < needed) {
        capacity = capacity > SIZE_MAX / 2 ? needed : capacity * 2;
    }
    if (buffer->bytes_max) {
        uint8_t *data = mem_try_realloc(buffer->data, capacity);
        if (!data) {
            return false;
        }
        buffer->data = data;
    } else {
        buffer->data = mem_realloc(buffer->data, capacity);
    }
    buffer->capacity = capacity;
    return true;
}

uint8_t *buffer_reserve(struct buffer *buffer, size_t size)
{
    size_t needed;
    bool over = __builtin_add_overflow(buffer->size, size, &needed) ||
                (buffer->bytes_max && needed > buffer->bytes_max);
    if (buffer->failed || over) {
        buffer->failed = true;
        return NULL;
    }
    if ((needed > buffer->capacity || !buffer->data) && !grow(buffer, needed)) {
        buffer->failed = true;
        return NULL;
    }
    return buffer->data + buffer->size;
}

void buffer_commit(struct buffer *buffer, size_t size)
{
    ASSERT(size <= buffer->capacity - buffer->size);
    buffer->size += size;
}

void buffer_append(struct buffer *buffer, const void *data, size_t size)
{
    if (!size) {
        return;
    }
    uint8_t *to = buffer_reserve(buffer, size);
    if (to) {
        memcpy(to, data, size);
        buffer->size += size;
    }
}

void buffer_append_slice(struct buffer *buffer, struct slice slice)
{
    buffer_append(buffer, slice.data, slice.size);
}

void buffer_append_text(struct buffer *buffer, const char *text)
{
    buffer_append(buffer, text, strlen(text));
}

void buffer_append_byte(struct buffer *buffer, uint8_t byte)
{
    uint8_t *to = buffer_reserve(buffer, 1);
    if (to) {
        *to = byte;
        buffer->size++;
    }
}

void buffer_printf(struct buffer *buffer, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    bool over = size < 0 || (buffer->bytes_max && (size_t)size > buffer->bytes_max - buffer->size);
    /* The end mark needs a byte that is not part of the text and does not count against the limit.
     */
    size_t needed = buffer->size + (size_t)(size < 0 ? 0 : size) + 1;
    if (buffer->failed || over || (needed > buffer->capacity && !grow(buffer, needed))) {
        buffer->failed = true;
    } else {
        char *to = (char *)buffer->data + buffer->size;
        (void)vsnprintf(to, (size_t)size + 1, format, again);
        buffer->size += (size_t)size;
    }
    va_end(again);
}

struct slice buffer_slice(const struct buffer *buffer)
{
    return slice_of(buffer->data, buffer->size);
}

uint8_t *buffer_take(struct buffer *buffer, size_t *size)
{
    uint8_t *data = buffer->data;
    *size = buffer->size;
    buffer_init(buffer, buffer->bytes_max);
    return data;
}

void buffer_append_u32(struct buffer *buffer, uint32_t value)
{
    uint8_t bytes[4];
    for (unsigned i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(value >> (8 * i));
    }
    buffer_append(buffer, bytes, sizeof(bytes));
}

void buffer_append_u64(struct buffer *buffer, uint64_t value)
{
    uint8_t bytes[8];
    for (unsigned i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(value >> (8 * i));
    }
    buffer_append(buffer, bytes, sizeof(bytes));
}
