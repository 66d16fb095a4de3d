/* What a collection is and how it is doing.
 *
 * The configuration is the schema's own message; the view keeps the schema for the life of the
 * call's arena, so it is borrowed and not copied. */
#include "replication/replica.h"
#include "server/api/api.h"
#include "server/api/ops.h"
#include "server/watch/info.h"

static Qdrant__CollectionParams *params_of(struct call *call,
                                           const Qdrant__CreateCollection *config)
{
    Qdrant__CollectionParams *params = api_new(call, &qdrant__collection_params__descriptor);
    if (!params) {
        return NULL;
    }
    params->shard_number = config->shard_number;
    params->on_disk_payload = config->on_disk_payload;
    if (config->_read_fan_out_factor_case) {
        params->_read_fan_out_factor_case =
            QDRANT__COLLECTION_PARAMS___READ_FAN_OUT_FACTOR_READ_FAN_OUT_FACTOR;
        params->read_fan_out_factor = config->read_fan_out_factor;
    }
    if (config->_read_fan_out_delay_ms_case) {
        params->_read_fan_out_delay_ms_case =
            QDRANT__COLLECTION_PARAMS___READ_FAN_OUT_DELAY_MS_READ_FAN_OUT_DELAY_MS;
        params->read_fan_out_delay_ms = config->read_fan_out_delay_ms;
    }
    params->vectors_config = config->vectors_config;
    params->payload = config->payload;
    params->_replication_factor_case =
        QDRANT__COLLECTION_PARAMS___REPLICATION_FACTOR_REPLICATION_FACTOR;
    params->replication_factor = config->replication_factor;
    params->_write_consistency_factor_case =
        QDRANT__COLLECTION_PARAMS___WRITE_CONSISTENCY_FACTOR_WRITE_CONSISTENCY_FACTOR;
    params->write_consistency_factor = config->write_consistency_factor;
    if (config->_sharding_method_case) {
        params->_sharding_method_case = QDRANT__COLLECTION_PARAMS___SHARDING_METHOD_SHARDING_METHOD;
        params->sharding_method = config->sharding_method;
    }
    return params;
}

static Qdrant__CollectionConfig *config_of(struct call *call,
                                           const Qdrant__CreateCollection *config)
{
    Qdrant__CollectionConfig *message = api_new(call, &qdrant__collection_config__descriptor);
    if (!message) {
        return NULL;
    }
    message->params = params_of(call, config);
    message->hnsw_config = config->hnsw_config;
    message->optimizer_config = config->optimizers_config;
    message->wal_config = config->wal_config;
    message->quantization_config = config->quantization_config;
    message->strict_mode_config = config->strict_mode_config;
    if (config->_metadata_json_case) {
        message->_metadata_json_case = QDRANT__COLLECTION_CONFIG___METADATA_JSON_METADATA_JSON;
        message->metadata_json = config->metadata_json;
    }
    return message->params ? message : NULL;
}

static enum status add_warnings(struct call *call, const struct schema *schema,
                                Qdrant__CollectionInfo *info)
{
    info->warnings =
        arena_new_array(call->arena, Qdrant__CollectionWarning *, schema->warnings_count + 1);
    if (!info->warnings) {
        return api_no_memory(call);
    }
    for (uint32_t i = 0; i < schema->warnings_count; i++) {
        Qdrant__CollectionWarning *warning = api_new(call, &qdrant__collection_warning__descriptor);
        if (!warning) {
            return api_no_memory(call);
        }
        warning->message = schema->warnings[i];
        info->warnings[info->n_warnings++] = warning;
    }
    return STATUS_OK;
}

static enum status add_stats(struct call *call, const struct view *view,
                             Qdrant__CollectionInfo *info)
{
    struct view_stats stats;
    view_stats(view, &stats);
    info->status = stats.failed     ? QDRANT__COLLECTION_STATUS__Red
                   : stats.building ? QDRANT__COLLECTION_STATUS__Yellow
                   : stats.pending  ? QDRANT__COLLECTION_STATUS__Grey
                                    : QDRANT__COLLECTION_STATUS__Green;
    info->optimizer_status = api_new(call, &qdrant__optimizer_status__descriptor);
    info->update_queue = api_new(call, &qdrant__update_queue_info__descriptor);
    if (!info->optimizer_status || !info->update_queue) {
        return api_no_memory(call);
    }
    info->optimizer_status->ok = !stats.failed;
    if (stats.failed) {
        info->optimizer_status->error =
            arena_strndup(call->arena, stats.failure, strlen(stats.failure));
        if (!info->optimizer_status->error) {
            return api_no_memory(call);
        }
    }
    if (call->info && call->info->replica) {
        info->update_queue->length = replica_queue_length(call->info->replica);
    }
    info->segments_count = stats.segments;
    info->_points_count_case = QDRANT__COLLECTION_INFO___POINTS_COUNT_POINTS_COUNT;
    info->points_count = stats.points;
    info->_indexed_vectors_count_case =
        QDRANT__COLLECTION_INFO___INDEXED_VECTORS_COUNT_INDEXED_VECTORS_COUNT;
    info->indexed_vectors_count = stats.indexed_vectors;
    return STATUS_OK;
}

/* The payload indexes: each with its type, its parameters where any were given, and its points. */
static enum status add_payload_schema(struct call *call, const struct view *view,
                                      Qdrant__CollectionInfo *info)
{
    const struct schema *schema = view->schema;
    info->payload_schema = arena_new_array(
        call->arena, Qdrant__CollectionInfo__PayloadSchemaEntry *, schema->fields_count + 1);
    if (!info->payload_schema) {
        return api_no_memory(call);
    }
    for (uint32_t i = 0; i < schema->fields_count; i++) {
        const Qdrant__PayloadIndex *index = schema->config->payload_indexes[i];
        Qdrant__CollectionInfo__PayloadSchemaEntry *entry =
            api_new(call, &qdrant__collection_info__payload_schema_entry__descriptor);
        Qdrant__PayloadSchemaInfo *field = api_new(call, &qdrant__payload_schema_info__descriptor);
        if (!entry || !field) {
            return api_no_memory(call);
        }
        field->data_type = index->type;
        field->params = index->params;
        field->_points_case = QDRANT__PAYLOAD_SCHEMA_INFO___POINTS_POINTS;
        field->points = view_field_points(view, &schema->fields[i]);
        entry->key = index->key;
        entry->value = field;
        info->payload_schema[info->n_payload_schema++] = entry;
    }
    return STATUS_OK;
}

enum status run_get_collection(struct call *call, const void *input, void *output)
{
    const Qdrant__GetCollectionInfoRequest *request = input;
    Qdrant__GetCollectionInfoResponse *response = output;
    struct view view;
    enum status status = api_pin(call, request->collection_name, &view);
    if (status != STATUS_OK) {
        return status;
    }
    Qdrant__CollectionInfo *info = api_new(call, &qdrant__collection_info__descriptor);
    if (!info) {
        return api_no_memory(call);
    }
    info->config = config_of(call, view.schema->config);
    status = info->config ? add_warnings(call, view.schema, info) : api_no_memory(call);
    if (status == STATUS_OK) {
        status = add_stats(call, &view, info);
    }
    if (status == STATUS_OK) {
        status = add_payload_schema(call, &view, info);
    }
    response->result = info;
    return status;
}
