/* How RocksDB is set up: one place for every choice.
 *
 * Durability: its own log is off and a flush takes all column families at one point (atomic flush).
 * Vectors do not compress: stored plain. Payload is JSON: lz4 while young, zstd at the bottom. The
 * block cache is shared and holds index and filter blocks too, so memory has one bound. Two
 * background jobs: the machine's cores belong to searches. */
#include "storage/kv/kv_int.h"

enum {
    BLOOM_BITS_PER_KEY = 10,
    BACKGROUND_JOBS = 2,
    WRITE_BUFFERS = 3,
    OPEN_FILES_MAX = 1024,
    DELETION_WINDOW = 4096,
    BLOCK_BYTES = 16 * 1024,
    INFO_LOG_BYTES = 16 << 20,
    INFO_LOG_FILES = 2,
    INFO_LOG_LEVEL_WARN = 2,
};

/* Stored in RocksDB's files: never change. The first must be RocksDB's own default one. */
const char *const KV_SPACE_NAMES[KV_SPACE_COUNT] = {
    [KV_META] = "default",    [KV_IDS] = "ids",         [KV_POINTS] = "points",
    [KV_PAYLOAD] = "payload", [KV_VECTORS] = "vectors",
};

static const struct {
    int compression, bottommost;
    bool bloom;
} SPACES[KV_SPACE_COUNT] = {
    [KV_META] = {rocksdb_lz4_compression, rocksdb_lz4_compression, false},
    [KV_IDS] = {rocksdb_lz4_compression, rocksdb_lz4_compression, true},
    [KV_POINTS] = {rocksdb_lz4_compression, rocksdb_lz4_compression, false},
    [KV_PAYLOAD] = {rocksdb_lz4_compression, rocksdb_zstd_compression, true},
    [KV_VECTORS] = {rocksdb_no_compression, rocksdb_no_compression, false},
};

static rocksdb_options_t *space_options(enum kv_space space, const struct kv_options *options,
                                        rocksdb_cache_t *cache)
{
    rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create();
    rocksdb_block_based_options_set_block_cache(table, cache);
    rocksdb_block_based_options_set_block_size(table, BLOCK_BYTES);
    rocksdb_block_based_options_set_cache_index_and_filter_blocks(table, 1);
    rocksdb_block_based_options_set_pin_l0_filter_and_index_blocks_in_cache(table, 1);
    if (SPACES[space].bloom) /* the table options take it over */
        rocksdb_block_based_options_set_filter_policy(
            table, rocksdb_filterpolicy_create_bloom_full(BLOOM_BITS_PER_KEY));
    rocksdb_options_t *out = rocksdb_options_create();
    rocksdb_options_set_block_based_table_factory(out, table);
    rocksdb_block_based_options_destroy(table);
    rocksdb_options_set_write_buffer_size(out, options->write_buffer_bytes);
    rocksdb_options_set_max_write_buffer_number(out, WRITE_BUFFERS);
    rocksdb_options_set_level_compaction_dynamic_level_bytes(out, 1);
    rocksdb_options_set_compression(out, SPACES[space].compression);
    rocksdb_options_set_bottommost_compression(out, SPACES[space].bottommost);
    rocksdb_options_set_enable_blob_files(out, 0);
    /* A file in which half of any such run of keys are deletions is compacted soon, so that what
     * was deleted leaves the disk. */
    rocksdb_options_add_compact_on_deletion_collector_factory(out, DELETION_WINDOW,
                                                              DELETION_WINDOW / 2);
    return out;
}

/* The C interface has no call for this one: only its text form. */
static enum status set_by_text(rocksdb_options_t *options, const char *text, struct error *err)
{
    rocksdb_options_t *from = rocksdb_options_create_copy(options);
    char *message = NULL;
    rocksdb_get_options_from_string(from, text, options, &message);
    rocksdb_options_destroy(from);
    return message ? kv_error(err, "set an option", message) : STATUS_OK;
}

enum status kv_config_init(struct kv_config *config, const struct kv_options *options,
                           rocksdb_cache_t *cache, struct error *err)
{
    rocksdb_options_t *db = rocksdb_options_create();
    /* Closing must not write: what is not flushed is in the log. */
    enum status status = set_by_text(db, "avoid_flush_during_shutdown=true", err);
    if (status) {
        rocksdb_options_destroy(db);
        return status;
    }
    rocksdb_options_set_create_if_missing(db, 1);
    rocksdb_options_set_create_missing_column_families(db, 1);
    rocksdb_options_set_atomic_flush(db, 1);
    rocksdb_options_set_max_background_jobs(db, BACKGROUND_JOBS);
    rocksdb_options_set_max_open_files(db, OPEN_FILES_MAX);
    rocksdb_options_set_max_log_file_size(db, INFO_LOG_BYTES);
    rocksdb_options_set_keep_log_file_num(db, INFO_LOG_FILES);
    rocksdb_options_set_info_log_level(db, INFO_LOG_LEVEL_WARN);
    rocksdb_options_set_stats_dump_period_sec(db, 0);
    config->db = db;
    for (int i = 0; i < KV_SPACE_COUNT; i++)
        config->spaces[i] = space_options((enum kv_space)i, options, cache);
    return STATUS_OK;
}

void kv_config_deinit(struct kv_config *config)
{
    for (int i = 0; i < KV_SPACE_COUNT; i++)
        rocksdb_options_destroy(config->spaces[i]);
    rocksdb_options_destroy(config->db);
}
