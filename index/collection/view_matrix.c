/* The matrix of a sample. The drawn rows are copied together first, since their points may go while
 * the distances are computed: as many as pairs of points.
 *
 * Threads: any reader. Failures: a client that has left, and a sample too large for the request's
 * memory. */
#include "index/collection/view_matrix.h"

#include "index/collection/engine_int.h"
#include "index/kernel/kernel.h"
#include "index/segment/segment_values.h"
#include "index/topk.h"

#include <stdlib.h>

enum { ROW_ALIGN = 64, BATCH = 256 };

struct sample {
    const struct vector_spec *spec;
    const struct kernel *kernel;
    struct found *points;
    const void **rows; /* stored form, in the order of the points */
    size_t count;
};
/* What one point's turn needs. */
struct turn {
    float *numbers;
    void *query;
    struct scored *nearest;
    float distances[BATCH];
};

static enum status no_memory(struct error *err)
{
    return error_set(err, STATUS_TOO_LARGE, "request needs too much memory");
}

static int compare_ids(const void *a, const void *b)
{
    return point_id_compare(((const struct found *)a)->id, ((const struct found *)b)->id);
}

/* Leaves out points whose row has gone since they were drawn. */
static enum status copy_rows(struct segment *segment, struct sample *sample, struct arena *arena,
                             struct error *err)
{
    size_t bytes = row_bytes(sample->spec->element, sample->spec->dim);
    size_t kept = 0;
    sample->rows = arena_new_array(arena, const void *, sample->count + 1);
    if (!sample->rows) {
        return no_memory(err);
    }
    for (size_t i = 0; i < sample->count; i++) {
        struct found *point = &sample->points[i];
        struct slice row = segment_found_vector(segment, point->offset, sample->spec->slot);
        if (!row.data) {
            continue;
        }
        void *copy = arena_alloc(arena, bytes, ROW_ALIGN);
        if (!copy) {
            return no_memory(err);
        }
        memcpy(copy, row.data, bytes);
        sample->points[kept] = *point;
        sample->rows[kept++] = copy;
    }
    sample->count = kept;
    return STATUS_OK;
}

static enum status draw_sample(const struct view *view, const struct view_matrix *request,
                               struct arena *arena, struct sample *sample, struct error *err)
{
    struct segment *segment = view->collection->segment;
    uint32_t limit = segment_next_offset(segment);
    limit = request->sample < limit ? (uint32_t)request->sample : limit;
    point_offset *drawn = arena_new_array(arena, point_offset, limit + (size_t)1);
    sample->points = arena_new_array(arena, struct found, limit + (size_t)1);
    if (!drawn || !sample->points) {
        return no_memory(err);
    }
    struct segment_draw draw = {.filter = request->filter,
                                .cancelled = request->cancelled,
                                .slot = request->slot,
                                .limit = limit,
                                .seed = request->seed};
    enum status status = segment_draw(segment, &draw, drawn, &sample->count, err);
    if (status != STATUS_OK) {
        return status;
    }
    for (size_t i = 0; i < sample->count; i++) {
        sample->points[i] = (struct found){.id = segment_id(segment, drawn[i]),
                                           .version = segment_version(segment, drawn[i]),
                                           .offset = drawn[i]};
    }
    if (sample->count > 1) {
        qsort(sample->points, sample->count, sizeof(sample->points[0]), compare_ids);
    }
    return copy_rows(segment, sample, arena, err);
}

static void measure(const struct sample *sample, size_t self, size_t per_point, struct turn *turn,
                    struct neighbour *out)
{
    const struct vector_spec *spec = sample->spec;
    struct topk top;
    vector_restore(spec->distance, spec->element, sample->rows[self], spec->dim, turn->numbers);
    (void)vector_prepare_query(spec->distance, spec->element, turn->numbers, spec->dim,
                               turn->query);
    topk_init(&top, turn->nearest, per_point, NULL); /* equal ones by index, which is by id */
    for (size_t from = 0; from < sample->count; from += BATCH) {
        size_t count = sample->count - from < BATCH ? sample->count - from : BATCH;
        sample->kernel->many(turn->query, sample->rows + from, count, spec->dim, turn->distances);
        for (size_t i = 0; i < count; i++) {
            if (from + i != self) {
                topk_push(&top, turn->distances[i], (point_offset)(from + i));
            }
        }
    }
    topk_sort(&top);
    for (size_t i = 0; i < per_point; i++) {
        out[i] =
            (struct neighbour){.index = turn->nearest[i].point,
                               .score = distance_score(spec->distance, turn->nearest[i].distance)};
    }
}

static enum status measure_all(const struct sample *sample, const struct view_matrix *request,
                               struct arena *arena, struct matrix *out, struct error *err)
{
    const struct vector_spec *spec = sample->spec;
    size_t per_point = sample->count - 1, cells;
    per_point = request->limit < per_point ? (size_t)request->limit : per_point;
    if (__builtin_mul_overflow(sample->count, per_point, &cells)) {
        return no_memory(err);
    }
    struct neighbour *neighbours = arena_new_array(arena, struct neighbour, cells + 1);
    struct turn *turn = arena_new(arena, struct turn);
    if (!neighbours || !turn) {
        return no_memory(err);
    }
    turn->numbers = arena_new_array(arena, float, spec->dim);
    turn->query = arena_alloc(arena, query_bytes(spec->element, spec->dim), ROW_ALIGN);
    turn->nearest = arena_new_array(arena, struct scored, per_point + 1);
    if (!turn->numbers || !turn->query || !turn->nearest) {
        return no_memory(err);
    }
    for (size_t i = 0; i < sample->count; i++) {
        if (request->cancelled && atomic_load_explicit(request->cancelled, memory_order_relaxed)) {
            return error_set(err, STATUS_CANCELLED, "cancelled");
        }
        measure(sample, i, per_point, turn, neighbours + i * per_point);
    }
    *out = (struct matrix){.points = sample->points,
                           .count = sample->count,
                           .neighbours = neighbours,
                           .per_point = per_point};
    return STATUS_OK;
}

enum status view_matrix(const struct view *view, const struct view_matrix *request,
                        struct arena *arena, struct matrix *out, struct error *err)
{
    struct sample sample = {.spec = &view->schema->vectors[request->slot]};
    sample.kernel = kernel_get(sample.spec->distance, sample.spec->element);
    enum status status = draw_sample(view, request, arena, &sample, err);
    if (status != STATUS_OK) {
        return status;
    }
    if (sample.count < 2) {
        *out = (struct matrix){0};
        return STATUS_OK;
    }
    return measure_all(&sample, request, arena, out, err);
}
