/* Prints messages as JSON, driven by descriptors and the shapes that reading uses.
 *
 * The story of a message: a shape may print it whole, as its first field alone, or as the arm that
 * is set; else it is an object of its fields that are present, under their JSON names, in the order
 * of their numbers. Lists and maps are printed even when empty; absent messages and arms are left
 * out. Bytes hold JSON text and are spliced. Pure functions of the message; nothing fails but the
 * buffer. */
#include "server/rest/shape.h"
#include "storage/base/assert.h"

static size_t list_count(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    const uint8_t *base = (const uint8_t *)message;
    return *(const size_t *)(const void *)(base + field->quantifier_offset);
}

static void write_enum(struct json_writer *writer, const ProtobufCFieldDescriptor *field, int value)
{
    const char *text = enum_text(field->descriptor, value);
    if (text)
        json_text(writer, text);
    else
        json_null(writer);
}

static void write_bytes(struct json_writer *writer, const void *place)
{
    ProtobufCBinaryData data;
    memcpy(&data, place, sizeof(data));
    if (data.len)
        json_raw(writer, slice_of(data.data, data.len));
    else
        json_null(writer);
}

static void write_value(struct json_writer *writer, const ProtobufCFieldDescriptor *field,
                        const void *place)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_BOOL:
        json_bool(writer, *(const protobuf_c_boolean *)place);
        return;
    case PROTOBUF_C_TYPE_STRING:
        json_text(writer, *(const char *const *)place);
        return;
    case PROTOBUF_C_TYPE_UINT32:
        json_unsigned(writer, *(const uint32_t *)place);
        return;
    case PROTOBUF_C_TYPE_UINT64:
        json_unsigned(writer, *(const uint64_t *)place);
        return;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
        json_signed(writer, *(const int64_t *)place);
        return;
    case PROTOBUF_C_TYPE_FLOAT:
        json_float(writer, *(const float *)place);
        return;
    case PROTOBUF_C_TYPE_DOUBLE:
        json_double(writer, *(const double *)place);
        return;
    case PROTOBUF_C_TYPE_ENUM:
        write_enum(writer, field, *(const int *)place);
        return;
    case PROTOBUF_C_TYPE_BYTES:
        write_bytes(writer, place);
        return;
    case PROTOBUF_C_TYPE_MESSAGE:
        write_message(writer, *(const ProtobufCMessage *const *)place);
        return;
    default:
        break;
    }
    ASSERT(false); /* answers have no other types */
}

static size_t item_size(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_ENUM:
        return 4;
    default:
        return 8;
    }
}

static void write_list(struct json_writer *writer, const ProtobufCMessage *message,
                       const ProtobufCFieldDescriptor *field)
{
    size_t count = list_count(message, field), size = item_size(field->type);
    const uint8_t *items = *(const uint8_t *const *)field_place(message, field);
    if (field->type == PROTOBUF_C_TYPE_FLOAT) {
        json_floats(writer, (const float *)(const void *)items, count);
        return;
    }
    json_begin_list(writer);
    for (size_t i = 0; i < count; i++)
        write_value(writer, field, items + i * size);
    json_end_list(writer);
}

static void write_map(struct json_writer *writer, const ProtobufCMessage *message,
                      const ProtobufCFieldDescriptor *field)
{
    size_t count = list_count(message, field);
    const ProtobufCMessage *const *entries =
        *(const ProtobufCMessage *const *const *)field_place(message, field);
    json_begin_object(writer);
    for (size_t i = 0; i < count; i++) {
        const ProtobufCFieldDescriptor *fields = entries[i]->descriptor->fields;
        json_key(writer, *(const char *const *)field_place(entries[i], &fields[0]));
        if (field_present(entries[i], &fields[1]))
            write_field(writer, entries[i], &fields[1]);
        else
            json_null(writer);
    }
    json_end_object(writer);
}

void write_field(struct json_writer *writer, const ProtobufCMessage *message,
                 const ProtobufCFieldDescriptor *field)
{
    if (field_is_map(field))
        write_map(writer, message, field);
    else if (field->label == PROTOBUF_C_LABEL_REPEATED)
        write_list(writer, message, field);
    else
        write_value(writer, field, field_place(message, field));
}

/* NULL: the field is not printed. */
static const char *json_name(const struct shape *shape, const ProtobufCFieldDescriptor *field)
{
    bool shadowed = false;
    for (const struct shape_field *row = shape ? shape->fields : NULL; row && row->json; row++) {
        const char *proto = row->proto ? row->proto : row->json;
        if (strcmp(proto, field->name) == 0)
            return row->flags & FIELD_HIDDEN ? NULL : row->json;
        shadowed = shadowed || strcmp(row->json, field->name) == 0;
    }
    return shadowed ? NULL : field->name;
}

static void write_arm(struct json_writer *writer, const ProtobufCMessage *message)
{
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) && field_present(message, field)) {
            write_field(writer, message, field);
            return;
        }
    }
    json_null(writer);
}

static bool is_printed(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    return field->label == PROTOBUF_C_LABEL_REPEATED || field_present(message, field);
}

void write_members(struct json_writer *writer, const ProtobufCMessage *message)
{
    const struct shape *shape = shape_find(message->descriptor);
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        const char *name = json_name(shape, field);
        if (!name || !is_printed(message, field))
            continue;
        json_key(writer, name);
        write_field(writer, message, field);
    }
}

void write_message(struct json_writer *writer, const ProtobufCMessage *message)
{
    const ProtobufCMessageDescriptor *descriptor = message->descriptor;
    const struct shape *shape = shape_find(descriptor);
    if (shape && shape->write) {
        shape->write(writer, message);
        return;
    }
    if (shape && (shape->flags & SHAPE_BARE)) {
        write_field(writer, message, &descriptor->fields[0]);
        return;
    }
    if (shape && (shape->flags & SHAPE_ARM)) {
        write_arm(writer, message);
        return;
    }
    json_begin_object(writer);
    write_members(writer, message);
    json_end_object(writer);
}
