/* The log as its users see it: opening, appending to the waiting list, truncation, numbers.
 * Recovery is in recover.c, the thread that writes in writer.c, reading in log_read.c. */
#include "storage/log/log.h"

#include "storage/base/assert.h"
#include "storage/base/mem.h"
#include "storage/log/log_int.h"
#include "storage/log/recover.h"

/* Syncs the folder that holds `path`: the log folder's own name must outlive a crash. */
static enum status sync_parent(const struct file_system *fs, const char *path, struct error *err)
{
    char *parent = mem_strdup(path);
    size_t size = strlen(parent);
    while (size > 1 && parent[size - 1] == '/')
        size--;
    while (size > 0 && parent[size - 1] != '/')
        size--;
    while (size > 1 && parent[size - 1] == '/')
        size--;
    parent[size] = '\0';
    enum status status = fs->sync_dir(fs, size ? parent : ".", err);
    mem_free(parent);
    return status;
}

void log_segments_add(struct log *log, struct segment_info info)
{
    pthread_mutex_lock(&log->segments_lock);
    if (log->segment_count == log->segment_capacity) {
        log->segment_capacity = log->segment_capacity ? log->segment_capacity * 2 : 16;
        log->segments = mem_realloc(log->segments, log->segment_capacity * sizeof(*log->segments));
    }
    log->segments[log->segment_count++] = info;
    pthread_mutex_unlock(&log->segments_lock);
}

/* Opens the newest segment for appending, or makes the first one. What recovery found may still be
 * in the cache of a system that outlived the process that wrote it: it is synced before it counts
 * as durable. */
static enum status open_newest(struct log *log, uint64_t next_index, struct error *err)
{
    if (log->segment_count == 0) {
        enum status status = sync_parent(log->fs, log->path, err);
        if (!status)
            status = segment_create(log->fs, log->path, next_index, &log->file, &log->salt, err);
        if (status)
            return status;
        log->file_bytes = SEGMENT_HEADER_SIZE;
        log_segments_add(log, (struct segment_info){next_index, SEGMENT_HEADER_SIZE});
        return STATUS_OK;
    }
    const struct segment_info *newest = &log->segments[log->segment_count - 1];
    struct segment_reader reader;
    enum status status = segment_reader_open(&reader, log->fs, log->path, newest->first_index, err);
    if (status == STATUS_CORRUPT)
        segment_reader_close(&reader);
    if (status)
        return status;
    log->salt = reader.salt;
    log->file_bytes = newest->bytes;
    status = log->fs->open(log->fs, reader.path, FILE_APPEND, &log->file, err);
    segment_reader_close(&reader);
    if (!status)
        status = log->fs->sync(log->file, err);
    if (!status)
        status = log->fs->sync_dir(log->fs, log->path, err);
    return status;
}

static void log_free(struct log *log)
{
    if (log->file)
        log->fs->close(log->file);
    buffer_deinit(&log->gathered);
    pthread_cond_destroy(&log->queue_filled);
    pthread_cond_destroy(&log->queue_drained);
    pthread_mutex_destroy(&log->queue_lock);
    pthread_mutex_destroy(&log->segments_lock);
    mem_free(log->segments);
    mem_free(log->path);
    mem_free(log);
}

enum status log_open(const struct log_options *options, struct log **out, struct error *err)
{
    const struct file_system *fs = options->fs;
    enum status status = fs->make_dirs(fs, options->path, err);
    if (status)
        return status;
    struct recovered found;
    status = log_recover(options, &found, err);
    if (status)
        return status;
    struct log *log = mem_zalloc(sizeof(*log));
    log->fs = fs;
    log->path = mem_strdup(options->path);
    log->segment_bytes = options->segment_bytes > SEGMENT_HEADER_SIZE ? options->segment_bytes
                                                                      : SEGMENT_HEADER_SIZE + 1;
    log->queue_bytes_max = options->queue_bytes_max;
    log->record_bytes_max = options->record_bytes_max;
    log->segments = found.segments;
    log->segment_count = log->segment_capacity = found.count;
    log->tail = &log->head;
    atomic_init(&log->last_index, found.next_index - 1);
    buffer_init(&log->gathered, 0);
    pthread_mutex_init(&log->queue_lock, NULL);
    pthread_mutex_init(&log->segments_lock, NULL);
    pthread_cond_init(&log->queue_filled, NULL);
    pthread_cond_init(&log->queue_drained, NULL);
    status = open_newest(log, found.next_index, err);
    if (status)
        goto fail;
    if (pthread_create(&log->thread, NULL, log_writer_run, log) != 0) {
        status = error_set(err, STATUS_IO, "cannot start the log thread");
        goto fail;
    }
    *out = log;
    return STATUS_OK;
fail:
    log_free(log);
    return status;
}

void log_close(struct log *log)
{
    pthread_mutex_lock(&log->queue_lock);
    log->closing = true;
    pthread_cond_broadcast(&log->queue_filled);
    pthread_mutex_unlock(&log->queue_lock);
    pthread_join(log->thread, NULL);
    log_free(log);
}

void log_append(struct log *log, struct log_append *append)
{
    uint64_t size = append->record.size;
    ASSERT(size > 0);
    append->index = 0;
    append->next = NULL;
    pthread_mutex_lock(&log->queue_lock);
    ASSERT(!log->closing);
    /* One that is larger than the whole queue goes in alone. A `done` that appends must not wait
     * for its own thread. */
    if (!pthread_equal(pthread_self(), log->thread))
        while (log->queue_bytes > 0 &&
               (size > log->queue_bytes_max || log->queue_bytes > log->queue_bytes_max - size))
            pthread_cond_wait(&log->queue_drained, &log->queue_lock);
    log->queue_bytes += size;
    *log->tail = append;
    log->tail = &append->next;
    pthread_cond_signal(&log->queue_filled);
    pthread_mutex_unlock(&log->queue_lock);
}

uint64_t log_first_index(const struct log *log)
{
    /* The lock is no part of the log's value: the caller's const holds. */
    struct log *l = (struct log *)log;
    pthread_mutex_lock(&l->segments_lock);
    uint64_t first = l->segments[0].first_index;
    pthread_mutex_unlock(&l->segments_lock);
    return first;
}

uint64_t log_last_index(const struct log *log)
{
    return atomic_load(&log->last_index);
}

enum status log_truncate_before(struct log *log, uint64_t index, struct error *err)
{
    enum status status = STATUS_OK;
    pthread_mutex_lock(&log->segments_lock);
    while (!status && log->segment_count > 1 && log->segments[1].first_index <= index) {
        char path[SEGMENT_PATH_MAX];
        status = segment_path(log->path, log->segments[0].first_index, path, err);
        if (!status)
            status = log->fs->remove(log->fs, path, err);
        if (status)
            break;
        log->segment_count--;
        memmove(log->segments, log->segments + 1, log->segment_count * sizeof(*log->segments));
        /* Each removal is on disk before the next: a crash must not leave a hole. */
        status = log->fs->sync_dir(log->fs, log->path, err);
    }
    pthread_mutex_unlock(&log->segments_lock);
    return status;
}

enum status log_restart(struct log *log, uint64_t index, struct error *err)
{
    ASSERT(index > atomic_load(&log->last_index) + 1);
    struct file *file;
    uint64_t salt;
    enum status status = segment_create(log->fs, log->path, index, &file, &salt, err);
    if (status)
        return status;
    /* The log thread sees this with the first append. */
    log->fs->close(log->file);
    log->file = file;
    log->salt = salt;
    log->file_bytes = SEGMENT_HEADER_SIZE;
    log_segments_add(log, (struct segment_info){index, SEGMENT_HEADER_SIZE});
    atomic_store(&log->last_index, index - 1);
    /* A crash in between leaves a gap, which recovery calls damage, and cuts if told to. */
    return log_truncate_before(log, index, err);
}

void log_stats(const struct log *log, struct log_stats *out)
{
    struct log *l = (struct log *)log;
    pthread_mutex_lock(&l->queue_lock);
    *out = l->stats;
    pthread_mutex_unlock(&l->queue_lock);
    out->segments = out->disk_bytes = 0;
    pthread_mutex_lock(&l->segments_lock);
    out->segments = l->segment_count;
    for (size_t i = 0; i < l->segment_count; i++)
        out->disk_bytes += l->segments[i].bytes;
    pthread_mutex_unlock(&l->segments_lock);
}

bool log_failed(const struct log *log)
{
    return atomic_load(&log->failed);
}
