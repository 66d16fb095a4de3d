/* The lists to look through: the nearest centroids.
 *
 * The centroids' codes are scanned like those of points. Somewhat more than wanted of the nearest
 * are then compared exactly, which also gives what each list adds to its points' estimates.
 * Nothing fails. */
#include "index/ivfpq/searching.h"

#include <stdlib.h>
#include <string.h>

enum { EXTRA_MIN = 8, BUCKETS = 512 };

static int compare_probes(const void *a, const void *b)
{
    const struct probe *x = a;
    const struct probe *y = b;
    if (x->distance < y->distance || x->distance > y->distance) {
        return x->distance < y->distance ? -1 : 1;
    }
    return (x->list > y->list) - (x->list < y->list);
}

/* The least sum that at least `wanted` centroids do not exceed, to the width of a bucket. */
static uint16_t bound_for(const uint16_t *sums, size_t count, size_t wanted)
{
    uint32_t low = UINT16_MAX;
    uint32_t high = 0;
    for (size_t i = 0; i < count; i++) {
        low = sums[i] < low ? sums[i] : low;
        high = sums[i] > high ? sums[i] : high;
    }
    uint32_t shift = 0;
    while ((high - low) >> shift >= BUCKETS) {
        shift++;
    }
    uint32_t sizes[BUCKETS] = {0};
    for (size_t i = 0; i < count; i++) {
        sizes[(sums[i] - low) >> shift]++;
    }
    size_t below = 0;
    uint32_t bucket = 0;
    for (; bucket < BUCKETS - 1; bucket++) {
        below += sizes[bucket];
        if (below >= wanted) {
            break;
        }
    }
    uint32_t bound = low + (((bucket + 1) << shift) - 1);
    return bound < UINT16_MAX ? (uint16_t)bound : UINT16_MAX;
}

static size_t candidates(struct searching *s, size_t wanted)
{
    struct scratch *scratch = s->scratch;
    size_t count = s->table->lists_count;
    size_t found = 0;
    if (wanted >= count) {
        for (size_t i = 0; i < count; i++) {
            scratch->probes[i].list = (uint32_t)i;
        }
        return count;
    }
    s->kernel->sums(&s->coarse, s->table->coarse.blocks, count, scratch->coarse_sums);
    uint16_t bound = bound_for(scratch->coarse_sums, count, wanted);
    for (size_t i = 0; i < count; i++) {
        scratch->probes[found].list = (uint32_t)i;
        found += scratch->coarse_sums[i] <= bound;
    }
    return found;
}

void searching_probe(struct searching *s)
{
    static const enum distance distances[] = {
        [SPACE_INNER] = DISTANCE_DOT,
        [SPACE_SQUARE] = DISTANCE_EUCLID,
        [SPACE_ABSOLUTE] = DISTANCE_MANHATTAN,
    };
    struct scratch *scratch = s->scratch;
    const struct model *model = &s->table->model;
    size_t wanted = s->plan.probes < s->table->lists_count ? s->plan.probes : s->table->lists_count;
    size_t found = candidates(s, wanted + wanted / 4 + EXTRA_MIN);
    for (size_t i = 0; i < found; i++) {
        scratch->rows[i] = s->table->coarse.centroids + scratch->probes[i].list * model->dim;
    }
    const struct kernel *kernel = kernel_get(distances[model->space], ELEMENT_F32);
    kernel->many(scratch->query, scratch->rows, found, model->dim, scratch->distances);
    for (size_t i = 0; i < found; i++) {
        scratch->probes[i].distance = scratch->distances[i];
        scratch->probes[i].bias = model->space == SPACE_ABSOLUTE ? 0 : scratch->distances[i];
    }
    qsort(scratch->probes, found, sizeof *scratch->probes, compare_probes);
    s->probes_count = wanted;
}
