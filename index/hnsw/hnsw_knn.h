/* Near neighbours of many points at once, by matrix products.
 *
 * The points stand in lists of near ones. A piece of a list is compared with its own list and with
 * those nearest to it, until `columns` points were seen; each of its points keeps the nearest
 * `keep`. */
#pragma once
#include "index/hnsw/hnsw_link.h"

enum { KNN_ROWS = 256 }; /* longest piece */

struct knn {
    const struct vectors *vectors;
    const point_offset *members; /* by list, ascending in each */
    const size_t *first;         /* lists + 1 */
    size_t lists;
    const uint32_t *near; /* lists x width: the nearest lists; UINT32_MAX: no more */
    size_t width;
    size_t columns;
    uint32_t keep;
};
struct knn_piece { /* members[begin] .. members[end - 1] of a list */
    uint32_t list;
    size_t begin, end;
};
/* A piece's working memory. */
struct knn_work {
    float *rows, *columns, *scores, *centre, *half_norms;
    struct candidate *found; /* 2 x keep a row */
    uint32_t counts[KNN_ROWS];
    float bounds[KNN_ROWS];
};
bool knn_work_init(struct knn_work *work, const struct knn *knn); /* false: no memory */
void knn_work_deinit(struct knn_work *work);
/* Candidates of the piece's row r: knn_found(..., r), work->counts[r] of them, in no order, with
 * estimated distances that only order them. */
void knn_find(const struct knn *knn, struct knn_work *work, const struct knn_piece *piece);
static inline struct candidate *knn_found(const struct knn *knn, struct knn_work *work, size_t r)
{
    return work->found + r * 2 * knn->keep;
}
