/* Fuzz target: a log folder whose two segment files hold arbitrary bytes. Opening it must succeed
 * or say what is wrong; what it opens can be read whole, appended to by recovery's own rules, and
 * opened again with the same result; dropping the damaged tail always opens.
 *
 * The first two input bytes are the size of the first file, the next two choose how to repair the
 * input, so that the fuzzer gets past checksums: bit 0 and 1 write valid headers, bit 2 valid
 * records. */
#include "storage/base/assert.h"
#include "storage/base/logger.h"
#include "storage/log/log.h"
#include "storage/log/record.h"
#include "tests/lib/fault_fs.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SALT = 77, FIRST_INDEX = 5 };

static bool count_record(void *ctx, uint64_t index, uint64_t term, struct slice record)
{
    (void)term;
    uint64_t *next = ctx;
    ASSERT(index == *next && record.size > 0);
    (*next)++;
    return true;
}

/* Makes every record that the bytes claim valid, as far as they go. Returns the next index. */
static uint64_t repair_records(uint8_t *data, size_t size, uint64_t index)
{
    size_t at = SEGMENT_HEADER_SIZE;
    while (at <= size && size - at > RECORD_HEADER_SIZE) {
        uint32_t length = 1 + record_length(data + at) % 100;
        if (length > size - at - RECORD_HEADER_SIZE)
            break;
        struct record record = {index++, 1, slice_of(data + at + RECORD_HEADER_SIZE, length)};
        record_header_encode(data + at, &record, SALT);
        at += RECORD_HEADER_SIZE + length;
    }
    return index;
}

static void put(struct fault_fs *fault, uint64_t first_index, const uint8_t *data, size_t size)
{
    char path[64];
    snprintf(path, sizeof(path), "/wal/%020llu.log", (unsigned long long)first_index);
    fault_fs_put(fault, path, slice_of(data, size));
}

static enum status open_and_read(const struct log_options *options)
{
    struct log *log;
    struct error err;
    enum status status = log_open(options, &log, &err);
    if (status)
        return status;
    uint64_t next = log_first_index(log);
    status = log_read(log, next, count_record, &next, &err);
    ASSERT(status == STATUS_OK && next == log_last_index(log) + 1);
    log_close(log);
    return STATUS_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 4 || size > 60000)
        return 0;
    logger_init(LOG_OFF, LOG_FORMAT_TEXT);
    size_t split = (size_t)data[0] | (size_t)data[1] << 8;
    uint8_t how = data[2];
    data += 4;
    size -= 4;
    split = split < size ? split : size;
    uint8_t *copy = malloc(size + 1);
    ASSERT(copy);
    memcpy(copy, data, size);
    uint64_t next = FIRST_INDEX + 1;
    if ((how & 1) && split >= SEGMENT_HEADER_SIZE)
        segment_header_encode(copy, FIRST_INDEX, SALT);
    if (how & 4)
        next = repair_records(copy, split, FIRST_INDEX);
    if ((how & 2) && size - split >= SEGMENT_HEADER_SIZE)
        segment_header_encode(copy + split, next, SALT);

    struct fault_fs *fault = fault_fs_create(1);
    struct log_options options = {.fs = fault_fs_system(fault),
                                  .path = "/wal",
                                  .segment_bytes = 1 << 20,
                                  .record_bytes_max = 1 << 20,
                                  .queue_bytes_max = 1 << 20};
    struct error err;
    ASSERT(options.fs->make_dirs(options.fs, options.path, &err) == STATUS_OK);
    put(fault, FIRST_INDEX, copy, split);
    if (size > split && next > FIRST_INDEX)
        put(fault, next, copy + split, size - split);
    free(copy);

    enum status status = open_and_read(&options);
    ASSERT(status == STATUS_OK || status == STATUS_CORRUPT);
    ASSERT(open_and_read(&options) == status);
    options.drop_damaged_tail = true;
    ASSERT(open_and_read(&options) == STATUS_OK);
    options.drop_damaged_tail = false;
    ASSERT(open_and_read(&options) == STATUS_OK);
    fault_fs_destroy(fault);
    return 0;
}
