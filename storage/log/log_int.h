/* The inside of the log, shared by log.c, writer.c and log_read.c.
 *
 * Two locks, never held together: `queue_lock` for what waits and the counters, `segments_lock` for
 * the list of segments (held while a segment is opened for reading or removed, so that no reader
 * finds its file gone). The open file belongs to the log thread. */
#pragma once
#include "storage/base/buffer.h"
#include "storage/log/log.h"
#include "storage/log/segment.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

struct log {
    const struct file_system *fs;
    char *path;
    uint64_t segment_bytes, queue_bytes_max;
    uint32_t record_bytes_max;
    pthread_t thread;

    pthread_mutex_t queue_lock;
    pthread_cond_t queue_filled, queue_drained;
    struct log_append *head, **tail; /* waiting, oldest first */
    uint64_t queue_bytes;            /* of all appends whose done was not called yet */
    bool closing;
    struct log_stats stats; /* without segments and disk_bytes */

    pthread_mutex_t segments_lock;
    struct segment_info *segments; /* oldest first, at least one */
    size_t segment_count, segment_capacity;

    _Atomic uint64_t last_index; /* durable */

    /* The log thread's. */
    struct file *file; /* the newest segment */
    uint64_t file_bytes, salt;
    struct buffer gathered;
    atomic_bool failed; /* a write or sync failed: nothing more is written; read by anyone */
    struct error failure;
};

/* Entry of the log thread. */
void *log_writer_run(void *log);
/* Appends to the list of segments. */
void log_segments_add(struct log *log, struct segment_info info);
