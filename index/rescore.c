/* Rescoring, after RaBitQ (arXiv 2405.12497): an estimate with its error is an interval, and only
 * a candidate whose interval reaches below the worst distance kept has to be compared.
 *
 * Before any row is read, the intervals alone leave out those whose lower end is beyond the
 * limit-th smallest upper end. When rows may be on disk, all pages of the others are asked for at
 * once. Then candidates are taken nearest first in small batches, so that what the first ones leave
 * as the worst distance kept spares more of the later ones; the rows of the next batch are asked
 * for while one is compared.
 *
 * Threads: nothing shared. No failures.
 */
#include "index/rescore.h"

#include "storage/base/mem.h"

#include <math.h>
#include <sys/mman.h>

enum { BATCH = 16, PAGE_BYTES = 4096, LINE_BYTES = 64, LINES_AHEAD = 8 };

struct batch {
    const void *rows[BATCH];
    point_offset points[BATCH];
    size_t count;
};

static bool may_enter(const struct rescore_job *job, size_t i, float bound)
{
    return job->errors == NULL || !(job->candidates[i].distance - job->errors[i] > bound);
}

/* The first lines of a row; the kernel's own prefetching and the processor's do the rest. */
static void ask_for(const void *row, size_t bytes)
{
    size_t end = bytes < LINES_AHEAD * LINE_BYTES ? bytes : LINES_AHEAD * LINE_BYTES;
    for (size_t at = 0; at < end; at += LINE_BYTES) {
        __builtin_prefetch((const char *)row + at);
    }
}

/* The next candidates from *at on that may enter. */
static void gather(const struct rescore_job *job, float bound, size_t *at, struct batch *batch)
{
    size_t bytes = row_bytes(job->vectors->element, job->vectors->dim);
    batch->count = 0;
    for (; *at < job->count && batch->count < BATCH; (*at)++) {
        if (may_enter(job, *at, bound)) {
            point_offset point = job->candidates[*at].point;
            batch->points[batch->count] = point;
            batch->rows[batch->count] = vectors_at(job->vectors, point);
            ask_for(batch->rows[batch->count++], bytes);
        }
    }
}

static size_t compare(const struct rescore_job *job, const struct batch *batch, struct topk *out)
{
    float distances[BATCH];
    const struct vectors *vectors = job->vectors;
    vectors->kernel->many(job->query, batch->rows, batch->count, vectors->dim, distances);
    for (size_t i = 0; i < batch->count; i++) {
        topk_push(out, distances[i], batch->points[i]);
    }
    return batch->count;
}

/* A distance that the limit-th nearest is not beyond, from the intervals alone. */
static float bound_of_intervals(const struct rescore_job *job, const struct topk *out)
{
    float bound = topk_bound(out);
    if (job->errors == NULL || job->count <= out->limit) {
        return bound;
    }
    struct scored *upper = mem_alloc(out->limit * sizeof *upper);
    struct topk ends;
    topk_init(&ends, upper, out->limit, NULL);
    for (size_t i = 0; i < job->count; i++) {
        topk_push(&ends, job->candidates[i].distance + job->errors[i], (point_offset)i);
    }
    float end = topk_bound(&ends);
    mem_free(upper);
    return end < bound ? end : bound;
}

/* Advice only: where it is refused, the rows are read one by one. */
static void ask_disk_for(const struct rescore_job *job, float bound)
{
    size_t bytes = row_bytes(job->vectors->element, job->vectors->dim);
    for (size_t i = 0; i < job->count; i++) {
        if (may_enter(job, i, bound)) {
            uintptr_t row = (uintptr_t)vectors_at(job->vectors, job->candidates[i].point);
            uintptr_t page = row / PAGE_BYTES * PAGE_BYTES;
            (void)madvise((void *)page, row + bytes - page, MADV_WILLNEED);
        }
    }
}

size_t rescore(const struct rescore_job *job, struct topk *out)
{
    if (out->limit == 0) {
        return 0;
    }
    float bound = bound_of_intervals(job, out);
    if (job->cold) {
        ask_disk_for(job, bound);
    }
    struct batch batches[2];
    size_t at = 0;
    size_t compared = 0;
    gather(job, bound, &at, &batches[0]);
    for (uint32_t turn = 0; batches[turn & 1].count > 0; turn++) {
        /* One batch late: the bound does not know the batch on its way. */
        bound = fminf(bound, topk_bound(out));
        gather(job, bound, &at, &batches[(turn + 1) & 1]);
        compared += compare(job, &batches[turn & 1], out);
    }
    return compared;
}
