/* Shapes of filters: the four clauses, the kinds of conditions and the parts of a field condition.
 *
 * A condition's kind shows in its members; an object without any of them is a filter of its own.
 * Numeric ranges keep 64-bit integers exact, so they go into the message's exact range; bounds that
 * are text are points in time. */
#include "qdrant_common.pb-c.h"

#include "index/payload/datetime.h"
#include "server/rest/shape.h"

#include <math.h>

static const char *const kinds[][2] = {
    {"key", "field"},     {"is_empty", "is_empty"},     {"is_null", "is_null"},
    {"has_id", "has_id"}, {"has_vector", "has_vector"}, {"nested", "nested"},
    {"slice", "slice"},   {"filter", "filter"},         {"must", "filter"},
    {"should", "filter"}, {"must_not", "filter"},       {"min_should", "filter"},
};

/* Reads the member `name` of the condition, not the condition, into the arm. */
static enum status read_inner(struct reading *reading, struct dom_value condition,
                              ProtobufCMessage *message, const char *name)
{
    struct dom_value inner;
    struct path frame = {.up = reading->path, .name = slice_text(name)};
    if (!object_find(condition, name, &inner))
        return read_fail(reading, "missing field `%s`", name);
    reading->path = &frame;
    enum status status = read_named(reading, inner, message, name);
    reading->path = frame.up;
    return status;
}

static enum status read_condition(struct reading *reading, struct dom_value value,
                                  ProtobufCMessage *message)
{
    if (dom_type(value) != DOM_OBJECT)
        return read_type_fail(reading, value, "a condition");
    struct dom_value found;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        if (!object_find(value, kinds[i][0], &found))
            continue;
        bool whole = strcmp(kinds[i][1], "field") == 0 || strcmp(kinds[i][1], "filter") == 0;
        if (whole && strcmp(kinds[i][0], "filter") != 0)
            return read_named(reading, value, message, kinds[i][1]);
        return read_inner(reading, value, message, kinds[i][1]);
    }
    if (dom_count(value) == 0)
        return read_named(reading, value, message, "filter");
    return read_fail(reading, "data did not match any variant of untagged enum Condition");
}

static enum status read_match_value(struct reading *reading, struct dom_value value,
                                    ProtobufCMessage *message,
                                    const ProtobufCFieldDescriptor *field)
{
    (void)field;
    switch (dom_type(value)) {
    case DOM_STRING:
        return read_named(reading, value, message, "keyword");
    case DOM_SIGNED:
        return read_named(reading, value, message, "integer");
    case DOM_BOOL:
        return read_named(reading, value, message, "boolean");
    default:
        return read_type_fail(reading, value, "a string, an integer or a boolean");
    }
}

static bool holds_integers(struct dom_value list)
{
    struct dom_value first;
    if (dom_type(list) != DOM_ARRAY)
        return false;
    struct dom_cursor cursor = dom_items(list);
    return dom_next_item(&cursor, &first) && dom_type(first) == DOM_SIGNED;
}

static enum status read_match_any(struct reading *reading, struct dom_value value,
                                  ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    (void)field;
    return read_named(reading, value, message, holds_integers(value) ? "integers" : "keywords");
}

static enum status read_match_except(struct reading *reading, struct dom_value value,
                                     ProtobufCMessage *message,
                                     const ProtobufCFieldDescriptor *field)
{
    (void)field;
    return read_named(reading, value, message,
                      holds_integers(value) ? "except_integers" : "except_keywords");
}

static bool has_text_bound(struct dom_value range)
{
    static const char *const bounds[] = {"lt", "gt", "lte", "gte"};
    struct dom_value bound;
    for (size_t i = 0; i < sizeof(bounds) / sizeof(*bounds); i++) {
        if (object_find(range, bounds[i], &bound) && dom_type(bound) == DOM_STRING)
            return true;
    }
    return false;
}

static enum status read_range(struct reading *reading, struct dom_value value,
                              ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    (void)field;
    if (dom_type(value) != DOM_OBJECT)
        return read_type_fail(reading, value, "a map");
    return read_named(reading, value, message,
                      has_text_bound(value) ? "datetime_range" : "exact_range");
}

static enum status read_exact_number(struct reading *reading, struct dom_value value,
                                     ProtobufCMessage *message)
{
    Qdrant__ExactNumber *number = (Qdrant__ExactNumber *)message;
    switch (dom_type(value)) {
    case DOM_SIGNED:
        number->signed_value = dom_signed(value);
        number->kind_case = QDRANT__EXACT_NUMBER__KIND_SIGNED_VALUE;
        return STATUS_OK;
    case DOM_UNSIGNED:
        number->unsigned_value = dom_unsigned(value);
        number->kind_case = QDRANT__EXACT_NUMBER__KIND_UNSIGNED_VALUE;
        return STATUS_OK;
    case DOM_REAL:
        number->real_value = dom_real(value);
        number->kind_case = QDRANT__EXACT_NUMBER__KIND_REAL_VALUE;
        return STATUS_OK;
    default:
        return read_type_fail(reading, value, "a number");
    }
}

static enum status read_timestamp(struct reading *reading, struct dom_value value,
                                  ProtobufCMessage *message)
{
    enum { US_PER_SECOND = 1000000 };
    Google__Protobuf__Timestamp *out = (Google__Protobuf__Timestamp *)message;
    int64_t us;
    if (dom_type(value) != DOM_STRING)
        return read_type_fail(reading, value, "a point in time");
    if (!datetime_parse(dom_string(value), &us))
        return read_fail(reading, "value %.60s is not a valid RFC 3339 date and time",
                         (const char *)dom_string(value).data);
    int64_t rest = us % US_PER_SECOND;
    if (rest < 0)
        rest += US_PER_SECOND;
    out->seconds = (us - rest) / US_PER_SECOND;
    out->nanos = (int32_t)rest * 1000;
    return STATUS_OK;
}

static enum status check_field(struct reading *reading, ProtobufCMessage *message, uint64_t seen)
{
    (void)seen;
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        if (field->type != PROTOBUF_C_TYPE_STRING && field_present(message, field))
            return STATUS_OK;
    }
    read_violation(reading, NULL, "At least one field condition must be specified");
    return STATUS_OK;
}

static enum status check_geo_point(struct reading *reading, ProtobufCMessage *message,
                                   uint64_t seen)
{
    (void)seen;
    const Qdrant__GeoPoint *point = (const Qdrant__GeoPoint *)message;
    if (fabs(point->lat) > 90 || fabs(point->lon) > 180)
        return read_fail(reading,
                         "wrong format of GeoPoint: expected lat = %g within [-90, 90] and lon = "
                         "%g within [-180, 180]",
                         point->lat, point->lon);
    return STATUS_OK;
}

static const struct shape_field filter_fields[] = {
    {"must", NULL, NULL, FIELD_ONE_OR_LIST, 0, 0},
    {"should", NULL, NULL, FIELD_ONE_OR_LIST, 0, 0},
    {"must_not", NULL, NULL, FIELD_ONE_OR_LIST, 0, 0},
    {"min_should", NULL, NULL, 0, 0, 0},
    {0},
};
static const struct shape_field min_should_fields[] = {
    {"conditions", NULL, NULL, FIELD_REQUIRED, 0, 0},
    {"min_count", NULL, NULL, FIELD_REQUIRED, 0, 0},
    {0},
};
static const struct shape_field key_fields[] = {
    {"key", NULL, NULL, FIELD_REQUIRED, 0, 0},
    {0},
};
static const struct shape_field nested_fields[] = {
    {"key", NULL, NULL, FIELD_REQUIRED, 0, 0},
    {"filter", NULL, NULL, FIELD_REQUIRED, 0, 0},
    {0},
};
static const struct shape_field slice_fields[] = {
    {"total", NULL, NULL, FIELD_REQUIRED | FIELD_MIN, 1, 0},
    {"index", NULL, NULL, FIELD_REQUIRED, 0, 0},
    {0},
};
static const struct shape_field field_fields[] = {
    {"key", NULL, NULL, FIELD_REQUIRED, 0, 0},
    {"range", NULL, read_range, 0, 0, 0},
    {"datetime_range", NULL, NULL, FIELD_HIDDEN, 0, 0},
    {0},
};
static const struct shape_field match_fields[] = {
    {"value", "keyword", read_match_value, 0, 0, 0},
    {"text", NULL, NULL, 0, 0, 0},
    {"text_any", NULL, NULL, 0, 0, 0},
    {"phrase", NULL, NULL, 0, 0, 0},
    {"prefix", NULL, NULL, 0, 0, 0},
    {"substring", NULL, NULL, 0, 0, 0},
    {"wildcard", NULL, NULL, 0, 0, 0},
    {"regex", NULL, NULL, 0, 0, 0},
    {"any", "keywords", read_match_any, 0, 0, 0},
    {"except", "except_keywords", read_match_except, 0, 0, 0},
    {0},
};
static const struct shape_field geo_point_fields[] = {
    {"lon", NULL, NULL, FIELD_REQUIRED, 0, 0},
    {"lat", NULL, NULL, FIELD_REQUIRED, 0, 0},
    {0},
};
static const struct shape_field geo_box_fields[] = {
    {"top_left", NULL, NULL, FIELD_REQUIRED, 0, 0},
    {"bottom_right", NULL, NULL, FIELD_REQUIRED, 0, 0},
    {0},
};
static const struct shape_field geo_radius_fields[] = {
    {"center", NULL, NULL, FIELD_REQUIRED, 0, 0},
    {"radius", NULL, NULL, FIELD_REQUIRED, 0, 0},
    {0},
};
static const struct shape_field geo_polygon_fields[] = {
    {"exterior", NULL, NULL, FIELD_REQUIRED, 0, 0},
    {0},
};
static const struct shape_field geo_line_fields[] = {
    {"points", NULL, NULL, FIELD_REQUIRED, 0, 0},
    {0},
};

const struct shape shapes_filter[] = {
    {.descriptor = &qdrant__condition__descriptor, .read = read_condition},
    {.descriptor = &qdrant__filter__descriptor, .flags = SHAPE_LISTED, .fields = filter_fields},
    {.descriptor = &qdrant__min_should__descriptor, .fields = min_should_fields},
    {.descriptor = &qdrant__is_empty_condition__descriptor, .fields = key_fields},
    {.descriptor = &qdrant__is_null_condition__descriptor, .fields = key_fields},
    {.descriptor = &qdrant__has_id_condition__descriptor, .flags = SHAPE_BARE},
    {.descriptor = &qdrant__has_vector_condition__descriptor, .flags = SHAPE_BARE},
    {.descriptor = &qdrant__nested_condition__descriptor, .fields = nested_fields},
    {.descriptor = &qdrant__slice_condition__descriptor, .fields = slice_fields},
    {.descriptor = &qdrant__field_condition__descriptor,
     .fields = field_fields,
     .check = check_field},
    {.descriptor = &qdrant__match__descriptor,
     .flags = SHAPE_LISTED | SHAPE_ONE_OF,
     .fields = match_fields},
    {.descriptor = &qdrant__repeated_strings__descriptor, .flags = SHAPE_BARE},
    {.descriptor = &qdrant__repeated_integers__descriptor, .flags = SHAPE_BARE},
    {.descriptor = &qdrant__exact_number__descriptor, .read = read_exact_number},
    {.descriptor = &google__protobuf__timestamp__descriptor, .read = read_timestamp},
    {.descriptor = &qdrant__geo_point__descriptor,
     .fields = geo_point_fields,
     .check = check_geo_point},
    {.descriptor = &qdrant__geo_bounding_box__descriptor, .fields = geo_box_fields},
    {.descriptor = &qdrant__geo_radius__descriptor, .fields = geo_radius_fields},
    {.descriptor = &qdrant__geo_polygon__descriptor, .fields = geo_polygon_fields},
    {.descriptor = &qdrant__geo_line_string__descriptor, .fields = geo_line_fields},
    {0},
};
