/* Every setting of the server: one row in the table of config.c says its name, type, default, range
 * and help.
 *
 * Sources, later ones win: the table's default < YAML file < environment QDRANT__SECTION__KEY <
 * environment SAGITTA__SECTION__KEY < command line --section.key=value. Read once at start, then
 * constant. */
#pragma once
#include "storage/base/buffer.h"
#include "storage/base/logger.h"
#include "storage/base/status.h"

#include <stdint.h>
#include <stdio.h>

struct settings {
    char *log_level; /* a word that log_level_parse knows */
    struct {
        char *format; /* "text" or "json" */
    } logger;
    bool telemetry_disabled;
    struct {
        char *host;
        uint64_t http_port, grpc_port; /* 0: any free port (http), not listening (grpc) */
        uint64_t max_request_size_mb;
        uint64_t max_workers, io_threads; /* resolved: never 0 after config_load */
        uint64_t max_connections, queue_length_max;
        uint64_t max_header_kb;
        uint64_t request_memory_mb, body_memory_mb;
        uint64_t idle_timeout_sec, header_timeout_sec, body_timeout_sec, shutdown_timeout_sec;
        double slow_query_secs;
        bool enable_cors, enable_tls, jwt_rbac;
        char *api_key, *alt_api_key, *read_only_api_key; /* "": not set */
    } service;
    struct {
        char *storage_path, *snapshots_path;
        bool on_disk_payload;
        struct {
            uint64_t wal_capacity_mb;
            bool drop_damaged_tail;
        } wal;
        struct {
            uint64_t m, ef_construct, full_scan_threshold_kb, max_indexing_threads;
        } hnsw_index;
        struct {
            double deleted_threshold;
            uint64_t vacuum_min_vector_number, default_segment_number, max_segment_size_kb;
            uint64_t indexing_threshold_kb, flush_interval_sec, max_optimization_threads;
        } optimizers;
        struct {
            uint64_t max_search_threads; /* 0: service.max_workers */
        } performance;
        struct {
            struct {
                bool enabled, unindexed_filtering_retrieve, unindexed_filtering_update;
                bool search_allow_exact;
                double search_max_oversampling; /* here and below: 0 is no limit */
                uint64_t max_query_limit, max_timeout, search_max_hnsw_ef, upsert_max_batchsize;
                uint64_t search_max_batchsize, max_collection_vector_size_bytes;
                uint64_t read_rate_limit, write_rate_limit, max_collection_payload_size_bytes;
                uint64_t max_points_count, filter_max_conditions, condition_max_size;
                uint64_t max_payload_index_count, max_resident_memory_percent;
            } strict_mode;
        } collection;
        uint64_t cache_mb, write_buffer_mb, checkpoint_log_mb, log_queue_mb, apply_threads;
    } storage;
    struct {
        bool enabled;
    } cluster;
    struct buffer notes; /* lines for the log: what was ignored and why */
};

enum config_action { CONFIG_RUN, CONFIG_HELP, CONFIG_VERSION, CONFIG_PRINT };

/* Reads all sources. `environment` is a NULL-terminated array of "NAME=value". On success `*action`
 * says what the command line asked for. BAD_INPUT names key, value, source and what was expected.
 * config_deinit frees in every case. */
enum status config_load(struct settings *settings, int argc, char *const *argv,
                        char *const *environment, enum config_action *action, struct error *err);
void config_deinit(struct settings *settings);

/* Sets one setting from text. NOT_FOUND: no such key. `source` is a word for messages ("the
 * environment"). */
enum status config_set(struct settings *settings, const char *key, const char *value,
                       const char *source, struct error *err);
bool config_known(const char *key);
/* Sets all defaults; config_load begins with it. */
void config_defaults(struct settings *settings);
/* Reads a YAML file on top of what is set; server/config_yaml.c. */
enum status config_read_yaml(struct settings *settings, const char *path, struct error *err);

void config_help(FILE *out); /* usage and every setting */
void config_print(const struct settings *settings,
                  FILE *out); /* YAML of the values in force; keys are masked */
