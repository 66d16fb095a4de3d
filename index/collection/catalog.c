/* Which collections there are, and under which names. Changed by catalog commands only, which run
 * alone; read by all.
 *
 * In storage: a record for each collection under its number, and the catalog's state (applied
 * index, next number, aliases, quotas) under one key. Both are written in the batch of the command
 * that changes them. */
#include "index/collection/engine_int.h"
#include "index/collection/message.h"
#include "storage/base/assert.h"
#include "storage/base/mem.h"
#include "storage/kv/keys.h"

#include <stdlib.h>

static struct slice number_slice(const uint32_t *number)
{
    return slice_of(number, sizeof(*number));
}

static enum status load_state(struct engine *engine, struct arena *arena, struct error *err)
{
    struct key key = key_catalog();
    struct slice bytes;
    enum status status = kv_get(engine->kv, KV_META, key_slice(&key), arena, &bytes, err);
    engine->next_collection = 1;
    if (status == STATUS_NOT_FOUND) {
        return STATUS_OK;
    }
    if (status != STATUS_OK) {
        return status;
    }
    const Sagitta__CatalogState *state =
        message_unpack(&sagitta__catalog_state__descriptor, bytes, arena);
    if (!state) {
        return error_set(err, STATUS_CORRUPT, "the catalog's state in storage is damaged");
    }
    engine->catalog_applied = state->applied;
    engine->next_collection = state->next_collection;
    quotas_read(state->quotas, &engine->quotas);
    for (size_t i = 0; i < state->n_aliases; i++) {
        mem_free(hashmap_put(engine->aliases, slice_text(state->aliases[i]->alias_name),
                             mem_strdup(state->aliases[i]->collection_name)));
    }
    return STATUS_OK;
}

static enum status load_collection(struct engine *engine, struct slice bytes, struct error *err)
{
    struct arena *arena = arena_create(0);
    struct collection_options options = {
        .record = message_unpack(&sagitta__collection_record__descriptor, bytes, arena)};
    enum status status = STATUS_OK;
    if (!options.record || !options.record->config) {
        status = error_set(err, STATUS_CORRUPT, "a collection's record in storage is damaged");
        goto out;
    }
    struct key key = key_applied(options.record->number);
    struct slice state_bytes;
    status = kv_get(engine->kv, KV_META, key_slice(&key), arena, &state_bytes, err);
    if (status == STATUS_OK) {
        const Sagitta__CollectionState *state =
            message_unpack(&sagitta__collection_state__descriptor, state_bytes, arena);
        if (!state) {
            status = error_set(err, STATUS_CORRUPT, "state of collection `%s` is damaged",
                               options.record->name);
            goto out;
        }
        options.applied = state->applied;
        options.next_offset = state->next_offset;
    } else if (status != STATUS_NOT_FOUND) {
        goto out;
    }
    struct collection *collection = NULL;
    status = collection_open(engine, &options, &collection, err);
    if (status == STATUS_OK) {
        catalog_add(engine, collection);
    } else {
        status = error_wrap(err, "collection `%s`", options.record->name);
    }
out:
    arena_destroy(arena);
    return status;
}

enum status catalog_load(struct engine *engine, struct error *err)
{
    struct arena *arena = arena_create(0);
    enum status status = load_state(engine, arena, err);
    struct key from = key_config_begin();
    struct key to = key_config_end();
    struct kv_cursor *cursor =
        kv_cursor_open(engine->kv, KV_META, key_slice(&from), key_slice(&to));
    for (; status == STATUS_OK && kv_cursor_valid(cursor); kv_cursor_next(cursor)) {
        status = load_collection(engine, kv_cursor_value(cursor), err);
    }
    if (status == STATUS_OK) {
        status = kv_cursor_status(cursor, err);
    }
    kv_cursor_close(cursor);
    arena_destroy(arena);
    return status;
}

void catalog_close(struct engine *engine)
{
    size_t cursor = 0;
    struct slice key;
    void *value = NULL;
    while (hashmap_next(engine->by_number, &cursor, &key, &value)) {
        collection_unref(value);
    }
    cursor = 0;
    while (hashmap_next(engine->aliases, &cursor, &key, &value)) {
        mem_free(value);
    }
    hashmap_destroy(engine->by_name);
    hashmap_destroy(engine->by_number);
    hashmap_destroy(engine->aliases);
}

struct collection *catalog_find(struct engine *engine, const char *name, bool aliases)
{
    pthread_rwlock_rdlock(&engine->catalog_lock);
    struct collection *collection = hashmap_get(engine->by_name, slice_text(name));
    const char *target =
        !collection && aliases ? hashmap_get(engine->aliases, slice_text(name)) : NULL;
    if (target) {
        collection = hashmap_get(engine->by_name, slice_text(target));
    }
    if (collection) {
        collection_ref(collection);
    }
    pthread_rwlock_unlock(&engine->catalog_lock);
    return collection;
}

struct collection *catalog_find_number(struct engine *engine, uint32_t number)
{
    pthread_rwlock_rdlock(&engine->catalog_lock);
    struct collection *collection = hashmap_get(engine->by_number, number_slice(&number));
    if (collection) {
        collection_ref(collection);
    }
    pthread_rwlock_unlock(&engine->catalog_lock);
    return collection;
}

void catalog_add(struct engine *engine, struct collection *collection)
{
    pthread_rwlock_wrlock(&engine->catalog_lock);
    void *old = hashmap_put(engine->by_name, slice_text(collection->name), collection);
    ASSERT(!old);
    old = hashmap_put(engine->by_number, number_slice(&collection->number), collection);
    ASSERT(!old);
    pthread_rwlock_unlock(&engine->catalog_lock);
}

static void remove_aliases(struct engine *engine, const char *name)
{
    for (bool again = true; again;) {
        size_t cursor = 0;
        struct slice alias;
        void *target = NULL;
        again = false;
        while (!again && hashmap_next(engine->aliases, &cursor, &alias, &target)) {
            if (strcmp(target, name) == 0) {
                mem_free(hashmap_remove(engine->aliases, alias));
                again = true; /* the map changed under the cursor */
            }
        }
    }
}

void catalog_remove(struct engine *engine, struct collection *collection)
{
    pthread_rwlock_wrlock(&engine->catalog_lock);
    hashmap_remove(engine->by_name, slice_text(collection->name));
    hashmap_remove(engine->by_number, number_slice(&collection->number));
    remove_aliases(engine, collection->name);
    pthread_rwlock_unlock(&engine->catalog_lock);
    atomic_store(&collection->dropped, true);
    segment_set_dropped(collection->segment);
    collection_unref(collection);
}

size_t catalog_list(struct engine *engine, struct collection ***out)
{
    pthread_rwlock_rdlock(&engine->catalog_lock);
    size_t count = 0;
    struct collection **list = mem_alloc((hashmap_count(engine->by_number) + 1) * sizeof(list[0]));
    size_t cursor = 0;
    struct slice key;
    void *value = NULL;
    while (hashmap_next(engine->by_number, &cursor, &key, &value)) {
        collection_ref(value);
        list[count++] = value;
    }
    pthread_rwlock_unlock(&engine->catalog_lock);
    *out = list;
    return count;
}

void catalog_put_record(struct kv_batch *batch, const struct collection *collection,
                        struct arena *arena)
{
    Sagitta__CollectionRecord record = SAGITTA__COLLECTION_RECORD__INIT;
    record.number = collection->number;
    record.name = collection->name;
    record.config = (Qdrant__CreateCollection *)collection->schema->config;
    record.created_at_ms = collection->created_at_ms;
    record.created_index = collection->created_index;
    struct key key = key_config(collection->number);
    kv_put(batch, KV_META, key_slice(&key), message_pack(&record.base, arena));
}

void catalog_put_state(struct engine *engine, struct kv_batch *batch, struct arena *arena)
{
    size_t count = hashmap_count(engine->aliases);
    Sagitta__CatalogState state = SAGITTA__CATALOG_STATE__INIT;
    Qdrant__AliasDescription *aliases = arena_new_array(arena, Qdrant__AliasDescription, count + 1);
    state.aliases = arena_new_array(arena, Qdrant__AliasDescription *, count + 1);
    ASSERT(aliases && state.aliases);
    size_t cursor = 0;
    struct slice alias;
    void *target = NULL;
    while (hashmap_next(engine->aliases, &cursor, &alias, &target)) {
        Qdrant__AliasDescription *description = &aliases[state.n_aliases];
        qdrant__alias_description__init(description);
        description->alias_name = arena_strndup(arena, (const char *)alias.data, alias.size);
        description->collection_name = target;
        state.aliases[state.n_aliases++] = description;
    }
    state.applied = engine->catalog_applied;
    state.next_collection = engine->next_collection;
    Sagitta__Quotas quotas;
    quotas_write(&engine->quotas, &quotas);
    state.quotas = &quotas;
    struct key key = key_catalog();
    kv_put(batch, KV_META, key_slice(&key), message_pack(&state.base, arena));
}
