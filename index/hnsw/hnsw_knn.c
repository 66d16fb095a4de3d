/* Near neighbours by matrix products.
 *
 * A tile of columns is copied as floats and multiplied with the piece's rows; what comes out orders
 * the columns for each row: minus the product, and for Euclid half the square of the column more,
 * after both were moved to the middle of the rows, so that vectors far from the origin keep their
 * digits. Manhattan has no product: its kernel fills the tile.
 *
 * Each row keeps twice as many as it wants; when that is full the nearer half stays, and the
 * farthest of it is what the next ones must beat. Own list and nearest lists come first, so most
 * columns fail that one comparison.
 *
 * The shapes of the products follow from the lists alone: the result does not depend on threads.
 * Any thread, with its own work.
 */
#include "index/hnsw/hnsw_knn.h"

#include "index/cluster/cluster.h"
#include "storage/base/mem.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

enum { COLUMNS = 128, LANES = 4, STEP = 4 * LANES };
#define FLOATS float __attribute__((vector_size(LANES * sizeof(float))))
#define INTS   int32_t __attribute__((vector_size(LANES * sizeof(int32_t))))

bool knn_work_init(struct knn_work *work, const struct knn *knn)
{
    size_t dim = knn->vectors->dim;
    /* One block: the parts of a tile, then the candidates. */
    size_t floats = (KNN_ROWS + COLUMNS + 1) * dim + KNN_ROWS * COLUMNS + COLUMNS;
    size_t found = (size_t)KNN_ROWS * 2 * knn->keep;
    work->found = mem_try_alloc(found * sizeof *work->found + floats * sizeof(float));
    if (work->found == NULL) {
        return false;
    }
    work->rows = (float *)(work->found + found);
    work->columns = work->rows + KNN_ROWS * dim;
    work->centre = work->columns + COLUMNS * dim;
    work->scores = work->centre + dim;
    work->half_norms = work->scores + (size_t)KNN_ROWS * COLUMNS;
    return true;
}

void knn_work_deinit(struct knn_work *work)
{
    mem_free(work->found);
}

static void shrink(const struct knn *knn, struct knn_work *work, size_t r)
{
    struct candidate *found = knn_found(knn, work, r);
    candidates_select(found, work->counts[r], knn->keep);
    work->counts[r] = knn->keep;
    float bound = found[0].distance;
    for (uint32_t i = 1; i < knn->keep; i++) {
        bound = found[i].distance > bound ? found[i].distance : bound;
    }
    work->bounds[r] = bound;
}

static void subtract(float *row, const float *centre, size_t dim)
{
    for (size_t i = 0; i < dim; i++) {
        row[i] -= centre[i];
    }
}

static bool is_euclid(const struct knn *knn)
{
    return knn->vectors->distance == DISTANCE_EUCLID;
}

static void take_rows(const struct knn *knn, struct knn_work *work, const struct knn_piece *piece)
{
    size_t dim = knn->vectors->dim;
    size_t count = piece->end - piece->begin;
    for (size_t r = 0; r < count; r++) {
        const void *stored = vectors_at(knn->vectors, knn->members[piece->begin + r]);
        cluster_row(knn->vectors, stored, work->rows + r * dim);
    }
    if (!is_euclid(knn)) {
        return;
    }
    memset(work->centre, 0, dim * sizeof *work->centre);
    float part = 1 / (float)count;
    for (size_t i = 0; i < count * dim; i++) {
        work->centre[i % dim] += work->rows[i] * part;
    }
    for (size_t r = 0; r < count; r++) {
        subtract(work->rows + r * dim, work->centre, dim);
    }
}

static void score_by_product(const struct knn *knn, struct knn_work *work, size_t rows,
                             const point_offset *columns, size_t count)
{
    enum { AHEAD = 4 };
    size_t dim = knn->vectors->dim;
    const struct kernel *dot = kernel_get(DISTANCE_DOT, ELEMENT_F32);
    for (size_t c = 0; c < count; c++) {
        if (c + AHEAD < count) {
            __builtin_prefetch(vectors_at(knn->vectors, columns[c + AHEAD]));
        }
        float *column = work->columns + c * dim;
        cluster_row(knn->vectors, vectors_at(knn->vectors, columns[c]), column);
        if (is_euclid(knn)) {
            subtract(column, work->centre, dim);
            work->half_norms[c] = -dot->one(column, column, dim) / 2;
        }
    }
    for (size_t r = 0; is_euclid(knn) && r < rows; r++) {
        memcpy(work->scores + r * COLUMNS, work->half_norms, count * sizeof *work->scores);
    }
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)rows, (int)count, (int)dim, -1,
                work->rows, (int)dim, work->columns, (int)dim, is_euclid(knn) ? 1 : 0, work->scores,
                COLUMNS);
}

static void score_by_kernel(const struct knn *knn, struct knn_work *work,
                            const struct knn_piece *piece, const point_offset *columns,
                            size_t count)
{
    const struct vectors *vectors = knn->vectors;
    const void *rows[COLUMNS];
    for (size_t c = 0; c < count; c++) {
        rows[c] = vectors_at(vectors, columns[c]);
    }
    for (size_t at = piece->begin; at < piece->end; at++) {
        vectors->kernel->many(vectors_at(vectors, knn->members[at]), rows, count, vectors->dim,
                              work->scores + (at - piece->begin) * COLUMNS);
    }
}

/* Is one of STEP scores below the bound? */
static bool any_below(const float *scores, float bound)
{
    INTS below = {0};
    for (size_t i = 0; i < STEP; i += LANES) {
        FLOATS four;
        memcpy(&four, scores + i, sizeof four);
        below |= four < bound;
    }
    uint64_t halves[2];
    memcpy(halves, &below, sizeof halves);
    return (halves[0] | halves[1]) != 0;
}

static void filter_row(const struct knn *knn, struct knn_work *work, size_t r, point_offset self,
                       const point_offset *columns, size_t count)
{
    const float *scores = work->scores + r * COLUMNS;
    struct candidate *found = knn_found(knn, work, r);
    for (size_t from = 0; from < count; from += STEP) {
        size_t to = count - from < STEP ? count : from + STEP;
        if (to - from == STEP && !any_below(scores + from, work->bounds[r])) {
            continue;
        }
        for (size_t c = from; c < to; c++) {
            if (scores[c] < work->bounds[r] && columns[c] != self) {
                found[work->counts[r]++] =
                    (struct candidate){.distance = scores[c], .id = columns[c]};
                if (work->counts[r] == 2 * knn->keep) {
                    shrink(knn, work, r);
                }
            }
        }
    }
}

static void compare(const struct knn *knn, struct knn_work *work, const struct knn_piece *piece,
                    const point_offset *columns, size_t count)
{
    size_t rows = piece->end - piece->begin;
    for (size_t from = 0; from < count; from += COLUMNS) {
        size_t width = count - from < COLUMNS ? count - from : COLUMNS;
        if (knn->vectors->distance == DISTANCE_MANHATTAN) {
            score_by_kernel(knn, work, piece, columns + from, width);
        } else {
            score_by_product(knn, work, rows, columns + from, width);
        }
        for (size_t r = 0; r < rows; r++) {
            filter_row(knn, work, r, knn->members[piece->begin + r], columns + from, width);
        }
    }
}

void knn_find(const struct knn *knn, struct knn_work *work, const struct knn_piece *piece)
{
    size_t rows = piece->end - piece->begin;
    for (size_t r = 0; r < rows; r++) {
        work->counts[r] = 0;
        work->bounds[r] = INFINITY;
    }
    take_rows(knn, work, piece);
    /* Of its own list the piece's part first, then in a circle. */
    const size_t *first = knn->first + piece->list;
    size_t left = knn->columns;
    size_t count = first[1] - piece->begin < left ? first[1] - piece->begin : left;
    compare(knn, work, piece, knn->members + piece->begin, count);
    left -= count;
    count = piece->begin - first[0] < left ? piece->begin - first[0] : left;
    compare(knn, work, piece, knn->members + first[0], count);
    left -= count;
    for (size_t i = 0; i < knn->width && left > 0; i++) {
        uint32_t list = knn->near[piece->list * knn->width + i];
        if (list == UINT32_MAX) {
            break;
        }
        if (list != piece->list) {
            count = knn->first[list + 1] - knn->first[list];
            count = count < left ? count : left;
            compare(knn, work, piece, knn->members + knn->first[list], count);
            left -= count;
        }
    }
    for (size_t r = 0; r < rows; r++) {
        if (work->counts[r] > knn->keep) {
            shrink(knn, work, r);
        }
    }
}
