/* Building: linking all points below job->until.
 *
 * 1. Plan, in the calling thread: make room for the rows, decide for each offset whether it enters
 * the graph (it has a vector and is not skipped), allot its upper rows. Offsets left out count as
 * done.
 * 2. Insert: the calling thread and threads-1 others claim offsets in order and insert them. A
 * claimed offset is always finished, so whatever stops the pass, everything below `claimed` is
 * done, and `linked` follows the finished prefix.
 * 3. Repair, in the calling thread: see hnsw_repair.c.
 *
 * With one thread the graph depends only on the vectors, the parameters and the order.
 *
 * Threads: searches run at any time. One build at a time. Failures: CANCELLED and TOO_LARGE leave a
 * valid, shorter index.
 */
#include "index/hnsw/hnsw_int.h"
#include "storage/base/assert.h"

enum { THREADS_MAX = 256 };

struct pass {
    struct hnsw *hnsw;
    struct build_job *job;
    pthread_mutex_t done_lock; /* guards moving hnsw->linked */
    atomic_bool failed;        /* a thread had no memory; it claimed nothing */
};

static enum status plan(struct hnsw *hnsw, const struct build_job *job, struct error *err)
{
    point_offset from = atomic_load_explicit(&hnsw->linked, memory_order_relaxed);
    enum status status = rows_grow(hnsw, job->until, err);
    for (point_offset point = from; status == STATUS_OK && point < job->until; point++) {
        bool enters =
            vectors_has(hnsw->vectors, point) && (job->skip == NULL || !job->skip(job->ctx, point));
        if (enters) {
            status = upper_rows_allot(hnsw, point, err);
        }
        atomic_store_explicit(&node_at(hnsw, point)->state, enters ? NODE_PLANNED : NODE_LEFT_OUT,
                              memory_order_release);
    }
    if (status == STATUS_OK) {
        atomic_store_explicit(&hnsw->planned, job->until, memory_order_release);
    }
    return status;
}

static void advance_linked(struct pass *pass)
{
    struct hnsw *hnsw = pass->hnsw;
    pthread_mutex_lock(&pass->done_lock);
    point_offset linked = atomic_load_explicit(&hnsw->linked, memory_order_relaxed);
    point_offset claimed = atomic_load_explicit(&hnsw->claimed, memory_order_relaxed);
    while (linked < claimed && linked < pass->job->until &&
           node_state_of(hnsw, linked) != NODE_PLANNED) {
        linked++;
    }
    atomic_store_explicit(&hnsw->linked, linked, memory_order_release);
    if (pass->job->progress != NULL) {
        atomic_store_explicit(pass->job->progress, linked, memory_order_relaxed);
    }
    pthread_mutex_unlock(&pass->done_lock);
}

/* The next offset to insert; false: none left, or stop. */
static bool claim(struct pass *pass, point_offset *out)
{
    const atomic_bool *cancelled = pass->job->cancelled;
    if (cancelled != NULL && atomic_load_explicit(cancelled, memory_order_relaxed)) {
        return false;
    }
    point_offset next = atomic_load_explicit(&pass->hnsw->claimed, memory_order_relaxed);
    do {
        if (next >= pass->job->until) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(&pass->hnsw->claimed, &next, next + 1,
                                                    memory_order_relaxed, memory_order_relaxed));
    *out = next;
    return true;
}

static void *insert_all(void *arg)
{
    struct pass *pass = arg;
    struct scratch *scratch = scratch_of_thread();
    if (scratch_reserve(scratch, pass->hnsw->ef_construct, pass->job->until, NULL) != STATUS_OK) {
        atomic_store(&pass->failed, true);
        return NULL;
    }
    point_offset point;
    while (claim(pass, &point)) {
        if (node_state_of(pass->hnsw, point) == NODE_PLANNED) {
            hnsw_insert(pass->hnsw, scratch, point);
        }
        advance_linked(pass);
    }
    return NULL;
}

static void run_threads(struct pass *pass)
{
    pthread_t threads[THREADS_MAX];
    uint32_t wanted = pass->job->threads < THREADS_MAX ? pass->job->threads : THREADS_MAX;
    uint32_t started = 0;
    /* Fewer threads than asked for only make it slower. */
    while (started + 1 < wanted && pthread_create(&threads[started], NULL, insert_all, pass) == 0) {
        started++;
    }
    insert_all(pass);
    for (uint32_t i = 0; i < started; i++) {
        ASSERT(pthread_join(threads[i], NULL) == 0);
    }
}

enum status hnsw_build(struct vindex *index, struct build_job *job, struct error *err)
{
    struct hnsw *hnsw = (struct hnsw *)index;
    ASSERT(job->until <= vectors_count(hnsw->vectors));
    if (job->until <= atomic_load_explicit(&hnsw->linked, memory_order_relaxed)) {
        return STATUS_OK;
    }
    enum status status = hnsw_codes_prepare(hnsw, job, err);
    if (status == STATUS_OK) {
        status = plan(hnsw, job, err);
    }
    if (status != STATUS_OK) {
        return status;
    }
    struct pass pass = {.hnsw = hnsw, .job = job};
    ASSERT(pthread_mutex_init(&pass.done_lock, NULL) == 0);
    run_threads(&pass);
    pthread_mutex_destroy(&pass.done_lock);

    uint32_t repaired;
    struct scratch *scratch = scratch_of_thread();
    status = scratch_reserve(scratch, hnsw->ef_construct, job->until, err);
    if (status == STATUS_OK) {
        status = hnsw_repair(hnsw, scratch, &repaired, err);
    }
    if (status != STATUS_OK) {
        return status;
    }
    if (atomic_load_explicit(&hnsw->linked, memory_order_relaxed) == job->until) {
        return STATUS_OK;
    }
    return atomic_load(&pass.failed)
               ? error_set(err, STATUS_TOO_LARGE, "no memory to build the graph")
               : error_set(err, STATUS_CANCELLED, "the build was cancelled");
}
