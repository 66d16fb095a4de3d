/* Background work on a segment's graphs, by one builder thread.
 *
 * A slot gets a graph once its vectors outgrow the indexing threshold; from then on new points are
 * linked as they come. A graph is built anew beside the old one, and swapped in when it is whole,
 * when its parameters changed or too many of its points are gone; then the vectors of points that
 * were gone before are removed from storage too. Readers hold references, so a swap never pulls a
 * graph from under a search. */
#include "index/segment/segment_int.h"
#include "storage/base/assert.h"
#include "storage/base/clock.h"
#include "storage/base/logger.h"
#include "storage/base/mem.h"
#include "storage/kv/keys.h"

#include <stdio.h>
#include <time.h>

enum { KB = 1024, DELETE_BATCH_BYTES = 1 << 20, COMMIT_WAIT_MS = 1 };

struct index_ref *index_ref_create(struct vindex *index, const struct vector_spec *spec)
{
    struct index_ref *ref = mem_zalloc(sizeof(*ref));
    atomic_init(&ref->refs, 1);
    ref->index = index;
    ref->m = spec->m;
    ref->ef_construct = spec->ef_construct;
    return ref;
}

struct index_ref *slot_pin(struct slot *slot)
{
    pthread_mutex_lock(&slot->lock);
    struct index_ref *ref = slot->index;
    if (ref) {
        atomic_fetch_add_explicit(&ref->refs, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&slot->lock);
    return ref;
}

void slot_unpin(struct index_ref *ref)
{
    if (atomic_fetch_sub_explicit(&ref->refs, 1, memory_order_acq_rel) == 1) {
        ref->index->kind->close(ref->index);
        mem_free(ref);
    }
}

void slot_set_index(struct slot *slot, struct index_ref *ref)
{
    pthread_mutex_lock(&slot->lock);
    struct index_ref *old = slot->index;
    slot->index = ref;
    pthread_mutex_unlock(&slot->lock);
    if (old) {
        slot_unpin(old);
    }
}

static struct vector_spec slot_spec(struct slot *slot)
{
    pthread_mutex_lock(&slot->lock);
    struct vector_spec spec = slot->spec;
    pthread_mutex_unlock(&slot->lock);
    return spec;
}

static struct schema *pin_schema(struct segment *segment)
{
    pthread_mutex_lock(&segment->schema_lock);
    struct schema *schema = schema_ref(segment->schema);
    pthread_mutex_unlock(&segment->schema_lock);
    return schema;
}

struct build {
    struct vindex *index;
    const char *kind; /* for people */
    const atomic_bool *cancelled;
};

enum work { WORK_NONE, WORK_EXTEND, WORK_REBUILD, WORK_SAVE };

static enum work work_due(struct slot *slot, const struct schema *schema)
{
    uint64_t bytes = (uint64_t)atomic_load(&slot->present) * vector_bytes(slot);
    struct index_ref *ref = slot_pin(slot);
    if (!ref) {
        bool wanted =
            schema->indexing_threshold_kb > 0 && bytes >= schema->indexing_threshold_kb * KB;
        return wanted ? WORK_REBUILD : WORK_NONE;
    }
    struct vector_spec spec = slot_spec(slot);
    point_offset linked = ref->index->kind->linked(ref->index);
    point_offset count = (point_offset)vectors_count(&slot->vectors);
    uint64_t dead = atomic_load(&slot->dead) - atomic_load(&slot->dead_at_build);
    enum work work = WORK_NONE;
    if (ref->m != spec.m || ref->ef_construct != spec.ef_construct ||
        (dead >= schema->vacuum_min_points && (double)dead > schema->deleted_threshold * linked)) {
        work = WORK_REBUILD;
    } else if (linked < count) {
        work = WORK_EXTEND;
    } else if (linked > atomic_load(&ref->saved) + atomic_load(&ref->saved) / 4) {
        work = WORK_SAVE;
    }
    slot_unpin(ref);
    return work;
}

bool segment_build_due(struct segment *segment)
{
    struct schema *schema = pin_schema(segment);
    bool due = false;
    for (uint32_t i = 0; i < segment->slots_count && !due; i++) {
        due = work_due(&segment->slots[i], schema) != WORK_NONE;
    }
    schema_unref(schema);
    return due;
}

static enum status run_build(struct segment *segment, struct slot *slot, struct build *build,
                             struct error *err)
{
    struct vindex *index = build->index;
    struct build_job job = {.threads = segment->build_threads,
                            .cancelled = build->cancelled,
                            .until = (point_offset)vectors_count(&slot->vectors),
                            .progress = &slot->built};
    point_offset linked = index->kind->linked(index);
    struct finished_work work = {.kind = build->kind,
                                 .started_ms = clock_realtime_ms(),
                                 .total = job.until > linked ? job.until - linked : 0};
    atomic_store(&slot->built, 0);
    atomic_store(&slot->build_total, (unsigned)work.total);
    work.status = index->kind->build(index, &job, err);
    work.finished_ms = clock_realtime_ms();
    work.done = index->kind->linked(index) - linked;
    if (work.status != STATUS_OK && err) {
        (void)snprintf(work.failure, sizeof(work.failure), "%.*s", (int)sizeof(work.failure) - 1,
                       err->message);
    }
    atomic_store(&slot->build_total, 0);
    work_log_add(&segment->work, &work);
    return work.status;
}

size_t segment_finished_work(struct segment *segment, struct finished_work *out, size_t max)
{
    return work_log_read(&segment->work, out, max);
}

/* Vector rows in storage whose points were gone before the graph was begun, by commands up to
 * `begun`: nothing needs them any more. Cancelled, they wait for the next graph. */
static enum status remove_dead_rows(struct segment *segment, uint32_t slot,
                                    const struct bitmap *dead, uint64_t begun,
                                    const atomic_bool *cancelled, struct error *err)
{
    while (!segment_is_committed(segment, begun)) {
        if (atomic_load(cancelled)) {
            return STATUS_OK;
        }
        nanosleep(&(struct timespec){.tv_nsec = (long)COMMIT_WAIT_MS * 1000000}, NULL);
    }
    struct kv_batch *batch = kv_batch_create();
    enum status status = STATUS_OK;
    for (size_t i = bitmap_next(dead, 0); i < dead->bits && status == STATUS_OK;
         i = bitmap_next(dead, i + 1)) {
        struct key key = key_vector(segment->collection, (uint16_t)slot, (point_offset)i);
        kv_delete(batch, KV_VECTORS, key_slice(&key));
        if (kv_batch_bytes(batch) > DELETE_BATCH_BYTES) {
            status = kv_commit(segment->kv, batch, err);
            kv_batch_clear(batch);
        }
    }
    if (status == STATUS_OK) {
        status = kv_commit(segment->kv, batch, err);
    }
    kv_batch_destroy(batch);
    return status;
}

static enum status rebuild(struct segment *segment, uint32_t number, const atomic_bool *cancelled,
                           struct error *err)
{
    struct slot *slot = &segment->slots[number];
    struct vector_spec spec = slot_spec(slot);
    struct vindex_params params = {
        .m = spec.m, .ef_construct = spec.ef_construct, .seed = SEGMENT_GRAPH_SEED};
    struct bitmap dead;
    bitmap_init(&dead);
    point_offset count = (point_offset)vectors_count(&slot->vectors);
    if (!bitmap_resize(&dead, count)) {
        return error_set(err, STATUS_INTERNAL, "no memory to build a graph of %u points", count);
    }
    unsigned dead_count = atomic_load(&slot->dead);
    for (point_offset i = 0; i < count; i++) {
        if (!vectors_has(&slot->vectors, i)) {
            bitmap_set(&dead, i);
        }
    }
    uint64_t begun = atomic_load(&segment->begun);
    struct vindex *index = NULL;
    enum status status = vindex_hnsw.open(&slot->vectors, &params, slice_of(NULL, 0), &index, err);
    if (status != STATUS_OK) {
        bitmap_deinit(&dead);
        return status;
    }
    struct index_ref *ref = index_ref_create(index, &spec);
    struct index_ref *old = slot_pin(slot);
    if (old) {
        slot_unpin(old);
    } else { /* the first graph serves while it grows */
        atomic_fetch_add(&ref->refs, 1);
        atomic_store(&slot->dead_at_build, dead_count);
        slot_set_index(slot, ref);
    }
    struct build build = {
        .index = index, .kind = old ? "vacuum" : "indexing", .cancelled = cancelled};
    status = run_build(segment, slot, &build, err);
    if (status == STATUS_OK && old) {
        atomic_fetch_add(&ref->refs, 1);
        atomic_store(&slot->dead_at_build, dead_count);
        slot_set_index(slot, ref);
    }
    slot_unpin(ref);
    /* An older image may hold points whose rows are about to go: after a crash its graph would walk
     * over nothing. */
    if (status == STATUS_OK) {
        status = segment_image_save(segment, number, err);
    }
    if (status == STATUS_OK) {
        status = remove_dead_rows(segment, number, &dead, begun, cancelled, err);
    }
    bitmap_deinit(&dead);
    return status;
}

static enum status extend(struct segment *segment, uint32_t number, const atomic_bool *cancelled,
                          struct error *err)
{
    struct slot *slot = &segment->slots[number];
    struct index_ref *ref = slot_pin(slot);
    if (!ref) {
        return STATUS_OK;
    }
    struct build build = {.index = ref->index, .kind = "indexing", .cancelled = cancelled};
    enum status status = run_build(segment, slot, &build, err);
    slot_unpin(ref);
    return status;
}

enum status segment_build(struct segment *segment, const atomic_bool *cancelled, struct error *err)
{
    enum status status = STATUS_OK;
    struct schema *schema = pin_schema(segment);
    for (uint32_t i = 0; i < segment->slots_count && status == STATUS_OK; i++) {
        switch (work_due(&segment->slots[i], schema)) {
        case WORK_NONE:
            break;
        case WORK_EXTEND:
            status = extend(segment, i, cancelled, err);
            break;
        case WORK_REBUILD:
            status = rebuild(segment, i, cancelled, err);
            break;
        case WORK_SAVE:
            status = segment_image_save(segment, i, err);
            break;
        }
    }
    schema_unref(schema);
    return status;
}

enum status segment_save_images(struct segment *segment, struct error *err)
{
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < segment->slots_count && status == STATUS_OK; i++) {
        status = segment_image_save(segment, i, err);
    }
    return status;
}

static uint64_t indexed_count(struct slot *slot, struct index_ref *ref)
{
    point_offset linked = ref->index->kind->linked(ref->index);
    uint64_t tail = 0;
    for (point_offset i = linked; i < vectors_count(&slot->vectors); i++) {
        tail += vectors_has(&slot->vectors, i);
    }
    uint64_t present = atomic_load(&slot->present);
    return present > tail ? present - tail : 0;
}

void segment_stats(struct segment *segment, struct segment_stats *out)
{
    *out = (struct segment_stats){.points = segment_points_count(segment)};
    struct schema *schema = pin_schema(segment);
    for (uint32_t i = 0; i < segment->slots_count; i++) {
        struct slot *slot = &segment->slots[i];
        struct index_ref *ref = slot_pin(slot);
        enum work work = work_due(slot, schema);
        out->vectors += atomic_load(&slot->present);
        out->vector_bytes += vectors_memory(&slot->vectors);
        out->building |= work == WORK_EXTEND || work == WORK_REBUILD;
        out->build_done += atomic_load(&slot->built);
        out->build_total += atomic_load(&slot->build_total);
        if (ref) {
            out->indexed_vectors += indexed_count(slot, ref);
            out->index_bytes += ref->index->kind->memory(ref->index);
            slot_unpin(ref);
        }
    }
    schema_unref(schema);
}
