/* The nearest centroid of many rows through the groups.
 *
 * A row is compared with the centroids of its nearest few groups. So that this is matrix products
 * too, the pairs of a row and a group are sorted by group; each group's rows are copied together
 * tile by tile and multiplied with its centroids; then each row keeps the best of its pairs.
 *
 * Threads: pieces write to places of their own. Failures: TOO_LARGE, CANCELLED. */
#include "index/cluster/cluster_int.h"
#include "storage/base/mem.h"

#include <string.h>

enum { GROUPS_LOOKED_AT = 8 };

struct piece { /* up to TILE_ROWS pairs of one group */
    uint32_t group, count;
    size_t from;
};
struct assigning {
    const struct clustering *clustering;
    const float *rows;
    size_t count, width; /* width: groups looked at for each row */
    uint32_t *groups;    /* count x width: the pairs */
    float *scores;       /* of each pair: the best */
    uint32_t *best;      /* of each pair: its centroid */
    uint32_t *order;     /* pairs sorted by group */
    struct piece *pieces;
    size_t pieces_count;
    uint32_t *out;
};

static size_t tile_count(size_t count, size_t tile)
{
    size_t from = tile * TILE_ROWS;
    return count - from < TILE_ROWS ? count - from : TILE_ROWS;
}

static void find_flat(void *ctx, size_t tile)
{
    struct assigning *a = ctx;
    const struct clustering *c = a->clustering;
    const struct centroid_set set = {c->centroids, c->half_norms, c->clusters, c->dim};
    size_t from = tile * TILE_ROWS;
    float scores[TILE_ROWS];
    tile_nearest(&set, a->rows + from * c->dim, tile_count(a->count, tile), a->out + from, scores);
}

static void find_groups(void *ctx, size_t tile)
{
    struct assigning *a = ctx;
    const struct clustering *c = a->clustering;
    const struct centroid_set set = {c->group_centroids, c->group_half_norms, c->groups, c->dim};
    size_t from = tile * TILE_ROWS;
    tile_nearest_many(&set, a->rows + from * c->dim, tile_count(a->count, tile), a->width,
                      a->groups + from * a->width, a->scores + from * a->width);
}

/* Sorts the pairs by group, keeping their order, and cuts them into pieces. */
static void sort_pairs(struct assigning *a)
{
    const struct clustering *c = a->clustering;
    size_t pairs = a->count * a->width;
    size_t *next = mem_zalloc((c->groups + 1) * sizeof *next);
    for (size_t i = 0; i < pairs; i++) {
        next[a->groups[i] + 1]++;
    }
    a->pieces_count = 0;
    for (size_t g = 0; g < c->groups; g++) {
        size_t size = next[g + 1];
        for (size_t at = 0; at < size; at += TILE_ROWS) {
            a->pieces[a->pieces_count++] = (struct piece){
                .group = (uint32_t)g,
                .count = (uint32_t)(size - at < TILE_ROWS ? size - at : TILE_ROWS),
                .from = next[g] + at,
            };
        }
        next[g + 1] += next[g];
    }
    for (size_t i = 0; i < pairs; i++) {
        a->order[next[a->groups[i]]++] = (uint32_t)i;
    }
    mem_free(next);
}

static void find_in_group(void *ctx, size_t i)
{
    struct assigning *a = ctx;
    const struct clustering *c = a->clustering;
    const struct piece *piece = &a->pieces[i];
    uint32_t first = c->group_first[piece->group];
    const struct centroid_set set = {c->centroids + first * c->dim, c->half_norms + first,
                                     c->group_first[piece->group + 1] - first, c->dim};
    float *rows = mem_alloc(piece->count * c->dim * sizeof *rows);
    for (size_t r = 0; r < piece->count; r++) {
        size_t row = a->order[piece->from + r] / a->width;
        memcpy(rows + r * c->dim, a->rows + row * c->dim, c->dim * sizeof *rows);
    }
    uint32_t best[TILE_ROWS];
    float scores[TILE_ROWS];
    tile_nearest(&set, rows, piece->count, best, scores);
    for (size_t r = 0; r < piece->count; r++) {
        a->scores[a->order[piece->from + r]] = scores[r];
        a->best[a->order[piece->from + r]] = first + best[r];
    }
    mem_free(rows);
}

static void keep_best(struct assigning *a)
{
    for (size_t i = 0; i < a->count; i++) {
        const float *scores = a->scores + i * a->width;
        const uint32_t *best = a->best + i * a->width;
        size_t least = 0;
        for (size_t j = 1; j < a->width; j++) {
            if (scores[j] < scores[least] ||
                (scores[j] <= scores[least] && best[j] < best[least])) {
                least = j;
            }
        }
        /* A group without centroids leaves its pairs at the number after it. */
        uint32_t clusters = (uint32_t)a->clustering->clusters;
        a->out[i] = best[least] < clusters ? best[least] : clusters - 1;
    }
}

static enum status assign_by_groups(struct assigning *a, uint32_t threads,
                                    const atomic_bool *cancelled, struct error *err)
{
    size_t tiles = (a->count + TILE_ROWS - 1) / TILE_ROWS;
    size_t pairs = a->count * a->width;
    a->groups = mem_try_alloc(pairs * sizeof *a->groups);
    a->scores = mem_try_alloc(pairs * sizeof *a->scores);
    a->best = mem_try_alloc(pairs * sizeof *a->best);
    a->order = mem_try_alloc(pairs * sizeof *a->order);
    a->pieces = mem_try_alloc((pairs / TILE_ROWS + 1 + a->clustering->groups) * sizeof *a->pieces);
    enum status status = STATUS_OK;
    if (!a->groups || !a->scores || !a->best || !a->order || !a->pieces) {
        status = error_set(err, STATUS_TOO_LARGE, "no memory to assign %zu rows", a->count);
    } else {
        bool done = parallel_for(threads, tiles, cancelled, find_groups, a);
        if (done) {
            sort_pairs(a);
            done = parallel_for(threads, a->pieces_count, cancelled, find_in_group, a);
        }
        if (done) {
            keep_best(a);
        } else {
            status = error_set(err, STATUS_CANCELLED, "the clustering was cancelled");
        }
    }
    mem_free(a->pieces);
    mem_free(a->order);
    mem_free(a->best);
    mem_free(a->scores);
    mem_free(a->groups);
    return status;
}

enum status cluster_assign(const struct clustering *clustering, const float *rows, size_t count,
                           uint32_t threads, const atomic_bool *cancelled, uint32_t *out,
                           struct error *err)
{
    blas_single_threaded();
    struct assigning a = {.clustering = clustering,
                          .rows = rows,
                          .count = count,
                          .width = clustering->groups < GROUPS_LOOKED_AT ? clustering->groups
                                                                         : GROUPS_LOOKED_AT,
                          .out = out};
    if (clustering->groups > 1) {
        return assign_by_groups(&a, threads, cancelled, err);
    }
    size_t tiles = (count + TILE_ROWS - 1) / TILE_ROWS;
    return parallel_for(threads, tiles, cancelled, find_flat, &a)
               ? STATUS_OK
               : error_set(err, STATUS_CANCELLED, "the clustering was cancelled");
}

struct finding {
    const struct clustering *clustering;
    const float *rows;
    size_t count, width;
    uint32_t *out;
    float *distances;
};

static void find_many(void *ctx, size_t tile)
{
    struct finding *f = ctx;
    const struct clustering *c = f->clustering;
    const struct centroid_set set = {c->centroids, c->half_norms, c->clusters, c->dim};
    size_t from = tile * TILE_ROWS;
    size_t count = tile_count(f->count, tile);
    float *scores = mem_alloc(count * f->width * sizeof *scores);
    tile_nearest_many(&set, f->rows + from * c->dim, count, f->width, f->out + from * f->width,
                      scores);
    for (size_t r = 0; r < count && f->distances != NULL; r++) {
        float half_norm;
        half_norms_of(f->rows + (from + r) * c->dim, 1, c->dim, &half_norm);
        for (size_t i = 0; i < f->width; i++) {
            float distance = 2 * (scores[r * f->width + i] + half_norm);
            f->distances[(from + r) * f->width + i] = distance > 0 ? distance : 0;
        }
    }
    mem_free(scores);
}

enum status cluster_nearest(const struct clustering *clustering, const float *rows, size_t count,
                            size_t width, uint32_t threads, uint32_t *out, float *distances,
                            struct error *err)
{
    if (width > clustering->clusters + UINT16_MAX) {
        return error_set(err, STATUS_TOO_LARGE, "the nearest %zu of %zu clusters", width,
                         clustering->clusters);
    }
    blas_single_threaded();
    struct finding finding = {clustering, rows, count, width, out, distances};
    size_t tiles = width > 0 ? (count + TILE_ROWS - 1) / TILE_ROWS : 0;
    parallel_for(threads, tiles, NULL, find_many, &finding);
    return STATUS_OK;
}
