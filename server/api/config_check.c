/* Checks of collection names and configurations, with the contract's words for values outside their
 * limits. What is checked here may come from gRPC, where no shape table has looked at it. */
#include "server/api/config_check.h"

#include <stdio.h>

enum { NAME_BYTES_MAX = 255, GRAPH_M_MAX = 512, EF_CONSTRUCT_MIN = 4, EF_CONSTRUCT_MAX = 65536 };

static enum status violation(struct call *call, const char *path, uint64_t value, const char *rule)
{
    return error_set(call->err, STATUS_VALIDATION,
                     "Validation error in JSON body: [%.300s: value %llu invalid, %s]", path,
                     (unsigned long long)value, rule);
}

enum status config_check_name(struct call *call, const char *name)
{
    static const char forbidden[] = "<>:\"/\\|?*";
    size_t size = strlen(name);
    if (size < 1 || size > NAME_BYTES_MAX) {
        return error_set(
            call->err, STATUS_VALIDATION,
            "Validation error in path parameters: [name: value \"%.40s\" invalid, must "
            "be from 1 to %d characters]",
            name, NAME_BYTES_MAX);
    }
    for (const char *at = name; *at; at++) {
        if ((unsigned char)*at < 0x20) {
            return error_set(call->err, STATUS_VALIDATION,
                             "Validation error in path parameters: [name: collection name cannot "
                             "contain control characters]");
        }
        if (strchr(forbidden, *at)) {
            return error_set(call->err, STATUS_VALIDATION,
                             "Validation error in path parameters: [name: collection name cannot "
                             "contain \"%c\" char]",
                             *at);
        }
    }
    return STATUS_OK;
}

static enum status check_hnsw(struct call *call, const Qdrant__HnswConfigDiff *hnsw,
                              const char *prefix)
{
    char path[400];
    if (hnsw && hnsw->_m_case && hnsw->m > GRAPH_M_MAX) {
        (void)snprintf(path, sizeof(path), "%.300shnsw_config.m", prefix);
        return violation(call, path, hnsw->m, "must be from 0 to 512");
    }
    if (hnsw && hnsw->_ef_construct_case &&
        (hnsw->ef_construct < EF_CONSTRUCT_MIN || hnsw->ef_construct > EF_CONSTRUCT_MAX)) {
        (void)snprintf(path, sizeof(path), "%.300shnsw_config.ef_construct", prefix);
        return violation(call, path, hnsw->ef_construct,
                         hnsw->ef_construct < EF_CONSTRUCT_MIN ? "must be 4 or larger"
                                                               : "must be 65536 or smaller");
    }
    return STATUS_OK;
}

static enum status check_optimizers(struct call *call, const Qdrant__OptimizersConfigDiff *config)
{
    if (config && config->_deleted_threshold_case &&
        !(config->deleted_threshold >= 0 && config->deleted_threshold <= 1)) {
        return error_set(call->err, STATUS_VALIDATION,
                         "Validation error in JSON body: [optimizers_config.deleted_threshold: "
                         "value %g invalid, must be from 0 to 1]",
                         config->deleted_threshold);
    }
    return STATUS_OK;
}

static enum status check_vector(struct call *call, const char *name,
                                const Qdrant__VectorParams *params)
{
    char prefix[300], path[400];
    (void)snprintf(prefix, sizeof(prefix), "vectors.%.280s%s", name, *name ? "." : "");
    if (!params) {
        return error_set(call->err, STATUS_BAD_INPUT, "vectors: `%.300s` has no parameters", name);
    }
    if (params->size < 1 || params->size > VECTOR_DIM_MAX) {
        (void)snprintf(path, sizeof(path), "%ssize", prefix);
        return violation(call, path, params->size, "must be from 1 to 65536");
    }
    if (params->multivector_config) {
        return api_refuse(call, "vectors.multivector_config");
    }
    return check_hnsw(call, params->hnsw_config, prefix);
}

static enum status check_vectors(struct call *call, const Qdrant__VectorsConfig *vectors)
{
    if (!vectors || vectors->config_case == QDRANT__VECTORS_CONFIG__CONFIG__NOT_SET) {
        return STATUS_OK;
    }
    if (vectors->config_case == QDRANT__VECTORS_CONFIG__CONFIG_PARAMS) {
        return check_vector(call, "", vectors->params);
    }
    for (size_t i = 0; i < vectors->params_map->n_map; i++) {
        const Qdrant__VectorParamsMap__MapEntry *entry = vectors->params_map->map[i];
        enum status status = check_vector(call, entry->key, entry->value);
        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_OK;
}

static enum status check_counts(struct call *call, const Qdrant__CreateCollection *request)
{
    if (request->_shard_number_case && request->shard_number == 0) {
        return violation(call, "shard_number", 0, "must be 1 or larger");
    }
    if (request->_replication_factor_case && request->replication_factor == 0) {
        return violation(call, "replication_factor", 0, "must be 1 or larger");
    }
    if (request->_write_consistency_factor_case && request->write_consistency_factor == 0) {
        return violation(call, "write_consistency_factor", 0, "must be 1 or larger");
    }
    return STATUS_OK;
}

enum status config_check_create(struct call *call, const Qdrant__CreateCollection *request)
{
    if (request->sparse_vectors_config && request->sparse_vectors_config->n_map > 0) {
        return api_refuse(call, "sparse_vectors");
    }
    if (request->_sharding_method_case &&
        request->sharding_method != QDRANT__SHARDING_METHOD__Auto) {
        return api_refuse(call, "sharding_method `custom`");
    }
    if (request->n_metadata > 0) {
        return api_refuse(call, "metadata that is not JSON text");
    }
    enum status status = check_counts(call, request);
    if (status == STATUS_OK) {
        status = check_vectors(call, request->vectors_config);
    }
    if (status == STATUS_OK) {
        status = check_hnsw(call, request->hnsw_config, "");
    }
    return status == STATUS_OK ? check_optimizers(call, request->optimizers_config) : status;
}

static enum status check_vector_diffs(struct call *call, const Qdrant__VectorsConfigDiff *vectors)
{
    if (!vectors || vectors->config_case == QDRANT__VECTORS_CONFIG_DIFF__CONFIG__NOT_SET) {
        return STATUS_OK;
    }
    if (vectors->config_case == QDRANT__VECTORS_CONFIG_DIFF__CONFIG_PARAMS) {
        return check_hnsw(call, vectors->params->hnsw_config, "vectors.");
    }
    for (size_t i = 0; i < vectors->params_map->n_map; i++) {
        const Qdrant__VectorParamsDiffMap__MapEntry *entry = vectors->params_map->map[i];
        char prefix[300];
        (void)snprintf(prefix, sizeof(prefix), "vectors.%.280s.", entry->key);
        enum status status =
            entry->value ? check_hnsw(call, entry->value->hnsw_config, prefix) : STATUS_OK;
        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_OK;
}

enum status config_check_update(struct call *call, const Qdrant__UpdateCollection *request)
{
    if (request->sparse_vectors_config && request->sparse_vectors_config->n_map > 0) {
        return api_refuse(call, "sparse_vectors");
    }
    if (request->n_metadata > 0) {
        return api_refuse(call, "metadata that is not JSON text");
    }
    enum status status = check_vector_diffs(call, request->vectors_config);
    if (status == STATUS_OK) {
        status = check_hnsw(call, request->hnsw_config, "");
    }
    return status == STATUS_OK ? check_optimizers(call, request->optimizers_config) : status;
}
