/* The inside of the key-value store, shared by the files of storage/kv. Nobody else includes
 * RocksDB. */
#pragma once
#include "storage/kv/kv.h"

#include <rocksdb/c.h>

struct kv {
    rocksdb_t *db;
    rocksdb_column_family_handle_t *spaces[KV_SPACE_COUNT];
    rocksdb_cache_t *cache;
    rocksdb_readoptions_t *read;
    rocksdb_writeoptions_t *write; /* RocksDB's own log off */
};

/* Turns RocksDB's message into a status with the message after `doing`, and frees it. */
enum status kv_error(struct error *err, const char *doing, char *message);

/* kv_options.c. What kv_open opens with; freed by kv_config_deinit, after the store is closed. */
struct kv_config {
    rocksdb_options_t *db;
    rocksdb_options_t *spaces[KV_SPACE_COUNT];
};
extern const char *const KV_SPACE_NAMES[KV_SPACE_COUNT];
enum status kv_config_init(struct kv_config *config, const struct kv_options *options,
                           rocksdb_cache_t *cache, struct error *err);
void kv_config_deinit(struct kv_config *config);

/* kv_batch.c. The batch in RocksDB's form. */
rocksdb_writebatch_t *kv_batch_build(const struct kv *kv, const struct kv_batch *batch);

/* kv_shim.cc. What RocksDB's C interface lacks: a flush of several column families together, at one
 * point of the history. NULL, or a message that the caller free()s. */
char *kv_shim_flush(rocksdb_t *db, rocksdb_column_family_handle_t *const *spaces, size_t count);
