/* The lists to look through: the nearest centroids.
 *
 * The centroids' codes are scanned like those of points. Somewhat more than wanted of the nearest
 * are then compared exactly, which also gives what each list adds to its points' estimates.
 * Nothing fails. */
#include "index/ivfpq/searching.h"

#include <math.h>
#include <string.h>

enum { EXTRA_MIN = 8, BUCKETS = 512 };

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

float probe_order(const struct model *model, float query_norm, float reach, float bias,
                  float spread)
{
    switch (model->space) {
    case SPACE_INNER:
        return bias - reach * query_norm * spread;
    case SPACE_SQUARE:
        return bias + spread * (spread - 2 * reach * sqrtf(bias));
    case SPACE_ABSOLUTE:
        break;
    }
    return bias;
}

/* In the order of the floats. */
static uint32_t key_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits ^ (bits >> 31 != 0 ? UINT32_MAX : (uint32_t)1 << 31);
}

/* Sorts by the keys, stable. Radix sort: the order of some hundred lists takes a microsecond. */
static void sort_probes(struct probe *probes, struct probe *other, size_t count)
{
    for (uint32_t shift = 0; shift < 32; shift += 8) {
        uint32_t next[257] = {0};
        for (size_t i = 0; i < count; i++) {
            next[1 + (probes[i].key >> shift & 255)]++;
        }
        for (size_t d = 0; d < 256; d++) {
            next[d + 1] += next[d];
        }
        for (size_t i = 0; i < count; i++) {
            other[next[probes[i].key >> shift & 255]++] = probes[i];
        }
        struct probe *swap = probes;
        probes = other;
        other = swap;
    }
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
    const struct coarse *coarse = &s->table->coarse;
    size_t lists = s->table->lists_count;
    size_t wanted = s->plan.probes < lists ? s->plan.probes : lists;
    size_t found = candidates(s, wanted + wanted / 4 + EXTRA_MIN);
    for (size_t i = 0; i < found; i++) {
        scratch->rows[i] = coarse->centroids + scratch->probes[i].list * model->dim;
    }
    const struct kernel *kernel = kernel_get(distances[model->space], ELEMENT_F32);
    kernel->many(scratch->query, scratch->rows, found, model->dim, scratch->distances);
    for (size_t i = 0; i < found; i++) {
        struct probe *probe = &scratch->probes[i];
        probe->bias = scratch->distances[i];
        probe->key = key_of(probe_order(model, s->query_norm, model->head.reach, probe->bias,
                                        coarse->spreads[probe->list]));
    }
    sort_probes(scratch->probes, scratch->other_probes, found);
    s->probes_count = wanted;
}
