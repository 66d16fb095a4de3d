/* Enum values as JSON has them. One row per enum of the contract; names stand in the order of the
 * numbers, NULL for values that JSON does not have. Const tables only. */
#include "collections.pb-c.h"
#include "points.pb-c.h"

#include "server/rest/shape.h"

#include <stddef.h>

enum { VALUES_MAX = 12 };
struct enum_row {
    const ProtobufCEnumDescriptor *descriptor;
    const char *names[VALUES_MAX];
};

static const struct enum_row rows[] = {
    {&qdrant__distance__descriptor, {NULL, "Cosine", "Euclid", "Dot", "Manhattan"}},
    {&qdrant__datatype__descriptor, {NULL, "float32", "uint8", "float16", "turbo4"}},
    {&qdrant__memory__descriptor, {NULL, "cold", "cached", "pinned"}},
    {&qdrant__vector_index__descriptor, {"auto", "flat", "hnsw", "ivfpq"}},
    {&qdrant__modifier__descriptor, {"none", "idf"}},
    {&qdrant__multi_vector_comparator__descriptor, {"max_sim"}},
    {&qdrant__collection_status__descriptor, {NULL, "green", "yellow", "red", "grey"}},
    {&qdrant__payload_schema_type__descriptor,
     {NULL, "keyword", "integer", "float", "geo", "text", "bool", "datetime", "uuid"}},
    {&qdrant__quantization_type__descriptor, {NULL, "int8"}},
    {&qdrant__compression_ratio__descriptor, {"x4", "x8", "x16", "x32", "x64"}},
    {&qdrant__binary_quantization_encoding__descriptor,
     {"one_bit", "two_bits", "one_and_half_bits"}},
    {&qdrant__binary_quantization_query_encoding__setting__descriptor,
     {"default", "binary", "scalar4bits", "scalar8bits"}},
    {&qdrant__turbo_quant_bit_size__descriptor, {"bits1", "bits1_5", "bits2", "bits4"}},
    {&qdrant__sharding_method__descriptor, {"auto", "custom"}},
    {&qdrant__max_optimization_threads__setting__descriptor, {"auto"}},
    {&qdrant__tokenizer_type__descriptor, {NULL, "prefix", "whitespace", "word", "multilingual"}},
    {&qdrant__write_ordering_type__descriptor, {"weak", "medium", "strong"}},
    {&qdrant__update_mode__descriptor, {"upsert", "insert_only", "update_only"}},
    {&qdrant__read_consistency_type__descriptor, {"all", "majority", "quorum"}},
    {&qdrant__direction__descriptor, {"asc", "desc"}},
    {&qdrant__recommend_strategy__descriptor, {"average_vector", "best_score", "sum_scores"}},
    {&qdrant__fusion__descriptor, {"rrf", "dbsf"}},
    {&qdrant__sample__descriptor, {"random"}},
    {&qdrant__update_status__descriptor, {NULL, "acknowledged", "completed", NULL, "wait_timeout"}},
};

static const struct enum_row *find_row(const ProtobufCEnumDescriptor *descriptor)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        if (rows[i].descriptor == descriptor)
            return &rows[i];
    }
    return NULL;
}

const char *enum_text(const ProtobufCEnumDescriptor *descriptor, int value)
{
    const struct enum_row *row = find_row(descriptor);
    return row && value >= 0 && value < VALUES_MAX ? row->names[value] : NULL;
}

bool enum_value(const ProtobufCEnumDescriptor *descriptor, struct slice text, int *out)
{
    const struct enum_row *row = find_row(descriptor);
    for (int i = 0; row && i < VALUES_MAX; i++) {
        if (row->names[i] && slice_equal(slice_text(row->names[i]), text)) {
            *out = i;
            return true;
        }
    }
    return false;
}

void enum_list(const ProtobufCEnumDescriptor *descriptor, struct buffer *out)
{
    const struct enum_row *row = find_row(descriptor);
    for (int i = 0; row && i < VALUES_MAX; i++) {
        if (row->names[i])
            buffer_printf(out, "%s`%s`", out->size ? ", " : "", row->names[i]);
    }
}
