/* The log thread: group commit.
 *
 * The thread takes everything that waits, writes it with one append, syncs once, and calls all
 * `done`s in order; meanwhile the next group gathers. So the cost of a sync is shared by all who
 * wait, and a lone append waits for nobody. A group ends early where a segment is full; then a new
 * segment is made.
 *
 * Failures: after a failed write or sync nobody knows what is on the disk, and trying the sync
 * again may lie. The log stops: everything waiting and everything later gets IO, and recovery at
 * the next start finds out what is there. */
#include "storage/base/assert.h"
#include "storage/base/clock.h"
#include "storage/base/logger.h"
#include "storage/log/log_int.h"

static struct log_append *take_all(struct log *log)
{
    pthread_mutex_lock(&log->queue_lock);
    while (!log->head && !log->closing)
        pthread_cond_wait(&log->queue_filled, &log->queue_lock);
    struct log_append *list = log->head;
    log->head = NULL;
    log->tail = &log->head;
    pthread_mutex_unlock(&log->queue_lock);
    return list;
}

static bool too_large(const struct log *log, const struct log_append *append)
{
    return append->record.size > log->record_bytes_max;
}

static enum status rotate(struct log *log, uint64_t first_index, struct error *err)
{
    struct file *file;
    uint64_t salt;
    enum status status = segment_create(log->fs, log->path, first_index, &file, &salt, err);
    if (status)
        return status;
    log->fs->close(log->file);
    log->file = file;
    log->salt = salt;
    log->file_bytes = SEGMENT_HEADER_SIZE;
    log_segments_add(log, (struct segment_info){first_index, SEGMENT_HEADER_SIZE});
    return STATUS_OK;
}

/* Encodes appends into log->gathered until the list ends or the segment is full; returns the first
 * that is not in. */
static struct log_append *gather(struct log *log, struct log_append *list, uint64_t *next_index)
{
    buffer_clear(&log->gathered);
    while (list && log->file_bytes + log->gathered.size < log->segment_bytes) {
        if (!too_large(log, list)) {
            list->index = (*next_index)++;
            struct record record = {list->index, list->term, list->record};
            uint8_t header[RECORD_HEADER_SIZE];
            record_header_encode(header, &record, log->salt);
            buffer_append(&log->gathered, header, sizeof(header));
            buffer_append_slice(&log->gathered, list->record);
        }
        list = list->next;
    }
    return list;
}

static enum status write_gathered(struct log *log, uint64_t count, struct error *err)
{
    size_t bytes = log->gathered.size;
    if (bytes == 0)
        return STATUS_OK;
    enum status status = log->fs->append(log->file, buffer_slice(&log->gathered), err);
    if (status)
        return status;
    uint64_t start = clock_monotonic_ns();
    status = log->fs->sync(log->file, err);
    uint64_t took = clock_monotonic_ns() - start;
    if (status)
        return status;
    log->file_bytes += bytes;
    pthread_mutex_lock(&log->segments_lock);
    log->segments[log->segment_count - 1].bytes = log->file_bytes;
    pthread_mutex_unlock(&log->segments_lock);
    pthread_mutex_lock(&log->queue_lock);
    log->stats.appends += count;
    log->stats.syncs++;
    log->stats.bytes += bytes;
    log->stats.sync_ns_sum += took;
    if (took > log->stats.sync_ns_max)
        log->stats.sync_ns_max = took;
    pthread_mutex_unlock(&log->queue_lock);
    return STATUS_OK;
}

static void answer(struct log *log, struct log_append *append)
{
    struct error err = {.code = STATUS_OK};
    if (too_large(log, append))
        error_set(&err, STATUS_TOO_LARGE, "a log record of %zu bytes is over the limit of %u bytes",
                  append->record.size, log->record_bytes_max);
    else if (log->failed)
        err = log->failure;
    append->done(append, err.code, err.code ? &err : NULL);
}

/* Calls done for list..end-1. The appends are their owners' again as soon as it is called. */
static void finish(struct log *log, struct log_append *list, const struct log_append *end)
{
    uint64_t bytes = 0;
    while (list != end) {
        struct log_append *next = list->next;
        bytes += list->record.size;
        answer(log, list);
        list = next;
    }
    pthread_mutex_lock(&log->queue_lock);
    ASSERT(log->queue_bytes >= bytes);
    log->queue_bytes -= bytes;
    pthread_cond_broadcast(&log->queue_drained);
    pthread_mutex_unlock(&log->queue_lock);
}

static void fail(struct log *log, const struct error *cause)
{
    atomic_store(&log->failed, true);
    error_set(&log->failure, STATUS_IO,
              "the write-ahead log stopped, the server must be restarted: %s", cause->message);
    log_error("storage/log", "%s", log->failure.message);
}

/* Writes the list in as many groups as segments are begun. */
static void write_list(struct log *log, struct log_append *list)
{
    while (list && !log->failed) {
        struct error err;
        const uint64_t last_index = atomic_load(&log->last_index);
        uint64_t next_index = last_index + 1;
        struct log_append *end = list;
        enum status status = STATUS_OK;
        if (log->file_bytes >= log->segment_bytes)
            status = rotate(log, next_index, &err);
        if (!status) {
            end = gather(log, list, &next_index);
            status = write_gathered(log, next_index - 1 - last_index, &err);
        }
        if (status) {
            fail(log, &err);
            break;
        }
        atomic_store(&log->last_index, next_index - 1);
        finish(log, list, end);
        list = end;
    }
    if (list)
        finish(log, list, NULL);
}

void *log_writer_run(void *arg)
{
    struct log *log = arg;
    for (;;) {
        struct log_append *list = take_all(log);
        if (!list)
            return NULL;
        write_list(log, list);
    }
}
