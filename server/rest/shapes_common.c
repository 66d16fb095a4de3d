/* Shapes that many requests share: ids, shard keys, selectors, free JSON values, collection
 * aliases.
 *
 * Const tables and pure readers; see shape.h for what a row says. */
#include "collections.pb-c.h"
#include "json_with_int.pb-c.h"
#include "points.pb-c.h"
#include "qdrant_common.pb-c.h"

#include "index/point_id.h"
#include "server/rest/shape.h"

static enum status read_point_id(struct reading *reading, struct dom_value value,
                                 ProtobufCMessage *message)
{
    Qdrant__PointId *id = (Qdrant__PointId *)message;
    enum dom_type type = dom_type(value);
    if (type == DOM_UNSIGNED || (type == DOM_SIGNED && dom_signed(value) >= 0)) {
        id->num = dom_unsigned(value);
        id->point_id_options_case = QDRANT__POINT_ID__POINT_ID_OPTIONS_NUM;
        return STATUS_OK;
    }
    if (type != DOM_STRING)
        return read_type_fail(reading, value,
                              "a point id: an unsigned integer or a UUID (data did not match any "
                              "variant of untagged enum ExtendedPointId)");
    struct slice text = dom_string(value);
    struct point_id parsed;
    if (!point_id_parse_uuid(text, &parsed))
        return read_fail(reading,
                         "value %.60s is not a valid point ID, valid values are either an "
                         "unsigned integer or a UUID",
                         (const char *)text.data);
    char form[POINT_ID_TEXT_BYTES];
    point_id_format(parsed, form);
    char *copy = arena_strndup(reading->arena, form, strlen(form));
    if (!copy)
        return read_no_memory(reading);
    id->uuid = copy;
    id->point_id_options_case = QDRANT__POINT_ID__POINT_ID_OPTIONS_UUID;
    return STATUS_OK;
}

static enum status read_json_value(struct reading *reading, struct dom_value value,
                                   ProtobufCMessage *message)
{
    Qdrant__Value *out = (Qdrant__Value *)message;
    switch (dom_type(value)) {
    case DOM_NULL:
        out->null_value = QDRANT__NULL_VALUE__NULL_VALUE;
        out->kind_case = QDRANT__VALUE__KIND_NULL_VALUE;
        return STATUS_OK;
    case DOM_BOOL:
        return read_named(reading, value, message, "bool_value");
    case DOM_SIGNED:
        return read_named(reading, value, message, "integer_value");
    case DOM_UNSIGNED:
    case DOM_REAL:
        return read_named(reading, value, message, "double_value");
    case DOM_STRING:
        return read_named(reading, value, message, "string_value");
    case DOM_ARRAY:
        return read_named(reading, value, message, "list_value");
    case DOM_OBJECT:
        break;
    }
    return read_named(reading, value, message, "struct_value");
}

static const struct shape_field shard_key_selector_fields[] = {
    {"target", "shard_keys", NULL, FIELD_REQUIRED | FIELD_ONE_OR_LIST, 0, 0},
    {"fallback", NULL, NULL, FIELD_REQUIRED, 0, 0},
    {0},
};
static const struct shape_field with_lookup_fields[] = {
    {"collection", NULL, NULL, FIELD_REQUIRED, 0, 0},
    {"with_vector", "with_vectors", NULL, 0, 0, 0},
    {0},
};
static const struct shape_field lookup_location_fields[] = {
    {"collection", "collection_name", NULL, FIELD_REQUIRED, 0, 0},
    {"vector", "vector_name", NULL, 0, 0, 0},
    {"shard_key", "shard_key_selector", NULL, 0, 0, 0},
    {0},
};
static const struct shape_field create_alias_fields[] = {
    {"collection_name", NULL, NULL, FIELD_REQUIRED, 0, 0},
    {"alias_name", NULL, NULL, FIELD_REQUIRED, 0, 0},
    {0},
};
static const struct shape_field delete_alias_fields[] = {
    {"alias_name", NULL, NULL, FIELD_REQUIRED, 0, 0},
    {0},
};
static const struct shape_field rename_alias_fields[] = {
    {"old_alias_name", NULL, NULL, FIELD_REQUIRED, 0, 0},
    {"new_alias_name", NULL, NULL, FIELD_REQUIRED, 0, 0},
    {0},
};
static const struct shape_field change_aliases_fields[] = {
    {"actions", NULL, NULL, FIELD_REQUIRED, 0, 0},
    {0},
};

const struct shape shapes_common[] = {
    {.descriptor = &qdrant__point_id__descriptor, .flags = SHAPE_ARM, .read = read_point_id},
    {.descriptor = &qdrant__value__descriptor, .flags = SHAPE_ARM, .read = read_json_value},
    {.descriptor = &qdrant__list_value__descriptor, .flags = SHAPE_BARE},
    {.descriptor = &qdrant__struct__descriptor, .flags = SHAPE_BARE},
    {.descriptor = &qdrant__shard_key__descriptor,
     .flags = SHAPE_ARM | SHAPE_ONE_OF,
     .on_string = "keyword",
     .on_integer = "number"},
    {.descriptor = &qdrant__shard_key_selector__descriptor,
     .fields = shard_key_selector_fields,
     .on_string = "shard_keys",
     .on_integer = "shard_keys",
     .on_list = "shard_keys"},
    {.descriptor = &qdrant__order_value__descriptor, .flags = SHAPE_ARM},
    {.descriptor = &qdrant__with_payload_selector__descriptor,
     .flags = SHAPE_ONE_OF,
     .on_bool = "enable",
     .on_list = "include"},
    {.descriptor = &qdrant__payload_include_selector__descriptor, .flags = SHAPE_BARE},
    {.descriptor = &qdrant__payload_exclude_selector__descriptor, .flags = SHAPE_BARE},
    {.descriptor = &qdrant__with_vectors_selector__descriptor,
     .flags = SHAPE_ONE_OF,
     .on_bool = "enable",
     .on_list = "include"},
    {.descriptor = &qdrant__vectors_selector__descriptor, .flags = SHAPE_BARE},
    {.descriptor = &qdrant__points_ids_list__descriptor, .flags = SHAPE_BARE},
    {.descriptor = &qdrant__with_lookup__descriptor,
     .fields = with_lookup_fields,
     .on_string = "collection"},
    {.descriptor = &qdrant__lookup_location__descriptor, .fields = lookup_location_fields},
    {.descriptor = &qdrant__change_aliases__descriptor,
     .flags = SHAPE_REQUEST,
     .fields = change_aliases_fields},
    {.descriptor = &qdrant__alias_operations__descriptor, .flags = SHAPE_ONE_OF},
    {.descriptor = &qdrant__create_alias__descriptor, .fields = create_alias_fields},
    {.descriptor = &qdrant__delete_alias__descriptor, .fields = delete_alias_fields},
    {.descriptor = &qdrant__rename_alias__descriptor, .fields = rename_alias_fields},
    {0},
};
