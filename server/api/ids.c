/* Point ids between the contract's messages, the engine and the log.
 *
 * A UUID comes as text in any of its forms and leaves hyphenated; the log keeps its 16 bytes. */
#include "server/api/api.h"

enum status id_read(struct call *call, const Qdrant__PointId *id, struct point_id *out)
{
    if (id && id->point_id_options_case == QDRANT__POINT_ID__POINT_ID_OPTIONS_NUM) {
        *out = point_id_number(id->num);
        return STATUS_OK;
    }
    if (id && id->point_id_options_case == QDRANT__POINT_ID__POINT_ID_OPTIONS_UUID) {
        if (point_id_parse_uuid(slice_text(id->uuid), out)) {
            return STATUS_OK;
        }
        return error_set(call->err, STATUS_BAD_INPUT, "Unable to parse UUID: %.80s", id->uuid);
    }
    return error_set(call->err, STATUS_BAD_INPUT, "A point id is missing");
}

Qdrant__PointId *id_message(struct call *call, struct point_id id)
{
    Qdrant__PointId *message = api_new(call, &qdrant__point_id__descriptor);
    if (!message) {
        return NULL;
    }
    if (!id.is_uuid) {
        message->point_id_options_case = QDRANT__POINT_ID__POINT_ID_OPTIONS_NUM;
        message->num = id.low;
        return message;
    }
    char text[POINT_ID_TEXT_BYTES];
    point_id_format(id, text);
    message->point_id_options_case = QDRANT__POINT_ID__POINT_ID_OPTIONS_UUID;
    message->uuid = arena_strndup(call->arena, text, strlen(text));
    return message->uuid ? message : NULL;
}

static enum status key_of(struct call *call, struct point_id id, Sagitta__PointKey **out)
{
    Sagitta__PointKey *key = api_new(call, &sagitta__point_key__descriptor);
    if (!key) {
        return api_no_memory(call);
    }
    if (!id.is_uuid) {
        key->kind_case = SAGITTA__POINT_KEY__KIND_NUMBER;
        key->number = id.low;
    } else {
        uint8_t encoded[POINT_ID_KEY_BYTES];
        size_t size = point_id_encode(id, encoded);
        key->kind_case = SAGITTA__POINT_KEY__KIND_UUID;
        key->uuid.len = size - 1; /* without the tag */
        key->uuid.data = arena_memdup(call->arena, encoded + 1, size - 1);
        if (!key->uuid.data) {
            return api_no_memory(call);
        }
    }
    *out = key;
    return STATUS_OK;
}

enum status id_keys(struct call *call, Qdrant__PointId *const *ids, size_t count,
                    Sagitta__PointKey ***out)
{
    Sagitta__PointKey **keys = arena_new_array(call->arena, Sagitta__PointKey *, count + 1);
    if (!keys) {
        return api_no_memory(call);
    }
    for (size_t i = 0; i < count; i++) {
        struct point_id id;
        enum status status = id_read(call, ids[i], &id);
        if (status == STATUS_OK) {
            status = key_of(call, id, &keys[i]);
        }
        if (status != STATUS_OK) {
            return status;
        }
    }
    *out = keys;
    return STATUS_OK;
}

enum status id_not_found(struct call *call, struct point_id id)
{
    char text[POINT_ID_TEXT_BYTES];
    point_id_format(id, text);
    return error_set(call->err, STATUS_NOT_FOUND, "No point with id %s found", text);
}
