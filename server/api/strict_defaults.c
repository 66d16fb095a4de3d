/* The settings storage.collection.strict_mode, one row each; the maps by vector name have none.
 * Nothing can fail. */
#include "server/api/strict_defaults.h"

#include "server/watch/info.h"

#include <stddef.h>

#define ROW(name)                                                                                  \
    {                                                                                              \
#name, offsetof(struct settings, storage.collection.strict_mode.name)                      \
    }
static const struct {
    const char *option;
    size_t offset;
} rows[] = {
    ROW(enabled),
    ROW(max_query_limit),
    ROW(max_timeout),
    ROW(unindexed_filtering_retrieve),
    ROW(unindexed_filtering_update),
    ROW(search_max_hnsw_ef),
    ROW(search_allow_exact),
    ROW(search_max_oversampling),
    ROW(upsert_max_batchsize),
    ROW(search_max_batchsize),
    ROW(max_collection_vector_size_bytes),
    ROW(read_rate_limit),
    ROW(write_rate_limit),
    ROW(max_collection_payload_size_bytes),
    ROW(max_points_count),
    ROW(filter_max_conditions),
    ROW(condition_max_size),
    ROW(max_payload_index_count),
    ROW(max_resident_memory_percent),
};
enum { ROWS_COUNT = sizeof(rows) / sizeof(rows[0]) };

/* Sets the field to the setting. False: the setting says nothing (no limit, or allowed). */
static bool set(const ProtobufCFieldDescriptor *field, const void *setting, void *at)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_BOOL:
        *(protobuf_c_boolean *)at = *(const bool *)setting;
        return strcmp(field->name, "enabled") == 0 ? *(const bool *)setting
                                                   : !*(const bool *)setting;
    case PROTOBUF_C_TYPE_UINT32:
        *(uint32_t *)at = (uint32_t) * (const uint64_t *)setting; /* the setting's range says so */
        return *(const uint64_t *)setting > 0;
    case PROTOBUF_C_TYPE_UINT64:
        *(uint64_t *)at = *(const uint64_t *)setting;
        return *(const uint64_t *)setting > 0;
    default: /* the oversampling */
        *(float *)at = (float)*(const double *)setting;
        return *(const double *)setting > 0;
    }
}

void strict_defaults(const struct settings *settings, Qdrant__StrictModeConfig *config)
{
    for (size_t i = 0; i < ROWS_COUNT; i++) {
        const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field_by_name(
            config->base.descriptor, rows[i].option);
        void *at = (char *)config + field->quantifier_offset;
        uint32_t *present = at;
        if (*present == 0 &&
            set(field, (const char *)settings + rows[i].offset, (char *)config + field->offset)) {
            *present = field->id;
        }
    }
}
