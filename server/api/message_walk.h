/* Looking through requests by the descriptors of their messages, so that a limit on a part of a
 * request holds wherever the part may stand. */
#pragma once
#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

enum walk_step {
    WALK_IN,   /* go on with the messages inside of this one */
    WALK_PAST, /* go on behind it */
    WALK_STOP,
};
typedef enum walk_step (*walk_visit)(void *ctx, const ProtobufCMessage *message);
enum { WALK_DEPTH_MAX = 256 }; /* of messages in messages: deeper ones stop the walk */

/* Visits the message and those inside of it, each before what it holds. False: it was stopped. */
bool message_walk(const ProtobufCMessage *message, walk_visit visit, void *ctx);
/* The same without the message itself. */
bool message_walk_inside(const ProtobufCMessage *message, walk_visit visit, void *ctx);

/* What a field says as a number: a scalar's value, a list's count. False: it is not present, or no
 * such field, or not a number. */
bool message_number(const ProtobufCMessage *message, const char *field, double *out);
/* A text; NULL: not present, or no such field. */
const char *message_text(const ProtobufCMessage *message, const char *field);
