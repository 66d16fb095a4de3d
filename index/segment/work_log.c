/* A ring of fixed size under a mutex; written by the builder, read by requests. */
#include "index/segment/work_log.h"

#include "storage/base/assert.h"

#include <string.h>

void work_log_init(struct work_log *log)
{
    memset(log, 0, sizeof(*log));
    ASSERT(pthread_mutex_init(&log->lock, NULL) == 0);
}

void work_log_deinit(struct work_log *log)
{
    pthread_mutex_destroy(&log->lock);
}

void work_log_add(struct work_log *log, const struct finished_work *work)
{
    pthread_mutex_lock(&log->lock);
    struct finished_work *entry = &log->entries[log->count % WORK_LOG_ENTRIES];
    *entry = *work;
    entry->number = ++log->count;
    pthread_mutex_unlock(&log->lock);
}

size_t work_log_read(struct work_log *log, struct finished_work *out, size_t max)
{
    pthread_mutex_lock(&log->lock);
    size_t kept = log->count < WORK_LOG_ENTRIES ? (size_t)log->count : WORK_LOG_ENTRIES;
    size_t count = max < kept ? max : kept;
    for (size_t i = 0; i < count; i++) {
        out[i] = log->entries[(log->count - 1 - i) % WORK_LOG_ENTRIES];
    }
    pthread_mutex_unlock(&log->lock);
    return count;
}
