/* Shapes: how a message looks in JSON.
 *
 * By default a message is an object whose members are its fields by name. A shape tells what
 * differs: other names, limits, required members, and which JSON types stand for which field when
 * the value is not an object. Reading and printing use the same tables, so a name is written once.
 * Tables: shapes_*.c; machinery: read_message.c, write_message.c. */
#pragma once
#include "server/rest/json_shim.h"
#include "server/rest/json_writer.h"
#include "storage/base/arena.h"
#include "storage/base/buffer.h"
#include "storage/base/status.h"

#include <protobuf-c/protobuf-c.h>

/* Where in the body the reader is. A frame lives on the stack of whoever reads the part. */
struct path {
    const struct path *up;
    struct slice name; /* data NULL: an item, by its index */
    size_t index;
    bool quirk; /* shown in validation texts only */
};
struct reading {
    struct arena *arena;
    struct error *err;
    const struct path *path;
    const char *label;     /* "JSON body" */
    struct buffer scratch; /* text of the payload being copied */
    char violations[400];  /* joined by "; " */
    size_t violations_size;
};

typedef enum status (*shape_read)(struct reading *reading, struct dom_value value,
                                  ProtobufCMessage *message);
typedef enum status (*shape_read_field)(struct reading *reading, struct dom_value value,
                                        ProtobufCMessage *message,
                                        const ProtobufCFieldDescriptor *field);
/* Looks at a message that was read; `seen` has a bit for each row of `fields` whose member was
 * there. */
typedef enum status (*shape_check)(struct reading *reading, ProtobufCMessage *message,
                                   uint64_t seen);
typedef void (*shape_write)(struct json_writer *writer, const ProtobufCMessage *message);

enum shape_field_flag {
    FIELD_REQUIRED = 1u << 0,
    FIELD_ONE_OR_LIST = 1u << 1, /* a single item may stand for a list of one */
    FIELD_HIDDEN = 1u << 2,      /* never comes from the body, never printed */
    FIELD_MIN = 1u << 3,
    FIELD_MAX = 1u << 4,
};
struct shape_field {
    const char *json;
    const char *proto;     /* NULL: the same name */
    shape_read_field read; /* NULL: by the field's type */
    unsigned flags;
    double min, max; /* what passes; outside is a violation */
};
enum shape_flag {
    SHAPE_BARE = 1u << 0,    /* the value of the first field, without an object around it */
    SHAPE_ARM = 1u << 1,     /* printed as the arm that is set, without its name */
    SHAPE_ONE_OF = 1u << 2,  /* an arm must be set */
    SHAPE_LISTED = 1u << 3,  /* members that `fields` does not list are ignored */
    SHAPE_REQUEST = 1u << 4, /* has fields that come from the path and the query string */
};
enum { SHAPE_FIELDS_MAX = 64 };
struct shape {
    const ProtobufCMessageDescriptor *descriptor;
    unsigned flags;
    const char *quirk;                /* name that validation texts put before the members */
    const struct shape_field *fields; /* ends with json NULL */
    /* Fields that values of these types stand for. NULL: a value of the type is refused. */
    const char *on_bool, *on_integer, *on_real, *on_string, *on_list;
    shape_read read; /* instead of all the above */
    shape_check check;
    shape_write write;
};
const struct shape *
shape_find(const ProtobufCMessageDescriptor *descriptor); /* NULL: all default */
/* Tables that shape_find looks through; each ends with descriptor NULL. */
extern const struct shape shapes_common[], shapes_points[], shapes_vectors[], shapes_filter[],
    shapes_query[], shapes_collections[], shapes_fields[];

/* Enum values in JSON. NULL and false: the contract has no such value. */
const char *enum_text(const ProtobufCEnumDescriptor *descriptor, int value);
bool enum_value(const ProtobufCEnumDescriptor *descriptor, struct slice text, int *out);
void enum_list(const ProtobufCEnumDescriptor *descriptor, struct buffer *out); /* `a`, `b` */

/* Errors of reading. Both name the place. */
enum status read_fail(struct reading *reading, const char *format, ...) PRINTF(2, 3);
enum status read_type_fail(struct reading *reading, struct dom_value value, const char *expected);
enum status read_no_memory(struct reading *reading);
void read_violation(struct reading *reading, const char *member, const char *format, ...)
    PRINTF(3, 4);

/* Reads `value` into `message` by its shape. */
enum status read_message(struct reading *reading, struct dom_value value,
                         ProtobufCMessage *message);
/* Reads an object by the members' names only, past what the shape says of other types. */
enum status read_object(struct reading *reading, struct dom_value value, ProtobufCMessage *message,
                        const struct shape *shape);
/* Reads `value` into a field and marks it present. */
enum status read_field(struct reading *reading, struct dom_value value, ProtobufCMessage *message,
                       const ProtobufCFieldDescriptor *field, unsigned flags);
enum status read_named(struct reading *reading, struct dom_value value, ProtobufCMessage *message,
                       const char *field_name);
/* A JSON object as text into a bytes field. */
enum status read_payload(struct reading *reading, struct dom_value value, ProtobufCMessage *message,
                         const ProtobufCFieldDescriptor *field);
/* The last member of that name; false: none, or null. */
bool object_find(struct dom_value object, const char *name, struct dom_value *out);

/* Room for a field's value, marked present. Messages are made and initialised; NULL: no memory. */
void *field_place(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field);
void field_mark(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field);
bool field_present(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field);
const ProtobufCFieldDescriptor *field_of(const ProtobufCMessage *message, const char *name);
bool field_is_map(const ProtobufCFieldDescriptor *field);
ProtobufCMessage *message_new(struct arena *arena, const ProtobufCMessageDescriptor *descriptor);

/* Prints the members of a message's object, without the braces. */
void write_members(struct json_writer *writer, const ProtobufCMessage *message);
/* Prints a message by its shape. */
void write_message(struct json_writer *writer, const ProtobufCMessage *message);
void write_field(struct json_writer *writer, const ProtobufCMessage *message,
                 const ProtobufCFieldDescriptor *field);
