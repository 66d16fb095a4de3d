/* Opening and closing the engine, and what concerns all collections. */
#include "index/collection/engine.h"

#include "index/collection/engine_int.h"
#include "index/collection/message.h"
#include "storage/base/assert.h"
#include "storage/base/file.h"
#include "storage/base/logger.h"
#include "storage/base/mem.h"
#include "storage/kv/keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PATH_BYTES_MAX = 4096, DISK_FREE_BYTES_MIN = 4 << 20 };

/* Up to where everything had been applied at the last checkpoint; commands after it are replayed
 * and skipped one by one where a collection has them already. */
static enum status load_replay_from(struct engine *engine, struct error *err)
{
    struct arena *arena = arena_create(0);
    struct key key = key_applied(0);
    struct slice bytes;
    enum status status = kv_get(engine->kv, KV_META, key_slice(&key), arena, &bytes, err);
    if (status == STATUS_OK) {
        const Sagitta__CollectionState *state =
            message_unpack(&sagitta__collection_state__descriptor, bytes, arena);
        if (state) {
            engine->replay_from = state->applied + 1;
        } else {
            status = error_set(err, STATUS_CORRUPT, "the checkpoint mark in storage is damaged");
        }
    } else if (status == STATUS_NOT_FOUND) {
        engine->replay_from = 1;
        status = STATUS_OK;
    }
    arena_destroy(arena);
    return status;
}

enum status engine_open(const struct engine_options *options, struct engine **out,
                        struct error *err)
{
    char kv_path[PATH_BYTES_MAX];
    if (snprintf(kv_path, sizeof(kv_path), "%s/kv", options->path) >= (int)sizeof(kv_path)) {
        return error_set(err, STATUS_BAD_INPUT, "storage.storage_path: longer than %d bytes",
                         PATH_BYTES_MAX);
    }
    kernel_init();
    enum status status = file_system_real()->make_dirs(file_system_real(), options->path, err);
    if (status != STATUS_OK) {
        return status;
    }
    struct engine *engine = mem_zalloc(sizeof(*engine));
    engine->options = *options;
    engine->path = mem_strdup(options->path);
    if (engine->options.build_threads == 0) {
        long cores = sysconf(_SC_NPROCESSORS_ONLN);
        engine->options.build_threads = cores > 0 ? (uint32_t)cores : 1;
    }
    ASSERT(pthread_rwlock_init(&engine->catalog_lock, NULL) == 0);
    engine->by_name = hashmap_create();
    engine->by_number = hashmap_create();
    engine->aliases = hashmap_create();
    struct kv_options kv = {.path = kv_path,
                            .cache_bytes = options->cache_bytes,
                            .write_buffer_bytes = options->write_buffer_bytes,
                            .free_bytes_min = DISK_FREE_BYTES_MIN};
    status = kv_open(&kv, &engine->kv, err);
    if (status == STATUS_OK) {
        status = load_replay_from(engine, err);
    }
    if (status == STATUS_OK) {
        status = catalog_load(engine, err);
    }
    if (status != STATUS_OK) {
        engine_close(engine);
        return status;
    }
    engine->builder = builder_start(engine);
    *out = engine;
    return STATUS_OK;
}

static void save_images(struct engine *engine)
{
    struct collection **list = NULL;
    size_t count = catalog_list(engine, &list);
    for (size_t i = 0; i < count; i++) {
        struct error err = {0};
        if (segment_seal(list[i]->segment, &err) != STATUS_OK) {
            log_warn("index/collection", "vectors of `%s` will be loaded at the next start: %s",
                     list[i]->name, err.message);
        }
        if (segment_save_points(list[i]->segment, list[i]->applied, &err) != STATUS_OK) {
            log_warn("index/collection", "points of `%s` will be loaded at the next start: %s",
                     list[i]->name, err.message);
        }
        if (segment_save_fields(list[i]->segment, list[i]->applied, &err) != STATUS_OK) {
            log_warn("index/collection",
                     "payload indexes of `%s` will be filled anew at the next start: %s",
                     list[i]->name, err.message);
        }
        if (segment_save_images(list[i]->segment, &err) != STATUS_OK) {
            log_warn("index/collection", "graphs of `%s` will be built anew at the next start: %s",
                     list[i]->name, err.message);
        }
        collection_unref(list[i]);
    }
    mem_free(list);
}

void engine_close(struct engine *engine)
{
    if (engine->builder) {
        builder_stop(engine->builder);
        save_images(engine);
        struct error err = {0};
        if (kv_flush(engine->kv, &err) != STATUS_OK) {
            log_error("index/collection",
                      "storage could not be flushed, the log will be replayed: %s", err.message);
        }
    }
    catalog_close(engine);
    if (engine->kv) {
        kv_close(engine->kv);
    }
    pthread_rwlock_destroy(&engine->catalog_lock);
    mem_free(engine->path);
    mem_free(engine);
}

const struct engine_defaults *engine_defaults(const struct engine *engine)
{
    return &engine->options.defaults;
}

uint64_t engine_replay_from(const struct engine *engine)
{
    return engine->replay_from;
}

uint64_t engine_applied_max(const struct engine *engine)
{
    uint64_t max = engine->replay_from - 1;
    max = engine->catalog_applied > max ? engine->catalog_applied : max;
    size_t cursor = 0;
    struct slice key;
    void *value = NULL;
    while (hashmap_next(engine->by_number, &cursor, &key, &value)) {
        const struct collection *collection = value;
        max = collection->applied > max ? collection->applied : max;
    }
    return max;
}

enum status engine_checkpoint(struct engine *engine, uint64_t applied, struct error *err)
{
    struct arena *arena = arena_create(0);
    struct kv_batch *batch = kv_batch_create();
    Sagitta__CollectionState state = SAGITTA__COLLECTION_STATE__INIT;
    state.applied = applied;
    struct key key = key_applied(0);
    kv_put(batch, KV_META, key_slice(&key), message_pack(&state.base, arena));
    enum status status = kv_commit(engine->kv, batch, err);
    if (status == STATUS_OK) {
        status = kv_flush(engine->kv, err);
    }
    kv_batch_destroy(batch);
    arena_destroy(arena);
    return status;
}

static void unpin(void *arg)
{
    collection_unref(arg);
}

static void unpin_schema(void *arg)
{
    schema_unref(arg);
}

enum status engine_pin(struct engine *engine, const char *name, struct arena *arena,
                       struct view *out, struct error *err)
{
    struct collection *collection = catalog_find(engine, name, true);
    if (!collection) {
        return error_set(err, STATUS_NOT_FOUND, "Collection %s not found", name);
    }
    if (!arena_defer(arena, unpin, collection)) {
        collection_unref(collection);
        return error_set(err, STATUS_TOO_LARGE, "request needs too much memory");
    }
    struct schema *schema = collection_schema(collection);
    if (!arena_defer(arena, unpin_schema, schema)) {
        schema_unref(schema);
        return error_set(err, STATUS_TOO_LARGE, "request needs too much memory");
    }
    *out = (struct view){.collection = collection, .schema = schema, .number = collection->number};
    out->name = collection->name;
    return STATUS_OK;
}

bool engine_exists(struct engine *engine, const char *name)
{
    struct collection *collection = catalog_find(engine, name, true);
    if (collection) {
        collection_unref(collection);
    }
    return collection != NULL;
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

enum status engine_collections(struct engine *engine, struct arena *arena,
                               const char *const **names, size_t *count)
{
    struct collection **list = NULL;
    size_t found = catalog_list(engine, &list);
    const char **copy = arena_new_array(arena, const char *, found + 1);
    bool fits = copy != NULL;
    for (size_t i = 0; i < found; i++) {
        if (fits) {
            copy[i] = arena_strndup(arena, list[i]->name, strlen(list[i]->name));
            fits = copy[i] != NULL;
        }
        collection_unref(list[i]);
    }
    mem_free(list);
    if (!fits) {
        return STATUS_TOO_LARGE;
    }
    qsort(copy, found, sizeof(copy[0]), compare_texts);
    *names = copy;
    *count = found;
    return STATUS_OK;
}

static int compare_aliases(const void *a, const void *b)
{
    return strcmp(((const struct alias_name *)a)->alias, ((const struct alias_name *)b)->alias);
}

enum status engine_aliases(struct engine *engine, const char *collection, struct arena *arena,
                           struct alias_name **out, size_t *count)
{
    pthread_rwlock_rdlock(&engine->catalog_lock);
    struct alias_name *list =
        arena_new_array(arena, struct alias_name, hashmap_count(engine->aliases) + 1);
    size_t found = 0;
    size_t cursor = 0;
    struct slice alias;
    void *target = NULL;
    bool fits = list != NULL;
    while (fits && hashmap_next(engine->aliases, &cursor, &alias, &target)) {
        if (collection && strcmp(collection, target) != 0) {
            continue;
        }
        list[found].alias = arena_strndup(arena, (const char *)alias.data, alias.size);
        list[found].collection = arena_strndup(arena, target, strlen(target));
        fits = list[found].alias && list[found].collection;
        found++;
    }
    pthread_rwlock_unlock(&engine->catalog_lock);
    if (!fits) {
        return STATUS_TOO_LARGE;
    }
    qsort(list, found, sizeof(list[0]), compare_aliases);
    *out = list;
    *count = found;
    return STATUS_OK;
}

void engine_stats(struct engine *engine, struct engine_stats *out)
{
    struct collection **list = NULL;
    size_t count = catalog_list(engine, &list);
    *out = (struct engine_stats){.collections = count};
    for (size_t i = 0; i < count; i++) {
        struct segment_stats stats;
        segment_stats(list[i]->segment, &stats);
        out->points += stats.points;
        out->vectors += stats.vectors;
        out->indexed_vectors += stats.indexed_vectors;
        out->vector_bytes += stats.vector_bytes;
        out->index_bytes += stats.index_bytes;
        out->payload_index_bytes += segment_fields_memory(list[i]->segment);
        collection_unref(list[i]);
    }
    mem_free(list);
    kv_usage(engine->kv, &out->storage_memory_bytes, &out->storage_disk_bytes);
}
