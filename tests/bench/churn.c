/* Searches while points are inserted: what a builder at work costs a search.
 *
 * The main thread searches and takes the time of each search; the builder thread appends a batch,
 * then links it, as fast as it can, until told to stop or the base has no more rows. Both use what
 * the server uses: vectors_put by the one writer, kind->build beside searches. Nothing but the
 * index and the flag is shared.
 */
#include "tests/bench/churn.h"

#include "storage/base/clock.h"
#include "storage/base/mem.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { BATCH = 100, TIMES_MAX = 4000000 };

struct builder {
    struct set *set;
    struct vindex *index;
    atomic_bool stop, done;
    size_t inserted;
    double seconds;
};

static void *run_builder(void *arg)
{
    struct builder *builder = arg;
    struct set *set = builder->set;
    struct error err;
    size_t first = vectors_count(&set->vectors);
    uint64_t start = clock_monotonic_ns();
    size_t count = first;
    while (!atomic_load(&builder->stop) && count < set->base_count) {
        count = count + BATCH < set->base_count ? count + BATCH : set->base_count;
        set_fill(set, count);
        struct build_job job = {.threads = 1, .until = (point_offset)count};
        check(builder->index->kind->build(builder->index, &job, &err), &err);
    }
    builder->seconds = (double)(clock_monotonic_ns() - start) * 1e-9;
    builder->inserted = count - first;
    atomic_store(&builder->done, true);
    return NULL;
}

static int by_value(const void *a, const void *b)
{
    const uint32_t *first = a;
    const uint32_t *second = b;
    return (*first > *second) - (*first < *second);
}

struct times {
    uint32_t *ns; /* of each search, sorted */
    size_t count;
    double seconds;
};

static double at_us(const struct times *times, double part)
{
    size_t index = (size_t)(part * (double)times->count);
    return (double)times->ns[index < times->count ? index : times->count - 1] * 1e-3;
}

/* Ends early when the builder has no more to do. */
static void search_for(const struct set *set, const struct vindex *index,
                       const struct effort *effort, double seconds, const atomic_bool *done,
                       struct times *out)
{
    struct scored items[SET_LIMIT];
    struct topk found;
    topk_init(&found, items, SET_LIMIT, NULL);
    uint64_t start = clock_monotonic_ns();
    uint64_t stop = start + (uint64_t)(seconds * 1e9);
    uint64_t before = start;
    out->count = 0;
    for (size_t i = 0; before < stop && out->count < TIMES_MAX && !atomic_load(done); i++) {
        topk_init(&found, items, SET_LIMIT, NULL);
        search_query(set, index, i % set->queries_count, effort, index->kind->linked(index),
                     &found);
        uint64_t after = clock_monotonic_ns();
        uint64_t took = after - before;
        out->ns[out->count++] = took < UINT32_MAX ? (uint32_t)took : UINT32_MAX;
        before = after;
    }
    out->seconds = (double)(before - start) * 1e-9;
    if (out->count == 0) {
        die("nothing was searched");
    }
    qsort(out->ns, out->count, sizeof *out->ns, by_value);
}

void churn_run(struct set *set, struct vindex *index, const char *engine,
               const struct effort *effort, double seconds)
{
    struct builder builder = {.set = set, .index = index};
    struct times idle = {.ns = mem_alloc(TIMES_MAX * sizeof(uint32_t))};
    struct times busy = {.ns = mem_alloc(TIMES_MAX * sizeof(uint32_t))};
    size_t points = vectors_count(&set->vectors);
    atomic_bool never = false;
    search_for(set, index, effort, seconds / 4, &never, &idle); /* warms up */
    search_for(set, index, effort, seconds, &never, &idle);
    pthread_t thread;
    if (pthread_create(&thread, NULL, run_builder, &builder) != 0) {
        die("a thread cannot be started");
    }
    search_for(set, index, effort, seconds, &builder.done, &busy);
    atomic_store(&builder.stop, true);
    pthread_join(thread, NULL);
    printf("{\"churn\":\"%s\",\"set\":\"%s\",\"effort\":\"%s\",\"points\":%zu,"
           "\"inserts_per_s\":%.0f,\"idle_qps\":%.0f,\"idle_p50_us\":%.1f,\"idle_p99_us\":%.1f,"
           "\"churn_qps\":%.0f,\"churn_p50_us\":%.1f,\"churn_p99_us\":%.1f}\n",
           engine, set->name, effort->text, points, (double)builder.inserted / builder.seconds,
           (double)idle.count / idle.seconds, at_us(&idle, 0.5), at_us(&idle, 0.99),
           (double)busy.count / busy.seconds, at_us(&busy, 0.5), at_us(&busy, 0.99));
    fflush(stdout);
    mem_free(idle.ns);
    mem_free(busy.ns);
}
