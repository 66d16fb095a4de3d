/* Lloyd's k-means over float rows in the calling thread. */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* What a k-means works with; all the caller's memory. */
struct kmeans {
    const float *rows; /* count x dim */
    size_t count, dim, clusters;
    uint32_t iterations;
    uint64_t seed;
    float *centroids;     /* out: clusters x dim */
    float *half_norms;    /* out: clusters */
    uint32_t *assignment; /* out: count; of the last pass */
    uint32_t *sizes;      /* out: clusters */
};
/* 1 <= clusters <= count. Centroids without points are moved to halve large clusters. */
void kmeans_run(const struct kmeans *kmeans);
/* Centroids with fewer than `small` points take half of the largest clusters that have more than
 * `large`: both centroids stand a little to the two sides of the large one's. `sizes` is updated.
 */
void kmeans_reseed(float *centroids, uint32_t *sizes, size_t clusters, size_t dim, uint32_t small,
                   uint32_t large);
