/* Builds schemas from the contract's configuration messages.
 *
 * A schema owns one arena: a deep copy of the configuration (packed and unpacked again into the
 * arena) and the table of vectors made from it. An update merges messages as protocol buffers
 * define it: the packed diff after the packed original. */
#include "index/collection/message.h"
#include "index/collection/schema_int.h"
#include "storage/base/assert.h"
#include "storage/base/mem.h"

#include <stdatomic.h>
#include <stdlib.h>

struct owned_schema {
    struct schema schema; /* first: handed out */
    struct arena *arena;
    atomic_uint refs;
};

/* vector_spec.c's, with the next place in the table. */
static enum status add_vector(struct schema *schema, const char *name,
                              const Qdrant__VectorParams *params, struct error *err)
{
    struct vector_spec *spec = &schema->vectors[schema->vectors_count];
    enum status status = vector_spec_read(schema->config, name, params, spec, err);
    schema->vectors_count += status == STATUS_OK;
    return status;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct vector_spec *)a)->name, ((const struct vector_spec *)b)->name);
}

static enum status read_vectors(struct schema *schema, struct arena *arena, struct error *err)
{
    const Qdrant__VectorsConfig *vectors = schema->config->vectors_config;
    size_t count = 0;
    if (vectors && vectors->config_case == QDRANT__VECTORS_CONFIG__CONFIG_PARAMS) {
        count = 1;
    } else if (vectors && vectors->config_case == QDRANT__VECTORS_CONFIG__CONFIG_PARAMS_MAP) {
        count = vectors->params_map->n_map;
    }
    if (count > VECTORS_MAX) {
        return error_set(err, STATUS_BAD_INPUT, "vectors: %zu names, at most %d are allowed", count,
                         VECTORS_MAX);
    }
    schema->vectors = arena_new_array(arena, struct vector_spec, count + 1);
    if (!schema->vectors) {
        return error_set(err, STATUS_TOO_LARGE, "configuration is too large");
    }
    if (count == 1 && vectors->config_case == QDRANT__VECTORS_CONFIG__CONFIG_PARAMS) {
        return add_vector(schema, "", vectors->params, err);
    }
    for (size_t i = 0; i < count; i++) {
        const Qdrant__VectorParamsMap__MapEntry *entry = vectors->params_map->map[i];
        if (strlen(entry->key) > VECTOR_NAME_MAX || !entry->value) {
            return error_set(err, STATUS_BAD_INPUT,
                             "vectors: name `%.40s` is too long or has no parameters", entry->key);
        }
        enum status status = add_vector(schema, entry->key, entry->value, err);
        if (status != STATUS_OK) {
            return status;
        }
    }
    qsort(schema->vectors, schema->vectors_count, sizeof(schema->vectors[0]), compare_names);
    for (uint32_t i = 0; i < schema->vectors_count; i++) {
        schema->vectors[i].slot = i;
        if (i > 0 && compare_names(&schema->vectors[i - 1], &schema->vectors[i]) == 0) {
            return error_set(err, STATUS_BAD_INPUT, "vectors: name `%s` is given twice",
                             schema->vectors[i].name);
        }
    }
    return STATUS_OK;
}

static enum status read_warnings(struct schema *schema, struct arena *arena, struct error *err)
{
    enum { WARNINGS_MAX = 4 };
    char **warnings = arena_new_array(arena, char *, WARNINGS_MAX);
    if (!warnings) {
        return error_set(err, STATUS_TOO_LARGE, "configuration is too large");
    }
    const Qdrant__StrictModeConfig *strict = schema->config->strict_mode_config;
    if (strict && strict->_max_resident_memory_percent_case) {
        warnings[schema->warnings_count++] =
            (char *)"strict_mode_config.max_resident_memory_percent is deprecated: the quotas of "
                    "the node (PUT /quotas) limit the same for all collections";
    }
    schema->warnings = warnings;
    return STATUS_OK;
}

static enum status read_optimizers(struct schema *schema, struct error *err)
{
    const Qdrant__OptimizersConfigDiff *optimizers = schema->config->optimizers_config;
    if (!optimizers || !schema->config->hnsw_config) {
        return error_set(err, STATUS_BAD_INPUT, "configuration is not complete");
    }
    schema->indexing_threshold_kb = optimizers->indexing_threshold;
    schema->deleted_threshold = optimizers->deleted_threshold;
    schema->vacuum_min_points = optimizers->vacuum_min_vector_number;
    const Qdrant__MaxOptimizationThreads *threads = optimizers->max_optimization_threads;
    schema->optimizing =
        !(threads && threads->variant_case == QDRANT__MAX_OPTIMIZATION_THREADS__VARIANT_VALUE &&
          threads->value == 0);
    return STATUS_OK;
}

/* Takes `config`, which lives in `arena`. */
static enum status schema_from(Qdrant__CreateCollection *config, struct arena *arena,
                               struct schema **out, struct error *err)
{
    struct owned_schema *owned = mem_zalloc(sizeof(*owned));
    struct schema *schema = &owned->schema;
    owned->arena = arena;
    atomic_init(&owned->refs, 1);
    schema->config = config;
    enum status status = STATUS_OK;
    if (config->sparse_vectors_config && config->sparse_vectors_config->n_map > 0) {
        status = error_set(err, STATUS_BAD_INPUT, "sparse_vectors are not served by this version");
    }
    if (status == STATUS_OK) {
        status = read_optimizers(schema, err);
    }
    if (status == STATUS_OK) {
        status = read_vectors(schema, arena, err);
    }
    if (status == STATUS_OK) {
        status = schema_read_fields(schema, arena, err);
    }
    if (status == STATUS_OK) {
        status = read_warnings(schema, arena, err);
    }
    if (status != STATUS_OK) {
        schema_free_fields(schema);
        mem_free(owned);
        return status;
    }
    *out = schema;
    return STATUS_OK;
}

enum status schema_create(const Qdrant__CreateCollection *config, struct schema **out,
                          struct error *err)
{
    struct arena *arena = arena_create(0);
    Qdrant__CreateCollection *copy = message_copy(&config->base, arena);
    enum status status = copy ? schema_from(copy, arena, out, err)
                              : error_set(err, STATUS_TOO_LARGE, "configuration is too large");
    if (status != STATUS_OK) {
        arena_destroy(arena);
    }
    return status;
}

/* ---- PATCH ---- */

#define MERGE(field, diff_field)                                                                   \
    do {                                                                                           \
        if (diff_field) {                                                                          \
            (field) = message_merge((field) ? &(field)->base : NULL, &(diff_field)->base, arena);  \
        }                                                                                          \
    } while (0)

static Qdrant__QuantizationConfig *updated_quantization(Qdrant__QuantizationConfig *old,
                                                        const Qdrant__QuantizationConfigDiff *diff,
                                                        struct arena *arena)
{
    if (!diff ||
        diff->quantization_case == QDRANT__QUANTIZATION_CONFIG_DIFF__QUANTIZATION__NOT_SET) {
        return old;
    }
    if (diff->quantization_case == QDRANT__QUANTIZATION_CONFIG_DIFF__QUANTIZATION_DISABLED) {
        return NULL;
    }
    Qdrant__QuantizationConfig fresh = QDRANT__QUANTIZATION_CONFIG__INIT;
    switch (diff->quantization_case) {
    case QDRANT__QUANTIZATION_CONFIG_DIFF__QUANTIZATION_SCALAR:
        fresh.quantization_case = QDRANT__QUANTIZATION_CONFIG__QUANTIZATION_SCALAR;
        fresh.scalar = diff->scalar;
        break;
    case QDRANT__QUANTIZATION_CONFIG_DIFF__QUANTIZATION_PRODUCT:
        fresh.quantization_case = QDRANT__QUANTIZATION_CONFIG__QUANTIZATION_PRODUCT;
        fresh.product = diff->product;
        break;
    case QDRANT__QUANTIZATION_CONFIG_DIFF__QUANTIZATION_BINARY:
        fresh.quantization_case = QDRANT__QUANTIZATION_CONFIG__QUANTIZATION_BINARY;
        fresh.binary = diff->binary;
        break;
    default:
        fresh.quantization_case = QDRANT__QUANTIZATION_CONFIG__QUANTIZATION_TURBOQUANT;
        fresh.turboquant = diff->turboquant;
        break;
    }
    return message_copy(&fresh.base, arena);
}

static void update_vector(Qdrant__VectorParams *params, const Qdrant__VectorParamsDiff *diff,
                          struct arena *arena)
{
    MERGE(params->hnsw_config, diff->hnsw_config);
    params->quantization_config =
        updated_quantization(params->quantization_config, diff->quantization_config, arena);
    if (diff->_on_disk_case) {
        params->_on_disk_case = QDRANT__VECTOR_PARAMS___ON_DISK_ON_DISK;
        params->on_disk = diff->on_disk;
    }
    if (diff->_memory_case) {
        params->_memory_case = QDRANT__VECTOR_PARAMS___MEMORY_MEMORY;
        params->memory = diff->memory;
    }
    if (diff->_index_case) {
        params->_index_case = QDRANT__VECTOR_PARAMS___INDEX_INDEX;
        params->index = diff->index;
    }
}

static Qdrant__VectorParams *find_params(Qdrant__VectorsConfig *vectors, const char *name)
{
    if (!vectors || vectors->config_case == QDRANT__VECTORS_CONFIG__CONFIG__NOT_SET) {
        return NULL;
    }
    if (vectors->config_case == QDRANT__VECTORS_CONFIG__CONFIG_PARAMS) {
        return *name ? NULL : vectors->params;
    }
    for (size_t i = 0; i < vectors->params_map->n_map; i++) {
        if (strcmp(vectors->params_map->map[i]->key, name) == 0) {
            return vectors->params_map->map[i]->value;
        }
    }
    return NULL;
}

static enum status update_vectors(Qdrant__CreateCollection *config,
                                  const Qdrant__VectorsConfigDiff *diff, struct arena *arena,
                                  struct error *err)
{
    if (!diff || diff->config_case == QDRANT__VECTORS_CONFIG_DIFF__CONFIG__NOT_SET) {
        return STATUS_OK;
    }
    bool single = diff->config_case == QDRANT__VECTORS_CONFIG_DIFF__CONFIG_PARAMS;
    size_t count = single ? 1 : diff->params_map->n_map;
    for (size_t i = 0; i < count; i++) {
        const char *name = single ? "" : diff->params_map->map[i]->key;
        const Qdrant__VectorParamsDiff *params_diff =
            single ? diff->params : diff->params_map->map[i]->value;
        Qdrant__VectorParams *params = find_params(config->vectors_config, name);
        if (!params) {
            return error_set(err, STATUS_BAD_INPUT, "Not existing vector name error: %s", name);
        }
        if (params_diff) {
            update_vector(params, params_diff, arena);
        }
    }
    return STATUS_OK;
}

static void update_params(Qdrant__CreateCollection *config,
                          const Qdrant__CollectionParamsDiff *diff)
{
    if (diff->_replication_factor_case) {
        config->_replication_factor_case =
            QDRANT__CREATE_COLLECTION___REPLICATION_FACTOR_REPLICATION_FACTOR;
        config->replication_factor = diff->replication_factor;
    }
    if (diff->_write_consistency_factor_case) {
        config->_write_consistency_factor_case =
            QDRANT__CREATE_COLLECTION___WRITE_CONSISTENCY_FACTOR_WRITE_CONSISTENCY_FACTOR;
        config->write_consistency_factor = diff->write_consistency_factor;
    }
    if (diff->_read_fan_out_factor_case) {
        config->_read_fan_out_factor_case =
            QDRANT__CREATE_COLLECTION___READ_FAN_OUT_FACTOR_READ_FAN_OUT_FACTOR;
        config->read_fan_out_factor = diff->read_fan_out_factor;
    }
    if (diff->_read_fan_out_delay_ms_case) {
        config->_read_fan_out_delay_ms_case =
            QDRANT__CREATE_COLLECTION___READ_FAN_OUT_DELAY_MS_READ_FAN_OUT_DELAY_MS;
        config->read_fan_out_delay_ms = diff->read_fan_out_delay_ms;
    }
    if (diff->_on_disk_payload_case) {
        config->_on_disk_payload_case = QDRANT__CREATE_COLLECTION___ON_DISK_PAYLOAD_ON_DISK_PAYLOAD;
        config->on_disk_payload = diff->on_disk_payload;
    }
}

static const char *entry_key(const ProtobufCMessage *entry)
{
    const void *key = (const char *)entry + entry->descriptor->fields[0].offset;
    return *(char *const *)key;
}

/* A merged map is the old one and then the new: of entries with one name the last stays. */
static void drop_replaced(ProtobufCMessage **entries, size_t *count)
{
    size_t kept = 0;
    for (size_t i = 0; i < *count; i++) {
        bool replaced = false;
        for (size_t j = i + 1; j < *count && !replaced; j++) {
            replaced = strcmp(entry_key(entries[i]), entry_key(entries[j])) == 0;
        }
        if (!replaced) {
            entries[kept++] = entries[i];
        }
    }
    *count = kept;
}

static void update_strict(Qdrant__CreateCollection *config, const Qdrant__StrictModeConfig *diff,
                          struct arena *arena)
{
    MERGE(config->strict_mode_config, diff);
    Qdrant__StrictModeConfig *strict = config->strict_mode_config;
    if (strict && strict->multivector_config) {
        drop_replaced((ProtobufCMessage **)strict->multivector_config->multivector_config,
                      &strict->multivector_config->n_multivector_config);
    }
    if (strict && strict->sparse_config) {
        drop_replaced((ProtobufCMessage **)strict->sparse_config->sparse_config,
                      &strict->sparse_config->n_sparse_config);
    }
}

enum status schema_update(const struct schema *schema, const Qdrant__UpdateCollection *diff,
                          struct schema **out, struct error *err)
{
    struct arena *arena = arena_create(0);
    Qdrant__CreateCollection *config = message_copy(&schema->config->base, arena);
    ASSERT(config);
    MERGE(config->hnsw_config, diff->hnsw_config);
    MERGE(config->optimizers_config, diff->optimizers_config);
    update_strict(config, diff->strict_mode_config, arena);
    config->quantization_config =
        updated_quantization(config->quantization_config, diff->quantization_config, arena);
    if (diff->params) {
        update_params(config, diff->params);
    }
    enum status status = update_vectors(config, diff->vectors_config, arena, err);
    if (status == STATUS_OK && diff->_metadata_json_case) {
        config->_metadata_json_case = QDRANT__CREATE_COLLECTION___METADATA_JSON_METADATA_JSON;
        config->metadata_json.data =
            arena_memdup(arena, diff->metadata_json.data, diff->metadata_json.len);
        config->metadata_json.len = diff->metadata_json.len;
    }
    if (status == STATUS_OK) {
        status = schema_from(config, arena, out, err);
    }
    if (status != STATUS_OK) {
        arena_destroy(arena);
    }
    return status;
}

/* ---- payload indexes ---- */

/* A copy of the configuration with the index of `key` taken out and, unless NULL, `index` added. */
static enum status replace_field(const struct schema *schema, const char *key,
                                 const Qdrant__PayloadIndex *index, struct schema **out,
                                 struct error *err)
{
    struct arena *arena = arena_create(0);
    Qdrant__CreateCollection *config = message_copy(&schema->config->base, arena);
    size_t old_count = schema->config->n_payload_indexes;
    ASSERT(config);
    Qdrant__PayloadIndex **kept = arena_new_array(arena, Qdrant__PayloadIndex *, old_count + 1);
    ASSERT(kept);
    size_t count = 0;
    for (size_t i = 0; i < old_count; i++) {
        if (strcmp(config->payload_indexes[i]->key, key) != 0) {
            kept[count++] = config->payload_indexes[i];
        }
    }
    bool found = count < old_count;
    if (index) {
        kept[count++] = message_copy(&index->base, arena);
    }
    config->payload_indexes = kept;
    config->n_payload_indexes = count;
    *out = NULL;
    enum status status = index || found ? schema_from(config, arena, out, err) : STATUS_OK;
    if (!*out) {
        arena_destroy(arena);
    }
    return status;
}

enum status schema_add_field(const struct schema *schema, const Qdrant__PayloadIndex *index,
                             struct schema **out, struct error *err)
{
    return replace_field(schema, index->key, index, out, err);
}

enum status schema_drop_field(const struct schema *schema, const char *key, struct schema **out,
                              struct error *err)
{
    return replace_field(schema, key, NULL, out, err);
}

struct schema *schema_ref(struct schema *schema)
{
    atomic_fetch_add_explicit(&((struct owned_schema *)schema)->refs, 1, memory_order_relaxed);
    return schema;
}

void schema_unref(struct schema *schema)
{
    struct owned_schema *owned = (struct owned_schema *)schema;
    if (owned && atomic_fetch_sub_explicit(&owned->refs, 1, memory_order_acq_rel) == 1) {
        schema_free_fields(&owned->schema);
        arena_destroy(owned->arena);
        mem_free(owned);
    }
}

const struct vector_spec *schema_vector(const struct schema *schema, const char *name)
{
    for (uint32_t i = 0; i < schema->vectors_count; i++) {
        if (strcmp(schema->vectors[i].name, name) == 0) {
            return &schema->vectors[i];
        }
    }
    return NULL;
}
