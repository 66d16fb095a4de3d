/* The scan of codes: every probed list against the running bound.
 *
 * Candidates gather in a reservoir of twice what is kept; when it is full the farther half goes and
 * the farthest kept becomes the bound, which each list turns into a sum below which the kernel
 * reports points. A filter is asked about these only, so that the bound is that of accepted points.
 * Where the filter's bits are known they are looked up first, for all points of a list: blocks
 * without an accepted point are not compared, and the part accepted around the query tells how many
 * lists are enough. With a filter, probing goes on until as many accepted points have been looked
 * at as the plan foresees. Failures: cancelled. */
#include "index/ivfpq/searching.h"

#include <math.h>
#include <string.h>

enum {
    CANCEL_POINTS = 1 << 14,
    AHEAD_BYTES = 4096,
    AHEAD_LISTS = 4,
    LINE_BYTES = 64,
    LISTS_A_LOOK = 8,
    CODES_A_DISTANCE = 20, /* see ivfpq_cost */
};
static const double BEHIND = 0.8; /* of the part accepted elsewhere */
/* The order of lists is an estimate: only beyond this part more is a list surely too far. */
static const float CLOSED_MARGIN = 0.4f;

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
    s->work.checked++;
    bool accepted = accept_point(args->accept, point);
    s->accepted += accepted;
    return accepted;
}

static bool has_bits(const struct searching *s)
{
    return s->args->accept != NULL && s->args->accept->bits != NULL &&
           s->args->accept->bits_count > 0;
}

static bool passes_test(const struct searching *s, point_offset point)
{
    const struct accept *accept = s->args->accept;
    return accept->test == NULL || accept->test(accept->ctx, point);
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

/* Scans `count` points of a list from block `first` on; those with a bit in `masks` (NULL: all)
 * that are accepted and near enough become candidates. */
static void scan_run(struct searching *s, const struct probe *probe, size_t first, size_t count,
                     uint16_t most, const uint32_t *masks)
{
    const struct list *list = &s->table->lists[probe->list];
    struct scratch *scratch = s->scratch;
    float base = base_of(s, probe);
    size_t block_bytes = fastscan_block_bytes(s->fine.pairs, s->fine.has_addends);
    size_t below = s->kernel->below(&s->fine, list->blocks + first * block_bytes, count, most,
                                    scratch->positions, scratch->sums);
    bool ask = s->args->accept != NULL || s->args->count < s->table->linked;
    struct found *found = scratch->found;
    for (size_t i = 0; i < below; i++) {
        uint32_t place = (uint32_t)(first * FASTSCAN_BLOCK) + scratch->positions[i];
        if (masks != NULL) {
            bool has_bit = (masks[place / FASTSCAN_BLOCK] >> (place % FASTSCAN_BLOCK) & 1) != 0;
            if (!has_bit || !passes_test(s, list->points[place])) {
                continue;
            }
        } else if (ask && !accepts(s, list->points[place])) {
            continue;
        }
        found[s->found_count++] = (struct found){
            .distance = base + s->fine_units.step * (float)scratch->sums[i],
            .list = probe->list,
            .place = place,
        };
    }
    s->work.compared += count;
}

/* Which points of a list have a bit: a word for each block. Returns how many have. */
static size_t mask_list(const struct searching *s, const struct list *list, uint32_t *masks)
{
    const struct accept *accept = s->args->accept;
    size_t end = s->args->count < accept->bits_count ? s->args->count : accept->bits_count;
    const uint64_t *bits = accept->bits;
    size_t set = 0;
    for (size_t from = 0; from < list->count; from += FASTSCAN_BLOCK) {
        const point_offset *points = list->points + from;
        size_t count = list->count - from < FASTSCAN_BLOCK ? list->count - from : FASTSCAN_BLOCK;
        uint32_t mask = 0;
        for (size_t i = 0; i < count; i++) {
            point_offset point = points[i] < end ? points[i] : 0;
            uint32_t bit = (uint32_t)(bits[point / 64] >> (point % 64)) & (points[i] < end);
            mask |= bit << i;
        }
        masks[from / FASTSCAN_BLOCK] = mask;
        set += (size_t)__builtin_popcount(mask);
    }
    return set;
}

/* Only blocks that hold accepted points are compared. */
static void scan_masked(struct searching *s, const struct probe *probe, uint16_t most)
{
    const struct list *list = &s->table->lists[probe->list];
    const uint32_t *masks = s->scratch->masks;
    size_t blocks = (list->count + FASTSCAN_BLOCK - 1) / FASTSCAN_BLOCK;
    for (size_t first = 0, end; first < blocks; first = end) {
        end = first + 1;
        if (masks[first] == 0) {
            continue;
        }
        while (end < blocks && masks[end] != 0) {
            end++;
        }
        size_t from = first * FASTSCAN_BLOCK;
        size_t until = end * FASTSCAN_BLOCK < list->count ? end * FASTSCAN_BLOCK : list->count;
        scan_run(s, probe, first, until - from, most, masks);
    }
}

static void scan_list(struct searching *s, const struct probe *probe, struct bound *bound)
{
    const struct list *list = &s->table->lists[probe->list];
    float units = (bound->distance - base_of(s, probe)) / s->fine_units.step;
    uint16_t most = units < UINT16_MAX ? (uint16_t)fmaxf(units, 0) : UINT16_MAX;
    size_t set = list->count;
    if (has_bits(s)) {
        set = mask_list(s, list, s->scratch->masks);
        s->work.checked += list->count;
        s->tested += list->count;
        s->accepted += set;
    }
    if (set == 0 || units < 0) {
        return;
    }
    if (has_bits(s)) {
        scan_masked(s, probe, most);
    } else {
        scan_run(s, probe, 0, list->count, most, NULL);
    }
    if (s->found_count >= bound->full) {
        shrink(s, bound);
    }
}

/* The float that probe.c made the key of. */
static float order_of(const struct probe *probe)
{
    uint32_t bits = probe->key ^ (probe->key >> 31 != 0 ? (uint32_t)1 << 31 : UINT32_MAX);
    float order;
    memcpy(&order, &bits, sizeof order);
    return order;
}

/* Can no list from this one on hold a point nearer than the limit-th found? */
static bool is_closed(const struct searching *s, const struct probe *next)
{
    size_t limit = s->args->limit;
    struct found *found = s->scratch->found;
    if (s->found_count < limit) {
        return false;
    }
    found_select(found, s->found_count, limit);
    float farthest = found[0].distance;
    for (size_t i = 1; i < limit; i++) {
        farthest = found[i].distance > farthest ? found[i].distance : farthest;
    }
    return order_of(next) > farthest + CLOSED_MARGIN * fabsf(farthest);
}

/* With bits, before the i-th list: have enough accepted points been looked at? Where more of them
 * are accepted than elsewhere, fewer lists will do. */
static bool has_enough(struct searching *s, size_t i)
{
    const struct plan *plan = &s->plan;
    if (!has_bits(s) || (double)i < plan->usual) {
        return false;
    }
    double part = (double)(s->accepted + 1) / (double)(s->tested + 1);
    if ((double)i < plan->usual + LISTS_A_LOOK) {
        s->behind = part < BEHIND * s->args->accept->selectivity;
    }
    double lists = plan->usual * filter_factor(part);
    if (s->found_count < plan->keep || (double)i < lists) {
        return false;
    }
    s->closed = s->behind && is_closed(s, &s->scratch->probes[i]);
    return s->closed || !s->behind;
}

static bool is_over_budget(const struct searching *s)
{
    const struct search_args *args = s->args;
    return args->work_max > 0 && args->trace != NULL &&
           s->work.hops + (s->work.checked + s->work.compared) / CODES_A_DISTANCE > args->work_max;
}

bool searching_scan(struct searching *s)
{
    const struct probe *probes = s->scratch->probes;
    struct bound bound = {.distance = INFINITY, .full = s->plan.keep + s->plan.keep / 2 + 16};
    size_t next_check = 0;
    s->found_count = 0;
    s->scanned = 0;
    if (has_bits(s)) {
        s->tested = 0;
        s->accepted = 0;
        s->behind = false;
        s->closed = false;
    }
    for (size_t i = 0; i < s->probes_count && s->work.gave_up == GAVE_UP_NOT; i++) {
        if (s->scanned >= next_check) {
            if (is_cancelled(s)) {
                return false;
            }
            next_check = s->scanned + CANCEL_POINTS;
        }
        if (i % LISTS_A_LOOK == 0 && has_enough(s, i)) {
            break;
        }
        if (i + AHEAD_LISTS < s->probes_count) {
            __builtin_prefetch(&s->table->lists[probes[i + AHEAD_LISTS].list]);
        }
        if (i + 1 < s->probes_count) {
            prefetch_list(s, &s->table->lists[probes[i + 1].list]);
        }
        scan_list(s, &probes[i], &bound);
        s->scanned += s->table->lists[probes[i].list].count;
        s->work.hops++;
        s->work.gave_up = is_over_budget(s) ? GAVE_UP_BUDGET : GAVE_UP_NOT;
    }
    if (s->found_count > s->plan.keep) {
        shrink(s, &bound);
    }
    return true;
}
