/* The engine: all collections of a data folder, their storage and their background work.
 *
 * Threads: engine_apply is called by the replica's strands, one at a time for each collection, and
 * alone for catalog commands. Reads come from any thread through views. Background threads build
 * graphs and save their images. */
#pragma once
#include "command.pb-c.h"

#include "index/collection/view.h"
#include "replication/fsm.h"
#include "storage/base/arena.h"

struct engine;
struct engine_options {
    const char *path;     /* data folder: kv/ and index/ below it */
    uint64_t cache_bytes; /* storage block cache */
    uint64_t write_buffer_bytes;
    uint32_t build_threads; /* of one graph build; 0: number of cores */
    /* Defaults for collections that do not say otherwise. */
    struct engine_defaults {
        uint32_t m, ef_construct;
        uint64_t full_scan_threshold_kb;
        uint64_t indexing_threshold_kb;
        double deleted_threshold;
        uint64_t vacuum_min_points;
        uint64_t flush_interval_sec;
        uint64_t wal_capacity_mb;
        bool on_disk_payload;
    } defaults;
};
enum status engine_open(const struct engine_options *options, struct engine **out,
                        struct error *err);
/* Stops background work, saves graph images, flushes, closes. Strands have stopped before. */
void engine_close(struct engine *engine);
const struct engine_defaults *engine_defaults(const struct engine *engine);

/* Number of the collection that a command concerns, from its first bytes; 0: the catalog. */
uint32_t engine_command_collection(struct slice command);
/* Applies a packed sagitta.Command. Commands already applied are skipped. A result other than a
 * user's error (IO, CORRUPT) means that the node must stop. */
void engine_apply(struct engine *engine, uint64_t index, struct slice command,
                  struct fsm_result *out);
/* All commands up to `applied` have been applied. When this returns they are on disk in storage
 * too, and the log may forget them. */
enum status engine_checkpoint(struct engine *engine, uint64_t applied, struct error *err);
/* The first index from which the log must be replayed. */
uint64_t engine_replay_from(const struct engine *engine);
/* The newest command that any part of storage has applied. Before the strands start. */
uint64_t engine_applied_max(const struct engine *engine);

/* Pins a collection (alias or name) until the arena is destroyed. NOT_FOUND "Collection X not
 * found". */
enum status engine_pin(struct engine *engine, const char *name, struct arena *arena,
                       struct view *out, struct error *err);
bool engine_exists(struct engine *engine, const char *name); /* collections and aliases */

struct alias_name {
    const char *alias, *collection;
};
/* Names in bytewise order, copied into the arena. */
enum status engine_collections(struct engine *engine, struct arena *arena,
                               const char *const **names, size_t *count);
/* Of one collection, or all (NULL). */
enum status engine_aliases(struct engine *engine, const char *collection, struct arena *arena,
                           struct alias_name **out, size_t *count);
/* How much of the node may be in use before writes are refused, in percent; a limit of 0 is none.
 */
struct quota_limits {
    bool enabled;
    uint32_t memory_percent_max, disk_percent_max;
    bool has_margin; /* false: the server's default */
    uint32_t margin_percent;
};
void engine_quotas(struct engine *engine, struct quota_limits *out);
struct engine_stats {
    uint64_t collections, points, vectors, indexed_vectors;
    uint64_t vector_bytes, index_bytes, payload_index_bytes; /* in memory */
    uint64_t storage_memory_bytes, storage_disk_bytes;
};
void engine_stats(struct engine *engine, struct engine_stats *out);
