/* Measures what an update adds: points, bytes of vectors, bytes of payloads.
 *
 * The bound costs a walk over the request. The measure reads the points that the request names and
 * is only taken when the bound is too much. Parts of a batch are summed up, though one may undo
 * another. Any compute thread. Failures: the arena's limit, storage. */
#include "server/api/growth.h"

#include "index/collection/usage.h"
#include "index/kernel/kernel.h"
#include "server/api/api.h"
#include "server/api/message_walk.h"

#include <stdlib.h>

struct measure {
    struct call *call; /* NULL: the bound only */
    const struct view *view;
    uint64_t points; /* in the collection */
    struct growth growth;
    enum status status;
};

static uint64_t row_size(const struct schema *schema, const char *name)
{
    const struct vector_spec *spec = schema_vector(schema, name);
    return spec ? row_bytes(spec->element, spec->dim) : 0;
}

/* Of the vectors of a written point; of those that it has not yet when it is `found`. */
static uint64_t vectors_size(const struct measure *measure, const Qdrant__Vectors *vectors,
                             const struct found *found)
{
    const struct schema *schema = measure->view->schema;
    if (!vectors) {
        return 0;
    }
    bool single = vectors->vectors_options_case == QDRANT__VECTORS__VECTORS_OPTIONS_VECTOR;
    bool named = vectors->vectors_options_case == QDRANT__VECTORS__VECTORS_OPTIONS_VECTORS;
    size_t count = named ? vectors->vectors->n_vectors : single;
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        const char *name = named ? vectors->vectors->vectors[i]->key : "";
        const struct vector_spec *spec = schema_vector(schema, name);
        if (!found || (spec && !view_has_vector(measure->view, found, spec->slot))) {
            bytes += row_size(schema, name);
        }
    }
    return bytes;
}

/* A payload takes the place of the point's. */
static void add_payload(struct measure *measure, size_t size, const struct found *found)
{
    struct slice old = slice_of(NULL, 0);
    if (found) {
        enum status status =
            view_payload(measure->view, found, measure->call->arena, &old, measure->call->err);
        if (status != STATUS_OK && status != STATUS_NOT_FOUND) {
            measure->status = status;
        }
    }
    measure->growth.payload_bytes += size > old.size ? size - old.size : 0;
}

struct place_in_batch {
    struct point_id id;
    size_t index;
};

static int compare_places(const void *a, const void *b)
{
    const struct place_in_batch *x = a, *y = b;
    int order = point_id_compare(x->id, y->id);
    return order ? order : (x->index > y->index) - (x->index < y->index);
}

static void measure_upsert(struct measure *measure, Qdrant__PointStruct *const *points,
                           size_t count, bool may_insert)
{
    struct call *call = measure->call;
    struct place_in_batch *places = arena_new_array(call->arena, struct place_in_batch, count + 1);
    if (!places) {
        measure->status = api_no_memory(call);
        return;
    }
    for (size_t i = 0; i < count && measure->status == STATUS_OK; i++) {
        places[i].index = i;
        measure->status = id_read(call, points[i]->id, &places[i].id);
    }
    if (measure->status != STATUS_OK) {
        return;
    }
    qsort(places, count, sizeof(places[0]), compare_places);
    for (size_t i = 0; i < count && measure->status == STATUS_OK; i++) {
        if (i + 1 < count && point_id_compare(places[i].id, places[i + 1].id) == 0) {
            continue; /* of equal ids the last one counts */
        }
        const Qdrant__PointStruct *point = points[places[i].index];
        struct found found;
        bool known = view_locate(measure->view, places[i].id, &found);
        if (known || may_insert) {
            measure->growth.points += !known;
            measure->growth.vector_bytes +=
                vectors_size(measure, point->vectors, known ? &found : NULL);
            add_payload(measure, point->_payload_json_case ? point->payload_json.len : 0,
                        known ? &found : NULL);
        }
    }
}

static void on_upsert(struct measure *measure, Qdrant__PointStruct *const *points, size_t count,
                      bool may_insert)
{
    if (measure->call) {
        measure_upsert(measure, points, count, may_insert);
        return;
    }
    measure->growth.points += may_insert ? count : 0;
    for (size_t i = 0; i < count; i++) {
        measure->growth.vector_bytes += vectors_size(measure, points[i]->vectors, NULL);
        measure->growth.payload_bytes +=
            points[i]->_payload_json_case ? points[i]->payload_json.len : 0;
    }
}

static void on_vectors(struct measure *measure, Qdrant__PointVectors *const *points, size_t count)
{
    for (size_t i = 0; i < count && measure->status == STATUS_OK; i++) {
        struct found found;
        struct point_id id;
        bool known = false;
        if (measure->call) {
            measure->status = id_read(measure->call, points[i]->id, &id);
            known = measure->status == STATUS_OK && view_locate(measure->view, id, &found);
        }
        if (known || !measure->call) {
            measure->growth.vector_bytes +=
                vectors_size(measure, points[i]->vectors, known ? &found : NULL);
        }
    }
}

/* How many points the selector may select. */
static uint64_t selected(struct measure *measure, const Qdrant__PointsSelector *selector)
{
    if (selector && selector->points_selector_one_of_case ==
                        QDRANT__POINTS_SELECTOR__POINTS_SELECTOR_ONE_OF_POINTS) {
        return selector->points->n_ids;
    }
    uint64_t count = measure->points;
    struct call *call = measure->call;
    struct filter *filter = NULL;
    if (call && selector && selector->filter) {
        measure->status = filter_compile(selector->filter, &measure->view->schema->filtering,
                                         call->arena, &filter, call->err);
        if (measure->status == STATUS_OK) {
            measure->status = view_count(measure->view, filter, call->cancelled, &count, call->err);
        }
    }
    return count;
}

static void on_payload(struct measure *measure, const Qdrant__PointsSelector *selector,
                       ProtobufCBinaryData json)
{
    uint64_t bytes = 0;
    if (__builtin_mul_overflow(selected(measure, selector), (uint64_t)json.len, &bytes) ||
        __builtin_add_overflow(measure->growth.payload_bytes, bytes,
                               &measure->growth.payload_bytes)) {
        measure->growth.payload_bytes = UINT64_MAX;
    }
}

static enum walk_step visit(void *ctx, const ProtobufCMessage *message)
{
    struct measure *measure = ctx;
    const ProtobufCMessageDescriptor *type = message->descriptor;
    if (type == &qdrant__upsert_points__descriptor) {
        const Qdrant__UpsertPoints *upsert = (const void *)message;
        on_upsert(measure, upsert->points, upsert->n_points,
                  !upsert->_update_mode_case ||
                      upsert->update_mode != QDRANT__UPDATE_MODE__UpdateOnly);
    } else if (type == &qdrant__points_update_operation__point_struct_list__descriptor) {
        const Qdrant__PointsUpdateOperation__PointStructList *list = (const void *)message;
        on_upsert(measure, list->points, list->n_points,
                  !list->_update_mode_case || list->update_mode != QDRANT__UPDATE_MODE__UpdateOnly);
    } else if (type == &qdrant__update_point_vectors__descriptor) {
        const Qdrant__UpdatePointVectors *update = (const void *)message;
        on_vectors(measure, update->points, update->n_points);
    } else if (type == &qdrant__points_update_operation__update_vectors__descriptor) {
        const Qdrant__PointsUpdateOperation__UpdateVectors *update = (const void *)message;
        on_vectors(measure, update->points, update->n_points);
    } else if (type == &qdrant__set_payload_points__descriptor) {
        const Qdrant__SetPayloadPoints *set = (const void *)message;
        on_payload(measure, set->points_selector, set->payload_json);
    } else if (type == &qdrant__points_update_operation__set_payload__descriptor) {
        const Qdrant__PointsUpdateOperation__SetPayload *set = (const void *)message;
        on_payload(measure, set->points_selector, set->payload_json);
    } else if (type == &qdrant__points_update_operation__overwrite_payload__descriptor) {
        const Qdrant__PointsUpdateOperation__OverwritePayload *set = (const void *)message;
        on_payload(measure, set->points_selector, set->payload_json);
    } else {
        return WALK_IN;
    }
    return measure->status == STATUS_OK ? WALK_PAST : WALK_STOP;
}

void growth_bound(const struct view *view, const ProtobufCMessage *request, uint64_t points,
                  struct growth *out)
{
    struct measure measure = {.view = view, .points = points};
    (void)message_walk(request, visit, &measure);
    *out = measure.growth;
}

enum status growth_measure(struct call *call, const struct view *view,
                           const ProtobufCMessage *request, struct growth *out)
{
    struct measure measure = {.call = call, .view = view};
    (void)message_walk(request, visit, &measure);
    if (measure.status == STATUS_OK) {
        *out = measure.growth;
    }
    return measure.status;
}
