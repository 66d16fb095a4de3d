/* From a REST request to an operation's message: path, query string, then body.
 *
 * Threads: any, with one parser each. What can fail: the client's text only, and the request's
 * memory limit. The parser's buffers are given back when a large body made them grow. */
#include "collections.pb-c.h"
#include "points.pb-c.h"
#include "sagitta.pb-c.h"

#include "index/point_id.h"
#include "server/rest/rest.h"
#include "server/rest/shape.h"
#include "storage/base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { COLLECTION_NAME_MAX = 255 };

struct rest_parser {
    struct dom_parser *dom;
};

struct rest_parser *rest_parser_create(void)
{
    struct rest_parser *parser = mem_zalloc(sizeof(*parser));
    parser->dom = dom_parser_create();
    if (!parser->dom) {
        mem_free(parser);
        return NULL;
    }
    return parser;
}

void rest_parser_destroy(struct rest_parser *parser)
{
    if (!parser)
        return;
    dom_parser_destroy(parser->dom);
    mem_free(parser);
}

static enum status parameter_fail(struct error *err, const char *where, const struct rest_param *at,
                                  const char *expected)
{
    return error_set(err, STATUS_FORMAT, "Deserialize error in %s: %.*s: `%.*s` is not %s", where,
                     (int)at->name.size, (const char *)at->name.data,
                     at->value.size > 100 ? 100 : (int)at->value.size, (const char *)at->value.data,
                     expected);
}

static bool parse_unsigned(struct slice text, uint64_t max, uint64_t *out)
{
    uint64_t number = 0;
    if (!text.size)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' ||
            __builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, (uint64_t)(text.data[i] - '0'), &number))
            return false;
    }
    *out = number;
    return number <= max;
}

static enum status set_text(struct arena *arena, struct slice text, ProtobufCMessage *message,
                            const ProtobufCFieldDescriptor *field, struct error *err)
{
    char *copy = arena_strndup(arena, (const char *)text.data, text.size);
    if (!copy)
        return error_set(err, STATUS_TOO_LARGE, "request needs too much memory");
    memcpy(field_place(message, field), &copy, sizeof(copy));
    field_mark(message, field);
    return STATUS_OK;
}

/* A scalar of the query string by the type of its field. */
static enum status set_scalar(struct arena *arena, const struct rest_param *param,
                              ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
                              struct error *err)
{
    void *place = field_place(message, field);
    uint64_t number = 0;
    bool yes;
    switch (field->type) {
    case PROTOBUF_C_TYPE_BOOL:
        yes = slice_equal(param->value, SLICE_LITERAL("true"));
        if (!yes && !slice_equal(param->value, SLICE_LITERAL("false")))
            return parameter_fail(err, "query parameters", param, "a boolean");
        *(protobuf_c_boolean *)place = yes;
        break;
    case PROTOBUF_C_TYPE_UINT32:
        if (!parse_unsigned(param->value, UINT32_MAX, &number))
            return parameter_fail(err, "query parameters", param, "an unsigned integer");
        *(uint32_t *)place = (uint32_t)number;
        break;
    case PROTOBUF_C_TYPE_UINT64:
        if (!parse_unsigned(param->value, UINT64_MAX, &number))
            return parameter_fail(err, "query parameters", param, "an unsigned integer");
        *(uint64_t *)place = number;
        break;
    case PROTOBUF_C_TYPE_STRING:
        return set_text(arena, param->value, message, field, err);
    default:
        return STATUS_OK; /* nothing that the contract gives in a query string */
    }
    field_mark(message, field);
    return STATUS_OK;
}

static enum status set_ordering(struct arena *arena, const struct rest_param *param,
                                ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
                                struct error *err)
{
    int value;
    if (!enum_value(&qdrant__write_ordering_type__descriptor, param->value, &value))
        return parameter_fail(err, "query parameters", param, "one of `weak`, `medium`, `strong`");
    Qdrant__WriteOrdering *ordering =
        (void *)message_new(arena, &qdrant__write_ordering__descriptor);
    if (!ordering)
        return error_set(err, STATUS_TOO_LARGE, "request needs too much memory");
    ordering->type = (Qdrant__WriteOrderingType)value;
    memcpy(field_place(message, field), &ordering, sizeof(void *));
    return STATUS_OK;
}

static enum status set_consistency(struct arena *arena, const struct rest_param *param,
                                   ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
                                   struct error *err)
{
    int type = 0;
    uint64_t factor = 0;
    bool named = enum_value(&qdrant__read_consistency_type__descriptor, param->value, &type);
    if (!named && (!parse_unsigned(param->value, UINT64_MAX, &factor) || factor == 0))
        return parameter_fail(err, "query parameters", param,
                              "a number from 1 or one of `majority`, `quorum`, `all`");
    Qdrant__ReadConsistency *consistency =
        (void *)message_new(arena, &qdrant__read_consistency__descriptor);
    if (!consistency)
        return error_set(err, STATUS_TOO_LARGE, "request needs too much memory");
    if (named) {
        consistency->type = (Qdrant__ReadConsistencyType)type;
        consistency->value_case = QDRANT__READ_CONSISTENCY__VALUE_TYPE;
    } else {
        consistency->factor = factor;
        consistency->value_case = QDRANT__READ_CONSISTENCY__VALUE_FACTOR;
    }
    memcpy(field_place(message, field), &consistency, sizeof(void *));
    return STATUS_OK;
}

/* The names that a request takes from its query string; anything else there is ignored. */
static const struct {
    const char *name, *field;
} query_fields[] = {
    {"wait", "wait"},           {"ordering", "ordering"},
    {"timeout", "timeout"},     {"consistency", "read_consistency"},
    {"anonymize", "anonymize"}, {"details_level", "details_level"},
    {"with", "with"},           {"completed_limit", "completed_limit"},
};

static const ProtobufCFieldDescriptor *query_field(const ProtobufCMessage *message,
                                                   struct slice name)
{
    for (size_t i = 0; i < sizeof(query_fields) / sizeof(*query_fields); i++) {
        if (slice_equal(slice_text(query_fields[i].name), name))
            return field_of(message, query_fields[i].field);
    }
    return NULL;
}

static enum status read_query_param(struct arena *arena, const struct rest_param *param,
                                    ProtobufCMessage *message, struct error *err)
{
    const ProtobufCFieldDescriptor *field = query_field(message, param->name);
    if (!field)
        return STATUS_OK;
    if (field->descriptor == &qdrant__write_ordering__descriptor)
        return set_ordering(arena, param, message, field, err);
    if (field->descriptor == &qdrant__read_consistency__descriptor)
        return set_consistency(arena, param, message, field, err);
    enum status status = set_scalar(arena, param, message, field, err);
    if (status == STATUS_OK && strcmp(field->name, "timeout") == 0 &&
        *(const uint64_t *)field_place(message, field) == 0)
        return error_set(err, STATUS_VALIDATION,
                         "Validation error in query parameters: [timeout: value 0 invalid, must "
                         "be 1 or larger]");
    return status;
}

static enum status read_path_id(struct arena *arena, const struct rest_param *param,
                                ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
                                struct error *err)
{
    struct point_id parsed;
    char text[POINT_ID_TEXT_BYTES];
    if (!point_id_parse(param->value, &parsed))
        return parameter_fail(err, "path parameters", param,
                              "a valid point ID, valid values are either an unsigned integer or a "
                              "UUID");
    Qdrant__PointId *id = (void *)message_new(arena, &qdrant__point_id__descriptor);
    if (!id)
        return error_set(err, STATUS_TOO_LARGE, "request needs too much memory");
    memcpy(field_place(message, field), &id, sizeof(void *));
    if (!parsed.is_uuid) {
        id->num = parsed.low;
        id->point_id_options_case = QDRANT__POINT_ID__POINT_ID_OPTIONS_NUM;
        return STATUS_OK;
    }
    point_id_format(parsed, text);
    return set_text(arena, slice_text(text), &id->base, field_of(&id->base, "uuid"), err);
}

/* Counts characters, not bytes: the percent-decoded path may be UTF-8. */
static size_t count_characters(struct slice text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.size; i++)
        count += (text.data[i] & 0xC0) != 0x80;
    return count;
}

static enum status check_collection_name(struct slice name, struct error *err)
{
    static const char label[] = "Validation error in path parameters: [collection_name:";
    size_t characters = count_characters(name);
    if (characters < 1 || characters > COLLECTION_NAME_MAX)
        return error_set(err, STATUS_VALIDATION,
                         "%s value invalid, must be from 1 to %d characters]", label,
                         COLLECTION_NAME_MAX);
    for (size_t i = 0; i < name.size; i++) {
        uint8_t byte = name.data[i];
        if (byte < 0x20 || byte == 0x7F)
            return error_set(err, STATUS_VALIDATION,
                             "%s collection name cannot contain control characters]", label);
        if (strchr("/\\<>:\"|?*", byte))
            return error_set(err, STATUS_VALIDATION,
                             "%s collection name cannot contain \"%c\" char]", label, byte);
    }
    return STATUS_OK;
}

static enum status read_path_param(struct arena *arena, const struct rest_param *param,
                                   ProtobufCMessage *message, struct error *err)
{
    const ProtobufCFieldDescriptor *field;
    if (slice_equal(param->name, SLICE_LITERAL("id"))) {
        field = field_of(message, "id");
        return field ? read_path_id(arena, param, message, field, err) : STATUS_OK;
    }
    bool names_collection = slice_equal(param->name, SLICE_LITERAL("collection_name"));
    if (!names_collection && !slice_equal(param->name, SLICE_LITERAL("field_name")))
        return STATUS_OK;
    field = field_of(message, names_collection ? "collection_name" : "field_name");
    if (!field)
        return STATUS_OK;
    if (message->descriptor == &qdrant__create_collection__descriptor) {
        enum status status = check_collection_name(param->value, err);
        if (status != STATUS_OK)
            return status;
    }
    if (param->value.size && memchr(param->value.data, 0, param->value.size))
        return parameter_fail(err, "path parameters", param,
                              names_collection ? "a collection name" : "a payload key");
    return set_text(arena, param->value, message, field, err);
}

static enum status read_body(struct reading *reading, struct rest_parser *parser, struct slice body,
                             ProtobufCMessage *message)
{
    struct dom_value root;
    if (!body.size)
        return read_fail(reading, "EOF while parsing a value at line 1 column 0");
    const char *fault = dom_parse(parser->dom, body, &root);
    if (fault)
        return read_fail(reading, "%s", fault);
    buffer_init(&reading->scratch, 0);
    enum status status = read_message(reading, root, message);
    buffer_deinit(&reading->scratch);
    dom_parser_trim(parser->dom);
    if (status == STATUS_OK && reading->violations_size)
        return error_set(reading->err, STATUS_VALIDATION, "Validation error in %s: [%s]",
                         reading->label, reading->violations);
    return status;
}

static bool takes_body(const struct op *op)
{
    return strcmp(op->method, "GET") != 0 && strcmp(op->method, "DELETE") != 0;
}

enum status rest_decode(const struct op *op, const struct rest_request *request,
                        struct rest_parser *parser, struct arena *arena, ProtobufCMessage **out,
                        struct error *err)
{
    ProtobufCMessage *message = message_new(arena, op->input);
    enum status status = STATUS_OK;
    if (!message)
        return error_set(err, STATUS_TOO_LARGE, "request needs too much memory");
    for (size_t i = 0; i < request->path_count && status == STATUS_OK; i++)
        status = read_path_param(arena, &request->path[i], message, err);
    for (size_t i = 0; i < request->query_count && status == STATUS_OK; i++)
        status = read_query_param(arena, &request->query[i], message, err);
    if (status == STATUS_OK && takes_body(op)) {
        struct reading reading = {.arena = arena, .err = err, .label = "JSON body"};
        status = read_body(&reading, parser, request->body, message);
    }
    if (status == STATUS_OK)
        *out = message;
    return status;
}
