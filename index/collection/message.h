/* Messages in arenas. */
#pragma once
#include "storage/base/arena.h"
#include "storage/base/slice.h"

#include <protobuf-c/protobuf-c.h>

/* Deep copy. NULL: over the arena's limit. */
void *message_copy(const ProtobufCMessage *message, struct arena *arena);
/* What protocol buffers call a merge: fields set in `diff` win; messages merge, lists join. `base`
 * may be NULL. */
void *message_merge(const ProtobufCMessage *base, const ProtobufCMessage *diff,
                    struct arena *arena);
/* NULL: damaged or over the limit. */
void *message_unpack(const ProtobufCMessageDescriptor *descriptor, struct slice bytes,
                     struct arena *arena);
/* Packed bytes in the arena; data NULL: over the limit. */
struct slice message_pack(const ProtobufCMessage *message, struct arena *arena);
