/* Messages in arenas: copies and merges go through the packed form. */
#include "index/collection/message.h"

static void *allocate(void *arena, size_t size)
{
    return arena_alloc(arena, size, 16);
}

static void release(void *arena, void *pointer)
{
    (void)arena; /* the arena frees all at once */
    (void)pointer;
}

void *message_unpack(const ProtobufCMessageDescriptor *descriptor, struct slice bytes,
                     struct arena *arena)
{
    ProtobufCAllocator allocator = {.alloc = allocate, .free = release, .allocator_data = arena};
    return protobuf_c_message_unpack(descriptor, &allocator, bytes.size, bytes.data);
}

struct slice message_pack(const ProtobufCMessage *message, struct arena *arena)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = arena_alloc(arena, size ? size : 1, 1);
    if (!bytes) {
        return slice_of(NULL, 0);
    }
    protobuf_c_message_pack(message, bytes);
    return slice_of(bytes, size);
}

void *message_copy(const ProtobufCMessage *message, struct arena *arena)
{
    struct slice packed = message_pack(message, arena);
    return packed.data ? message_unpack(message->descriptor, packed, arena) : NULL;
}

void *message_merge(const ProtobufCMessage *base, const ProtobufCMessage *diff, struct arena *arena)
{
    size_t base_size = base ? protobuf_c_message_get_packed_size(base) : 0;
    size_t size = base_size + protobuf_c_message_get_packed_size(diff);
    uint8_t *bytes = arena_alloc(arena, size ? size : 1, 1);
    if (!bytes) {
        return NULL;
    }
    if (base) {
        protobuf_c_message_pack(base, bytes);
    }
    protobuf_c_message_pack(diff, bytes + base_size);
    return message_unpack(diff->descriptor, slice_of(bytes, size), arena);
}
