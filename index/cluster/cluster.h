/* Clustering for partition indexes and bulk graph building: balanced hierarchical k-means with
 * OpenBLAS. Deterministic for the same input, seed and any number of threads.
 *
 * Works on float32 copies of stored rows in a Euclidean space: cosine rows are normalised (bytes
 * when they are copied); for dot the rows are taken as they are. */
#pragma once
#include "index/vectors.h"
#include "storage/base/status.h"

struct cluster_job {
    const struct vectors *vectors;
    const point_offset *points; /* which rows, `count` of them */
    size_t count;
    size_t clusters;     /* wanted; fewer come out when points are few or equal */
    size_t per_cluster;  /* points looked at for a centroid in training; 0: default */
    uint32_t iterations; /* flat passes after the hierarchical ones; 0: default */
    size_t chunk_bytes;  /* rows are assigned in chunks of so many bytes; 0: default */
    bool thorough;       /* where groups of clusters mislead, begin anew without: far more work */
    uint64_t seed;
    uint32_t threads;
    const atomic_bool *cancelled; /* may be NULL */
};
/* Centroids stand in groups, one for each centroid of a coarser clustering: those of group t are
 * group_first[t] .. group_first[t + 1] - 1. */
struct clustering {
    size_t dim, clusters, groups;
    float *centroids;        /* clusters x dim */
    float *half_norms;       /* |c|^2 / 2 */
    uint32_t *assignment;    /* of each of the job's points: its nearest centroid, nearly always */
    float *group_centroids;  /* groups x dim */
    float *group_half_norms; /* groups */
    uint32_t *group_first;   /* groups + 1 */
};
/* `out` is deinit'ed by the caller when STATUS_OK. CANCELLED; TOO_LARGE: no memory. At least one
 * point. */
enum status cluster_train(const struct cluster_job *job, struct clustering *out, struct error *err);
void clustering_deinit(struct clustering *clustering);
/* The `width` nearest centroids of each of `count` float rows, nearest first: out is count x width;
 * distances (may be NULL): |x - c|^2. Exact, by matrix products, in parallel. With fewer than
 * `width` clusters the places left over hold UINT32_MAX and infinity. */
enum status cluster_nearest(const struct clustering *clustering, const float *rows, size_t count,
                            size_t width, uint32_t threads, uint32_t *out, float *distances,
                            struct error *err);
/* The nearest centroid of each row, looked for below the nearest few groups only: what `assignment`
 * is made with. `threads` as above. */
enum status cluster_assign(const struct clustering *clustering, const float *rows, size_t count,
                           uint32_t threads, const atomic_bool *cancelled, uint32_t *out,
                           struct error *err);
/* A stored row, or a query in stored form, as the clustering sees it. */
void cluster_row(const struct vectors *vectors, const void *stored, float *out);
/* Runs body(ctx, i) for i below count on `threads` threads; false when cancelled. The work of one i
 * must not depend on others. */
bool parallel_for(uint32_t threads, size_t count, const atomic_bool *cancelled,
                  void (*body)(void *ctx, size_t i), void *ctx);
