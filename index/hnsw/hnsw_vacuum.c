/* Taking deleted points out of the graph in place, after FreshDiskANN (Singh et al., arXiv
 * 2105.09613) and IP-DiskANN (Xu et al., arXiv 2502.13826).
 *
 * 1. The dead are told once: what the caller skips among the linked nodes.
 * 2. Every node that points at a dead one keeps its other neighbours and chooses more, by the
 * heuristic, among the neighbours of the dead; where those are dead too, among theirs. Dead rows
 * are only read and live ones only written by their own piece of work, so this is parallel and does
 * not depend on threads.
 * 3. If the entry is dead, the highest live node takes its place. The dead leave the graph: from
 * here on nothing leads to them. Their rows keep their links, for a search may be standing on one.
 * 4. Nodes that lost nearly all neighbours are linked anew by a search, and hnsw_repair.c makes
 * sure that all can be reached; chains of copies are mended by it too.
 *
 * Threads: the job's; searches run beside, no build does. Failures: CANCELLED and TOO_LARGE leave a
 * valid graph in which the dead are still linked.
 */
#include "index/cluster/cluster.h"
#include "index/hnsw/hnsw_link.h"
#include "storage/base/bitmap.h"
#include "storage/base/mem.h"

#include <string.h>

enum {
    NODES_A_PIECE = 512,
    CANDIDATES_MAX = 512, /* for one row */
    DEAD_MAX = 256,       /* rows of the dead read for one row */
    POOR = 2,             /* fewer neighbours than this are too few, if there were more */
};

struct vacuum {
    struct hnsw *hnsw;
    const struct build_job *job;
    struct bitmap dead;
    size_t dead_count;
    size_t nodes;
    uint8_t *poor; /* a byte a node */
    atomic_size_t done;
};

/* What one row looks at. */
struct mending {
    struct candidate near[ROW_MAX + CANDIDATES_MAX];
    uint32_t count;
    point_offset dead[DEAD_MAX];
    uint32_t dead_count;
};

static void add_live(struct mending *mending, point_offset self, point_offset id)
{
    bool full = mending->count == ROW_MAX + CANDIDATES_MAX;
    for (uint32_t i = 0; !full && i < mending->count; i++) {
        full = mending->near[i].id == id;
    }
    if (!full && id != self) {
        mending->near[mending->count++].id = id;
    }
}

static void add_dead(struct mending *mending, point_offset id)
{
    bool full = mending->dead_count == DEAD_MAX;
    for (uint32_t i = 0; !full && i < mending->dead_count; i++) {
        full = mending->dead[i] == id;
    }
    if (!full) {
        mending->dead[mending->dead_count++] = id;
    }
}

static void look_at_row(const struct vacuum *vacuum, struct mending *mending, point_offset self,
                        point_offset of, uint32_t level)
{
    point_offset id;
    _Atomic uint32_t *row = row_at(vacuum->hnsw, of, level);
    uint32_t capacity = row_capacity(vacuum->hnsw, level);
    for (uint32_t i = 0; i < capacity && row_get(row, i, &id); i++) {
        if (bitmap_get(&vacuum->dead, id)) {
            add_dead(mending, id);
        } else {
            add_live(mending, self, id);
        }
    }
}

/* Returns how many neighbours the row has lost, or 0 when none of them is dead; *left: how many it
 * has now. */
static uint32_t mend_row(const struct vacuum *vacuum, struct mending *mending, point_offset point,
                         uint32_t level, uint32_t *left)
{
    struct hnsw *hnsw = vacuum->hnsw;
    struct scratch *scratch = scratch_of_thread();
    mending->count = mending->dead_count = 0;
    look_at_row(vacuum, mending, point, point, level);
    uint32_t kept = mending->count;
    uint32_t lost = mending->dead_count;
    if (lost == 0) {
        return 0;
    }
    /* As many live ones as there were neighbours are enough; the dead of the dead only then. */
    uint32_t capacity = row_capacity(hnsw, level);
    for (uint32_t i = 0; i < mending->dead_count && (i < lost || mending->count < 2 * capacity) &&
                         mending->count < CANDIDATES_MAX + kept;
         i++) {
        look_at_row(vacuum, mending, point, mending->dead[i], level);
    }
    const void *centre = vectors_at(hnsw->vectors, point);
    distances_to(hnsw, scratch, centre, mending->near, mending->count);
    candidates_sort(mending->near, kept);
    candidates_sort(mending->near + kept, mending->count - kept);
    struct choice choice = choice_around(hnsw, centre, capacity);
    *left = hnsw_choose_more(hnsw, scratch, &choice, mending->near, kept, mending->count);
    row_write(row_at(hnsw, point, level), capacity, scratch->chosen, *left);
    return lost;
}

static void mend_piece(void *ctx, size_t piece)
{
    struct vacuum *vacuum = ctx;
    const struct hnsw *hnsw = vacuum->hnsw;
    struct mending *mending = mem_alloc(sizeof *mending);
    size_t end = (piece + 1) * NODES_A_PIECE;
    end = end < vacuum->nodes ? end : vacuum->nodes;
    for (size_t i = piece * NODES_A_PIECE; i < end; i++) {
        point_offset point = (point_offset)i;
        if (node_state_of(hnsw, point) != NODE_LINKED || bitmap_get(&vacuum->dead, i)) {
            continue;
        }
        uint32_t left = 0;
        for (uint32_t level = level_of(hnsw, point); level > 0; level--) {
            (void)mend_row(vacuum, mending, point, level, &left);
        }
        vacuum->poor[i] = mend_row(vacuum, mending, point, 0, &left) > 0 && left < POOR;
    }
    mem_free(mending);
    size_t done =
        atomic_fetch_add_explicit(&vacuum->done, end - piece * NODES_A_PIECE, memory_order_relaxed);
    if (vacuum->job->progress != NULL) {
        atomic_store_explicit(vacuum->job->progress,
                              (unsigned)(vacuum->dead_count * done / vacuum->nodes),
                              memory_order_relaxed);
    }
}

/* False: no memory. */
static bool find_dead(struct vacuum *vacuum)
{
    const struct hnsw *hnsw = vacuum->hnsw;
    const struct build_job *job = vacuum->job;
    if (!bitmap_resize(&vacuum->dead, vacuum->nodes + 1)) {
        return false;
    }
    for (size_t i = 0; job->skip != NULL && i < vacuum->nodes; i++) {
        point_offset point = (point_offset)i;
        if (node_state_of(hnsw, point) == NODE_LINKED && job->skip(job->ctx, point)) {
            bitmap_set(&vacuum->dead, i);
            vacuum->dead_count++;
        }
    }
    vacuum->poor = mem_try_alloc(vacuum->nodes + 1);
    if (vacuum->poor != NULL) {
        memset(vacuum->poor, 0, vacuum->nodes + 1);
    }
    return vacuum->poor != NULL;
}

static void replace_entry(const struct vacuum *vacuum)
{
    struct hnsw *hnsw = vacuum->hnsw;
    uint64_t entry = atomic_load_explicit(&hnsw->entry, memory_order_relaxed);
    if (entry == NO_ENTRY || !bitmap_get(&vacuum->dead, (point_offset)entry)) {
        return;
    }
    entry = NO_ENTRY;
    for (size_t i = 0; i < vacuum->nodes; i++) {
        point_offset point = (point_offset)i;
        uint64_t level = level_of(hnsw, point);
        if (node_state_of(hnsw, point) == NODE_LINKED && !bitmap_get(&vacuum->dead, i) &&
            (entry == NO_ENTRY || level > entry >> 32)) {
            entry = level << 32 | point;
        }
    }
    atomic_store_explicit(&hnsw->entry, entry, memory_order_release);
}

static void bury(const struct vacuum *vacuum)
{
    struct hnsw *hnsw = vacuum->hnsw;
    for (size_t i = bitmap_next(&vacuum->dead, 0); i < vacuum->nodes;
         i = bitmap_next(&vacuum->dead, i + 1)) {
        atomic_store_explicit(&node_at(hnsw, (point_offset)i)->state, NODE_LEFT_OUT,
                              memory_order_release);
    }
    atomic_fetch_sub_explicit(&hnsw->in_graph, (unsigned)vacuum->dead_count, memory_order_relaxed);
}

/* One at a time, for each is in the graph that the others search. */
static enum status link_poor(const struct vacuum *vacuum, struct error *err)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < vacuum->nodes; i++) {
        point_offset point = (point_offset)i;
        if (vacuum->poor[i]) {
            status = hnsw_insert(vacuum->hnsw, &point, 1, vacuum->job, err);
        }
    }
    return status;
}

static enum status repair(struct hnsw *hnsw, size_t nodes, struct error *err)
{
    uint32_t repaired;
    struct scratch *scratch = scratch_of_thread();
    enum status status = scratch_reserve(scratch, hnsw->ef_construct, nodes, err);
    return status == STATUS_OK ? hnsw_repair(hnsw, scratch, &repaired, err) : status;
}

static enum status take_out(struct vacuum *vacuum, struct error *err)
{
    size_t pieces = (vacuum->nodes + NODES_A_PIECE - 1) / NODES_A_PIECE;
    bool whole =
        parallel_for(vacuum->job->threads, pieces, vacuum->job->cancelled, mend_piece, vacuum);
    enum status status = STATUS_OK;
    if (whole) {
        replace_entry(vacuum);
        bury(vacuum);
        status = link_poor(vacuum, err);
    } else {
        status = error_set(err, STATUS_CANCELLED, "the vacuum was cancelled");
    }
    enum status repaired = repair(vacuum->hnsw, vacuum->nodes, status == STATUS_OK ? err : NULL);
    return status == STATUS_OK ? repaired : status;
}

enum status hnsw_vacuum(struct vindex *index, struct build_job *job, struct error *err)
{
    struct hnsw *hnsw = (struct hnsw *)index;
    struct vacuum vacuum = {.hnsw = hnsw,
                            .job = job,
                            .nodes = atomic_load_explicit(&hnsw->planned, memory_order_acquire)};
    bitmap_init(&vacuum.dead);
    enum status status = STATUS_OK;
    if (!find_dead(&vacuum)) {
        status = error_set(err, STATUS_TOO_LARGE, "no memory to vacuum %zu nodes", vacuum.nodes);
    } else if (vacuum.dead_count > 0) {
        status = take_out(&vacuum, err);
    }
    if (status == STATUS_OK && job->progress != NULL) {
        atomic_store_explicit(job->progress, (unsigned)vacuum.dead_count, memory_order_relaxed);
    }
    mem_free(vacuum.poor);
    bitmap_deinit(&vacuum.dead);
    return status;
}
