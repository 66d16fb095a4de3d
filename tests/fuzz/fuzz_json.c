/* Decodes arbitrary bytes as the body of any operation: the first byte chooses it. A decoded
 * message is printed and packed, so that every part of it is walked. */
#include "collections.pb-c.h"
#include "command.pb-c.h"
#include "points.pb-c.h"
#include "sagitta.pb-c.h"

#include "server/rest/rest.h"
#include "server/rest/shape.h"
#include "storage/base/assert.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA_BYTES_MAX = 64 << 20 };

static const struct op ops[] = {
#define X(id, m, p, g, f, in, out, result)                                                         \
    {.name = #id, .method = m, .path = p, .input = &in##__descriptor, .output = &out##__descriptor},
#include "server/api/ops.def"
#undef X
};

static void walk(const ProtobufCMessage *message)
{
    struct buffer text;
    struct json_writer writer;
    buffer_init(&text, 0);
    json_writer_init(&writer, &text);
    write_message(&writer, message);
    buffer_deinit(&text);
    uint8_t *packed = malloc(protobuf_c_message_get_packed_size(message) + 1);
    ASSERT(packed);
    (void)protobuf_c_message_pack(message, packed);
    free(packed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct rest_parser *parser;
    static struct arena *arena;
    if (!parser) {
        parser = rest_parser_create();
        arena = arena_create(ARENA_BYTES_MAX);
    }
    if (size == 0)
        return 0;
    uint8_t *body = calloc(1, size - 1 + REST_PADDING);
    ASSERT(parser && arena && body);
    memcpy(body, data + 1, size - 1);
    struct rest_param path = {SLICE_LITERAL("collection_name"), SLICE_LITERAL("c")};
    struct rest_request request = {
        .path = &path, .path_count = 1, .body = slice_of(body, size - 1)};
    ProtobufCMessage *message = NULL;
    struct error err = {0};
    enum status status =
        rest_decode(&ops[data[0] % OP_COUNT], &request, parser, arena, &message, &err);
    if (status == STATUS_OK)
        walk(message);
    else
        ASSERT(err.code == status && err.message[0]);
    arena_reset(arena);
    free(body);
    return 0;
}
