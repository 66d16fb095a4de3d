/* Bounded reading of bytes in our own formats.
 *
 * A decoder reads all fields in order and asks `failed` once. After a miss the reader stands at its
 * end, so that nothing that follows can be read by accident. Integers are little-endian, put
 * together byte by byte: the bytes need no alignment. */
#include "storage/base/reader.h"

void reader_init(struct reader *reader, struct slice bytes)
{
    reader->at = bytes.data;
    reader->end = bytes.size ? bytes.data + bytes.size : bytes.data;
    reader->failed = false;
}

size_t reader_left(const struct reader *reader)
{
    return (size_t)(reader->end - reader->at);
}

struct slice reader_bytes(struct reader *reader, size_t size)
{
    if (reader->failed || size > reader_left(reader)) {
        reader->failed = true;
        reader->at = reader->end;
        return slice_of(NULL, 0);
    }
    struct slice out = slice_of(reader->at, size);
    reader->at = size ? reader->at + size : reader->at;
    return out;
}

static uint64_t read_integer(struct reader *reader, size_t size)
{
    struct slice bytes = reader_bytes(reader, size);
    uint64_t value = 0;
    for (size_t i = 0; i < bytes.size; i++) {
        value |= (uint64_t)bytes.data[i] << (8 * i);
    }
    return value;
}

uint8_t reader_u8(struct reader *reader)
{
    return (uint8_t)read_integer(reader, 1);
}

uint32_t reader_u32(struct reader *reader)
{
    return (uint32_t)read_integer(reader, 4);
}

uint64_t reader_u64(struct reader *reader)
{
    return read_integer(reader, 8);
}
