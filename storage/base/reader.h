/* Bounded reading of bytes in our own formats: every get checks the end; after the first miss
 * `failed` stays set and all gets return zeros, so a decoder checks once. */
#pragma once
#include "storage/base/slice.h"

struct reader {
    const uint8_t *at;
    const uint8_t *end;
    bool failed;
};
void reader_init(struct reader *reader, struct slice bytes);
uint8_t reader_u8(struct reader *reader);
uint32_t reader_u32(struct reader *reader); /* little-endian */
uint64_t reader_u64(struct reader *reader);
struct slice reader_bytes(struct reader *reader, size_t size); /* borrowed */
size_t reader_left(const struct reader *reader);
