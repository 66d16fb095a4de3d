/* Micro-benchmark of the log: durable records a second, for 1 and 64 threads that each wait for
 * their own append, and records of 100 bytes and 40 KB. One JSON line a case. Usage: bench_log
 * [folder [seconds]]; the folder must lie on the disk that is to be measured. */
#include "storage/base/clock.h"
#include "storage/base/file.h"
#include "storage/base/mem.h"
#include "storage/log/log.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREADS_MAX = 64 };

struct bench {
    struct log *log;
    size_t bytes;
    uint64_t deadline_ns;
    _Atomic uint64_t records, failures;
};

struct call {
    struct log_append append;
    pthread_mutex_t lock;
    pthread_cond_t ended;
    bool done;
    enum status status;
};

static void call_done(struct log_append *append, enum status status, const struct error *err)
{
    (void)err;
    struct call *call = (struct call *)append;
    pthread_mutex_lock(&call->lock);
    call->done = true;
    call->status = status;
    pthread_cond_signal(&call->ended);
    pthread_mutex_unlock(&call->lock);
}

static void *append_until(void *arg)
{
    struct bench *bench = arg;
    struct call call = {.lock = PTHREAD_MUTEX_INITIALIZER, .ended = PTHREAD_COND_INITIALIZER};
    uint8_t *data = mem_zalloc(bench->bytes);
    call.append.record = slice_of(data, bench->bytes);
    call.append.done = call_done;
    while (clock_monotonic_ns() < bench->deadline_ns) {
        call.done = false;
        log_append(bench->log, &call.append);
        pthread_mutex_lock(&call.lock);
        while (!call.done)
            pthread_cond_wait(&call.ended, &call.lock);
        pthread_mutex_unlock(&call.lock);
        atomic_fetch_add(call.status ? &bench->failures : &bench->records, 1);
    }
    mem_free(data);
    return NULL;
}

/* False: the log could not be opened, or an append failed. */
static bool run_case(const char *path, int threads, size_t bytes, uint64_t seconds)
{
    struct log_options options = {.fs = file_system_real(),
                                  .path = path,
                                  .segment_bytes = 64 << 20,
                                  .record_bytes_max = 1 << 20,
                                  .queue_bytes_max = 16 << 20};
    struct bench bench = {.bytes = bytes};
    struct error err;
    if (log_open(&options, &bench.log, &err)) {
        fprintf(stderr, "%s\n", err.message);
        return false;
    }
    uint64_t start = clock_monotonic_ns();
    bench.deadline_ns = start + seconds * 1000000000;
    pthread_t ids[THREADS_MAX];
    int started = 0;
    while (started < threads && pthread_create(&ids[started], NULL, append_until, &bench) == 0)
        started++;
    for (int i = 0; i < started; i++)
        pthread_join(ids[i], NULL);
    double took = (double)(clock_monotonic_ns() - start) / 1e9;
    struct log_stats stats;
    log_stats(bench.log, &stats);
    log_close(bench.log);
    printf("{\"bench\":\"log\",\"threads\":%d,\"bytes\":%zu,\"records_per_s\":%.0f,"
           "\"syncs_per_s\":%.0f,\"sync_us_mean\":%.1f}\n",
           started, bytes, (double)bench.records / took, (double)stats.syncs / took,
           stats.syncs ? (double)stats.sync_ns_sum / (double)stats.syncs / 1e3 : 0.0);
    return bench.failures == 0 && started == threads;
}

int main(int argc, char **argv)
{
    const char *parent = argc > 1 ? argv[1] : ".";
    uint64_t seconds = argc > 2 ? strtoull(argv[2], NULL, 10) : 3;
    char path[4096];
    int n = snprintf(path, sizeof(path), "%s/bench_log.tmp", parent);
    if (n < 0 || n >= (int)sizeof(path) || seconds == 0 || seconds > 3600)
        return 2;
    static const int THREADS[] = {1, THREADS_MAX};
    static const size_t BYTES[] = {100, 40 * 1024};
    bool good = true;
    for (int t = 0; t < 2; t++) {
        for (int b = 0; b < 2; b++) {
            good = run_case(path, THREADS[t], BYTES[b], seconds) && good;
            good = file_remove_tree(path, NULL) == STATUS_OK && good;
        }
    }
    return good ? 0 : 1;
}
