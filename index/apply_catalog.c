/* Commands on the catalog: collections come, change and go; aliases move. They run alone. */
#include "index/apply.h"
#include "storage/base/assert.h"
#include "storage/base/file.h"
#include "storage/base/logger.h"
#include "storage/base/mem.h"
#include "storage/kv/keys.h"

#include <stdio.h>

/* Writes the catalog's state with the batch, whatever the command did. */
static enum status commit(struct apply *apply, enum status result)
{
    apply->engine->catalog_applied = apply->index;
    catalog_put_state(apply->engine, apply->batch, apply->arena);
    enum status status = kv_commit(apply->engine->kv, apply->batch, &apply->out->error);
    return status == STATUS_OK ? result : status;
}

enum status apply_create_collection(struct apply *apply, const Sagitta__CreateCollection *command)
{
    struct engine *engine = apply->engine;
    struct error *err = &apply->out->error;
    if (engine_exists(engine, command->name)) {
        return commit(apply, error_set(err, STATUS_ALREADY_EXISTS,
                                       "Collection `%s` already exists!", command->name));
    }
    Sagitta__CollectionRecord record = SAGITTA__COLLECTION_RECORD__INIT;
    record.number = engine->next_collection;
    record.name = command->name;
    record.config = command->config;
    record.created_at_ms = command->created_at_ms;
    record.created_index = apply->index;
    struct collection_options options = {.record = &record};
    struct collection *collection = NULL;
    enum status status = collection_open(engine, &options, &collection, err);
    if (status != STATUS_OK) {
        return commit(apply, status);
    }
    engine->next_collection++;
    catalog_put_record(apply->batch, collection, apply->arena);
    status = commit(apply, STATUS_OK);
    catalog_add(engine, collection);
    apply->out->changed = 1;
    return status;
}

/* Finds the collection by name or alias; + reference. */
static enum status find(struct apply *apply, const char *name, struct collection **out)
{
    *out = catalog_find(apply->engine, name, true);
    return *out ? STATUS_OK
                : error_set(&apply->out->error, STATUS_NOT_FOUND, "Collection %s not found", name);
}

/* Ends a command that made a new schema (NULL: it did not); drops the collection's reference. */
static enum status change_schema(struct apply *apply, struct collection *collection,
                                 struct schema *schema, enum status status)
{
    if (status == STATUS_OK && schema) {
        collection_set_schema(collection, schema);
        catalog_put_record(apply->batch, collection, apply->arena);
        apply->out->changed = 1;
        if (apply->engine->builder) {
            builder_wake(apply->engine->builder);
        }
    }
    collection_unref(collection);
    return commit(apply, status);
}

enum status apply_update_collection(struct apply *apply, const Sagitta__UpdateCollection *command)
{
    struct collection *collection = NULL;
    struct schema *schema = NULL;
    enum status status = find(apply, command->name, &collection);
    if (status != STATUS_OK) {
        return commit(apply, status);
    }
    status = schema_update(collection->schema, command->diff, &schema, &apply->out->error);
    return change_schema(apply, collection, schema, status);
}

enum status apply_create_field_index(struct apply *apply, const Sagitta__CreateFieldIndex *command)
{
    struct collection *collection = NULL;
    struct schema *schema = NULL;
    enum status status = find(apply, command->name, &collection);
    if (status != STATUS_OK) {
        return commit(apply, status);
    }
    status = schema_add_field(collection->schema, command->index, &schema, &apply->out->error);
    return change_schema(apply, collection, schema, status);
}

/* An index that is not there is gone already. */
enum status apply_delete_field_index(struct apply *apply, const Sagitta__DeleteFieldIndex *command)
{
    struct collection *collection = NULL;
    struct schema *schema = NULL;
    enum status status = find(apply, command->name, &collection);
    if (status != STATUS_OK) {
        return commit(apply, status);
    }
    status = schema_drop_field(collection->schema, command->key, &schema, &apply->out->error);
    return change_schema(apply, collection, schema, status);
}

enum status apply_delete_collection(struct apply *apply, const Sagitta__DeleteCollection *command)
{
    struct collection *collection = catalog_find(apply->engine, command->name, false);
    if (!collection) {
        return commit(apply, STATUS_OK);
    }
    struct key from = key_collection_begin(collection->number);
    struct key to = key_collection_end(collection->number);
    for (enum kv_space space = KV_IDS; space < KV_SPACE_COUNT; space++) {
        kv_delete_range(apply->batch, space, key_slice(&from), key_slice(&to));
    }
    struct key config = key_config(collection->number);
    struct key applied = key_applied(collection->number);
    kv_delete(apply->batch, KV_META, key_slice(&config));
    kv_delete(apply->batch, KV_META, key_slice(&applied));
    catalog_remove(apply->engine, collection);
    apply->out->changed = 1;
    enum status status = commit(apply, STATUS_OK);
    struct error err = {0};
    if (file_remove_tree(collection->index_path, &err) != STATUS_OK) {
        log_warn("index", "graph images of a deleted collection stay behind: %s", err.message);
    }
    collection_unref(collection);
    return status;
}

enum status apply_set_quotas(struct apply *apply, const Sagitta__Quotas *command)
{
    struct quota_limits limits;
    quotas_read(command, &limits);
    pthread_rwlock_wrlock(&apply->engine->catalog_lock);
    apply->engine->quotas = limits;
    pthread_rwlock_unlock(&apply->engine->catalog_lock);
    apply->out->changed = 1;
    return commit(apply, STATUS_OK);
}

/* ---- aliases ---- */

static struct hashmap *copy_aliases(const struct hashmap *aliases)
{
    struct hashmap *copy = hashmap_create();
    size_t cursor = 0;
    struct slice alias;
    void *target = NULL;
    while (hashmap_next(aliases, &cursor, &alias, &target)) {
        hashmap_put(copy, alias, mem_strdup(target));
    }
    return copy;
}

static void destroy_aliases(struct hashmap *aliases)
{
    size_t cursor = 0;
    struct slice alias;
    void *target = NULL;
    while (hashmap_next(aliases, &cursor, &alias, &target)) {
        mem_free(target);
    }
    hashmap_destroy(aliases);
}

static enum status change_alias(struct engine *engine, struct hashmap *aliases,
                                const Qdrant__AliasOperations *action, struct error *err)
{
    switch (action->action_case) {
    case QDRANT__ALIAS_OPERATIONS__ACTION_CREATE_ALIAS: {
        const Qdrant__CreateAlias *create = action->create_alias;
        if (!hashmap_get(engine->by_name, slice_text(create->collection_name))) {
            return error_set(err, STATUS_NOT_FOUND, "Collection %s not found",
                             create->collection_name);
        }
        if (hashmap_get(engine->by_name, slice_text(create->alias_name))) {
            return error_set(err, STATUS_ALREADY_EXISTS, "Collection `%s` already exists!",
                             create->alias_name);
        }
        mem_free(hashmap_put(aliases, slice_text(create->alias_name),
                             mem_strdup(create->collection_name)));
        return STATUS_OK;
    }
    case QDRANT__ALIAS_OPERATIONS__ACTION_DELETE_ALIAS:
        mem_free(hashmap_remove(aliases, slice_text(action->delete_alias->alias_name)));
        return STATUS_OK;
    case QDRANT__ALIAS_OPERATIONS__ACTION_RENAME_ALIAS: {
        const Qdrant__RenameAlias *rename = action->rename_alias;
        char *target = hashmap_remove(aliases, slice_text(rename->old_alias_name));
        if (!target) {
            return error_set(err, STATUS_NOT_FOUND, "Alias %s does not exists!",
                             rename->old_alias_name);
        }
        if (hashmap_get(engine->by_name, slice_text(rename->new_alias_name))) {
            mem_free(target);
            return error_set(err, STATUS_ALREADY_EXISTS, "Collection `%s` already exists!",
                             rename->new_alias_name);
        }
        mem_free(hashmap_put(aliases, slice_text(rename->new_alias_name), target));
        return STATUS_OK;
    }
    default:
        return error_set(err, STATUS_BAD_INPUT, "alias action is empty");
    }
}

/* All actions or none. */
enum status apply_change_aliases(struct apply *apply, const Sagitta__ChangeAliases *command)
{
    struct engine *engine = apply->engine;
    struct hashmap *changed = copy_aliases(engine->aliases);
    enum status status = STATUS_OK;
    for (size_t i = 0; i < command->n_actions && status == STATUS_OK; i++) {
        status = change_alias(engine, changed, command->actions[i], &apply->out->error);
    }
    if (status == STATUS_OK) {
        pthread_rwlock_wrlock(&engine->catalog_lock);
        struct hashmap *old = engine->aliases;
        engine->aliases = changed;
        pthread_rwlock_unlock(&engine->catalog_lock);
        destroy_aliases(old);
        apply->out->changed = command->n_actions;
    } else {
        destroy_aliases(changed);
    }
    return commit(apply, status);
}
