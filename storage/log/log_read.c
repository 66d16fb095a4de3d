/* Reading the log while it is written: from the first record wanted up to what was durable when the
 * read began, so bytes that are just being written are never looked at. Any thread, many at once.
 * Failures: CORRUPT for damage, the file system's, NOT_FOUND for records that were truncated away.
 */
#include "storage/base/assert.h"
#include "storage/log/log_int.h"

#include <inttypes.h>

struct reading {
    struct log *log;
    uint64_t first, last; /* wanted */
    bool (*each)(void *ctx, uint64_t index, uint64_t term, struct slice record);
    void *ctx;
    bool stopped;
};

/* Opens the segment that holds `index`, under the lock: a file that is open can be removed and
 * still be read. */
static enum status open_holding(struct log *log, uint64_t index, struct segment_reader *reader,
                                struct error *err)
{
    pthread_mutex_lock(&log->segments_lock);
    size_t at = log->segment_count;
    while (at > 0 && log->segments[at - 1].first_index > index)
        at--;
    enum status status;
    if (at == 0)
        status = error_set(err, STATUS_NOT_FOUND,
                           "log record %" PRIu64 " is gone; the oldest is %" PRIu64, index,
                           log->segments[0].first_index);
    else
        status =
            segment_reader_open(reader, log->fs, log->path, log->segments[at - 1].first_index, err);
    pthread_mutex_unlock(&log->segments_lock);
    return status;
}

/* Calls each for the wanted records of one segment; `*index` is the next one wanted after it. */
static enum status read_segment(struct reading *reading, struct segment_reader *reader,
                                uint64_t *index, struct error *err)
{
    const uint64_t begin = *index;
    for (uint64_t at = reader->first_index; at <= reading->last && !reading->stopped; at++) {
        struct record record;
        enum status status = segment_reader_next(reader, at, &record, err);
        if (status == STATUS_NOT_FOUND && *index > begin)
            return STATUS_OK; /* the next segment goes on */
        if (status == STATUS_NOT_FOUND)
            return error_set(err, STATUS_CORRUPT, "the segment ends before index %" PRIu64, *index);
        if (status)
            return status;
        segment_reader_skip(reader, &record);
        if (at < reading->first)
            continue;
        *index = at + 1;
        reading->stopped = !reading->each(reading->ctx, at, record.term, record.payload);
    }
    return STATUS_OK;
}

enum status log_read(struct log *log, uint64_t first,
                     bool (*each)(void *ctx, uint64_t index, uint64_t term, struct slice record),
                     void *ctx, struct error *err)
{
    struct reading reading = {.log = log, .first = first, .each = each, .ctx = ctx};
    reading.last = log_last_index(log);
    uint64_t index = first;
    while (index <= reading.last && !reading.stopped) {
        struct segment_reader reader;
        enum status status = open_holding(log, index, &reader, err);
        if (status && status != STATUS_CORRUPT)
            return status;
        if (!status)
            status = read_segment(&reading, &reader, &index, err);
        if (status == STATUS_CORRUPT)
            status = error_wrap(err, "%s: damaged at offset %" PRIu64, reader.path, reader.offset);
        segment_reader_close(&reader);
        if (status)
            return status;
    }
    return STATUS_OK;
}
