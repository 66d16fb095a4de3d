/* Shared by the engine's files and apply. */
#pragma once
#include "index/collection/engine.h"
#include "index/segment/segment.h"
#include "storage/base/hashmap.h"
#include "storage/kv/kv.h"

#include <pthread.h>

struct collection {
    atomic_uint refs;
    uint32_t number;
    char *name;
    char *index_path;
    uint64_t created_at_ms, created_index;
    struct kv *kv;
    struct segment *segment;
    pthread_mutex_t lock; /* guards schema, failure */
    struct schema *schema;
    char failure[256];
    uint64_t applied; /* the strand's; changes while it holds the segment's write lock */
    atomic_bool dropped;
};

struct engine {
    struct engine_options options;
    char *path;
    struct kv *kv;
    pthread_rwlock_t
        catalog_lock; /* guards by_name, by_number, aliases, quotas; written by catalog commands */
    struct hashmap *by_name;   /* name -> collection */
    struct hashmap *by_number; /* number:4 -> collection */
    struct hashmap *aliases;   /* alias -> char *, a collection's name */
    struct quota_limits quotas;
    uint64_t catalog_applied;
    uint32_t next_collection;
    uint64_t replay_from;
    struct builder *builder;
};

/* collection.c */
struct collection_options {
    const Sagitta__CollectionRecord *record;
    uint64_t applied;
    point_offset next_offset;
};
enum status collection_open(struct engine *engine, const struct collection_options *options,
                            struct collection **out, struct error *err);
void collection_ref(struct collection *collection);
void collection_unref(struct collection *collection); /* the last one closes the segment */
struct schema *collection_schema(struct collection *collection); /* + reference */
void collection_set_schema(struct collection *collection,
                           struct schema *schema); /* takes the reference */
/* How far the collection is: goes into every batch that changes points. */
void collection_put_state(const struct collection *collection, uint64_t applied,
                          struct kv_batch *batch, struct arena *arena);
/* Moves points out of ranges that are mostly dead, a bounded number. Returns whether it did. Ends
 * the process when storage fails: memory and storage would not agree any more. */
bool collection_move(struct collection *collection);
void collection_fail(struct collection *collection,
                     const struct error *err); /* shown as status red */

/* catalog.c */
enum status catalog_load(struct engine *engine, struct error *err);
void catalog_close(struct engine *engine);
struct collection *catalog_find(struct engine *engine, const char *name,
                                bool aliases); /* + reference, or NULL */
struct collection *catalog_find_number(struct engine *engine,
                                       uint32_t number);                /* + reference, or NULL */
void catalog_add(struct engine *engine, struct collection *collection); /* takes the reference */
void catalog_remove(struct engine *engine,
                    struct collection *collection); /* and its aliases; drops the reference */
void catalog_put_record(struct kv_batch *batch, const struct collection *collection,
                        struct arena *arena);
void catalog_put_state(struct engine *engine, struct kv_batch *batch, struct arena *arena);

/* quotas.c */
void quotas_read(const Sagitta__Quotas *message, struct quota_limits *out); /* NULL: none */
void quotas_write(const struct quota_limits *limits, Sagitta__Quotas *out);

/* builder.c */
struct builder *builder_start(struct engine *engine);
void builder_stop(struct builder *builder);
void builder_wake(struct builder *builder);
/* Every collection, with a reference each; `out` is the caller's, to mem_free. */
size_t catalog_list(struct engine *engine, struct collection ***out);
