/* Shapes of point writes and of points in answers.
 *
 * What is not one to one: an upsert gives points or columns (a batch), selections give ids or a
 * filter beside the other members, a payload is kept as text, and an operation of a batch is named
 * by its member. */
#include "points.pb-c.h"
#include "sagitta.pb-c.h"

#include "server/rest/shape.h"

static enum status selector_of(struct reading *reading, ProtobufCMessage *message,
                               const ProtobufCFieldDescriptor *field, Qdrant__PointsSelector **out)
{
    Qdrant__PointsSelector **place = field_place(message, field);
    if (!*place)
        *place = (Qdrant__PointsSelector *)message_new(reading->arena, field->descriptor);
    *out = *place;
    return *out ? STATUS_OK : read_no_memory(reading);
}

/* `points` and `filter` are arms of one selector; when both are given the ids count. */
static enum status read_selected_ids(struct reading *reading, struct dom_value value,
                                     ProtobufCMessage *message,
                                     const ProtobufCFieldDescriptor *field)
{
    Qdrant__PointsSelector *selector;
    enum status status = selector_of(reading, message, field, &selector);
    return status == STATUS_OK ? read_named(reading, value, &selector->base, "points") : status;
}

static enum status read_selected_filter(struct reading *reading, struct dom_value value,
                                        ProtobufCMessage *message,
                                        const ProtobufCFieldDescriptor *field)
{
    Qdrant__PointsSelector *selector, read = QDRANT__POINTS_SELECTOR__INIT;
    enum status status = read_named(reading, value, &read.base, "filter");
    if (status == STATUS_OK)
        status = selector_of(reading, message, field, &selector);
    if (status == STATUS_OK && selector->points_selector_one_of_case !=
                                   QDRANT__POINTS_SELECTOR__POINTS_SELECTOR_ONE_OF_POINTS)
        *selector = read;
    return status;
}

static enum status check_selection(struct reading *reading, ProtobufCMessage *message,
                                   uint64_t seen)
{
    (void)message;
    if (!(seen & 3)) /* the first two rows: points, filter */
        return read_fail(reading, "data did not match any variant of untagged enum PointsSelector");
    return STATUS_OK;
}

static enum status check_upsert(struct reading *reading, ProtobufCMessage *message, uint64_t seen)
{
    (void)message;
    if (!(seen & 3)) /* points, batch */
        return read_fail(reading,
                         "data did not match any variant of untagged enum PointInsertOperations");
    return STATUS_OK;
}

static enum status check_length(struct reading *reading, size_t ids, size_t found, const char *what)
{
    if (ids == found)
        return STATUS_OK;
    return read_fail(reading, "number of ids and %s must be equal (%zu != %zu)", what, ids, found);
}

static enum status batch_column(struct reading *reading, struct dom_value column, size_t count,
                                const char *what)
{
    if (dom_type(column) != DOM_ARRAY)
        return read_type_fail(reading, column, "a sequence");
    return check_length(reading, count, dom_count(column), what);
}

/* Reads a column of unnamed vectors. */
static enum status read_vector_column(struct reading *reading, struct dom_value column,
                                      Qdrant__PointStruct **points, size_t count)
{
    enum status status = batch_column(reading, column, count, "vectors");
    if (status != STATUS_OK)
        return status;
    struct path frame = {.up = reading->path};
    struct dom_cursor cursor = dom_items(column);
    struct dom_value item;
    reading->path = &frame;
    while (status == STATUS_OK && dom_next_item(&cursor, &item)) {
        status = read_named(reading, item, &points[frame.index]->base, "vectors");
        frame.index++;
    }
    reading->path = frame.up;
    return status;
}

/* Reads the vectors of one name and adds each to its point's entries, of which there is room for
 * one per name. */
static enum status read_named_column(struct reading *reading, struct slice name,
                                     struct dom_value column, Qdrant__PointStruct **points,
                                     size_t count)
{
    enum status status = batch_column(reading, column, count, "vectors");
    struct path frame = {.up = reading->path};
    struct dom_cursor cursor;
    struct dom_value item;
    if (status != STATUS_OK)
        return status;
    char *key = arena_strndup(reading->arena, (const char *)name.data, name.size);
    if (!key)
        return read_no_memory(reading);
    cursor = dom_items(column);
    reading->path = &frame;
    for (; status == STATUS_OK && dom_next_item(&cursor, &item); frame.index++) {
        Qdrant__NamedVectors *vectors = points[frame.index]->vectors->vectors;
        Qdrant__NamedVectors__VectorsEntry *entry =
            (void *)message_new(reading->arena, &qdrant__named_vectors__vectors_entry__descriptor);
        if (!entry) {
            status = read_no_memory(reading);
            break;
        }
        entry->key = key;
        status = read_named(reading, item, &entry->base, "value");
        vectors->vectors[vectors->n_vectors++] = entry;
    }
    reading->path = frame.up;
    return status;
}

/* Gives each point a set of named vectors with room for `names` entries. */
static bool make_named(struct arena *arena, Qdrant__PointStruct **points, size_t count,
                       size_t names)
{
    for (size_t i = 0; i < count; i++) {
        Qdrant__Vectors *vectors = (void *)message_new(arena, &qdrant__vectors__descriptor);
        Qdrant__NamedVectors *named =
            (void *)message_new(arena, &qdrant__named_vectors__descriptor);
        if (!vectors || !named)
            return false;
        named->vectors =
            arena_new_array(arena, Qdrant__NamedVectors__VectorsEntry *, names ? names : 1);
        if (!named->vectors)
            return false;
        vectors->vectors = named;
        vectors->vectors_options_case = QDRANT__VECTORS__VECTORS_OPTIONS_VECTORS;
        points[i]->vectors = vectors;
    }
    return true;
}

static enum status read_batch_vectors(struct reading *reading, struct dom_value value,
                                      Qdrant__PointStruct **points, size_t count)
{
    if (dom_type(value) != DOM_OBJECT)
        return read_vector_column(reading, value, points, count);
    if (!make_named(reading->arena, points, count, dom_count(value)))
        return read_no_memory(reading);
    struct path frame = {.up = reading->path};
    struct dom_cursor cursor = dom_members(value);
    struct dom_value column;
    enum status status = STATUS_OK;
    reading->path = &frame;
    while (status == STATUS_OK && dom_next_member(&cursor, &frame.name, &column))
        status = read_named_column(reading, frame.name, column, points, count);
    reading->path = frame.up;
    return status;
}

static enum status read_batch_payloads(struct reading *reading, struct dom_value column,
                                       Qdrant__PointStruct **points, size_t count)
{
    enum status status = batch_column(reading, column, count, "payloads");
    if (status != STATUS_OK)
        return status;
    struct path frame = {.up = reading->path};
    struct dom_cursor cursor = dom_items(column);
    struct dom_value item;
    reading->path = &frame;
    for (; status == STATUS_OK && dom_next_item(&cursor, &item); frame.index++) {
        ProtobufCMessage *point = &points[frame.index]->base;
        if (dom_type(item) != DOM_NULL)
            status = read_payload(reading, item, point, field_of(point, "payload_json"));
    }
    reading->path = frame.up;
    return status;
}

static enum status read_batch_ids(struct reading *reading, struct dom_value column,
                                  Qdrant__PointStruct ***out, size_t *out_count)
{
    if (dom_type(column) != DOM_ARRAY)
        return read_type_fail(reading, column, "a sequence");
    size_t count = dom_count(column);
    Qdrant__PointStruct **points =
        arena_new_array(reading->arena, Qdrant__PointStruct *, count ? count : 1);
    if (!points)
        return read_no_memory(reading);
    struct path frame = {.up = reading->path};
    struct dom_cursor cursor = dom_items(column);
    struct dom_value item;
    enum status status = STATUS_OK;
    reading->path = &frame;
    for (; status == STATUS_OK && dom_next_item(&cursor, &item); frame.index++) {
        points[frame.index] =
            (void *)message_new(reading->arena, &qdrant__point_struct__descriptor);
        status = points[frame.index] ? read_named(reading, item, &points[frame.index]->base, "id")
                                     : read_no_memory(reading);
    }
    reading->path = frame.up;
    *out = points;
    *out_count = count;
    return status;
}

enum { COLUMN_IDS, COLUMN_VECTORS, COLUMN_PAYLOADS, COLUMN_COUNT };

static enum status read_batch_column(struct reading *reading, int column, struct dom_value value,
                                     Qdrant__PointStruct ***points, size_t *count)
{
    static const char *const names[COLUMN_COUNT] = {"ids", "vectors", "payloads"};
    struct path frame = {.up = reading->path, .name = slice_text(names[column])};
    enum status status;
    reading->path = &frame;
    if (column == COLUMN_IDS)
        status = read_batch_ids(reading, value, points, count);
    else if (column == COLUMN_VECTORS)
        status = read_batch_vectors(reading, value, *points, *count);
    else
        status = read_batch_payloads(reading, value, *points, *count);
    reading->path = frame.up;
    return status;
}

/* {"ids": [..], "vectors": [..] or {name: [..]}, "payloads": [..]} into a list of points. */
static enum status read_batch(struct reading *reading, struct dom_value value,
                              ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    struct dom_value columns[COLUMN_COUNT];
    if (dom_type(value) != DOM_OBJECT)
        return read_type_fail(reading, value, "a map");
    if (!object_find(value, "ids", &columns[COLUMN_IDS]))
        return read_fail(reading, "missing field `ids`");
    if (!object_find(value, "vectors", &columns[COLUMN_VECTORS]))
        return read_fail(reading, "missing field `vectors`");
    int columns_count = object_find(value, "payloads", &columns[COLUMN_PAYLOADS]) ? 3 : 2;
    Qdrant__PointStruct **points = NULL;
    size_t count = 0;
    for (int i = 0; i < columns_count; i++) {
        enum status status = read_batch_column(reading, i, columns[i], &points, &count);
        if (status != STATUS_OK)
            return status;
    }
    *(void **)field_place(message, field) = points;
    *(size_t *)(void *)((uint8_t *)message + field->quantifier_offset) = count;
    return STATUS_OK;
}

#define SHARD_KEY_ROW                                                                              \
    {                                                                                              \
        "shard_key", "shard_key_selector", NULL, 0, 0, 0                                           \
    }
#define SELECTION_ROWS(field)                                                                      \
    {"points", field, read_selected_ids, 0, 0, 0},                                                 \
    {                                                                                              \
        "filter", field, read_selected_filter, 0, 0, 0                                             \
    }

static const struct shape_field point_struct_fields[] = {
    {"id", NULL, NULL, FIELD_REQUIRED, 0, 0},
    {"vector", "vectors", NULL, FIELD_REQUIRED, 0, 0},
    {"payload", "payload_json", read_payload, 0, 0, 0},
    {"vectors", NULL, NULL, FIELD_HIDDEN, 0, 0},
    {0},
};
static const struct shape_field point_vectors_fields[] = {
    {"id", NULL, NULL, FIELD_REQUIRED, 0, 0},
    {"vector", "vectors", NULL, FIELD_REQUIRED, 0, 0},
    {"vectors", NULL, NULL, FIELD_HIDDEN, 0, 0},
    {0},
};
static const struct shape_field upsert_fields[] = {
    {"points", NULL, NULL, 0, 0, 0},
    {"batch", "points", read_batch, 0, 0, 0},
    SHARD_KEY_ROW,
    {0},
};
static const struct shape_field selection_fields[] = {SELECTION_ROWS("points"), SHARD_KEY_ROW, {0}};
static const struct shape_field get_points_fields[] = {
    {"ids", NULL, NULL, FIELD_REQUIRED, 0, 0},
    {"with_vector", "with_vectors", NULL, 0, 0, 0},
    SHARD_KEY_ROW,
    {0},
};
static const struct shape_field update_vectors_fields[] = {
    {"points", NULL, NULL, FIELD_REQUIRED, 0, 0},
    SHARD_KEY_ROW,
    {0},
};
static const struct shape_field delete_vectors_fields[] = {
    SELECTION_ROWS("points_selector"),
    {"vector", "vectors", NULL, FIELD_REQUIRED, 0, 0},
    SHARD_KEY_ROW,
    {0},
};
static const struct shape_field set_payload_fields[] = {
    SELECTION_ROWS("points_selector"),
    {"payload", "payload_json", read_payload, FIELD_REQUIRED, 0, 0},
    SHARD_KEY_ROW,
    {0},
};
static const struct shape_field delete_payload_fields[] = {
    SELECTION_ROWS("points_selector"),
    {"keys", NULL, NULL, FIELD_REQUIRED, 0, 0},
    SHARD_KEY_ROW,
    {0},
};
static const struct shape_field operation_fields[] = {
    {"upsert", NULL, NULL, 0, 0, 0},
    {"delete", "delete_points", NULL, 0, 0, 0},
    {"set_payload", NULL, NULL, 0, 0, 0},
    {"overwrite_payload", NULL, NULL, 0, 0, 0},
    {"delete_payload", NULL, NULL, 0, 0, 0},
    {"clear_payload", NULL, NULL, 0, 0, 0},
    {"update_vectors", NULL, NULL, 0, 0, 0},
    {"delete_vectors", NULL, NULL, 0, 0, 0},
    {0},
};
static const struct shape_field batch_fields[] = {
    {"operations", NULL, NULL, FIELD_REQUIRED, 0, 0},
    {0},
};
static const struct shape_field answer_point_fields[] = {
    {"payload", "payload_json", NULL, 0, 0, 0},
    {"vector", "vectors", NULL, 0, 0, 0},
    {0},
};

#define BODY (SHAPE_REQUEST | SHAPE_LISTED)
const struct shape shapes_points[] = {
    {.descriptor = &qdrant__point_struct__descriptor, .fields = point_struct_fields},
    {.descriptor = &qdrant__point_vectors__descriptor, .fields = point_vectors_fields},
    {.descriptor = &qdrant__upsert_points__descriptor,
     .flags = SHAPE_REQUEST,
     .fields = upsert_fields,
     .check = check_upsert},
    {.descriptor = &qdrant__points_update_operation__point_struct_list__descriptor,
     .fields = upsert_fields,
     .check = check_upsert},
    {.descriptor = &qdrant__delete_points__descriptor,
     .flags = BODY,
     .fields = selection_fields,
     .check = check_selection},
    {.descriptor = &qdrant__points_update_operation__delete_points__descriptor,
     .flags = SHAPE_LISTED,
     .fields = selection_fields,
     .check = check_selection},
    {.descriptor = &qdrant__clear_payload_points__descriptor,
     .flags = BODY,
     .fields = selection_fields,
     .check = check_selection},
    {.descriptor = &qdrant__points_update_operation__clear_payload__descriptor,
     .flags = SHAPE_LISTED,
     .fields = selection_fields,
     .check = check_selection},
    {.descriptor = &qdrant__get_points__descriptor,
     .flags = SHAPE_REQUEST,
     .fields = get_points_fields},
    {.descriptor = &qdrant__update_point_vectors__descriptor,
     .flags = SHAPE_REQUEST,
     .fields = update_vectors_fields},
    {.descriptor = &qdrant__points_update_operation__update_vectors__descriptor,
     .fields = update_vectors_fields},
    {.descriptor = &qdrant__delete_point_vectors__descriptor,
     .flags = BODY,
     .fields = delete_vectors_fields},
    {.descriptor = &qdrant__points_update_operation__delete_vectors__descriptor,
     .flags = SHAPE_LISTED,
     .fields = delete_vectors_fields},
    {.descriptor = &qdrant__set_payload_points__descriptor,
     .flags = SHAPE_REQUEST,
     .fields = set_payload_fields},
    {.descriptor = &qdrant__points_update_operation__set_payload__descriptor,
     .fields = set_payload_fields},
    {.descriptor = &qdrant__points_update_operation__overwrite_payload__descriptor,
     .fields = set_payload_fields},
    {.descriptor = &qdrant__delete_payload_points__descriptor,
     .flags = BODY,
     .fields = delete_payload_fields},
    {.descriptor = &qdrant__points_update_operation__delete_payload__descriptor,
     .flags = SHAPE_LISTED,
     .fields = delete_payload_fields},
    {.descriptor = &qdrant__update_batch_points__descriptor, .flags = BODY, .fields = batch_fields},
    {.descriptor = &qdrant__points_update_operation__descriptor,
     .flags = SHAPE_LISTED | SHAPE_ONE_OF,
     .fields = operation_fields},
    {.descriptor = &qdrant__retrieved_point__descriptor, .fields = answer_point_fields},
    {.descriptor = &qdrant__scored_point__descriptor, .fields = answer_point_fields},
    {0},
};
