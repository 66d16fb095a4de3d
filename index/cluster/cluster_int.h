/* What the files of the clustering share: tiles of rows against a set of centroids. */
#pragma once
#include "index/cluster/cluster.h"

enum { TILE_ROWS = 128 };

struct centroid_set { /* borrowed */
    const float *centroids;
    const float *half_norms;
    size_t count, dim;
};
/* OpenBLAS runs in the calling thread from now on: the threads are ours. */
void blas_single_threaded(void);
void half_norms_of(const float *centroids, size_t count, size_t dim, float *out);
/* The nearest of the set for each of up to TILE_ROWS rows: out[i] is its index, scores[i] is
 * |c|^2/2 - x.c, the smallest; the lower index among equals. */
void tile_nearest(const struct centroid_set *set, const float *rows, size_t count, uint32_t *out,
                  float *scores);
/* The `width` nearest, nearest first; out and scores are count x width. Fewer centroids than
 * `width`: UINT32_MAX and infinity. */
void tile_nearest_many(const struct centroid_set *set, const float *rows, size_t count,
                       size_t width, uint32_t *out, float *scores);
