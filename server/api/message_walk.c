/* Walks over messages and reads their fields by name.
 *
 * Bounded by the message's size and by WALK_DEPTH_MAX. Nothing can fail. */
#include "server/api/message_walk.h"

#include <stdint.h>

static const void *place(const ProtobufCMessage *message, size_t offset)
{
    return (const char *)message + offset;
}

static bool walk(const ProtobufCMessage *message, walk_visit visit, void *ctx, unsigned depth);

static bool walk_field(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
                       walk_visit visit, void *ctx, unsigned depth)
{
    const void *at = place(message, field->offset);
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        size_t count = *(const size_t *)place(message, field->quantifier_offset);
        ProtobufCMessage *const *items = *(ProtobufCMessage *const *const *)at;
        for (size_t i = 0; i < count; i++) {
            if (!walk(items[i], visit, ctx, depth)) {
                return false;
            }
        }
        return true;
    }
    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) &&
        *(const uint32_t *)place(message, field->quantifier_offset) != field->id) {
        return true;
    }
    return walk(*(ProtobufCMessage *const *)at, visit, ctx, depth);
}

static bool walk_inside(const ProtobufCMessage *message, walk_visit visit, void *ctx,
                        unsigned depth)
{
    const ProtobufCMessageDescriptor *descriptor = message->descriptor;
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        if (descriptor->fields[i].type == PROTOBUF_C_TYPE_MESSAGE &&
            !walk_field(message, &descriptor->fields[i], visit, ctx, depth)) {
            return false;
        }
    }
    return true;
}

static bool walk(const ProtobufCMessage *message, walk_visit visit, void *ctx, unsigned depth)
{
    if (!message) {
        return true;
    }
    if (depth >= WALK_DEPTH_MAX) {
        return false;
    }
    enum walk_step step = visit(ctx, message);
    return step == WALK_IN ? walk_inside(message, visit, ctx, depth + 1) : step == WALK_PAST;
}

bool message_walk(const ProtobufCMessage *message, walk_visit visit, void *ctx)
{
    return walk(message, visit, ctx, 0);
}

bool message_walk_inside(const ProtobufCMessage *message, walk_visit visit, void *ctx)
{
    return walk_inside(message, visit, ctx, 1);
}

/* NULL: no such field, or not present. */
static const ProtobufCFieldDescriptor *present_field(const ProtobufCMessage *message,
                                                     const char *name)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(message->descriptor, name);
    if (field && field->label != PROTOBUF_C_LABEL_REPEATED &&
        (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) &&
        *(const uint32_t *)place(message, field->quantifier_offset) != field->id) {
        return NULL;
    }
    return field;
}

bool message_number(const ProtobufCMessage *message, const char *name, double *out)
{
    const ProtobufCFieldDescriptor *field = present_field(message, name);
    if (!field) {
        return false;
    }
    const void *at = place(message, field->offset);
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        *out = (double)*(const size_t *)place(message, field->quantifier_offset);
        return true;
    }
    switch (field->type) {
    case PROTOBUF_C_TYPE_BOOL:
        *out = *(const protobuf_c_boolean *)at ? 1 : 0;
        return true;
    case PROTOBUF_C_TYPE_UINT32:
        *out = *(const uint32_t *)at;
        return true;
    case PROTOBUF_C_TYPE_UINT64:
        *out = (double)*(const uint64_t *)at;
        return true;
    case PROTOBUF_C_TYPE_FLOAT:
        *out = (double)*(const float *)at;
        return true;
    case PROTOBUF_C_TYPE_DOUBLE:
        *out = *(const double *)at;
        return true;
    default:
        return false;
    }
}

const char *message_text(const ProtobufCMessage *message, const char *name)
{
    const ProtobufCFieldDescriptor *field = present_field(message, name);
    if (!field || field->type != PROTOBUF_C_TYPE_STRING ||
        field->label == PROTOBUF_C_LABEL_REPEATED) {
        return NULL;
    }
    return *(char *const *)place(message, field->offset);
}
