/* The log's on-disk format, version 1. All integers are little-endian, sizes in bytes follow the
 * colon.
 *
 * A log is a folder of segment files. A segment is named by the index of its first record, 20
 * decimal digits and ".log"; the segments' records follow each other without a gap. Other names in
 * the folder are not the log's; "*.damaged" is what an operator had cut off.
 *
 *   segment header, 40 bytes
 *      0  magic:8          "SAGITLOG"
 *      8  version:4        1
 *     12  reserved:4       0
 *     16  first index:8    as in the name
 *     24  salt:8           random
 *     32  checksum:8       XXH3 of bytes 0..31
 *
 *   records follow without padding, each 32 bytes and its payload
 *      0  length:4         of the payload, at least 1
 *      4  flags:4          0; anything else is refused
 *      8  term:8
 *     16  index:8          the previous record's plus one
 *     24  checksum:8       XXH3 of the payload, its seed: XXH3 of bytes 0..23, seed: the salt
 *     32  payload:length
 *
 * The checksum covers index and salt, so a record that belongs elsewhere (an older file's block, a
 * copy, bytes that a client made to look like a record) is refused. The header is synced before the
 * first record is written: a segment that is longer than its header and has no valid header is
 * damaged, a shorter one was being made when the power went.
 *
 * Pure functions; no threads. */
#pragma once
#include "storage/base/slice.h"

#include <stdint.h>

enum { SEGMENT_HEADER_SIZE = 40, RECORD_HEADER_SIZE = 32, LOG_FORMAT_VERSION = 1 };

struct record {
    uint64_t index;
    uint64_t term;
    struct slice payload; /* borrowed from the bytes that were decoded */
};

void segment_header_encode(uint8_t out[SEGMENT_HEADER_SIZE], uint64_t first_index, uint64_t salt);
/* NULL, or what is wrong. `bytes` may have any size. Outputs are touched only on success. */
const char *segment_header_decode(struct slice bytes, uint64_t *first_index, uint64_t *salt);

void record_header_encode(uint8_t out[RECORD_HEADER_SIZE], const struct record *record,
                          uint64_t salt);
/* The payload length that the header at `header` claims. */
uint32_t record_length(const uint8_t header[RECORD_HEADER_SIZE]);
uint64_t record_index(const uint8_t header[RECORD_HEADER_SIZE]);
/* NULL, or what is wrong with the record at the start of `bytes`, which may go on after it. */
const char *record_decode(struct slice bytes, uint64_t salt, struct record *out);
