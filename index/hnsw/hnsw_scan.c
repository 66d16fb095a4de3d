/* Scanning points by their codes: an estimate with its error is an interval that the exact distance
 * lies in (RaBitQ, arXiv 2405.12497). While the points go by, the limit-th smallest upper end is a
 * bound that the limit-th nearest point cannot be beyond; whoever begins beyond it is left out at
 * once. The rows of the others are compared at the end (index/rescore.h). So the answer is exact as
 * far as the errors are, whatever points are given.
 *
 * Threads: see hnsw_int.h; the candidates are in the thread's scratch. Failures: CANCELLED,
 * TOO_LARGE when the candidates cannot be kept.
 */
#include "index/hnsw/hnsw_int.h"
#include "index/rescore.h"
#include "storage/base/assert.h"
#include "storage/base/mem.h"

#include <math.h>
#include <stdlib.h>

enum { SCAN_BATCH = 256, CANDIDATES_ROOM = 2048 /* before the hopeless are thrown out */ };

struct scanning {
    const struct hnsw *hnsw;
    const struct search_args *args;
    const struct quantizer *quantizer;
    struct scratch *scratch;
    struct topk ends;       /* upper ends */
    float bound;            /* no wanted point is farther */
    size_t count;           /* candidates in scratch->accepted, with scratch->errors */
    size_t full;            /* candidates at which the hopeless are thrown out */
    struct topk *estimates; /* where estimates are the answer; NULL: rows are compared */
};

size_t hnsw_code_bytes(const struct vindex *index)
{
    const struct quantizer *quantizer = hnsw_quantizer((const struct hnsw *)index);
    return quantizer == NULL ? 0 : quantizer_code_bytes(quantizer);
}

static void throw_out(struct scanning *s)
{
    struct scored *items = s->scratch->accepted;
    float *errors = s->scratch->errors;
    size_t kept = 0;
    for (size_t i = 0; i < s->count; i++) {
        if (!(items[i].distance - errors[i] > s->bound)) {
            items[kept] = items[i];
            errors[kept++] = errors[i];
        }
    }
    s->count = kept;
}

static enum status make_room(struct scanning *s, struct error *err)
{
    if (s->count < s->full) {
        return STATUS_OK;
    }
    throw_out(s);
    s->full = 2 * s->count > CANDIDATES_ROOM ? 2 * s->count : CANDIDATES_ROOM;
    return scratch_reserve_accepted(s->scratch, s->full + SCAN_BATCH, err);
}

static void scan_batch(struct scanning *s, const point_offset *points, size_t count)
{
    const void *codes[SCAN_BATCH];
    float distances[SCAN_BATCH];
    float errors[SCAN_BATCH];
    for (size_t i = 0; i < count; i++) {
        codes[i] = blocks_at(&s->hnsw->codes, points[i]);
    }
    if (s->estimates != NULL) {
        quantizer_many(s->quantizer, s->scratch->state, codes, count, distances);
        for (size_t i = 0; i < count; i++) {
            if (distances[i] <= fminf(s->bound, topk_bound(s->estimates))) {
                topk_push(s->estimates, distances[i], points[i]);
            }
        }
        return;
    }
    quantizer_bounds(s->quantizer, s->scratch->state, codes, count, distances, errors);
    for (size_t i = 0; i < count; i++) {
        if (distances[i] - errors[i] > s->bound) {
            continue;
        }
        if (distances[i] + errors[i] < s->bound) {
            topk_push(&s->ends, distances[i] + errors[i], points[i]);
            s->bound = fminf(s->bound, topk_bound(&s->ends));
        }
        s->scratch->accepted[s->count] = (struct scored){distances[i], points[i]};
        s->scratch->errors[s->count++] = errors[i];
    }
}

static enum status scan_all(struct scanning *s, const struct point_source *points,
                            struct error *err)
{
    point_offset batch[SCAN_BATCH];
    size_t count;
    uint64_t compared = 0;
    while ((count = points->next(points->ctx, batch, SCAN_BATCH)) > 0) {
        const atomic_bool *cancelled = s->args->cancelled;
        if (cancelled != NULL && atomic_load_explicit(cancelled, memory_order_relaxed)) {
            return error_set(err, STATUS_CANCELLED, "the search was cancelled");
        }
        enum status status = make_room(s, err);
        if (status != STATUS_OK) {
            return status;
        }
        scan_batch(s, batch, count);
        compared += count;
    }
    if (s->args->trace != NULL) {
        s->args->trace->compared += compared;
        s->args->trace->checked += compared;
    }
    return STATUS_OK;
}

struct with_error {
    struct scored item;
    float error;
};

static int compare_items(const void *a, const void *b)
{
    const struct with_error *x = a;
    const struct with_error *y = b;
    if (x->item.distance < y->item.distance || x->item.distance > y->item.distance) {
        return x->item.distance < y->item.distance ? -1 : 1;
    }
    return (x->item.point > y->item.point) - (x->item.point < y->item.point);
}

/* Compares the rows of what is left, nearest first. */
static enum status finish_scan(struct scanning *s, struct topk *out, struct error *err)
{
    throw_out(s);
    struct with_error *sorted = mem_try_alloc(s->count * sizeof *sorted + 1);
    if (sorted == NULL) {
        return error_set(err, STATUS_TOO_LARGE, "no memory for %zu candidates", s->count);
    }
    for (size_t i = 0; i < s->count; i++) {
        sorted[i] = (struct with_error){s->scratch->accepted[i], s->scratch->errors[i]};
    }
    qsort(sorted, s->count, sizeof *sorted, compare_items);
    for (size_t i = 0; i < s->count; i++) {
        s->scratch->accepted[i] = sorted[i].item;
        s->scratch->errors[i] = sorted[i].error;
    }
    mem_free(sorted);
    struct rescore_job job = {.vectors = s->hnsw->vectors,
                              .query = s->args->query,
                              .candidates = s->scratch->accepted,
                              .errors = s->scratch->errors,
                              .count = s->count,
                              .cold = s->hnsw->cold};
    size_t rescored = rescore(&job, out);
    if (s->args->trace != NULL) {
        s->args->trace->rescored += rescored;
    }
    return STATUS_OK;
}

enum status hnsw_scan(const struct vindex *index, const struct search_args *args,
                      const struct point_source *points, struct topk *out, struct error *err)
{
    const struct hnsw *hnsw = (const struct hnsw *)index;
    struct scanning s = {.hnsw = hnsw,
                         .args = args,
                         .quantizer = hnsw_quantizer(hnsw),
                         .scratch = scratch_of_thread(),
                         .bound = args->bound != NULL ? *args->bound : INFINITY,
                         .full = CANDIDATES_ROOM,
                         .estimates = args->codes == CODES_ONLY ? out : NULL};
    ASSERT(s.quantizer != NULL && args->codes != CODES_IGNORED);
    if (args->limit == 0) {
        return STATUS_OK;
    }
    enum status status = scratch_reserve_state(s.scratch, quantizer_state_bytes(s.quantizer), err);
    if (status == STATUS_OK) {
        status = scratch_reserve_accepted(s.scratch, s.full + SCAN_BATCH, err);
    }
    if (status != STATUS_OK) {
        return status;
    }
    quantizer_query(s.quantizer, args->query, s.scratch->state);
    struct scored *ends = mem_alloc(args->limit * sizeof *ends);
    topk_init(&s.ends, ends, args->limit, NULL);
    status = scan_all(&s, points, err);
    mem_free(ends);
    if (status == STATUS_OK && s.estimates == NULL) {
        status = finish_scan(&s, out, err);
    }
    return status;
}
