/* The last pieces of background work on a segment, for people who ask what the server has been
 * doing. */
#pragma once
#include "storage/base/status.h"

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

enum { WORK_LOG_ENTRIES = 32 };

struct finished_work {
    uint64_t number;  /* counts the segment's pieces of work from 1 */
    const char *kind; /* "indexing", "vacuum" */
    uint64_t started_ms, finished_ms;
    uint64_t done, total; /* vectors */
    enum status status;   /* CANCELLED: the server stopped */
    char failure[128];
};
struct work_log {
    pthread_mutex_t lock; /* guards all below */
    struct finished_work entries[WORK_LOG_ENTRIES];
    uint64_t count; /* ever added */
};
void work_log_init(struct work_log *log);
void work_log_deinit(struct work_log *log);
void work_log_add(struct work_log *log, const struct finished_work *work); /* sets the number */
/* Newest first, at most `max`; returns how many. */
size_t work_log_read(struct work_log *log, struct finished_work *out, size_t max);
