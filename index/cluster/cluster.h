/* Clustering for partition indexes and bulk graph building: balanced hierarchical k-means with
 * OpenBLAS. Deterministic for the same input, seed and any number of threads.
 *
 * Works on float32 copies of stored rows in a Euclidean space: cosine rows are normalised already;
 * for dot the caller decides (plain rows, or with the extra dimension that makes norms equal). */
#pragma once
#include "index/vectors.h"
#include "storage/base/status.h"

struct cluster_job {
    const struct vectors *vectors;
    const point_offset *points; /* which rows, `count` of them */
    size_t count;
    size_t clusters;     /* wanted; fewer come out when points are few or equal */
    size_t per_cluster;  /* points looked at for a centroid in training; 0: default */
    uint32_t iterations; /* 0: default */
    uint64_t seed;
    uint32_t threads;
    const atomic_bool *cancelled;
};
struct clustering {
    size_t dim, clusters;
    float *centroids;     /* clusters x dim, aligned to 64 */
    float *half_norms;    /* |c|^2 / 2 */
    uint32_t *assignment; /* of each of the job's points: its nearest centroid */
};
enum status cluster_train(const struct cluster_job *job, struct clustering *out, struct error *err);
void clustering_deinit(struct clustering *clustering);
/* The `width` nearest centroids of each of `count` float rows, nearest first: out is count x width;
 * distances (may be NULL): |x - c|^2. By matrix products, in parallel. */
enum status cluster_nearest(const struct clustering *clustering, const float *rows, size_t count,
                            size_t width, uint32_t threads, uint32_t *out, float *distances,
                            struct error *err);
/* Runs body(ctx, i) for i below count on `threads` threads; false when cancelled. The work of one i
 * must not depend on others. */
bool parallel_for(uint32_t threads, size_t count, const atomic_bool *cancelled,
                  void (*body)(void *ctx, size_t i), void *ctx);
