/* Reading a collection through its segment. */
#include "index/collection/view.h"

#include "index/collection/engine_int.h"
#include "storage/base/assert.h"
#include "storage/base/mem.h"
#include "storage/kv/keys.h"

#include <stdlib.h>

static void fill_found(struct segment *segment, point_offset offset, struct found *out)
{
    *out = (struct found){.id = segment_id(segment, offset),
                          .version = segment_version(segment, offset),
                          .offset = offset};
}

bool view_locate(const struct view *view, struct point_id id, struct found *out)
{
    point_offset offset = 0;
    if (!segment_locate(view->collection->segment, id, &offset)) {
        return false;
    }
    fill_found(view->collection->segment, offset, out);
    return true;
}

enum status view_payload(const struct view *view, const struct found *point, struct arena *arena,
                         struct slice *out, struct error *err)
{
    return segment_payload(view->collection->segment, point->offset, arena, out, err);
}

enum status view_payloads(const struct view *view, const struct found *points, size_t count,
                          struct arena *arena, struct slice *out, struct error *err)
{
    struct key *keys = arena_new_array(arena, struct key, count + 1);
    struct slice *slices = arena_new_array(arena, struct slice, count + 1);
    if (!keys || !slices) {
        return error_set(err, STATUS_TOO_LARGE, "request needs too much memory");
    }
    for (size_t i = 0; i < count; i++) {
        keys[i] = key_payload(view->number, points[i].offset);
        slices[i] = key_slice(&keys[i]);
    }
    enum status status =
        kv_get_many(view->collection->kv, KV_PAYLOAD, slices, count, arena, out, err);
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        if (out[i].data) {
            continue;
        }
        status = view_payload(view, &points[i], arena, &out[i], err);
        if (status == STATUS_NOT_FOUND) {
            out[i] = slice_of(NULL, 0);
            status = STATUS_OK;
        }
    }
    return status;
}

bool view_vector(const struct view *view, const struct found *point, uint32_t slot, float *out)
{
    const struct vector_spec *spec = &view->schema->vectors[slot];
    struct slice stored = segment_found_vector(view->collection->segment, point->offset, slot);
    if (!stored.data) {
        return false;
    }
    vector_restore(spec->distance, spec->element, stored.data, spec->dim, out);
    return true;
}

static bool passes(const struct view_search *search, enum distance distance, float score)
{
    if (!search->has_threshold) {
        return true;
    }
    return distance_larger_is_better(distance) ? score > search->threshold
                                               : score < search->threshold;
}

enum status view_search(const struct view *view, const struct view_search *search,
                        struct arena *arena, struct found **out, size_t *count, struct error *err)
{
    struct segment *segment = view->collection->segment;
    uint32_t limit = search->limit;
    if (limit > segment_next_offset(segment)) {
        limit = segment_next_offset(segment);
    }
    struct scored *items =
        arena_alloc(arena, (limit + 1) * sizeof(items[0]), _Alignof(struct scored));
    struct found *hits = arena_alloc(arena, (limit + 1) * sizeof(hits[0]), _Alignof(struct found));
    if (!items || !hits) {
        return error_set(err, STATUS_TOO_LARGE, "request needs too much memory");
    }
    struct segment_search args = {.slot = search->slot,
                                  .query = search->query,
                                  .limit = limit,
                                  .ef = search->ef,
                                  .exact = search->exact,
                                  .indexed_only = search->indexed_only,
                                  .codes = search->codes,
                                  .oversampling = search->oversampling,
                                  .hops = search->hops,
                                  .hops_part = search->hops_part,
                                  .report = search->report,
                                  .filter = search->filter,
                                  .cancelled = search->cancelled};
    size_t found = 0;
    enum status status = limit ? segment_search(segment, &args, items, &found, err) : STATUS_OK;
    if (status != STATUS_OK) {
        return status;
    }
    enum distance distance = view->schema->vectors[search->slot].distance;
    size_t kept = 0;
    for (size_t i = 0; i < found; i++) {
        float score = distance_score(distance, items[i].distance);
        if (passes(search, distance, score)) {
            fill_found(segment, items[i].point, &hits[kept]);
            hits[kept++].score = score;
        }
    }
    *out = hits;
    *count = kept;
    return STATUS_OK;
}

/* ---- scroll ---- */

struct page {
    struct found *points;
    size_t count, limit;
    bool has_next;
    struct point_id next;
};

/* True: the page is full and the id begins the next one. */
static bool page_add(struct page *page, struct segment *segment, point_offset offset)
{
    if (page->count == page->limit) {
        page->has_next = true;
        page->next = segment_id(segment, offset);
        return true;
    }
    fill_found(segment, offset, &page->points[page->count++]);
    return false;
}

static int compare_ids(const void *a, const void *b)
{
    return point_id_compare(*(const struct point_id *)a, *(const struct point_id *)b);
}

static enum status scroll_ids(const struct view *view, const struct view_scroll *scroll,
                              const struct point_id *ids, size_t ids_count, struct arena *arena,
                              struct page *page, struct error *err)
{
    struct segment *segment = view->collection->segment;
    struct point_id *sorted =
        arena_alloc(arena, (ids_count + 1) * sizeof(sorted[0]), _Alignof(struct point_id));
    if (!sorted) {
        return error_set(err, STATUS_TOO_LARGE, "request needs too much memory");
    }
    if (ids_count) {
        memcpy(sorted, ids, ids_count * sizeof(sorted[0]));
        qsort(sorted, ids_count, sizeof(sorted[0]), compare_ids);
    }
    struct arena *scratch = arena_create(0);
    for (size_t i = 0; i < ids_count; i++) {
        point_offset offset = 0;
        bool repeated = i > 0 && point_id_compare(sorted[i - 1], sorted[i]) == 0;
        bool before = scroll->start && point_id_compare(sorted[i], *scroll->start) < 0;
        if (repeated || before || !segment_locate(segment, sorted[i], &offset)) {
            continue;
        }
        bool accepted = segment_check(segment, scroll->filter, offset, scratch);
        arena_reset(scratch);
        if (accepted && page_add(page, segment, offset)) {
            break;
        }
    }
    arena_destroy(scratch);
    return STATUS_OK;
}

static enum status scroll_all(const struct view *view, const struct view_scroll *scroll,
                              struct page *page, struct error *err)
{
    struct segment *segment = view->collection->segment;
    uint8_t id_bytes[POINT_ID_KEY_BYTES];
    struct key from = key_collection_begin(view->number);
    if (scroll->start) {
        from = key_id(view->number, slice_of(id_bytes, point_id_encode(*scroll->start, id_bytes)));
    }
    struct key to = key_collection_end(view->number);
    struct kv_cursor *cursor =
        kv_cursor_open(view->collection->kv, KV_IDS, key_slice(&from), key_slice(&to));
    struct arena *scratch = arena_create(0);
    enum status status = STATUS_OK;
    for (size_t seen = 0; kv_cursor_valid(cursor); kv_cursor_next(cursor), seen++) {
        if (scroll->cancelled && seen % 256 == 0 &&
            atomic_load_explicit(scroll->cancelled, memory_order_relaxed)) {
            status = error_set(err, STATUS_CANCELLED, "cancelled");
            break;
        }
        struct slice key = kv_cursor_key(cursor);
        struct point_id id;
        point_offset offset = 0;
        if (!point_id_decode(slice_of(key.data + 4, key.size - 4), &id)) {
            status = error_set(err, STATUS_CORRUPT, "an id row of collection `%s` is damaged",
                               view->name);
            break;
        }
        if (!segment_locate(segment, id, &offset)) {
            continue;
        }
        bool accepted = segment_check(segment, scroll->filter, offset, scratch);
        arena_reset(scratch);
        if (accepted && page_add(page, segment, offset)) {
            break;
        }
    }
    if (status == STATUS_OK) {
        status = kv_cursor_status(cursor, err);
    }
    arena_destroy(scratch);
    kv_cursor_close(cursor);
    return status;
}

enum status view_scroll(const struct view *view, const struct view_scroll *scroll,
                        struct arena *arena, struct found **out, size_t *count, bool *has_next,
                        struct point_id *next, struct error *err)
{
    size_t limit = scroll->limit;
    if (limit > segment_next_offset(view->collection->segment)) {
        limit = segment_next_offset(view->collection->segment);
    }
    struct page page = {.limit = limit};
    page.points = arena_alloc(arena, (limit + 1) * sizeof(page.points[0]), _Alignof(struct found));
    if (!page.points) {
        return error_set(err, STATUS_TOO_LARGE, "request needs too much memory");
    }
    const struct point_id *ids = NULL;
    size_t ids_count = 0;
    enum status status = scroll->filter && filter_ids(scroll->filter, &ids, &ids_count)
                             ? scroll_ids(view, scroll, ids, ids_count, arena, &page, err)
                             : scroll_all(view, scroll, &page, err);
    if (status == STATUS_OK) {
        *out = page.points;
        *count = page.count;
        *has_next = page.has_next;
        *next = page.next;
    }
    return status;
}

enum status view_count(const struct view *view, const struct filter *filter,
                       const atomic_bool *cancelled, uint64_t *count, struct error *err)
{
    struct segment *segment = view->collection->segment;
    if (!filter) {
        *count = segment_points_count(segment);
        return STATUS_OK;
    }
    return segment_count(segment, filter, cancelled, count, err);
}

uint64_t view_field_points(const struct view *view, const struct field_spec *field)
{
    return segment_field_points(view->collection->segment, field);
}

void view_stats(const struct view *view, struct view_stats *out)
{
    struct collection *collection = view->collection;
    struct segment_stats stats;
    segment_stats(collection->segment, &stats);
    *out = (struct view_stats){.points = stats.points,
                               .vectors = stats.vectors,
                               .indexed_vectors = stats.indexed_vectors,
                               .segments = 1,
                               .vector_bytes = stats.vector_bytes,
                               .index_bytes = stats.index_bytes,
                               .building = stats.building && stats.optimizing,
                               .pending = stats.building && !stats.optimizing,
                               .build_name = stats.build_name,
                               .build_done = stats.build_done,
                               .build_total = stats.build_total};
    pthread_mutex_lock(&collection->lock);
    memcpy(out->failure, collection->failure, sizeof(out->failure));
    pthread_mutex_unlock(&collection->lock);
    out->failed = out->failure[0] != 0;
}

size_t view_finished_work(const struct view *view, struct finished_work *out, size_t max)
{
    return segment_finished_work(view->collection->segment, out, max);
}
