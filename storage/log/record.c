/* Encodes and checks segment headers and records; record.h describes the bytes. A decoder believes
 * nothing before the checksum: the claimed length is only compared with what is there. */
#include "storage/log/record.h"

#include "storage/base/assert.h"
#include "storage/base/checksum.h"
#include "storage/base/reader.h"

static const char MAGIC[8] = {'S', 'A', 'G', 'I', 'T', 'L', 'O', 'G'};
enum { SEGMENT_SUMMED = 32, RECORD_SUMMED = 24 };

static void put_u32(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

static void put_u64(uint8_t *at, uint64_t value)
{
    put_u32(at, (uint32_t)value);
    put_u32(at + 4, (uint32_t)(value >> 32));
}

void segment_header_encode(uint8_t out[SEGMENT_HEADER_SIZE], uint64_t first_index, uint64_t salt)
{
    memcpy(out, MAGIC, sizeof(MAGIC));
    put_u32(out + 8, LOG_FORMAT_VERSION);
    put_u32(out + 12, 0);
    put_u64(out + 16, first_index);
    put_u64(out + 24, salt);
    put_u64(out + 32, checksum64(slice_of(out, SEGMENT_SUMMED)));
}

const char *segment_header_decode(struct slice bytes, uint64_t *first_index, uint64_t *salt)
{
    if (bytes.size < SEGMENT_HEADER_SIZE)
        return "the segment header is cut short";
    struct reader reader;
    reader_init(&reader, slice_of(bytes.data, SEGMENT_HEADER_SIZE));
    struct slice magic = reader_bytes(&reader, sizeof(MAGIC));
    uint32_t version = reader_u32(&reader);
    uint32_t reserved = reader_u32(&reader);
    uint64_t first = reader_u64(&reader);
    uint64_t salt_read = reader_u64(&reader);
    uint64_t checksum = reader_u64(&reader);
    if (!slice_equal(magic, slice_of(MAGIC, sizeof(MAGIC))))
        return "the file does not begin as a log segment does";
    if (checksum != checksum64(slice_of(bytes.data, SEGMENT_SUMMED)))
        return "the segment header's checksum does not match";
    if (version > LOG_FORMAT_VERSION)
        return "the segment was written by a newer version of this server";
    if (version != LOG_FORMAT_VERSION || reserved != 0 || first == 0)
        return "the segment header has a value that is never written";
    *first_index = first;
    *salt = salt_read;
    return NULL;
}

static uint64_t record_checksum(const uint8_t *header, struct slice payload, uint64_t salt)
{
    return checksum64_seeded(payload, checksum64_seeded(slice_of(header, RECORD_SUMMED), salt));
}

void record_header_encode(uint8_t out[RECORD_HEADER_SIZE], const struct record *record,
                          uint64_t salt)
{
    ASSERT(record->payload.size > 0 && record->payload.size <= UINT32_MAX);
    put_u32(out, (uint32_t)record->payload.size);
    put_u32(out + 4, 0);
    put_u64(out + 8, record->term);
    put_u64(out + 16, record->index);
    put_u64(out + 24, record_checksum(out, record->payload, salt));
}

uint32_t record_length(const uint8_t header[RECORD_HEADER_SIZE])
{
    struct reader reader;
    reader_init(&reader, slice_of(header, RECORD_HEADER_SIZE));
    return reader_u32(&reader);
}

uint64_t record_index(const uint8_t header[RECORD_HEADER_SIZE])
{
    struct reader reader;
    reader_init(&reader, slice_of(header + 16, 8));
    return reader_u64(&reader);
}

const char *record_decode(struct slice bytes, uint64_t salt, struct record *out)
{
    if (bytes.size < RECORD_HEADER_SIZE)
        return "the record header is cut short";
    struct reader reader;
    reader_init(&reader, bytes);
    uint32_t length = reader_u32(&reader);
    uint32_t flags = reader_u32(&reader);
    struct record record;
    record.term = reader_u64(&reader);
    record.index = reader_u64(&reader);
    uint64_t checksum = reader_u64(&reader);
    if (length == 0 || length > reader_left(&reader))
        return length == 0 ? "the record has no length"
                           : "the record runs past the end of the file";
    record.payload = reader_bytes(&reader, length);
    if (checksum != record_checksum(bytes.data, record.payload, salt))
        return "the record's checksum does not match";
    if (flags != 0 || record.index == 0)
        return "the record has a value that is never written";
    *out = record;
    return NULL;
}
