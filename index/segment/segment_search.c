/* Searching one segment.
 *
 * Without a filter: the graph, then a scan of the tail that is not linked yet; or a scan of all
 * where there is no graph, the segment is small, or the client asked for exact results. With a
 * filter: a sample estimates how many points it accepts; if many, the graph is walked and points
 * are checked on the way (each once); if few, all matches are collected in one pass and scanned. A
 * walk that finds fewer than asked falls back to the scan, so an answer is never short.
 *
 * Writes run beside a search. It sees a snapshot: the points as they were after the last command
 * committed before it began. New places lie at or above the snapshot's count; places left since
 * then still count, and their rows are kept for a while (segment_purge.c). */
#include "index/segment/segment_int.h"
#include "storage/base/arena.h"
#include "storage/base/assert.h"
#include "storage/base/mem.h"
#include "storage/base/random.h"

enum { CANCEL_CHECK_EVERY = 1024, SAMPLE_POINTS = 200, KB = 1024 };
static const double WALK_SELECTIVITY_MIN = 0.2;

/* What a search may return: bits from a full pass, or answers remembered while walking. */
struct acceptance {
    struct segment *segment;
    struct slot *slot;
    const struct filter *filter;
    struct bitmap matches;          /* every match after a full pass; or those accepted so far */
    struct bitmap known;            /* while walking: checked already */
    struct match_entry *remembered; /* holds `set` when it was known before */
    const struct bitmap *set;       /* every match; NULL: no filter, or checked while walking */
    struct snapshot snapshot;
    struct arena *arena;
};

/* Has the point at this place the vector, in the snapshot? */
static bool holds_vector(const struct acceptance *a, point_offset offset)
{
    const struct vectors *vectors = &a->slot->vectors;
    return vectors_has(vectors, offset) ||
           (vectors_had(vectors, offset) && is_visible(a->segment, offset, &a->snapshot));
}

static bool accept_live(const void *ctx, point_offset offset)
{
    const struct acceptance *a = ctx;
    return holds_vector(a, offset);
}

static bool accept_match(const void *ctx, point_offset offset)
{
    const struct acceptance *a = ctx;
    return bitmap_get(a->set, offset) && holds_vector(a, offset);
}

static bool accept_lazily(const void *ctx, point_offset offset)
{
    struct acceptance *a = (struct acceptance *)ctx; /* one thread's own */
    if (offset >= a->known.bits || !holds_vector(a, offset)) {
        return false;
    }
    if (!bitmap_get(&a->known, offset)) {
        bitmap_set(&a->known, offset);
        if (segment_check(a->segment, a->filter, offset, a->arena)) {
            bitmap_set(&a->matches, offset);
        }
        arena_reset(a->arena);
    }
    return bitmap_get(&a->matches, offset);
}

static int compare_by_id(const void *ctx, point_offset a, point_offset b)
{
    const struct segment *segment = ctx;
    return point_id_compare(segment_id(segment, a), segment_id(segment, b));
}

/* The next offset that may be accepted, at or after `from`; SIZE_MAX: none. A set may be shorter
 * than the vectors when points are being added. */
static size_t next_candidate(const struct acceptance *a, size_t from)
{
    if (!a->set) {
        return from;
    }
    size_t next = from < a->set->bits ? bitmap_next(a->set, from) : SIZE_MAX;
    return next < a->set->bits ? next : SIZE_MAX;
}

static enum status scan(const struct acceptance *a, const struct search_args *args,
                        point_offset from, struct topk *top, struct error *err)
{
    enum { BATCH = 64 };
    const struct vectors *vectors = &a->slot->vectors;
    const void *rows[BATCH];
    point_offset offsets[BATCH];
    float distances[BATCH];
    size_t at = next_candidate(a, from);
    while (at < args->count) {
        size_t filled = 0;
        for (size_t looked = 0; filled < BATCH && looked < CANCEL_CHECK_EVERY && at < args->count;
             looked++, at = next_candidate(a, at + 1)) {
            point_offset offset = (point_offset)at;
            if (holds_vector(a, offset) &&
                (!args->accept || args->accept->test(args->accept->ctx, offset))) {
                rows[filled] = vectors_at(vectors, offset);
                offsets[filled++] = offset;
            }
        }
        vectors->kernel->many(args->query, rows, filled, vectors->dim, distances);
        for (size_t i = 0; i < filled; i++) {
            topk_push(top, distances[i], offsets[i]);
        }
        if (args->cancelled && atomic_load_explicit(args->cancelled, memory_order_relaxed)) {
            return error_set(err, STATUS_CANCELLED, "cancelled");
        }
    }
    return STATUS_OK;
}

static double sample_selectivity(struct acceptance *a, point_offset count)
{
    struct random random;
    random_init(&random, count);
    size_t seen = 0;
    size_t accepted = 0;
    for (int i = 0; i < SAMPLE_POINTS * 4 && seen < SAMPLE_POINTS; i++) {
        point_offset offset = (point_offset)random_below(&random, count);
        if (is_live(a->segment, offset)) {
            seen++;
            accepted += accept_lazily(a, offset);
        }
    }
    return seen ? (double)accepted / (double)seen : 0;
}

static bool use_graph(const struct slot *slot, const struct index_ref *ref,
                      const struct segment_search *search, point_offset linked)
{
    uint64_t bytes = (uint64_t)atomic_load(&slot->present) * vector_bytes(slot);
    return ref && !search->exact && linked > 0 && bytes >= slot->spec.full_scan_threshold_kb * KB;
}

/* Without a filter: only points that have gone need a look. */
static void prepare_unfiltered(const struct acceptance *a, struct search_args *args,
                               struct accept *accept)
{
    if (atomic_load(&a->slot->dead) > 0) {
        accept->test = accept_live;
        accept->selectivity =
            (double)atomic_load(&a->slot->present) / (double)((uint64_t)args->count + 1);
        args->accept = accept;
    }
}

/* May the points be checked while the graph is walked? Pays when many match; a filter that comes
 * again is better collected once and remembered. */
static enum status try_lazily(struct acceptance *a, const struct search_args *args,
                              struct accept *accept, bool *lazily, struct error *err)
{
    const struct point_id *ids = NULL;
    size_t ids_count = 0;
    *lazily = false;
    if (filter_ids(a->filter, &ids, &ids_count) || segment_knows_filter(a->segment, a->filter)) {
        return STATUS_OK;
    }
    if (!bitmap_resize(&a->known, args->count) || !bitmap_resize(&a->matches, args->count)) {
        return error_set(err, STATUS_INTERNAL, "no memory for a set of %u points", args->count);
    }
    accept->test = accept_lazily;
    accept->selectivity = sample_selectivity(a, args->count);
    *lazily = accept->selectivity >= WALK_SELECTIVITY_MIN;
    return STATUS_OK;
}

/* Fills a->set with every match, remembered or collected now. */
static enum status collect_matches(struct acceptance *a, const struct search_args *args,
                                   struct error *err)
{
    a->remembered = segment_remembered(a->segment, a->filter, args->count);
    if (a->remembered) {
        a->set = &a->remembered->bits;
        return STATUS_OK;
    }
    bitmap_deinit(&a->matches);
    bitmap_init(&a->matches);
    a->set = &a->matches;
    return segment_matches_at(a->segment, a->filter, &a->snapshot, args->cancelled, &a->matches,
                              err);
}

/* Decides how the filter is met; *graph stays true when the graph may be used with args->accept. */
static enum status prepare_filtered(struct acceptance *a, const struct index_ref *ref,
                                    struct search_args *args, struct accept *accept, bool *graph,
                                    struct error *err)
{
    enum status status = STATUS_OK;
    bool lazily = false;
    args->accept = accept;
    if (*graph) {
        status = try_lazily(a, args, accept, &lazily, err);
    }
    if (status != STATUS_OK || lazily) {
        return status;
    }
    status = collect_matches(a, args, err);
    accept->test = accept_match;
    if (status == STATUS_OK && *graph) {
        size_t matches = bitmap_count(a->set);
        accept->selectivity = (double)matches / (double)((uint64_t)args->count + 1);
        *graph = ref->index->kind->cost(ref->index, args) < (double)matches;
    }
    return status;
}

static enum status search_graph(const struct index_ref *ref, const struct acceptance *a,
                                const struct segment_search *search, struct search_args *args,
                                struct topk *top, struct error *err)
{
    const struct vindex_kind *kind = ref->index->kind;
    point_offset linked = kind->linked(ref->index);
    point_offset count = args->count;
    args->count = linked < count ? linked : count; /* the graph goes on growing: no point twice */
    enum status status = kind->search(ref->index, args, top, err);
    args->count = count;
    if (status == STATUS_OK && !search->indexed_only && linked < args->count) {
        status = scan(a, args, linked, top, err);
    }
    return status;
}

enum status segment_search(struct segment *segment, const struct segment_search *search,
                           struct scored *items, size_t *count, struct error *err)
{
    ASSERT(search->slot < segment->slots_count);
    struct slot *slot = &segment->slots[search->slot];
    struct acceptance a = {.segment = segment,
                           .slot = slot,
                           .filter = search->filter,
                           .snapshot = segment_snapshot(segment),
                           .arena = arena_create(0)};
    point_offset vectors = (point_offset)vectors_count(&slot->vectors);
    struct accept accept = {.ctx = &a, .selectivity = 1};
    struct search_args args = {.query = search->query,
                               .limit = search->limit,
                               .effort = search->ef,
                               .codes = search->codes,
                               .oversampling = search->oversampling,
                               .cancelled = search->cancelled,
                               .count = vectors < a.snapshot.count ? vectors : a.snapshot.count};
    struct tie_order tie = {.compare = compare_by_id, .ctx = segment};
    struct topk top;
    topk_init(&top, items, search->limit, &tie);
    struct index_ref *ref = slot_pin(slot);
    point_offset linked = ref ? ref->index->kind->linked(ref->index) : 0;
    bool graph = use_graph(slot, ref, search, linked);
    bitmap_init(&a.matches);
    bitmap_init(&a.known);
    enum status status = STATUS_OK;
    if (!search->filter) {
        prepare_unfiltered(&a, &args, &accept);
    } else if (args.count) {
        status = prepare_filtered(&a, ref, &args, &accept, &graph, err);
    }
    if (status == STATUS_OK && graph) {
        status = search_graph(ref, &a, search, &args, &top, err);
        if (status == STATUS_OK && !search->indexed_only && top.count < search->limit &&
            top.count < atomic_load(&slot->present)) {
            topk_init(&top, items, search->limit, &tie);
            graph = false;
            if (search->filter && !a.set) {
                accept.test = accept_match;
                status = collect_matches(&a, &args, err);
            }
        }
    }
    if (status == STATUS_OK && !graph) {
        if (search->indexed_only && ref) {
            args.count = linked < args.count ? linked : args.count;
        }
        status = scan(&a, &args, 0, &top, err);
    }
    if (ref) {
        slot_unpin(ref);
    }
    topk_sort(&top);
    *count = top.count;
    bitmap_deinit(&a.matches);
    bitmap_deinit(&a.known);
    if (a.remembered) {
        match_entry_unref(a.remembered);
    }
    arena_destroy(a.arena);
    return status;
}
