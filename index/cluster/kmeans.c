/* Lloyd's algorithm on one thread, with a start from distinct random rows.
 *
 * Sums run over the rows in order, so the result depends on the input and the seed only. Nothing
 * fails. */
#include "index/cluster/kmeans.h"

#include "index/cluster/cluster_int.h"
#include "storage/base/assert.h"
#include "storage/base/random.h"

#include <string.h>

static const float APART = 1.0f / 1024; /* how far apart the halves of a cluster start */

static size_t largest(const uint32_t *sizes, size_t clusters)
{
    size_t best = 0;
    for (size_t c = 1; c < clusters; c++) {
        best = sizes[c] > sizes[best] ? c : best;
    }
    return best;
}

void kmeans_reseed(float *centroids, uint32_t *sizes, size_t clusters, size_t dim, uint32_t small,
                   uint32_t large)
{
    for (size_t c = 0; c < clusters; c++) {
        if (sizes[c] >= small) {
            continue;
        }
        size_t from = largest(sizes, clusters);
        if (sizes[from] <= large) {
            return;
        }
        float *a = centroids + c * dim;
        float *b = centroids + from * dim;
        for (size_t i = 0; i < dim; i++) {
            float step = b[i] * (i % 2 == 0 ? APART : -APART);
            a[i] = b[i] + step;
            b[i] -= step;
        }
        sizes[c] = sizes[from] / 2;
        sizes[from] -= sizes[c];
    }
}

/* One row of each of `clusters` equal stretches. */
static void start(const struct kmeans *kmeans)
{
    struct random random;
    random_init(&random, kmeans->seed);
    size_t dim = kmeans->dim;
    for (size_t c = 0; c < kmeans->clusters; c++) {
        size_t from = c * kmeans->count / kmeans->clusters;
        size_t to = (c + 1) * kmeans->count / kmeans->clusters;
        size_t row = from + random_below(&random, to - from);
        memcpy(kmeans->centroids + c * dim, kmeans->rows + row * dim, dim * sizeof(float));
    }
}

static void assign(const struct kmeans *kmeans)
{
    const struct centroid_set set = {kmeans->centroids, kmeans->half_norms, kmeans->clusters,
                                     kmeans->dim};
    float scores[TILE_ROWS];
    for (size_t from = 0; from < kmeans->count; from += TILE_ROWS) {
        size_t count = kmeans->count - from < TILE_ROWS ? kmeans->count - from : TILE_ROWS;
        tile_nearest(&set, kmeans->rows + from * kmeans->dim, count, kmeans->assignment + from,
                     scores);
    }
    memset(kmeans->sizes, 0, kmeans->clusters * sizeof *kmeans->sizes);
    for (size_t i = 0; i < kmeans->count; i++) {
        kmeans->sizes[kmeans->assignment[i]]++;
    }
}

static void move_to_means(const struct kmeans *kmeans)
{
    size_t dim = kmeans->dim;
    for (size_t c = 0; c < kmeans->clusters; c++) {
        if (kmeans->sizes[c] > 0) {
            memset(kmeans->centroids + c * dim, 0, dim * sizeof(float));
        }
    }
    for (size_t i = 0; i < kmeans->count; i++) {
        float *centroid = kmeans->centroids + kmeans->assignment[i] * dim;
        const float *row = kmeans->rows + i * dim;
        for (size_t d = 0; d < dim; d++) {
            centroid[d] += row[d];
        }
    }
    for (size_t c = 0; c < kmeans->clusters; c++) {
        float scale = 1.0f / (float)(kmeans->sizes[c] > 0 ? kmeans->sizes[c] : 1);
        for (size_t d = 0; d < dim; d++) {
            kmeans->centroids[c * dim + d] *= scale;
        }
    }
}

void kmeans_run(const struct kmeans *kmeans)
{
    ASSERT(kmeans->clusters > 0 && kmeans->clusters <= kmeans->count);
    start(kmeans);
    half_norms_of(kmeans->centroids, kmeans->clusters, kmeans->dim, kmeans->half_norms);
    for (uint32_t i = 0; i < kmeans->iterations; i++) {
        assign(kmeans);
        move_to_means(kmeans);
        kmeans_reseed(kmeans->centroids, kmeans->sizes, kmeans->clusters, kmeans->dim, 1, 1);
        half_norms_of(kmeans->centroids, kmeans->clusters, kmeans->dim, kmeans->half_norms);
    }
    assign(kmeans);
}
