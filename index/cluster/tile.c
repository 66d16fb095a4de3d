/* Nearest centroids of a tile of rows: |x - c|^2 / 2 = |x|^2 / 2 + (|c|^2 / 2 - x.c), so a matrix
 * product gives all there is to compare. The products of a tile stay in the second-level cache and
 * are looked at before they leave it. The shapes of the products depend on the input alone, so the
 * results do not depend on the number of threads. Nothing fails. */
#include "index/cluster/cluster_int.h"
#include "storage/base/assert.h"

#include <cblas.h>
#include <math.h>
#include <pthread.h>
#include <string.h>

enum { TILE_CENTROIDS = 256, LANES = 8 };
#define FLOATS float __attribute__((vector_size(LANES * sizeof(float))))
#define INTS   int32_t __attribute__((vector_size(LANES * sizeof(int32_t))))

static pthread_once_t blas_once = PTHREAD_ONCE_INIT;

static bool wide_lanes; /* set once */

static void set_one_thread(void)
{
    openblas_set_num_threads(1);
#if defined(__x86_64__)
    wide_lanes = __builtin_cpu_supports("avx2");
#endif
}

void blas_single_threaded(void)
{
    ASSERT(pthread_once(&blas_once, set_one_thread) == 0);
}

void half_norms_of(const float *centroids, size_t count, size_t dim, float *out)
{
    for (size_t c = 0; c < count; c++) {
        double sum = 0;
        for (size_t i = 0; i < dim; i++) {
            double x = (double)centroids[c * dim + i];
            sum += x * x;
        }
        out[c] = (float)(sum / 2);
    }
}

/* products[r * TILE_CENTROIDS + c] = row r . centroid from + c */
static void multiply(const struct centroid_set *set, size_t from, size_t width, const float *rows,
                     size_t count, float *products)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)count, (int)width, (int)set->dim, 1,
                rows, (int)set->dim, set->centroids + from * set->dim, (int)set->dim, 0, products,
                TILE_CENTROIDS);
}

struct least {
    float score;
    uint32_t at;
};

/* Compiled for the base instruction set and, where there is one, for a wider. */
static inline __attribute__((always_inline)) struct least
least_by_lanes(const float *half_norms, const float *products, size_t width)
{
    FLOATS best = {INFINITY, INFINITY, INFINITY, INFINITY, INFINITY, INFINITY, INFINITY, INFINITY};
    INTS best_at = {0};
    INTS at = {0, 1, 2, 3, 4, 5, 6, 7};
    size_t i = 0;
    for (; i + LANES <= width; i += LANES) {
        FLOATS half;
        FLOATS product;
        memcpy(&half, half_norms + i, sizeof half);
        memcpy(&product, products + i, sizeof product);
        FLOATS score = half - product;
        INTS less = score < best;
        best = (FLOATS)(((INTS)score & less) | ((INTS)best & ~less));
        best_at = (at & less) | (best_at & ~less);
        at += LANES;
    }
    struct least least = {INFINITY, 0};
    for (size_t lane = 0; lane < LANES; lane++) {
        if (best[lane] < least.score ||
            (best[lane] <= least.score && (uint32_t)best_at[lane] < least.at)) {
            least = (struct least){best[lane], (uint32_t)best_at[lane]};
        }
    }
    for (; i < width; i++) {
        float score = half_norms[i] - products[i];
        if (score < least.score) {
            least = (struct least){score, (uint32_t)i};
        }
    }
    return least;
}

static struct least least_base(const float *half_norms, const float *products, size_t width)
{
    return least_by_lanes(half_norms, products, width);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static struct least least_avx2(const float *half_norms,
                                                               const float *products, size_t width)
{
    return least_by_lanes(half_norms, products, width);
}
#endif

static struct least least_of(const float *half_norms, const float *products, size_t width)
{
#if defined(__x86_64__)
    if (wide_lanes) {
        return least_avx2(half_norms, products, width);
    }
#endif
    return least_base(half_norms, products, width);
}

void tile_nearest(const struct centroid_set *set, const float *rows, size_t count, uint32_t *out,
                  float *scores)
{
    ASSERT(count <= TILE_ROWS);
    float products[TILE_ROWS * TILE_CENTROIDS];
    for (size_t r = 0; r < count; r++) {
        scores[r] = INFINITY;
        out[r] = 0;
    }
    for (size_t from = 0; from < set->count; from += TILE_CENTROIDS) {
        size_t width = set->count - from < TILE_CENTROIDS ? set->count - from : TILE_CENTROIDS;
        multiply(set, from, width, rows, count, products);
        for (size_t r = 0; r < count; r++) {
            struct least least =
                least_of(set->half_norms + from, products + r * TILE_CENTROIDS, width);
            if (least.score < scores[r]) {
                scores[r] = least.score;
                out[r] = (uint32_t)from + least.at;
            }
        }
    }
}

static void insert(uint32_t *out, float *scores, size_t width, uint32_t at, float score)
{
    size_t place = width - 1;
    while (place > 0 && scores[place - 1] > score) {
        scores[place] = scores[place - 1];
        out[place] = out[place - 1];
        place--;
    }
    scores[place] = score;
    out[place] = at;
}

void tile_nearest_many(const struct centroid_set *set, const float *rows, size_t count,
                       size_t width, uint32_t *out, float *scores)
{
    ASSERT(count <= TILE_ROWS && width > 0);
    float products[TILE_ROWS * TILE_CENTROIDS];
    for (size_t i = 0; i < count * width; i++) {
        scores[i] = INFINITY;
        out[i] = UINT32_MAX;
    }
    for (size_t from = 0; from < set->count; from += TILE_CENTROIDS) {
        size_t tile = set->count - from < TILE_CENTROIDS ? set->count - from : TILE_CENTROIDS;
        multiply(set, from, tile, rows, count, products);
        for (size_t r = 0; r < count; r++) {
            float *best = scores + r * width;
            for (size_t c = 0; c < tile; c++) {
                float score = set->half_norms[from + c] - products[r * TILE_CENTROIDS + c];
                if (score < best[width - 1]) {
                    insert(out + r * width, best, width, (uint32_t)(from + c), score);
                }
            }
        }
    }
}
