/* Background work on a segment's indexes, by one builder thread.
 *
 * A slot gets an index once its vectors outgrow the indexing threshold; from then on new points are
 * added as they come. An index is built anew beside the old one, and swapped in when it is whole,
 * when another kind or other parameters are wanted. When too many of its points have gone, they are
 * taken out of it in place, and the vectors of those points are removed from storage too. Readers
 * hold references, so a swap never pulls an index from under a search. */
#include "index/segment/segment_fields.h"
#include "index/segment/segment_int.h"
#include "storage/base/assert.h"
#include "storage/base/clock.h"
#include "storage/base/logger.h"
#include "storage/base/mem.h"
#include "storage/kv/keys.h"

#include <stdio.h>
#include <sys/mman.h>
#include <time.h>

enum { KB = 1024, DELETE_BATCH_BYTES = 1 << 20, COMMIT_WAIT_MS = 1, PURGES_FIRST = 3 };

struct index_ref *index_ref_create(struct vindex *index, const struct index_spec *spec,
                                   void *mapping, size_t mapping_size)
{
    struct index_ref *ref = mem_zalloc(sizeof(*ref));
    atomic_init(&ref->refs, 1);
    ref->index = index;
    ref->spec = *spec;
    ref->mapping = mapping;
    ref->mapping_size = mapping_size;
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
        if (ref->mapping) {
            munmap(ref->mapping, ref->mapping_size);
        }
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

static struct schema *pin_schema(struct segment *segment)
{
    pthread_mutex_lock(&segment->schema_lock);
    struct schema *schema = schema_ref(segment->schema);
    pthread_mutex_unlock(&segment->schema_lock);
    return schema;
}

/* A piece of work on an index. */
struct build {
    struct vindex *index;
    const char *name; /* for people: the contract's words */
    const atomic_bool *cancelled;
    const struct bitmap *dead; /* to be taken out; NULL: the tail is to be put in */
};

enum work {
    WORK_NONE,
    WORK_EXTEND,
    WORK_REBUILD,
    WORK_VACUUM,
    WORK_DROP,
    WORK_RACE,
    WORK_MAP,
    WORK_SAVE
};

/* Do too many dead rows slow the index down? */
static bool is_worn(struct slot *slot, const struct schema *schema, point_offset linked)
{
    uint64_t dead = atomic_load(&slot->dead) - atomic_load(&slot->dead_at_build);
    return dead >= schema->vacuum_min_points && (double)dead > schema->deleted_threshold * linked;
}

static enum work work_due(struct slot *slot, const struct schema *schema)
{
    uint64_t bytes = (uint64_t)atomic_load(&slot->present) * vector_bytes(slot);
    struct index_ref *ref = slot_pin(slot);
    struct index_spec wanted = slot_wanted_index(slot, ref);
    bool scanned = wanted.kind == &vindex_flat;
    if (!ref) {
        bool outgrown =
            schema->indexing_threshold_kb > 0 && bytes >= schema->indexing_threshold_kb * KB;
        return outgrown && !scanned ? WORK_REBUILD : WORK_NONE;
    }
    point_offset linked = ref->index->kind->linked(ref->index);
    point_offset count = (point_offset)vectors_count(&slot->vectors);
    enum work work = WORK_NONE;
    if (scanned) {
        work = WORK_DROP;
    } else if (!index_spec_equal(&ref->spec, &wanted)) {
        work = WORK_REBUILD;
    } else if (is_worn(slot, schema, linked) &&
               (!ref->index->kind->vacuum || atomic_load(&slot->worn_purges) >= PURGES_FIRST)) {
        work = ref->index->kind->vacuum ? WORK_VACUUM : WORK_REBUILD;
    } else if (linked < count && atomic_load(&slot->stalled_at) != count) {
        work = WORK_EXTEND;
    } else if (slot_race_due(slot)) {
        work = WORK_RACE;
    } else if (slot_spec(slot).index_placement == PLACEMENT_COLD && !ref->mapping &&
               linked == count && !atomic_load(&ref->unmappable)) {
        work = WORK_MAP;
    } else if (linked > atomic_load(&ref->saved) + atomic_load(&ref->saved) / 4) {
        work = WORK_SAVE;
    }
    slot_unpin(ref);
    return work;
}

void segment_note_purge(struct segment *segment)
{
    struct schema *schema = pin_schema(segment);
    for (uint32_t i = 0; i < segment->slots_count; i++) {
        struct slot *slot = &segment->slots[i];
        struct index_ref *ref = slot_pin(slot);
        bool worn = ref && is_worn(slot, schema, ref->index->kind->linked(ref->index));
        atomic_store(&slot->worn_purges, worn ? atomic_load(&slot->worn_purges) + 1 : 0);
        if (ref) {
            slot_unpin(ref);
        }
    }
    schema_unref(schema);
}

bool segment_build_due(struct segment *segment)
{
    struct schema *schema = pin_schema(segment);
    bool due = segment_fields_due(segment);
    for (uint32_t i = 0; i < segment->slots_count && !due && schema->optimizing; i++) {
        due = work_due(&segment->slots[i], schema) != WORK_NONE;
    }
    schema_unref(schema);
    return due;
}

static bool is_dead(const void *ctx, point_offset point)
{
    const struct bitmap *dead = ctx;
    return point < dead->bits && bitmap_get(dead, point);
}

static enum status run_build(struct segment *segment, struct slot *slot, struct build *build,
                             struct error *err)
{
    struct vindex *index = build->index;
    uint32_t threads = slot_spec(slot).build_threads;
    if (threads == 0 || threads > segment->build_threads) {
        threads = segment->build_threads;
    }
    struct build_job job = {.threads = threads,
                            .cancelled = build->cancelled,
                            .until = (point_offset)vectors_count(&slot->vectors),
                            .progress = &slot->built};
    if (build->dead) {
        job.skip = is_dead;
        job.ctx = build->dead;
    }
    point_offset linked = index->kind->linked(index);
    size_t total = build->dead          ? bitmap_count(build->dead)
                   : job.until > linked ? job.until - linked
                                        : 0;
    struct finished_work work = {
        .kind = build->name, .started_ms = clock_realtime_ms(), .total = total};
    atomic_store(&slot->built, 0);
    atomic_store(&slot->build_name, build->name);
    atomic_store(&slot->build_total, (unsigned)work.total);
    work.status =
        build->dead ? index->kind->vacuum(index, &job, err) : index->kind->build(index, &job, err);
    work.finished_ms = clock_realtime_ms();
    work.done =
        build->dead ? (work.status == STATUS_OK ? total : 0) : index->kind->linked(index) - linked;
    /* A kind that wants more points before it begins is asked again when there are more. */
    if (!build->dead && work.status == STATUS_OK && work.done == 0) {
        atomic_store(&slot->stalled_at, job.until);
    }
    if (work.status != STATUS_OK && err) {
        (void)snprintf(work.failure, sizeof(work.failure), "%.*s", (int)sizeof(work.failure) - 1,
                       err->message);
    }
    atomic_store(&slot->build_total, 0);
    if (work.done > 0 || work.status != STATUS_OK) {
        work_log_add(&segment->work, &work);
    }
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

/* Places without a vector, of points that went so long ago that no search may still want them: what
 * an index begun now does not hold. */
struct dead_rows {
    struct bitmap bits;
    unsigned count; /* slot->dead that they stand for */
    uint64_t begun; /* by commands up to this one */
};

static enum status find_dead_rows(struct segment *segment, struct slot *slot, bool for_vacuum,
                                  struct dead_rows *out, struct error *err)
{
    bitmap_init(&out->bits);
    point_offset count = (point_offset)vectors_count(&slot->vectors);
    if (!bitmap_resize(&out->bits, count)) {
        return error_set(err, STATUS_INTERNAL, "no memory for a set of %u points", count);
    }
    out->begun = atomic_load(&segment->begun);
    out->count = atomic_load(&slot->dead);
    for (point_offset i = 0; i < count; i++) {
        if (vectors_has(&slot->vectors, i)) {
            continue;
        }
        if (for_vacuum && vectors_had(&slot->vectors, i)) {
            out->count -= out->count > 0; /* a search that began before may return it */
        } else {
            bitmap_set(&out->bits, i);
        }
    }
    return STATUS_OK;
}

/* The index holds none of the dead rows any more: saves its image, then removes them. An older
 * image may hold points whose rows are about to go: after a crash it would walk over nothing. */
static enum status settle(struct segment *segment, uint32_t number, const struct dead_rows *dead,
                          const atomic_bool *cancelled, struct error *err)
{
    atomic_store(&segment->slots[number].dead_at_build, dead->count);
    enum status status = segment_image_save(segment, number, err);
    if (status == STATUS_OK) {
        status = remove_dead_rows(segment, number, &dead->bits, dead->begun, cancelled, err);
    }
    return status == STATUS_OK ? segment_reclaim(segment, number, &dead->bits, err) : status;
}

static enum status rebuild(struct segment *segment, uint32_t number, const atomic_bool *cancelled,
                           struct error *err)
{
    struct slot *slot = &segment->slots[number];
    struct index_ref *old = slot_pin(slot);
    struct index_spec spec = slot_wanted_index(slot, old);
    bool mismatch = old && !index_spec_equal(&old->spec, &spec);
    if (old) {
        slot_unpin(old);
    }
    struct dead_rows dead;
    enum status status = find_dead_rows(segment, slot, false, &dead, err);
    struct vindex *index = NULL;
    if (status == STATUS_OK) {
        spec.params.folder = segment->index_path;
        status = spec.kind->open(&slot->vectors, &spec.params, slice_of(NULL, 0), &index, err);
    }
    if (status != STATUS_OK) {
        bitmap_deinit(&dead.bits);
        return status;
    }
    struct index_ref *ref = index_ref_create(index, &spec, NULL, 0);
    if (!old) { /* the first index serves while it grows */
        atomic_fetch_add(&ref->refs, 1);
        slot_set_index(slot, ref);
    }
    struct build build = {.index = index,
                          .name = mismatch ? "config_mismatch"
                                  : old    ? "vacuum"
                                           : "indexing",
                          .cancelled = cancelled};
    status = run_build(segment, slot, &build, err);
    if (status == STATUS_OK && old) {
        atomic_fetch_add(&ref->refs, 1);
        slot_set_index(slot, ref);
    }
    slot_unpin(ref);
    if (status == STATUS_OK) {
        status = settle(segment, number, &dead, cancelled, err);
    }
    bitmap_deinit(&dead.bits);
    return status;
}

static enum status vacuum(struct segment *segment, uint32_t number, const atomic_bool *cancelled,
                          struct error *err)
{
    struct slot *slot = &segment->slots[number];
    struct index_ref *ref = slot_pin(slot);
    if (!ref) {
        return STATUS_OK;
    }
    struct dead_rows dead;
    enum status status = find_dead_rows(segment, slot, true, &dead, err);
    if (status == STATUS_OK && dead.count > atomic_load(&slot->dead_at_build)) {
        struct build build = {
            .index = ref->index, .name = "vacuum", .cancelled = cancelled, .dead = &dead.bits};
        status = run_build(segment, slot, &build, err);
        if (status == STATUS_OK) {
            atomic_store(&ref->saved, 0); /* the image is of before */
            status = settle(segment, number, &dead, cancelled, err);
        }
    }
    bitmap_deinit(&dead.bits);
    slot_unpin(ref);
    return status;
}

/* The slot is to be scanned from now on. */
static void drop(struct segment *segment, uint32_t number)
{
    slot_set_index(&segment->slots[number], NULL);
    segment_image_remove(segment, number);
    struct error err = {0};
    if (segment_reclaim(segment, number, NULL, &err) != STATUS_OK) {
        log_warn("index/segment", "room of deleted vectors is not given back: %s", err.message);
    }
}

static enum status extend(struct segment *segment, uint32_t number, const atomic_bool *cancelled,
                          struct error *err)
{
    struct slot *slot = &segment->slots[number];
    struct index_ref *ref = slot_pin(slot);
    if (!ref) {
        return STATUS_OK;
    }
    struct build build = {.index = ref->index, .name = "indexing", .cancelled = cancelled};
    enum status status = run_build(segment, slot, &build, err);
    slot_unpin(ref);
    return status;
}

/* The index moves from memory to its file, which the system keeps in memory as far as there is
 * room.
 */
static enum status map(struct segment *segment, uint32_t number, struct error *err)
{
    struct slot *slot = &segment->slots[number];
    enum status status = segment_image_save(segment, number, err);
    struct error load_error = {0};
    if (status == STATUS_OK && segment_image_load(segment, number, &load_error) != STATUS_OK) {
        log_warn("index/segment", "the index of collection %u stays in memory: %s",
                 segment->collection, load_error.message);
        struct index_ref *ref = slot_pin(slot);
        if (ref) {
            atomic_store(&ref->unmappable, true);
            slot_unpin(ref);
        }
    }
    return status;
}

enum status segment_build(struct segment *segment, const atomic_bool *cancelled, struct error *err)
{
    if (segment_fields_due(segment)) { /* first, and step by step: filters wait for them */
        return segment_fields_fill(segment, cancelled, err);
    }
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
        case WORK_VACUUM:
            status = vacuum(segment, i, cancelled, err);
            break;
        case WORK_DROP:
            drop(segment, i);
            break;
        case WORK_RACE:
            status = slot_race(segment, &segment->slots[i], cancelled, err);
            break;
        case WORK_MAP:
            status = map(segment, i, err);
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
    out->optimizing = schema->optimizing;
    segment_fields_stats(segment, out);
    for (uint32_t i = 0; i < segment->slots_count; i++) {
        struct slot *slot = &segment->slots[i];
        struct index_ref *ref = slot_pin(slot);
        enum work work = work_due(slot, schema);
        out->vectors += atomic_load(&slot->present);
        out->vector_bytes += vectors_memory(&slot->vectors);
        out->building |=
            work == WORK_EXTEND || work == WORK_REBUILD || work == WORK_VACUUM || work == WORK_RACE;
        const char *name = atomic_load(&slot->build_name);
        out->build_name = atomic_load(&slot->build_total) > 0 ? name : out->build_name;
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
