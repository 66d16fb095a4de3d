/* The scan of codes: every probed list against the running bound.
 *
 * Candidates gather in a reservoir of twice what is kept; when it is full the farther half goes and
 * the farthest kept becomes the bound, which each list turns into a sum below which the kernel
 * reports points. A filter is asked about these only, so that the bound is that of accepted points.
 * With a filter, probing goes on until as many accepted points have been looked at as the plan
 * foresees. Failures: cancelled. */
#include "index/ivfpq/searching.h"

#include <math.h>

enum { CANCEL_POINTS = 1 << 14, AHEAD_BYTES = 4096, AHEAD_LISTS = 4, LINE_BYTES = 64 };

struct bound {
    float distance;
    size_t full; /* candidates at which the reservoir is emptied */
};

static bool is_cancelled(const struct searching *s)
{
    return s->args->cancelled != NULL &&
           atomic_load_explicit(s->args->cancelled, memory_order_relaxed);
}

static void prefetch_list(const struct searching *s, const struct list *list)
{
    size_t size = (list->count + FASTSCAN_BLOCK - 1) / FASTSCAN_BLOCK *
                  fastscan_block_bytes(s->fine.pairs, s->fine.has_addends);
    size = size < AHEAD_BYTES ? size : AHEAD_BYTES;
    for (size_t i = 0; i < size; i += LINE_BYTES) {
        __builtin_prefetch(list->blocks + i);
    }
}

static bool accepts(struct searching *s, point_offset point)
{
    const struct search_args *args = s->args;
    if (point >= args->count) {
        return false;
    }
    if (args->accept == NULL) {
        return true;
    }
    s->tested++;
    bool accepted = args->accept->test(args->accept->ctx, point);
    s->accepted += accepted;
    return accepted;
}

static void shrink(struct searching *s, struct bound *bound)
{
    struct found *found = s->scratch->found;
    size_t keep = s->plan.keep;
    found_select(found, s->found_count, keep);
    s->found_count = keep;
    float farthest = found[0].distance;
    for (size_t i = 1; i < keep; i++) {
        farthest = found[i].distance > farthest ? found[i].distance : farthest;
    }
    bound->distance = farthest;
}

/* What the list and the tables add to a point's sum. */
static float base_of(const struct searching *s, const struct probe *probe)
{
    switch (s->table->model.space) {
    case SPACE_INNER:
        return probe->bias + s->fine_units.low;
    case SPACE_SQUARE:
        return probe->bias + s->fine_units.low + s->table->model.head.addends.low;
    case SPACE_ABSOLUTE:
        break;
    }
    return s->fine_units.low;
}

static void scan_list(struct searching *s, const struct probe *probe, struct bound *bound)
{
    const struct list *list = &s->table->lists[probe->list];
    struct scratch *scratch = s->scratch;
    float base = base_of(s, probe);
    float units = (bound->distance - base) / s->fine_units.step;
    if (units < 0) {
        return;
    }
    uint16_t most = units < UINT16_MAX ? (uint16_t)units : UINT16_MAX;
    size_t below = s->kernel->below(&s->fine, list->blocks, list->count, most, scratch->positions,
                                    scratch->sums);
    bool ask = s->args->accept != NULL || s->args->count < s->table->linked;
    struct found *found = scratch->found;
    for (size_t i = 0; i < below; i++) {
        uint32_t place = scratch->positions[i];
        if (ask && !accepts(s, list->points[place])) {
            continue;
        }
        found[s->found_count++] = (struct found){
            .distance = base + s->fine_units.step * (float)scratch->sums[i],
            .list = probe->list,
            .place = place,
        };
    }
    if (s->found_count >= bound->full) {
        shrink(s, bound);
    }
}

bool searching_scan(struct searching *s)
{
    const struct probe *probes = s->scratch->probes;
    struct bound bound = {.distance = INFINITY, .full = s->plan.keep + s->plan.keep / 2 + 16};
    size_t next_check = 0;
    s->found_count = 0;
    s->scanned = 0;
    for (size_t i = 0; i < s->probes_count; i++) {
        if (s->scanned >= next_check) {
            if (is_cancelled(s)) {
                return false;
            }
            next_check = s->scanned + CANCEL_POINTS;
        }
        if (i + AHEAD_LISTS < s->probes_count) {
            __builtin_prefetch(&s->table->lists[probes[i + AHEAD_LISTS].list]);
        }
        if (i + 1 < s->probes_count) {
            prefetch_list(s, &s->table->lists[probes[i + 1].list]);
        }
        scan_list(s, &probes[i], &bound);
        s->scanned += s->table->lists[probes[i].list].count;
    }
    if (s->found_count > s->plan.keep) {
        shrink(s, &bound);
    }
    return true;
}
