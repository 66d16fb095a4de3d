/* Opening, closing and reading single points of a segment.
 *
 * Readers take no lock but the id map's and, for a moment, the snapshot's. A search works on a
 * snapshot (see segment_search.c). A reader by id may meet a write half way: its payload row comes
 * a moment later, when the command's batch is committed; it is waited for as long as the point
 * stands. */
#include "index/segment/segment.h"

#include "index/segment/segment_fields.h"
#include "index/segment/segment_int.h"
#include "storage/base/assert.h"
#include "storage/base/clock.h"
#include "storage/base/file.h"
#include "storage/base/mem.h"
#include "storage/kv/keys.h"

#include <stdio.h>
#include <time.h>

enum { COMMIT_WAIT_US = 50, PATH_BYTES_MAX = 4096 };
static const uint64_t COMMIT_WAIT_MAX_NS = 10000000000u;

static enum status open_vectors(struct segment *segment, uint32_t number,
                                const struct vector_spec *spec, struct error *err)
{
    char base[PATH_BYTES_MAX];
    int size = snprintf(base, sizeof(base), "%s/%u", segment->index_path, number);
    if (size >= (int)sizeof(base)) {
        return error_set(err, STATUS_IO, "path of the data folder is too long");
    }
    struct vectors_file_options options = {
        .base = base, .placement = spec->placement, .count_max = segment_next_offset(segment)};
    return vectors_open(&segment->slots[number].vectors, spec->distance, spec->element, spec->dim,
                        &options, err);
}

static enum status open_slots(struct segment *segment, const struct schema *schema,
                              struct error *err)
{
    const struct file_system *fs = file_system_real();
    segment->slots = mem_zalloc((schema->vectors_count + 1) * sizeof(segment->slots[0]));
    enum status status =
        schema->vectors_count > 0 ? fs->make_dirs(fs, segment->index_path, err) : STATUS_OK;
    for (uint32_t i = 0; i < schema->vectors_count && status == STATUS_OK; i++) {
        struct slot *slot = &segment->slots[i];
        const struct vector_spec *spec = &schema->vectors[i];
        status = open_vectors(segment, i, spec, err);
        if (status != STATUS_OK) {
            break;
        }
        ASSERT(pthread_mutex_init(&slot->lock, NULL) == 0);
        slot->spec = *spec;
        slot->spec.name = mem_strdup(spec->name);
        segment->slots_count++;
    }
    return status;
}

enum status segment_open(const struct segment_options *options, struct segment **out,
                         struct error *err)
{
    struct segment *segment = mem_zalloc(sizeof(*segment));
    segment->kv = options->kv;
    segment->collection = options->collection;
    segment->index_path = mem_strdup(options->index_path);
    segment->build_threads = options->build_threads;
    segment->pending = hashmap_create();
    match_cache_init(&segment->matches);
    graveyard_init(&segment->graves);
    work_log_init(&segment->work);
    ASSERT(pthread_mutex_init(&segment->snapshot_lock, NULL) == 0);
    ASSERT(pthread_mutex_init(&segment->write_lock, NULL) == 0);
    segment->batch_number = 1;
    bitmap_init(&segment->given_back);
    segment->schema = schema_ref((struct schema *)options->schema);
    ASSERT(pthread_mutex_init(&segment->schema_lock, NULL) == 0);
    id_map_init(&segment->ids, &segment->points);
    enum status status = blocks_init(&segment->points, sizeof(struct point_row), err);
    if (status == STATUS_OK) {
        status = blocks_init(&segment->live, 1, err);
    }
    if (status == STATUS_OK) {
        status = segment_grow(segment, options->next_offset, err);
    }
    if (status == STATUS_OK) {
        atomic_store(&segment->count, options->next_offset);
        segment->snapshot.count = options->next_offset;
        status = open_slots(segment, options->schema, err);
    }
    if (status == STATUS_OK) {
        status = segment_load(segment, options->applied, err);
    }
    segment_fields_open(segment, options->applied);
    if (status != STATUS_OK) {
        segment_close(segment);
        return status;
    }
    *out = segment;
    return STATUS_OK;
}

void segment_close(struct segment *segment)
{
    for (uint32_t i = 0; i < segment->slots_count; i++) {
        slot_set_index(&segment->slots[i], NULL);
        pthread_mutex_destroy(&segment->slots[i].lock);
        vectors_deinit(&segment->slots[i].vectors);
        mem_free((char *)segment->slots[i].spec.name);
    }
    segment_committed(segment);
    field_set_destroy(segment->fields);
    pthread_mutex_destroy(&segment->write_lock);
    bitmap_deinit(&segment->given_back);
    pthread_mutex_destroy(&segment->snapshot_lock);
    hashmap_destroy(segment->pending);
    match_cache_deinit(&segment->matches);
    graveyard_deinit(&segment->graves);
    work_log_deinit(&segment->work);
    id_map_deinit(&segment->ids);
    blocks_deinit(&segment->points);
    blocks_deinit(&segment->live);
    schema_unref(segment->schema);
    pthread_mutex_destroy(&segment->schema_lock);
    mem_free(segment->slots);
    mem_free(segment->index_path);
    mem_free(segment);
}

bool segment_locate(struct segment *segment, struct point_id id, point_offset *out)
{
    return id_map_get(&segment->ids, id, out);
}

size_t segment_points_count(struct segment *segment)
{
    return id_map_count(&segment->ids);
}

struct point_id segment_id(const struct segment *segment, point_offset offset)
{
    return row_at(segment, offset)->id;
}

uint64_t segment_version(const struct segment *segment, point_offset offset)
{
    return atomic_load_explicit(&row_at(segment, offset)->version, memory_order_relaxed);
}

bool segment_current(struct segment *segment, point_offset offset)
{
    point_offset now = 0;
    return is_live(segment, offset) && segment_locate(segment, segment_id(segment, offset), &now) &&
           now == offset;
}

struct slice segment_vector(const struct segment *segment, point_offset offset, uint32_t slot)
{
    const struct slot *s = &segment->slots[slot];
    if (!vectors_has(&s->vectors, offset)) {
        return slice_of(NULL, 0);
    }
    return slice_of(vectors_at(&s->vectors, offset), vector_bytes(s));
}

point_offset segment_next_offset(const struct segment *segment)
{
    return atomic_load_explicit(&segment->count, memory_order_acquire);
}

enum status segment_payload(struct segment *segment, point_offset offset, struct arena *arena,
                            struct slice *out, struct error *err)
{
    struct key key = key_payload(segment->collection, offset);
    struct key point = key_point(segment->collection, offset);
    uint64_t give_up_ns = 0;
    for (;;) {
        enum status status = kv_get(segment->kv, KV_PAYLOAD, key_slice(&key), arena, out, err);
        if (status != STATUS_NOT_FOUND) {
            return status;
        }
        /* No payload, or not committed yet, or purged: the point's own row tells, it is written in
         * the same batch. */
        struct slice row = {0};
        enum status known = kv_get(segment->kv, KV_POINTS, key_slice(&point), arena, &row, err);
        if (known == STATUS_OK) {
            status = kv_get(segment->kv, KV_PAYLOAD, key_slice(&key), arena, out, err);
            if (status == STATUS_NOT_FOUND) {
                *out = SLICE_LITERAL("{}");
                status = STATUS_OK;
            }
            return status;
        }
        if (known != STATUS_NOT_FOUND || atomic_load(&segment->dropped) ||
            !segment_current(segment, offset)) {
            return known;
        }
        uint64_t now = clock_monotonic_ns();
        give_up_ns = give_up_ns ? give_up_ns : now + COMMIT_WAIT_MAX_NS;
        if (now > give_up_ns) {
            return error_set(err, STATUS_TIMEOUT,
                             "a write to this point has not been committed for 10 seconds");
        }
        nanosleep(&(struct timespec){.tv_nsec = COMMIT_WAIT_US * 1000}, NULL);
    }
}

struct slice segment_found_vector(const struct segment *segment, point_offset offset, uint32_t slot)
{
    const struct slot *s = &segment->slots[slot];
    if (!vectors_had(&s->vectors, offset)) {
        return slice_of(NULL, 0);
    }
    return slice_of(vectors_at(&s->vectors, offset), vector_bytes(s));
}

struct snapshot segment_snapshot(struct segment *segment)
{
    pthread_mutex_lock(&segment->snapshot_lock);
    struct snapshot snapshot = segment->snapshot;
    pthread_mutex_unlock(&segment->snapshot_lock);
    return snapshot;
}

void segment_set_schema(struct segment *segment, struct schema *schema)
{
    ASSERT(schema->vectors_count == segment->slots_count);
    for (uint32_t i = 0; i < segment->slots_count; i++) {
        struct slot *slot = &segment->slots[i];
        pthread_mutex_lock(&slot->lock);
        const char *name = slot->spec.name; /* the segment's own copy */
        slot->spec = schema->vectors[i];
        slot->spec.name = name;
        pthread_mutex_unlock(&slot->lock);
    }
    pthread_mutex_lock(&segment->schema_lock);
    struct schema *old = segment->schema;
    segment->schema = schema_ref(schema);
    pthread_mutex_unlock(&segment->schema_lock);
    schema_unref(old);
    segment_fields_change(segment, schema);
}

void segment_set_dropped(struct segment *segment)
{
    segment_begin_write(segment); /* a move under way is committed before */
    atomic_store(&segment->dropped, true);
    segment_end_write(segment);
}
