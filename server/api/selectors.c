/* Answers: what of a found point the client asked to see.
 *
 * A point may be deleted between being found and being read. Then it is left out of the answer, as
 * if the deletion had come before the request. Payloads are read together, in one trip to storage.
 */
#include "index/payload/edit.h"
#include "server/api/ranking.h"

static enum status read_paths(struct call *call, char **fields, size_t count,
                              struct projection *out)
{
    out->paths = arena_new_array(call->arena, struct path *, count + 1);
    if (!out->paths) {
        return api_no_memory(call);
    }
    for (size_t i = 0; i < count; i++) {
        enum status status =
            path_parse(slice_text(fields[i]), call->arena, &out->paths[i], call->err);
        if (status != STATUS_OK) {
            return status;
        }
    }
    out->paths_count = count;
    return STATUS_OK;
}

static enum status read_payload(struct call *call, const Qdrant__WithPayloadSelector *selector,
                                bool payload_default, struct projection *out)
{
    bool all = payload_default;
    switch (selector ? selector->selector_options_case
                     : QDRANT__WITH_PAYLOAD_SELECTOR__SELECTOR_OPTIONS__NOT_SET) {
    case QDRANT__WITH_PAYLOAD_SELECTOR__SELECTOR_OPTIONS_INCLUDE:
        out->payload = PAYLOAD_INCLUDE;
        return read_paths(call, selector->include->fields, selector->include->n_fields, out);
    case QDRANT__WITH_PAYLOAD_SELECTOR__SELECTOR_OPTIONS_EXCLUDE:
        out->payload = PAYLOAD_EXCLUDE;
        return read_paths(call, selector->exclude->fields, selector->exclude->n_fields, out);
    case QDRANT__WITH_PAYLOAD_SELECTOR__SELECTOR_OPTIONS_ENABLE:
        all = selector->enable;
        break;
    default:
        break;
    }
    out->payload = all ? PAYLOAD_ALL : PAYLOAD_NONE;
    return STATUS_OK;
}

static enum status read_vectors(struct call *call, const struct schema *schema,
                                const Qdrant__WithVectorsSelector *selector, struct projection *out)
{
    bool named = selector && selector->selector_options_case ==
                                 QDRANT__WITH_VECTORS_SELECTOR__SELECTOR_OPTIONS_INCLUDE;
    bool all =
        selector &&
        selector->selector_options_case == QDRANT__WITH_VECTORS_SELECTOR__SELECTOR_OPTIONS_ENABLE &&
        selector->enable;
    size_t count = named ? selector->include->n_names : all ? schema->vectors_count : 0;
    out->vectors = named || all;
    out->slots = arena_new_array(call->arena, uint32_t, count + 1);
    if (!out->slots) {
        return api_no_memory(call);
    }
    for (size_t i = 0; i < count; i++) {
        const struct vector_spec *spec = &schema->vectors[all ? i : 0];
        enum status status =
            named ? vector_spec_find(call, schema, selector->include->names[i], &spec) : STATUS_OK;
        if (status != STATUS_OK) {
            return status;
        }
        bool repeated = false;
        for (size_t k = 0; k < out->slots_count && !repeated; k++) {
            repeated = out->slots[k] == spec->slot;
        }
        if (!repeated) {
            out->slots[out->slots_count++] = spec->slot;
        }
    }
    return STATUS_OK;
}

enum status projection_read(struct call *call, const struct view *view,
                            const Qdrant__WithPayloadSelector *payload, bool payload_default,
                            const Qdrant__WithVectorsSelector *vectors, struct projection *out)
{
    *out = (struct projection){.view = view};
    enum status status = read_payload(call, payload, payload_default, out);
    return status == STATUS_OK ? read_vectors(call, view->schema, vectors, out) : status;
}

static Qdrant__VectorOutput *vector_output(struct call *call, const struct view *view,
                                           const struct found *point, uint32_t slot,
                                           enum status *status)
{
    size_t dim = view->schema->vectors[slot].dim;
    Qdrant__VectorOutput *output = api_new(call, &qdrant__vector_output__descriptor);
    Qdrant__DenseVector *dense = api_new(call, &qdrant__dense_vector__descriptor);
    float *numbers = arena_new_array(call->arena, float, dim);
    if (!output || !dense || !numbers) {
        *status = api_no_memory(call);
        return NULL;
    }
    if (!view_vector(view, point, slot, numbers)) {
        return NULL;
    }
    dense->data = numbers;
    dense->n_data = dim;
    output->vector_case = QDRANT__VECTOR_OUTPUT__VECTOR_DENSE;
    output->dense = dense;
    return output;
}

static enum status named_outputs(struct call *call, const struct projection *projection,
                                 const struct found *point, Qdrant__NamedVectorsOutput *named)
{
    named->vectors = arena_new_array(call->arena, Qdrant__NamedVectorsOutput__VectorsEntry *,
                                     projection->slots_count + 1);
    enum status status = named->vectors ? STATUS_OK : api_no_memory(call);
    for (size_t i = 0; i < projection->slots_count && status == STATUS_OK; i++) {
        uint32_t slot = projection->slots[i];
        Qdrant__VectorOutput *output = vector_output(call, projection->view, point, slot, &status);
        if (!output) {
            continue;
        }
        Qdrant__NamedVectorsOutput__VectorsEntry *entry =
            api_new(call, &qdrant__named_vectors_output__vectors_entry__descriptor);
        if (!entry) {
            return api_no_memory(call);
        }
        entry->key = (char *)projection->view->schema->vectors[slot].name;
        entry->value = output;
        named->vectors[named->n_vectors++] = entry;
    }
    return status;
}

/* A lone unnamed vector is given bare; everything else by name. */
static enum status vectors_output(struct call *call, const struct projection *projection,
                                  const struct found *point, Qdrant__VectorsOutput **out)
{
    enum status status = STATUS_OK;
    Qdrant__VectorsOutput *vectors = api_new(call, &qdrant__vectors_output__descriptor);
    if (!vectors) {
        return api_no_memory(call);
    }
    if (projection->slots_count == 1 &&
        !*projection->view->schema->vectors[projection->slots[0]].name) {
        vectors->vector =
            vector_output(call, projection->view, point, projection->slots[0], &status);
        vectors->vectors_options_case = QDRANT__VECTORS_OUTPUT__VECTORS_OPTIONS_VECTOR;
    }
    if (status == STATUS_OK && !vectors->vector) {
        vectors->vectors_options_case = QDRANT__VECTORS_OUTPUT__VECTORS_OPTIONS_VECTORS;
        vectors->vectors = api_new(call, &qdrant__named_vectors_output__descriptor);
        status = vectors->vectors ? named_outputs(call, projection, point, vectors->vectors)
                                  : api_no_memory(call);
    }
    *out = vectors;
    return status;
}

static enum status project_payload(struct call *call, const struct projection *projection,
                                   struct slice payload, ProtobufCBinaryData *out)
{
    if (projection->payload == PAYLOAD_ALL) {
        *out = (ProtobufCBinaryData){.len = payload.size, .data = (uint8_t *)payload.data};
        return STATUS_OK;
    }
    struct buffer text;
    buffer_init(&text, 0);
    if (projection->payload == PAYLOAD_INCLUDE) {
        payload_include(payload, projection->paths, projection->paths_count, &text);
    } else {
        payload_exclude(payload, projection->paths, projection->paths_count, &text);
    }
    return api_take(call, &text, out);
}

/* Payload texts of the points; data NULL: the point is gone. */
static enum status read_payloads(struct call *call, const struct projection *projection,
                                 const struct found *points, size_t count, struct slice **out)
{
    struct slice *payloads = arena_new_array(call->arena, struct slice, count + 1);
    if (!payloads) {
        return api_no_memory(call);
    }
    enum status status =
        view_payloads(projection->view, points, count, call->arena, payloads, call->err);
    *out = payloads;
    return status;
}

/* What RetrievedPoint and ScoredPoint have in common. */
struct projected {
    Qdrant__PointId *id;
    ProtobufCBinaryData payload;
    Qdrant__VectorsOutput *vectors;
    Qdrant__OrderValue *order_value;
};

/* `payload` NULL: not asked for. */
static enum status project_one(struct call *call, const struct projection *projection,
                               const struct found *point, const struct slice *payload,
                               struct projected *out)
{
    enum status status = STATUS_OK;
    *out = (struct projected){.id = id_message(call, point->id)};
    if (!out->id) {
        return api_no_memory(call);
    }
    if (point->has_value) {
        out->order_value = order_value_message(call, point->value);
        status = out->order_value ? STATUS_OK : api_no_memory(call);
    }
    if (status == STATUS_OK && payload) {
        status = project_payload(call, projection, *payload, &out->payload);
    }
    if (status == STATUS_OK && projection->vectors) {
        status = vectors_output(call, projection, point, &out->vectors);
    }
    return status;
}

enum status project_retrieved(struct call *call, const struct projection *projection,
                              const struct found *points, size_t count, size_t *out_count,
                              Qdrant__RetrievedPoint ***out)
{
    struct slice *payloads = NULL;
    enum status status = STATUS_OK;
    Qdrant__RetrievedPoint **list =
        arena_new_array(call->arena, Qdrant__RetrievedPoint *, count + 1);
    if (!list) {
        return api_no_memory(call);
    }
    if (projection->payload != PAYLOAD_NONE) {
        status = read_payloads(call, projection, points, count, &payloads);
    }
    size_t used = 0;
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        struct projected projected;
        if (payloads && !payloads[i].data) {
            continue;
        }
        status =
            project_one(call, projection, &points[i], payloads ? &payloads[i] : NULL, &projected);
        Qdrant__RetrievedPoint *point = api_new(call, &qdrant__retrieved_point__descriptor);
        if (status != STATUS_OK || !point) {
            return status != STATUS_OK ? status : api_no_memory(call);
        }
        point->id = projected.id;
        point->vectors = projected.vectors;
        point->order_value = projected.order_value;
        if (payloads) {
            point->_payload_json_case = QDRANT__RETRIEVED_POINT___PAYLOAD_JSON_PAYLOAD_JSON;
            point->payload_json = projected.payload;
        }
        list[used++] = point;
    }
    *out = list;
    *out_count = used;
    return status;
}

enum status project_scored(struct call *call, const struct projection *projection,
                           const struct found *points, size_t count, size_t *out_count,
                           Qdrant__ScoredPoint ***out)
{
    struct slice *payloads = NULL;
    enum status status = STATUS_OK;
    Qdrant__ScoredPoint **list = arena_new_array(call->arena, Qdrant__ScoredPoint *, count + 1);
    if (!list) {
        return api_no_memory(call);
    }
    if (projection->payload != PAYLOAD_NONE) {
        status = read_payloads(call, projection, points, count, &payloads);
    }
    size_t used = 0;
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        struct projected projected;
        if (payloads && !payloads[i].data) {
            continue;
        }
        status =
            project_one(call, projection, &points[i], payloads ? &payloads[i] : NULL, &projected);
        Qdrant__ScoredPoint *point = api_new(call, &qdrant__scored_point__descriptor);
        if (status != STATUS_OK || !point) {
            return status != STATUS_OK ? status : api_no_memory(call);
        }
        point->id = projected.id;
        point->score = points[i].score;
        point->version = points[i].version;
        point->vectors = projected.vectors;
        point->order_value = projected.order_value;
        if (payloads) {
            point->_payload_json_case = QDRANT__SCORED_POINT___PAYLOAD_JSON_PAYLOAD_JSON;
            point->payload_json = projected.payload;
        }
        list[used++] = point;
    }
    *out = list;
    *out_count = used;
    return status;
}
