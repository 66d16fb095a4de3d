/* Commands on points. Operations of one command run one after the other and see each other's
 * effects. An operation that names a point which does not exist changes the others it names, then
 * ends the command with an error; what came before it stays. So does the contract, and a client
 * that does not wait for the answer loses nothing of what could be done. */
#include "index/apply.h"
#include "index/payload/edit.h"
#include "storage/base/assert.h"
#include "storage/base/bitmap.h"

/* The contract's UpdateMode, as the log keeps it. */
enum update_mode { UPDATE_MODE_UPSERT, UPDATE_MODE_INSERT_ONLY, UPDATE_MODE_UPDATE_ONLY };

struct work {
    struct apply *apply;
    struct segment *segment;
    const struct schema *schema;
    struct arena *scratch; /* reset for each point */
    bool has_missing;      /* the operation names a point that does not exist */
    struct point_id missing;
};

static enum status read_key(const Sagitta__PointKey *key, struct point_id *out, struct error *err)
{
    if (key && key->kind_case == SAGITTA__POINT_KEY__KIND_NUMBER) {
        *out = point_id_number(key->number);
        return STATUS_OK;
    }
    if (key && key->kind_case == SAGITTA__POINT_KEY__KIND_UUID && key->uuid.len == 16) {
        uint8_t encoded[POINT_ID_KEY_BYTES] = {1};
        memcpy(encoded + 1, key->uuid.data, 16);
        if (point_id_decode(slice_of(encoded, sizeof(encoded)), out)) {
            return STATUS_OK;
        }
    }
    return error_set(err, STATUS_CORRUPT, "a point's id in the log is damaged");
}

static enum status not_found(struct point_id id, struct error *err)
{
    char text[POINT_ID_TEXT_BYTES];
    point_id_format(id, text);
    return error_set(err, STATUS_NOT_FOUND, "No point with id %s found", text);
}

static enum status compile(struct work *work, const Qdrant__Filter *wire, struct filter **out)
{
    return filter_compile(wire, &work->schema->filtering, work->apply->arena, out,
                          &work->apply->out->error);
}

/* Notes the first; the operation fails with it when it has done the rest. */
static void note_missing(struct work *work, struct point_id id)
{
    if (!work->has_missing) {
        work->has_missing = true;
        work->missing = id;
    }
}

/* Offsets of the points selected, in order. Ids that do not exist are left out and noted. */
static enum status select_points(struct work *work, const Sagitta__Selection *selection,
                                 point_offset **out, size_t *count)
{
    struct error *err = &work->apply->out->error;
    struct bitmap matches;
    bitmap_init(&matches);
    enum status status = STATUS_OK;
    size_t found = 0;
    if (selection->filter) {
        struct filter *filter = NULL;
        status = compile(work, selection->filter, &filter);
        if (status == STATUS_OK) {
            status = segment_matches_pending(work->segment, filter, &matches, err);
        }
    }
    size_t room = selection->filter ? bitmap_count(&matches) : selection->n_ids;
    point_offset *offsets = arena_new_array(work->apply->arena, point_offset, room + 1);
    ASSERT(offsets); /* the arena has no limit here */
    for (size_t i = bitmap_next(&matches, 0); i < matches.bits; i = bitmap_next(&matches, i + 1)) {
        offsets[found++] = (point_offset)i;
    }
    for (size_t i = 0; i < selection->n_ids && status == STATUS_OK; i++) {
        struct point_id id;
        status = read_key(selection->ids[i], &id, err);
        if (status == STATUS_OK && segment_locate(work->segment, id, &offsets[found])) {
            found++;
        } else if (status == STATUS_OK) {
            note_missing(work, id);
        }
    }
    bitmap_deinit(&matches);
    *out = offsets;
    *count = found;
    return status;
}

static enum status read_vectors(struct work *work, const Sagitta__StoredPoint *point,
                                struct slice *vectors)
{
    for (size_t i = 0; i < point->n_vectors; i++) {
        const Sagitta__StoredVector *vector = point->vectors[i];
        if (vector->slot >= work->schema->vectors_count) {
            return error_set(&work->apply->out->error, STATUS_CORRUPT,
                             "a vector in the log has an unknown slot");
        }
        const struct vector_spec *spec = &work->schema->vectors[vector->slot];
        if (vector->data.len != row_bytes(spec->element, spec->dim)) {
            return error_set(&work->apply->out->error, STATUS_CORRUPT,
                             "a vector in the log has a wrong size");
        }
        vectors[vector->slot] = slice_of(vector->data.data, vector->data.len);
    }
    return STATUS_OK;
}

static enum status upsert_one(struct work *work, const Sagitta__Upsert *command,
                              const Sagitta__StoredPoint *point, const struct filter *filter)
{
    struct slice vectors[VECTORS_MAX] = {{0}};
    struct point_id id;
    point_offset old = 0;
    struct error *err = &work->apply->out->error;
    enum status status = read_key(point->id, &id, err);
    if (status == STATUS_OK) {
        status = read_vectors(work, point, vectors);
    }
    if (status != STATUS_OK) {
        return status;
    }
    bool exists = segment_locate(work->segment, id, &old);
    if ((exists && command->mode == UPDATE_MODE_INSERT_ONLY) ||
        (!exists && command->mode == UPDATE_MODE_UPDATE_ONLY) ||
        (exists && filter && !segment_check_pending(work->segment, filter, old, work->scratch))) {
        return STATUS_OK;
    }
    work->apply->out->changed++;
    return segment_put(work->segment, work->apply->batch, work->apply->index, id, vectors,
                       slice_of(point->payload.data, point->payload.len), err);
}

static enum status apply_upsert(struct work *work, const Sagitta__Upsert *command)
{
    struct filter *filter = NULL;
    enum status status = compile(work, command->update_filter, &filter);
    for (size_t i = 0; i < command->n_points && status == STATUS_OK; i++) {
        status = upsert_one(work, command, command->points[i], filter);
        arena_reset(work->scratch);
    }
    return status;
}

static enum status apply_delete(struct work *work, const Sagitta__Selection *selection)
{
    point_offset *offsets = NULL;
    size_t count = 0;
    enum status status = select_points(work, selection, &offsets, &count);
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        if (segment_current(work->segment, offsets[i])) { /* an id may be listed twice */
            segment_delete(work->segment, work->apply->batch, offsets[i]);
            work->apply->out->changed++;
        }
    }
    work->has_missing = false; /* gone already: that is what was asked for */
    return status;
}

/* How one point's payload changes. */
struct payload_change {
    enum { CHANGE_SET, CHANGE_OVERWRITE, CHANGE_REMOVE, CHANGE_CLEAR } kind;
    struct slice patch;
    struct path *key; /* NULL: at the root */
    struct path **removed;
    size_t removed_count;
};

static void edit(const struct payload_change *change, struct slice old, struct buffer *out)
{
    struct buffer step;
    switch (change->kind) {
    case CHANGE_SET:
        if (change->key) {
            payload_merge_at(old, change->key, change->patch, out);
        } else {
            payload_merge(old, change->patch, out);
        }
        break;
    case CHANGE_OVERWRITE:
        buffer_append_slice(out, change->patch);
        break;
    case CHANGE_REMOVE:
        buffer_append_slice(out, old);
        buffer_init(&step, 0);
        for (size_t i = 0; i < change->removed_count; i++) {
            buffer_clear(&step);
            payload_remove(buffer_slice(out), change->removed[i], &step);
            buffer_clear(out);
            buffer_append_slice(out, buffer_slice(&step));
        }
        buffer_deinit(&step);
        break;
    case CHANGE_CLEAR:
        break;
    }
}

static enum status change_payloads(struct work *work, const Sagitta__Selection *selection,
                                   const struct payload_change *change)
{
    point_offset *offsets = NULL;
    size_t count = 0;
    enum status status = select_points(work, selection, &offsets, &count);
    struct buffer payload;
    buffer_init(&payload, 0);
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        struct slice old;
        status = segment_pending_payload(work->segment, offsets[i], work->scratch, &old,
                                         &work->apply->out->error);
        if (status == STATUS_OK) {
            buffer_clear(&payload);
            edit(change, old, &payload);
            segment_set_payload(work->segment, work->apply->batch, work->apply->index, offsets[i],
                                buffer_slice(&payload));
            work->apply->out->changed++;
        }
        arena_reset(work->scratch);
    }
    buffer_deinit(&payload);
    return status;
}

static enum status apply_set_payload(struct work *work, const Sagitta__SetPayload *command,
                                     bool overwrite)
{
    struct payload_change change = {.kind = overwrite ? CHANGE_OVERWRITE : CHANGE_SET,
                                    .patch = slice_of(command->payload.data, command->payload.len)};
    if (!overwrite && command->key[0]) {
        enum status status = path_parse(slice_text(command->key), work->apply->arena, &change.key,
                                        &work->apply->out->error);
        if (status != STATUS_OK) {
            return status;
        }
    }
    return change_payloads(work, command->points, &change);
}

static enum status apply_delete_payload(struct work *work, const Sagitta__DeletePayload *command)
{
    struct payload_change change = {.kind = CHANGE_REMOVE, .removed_count = command->n_keys};
    change.removed = arena_new_array(work->apply->arena, struct path *, command->n_keys + 1);
    ASSERT(change.removed);
    for (size_t i = 0; i < command->n_keys; i++) {
        enum status status = path_parse(slice_text(command->keys[i]), work->apply->arena,
                                        &change.removed[i], &work->apply->out->error);
        if (status != STATUS_OK) {
            return status;
        }
    }
    return change_payloads(work, command->points, &change);
}

static enum status update_one(struct work *work, const Sagitta__StoredPoint *point,
                              point_offset old)
{
    struct slice vectors[VECTORS_MAX] = {{0}};
    struct slice payload;
    for (uint32_t slot = 0; slot < work->schema->vectors_count; slot++) {
        vectors[slot] = segment_vector(work->segment, old, slot);
    }
    enum status status = read_vectors(work, point, vectors);
    if (status == STATUS_OK) {
        status = segment_pending_payload(work->segment, old, work->scratch, &payload,
                                         &work->apply->out->error);
    }
    if (status != STATUS_OK) {
        return status;
    }
    work->apply->out->changed++;
    return segment_put(work->segment, work->apply->batch, work->apply->index,
                       segment_id(work->segment, old), vectors, payload, &work->apply->out->error);
}

static enum status apply_update_vectors(struct work *work, const Sagitta__UpdateVectors *command)
{
    struct filter *filter = NULL;
    enum status status = compile(work, command->update_filter, &filter);
    for (size_t i = 0; i < command->n_points && status == STATUS_OK; i++) {
        point_offset offset = 0;
        struct point_id id;
        status = read_key(command->points[i]->id, &id, &work->apply->out->error);
        if (status != STATUS_OK) {
            break;
        }
        if (!segment_locate(work->segment, id, &offset)) {
            note_missing(work, id);
        } else if (segment_check_pending(work->segment, filter, offset, work->scratch)) {
            status = update_one(work, command->points[i], offset);
        }
        arena_reset(work->scratch);
    }
    return status;
}

static enum status apply_delete_vectors(struct work *work, const Sagitta__DeleteVectors *command)
{
    for (size_t i = 0; i < command->n_slots; i++) {
        if (command->slots[i] >= work->schema->vectors_count) {
            return error_set(&work->apply->out->error, STATUS_CORRUPT,
                             "a vector in the log has an unknown slot");
        }
    }
    point_offset *offsets = NULL;
    size_t count = 0;
    enum status status = select_points(work, command->points, &offsets, &count);
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        segment_delete_vectors(work->segment, work->apply->batch, work->apply->index, offsets[i],
                               command->slots, command->n_slots);
        work->apply->out->changed++;
    }
    return status;
}

static enum status apply_operation(struct work *work, const Sagitta__PointsOperation *operation)
{
    switch (operation->kind_case) {
    case SAGITTA__POINTS_OPERATION__KIND_UPSERT:
        return apply_upsert(work, operation->upsert);
    case SAGITTA__POINTS_OPERATION__KIND_DELETE_POINTS:
        return apply_delete(work, operation->delete_points);
    case SAGITTA__POINTS_OPERATION__KIND_SET_PAYLOAD:
        return apply_set_payload(work, operation->set_payload, false);
    case SAGITTA__POINTS_OPERATION__KIND_OVERWRITE_PAYLOAD:
        return apply_set_payload(work, operation->overwrite_payload, true);
    case SAGITTA__POINTS_OPERATION__KIND_DELETE_PAYLOAD:
        return apply_delete_payload(work, operation->delete_payload);
    case SAGITTA__POINTS_OPERATION__KIND_CLEAR_PAYLOAD:
        return change_payloads(work, operation->clear_payload,
                               &(struct payload_change){.kind = CHANGE_CLEAR});
    case SAGITTA__POINTS_OPERATION__KIND_UPDATE_VECTORS:
        return apply_update_vectors(work, operation->update_vectors);
    case SAGITTA__POINTS_OPERATION__KIND_DELETE_VECTORS:
        return apply_delete_vectors(work, operation->delete_vectors);
    default:
        return error_set(&work->apply->out->error, STATUS_CORRUPT,
                         "log record %llu holds an unknown operation",
                         (unsigned long long)work->apply->index);
    }
}

enum status apply_write_points(struct apply *apply, struct collection *collection,
                               const Sagitta__WritePoints *command)
{
    struct work work = {.apply = apply,
                        .segment = collection->segment,
                        .schema = collection->schema,
                        .scratch = arena_create(0)};
    enum status status = STATUS_OK;
    for (size_t i = 0; i < command->n_operations && status == STATUS_OK; i++) {
        status = apply_operation(&work, command->operations[i]);
        if (status == STATUS_OK && work.has_missing) {
            status = not_found(work.missing, &apply->out->error);
        }
        if (status != STATUS_OK && command->n_operations > 1) {
            status = error_wrap(&apply->out->error, "operation %zu", i);
        }
    }
    arena_destroy(work.scratch);
    return status;
}
