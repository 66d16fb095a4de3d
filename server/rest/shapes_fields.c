/* Shapes of payload indexes: creating one, and how the collection shows it.
 *
 * A field's schema is the name of its type, or an object whose `type` names it and whose other
 * members are the parameters of that type. A stemmer is named by its `type` too, stop words are a
 * language or a set, and a keyword's prefix index is switched on by `true`. */
#include "collections.pb-c.h"
#include "points.pb-c.h"

#include "server/rest/shape.h"

/* The member of PayloadIndexParams that has the parameters of a type. */
static const char *const type_params[][2] = {
    {"keyword", "keyword_index_params"},   {"integer", "integer_index_params"},
    {"float", "float_index_params"},       {"geo", "geo_index_params"},
    {"text", "text_index_params"},         {"bool", "bool_index_params"},
    {"datetime", "datetime_index_params"}, {"uuid", "uuid_index_params"},
};

static enum status read_type(struct reading *reading, struct dom_value value,
                             Qdrant__CreateFieldIndexCollection *request, const char **params)
{
    struct slice text = dom_string(value);
    for (int i = 0; i < (int)(sizeof(type_params) / sizeof(type_params[0])); i++) {
        if (slice_equal(text, slice_text(type_params[i][0]))) {
            request->_field_type_case =
                QDRANT__CREATE_FIELD_INDEX_COLLECTION___FIELD_TYPE_FIELD_TYPE;
            request->field_type = (Qdrant__FieldType)i; /* in the order of the enum */
            *params = type_params[i][1];
            return STATUS_OK;
        }
    }
    return read_fail(reading,
                     "unknown variant `%.60s`, expected one of `keyword`, `integer`, `float`, "
                     "`geo`, `text`, `bool`, `datetime`, `uuid`",
                     (const char *)text.data);
}

static enum status read_schema(struct reading *reading, struct dom_value value,
                               ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    Qdrant__CreateFieldIndexCollection *request = (Qdrant__CreateFieldIndexCollection *)message;
    const char *params = NULL;
    struct dom_value type;
    (void)field;
    if (dom_type(value) == DOM_STRING)
        return read_type(reading, value, request, &params);
    if (dom_type(value) != DOM_OBJECT)
        return read_type_fail(reading, value, "a payload index type or parameters");
    if (!object_find(value, "type", &type) || dom_type(type) != DOM_STRING)
        return read_fail(reading, "missing field `type`");
    enum status status = read_type(reading, type, request, &params);
    if (status != STATUS_OK)
        return status;
    request->field_index_params =
        (void *)message_new(reading->arena, &qdrant__payload_index_params__descriptor);
    if (!request->field_index_params)
        return read_no_memory(reading);
    return read_named(reading, value, &request->field_index_params->base, params);
}

/* ---- parts of the parameters ---- */

static enum status read_prefix(struct reading *reading, struct dom_value value,
                               ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    Qdrant__KeywordIndexParams *params = (Qdrant__KeywordIndexParams *)message;
    (void)field;
    if (dom_type(value) != DOM_BOOL)
        return read_type_fail(reading, value, "a boolean");
    if (!dom_bool(value))
        return STATUS_OK;
    params->prefix =
        (void *)message_new(reading->arena, &qdrant__keyword_prefix_params__descriptor);
    return params->prefix ? STATUS_OK : read_no_memory(reading);
}

static void write_prefix(struct json_writer *writer, const ProtobufCMessage *message)
{
    (void)message;
    json_bool(writer, true);
}

/* A language by its name stands for a set of one. */
static enum status read_stopwords(struct reading *reading, struct dom_value value,
                                  ProtobufCMessage *message)
{
    Qdrant__StopwordsSet *set = (Qdrant__StopwordsSet *)message;
    if (dom_type(value) != DOM_STRING)
        return read_object(reading, value, message, shape_find(message->descriptor));
    struct slice text = dom_string(value);
    set->languages = arena_new_array(reading->arena, char *, 1);
    if (!set->languages)
        return read_no_memory(reading);
    set->languages[0] = arena_strndup(reading->arena, (const char *)text.data, text.size);
    set->n_languages = 1;
    return set->languages[0] ? STATUS_OK : read_no_memory(reading);
}

static enum status read_stemmer(struct reading *reading, struct dom_value value,
                                ProtobufCMessage *message)
{
    struct dom_value type;
    if (dom_type(value) != DOM_OBJECT || !object_find(value, "type", &type) ||
        dom_type(type) != DOM_STRING)
        return read_fail(reading, "missing field `type` of a stemmer");
    if (slice_equal(dom_string(type), SLICE_LITERAL("snowball")))
        return read_named(reading, value, message, "snowball");
    if (slice_equal(dom_string(type), SLICE_LITERAL("none")) ||
        slice_equal(dom_string(type), SLICE_LITERAL("disabled")))
        return read_named(reading, value, message, "disabled");
    return read_fail(reading, "unknown stemmer `%.60s`, expected `snowball` or `none`",
                     (const char *)dom_string(type).data);
}

static void write_stemmer(struct json_writer *writer, const ProtobufCMessage *message)
{
    const Qdrant__StemmingAlgorithm *stemmer = (const Qdrant__StemmingAlgorithm *)message;
    bool snowball =
        stemmer->stemming_params_case == QDRANT__STEMMING_ALGORITHM__STEMMING_PARAMS_SNOWBALL;
    json_begin_object(writer);
    json_key(writer, "type");
    json_text(writer, snowball ? "snowball" : "none");
    if (snowball) {
        json_key(writer, "language");
        json_text(writer, stemmer->snowball->language);
    }
    json_end_object(writer);
}

/* ---- how an index is shown ---- */

static void write_params(struct json_writer *writer, const ProtobufCMessage *message)
{
    for (size_t i = 0; i < sizeof(type_params) / sizeof(type_params[0]); i++) {
        const ProtobufCFieldDescriptor *field = field_of(message, type_params[i][1]);
        if (!field_present(message, field))
            continue;
        const ProtobufCMessage *params =
            *(const ProtobufCMessage *const *)field_place(message, field);
        json_begin_object(writer);
        json_key(writer, "type");
        json_text(writer, type_params[i][0]);
        write_members(writer, params);
        json_end_object(writer);
        return;
    }
    json_null(writer);
}

static const struct shape_field create_fields[] = {
    {"field_name", NULL, NULL, FIELD_REQUIRED, 0, 0},
    {"field_schema", "field_index_params", read_schema, 0, 0, 0},
    {0},
};
static const struct shape_field keyword_fields[] = {
    {"prefix", NULL, read_prefix, 0, 0, 0},
    {0},
};
static const struct shape_field snowball_fields[] = {
    {"language", NULL, NULL, FIELD_REQUIRED, 0, 0},
    {0},
};

const struct shape shapes_fields[] = {
    {.descriptor = &qdrant__create_field_index_collection__descriptor,
     .flags = SHAPE_REQUEST | SHAPE_LISTED,
     .fields = create_fields},
    {.descriptor = &qdrant__delete_field_index_collection__descriptor, .flags = SHAPE_REQUEST},
    {.descriptor = &qdrant__keyword_index_params__descriptor, .fields = keyword_fields},
    {.descriptor = &qdrant__keyword_prefix_params__descriptor, .write = write_prefix},
    {.descriptor = &qdrant__stopwords_set__descriptor, .read = read_stopwords},
    {.descriptor = &qdrant__stemming_algorithm__descriptor,
     .flags = SHAPE_ONE_OF,
     .read = read_stemmer,
     .write = write_stemmer},
    {.descriptor = &qdrant__snowball_params__descriptor, .fields = snowball_fields},
    {.descriptor = &qdrant__payload_index_params__descriptor, .write = write_params},
    {0},
};
