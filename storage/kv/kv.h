/* Ordered key-value storage: RocksDB behind one small interface; nobody else includes RocksDB.
 *
 * RocksDB's own log is off: durability comes from storage/log, and every batch carries the index of
 * the last log record it applies, so a restart replays the log from there. A flush writes all
 * spaces at one consistent point (atomic flush). Thread-safe. Errors: IO, CORRUPT, NO_SPACE with
 * RocksDB's words. */
#pragma once
#include "storage/base/arena.h"
#include "storage/base/slice.h"
#include "storage/base/status.h"

#include <stdint.h>

/* Column families. keys.h says what lives in each. */
enum kv_space { KV_META, KV_IDS, KV_POINTS, KV_PAYLOAD, KV_VECTORS, KV_SPACE_COUNT };

struct kv;
struct kv_batch;
struct kv_cursor;
struct kv_options {
    const char *path;            /* folder, made when missing */
    uint64_t cache_bytes;        /* block cache */
    uint64_t write_buffer_bytes; /* per space */
    /* With less room on the disk the open is refused: NO_SPACE. RocksDB ends the process when it
     * cannot write while it opens. */
    uint64_t free_bytes_min;
};
enum status kv_open(const struct kv_options *options, struct kv **out, struct error *err);
void kv_close(struct kv *kv); /* does not flush: unflushed writes are in the log */

/* Value copied into the arena. NOT_FOUND (err untouched) when the key is missing. */
enum status kv_get(struct kv *kv, enum kv_space space, struct slice key, struct arena *arena,
                   struct slice *out, struct error *err);
/* Many keys of one space in one call; a missing key gives out[i].data == NULL. */
enum status kv_get_many(struct kv *kv, enum kv_space space, const struct slice *keys, size_t count,
                        struct arena *arena, struct slice *out, struct error *err);

struct kv_batch *kv_batch_create(void);
void kv_batch_destroy(struct kv_batch *batch);
void kv_batch_clear(struct kv_batch *batch);
size_t kv_batch_bytes(const struct kv_batch *batch);
void kv_put(struct kv_batch *batch, enum kv_space space, struct slice key, struct slice value);
void kv_delete(struct kv_batch *batch, enum kv_space space, struct slice key);
/* All keys in [from, to). */
void kv_delete_range(struct kv_batch *batch, enum kv_space space, struct slice from,
                     struct slice to);
/* All of it or none, visible at once; on disk only after kv_flush. Leaves the batch as it was. */
enum status kv_commit(struct kv *kv, struct kv_batch *batch, struct error *err);
/* Everything committed before the call is on disk when it returns. */
enum status kv_flush(struct kv *kv, struct error *err);

/* Keys in bytewise order within [from, to), from a view that does not change under later writes.
 * `to` empty: to the end. */
struct kv_cursor *kv_cursor_open(struct kv *kv, enum kv_space space, struct slice from,
                                 struct slice to);
bool kv_cursor_valid(const struct kv_cursor *cursor);
struct slice kv_cursor_key(const struct kv_cursor *cursor);   /* borrowed until the next move */
struct slice kv_cursor_value(const struct kv_cursor *cursor); /* borrowed until the next move */
void kv_cursor_next(struct kv_cursor *cursor);
enum status kv_cursor_status(const struct kv_cursor *cursor,
                             struct error *err); /* after the end: did it end well? */
void kv_cursor_close(struct kv_cursor *cursor);

/* A consistent copy of the whole store in a new folder (hard links where the disk allows). */
enum status kv_checkpoint(struct kv *kv, const char *path, struct error *err);
/* Bytes in memory (memtables, caches) and on disk, for telemetry. */
void kv_usage(struct kv *kv, uint64_t *memory_bytes, uint64_t *disk_bytes);
