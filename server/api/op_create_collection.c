/* Create a collection: checks the configuration, fills in every default, and logs the result, so
 * that what a collection is never depends on the settings of a later start. */
#include "server/api/api.h"
#include "server/api/config_check.h"
#include "server/api/ops.h"
#include "server/api/strict_defaults.h"
#include "server/watch/info.h"
#include "storage/base/clock.h"

#define ENABLE(message, prefix, field, number)                                                     \
    do {                                                                                           \
        if ((message)->_##field##_case == 0) {                                                     \
            (message)->_##field##_case = prefix;                                                   \
            (message)->field = (number);                                                           \
        }                                                                                          \
    } while (0)

/* A copy of the part given, or an empty one. */
static void *part(struct call *call, const void *given,
                  const ProtobufCMessageDescriptor *descriptor)
{
    return given ? arena_memdup(call->arena, given, descriptor->sizeof_message)
                 : api_new(call, descriptor);
}

static bool fill_hnsw(struct call *call, const struct engine_defaults *defaults,
                      Qdrant__CreateCollection *config)
{
    Qdrant__HnswConfigDiff *hnsw =
        part(call, config->hnsw_config, &qdrant__hnsw_config_diff__descriptor);
    if (!hnsw) {
        return false;
    }
    ENABLE(hnsw, QDRANT__HNSW_CONFIG_DIFF___M_M, m, defaults->m);
    ENABLE(hnsw, QDRANT__HNSW_CONFIG_DIFF___EF_CONSTRUCT_EF_CONSTRUCT, ef_construct,
           defaults->ef_construct);
    ENABLE(hnsw, QDRANT__HNSW_CONFIG_DIFF___FULL_SCAN_THRESHOLD_FULL_SCAN_THRESHOLD,
           full_scan_threshold, defaults->full_scan_threshold_kb);
    ENABLE(hnsw, QDRANT__HNSW_CONFIG_DIFF___MAX_INDEXING_THREADS_MAX_INDEXING_THREADS,
           max_indexing_threads, 0);
    ENABLE(hnsw, QDRANT__HNSW_CONFIG_DIFF___ON_DISK_ON_DISK, on_disk, false);
    config->hnsw_config = hnsw;
    return true;
}

static bool fill_optimizers(struct call *call, const struct engine_defaults *defaults,
                            Qdrant__CreateCollection *config)
{
    Qdrant__OptimizersConfigDiff *optimizers =
        part(call, config->optimizers_config, &qdrant__optimizers_config_diff__descriptor);
    if (!optimizers) {
        return false;
    }
    ENABLE(optimizers, QDRANT__OPTIMIZERS_CONFIG_DIFF___DELETED_THRESHOLD_DELETED_THRESHOLD,
           deleted_threshold, defaults->deleted_threshold);
    ENABLE(optimizers,
           QDRANT__OPTIMIZERS_CONFIG_DIFF___VACUUM_MIN_VECTOR_NUMBER_VACUUM_MIN_VECTOR_NUMBER,
           vacuum_min_vector_number, defaults->vacuum_min_points);
    ENABLE(optimizers,
           QDRANT__OPTIMIZERS_CONFIG_DIFF___DEFAULT_SEGMENT_NUMBER_DEFAULT_SEGMENT_NUMBER,
           default_segment_number, 0);
    ENABLE(optimizers, QDRANT__OPTIMIZERS_CONFIG_DIFF___INDEXING_THRESHOLD_INDEXING_THRESHOLD,
           indexing_threshold, defaults->indexing_threshold_kb);
    ENABLE(optimizers, QDRANT__OPTIMIZERS_CONFIG_DIFF___FLUSH_INTERVAL_SEC_FLUSH_INTERVAL_SEC,
           flush_interval_sec, defaults->flush_interval_sec);
    config->optimizers_config = optimizers;
    return true;
}

static bool fill_wal(struct call *call, const struct engine_defaults *defaults,
                     Qdrant__CreateCollection *config)
{
    Qdrant__WalConfigDiff *wal =
        part(call, config->wal_config, &qdrant__wal_config_diff__descriptor);
    if (!wal) {
        return false;
    }
    ENABLE(wal, QDRANT__WAL_CONFIG_DIFF___WAL_CAPACITY_MB_WAL_CAPACITY_MB, wal_capacity_mb,
           defaults->wal_capacity_mb);
    ENABLE(wal, QDRANT__WAL_CONFIG_DIFF___WAL_SEGMENTS_AHEAD_WAL_SEGMENTS_AHEAD, wal_segments_ahead,
           0);
    config->wal_config = wal;
    return true;
}

static bool fill_params(struct call *call, const struct engine_defaults *defaults,
                        Qdrant__CreateCollection *config)
{
    ENABLE(config, QDRANT__CREATE_COLLECTION___SHARD_NUMBER_SHARD_NUMBER, shard_number, 1);
    ENABLE(config, QDRANT__CREATE_COLLECTION___REPLICATION_FACTOR_REPLICATION_FACTOR,
           replication_factor, 1);
    ENABLE(config, QDRANT__CREATE_COLLECTION___WRITE_CONSISTENCY_FACTOR_WRITE_CONSISTENCY_FACTOR,
           write_consistency_factor, 1);
    ENABLE(config, QDRANT__CREATE_COLLECTION___ON_DISK_PAYLOAD_ON_DISK_PAYLOAD, on_disk_payload,
           defaults->on_disk_payload);
    Qdrant__StrictModeConfig *strict =
        part(call, config->strict_mode_config, &qdrant__strict_mode_config__descriptor);
    Qdrant__VectorsConfig *vectors =
        part(call, config->vectors_config, &qdrant__vectors_config__descriptor);
    if (!strict || !vectors) {
        return false;
    }
    if (call->info && call->info->settings) {
        strict_defaults(call->info->settings, strict);
    }
    ENABLE(strict, QDRANT__STRICT_MODE_CONFIG___ENABLED_ENABLED, enabled, false);
    if (vectors->config_case == QDRANT__VECTORS_CONFIG__CONFIG__NOT_SET) {
        vectors->config_case = QDRANT__VECTORS_CONFIG__CONFIG_PARAMS_MAP;
        vectors->params_map = api_new(call, &qdrant__vector_params_map__descriptor);
    }
    config->strict_mode_config = strict;
    config->vectors_config = vectors;
    return vectors->params_map != NULL;
}

static enum status complete(struct call *call, const Qdrant__CreateCollection *request,
                            Qdrant__CreateCollection *out)
{
    const struct engine_defaults *defaults = engine_defaults(call->engine);
    *out = *request;
    out->collection_name = (char *)protobuf_c_empty_string;
    out->_timeout_case = QDRANT__CREATE_COLLECTION___TIMEOUT__NOT_SET;
    if (!fill_hnsw(call, defaults, out) || !fill_optimizers(call, defaults, out) ||
        !fill_wal(call, defaults, out) || !fill_params(call, defaults, out)) {
        return api_no_memory(call);
    }
    return STATUS_OK;
}

static enum status check_free(struct call *call, const char *name)
{
    if (engine_exists(call->engine, name)) {
        return error_set(call->err, STATUS_ALREADY_EXISTS, "Collection `%.300s` already exists!",
                         name);
    }
    return STATUS_OK;
}

enum status propose_create_collection(struct call *call, const void *input, struct buffer *command)
{
    const Qdrant__CreateCollection *request = input;
    Qdrant__CreateCollection config;
    struct schema *schema = NULL;
    enum status status = config_check_name(call, request->collection_name);
    if (status == STATUS_OK) {
        status = config_check_create(call, request);
    }
    if (status == STATUS_OK) {
        status = check_free(call, request->collection_name);
    }
    if (status == STATUS_OK) {
        status = complete(call, request, &config);
    }
    if (status == STATUS_OK) {
        status = schema_create(&config, &schema, call->err);
    }
    if (status != STATUS_OK) {
        return status;
    }
    schema_unref(schema); /* it was made only to see that it can be */
    Sagitta__CreateCollection create = SAGITTA__CREATE_COLLECTION__INIT;
    create.name = request->collection_name;
    create.config = &config;
    create.created_at_ms = clock_realtime_ms();
    Sagitta__Command message = SAGITTA__COMMAND__INIT;
    message.kind_case = SAGITTA__COMMAND__KIND_CREATE_COLLECTION;
    message.create_collection = &create;
    return command_pack(call, &message, command);
}

enum status reply_create_collection(struct call *call, const void *input,
                                    const struct fsm_result *result, void *output)
{
    (void)input;
    ((Qdrant__CollectionOperationResponse *)output)->result = true;
    return api_result_status(call, result);
}
