/* Shapes of collections: configuration as it is given and as it is shown.
 *
 * Vectors are one set of parameters or a map of them by name; a quantization is named by its
 * member, or "Disabled" in a change; threads are a number or "auto"; metadata is kept as text. */
#include "collections.pb-c.h"
#include "command.pb-c.h"

#include "server/rest/shape.h"

static enum status read_vectors_config(struct reading *reading, struct dom_value value,
                                       ProtobufCMessage *message)
{
    /* One vector's parameters, or a map from names to them: a map's values are objects. */
    struct dom_value member;
    bool single = (object_find(value, "size", &member) && dom_type(member) != DOM_OBJECT) ||
                  (object_find(value, "distance", &member) && dom_type(member) != DOM_OBJECT);
    return read_named(reading, value, message, single ? "params" : "params_map");
}

static enum status read_vectors_config_diff(struct reading *reading, struct dom_value value,
                                            ProtobufCMessage *message)
{
    return read_named(reading, value, message, "params_map");
}

static enum status read_quantization_diff(struct reading *reading, struct dom_value value,
                                          ProtobufCMessage *message)
{
    Qdrant__QuantizationConfigDiff *diff = (Qdrant__QuantizationConfigDiff *)message;
    if (dom_type(value) != DOM_STRING)
        return read_object(reading, value, message, shape_find(message->descriptor));
    if (!slice_equal(dom_string(value), SLICE_LITERAL("Disabled")))
        return read_fail(reading, "unknown variant `%.60s`, expected `Disabled`",
                         (const char *)dom_string(value).data);
    diff->disabled = (void *)message_new(reading->arena, &qdrant__disabled__descriptor);
    diff->quantization_case = QDRANT__QUANTIZATION_CONFIG_DIFF__QUANTIZATION_DISABLED;
    return diff->disabled ? STATUS_OK : read_no_memory(reading);
}

/* The contract's answers have a number here; null stands for automatic. */
static void write_threads(struct json_writer *writer, const ProtobufCMessage *message)
{
    const Qdrant__MaxOptimizationThreads *threads = (const Qdrant__MaxOptimizationThreads *)message;
    if (threads->variant_case == QDRANT__MAX_OPTIMIZATION_THREADS__VARIANT_VALUE)
        json_unsigned(writer, threads->value);
    else
        json_null(writer);
}

static void write_optimizer_status(struct json_writer *writer, const ProtobufCMessage *message)
{
    const Qdrant__OptimizerStatus *status = (const Qdrant__OptimizerStatus *)message;
    if (status->ok) {
        json_text(writer, "ok");
        return;
    }
    json_begin_object(writer);
    json_key(writer, "error");
    json_text(writer, status->error);
    json_end_object(writer);
}

#define AT_LEAST(name, least)                                                                      \
    {                                                                                              \
        name, NULL, NULL, FIELD_MIN, least, 0                                                      \
    }
#define METADATA_ROW                                                                               \
    {                                                                                              \
        "metadata", "metadata_json", read_payload, 0, 0, 0                                         \
    }

static const struct shape_field create_fields[] = {
    {"vectors", "vectors_config", NULL, 0, 0, 0},
    {"sparse_vectors", "sparse_vectors_config", NULL, 0, 0, 0},
    AT_LEAST("shard_number", 1),
    AT_LEAST("replication_factor", 1),
    AT_LEAST("write_consistency_factor", 1),
    METADATA_ROW,
    {0},
};
static const struct shape_field update_fields[] = {
    {"vectors", "vectors_config", NULL, 0, 0, 0},
    {"sparse_vectors", "sparse_vectors_config", NULL, 0, 0, 0},
    METADATA_ROW,
    {0},
};
static const struct shape_field params_fields[] = {
    {"vectors", "vectors_config", NULL, 0, 0, 0},
    {"sparse_vectors", "sparse_vectors_config", NULL, 0, 0, 0},
    {0},
};
static const struct shape_field params_diff_fields[] = {
    AT_LEAST("replication_factor", 1),
    AT_LEAST("write_consistency_factor", 1),
    {0},
};
static const struct shape_field config_fields[] = {METADATA_ROW, {0}};
static const struct shape_field vector_params_fields[] = {
    {"size", NULL, NULL, FIELD_REQUIRED | FIELD_MIN | FIELD_MAX, 1, 65536},
    {"distance", NULL, NULL, FIELD_REQUIRED, 0, 0},
    {"index", NULL, NULL, 0, 0, 0},
    {0},
};
static const struct shape_field vector_params_diff_fields[] = {
    {"index", NULL, NULL, 0, 0, 0},
    {0},
};
static const struct shape_field multivector_fields[] = {
    {"comparator", NULL, NULL, FIELD_REQUIRED, 0, 0},
    {0},
};
static const struct shape_field hnsw_fields[] = {
    AT_LEAST("ef_construct", 4),
    AT_LEAST("full_scan_threshold", 10),
    {0},
};
static const struct shape_field wal_fields[] = {AT_LEAST("wal_capacity_mb", 1), {0}};
static const struct shape_field optimizers_fields[] = {
    {"deleted_threshold", NULL, NULL, FIELD_MIN | FIELD_MAX, 0, 1},
    AT_LEAST("vacuum_min_vector_number", 100),
    AT_LEAST("max_segment_size", 1),
    {"deprecated_max_optimization_threads", NULL, NULL, FIELD_HIDDEN, 0, 0},
    {0},
};
static const struct shape_field quantization_fields[] = {
    {"scalar", NULL, NULL, 0, 0, 0},
    {"product", NULL, NULL, 0, 0, 0},
    {"binary", NULL, NULL, 0, 0, 0},
    {"turbo", "turboquant", NULL, 0, 0, 0},
    {0},
};
static const struct shape_field scalar_fields[] = {
    {"type", NULL, NULL, FIELD_REQUIRED, 0, 0},
    {"quantile", NULL, NULL, FIELD_MIN | FIELD_MAX, 0.5, 1},
    {0},
};
static const struct shape_field product_fields[] = {
    {"compression", NULL, NULL, FIELD_REQUIRED, 0, 0},
    {0},
};
static const struct shape_field strict_fields[] = {
    AT_LEAST("max_query_limit", 1),
    AT_LEAST("max_timeout", 1),
    AT_LEAST("read_rate_limit", 1),
    AT_LEAST("write_rate_limit", 1),
    AT_LEAST("max_points_count", 1),
    {"max_resident_memory_percent", NULL, NULL, FIELD_MIN | FIELD_MAX, 1, 100},
    {0},
};
static const struct shape_field quotas_fields[] = {
    {"max_resident_memory_percent", NULL, NULL, FIELD_MIN | FIELD_MAX, 1, 100},
    {"max_disk_usage_percent", NULL, NULL, FIELD_MIN | FIELD_MAX, 1, 100},
    {"release_margin_percent", NULL, NULL, FIELD_MAX, 0, 100},
    {0},
};

const struct shape shapes_collections[] = {
    {.descriptor = &qdrant__create_collection__descriptor,
     .flags = SHAPE_REQUEST,
     .fields = create_fields},
    {.descriptor = &qdrant__update_collection__descriptor,
     .flags = SHAPE_REQUEST,
     .fields = update_fields},
    {.descriptor = &qdrant__collection_params__descriptor, .fields = params_fields},
    {.descriptor = &qdrant__collection_params_diff__descriptor, .fields = params_diff_fields},
    {.descriptor = &qdrant__collection_config__descriptor, .fields = config_fields},
    {.descriptor = &qdrant__vectors_config__descriptor,
     .flags = SHAPE_ARM,
     .read = read_vectors_config},
    {.descriptor = &qdrant__vectors_config_diff__descriptor,
     .flags = SHAPE_ARM,
     .read = read_vectors_config_diff},
    {.descriptor = &qdrant__vector_params_map__descriptor, .flags = SHAPE_BARE},
    {.descriptor = &qdrant__vector_params_diff_map__descriptor, .flags = SHAPE_BARE},
    {.descriptor = &qdrant__sparse_vector_config__descriptor, .flags = SHAPE_BARE},
    {.descriptor = &qdrant__vector_params__descriptor, .fields = vector_params_fields},
    {.descriptor = &qdrant__vector_params_diff__descriptor, .fields = vector_params_diff_fields},
    {.descriptor = &qdrant__multi_vector_config__descriptor, .fields = multivector_fields},
    {.descriptor = &qdrant__hnsw_config_diff__descriptor, .fields = hnsw_fields},
    {.descriptor = &qdrant__wal_config_diff__descriptor, .fields = wal_fields},
    {.descriptor = &qdrant__optimizers_config_diff__descriptor, .fields = optimizers_fields},
    {.descriptor = &qdrant__max_optimization_threads__descriptor,
     .flags = SHAPE_ONE_OF,
     .on_integer = "value",
     .on_string = "setting",
     .write = write_threads},
    {.descriptor = &qdrant__quantization_config__descriptor,
     .flags = SHAPE_LISTED | SHAPE_ONE_OF,
     .fields = quantization_fields},
    {.descriptor = &qdrant__quantization_config_diff__descriptor,
     .flags = SHAPE_LISTED | SHAPE_ONE_OF,
     .fields = quantization_fields,
     .read = read_quantization_diff},
    {.descriptor = &qdrant__scalar_quantization__descriptor, .fields = scalar_fields},
    {.descriptor = &qdrant__product_quantization__descriptor, .fields = product_fields},
    {.descriptor = &qdrant__binary_quantization_query_encoding__descriptor, .flags = SHAPE_BARE},
    {.descriptor = &qdrant__strict_mode_config__descriptor, .fields = strict_fields},
    {.descriptor = &qdrant__strict_mode_sparse_config__descriptor, .flags = SHAPE_BARE},
    {.descriptor = &qdrant__strict_mode_multivector_config__descriptor, .flags = SHAPE_BARE},
    {.descriptor = &qdrant__optimizer_status__descriptor, .write = write_optimizer_status},
    {.descriptor = &sagitta__quotas__descriptor, .fields = quotas_fields},
    {0},
};
