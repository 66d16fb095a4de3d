/* A collection in memory: its schema and its segment, reference counted. The catalog holds one
 * reference, every view and the builder one each; the last to go closes the segment. */
#include "index/collection/engine_int.h"
#include "index/collection/message.h"
#include "storage/base/assert.h"
#include "storage/base/logger.h"
#include "storage/base/mem.h"
#include "storage/kv/keys.h"

#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

enum { INDEX_PATH_BYTES_MAX = 4096 };

enum status collection_open(struct engine *engine, const struct collection_options *options,
                            struct collection **out, struct error *err)
{
    const Sagitta__CollectionRecord *record = options->record;
    char index_path[INDEX_PATH_BYTES_MAX];
    if (snprintf(index_path, sizeof(index_path), "%s/index/%u", engine->path, record->number) >=
        (int)sizeof(index_path)) {
        return error_set(err, STATUS_IO, "path of the data folder is too long");
    }
    struct schema *schema = NULL;
    enum status status = schema_create(record->config, &schema, err);
    if (status != STATUS_OK) {
        return status;
    }
    struct segment_options segment = {.kv = engine->kv,
                                      .collection = record->number,
                                      .index_path = index_path,
                                      .schema = schema,
                                      .next_offset = options->next_offset,
                                      .applied = options->applied,
                                      .build_threads = engine->options.build_threads};
    struct collection *collection = mem_zalloc(sizeof(*collection));
    status = segment_open(&segment, &collection->segment, err);
    if (status != STATUS_OK) {
        schema_unref(schema);
        mem_free(collection);
        return status;
    }
    atomic_init(&collection->refs, 1);
    ASSERT(pthread_mutex_init(&collection->lock, NULL) == 0);
    collection->kv = engine->kv;
    collection->number = record->number;
    collection->name = mem_strdup(record->name);
    collection->index_path = mem_strdup(index_path);
    collection->created_at_ms = record->created_at_ms;
    collection->created_index = record->created_index;
    collection->schema = schema;
    collection->applied = options->applied;
    *out = collection;
    return STATUS_OK;
}

void collection_ref(struct collection *collection)
{
    atomic_fetch_add_explicit(&collection->refs, 1, memory_order_relaxed);
}

void collection_unref(struct collection *collection)
{
    if (atomic_fetch_sub_explicit(&collection->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    segment_close(collection->segment);
    schema_unref(collection->schema);
    pthread_mutex_destroy(&collection->lock);
    mem_free(collection->name);
    mem_free(collection->index_path);
    mem_free(collection);
}

struct schema *collection_schema(struct collection *collection)
{
    pthread_mutex_lock(&collection->lock);
    struct schema *schema = schema_ref(collection->schema);
    pthread_mutex_unlock(&collection->lock);
    return schema;
}

void collection_set_schema(struct collection *collection, struct schema *schema)
{
    segment_set_schema(collection->segment, schema);
    pthread_mutex_lock(&collection->lock);
    struct schema *old = collection->schema;
    collection->schema = schema;
    pthread_mutex_unlock(&collection->lock);
    schema_unref(old);
}

void collection_put_state(const struct collection *collection, uint64_t applied,
                          struct kv_batch *batch, struct arena *arena)
{
    Sagitta__CollectionState state = SAGITTA__COLLECTION_STATE__INIT;
    state.applied = applied;
    state.next_offset = segment_next_offset(collection->segment);
    struct key key = key_applied(collection->number);
    kv_put(batch, KV_META, key_slice(&key), message_pack(&state.base, arena));
}

static size_t move(struct collection *collection, struct kv_batch *batch, struct arena *arena)
{
    struct error err = {0};
    size_t moved = 0;
    if (segment_move(collection->segment, batch, &moved, &err) != STATUS_OK) {
        log_warn("index/collection", "points of `%s` stay where they are for now: %s",
                 collection->name, err.message);
    }
    if (moved > 0) {
        collection_put_state(collection, collection->applied, batch, arena);
        if (kv_commit(collection->kv, batch, &err) != STATUS_OK) {
            log_error("index/collection", "moving points of `%s` failed, the server stops: %s",
                      collection->name, err.message);
            _exit(EX_IOERR);
        }
        segment_committed(collection->segment);
    }
    return moved;
}

bool collection_move(struct collection *collection)
{
    if (!segment_move_due(collection->segment)) {
        return false;
    }
    struct arena *arena = arena_create(0);
    struct kv_batch *batch = kv_batch_create();
    segment_begin_write(collection->segment);
    size_t moved = atomic_load(&collection->dropped) ? 0 : move(collection, batch, arena);
    segment_end_write(collection->segment);
    kv_batch_destroy(batch);
    arena_destroy(arena);
    return moved > 0;
}

void collection_fail(struct collection *collection, const struct error *err)
{
    pthread_mutex_lock(&collection->lock);
    (void)snprintf(collection->failure, sizeof(collection->failure), "%.*s",
                   (int)sizeof(collection->failure) - 1, err->message);
    pthread_mutex_unlock(&collection->lock);
}
