/* Links back to newly linked nodes, after ParlayANN (Manohar et al., arXiv 2305.04359): all links
 * of a pass are sorted by their target, then every target's row is written once, so that nothing is
 * locked and the result does not depend on threads.
 *
 * A row with room takes the links as they are; a full one is chosen anew by the heuristic from what
 * it had and what is new. A hub is wanted by very many: it sees GROUP_MAX of them, evenly spaced,
 * and chooses among the nearest.
 *
 * Pruning may refuse a newcomer everywhere; hnsw_force_ways_in gives such a node one way in. What a
 * later pruning drops is found by hnsw_repair.c.
 *
 * Threads: searches run beside. Failures: TOO_LARGE without memory for the links, before any row is
 * written.
 */
#include "index/cluster/cluster.h"
#include "index/hnsw/hnsw_link.h"
#include "storage/base/mem.h"

#include <string.h>

enum {
    GROUPS_A_PIECE = 64,
    POINTS_A_PIECE = 64,
    GROUP_MAX = 8192,
    CHOICE_ROWS = 16, /* candidates looked at for a row, in capacities */
    DIGIT_BITS = 11,
    KEY_BITS = 32,
};

struct link { /* from `target` to `source` is wanted */
    point_offset source, target;
};
struct grouping {
    const struct backlinks *links;
    struct link *sorted;
    size_t *starts; /* of the groups of equal targets, and the end */
    size_t groups;
};

static size_t count_links(const struct backlinks *links)
{
    const struct hnsw *hnsw = links->hnsw;
    uint32_t capacity = row_capacity(hnsw, links->level);
    size_t total = 0;
    point_offset ids[ROW_MAX];
    for (size_t i = 0; i < links->count; i++) {
        total += row_read(row_at(hnsw, links->points[i], links->level), capacity, ids);
    }
    return total;
}

static void collect_links(const struct backlinks *links, struct link *out)
{
    const struct hnsw *hnsw = links->hnsw;
    uint32_t capacity = row_capacity(hnsw, links->level);
    point_offset ids[ROW_MAX];
    for (size_t i = 0; i < links->count; i++) {
        point_offset source = links->points[i];
        uint32_t count = row_read(row_at(hnsw, source, links->level), capacity, ids);
        for (uint32_t k = 0; k < count; k++) {
            *out++ = (struct link){.source = source, .target = ids[k]};
        }
    }
}

/* Sorts stably by target; `spare` is as large. Returns where the result is. */
static struct link *sort_by_target(struct link *links, struct link *spare, size_t count)
{
    for (uint32_t shift = 0; shift < KEY_BITS; shift += DIGIT_BITS) {
        size_t places[1 << DIGIT_BITS] = {0};
        const uint32_t mask = (1 << DIGIT_BITS) - 1;
        for (size_t i = 0; i < count; i++) {
            places[links[i].target >> shift & mask]++;
        }
        size_t sum = 0;
        for (size_t digit = 0; digit <= mask; digit++) {
            size_t here = places[digit];
            places[digit] = sum;
            sum += here;
        }
        for (size_t i = 0; i < count; i++) {
            spare[places[links[i].target >> shift & mask]++] = links[i];
        }
        struct link *swap = links;
        links = spare;
        spare = swap;
    }
    return links;
}

/* False: no memory. */
static bool find_groups(struct grouping *grouping, size_t total)
{
    const struct link *links = grouping->sorted;
    size_t groups = 0;
    for (size_t i = 0; i < total; i++) {
        groups += i == 0 || links[i].target != links[i - 1].target;
    }
    grouping->starts = mem_try_alloc((groups + 1) * sizeof *grouping->starts);
    if (grouping->starts == NULL) {
        return false;
    }
    size_t at = 0;
    for (size_t i = 0; i < total; i++) {
        if (i == 0 || links[i].target != links[i - 1].target) {
            grouping->starts[at++] = i;
        }
    }
    grouping->starts[at] = total;
    grouping->groups = groups;
    return true;
}

/* Appends what is new while there is room; true when all of it found some or was a copy too many.
 */
static bool append_all(const struct hnsw *hnsw, _Atomic uint32_t *row, uint32_t capacity,
                       point_offset target, struct candidate *near, uint32_t had, uint32_t count)
{
    if (count > capacity) {
        return false;
    }
    uint32_t twins = 0;
    for (uint32_t i = 0; i < had; i++) {
        twins += are_twins(hnsw, target, near[i].id);
    }
    uint32_t at = had;
    for (uint32_t i = had; i < count; i++) {
        bool twin = are_twins(hnsw, target, near[i].id);
        if (!twin || twins < twins_max(capacity)) {
            row_set(row, at++, near[i].id);
            twins += twin;
        }
    }
    return true;
}

/* `near` has room for a row and a group. */
static void link_group(const struct grouping *grouping, struct scratch *scratch, size_t group,
                       struct candidate *near)
{
    struct hnsw *hnsw = grouping->links->hnsw;
    uint32_t level = grouping->links->level;
    uint32_t capacity = row_capacity(hnsw, level);
    const struct link *from = grouping->sorted + grouping->starts[group];
    size_t size = grouping->starts[group + 1] - grouping->starts[group];
    point_offset target = from->target;
    _Atomic uint32_t *row = row_at(hnsw, target, level);
    uint32_t had = row_read(row, capacity, scratch->own);
    for (uint32_t i = 0; i < had; i++) {
        near[i].id = scratch->own[i];
    }
    uint32_t count = had;
    size_t step = (size + GROUP_MAX - 1) / GROUP_MAX;
    for (size_t i = 0; i < size; i += step) {
        if (!row_has(row, capacity, from[i].source)) {
            near[count++].id = from[i].source;
        }
    }
    if (append_all(hnsw, row, capacity, target, near, had, count)) {
        return;
    }
    const void *centre = vectors_at(hnsw->vectors, target);
    distances_to(hnsw, scratch, centre, near, count);
    candidates_sort(near, count);
    struct choice choice = choice_around(hnsw, centre, capacity);
    count = count < CHOICE_ROWS * capacity ? count : CHOICE_ROWS * capacity;
    uint32_t chosen = hnsw_choose(hnsw, scratch, &choice, near, count);
    row_write(row, capacity, scratch->chosen, chosen);
}

static void link_groups(void *ctx, size_t piece)
{
    const struct grouping *grouping = ctx;
    struct scratch *scratch = scratch_of_thread();
    struct candidate *near = mem_alloc((ROW_MAX + GROUP_MAX) * sizeof *near);
    size_t end = (piece + 1) * GROUPS_A_PIECE;
    end = end < grouping->groups ? end : grouping->groups;
    for (size_t group = piece * GROUPS_A_PIECE; group < end; group++) {
        link_group(grouping, scratch, group, near);
    }
    mem_free(near);
}

enum status hnsw_link_back(const struct backlinks *links, struct error *err)
{
    size_t total = count_links(links);
    struct grouping grouping = {.links = links};
    struct link *collected = mem_try_alloc(total * sizeof *collected + 1);
    struct link *spare = mem_try_alloc(total * sizeof *spare + 1);
    bool fits = collected != NULL && spare != NULL;
    if (fits) {
        collect_links(links, collected);
        grouping.sorted = sort_by_target(collected, spare, total);
        fits = find_groups(&grouping, total);
    }
    if (fits) {
        size_t pieces = (grouping.groups + GROUPS_A_PIECE - 1) / GROUPS_A_PIECE;
        (void)parallel_for(links->threads, pieces, NULL, link_groups, &grouping);
    }
    mem_free(grouping.starts);
    mem_free(spare);
    mem_free(collected);
    return fits ? STATUS_OK
                : error_set(err, STATUS_TOO_LARGE, "no memory for %zu links of a graph", total);
}

struct entering {
    const struct backlinks *links;
    uint8_t *lacks; /* a byte a point */
};

/* The neighbour that should link back to the point but does not; false: none. */
static bool find_way_in(const struct hnsw *hnsw, uint32_t level, point_offset point,
                        point_offset *out)
{
    uint32_t capacity = row_capacity(hnsw, level);
    point_offset own[ROW_MAX];
    uint32_t count = row_read(row_at(hnsw, point, level), capacity, own);
    uint32_t twin_at = count;
    bool kept = false;
    bool twin_kept = false;
    for (uint32_t i = 0; i < count; i++) {
        bool linked = row_has(row_at(hnsw, own[i], level), capacity, point);
        bool twin = are_twins(hnsw, own[i], point);
        twin_at = twin && twin_at == count ? i : twin_at;
        twin_kept = twin_kept || (twin && linked);
        kept = kept || linked;
    }
    if (twin_at < count && !twin_kept) {
        *out = own[twin_at];
        return true;
    }
    *out = own[0];
    return count > 0 && !kept;
}

static void look_for_ways_in(void *ctx, size_t piece)
{
    const struct entering *entering = ctx;
    const struct backlinks *links = entering->links;
    size_t end = (piece + 1) * POINTS_A_PIECE;
    end = end < links->count ? end : links->count;
    for (size_t i = piece * POINTS_A_PIECE; i < end; i++) {
        point_offset from;
        entering->lacks[i] = find_way_in(links->hnsw, links->level, links->points[i], &from);
    }
}

enum status hnsw_force_ways_in(const struct backlinks *links, struct error *err)
{
    struct entering entering = {.links = links, .lacks = mem_try_alloc(links->count + 1)};
    if (entering.lacks == NULL) {
        return error_set(err, STATUS_TOO_LARGE, "no memory to link %zu points", links->count);
    }
    size_t pieces = (links->count + POINTS_A_PIECE - 1) / POINTS_A_PIECE;
    (void)parallel_for(links->threads, pieces, NULL, look_for_ways_in, &entering);
    struct scratch *scratch = scratch_of_thread();
    for (size_t i = 0; i < links->count; i++) {
        point_offset from;
        if (entering.lacks[i] && find_way_in(links->hnsw, links->level, links->points[i], &from)) {
            link_or_take_over(links->hnsw, scratch, links->level, from, links->points[i]);
        }
    }
    mem_free(entering.lacks);
    return STATUS_OK;
}
