/* Writes on points: each function checks one operation whole against the schema and adds what the
 * log keeps of it. Nothing is logged unless all operations of a request passed.
 *
 * Filters are compiled here only to find what is wrong with them; the wire form goes into the
 * command and is compiled again when it is applied. Wire messages are borrowed by the command until
 * it is packed. */
#include "index/payload/path.h"
#include "server/api/api.h"
#include "storage/base/assert.h"

enum status write_begin(struct call *call, const char *collection_name, size_t operations_max,
                        struct write *out)
{
    *out = (struct write){.call = call, .operations_room = operations_max};
    enum status status = api_pin(call, collection_name, &out->view);
    if (status != STATUS_OK) {
        return status;
    }
    out->operations = arena_new_array(call->arena, Sagitta__PointsOperation *, operations_max + 1);
    return out->operations ? STATUS_OK : api_no_memory(call);
}

enum status command_pack(struct call *call, const Sagitta__Command *message, struct buffer *command)
{
    size_t size = sagitta__command__get_packed_size(message);
    uint8_t *room = buffer_reserve(command, size);
    if (!room) {
        return error_set(call->err, STATUS_TOO_LARGE, "Request is too large");
    }
    buffer_commit(command, sagitta__command__pack(message, room));
    return STATUS_OK;
}

enum status write_end(struct write *write, struct buffer *command)
{
    if (write->operations_count == 0) {
        return STATUS_OK;
    }
    Sagitta__WritePoints points = SAGITTA__WRITE_POINTS__INIT;
    points.n_operations = write->operations_count;
    points.operations = write->operations;
    Sagitta__Command message = SAGITTA__COMMAND__INIT;
    message.collection = write->view.number;
    message.kind_case = SAGITTA__COMMAND__KIND_WRITE_POINTS;
    message.write_points = &points;
    return command_pack(write->call, &message, command);
}

/* NULL: no memory. */
static Sagitta__PointsOperation *add(struct write *write, Sagitta__PointsOperation__KindCase kind)
{
    ASSERT(write->operations_count < write->operations_room);
    Sagitta__PointsOperation *operation =
        api_new(write->call, &sagitta__points_operation__descriptor);
    if (operation) {
        operation->kind_case = kind;
        write->operations[write->operations_count++] = operation;
    }
    return operation;
}

static enum status check_filter(struct write *write, const Qdrant__Filter *wire)
{
    struct filter *filter = NULL;
    return api_filter(write->call, &write->view, wire, &filter);
}

/* `*nothing`: an empty list of ids, which selects no points. */
static enum status read_selection(struct write *write, const Qdrant__PointsSelector *selector,
                                  Sagitta__Selection **out, bool *nothing)
{
    struct call *call = write->call;
    Sagitta__Selection *selection = api_new(call, &sagitta__selection__descriptor);
    if (!selection) {
        return api_no_memory(call);
    }
    *out = selection;
    *nothing = false;
    switch (selector ? selector->points_selector_one_of_case
                     : QDRANT__POINTS_SELECTOR__POINTS_SELECTOR_ONE_OF__NOT_SET) {
    case QDRANT__POINTS_SELECTOR__POINTS_SELECTOR_ONE_OF_POINTS:
        *nothing = selector->points->n_ids == 0;
        selection->n_ids = selector->points->n_ids;
        return id_keys(call, selector->points->ids, selector->points->n_ids, &selection->ids);
    case QDRANT__POINTS_SELECTOR__POINTS_SELECTOR_ONE_OF_FILTER:
        selection->filter = selector->filter;
        return check_filter(write, selector->filter);
    default:
        return error_set(call->err, STATUS_BAD_REQUEST, "No filter or points provided");
    }
}

static enum status store_point(struct write *write, const Qdrant__PointId *id,
                               const Qdrant__Vectors *vectors, Sagitta__StoredPoint **out)
{
    Qdrant__PointId *ids[1] = {(Qdrant__PointId *)id};
    Sagitta__PointKey **keys = NULL;
    Sagitta__StoredPoint *point = api_new(write->call, &sagitta__stored_point__descriptor);
    if (!point) {
        return api_no_memory(write->call);
    }
    enum status status = id_keys(write->call, ids, 1, &keys);
    if (status != STATUS_OK) {
        return status;
    }
    point->id = keys[0];
    *out = point;
    return vectors_stored(write->call, write->view.schema, vectors, point);
}

static enum status empty_request(struct call *call)
{
    return error_set(call->err, STATUS_BAD_REQUEST, "Empty update request");
}

enum status write_upsert(struct write *write, Qdrant__PointStruct *const *points, size_t count,
                         Qdrant__Filter *update_filter, Qdrant__UpdateMode mode)
{
    struct call *call = write->call;
    if (count == 0) {
        return empty_request(call);
    }
    if (mode != QDRANT__UPDATE_MODE__Upsert && mode != QDRANT__UPDATE_MODE__InsertOnly &&
        mode != QDRANT__UPDATE_MODE__UpdateOnly) {
        return error_set(call->err, STATUS_BAD_REQUEST, "update_mode: unknown value %d", (int)mode);
    }
    enum status status = check_filter(write, update_filter);
    if (status != STATUS_OK) {
        return status;
    }
    Sagitta__PointsOperation *operation = add(write, SAGITTA__POINTS_OPERATION__KIND_UPSERT);
    Sagitta__Upsert *upsert = api_new(call, &sagitta__upsert__descriptor);
    Sagitta__StoredPoint **stored = arena_new_array(call->arena, Sagitta__StoredPoint *, count);
    if (!operation || !upsert || !stored) {
        return api_no_memory(call);
    }
    for (size_t i = 0; i < count; i++) {
        if (points[i]->n_payload > 0) {
            return api_refuse(call, "a payload that is not JSON text");
        }
        status = store_point(write, points[i]->id, points[i]->vectors, &stored[i]);
        if (status != STATUS_OK) {
            return status;
        }
        if (points[i]->_payload_json_case) {
            stored[i]->payload = points[i]->payload_json;
        }
    }
    upsert->points = stored;
    upsert->n_points = count;
    upsert->update_filter = update_filter;
    upsert->mode = (uint32_t)mode;
    operation->upsert = upsert;
    return STATUS_OK;
}

static enum status add_selection(struct write *write, const Qdrant__PointsSelector *selector,
                                 Sagitta__PointsOperation__KindCase kind)
{
    Sagitta__Selection *selection = NULL;
    bool nothing = false;
    enum status status = read_selection(write, selector, &selection, &nothing);
    if (status != STATUS_OK || nothing) {
        return status;
    }
    Sagitta__PointsOperation *operation = add(write, kind);
    if (!operation) {
        return api_no_memory(write->call);
    }
    operation->delete_points = selection; /* the same member as clear_payload */
    return STATUS_OK;
}

enum status write_delete(struct write *write, const Qdrant__PointsSelector *selector)
{
    return add_selection(write, selector, SAGITTA__POINTS_OPERATION__KIND_DELETE_POINTS);
}

enum status write_clear_payload(struct write *write, const Qdrant__PointsSelector *selector)
{
    return add_selection(write, selector, SAGITTA__POINTS_OPERATION__KIND_CLEAR_PAYLOAD);
}

enum status write_update_vectors(struct write *write, Qdrant__PointVectors *const *points,
                                 size_t count, Qdrant__Filter *update_filter)
{
    struct call *call = write->call;
    if (count == 0) {
        return empty_request(call);
    }
    enum status status = check_filter(write, update_filter);
    if (status != STATUS_OK) {
        return status;
    }
    Sagitta__PointsOperation *operation =
        add(write, SAGITTA__POINTS_OPERATION__KIND_UPDATE_VECTORS);
    Sagitta__UpdateVectors *update = api_new(call, &sagitta__update_vectors__descriptor);
    Sagitta__StoredPoint **stored = arena_new_array(call->arena, Sagitta__StoredPoint *, count);
    if (!operation || !update || !stored) {
        return api_no_memory(call);
    }
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        status = store_point(write, points[i]->id, points[i]->vectors, &stored[i]);
    }
    update->points = stored;
    update->n_points = count;
    update->update_filter = update_filter;
    operation->update_vectors = update;
    return status;
}

enum status write_delete_vectors(struct write *write, const Qdrant__PointsSelector *selector,
                                 const Qdrant__VectorsSelector *names)
{
    struct call *call = write->call;
    bool nothing = false;
    if (!names || names->n_names == 0) {
        return error_set(call->err, STATUS_VALIDATION,
                         "Validation error in JSON body: [vector: value invalid, must not be "
                         "empty]");
    }
    Sagitta__DeleteVectors *drop = api_new(call, &sagitta__delete_vectors__descriptor);
    uint32_t *slots = arena_new_array(call->arena, uint32_t, names->n_names);
    if (!drop || !slots) {
        return api_no_memory(call);
    }
    for (size_t i = 0; i < names->n_names; i++) {
        const struct vector_spec *spec = NULL;
        enum status status = vector_spec_find(call, write->view.schema, names->names[i], &spec);
        if (status != STATUS_OK) {
            return status;
        }
        slots[i] = spec->slot;
    }
    drop->slots = slots;
    drop->n_slots = names->n_names;
    enum status status = read_selection(write, selector, &drop->points, &nothing);
    if (status != STATUS_OK || nothing) {
        return status;
    }
    Sagitta__PointsOperation *operation =
        add(write, SAGITTA__POINTS_OPERATION__KIND_DELETE_VECTORS);
    if (!operation) {
        return api_no_memory(call);
    }
    operation->delete_vectors = drop;
    return STATUS_OK;
}

static enum status check_path(struct call *call, const char *text)
{
    struct path *path = NULL;
    return path_parse(slice_text(text), call->arena, &path, call->err);
}

enum status write_set_payload(struct write *write, const struct payload_write *payload,
                              bool overwrite)
{
    struct call *call = write->call;
    bool nothing = false;
    if (payload->key && overwrite) {
        return api_refuse(call, "key when a payload is overwritten");
    }
    enum status status = payload->key ? check_path(call, payload->key) : STATUS_OK;
    if (status != STATUS_OK) {
        return status;
    }
    Sagitta__SetPayload *set = api_new(call, &sagitta__set_payload__descriptor);
    if (!set) {
        return api_no_memory(call);
    }
    status = read_selection(write, payload->selector, &set->points, &nothing);
    if (status != STATUS_OK || nothing) {
        return status;
    }
    Sagitta__PointsOperation *operation =
        add(write, overwrite ? SAGITTA__POINTS_OPERATION__KIND_OVERWRITE_PAYLOAD
                             : SAGITTA__POINTS_OPERATION__KIND_SET_PAYLOAD);
    if (!operation) {
        return api_no_memory(call);
    }
    set->payload = payload->json;
    set->key = (char *)(payload->key ? payload->key : "");
    operation->set_payload = set; /* the same member as overwrite_payload */
    return STATUS_OK;
}

enum status write_delete_payload(struct write *write, const Qdrant__PointsSelector *selector,
                                 char **keys, size_t keys_count)
{
    struct call *call = write->call;
    bool nothing = false;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < keys_count && status == STATUS_OK; i++) {
        status = check_path(call, keys[i]);
    }
    if (status != STATUS_OK) {
        return status;
    }
    Sagitta__DeletePayload *drop = api_new(call, &sagitta__delete_payload__descriptor);
    if (!drop) {
        return api_no_memory(call);
    }
    status = read_selection(write, selector, &drop->points, &nothing);
    if (status != STATUS_OK || nothing) {
        return status;
    }
    Sagitta__PointsOperation *operation =
        add(write, SAGITTA__POINTS_OPERATION__KIND_DELETE_PAYLOAD);
    if (!operation) {
        return api_no_memory(call);
    }
    drop->keys = keys;
    drop->n_keys = keys_count;
    operation->delete_payload = drop;
    return STATUS_OK;
}

Qdrant__UpdateResult *write_result(struct call *call, const struct fsm_result *result,
                                   bool completed)
{
    Qdrant__UpdateResult *message = api_new(call, &qdrant__update_result__descriptor);
    if (!message) {
        return NULL;
    }
    if (result->index) {
        message->_operation_id_case = QDRANT__UPDATE_RESULT___OPERATION_ID_OPERATION_ID;
        message->operation_id = result->index;
    }
    message->status =
        completed ? QDRANT__UPDATE_STATUS__Completed : QDRANT__UPDATE_STATUS__Acknowledged;
    return message;
}

enum status write_reply(struct call *call, const struct fsm_result *result, bool completed,
                        void *output)
{
    Qdrant__PointsOperationResponse *response = output;
    enum status status = api_result_status(call, result);
    if (status != STATUS_OK) {
        return status;
    }
    response->result = write_result(call, result, completed);
    return response->result ? STATUS_OK : api_no_memory(call);
}
