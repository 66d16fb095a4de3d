/* Reads JSON into messages, driven by descriptors and shapes.
 *
 * The story of an object: each member is looked up among the rows of the shape, then among the
 * fields of the descriptor; unknown ones are passed over, null counts as absent, of duplicates the
 * last wins. The field's type says how the value is read: scalars with their range, lists in one
 * array, maps as lists of entries, messages by recursion. Depth is bounded by the parser. A wrong
 * form ends the reading at once (FORMAT); a value outside its limits is noted and all such notes
 * come back together (VALIDATION). Memory is the arena's. */
#include "server/rest/json_payload.h"
#include "server/rest/shape.h"
#include "storage/base/assert.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

enum { FIELD_ID_PRIVATE = 1000 }; /* from here on, fields are the server's own */

static const char *const request_fields[] = {"collection_name",  "wait",    "ordering",
                                             "read_consistency", "timeout", NULL};

const struct shape *shape_find(const ProtobufCMessageDescriptor *descriptor)
{
    static const struct shape *const tables[] = {shapes_points, shapes_vectors, shapes_common,
                                                 shapes_filter, shapes_query,   shapes_collections,
                                                 shapes_fields};
    for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++) {
        for (const struct shape *shape = tables[i]; shape->descriptor; shape++) {
            if (shape->descriptor == descriptor)
                return shape;
        }
    }
    return NULL;
}

static void format_path(const struct path *path, bool quirks, struct buffer *out)
{
    if (!path)
        return;
    format_path(path->up, quirks, out);
    if (path->quirk && !quirks)
        return;
    if (!path->name.data) {
        buffer_printf(out, "[%zu]", path->index);
        return;
    }
    if (out->size)
        buffer_append_byte(out, '.');
    buffer_append_slice(out, path->name);
}

enum status read_fail(struct reading *reading, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    struct buffer place;
    buffer_init(&place, 0);
    format_path(reading->path, false, &place);
    int size = place.size > 200 ? 200 : (int)place.size;
    enum status status =
        error_set(reading->err, STATUS_FORMAT, "Format error in %s: %.*s%s%s", reading->label, size,
                  size ? (const char *)place.data : "", size ? ": " : "", text);
    buffer_deinit(&place);
    return status;
}

enum status read_no_memory(struct reading *reading)
{
    return error_set(reading->err, STATUS_TOO_LARGE, "request needs too much memory");
}

enum status read_type_fail(struct reading *reading, struct dom_value value, const char *expected)
{
    char number[DOM_NUMBER_TEXT_MAX + 1] = "";
    switch (dom_type(value)) {
    case DOM_NULL:
        return read_fail(reading, "invalid type: null, expected %s", expected);
    case DOM_BOOL:
        return read_fail(reading, "invalid type: boolean `%s`, expected %s",
                         dom_bool(value) ? "true" : "false", expected);
    case DOM_SIGNED:
        return read_fail(reading, "invalid type: integer `%" PRId64 "`, expected %s",
                         dom_signed(value), expected);
    case DOM_UNSIGNED:
        return read_fail(reading, "invalid type: integer `%" PRIu64 "`, expected %s",
                         dom_unsigned(value), expected);
    case DOM_REAL:
        number[dom_double_text(dom_real(value), number)] = 0;
        return read_fail(reading, "invalid type: floating point `%s`, expected %s", number,
                         expected);
    case DOM_STRING:
        return read_fail(reading, "invalid type: string \"%.60s\", expected %s",
                         (const char *)dom_string(value).data, expected);
    case DOM_ARRAY:
        return read_fail(reading, "invalid type: sequence, expected %s", expected);
    case DOM_OBJECT:
        break;
    }
    return read_fail(reading, "invalid type: map, expected %s", expected);
}

void read_violation(struct reading *reading, const char *member, const char *format, ...)
{
    char text[160];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    struct buffer place;
    buffer_init(&place, 0);
    format_path(reading->path, true, &place);
    if (member)
        buffer_printf(&place, "%s%s", place.size ? "." : "", member);
    size_t room = sizeof(reading->violations) - reading->violations_size;
    int size = snprintf(reading->violations + reading->violations_size, room, "%s%.*s: %s",
                        reading->violations_size ? "; " : "", (int)place.size,
                        place.size ? (const char *)place.data : "", text);
    /* What no longer fits is left out whole: the text stays readable. */
    if (size > 0 && (size_t)size < room)
        reading->violations_size += (size_t)size;
    else
        reading->violations[reading->violations_size] = 0;
    buffer_deinit(&place);
}

bool object_find(struct dom_value object, const char *name, struct dom_value *out)
{
    if (dom_type(object) != DOM_OBJECT)
        return false;
    struct slice wanted = slice_text(name), key;
    struct dom_value value, last = {0};
    struct dom_cursor cursor = dom_members(object);
    while (dom_next_member(&cursor, &key, &value)) {
        if (slice_equal(key, wanted))
            last = value;
    }
    if (!last.document || dom_type(last) == DOM_NULL)
        return false;
    *out = last;
    return true;
}

ProtobufCMessage *message_new(struct arena *arena, const ProtobufCMessageDescriptor *descriptor)
{
    ProtobufCMessage *message =
        arena_alloc(arena, descriptor->sizeof_message, _Alignof(max_align_t));
    if (message)
        descriptor->message_init(message);
    return message;
}

void *field_place(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    return (uint8_t *)(uintptr_t)message + field->offset;
}

static void *quantifier_place(const ProtobufCMessage *message,
                              const ProtobufCFieldDescriptor *field)
{
    return (uint8_t *)(uintptr_t)message + field->quantifier_offset;
}

void field_mark(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
        *(uint32_t *)quantifier_place(message, field) = field->id;
}

bool field_present(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
        return *(const uint32_t *)quantifier_place(message, field) == field->id;
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        return *(const size_t *)quantifier_place(message, field) != 0;
    if (field->type == PROTOBUF_C_TYPE_MESSAGE)
        return *(ProtobufCMessage *const *)field_place(message, field) != NULL;
    return true;
}

const ProtobufCFieldDescriptor *field_of(const ProtobufCMessage *message, const char *name)
{
    return protobuf_c_message_descriptor_get_field_by_name(message->descriptor, name);
}

/* The generator has no mark for maps: they are lists of messages named <Field>Entry. */
bool field_is_map(const ProtobufCFieldDescriptor *field)
{
    if (field->label != PROTOBUF_C_LABEL_REPEATED || field->type != PROTOBUF_C_TYPE_MESSAGE)
        return false;
    const ProtobufCMessageDescriptor *entry = field->descriptor;
    size_t size = strlen(entry->short_name);
    return size > 5 && strcmp(entry->short_name + size - 5, "Entry") == 0 && entry->n_fields == 2 &&
           strcmp(entry->fields[0].name, "key") == 0;
}

static enum status read_text(struct reading *reading, struct dom_value value, char **out)
{
    if (dom_type(value) != DOM_STRING)
        return read_type_fail(reading, value, "a string");
    struct slice text = dom_string(value);
    if (text.size && memchr(text.data, 0, text.size))
        return read_fail(reading, "a string here must not contain U+0000");
    char *copy = arena_strndup(reading->arena, (const char *)text.data, text.size);
    if (!copy)
        return read_no_memory(reading);
    *out = copy;
    return STATUS_OK;
}

static enum status read_unsigned(struct reading *reading, struct dom_value value, uint64_t max,
                                 uint64_t *out)
{
    const char *expected = max == UINT32_MAX ? "u32" : "u64";
    enum dom_type type = dom_type(value);
    if (type != DOM_UNSIGNED && (type != DOM_SIGNED || dom_signed(value) < 0))
        return read_type_fail(reading, value, expected);
    uint64_t number = dom_unsigned(value);
    if (number > max)
        return read_fail(reading, "invalid value: integer `%" PRIu64 "`, expected %s", number,
                         expected);
    *out = number;
    return STATUS_OK;
}

static enum status read_signed(struct reading *reading, struct dom_value value, int64_t *out)
{
    if (dom_type(value) != DOM_SIGNED)
        return read_type_fail(reading, value, "i64");
    *out = dom_signed(value);
    return STATUS_OK;
}

static bool is_number(enum dom_type type)
{
    return type == DOM_SIGNED || type == DOM_UNSIGNED || type == DOM_REAL;
}

static enum status read_float(struct reading *reading, struct dom_value value, float *out)
{
    if (!is_number(dom_type(value)))
        return read_type_fail(reading, value, "f32");
    float number = (float)dom_real(value);
    if (!isfinite(number))
        return read_fail(reading, "number is out of range for f32");
    *out = number;
    return STATUS_OK;
}

static enum status read_enum(struct reading *reading, struct dom_value value,
                             const ProtobufCEnumDescriptor *descriptor, int *out)
{
    if (dom_type(value) != DOM_STRING)
        return read_type_fail(reading, value, "a string");
    struct slice text = dom_string(value);
    if (enum_value(descriptor, text, out))
        return STATUS_OK;
    struct buffer names;
    buffer_init(&names, 0);
    enum_list(descriptor, &names);
    enum status status =
        read_fail(reading, "unknown variant `%.60s`, expected one of %.*s", (const char *)text.data,
                  (int)names.size, (const char *)names.data);
    buffer_deinit(&names);
    return status;
}

static enum status read_submessage(struct reading *reading, struct dom_value value,
                                   const ProtobufCMessageDescriptor *descriptor,
                                   ProtobufCMessage **out)
{
    ProtobufCMessage *message = message_new(reading->arena, descriptor);
    if (!message)
        return read_no_memory(reading);
    enum status status = read_message(reading, value, message);
    if (status == STATUS_OK)
        *out = message;
    return status;
}

/* Reads one value to where it belongs: the member itself, or an item of the list. */
static enum status read_value(struct reading *reading, struct dom_value value,
                              const ProtobufCFieldDescriptor *field, void *place)
{
    enum status status;
    uint64_t number = 0;
    double real;
    switch (field->type) {
    case PROTOBUF_C_TYPE_BOOL:
        if (dom_type(value) != DOM_BOOL)
            return read_type_fail(reading, value, "a boolean");
        *(protobuf_c_boolean *)place = dom_bool(value);
        return STATUS_OK;
    case PROTOBUF_C_TYPE_STRING:
        return read_text(reading, value, place);
    case PROTOBUF_C_TYPE_UINT32:
        status = read_unsigned(reading, value, UINT32_MAX, &number);
        if (status == STATUS_OK)
            *(uint32_t *)place = (uint32_t)number;
        return status;
    case PROTOBUF_C_TYPE_UINT64:
        return read_unsigned(reading, value, UINT64_MAX, place);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
        return read_signed(reading, value, place);
    case PROTOBUF_C_TYPE_FLOAT:
        return read_float(reading, value, place);
    case PROTOBUF_C_TYPE_DOUBLE:
        if (!is_number(dom_type(value)))
            return read_type_fail(reading, value, "f64");
        real = dom_real(value);
        memcpy(place, &real, sizeof(real));
        return STATUS_OK;
    case PROTOBUF_C_TYPE_ENUM:
        return read_enum(reading, value, field->descriptor, place);
    case PROTOBUF_C_TYPE_MESSAGE:
        return read_submessage(reading, value, field->descriptor, place);
    default:
        break;
    }
    ASSERT(false); /* the contract's messages have no other types */
    return STATUS_INTERNAL;
}

static size_t item_size(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_ENUM:
        return 4;
    default:
        return 8;
    }
}

static enum status list_fault(struct reading *reading, enum dom_fault fault, size_t index,
                              const char *expected)
{
    struct path frame = {.up = reading->path, .index = index};
    reading->path = &frame;
    enum status status = read_fail(reading,
                                   fault == DOM_NOT_NUMBER ? "invalid type, expected %s"
                                                           : "number is out of range for %s",
                                   expected);
    reading->path = frame.up;
    return status;
}

static enum status read_items(struct reading *reading, struct dom_value value,
                              const ProtobufCFieldDescriptor *field, uint8_t *items)
{
    size_t fault_index = 0;
    enum dom_fault fault = DOM_FINE;
    if (field->type == PROTOBUF_C_TYPE_FLOAT) {
        fault = dom_floats(value, (float *)(void *)items, &fault_index);
        return fault ? list_fault(reading, fault, fault_index, "f32") : STATUS_OK;
    }
    if (field->type == PROTOBUF_C_TYPE_UINT32) {
        fault = dom_uints(value, (uint32_t *)(void *)items, &fault_index);
        return fault ? list_fault(reading, fault, fault_index, "u32") : STATUS_OK;
    }
    struct path frame = {.up = reading->path};
    struct dom_cursor cursor = dom_items(value);
    struct dom_value item;
    enum status status = STATUS_OK;
    reading->path = &frame;
    while (status == STATUS_OK && dom_next_item(&cursor, &item)) {
        status = read_value(reading, item, field, items + frame.index * item_size(field->type));
        frame.index++;
    }
    reading->path = frame.up;
    return status;
}

static enum status read_list(struct reading *reading, struct dom_value value,
                             ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
                             unsigned flags)
{
    bool single = dom_type(value) != DOM_ARRAY;
    if (single && !(flags & FIELD_ONE_OR_LIST))
        return read_type_fail(reading, value, "a sequence");
    size_t count = single ? 1 : dom_count(value), size = item_size(field->type);
    void *items = arena_zalloc_array(reading->arena, count ? count : 1, size, 8);
    if (!items)
        return read_no_memory(reading);
    enum status status = single ? read_value(reading, value, field, items)
                                : read_items(reading, value, field, items);
    if (status != STATUS_OK)
        return status;
    *(void **)field_place(message, field) = items;
    *(size_t *)quantifier_place(message, field) = count;
    return STATUS_OK;
}

static enum status read_entry(struct reading *reading, const struct dom_member *member,
                              const ProtobufCMessageDescriptor *descriptor, ProtobufCMessage **out)
{
    ProtobufCMessage *entry = message_new(reading->arena, descriptor);
    char *key = arena_strndup(reading->arena, (const char *)member->key.data, member->key.size);
    if (!entry || !key)
        return read_no_memory(reading);
    if (member->key.size && memchr(member->key.data, 0, member->key.size))
        return read_fail(reading, "a name must not contain U+0000");
    *(char **)field_place(entry, &descriptor->fields[0]) = key;
    enum status status = read_field(reading, member->value, entry, &descriptor->fields[1], 0);
    if (status == STATUS_OK)
        *out = entry;
    return status;
}

static enum status read_map(struct reading *reading, struct dom_value value,
                            ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    if (dom_type(value) != DOM_OBJECT)
        return read_type_fail(reading, value, "a map");
    struct dom_member *members;
    size_t count;
    if (!dom_unique_members(value, reading->arena, &members, &count))
        return read_no_memory(reading);
    ProtobufCMessage **entries =
        arena_new_array(reading->arena, ProtobufCMessage *, count ? count : 1);
    if (!entries)
        return read_no_memory(reading);
    for (size_t i = 0; i < count; i++) {
        struct path frame = {.up = reading->path, .name = members[i].key};
        reading->path = &frame;
        enum status status = read_entry(reading, &members[i], field->descriptor, &entries[i]);
        reading->path = frame.up;
        if (status != STATUS_OK)
            return status;
    }
    *(void **)field_place(message, field) = entries;
    *(size_t *)quantifier_place(message, field) = count;
    return STATUS_OK;
}

enum status read_field(struct reading *reading, struct dom_value value, ProtobufCMessage *message,
                       const ProtobufCFieldDescriptor *field, unsigned flags)
{
    if (field_is_map(field))
        return read_map(reading, value, message, field);
    if (field->label == PROTOBUF_C_LABEL_REPEATED)
        return read_list(reading, value, message, field, flags);
    /* An arm shares its room with the others: nothing is written before the value is known to be
     * good. */
    union {
        void *pointer;
        uint64_t bits;
    } room = {.bits = 0};
    enum status status = read_value(reading, value, field, &room);
    if (status != STATUS_OK)
        return status;
    memcpy(field_place(message, field), &room, item_size(field->type));
    field_mark(message, field);
    return STATUS_OK;
}

enum status read_named(struct reading *reading, struct dom_value value, ProtobufCMessage *message,
                       const char *field_name)
{
    const ProtobufCFieldDescriptor *field = field_of(message, field_name);
    ASSERT(field);
    return read_field(reading, value, message, field, FIELD_ONE_OR_LIST);
}

enum status read_payload(struct reading *reading, struct dom_value value, ProtobufCMessage *message,
                         const ProtobufCFieldDescriptor *field)
{
    if (dom_type(value) != DOM_OBJECT)
        return read_type_fail(reading, value, "a map");
    struct json_writer writer;
    buffer_clear(&reading->scratch);
    json_writer_init(&writer, &reading->scratch);
    if (!dom_write(value, reading->arena, &writer))
        return read_no_memory(reading);
    ProtobufCBinaryData data = {.len = reading->scratch.size};
    data.data = arena_memdup(reading->arena, reading->scratch.data, reading->scratch.size);
    if (!data.data)
        return read_no_memory(reading);
    memcpy(field_place(message, field), &data, sizeof(data));
    field_mark(message, field);
    return STATUS_OK;
}

static double field_number(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    const void *place = field_place(message, field);
    switch (field->type) {
    case PROTOBUF_C_TYPE_UINT32:
        return (double)*(const uint32_t *)place;
    case PROTOBUF_C_TYPE_UINT64:
        return (double)*(const uint64_t *)place;
    case PROTOBUF_C_TYPE_FLOAT:
        return (double)*(const float *)place;
    case PROTOBUF_C_TYPE_DOUBLE:
        return *(const double *)place;
    default:
        break;
    }
    ASSERT(false); /* limits are for numbers */
    return 0;
}

static void limit_text(double number, bool real, char out[DOM_NUMBER_TEXT_MAX + 1])
{
    if (real)
        out[dom_double_text(number, out)] = 0;
    else
        (void)snprintf(out, DOM_NUMBER_TEXT_MAX + 1, "%.0f", number);
}

static void check_limits(struct reading *reading, const ProtobufCMessage *message,
                         const ProtobufCFieldDescriptor *field, const struct shape_field *row)
{
    double number = field_number(message, field);
    bool low = (row->flags & FIELD_MIN) && !(number >= row->min);
    bool high = (row->flags & FIELD_MAX) && !(number <= row->max);
    if (!low && !high)
        return;
    bool real = field->type == PROTOBUF_C_TYPE_FLOAT || field->type == PROTOBUF_C_TYPE_DOUBLE;
    char value[DOM_NUMBER_TEXT_MAX + 1], min[DOM_NUMBER_TEXT_MAX + 1], max[DOM_NUMBER_TEXT_MAX + 1];
    limit_text(number, real, value);
    limit_text(row->min, real, min);
    limit_text(row->max, real, max);
    if ((row->flags & FIELD_MIN) && (row->flags & FIELD_MAX))
        read_violation(reading, NULL, "value %s invalid, must be from %s to %s", value, min, max);
    else if (row->flags & FIELD_MIN)
        read_violation(reading, NULL, "value %s invalid, must be %s or larger", value, min);
    else
        read_violation(reading, NULL, "value %s invalid, must be %s or smaller", value, max);
}

static bool is_request_field(const char *name)
{
    for (size_t i = 0; request_fields[i]; i++) {
        if (strcmp(request_fields[i], name) == 0)
            return true;
    }
    return false;
}

/* The row and the field that a member's name stands for; field NULL: none. */
static const struct shape_field *find_member(const struct shape *shape,
                                             const ProtobufCMessage *message, struct slice name,
                                             const ProtobufCFieldDescriptor **field)
{
    *field = NULL;
    for (const struct shape_field *row = shape ? shape->fields : NULL; row && row->json; row++) {
        if (!slice_equal(slice_text(row->json), name))
            continue;
        if (!(row->flags & FIELD_HIDDEN))
            *field = field_of(message, row->proto ? row->proto : row->json);
        return row;
    }
    if (shape && (shape->flags & SHAPE_LISTED))
        return NULL;
    const ProtobufCFieldDescriptor *found = field_of(message, (const char *)name.data);
    if (!found || strlen(found->name) != name.size || found->id >= FIELD_ID_PRIVATE)
        return NULL;
    if (shape && (shape->flags & SHAPE_REQUEST) && is_request_field(found->name))
        return NULL;
    *field = found;
    return NULL;
}

static enum status read_member(struct reading *reading, struct dom_value value,
                               ProtobufCMessage *message, const struct shape_field *row,
                               const ProtobufCFieldDescriptor *field)
{
    if (row && row->read)
        return row->read(reading, value, message, field);
    enum status status = read_field(reading, value, message, field, row ? row->flags : 0);
    if (status == STATUS_OK && row && (row->flags & (FIELD_MIN | FIELD_MAX)))
        check_limits(reading, message, field, row);
    return status;
}

static enum status read_members(struct reading *reading, struct dom_value object,
                                ProtobufCMessage *message, const struct shape *shape,
                                uint64_t *seen)
{
    struct dom_cursor cursor = dom_members(object);
    struct path frame = {.up = reading->path};
    struct dom_value value;
    enum status status = STATUS_OK;
    while (status == STATUS_OK && dom_next_member(&cursor, &frame.name, &value)) {
        const ProtobufCFieldDescriptor *field;
        const struct shape_field *row = find_member(shape, message, frame.name, &field);
        if (!field || dom_type(value) == DOM_NULL)
            continue;
        reading->path = &frame;
        status = read_member(reading, value, message, row, field);
        reading->path = frame.up;
        if (row)
            *seen |= UINT64_C(1) << (row - shape->fields);
    }
    return status;
}

static bool has_arm(const ProtobufCMessage *message)
{
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) && field_present(message, field))
            return true;
    }
    return false;
}

static enum status check_object(struct reading *reading, ProtobufCMessage *message,
                                const struct shape *shape, uint64_t seen)
{
    for (size_t i = 0; shape->fields && shape->fields[i].json; i++) {
        ASSERT(i < SHAPE_FIELDS_MAX);
        if ((shape->fields[i].flags & FIELD_REQUIRED) && !(seen >> i & 1))
            return read_fail(reading, "missing field `%s`", shape->fields[i].json);
    }
    if ((shape->flags & SHAPE_ONE_OF) && !has_arm(message))
        return read_fail(reading, "data did not match any variant of %s",
                         message->descriptor->short_name);
    return shape->check ? shape->check(reading, message, seen) : STATUS_OK;
}

enum status read_object(struct reading *reading, struct dom_value value, ProtobufCMessage *message,
                        const struct shape *shape)
{
    if (dom_type(value) != DOM_OBJECT)
        return read_type_fail(reading, value, "a map");
    const struct path *up = reading->path;
    struct path quirk = {.up = up, .quirk = true};
    if (shape && shape->quirk) {
        quirk.name = slice_text(shape->quirk);
        reading->path = &quirk;
    }
    uint64_t seen = 0;
    enum status status = read_members(reading, value, message, shape, &seen);
    if (status == STATUS_OK && shape)
        status = check_object(reading, message, shape, seen);
    reading->path = up;
    return status;
}

static const char *field_on_type(const struct shape *shape, enum dom_type type)
{
    switch (type) {
    case DOM_BOOL:
        return shape->on_bool;
    case DOM_SIGNED:
    case DOM_UNSIGNED:
        return shape->on_integer;
    case DOM_REAL:
        return shape->on_real;
    case DOM_STRING:
        return shape->on_string;
    case DOM_ARRAY:
        return shape->on_list;
    default:
        return NULL;
    }
}

enum status read_message(struct reading *reading, struct dom_value value, ProtobufCMessage *message)
{
    const struct shape *shape = shape_find(message->descriptor);
    if (!shape)
        return read_object(reading, value, message, NULL);
    if (shape->read)
        return shape->read(reading, value, message);
    const ProtobufCMessageDescriptor *descriptor = message->descriptor;
    if (shape->flags & SHAPE_BARE)
        return read_field(reading, value, message, &descriptor->fields[0], 0);
    const char *name = field_on_type(shape, dom_type(value));
    if (name)
        return read_named(reading, value, message, name);
    return read_object(reading, value, message, shape);
}
