/* A growable run of bytes on the heap. Appends never fail for memory (see mem.h); `bytes_max`
 * bounds what comes from input: past it `failed` is set, further appends do nothing, and the owner
 * checks the flag once at the end. */
#pragma once
#include "storage/base/slice.h"
#include "storage/base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buffer {
    uint8_t *data;
    size_t size;
    size_t capacity;
    size_t bytes_max; /* 0: no limit */
    bool failed;
};

void buffer_init(struct buffer *buffer, size_t bytes_max);
void buffer_deinit(struct buffer *buffer);
void buffer_clear(struct buffer *buffer); /* keeps the memory */
void buffer_append(struct buffer *buffer, const void *data, size_t size);
void buffer_append_slice(struct buffer *buffer, struct slice slice);
void buffer_append_text(struct buffer *buffer, const char *text);
void buffer_append_byte(struct buffer *buffer, uint8_t byte);
void buffer_printf(struct buffer *buffer, const char *format, ...) PRINTF(2, 3);
/* Makes room for `size` more bytes and returns where they go (NULL when failed); buffer_commit says
 * how many were written. */
uint8_t *buffer_reserve(struct buffer *buffer, size_t size);
void buffer_commit(struct buffer *buffer, size_t size);
struct slice buffer_slice(const struct buffer *buffer);
/* Hands the memory over: the caller mem_free()s it; the buffer is as new. */
uint8_t *buffer_take(struct buffer *buffer, size_t *size);
/* Little-endian integers, for file formats. */
void buffer_append_u32(struct buffer *buffer, uint32_t value);
void buffer_append_u64(struct buffer *buffer, uint64_t value);
