/* Building: linking all points below job->until.
 *
 * 1. Plan, in the calling thread: make room for the rows, decide for each offset whether it enters
 * the graph (it has a vector and is not skipped), allot its upper rows. Offsets left out count as
 * done.
 * 2. Link. Many points at once, measured by the graph there is, are linked in bulk (hnsw_bulk.c).
 * Others are inserted in batches (hnsw_insert.c), and `linked` follows batch by batch.
 * 3. Repair, in the calling thread: see hnsw_repair.c.
 *
 * The graph depends only on the vectors, the parameters, the order, and where passes ended; not on
 * the number of threads.
 *
 * Threads: searches run at any time. One build at a time. Failures: CANCELLED and TOO_LARGE leave a
 * valid, shorter index.
 */
#include "index/hnsw/hnsw_link.h"
#include "storage/base/assert.h"
#include "storage/base/mem.h"

enum {
    BULK_MIN = 2 * BATCH_MAX, /* fewer points are not worth it */
    BULK_PART = 4,            /* in bulk from this part of the graph on */
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

static void advance_linked(struct hnsw *hnsw, const struct build_job *job, point_offset to)
{
    if (atomic_load_explicit(&hnsw->claimed, memory_order_relaxed) < to) {
        atomic_store_explicit(&hnsw->claimed, to, memory_order_relaxed);
    }
    atomic_store_explicit(&hnsw->linked, to, memory_order_release);
    if (job->progress != NULL) {
        atomic_store_explicit(job->progress, to, memory_order_relaxed);
    }
}

static enum status link_in_batches(struct hnsw *hnsw, const struct build_job *job,
                                   struct error *err)
{
    point_offset points[BATCH_MAX];
    point_offset at = atomic_load_explicit(&hnsw->linked, memory_order_relaxed);
    enum status status = STATUS_OK;
    while (status == STATUS_OK && at < job->until) {
        size_t count = 0;
        for (; at < job->until && count < BATCH_MAX; at++) {
            if (node_state_of(hnsw, at) == NODE_PLANNED) {
                points[count++] = at;
            }
        }
        status = count > 0 ? hnsw_insert(hnsw, points, count, job, err) : STATUS_OK;
        if (status == STATUS_OK) {
            advance_linked(hnsw, job, at);
        }
    }
    return status;
}

static enum status link_in_bulk(struct hnsw *hnsw, const struct build_job *job, size_t planned,
                                struct error *err)
{
    point_offset *points = mem_try_alloc(planned * sizeof *points);
    if (points == NULL) {
        return error_set(err, STATUS_TOO_LARGE, "no memory to link %zu points", planned);
    }
    size_t count = 0;
    point_offset from = atomic_load_explicit(&hnsw->linked, memory_order_relaxed);
    for (point_offset at = from; at < job->until; at++) {
        if (node_state_of(hnsw, at) == NODE_PLANNED) {
            points[count++] = at;
        }
    }
    enum status status = hnsw_bulk(hnsw, points, count, job, err);
    mem_free(points);
    if (status == STATUS_OK) {
        advance_linked(hnsw, job, job->until);
    }
    return status;
}

static enum status link_all(struct hnsw *hnsw, const struct build_job *job, struct error *err)
{
    size_t planned = 0;
    point_offset from = atomic_load_explicit(&hnsw->linked, memory_order_relaxed);
    for (point_offset at = from; at < job->until; at++) {
        planned += node_state_of(hnsw, at) == NODE_PLANNED;
    }
    size_t nodes = atomic_load_explicit(&hnsw->in_graph, memory_order_relaxed);
    return planned >= BULK_MIN && planned >= nodes / BULK_PART
               ? link_in_bulk(hnsw, job, planned, err)
               : link_in_batches(hnsw, job, err);
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
    enum status linked = link_all(hnsw, job, err);

    uint32_t repaired;
    struct scratch *scratch = scratch_of_thread();
    status = scratch_reserve(scratch, hnsw->ef_construct, job->until, err);
    if (status == STATUS_OK) {
        status = hnsw_repair(hnsw, scratch, &repaired, err);
    }
    return linked != STATUS_OK ? linked : status;
}
