/* Small things that every operation needs.
 *
 * Runs on compute threads; a call belongs to one thread at a time. The only failures are a full
 * arena, a missing collection and a client that left. */
#include "server/api/api.h"

#include <stdio.h>

enum status api_no_memory(struct call *call)
{
    return error_set(call->err, STATUS_TOO_LARGE, "Request needs too much memory");
}

enum status api_refuse(struct call *call, const char *field)
{
    return error_set(call->err, STATUS_BAD_REQUEST, "%s is not served by this version", field);
}

void *api_new(struct call *call, const ProtobufCMessageDescriptor *descriptor)
{
    void *message = arena_zalloc(call->arena, descriptor->sizeof_message, _Alignof(max_align_t));
    if (message) {
        protobuf_c_message_init(descriptor, message);
    }
    return message;
}

enum status api_filter(struct call *call, const struct view *view, const Qdrant__Filter *wire,
                       struct filter **out)
{
    return filter_compile(wire, &view->schema->filtering, call->arena, out, call->err);
}

enum status api_pin(struct call *call, const char *collection_name, struct view *out)
{
    return engine_pin(call->engine, collection_name, call->arena, out, call->err);
}

enum status api_check_cancelled(struct call *call)
{
    if (call->cancelled && atomic_load_explicit(call->cancelled, memory_order_relaxed)) {
        return error_set(call->err, STATUS_CANCELLED, "cancelled");
    }
    return STATUS_OK;
}

enum status api_check_shard_key(struct call *call, const Qdrant__ShardKeySelector *selector)
{
    if (selector && (selector->n_shard_keys > 0 || selector->fallback)) {
        return api_refuse(call, "shard_key");
    }
    return STATUS_OK;
}

enum status api_result_status(struct call *call, const struct fsm_result *result)
{
    if (result->code != STATUS_OK && call->err) {
        *call->err = result->error;
    }
    return result->code;
}

enum status api_take(struct call *call, struct buffer *buffer, ProtobufCBinaryData *out)
{
    enum status status = STATUS_OK;
    if (buffer->failed) {
        status = error_set(call->err, STATUS_INTERNAL, "The answer is too large");
    } else {
        out->data = arena_memdup(call->arena, buffer->data, buffer->size);
        out->len = buffer->size;
        status = out->data ? STATUS_OK : api_no_memory(call);
    }
    buffer_deinit(buffer);
    return status;
}

void api_json_string(struct buffer *out, const char *text)
{
    buffer_append_byte(out, '"');
    for (const char *at = text; *at; at++) {
        if (*at == '"' || *at == '\\') {
            buffer_append_byte(out, '\\');
            buffer_append_byte(out, (uint8_t)*at);
        } else if ((unsigned char)*at < 0x20) {
            buffer_printf(out, "\\u%04x", (unsigned)(unsigned char)*at);
        } else {
            buffer_append_byte(out, (uint8_t)*at);
        }
    }
    buffer_append_byte(out, '"');
}
