/* Searching one segment.
 *
 * Without a filter: the index, then a scan of the tail that is not in it yet; or a scan of all
 * where there is no index, the segment is small, or the client asked for exact results. With a
 * filter its matches are collected first, as a set of exact size, and segment_plan.h chooses how
 * the nearest of them are found. Where no field index tells the matches, and a sample says that
 * many points match, they are not collected: each point that the index meets is checked then, once.
 *
 * A search of the index may give up, or find fewer than there are; the next cheapest way is taken
 * then, last of all a scan of the matches, so an answer is never short. What the first has found
 * bounds what the second has to look at.
 *
 * Writes run beside a search. It sees a snapshot: the points as they were after the last command
 * committed before it began. New places lie at or above the snapshot's count; places left since
 * then still count, and their rows are kept for a while (segment_purge.c). */
#include "index/segment/segment_int.h"
#include "index/segment/segment_run.h"
#include "storage/base/arena.h"
#include "storage/base/assert.h"
#include "storage/base/clock.h"
#include "storage/base/random.h"

enum { SAMPLE_POINTS = 200, KB = 1024 };
static const double CHECK_SELECTIVITY_MIN = 0.2; /* points are checked when met: at least */

/* One search. */
struct find {
    struct segment *segment;
    struct slot *slot;
    const struct segment_search *search;
    struct snapshot snapshot;
    struct searching s;
    struct search_report report;
    struct match_set matches;
    /* While points are checked when they are met. */
    struct bitmap known;    /* checked already */
    struct bitmap accepted; /* of these */
    struct arena *arena;
};

/* Has the point at this place the vector, in the snapshot? */
static bool holds_vector(const struct find *f, point_offset offset)
{
    const struct vectors *vectors = &f->slot->vectors;
    return vectors_has(vectors, offset) ||
           (vectors_had(vectors, offset) && is_visible(f->segment, offset, &f->snapshot));
}

static bool accept_live(const void *ctx, point_offset offset)
{
    return holds_vector(ctx, offset);
}

static bool accept_checked(const void *ctx, point_offset offset)
{
    struct find *f = (struct find *)ctx; /* one thread's own */
    if (offset >= f->known.bits || !holds_vector(f, offset)) {
        return false;
    }
    if (!bitmap_get(&f->known, offset)) {
        bitmap_set(&f->known, offset);
        if (segment_check(f->segment, f->search->filter, offset, f->arena)) {
            bitmap_set(&f->accepted, offset);
        }
        arena_reset(f->arena);
    }
    return bitmap_get(&f->accepted, offset);
}

static int compare_by_id(const void *ctx, point_offset a, point_offset b)
{
    const struct segment *segment = ctx;
    return point_id_compare(segment_id(segment, a), segment_id(segment, b));
}

static double sample_selectivity(struct find *f)
{
    struct random random;
    point_offset count = f->s.args.count;
    random_init(&random, count);
    size_t seen = 0;
    size_t accepted = 0;
    for (int i = 0; i < SAMPLE_POINTS * 4 && seen < SAMPLE_POINTS; i++) {
        point_offset offset = (point_offset)random_below(&random, count);
        if (is_live(f->segment, offset)) {
            seen++;
            accepted += accept_checked(f, offset);
        }
    }
    return seen ? (double)accepted / (double)seen : 0;
}

static bool index_serves(const struct slot *slot, const struct index_ref *ref,
                         const struct segment_search *search, point_offset linked)
{
    uint64_t bytes = (uint64_t)atomic_load(&slot->present) * vector_bytes(slot);
    return ref && ref->spec.kind != &vindex_flat && !search->exact && linked > 0 &&
           bytes >= slot->spec.full_scan_threshold_kb * KB;
}

/* May the points be checked when the index meets them? Pays when many match; a filter that comes
 * again is better collected once and remembered. */
static enum status try_checking(struct find *f, bool *checking, struct error *err)
{
    const struct filter *filter = f->search->filter;
    const struct point_id *ids = NULL;
    size_t ids_count = 0;
    point_offset count = f->s.args.count;
    *checking = false;
    if (!f->s.index || filter_ids(filter, &ids, &ids_count) ||
        segment_knows_filter(f->segment, filter)) {
        return STATUS_OK;
    }
    if (!bitmap_resize(&f->known, count) || !bitmap_resize(&f->accepted, count)) {
        return error_set(err, STATUS_INTERNAL, "no memory for a set of %u points", count);
    }
    f->s.test = accept_checked;
    f->s.selectivity = sample_selectivity(f);
    *checking = f->s.selectivity >= CHECK_SELECTIVITY_MIN;
    return STATUS_OK;
}

/* Every match, remembered or collected now. */
static enum status collect_matches(struct find *f, struct error *err)
{
    uint64_t start = clock_monotonic_ns();
    enum status status = STATUS_OK;
    struct match_entry *entry = segment_remembered(f->segment, f->search->filter, f->s.args.count);
    if (entry) {
        match_set_take_entry(&f->matches, entry);
    } else {
        struct bitmap bits;
        bitmap_init(&bits);
        status = segment_matches_by_pass(f->segment, f->search->filter, &f->snapshot,
                                         f->search->cancelled, &bits, err);
        match_set_take_bits(&f->matches, &bits);
    }
    f->s.matches = &f->matches;
    f->s.test = accept_live;
    f->report.matches_ns += clock_monotonic_ns() - start;
    return status;
}

/* Every match by way of the payload indexes; not *known: they do not help. */
static enum status look_matches_up(struct find *f, bool *known, struct error *err)
{
    uint64_t start = clock_monotonic_ns();
    roaring_bitmap_t *found = NULL;
    enum status status = segment_lookup(f->segment, f->search->filter, &f->snapshot,
                                        f->search->cancelled, &found, err);
    *known = found != NULL;
    if (found) {
        match_set_take_compressed(&f->matches, found);
        f->s.matches = &f->matches;
        f->s.test = accept_live;
    }
    f->report.matches_ns += clock_monotonic_ns() - start;
    return status;
}

/* What the index must be asked without a filter: only about points that have gone. */
static void prepare_unfiltered(struct find *f)
{
    struct searching *s = &f->s;
    s->test = accept_live;
    s->test_all = atomic_load(&f->slot->dead) > 0;
    s->selectivity = (double)s->present / (double)((uint64_t)s->args.count + 1);
}

static enum status prepare_filtered(struct find *f, struct error *err)
{
    bool known = false;
    bool checking = false;
    enum status status = look_matches_up(f, &known, err);
    if (status != STATUS_OK || known) {
        return status;
    }
    uint64_t start = clock_monotonic_ns();
    status = try_checking(f, &checking, err);
    f->report.matches_ns += clock_monotonic_ns() - start;
    return status == STATUS_OK && !checking ? collect_matches(f, err) : status;
}

static enum status run(struct find *f, struct error *err)
{
    bool unfinished = false;
    enum status status = search_run(&f->s, &unfinished, err);
    if (status == STATUS_OK && unfinished) {
        status = collect_matches(f, err);
        status = status == STATUS_OK ? search_run(&f->s, &unfinished, err) : status;
    }
    return status;
}

static enum status search_pinned(struct find *f, const struct index_ref *ref, struct error *err)
{
    const struct segment_search *search = f->search;
    struct searching *s = &f->s;
    point_offset linked = ref ? ref->index->kind->linked(ref->index) : 0;
    bool serves = index_serves(f->slot, ref, search, linked);
    if (search->indexed_only && ref && !serves) {
        s->args.count = linked < s->args.count ? linked : s->args.count;
    }
    if (serves) {
        s->index = ref->index;
        s->links = ref->spec.kind == &vindex_hnsw ? 2 * ref->spec.params.m : 0;
        s->cold = ref->spec.params.cold;
    }
    if (s->args.count == 0) {
        return STATUS_OK;
    }
    enum status status = STATUS_OK;
    if (search->filter) {
        status = prepare_filtered(f, err);
    } else {
        prepare_unfiltered(f);
    }
    return status == STATUS_OK ? run(f, err) : status;
}

enum status segment_search(struct segment *segment, const struct segment_search *search,
                           struct scored *items, size_t *count, struct error *err)
{
    ASSERT(search->slot < segment->slots_count);
    uint64_t start = clock_monotonic_ns();
    struct slot *slot = &segment->slots[search->slot];
    struct tie_order tie = {.compare = compare_by_id, .ctx = segment};
    struct topk top;
    topk_init(&top, items, search->limit, &tie);
    struct find f = {.segment = segment,
                     .slot = slot,
                     .search = search,
                     .snapshot = segment_snapshot(segment),
                     .arena = arena_create(0)};
    point_offset vectors = (point_offset)vectors_count(&slot->vectors);
    f.s = (struct searching){
        .vectors = &slot->vectors,
        .indexed_only = search->indexed_only,
        .hops = search->hops,
        .hops_part = search->hops_part,
        .args = {.query = search->query,
                 .limit = search->limit,
                 .effort = search->ef,
                 .codes = search->codes,
                 .oversampling = search->oversampling,
                 .cancelled = search->cancelled,
                 .count = vectors < f.snapshot.count ? vectors : f.snapshot.count},
        .ctx = &f,
        .filtered = search->filter != NULL,
        .present = atomic_load(&slot->present),
        .top = &top,
        .report = &f.report};
    match_set_init(&f.matches);
    bitmap_init(&f.known);
    bitmap_init(&f.accepted);
    struct index_ref *ref = slot_pin(slot);
    enum status status = search_pinned(&f, ref, err);
    if (ref) {
        slot_unpin(ref);
    }
    topk_sort(&top);
    *count = top.count;
    match_set_deinit(&f.matches);
    bitmap_deinit(&f.known);
    bitmap_deinit(&f.accepted);
    arena_destroy(f.arena);
    if (search->report) {
        f.report.took_ns = clock_monotonic_ns() - start;
        *search->report = f.report;
    }
    return status;
}
