/* Applying a command: unpack, find what it concerns, skip what storage has already, dispatch,
 * commit.
 *
 * Everything a command changes in storage goes into one batch together with the applied index, so
 * after a crash storage holds all of a command or nothing, and the log's replay continues where it
 * ends. */
#include "index/apply.h"

#include "index/collection/message.h"
#include "storage/base/assert.h"
#include "storage/kv/keys.h"

uint32_t engine_command_collection(struct slice command)
{
    /* Field 1, a varint, comes first when it is not zero. */
    uint32_t number = 0;
    if (command.size < 2 || command.data[0] != 0x08) {
        return 0;
    }
    for (size_t i = 1; i < command.size && i <= 5; i++) {
        number |= (uint32_t)(command.data[i] & 0x7f) << (7 * (i - 1));
        if (!(command.data[i] & 0x80)) {
            break;
        }
    }
    return number;
}

static enum status apply_catalog(struct apply *apply, const Sagitta__Command *command)
{
    struct engine *engine = apply->engine;
    if (apply->index <= engine->catalog_applied) {
        return STATUS_OK;
    }
    switch (command->kind_case) {
    case SAGITTA__COMMAND__KIND_CREATE_COLLECTION:
        return apply_create_collection(apply, command->create_collection);
    case SAGITTA__COMMAND__KIND_UPDATE_COLLECTION:
        return apply_update_collection(apply, command->update_collection);
    case SAGITTA__COMMAND__KIND_DELETE_COLLECTION:
        return apply_delete_collection(apply, command->delete_collection);
    case SAGITTA__COMMAND__KIND_CHANGE_ALIASES:
        return apply_change_aliases(apply, command->change_aliases);
    case SAGITTA__COMMAND__KIND_CREATE_FIELD_INDEX:
        return apply_create_field_index(apply, command->create_field_index);
    case SAGITTA__COMMAND__KIND_DELETE_FIELD_INDEX:
        return apply_delete_field_index(apply, command->delete_field_index);
    case SAGITTA__COMMAND__KIND_SET_QUOTAS:
        return apply_set_quotas(apply, command->set_quotas);
    default:
        return error_set(&apply->out->error, STATUS_CORRUPT,
                         "log record %llu holds an unknown command",
                         (unsigned long long)apply->index);
    }
}

static enum status apply_points(struct apply *apply, const Sagitta__Command *command)
{
    struct collection *collection = catalog_find_number(apply->engine, command->collection);
    if (!collection) { /* dropped meanwhile */
        return error_set(&apply->out->error, STATUS_NOT_FOUND, "Collection was deleted");
    }
    enum status status = STATUS_OK;
    if (apply->index > collection->applied) {
        segment_begin_write(collection->segment);
        status = apply_write_points(apply, collection, command->write_points);
        collection_put_state(collection, apply->index, apply->batch, apply->arena);
        enum status committed = kv_commit(apply->engine->kv, apply->batch, &apply->out->error);
        status = committed == STATUS_OK ? status : committed;
        segment_committed(collection->segment);
        collection->applied = apply->index;
        segment_end_write(collection->segment);
        if (apply->engine->builder) {
            builder_wake(apply->engine->builder);
        }
    }
    collection_unref(collection);
    return status;
}

void engine_apply(struct engine *engine, uint64_t index, struct slice command_bytes,
                  struct fsm_result *out)
{
    *out = (struct fsm_result){.index = index};
    struct apply apply = {.engine = engine,
                          .index = index,
                          .batch = kv_batch_create(),
                          .arena = arena_create(0),
                          .out = out};
    const Sagitta__Command *command =
        message_unpack(&sagitta__command__descriptor, command_bytes, apply.arena);
    if (!command) {
        out->code = error_set(&out->error, STATUS_CORRUPT, "log record %llu cannot be decoded",
                              (unsigned long long)index);
    } else if (command->kind_case == SAGITTA__COMMAND__KIND_WRITE_POINTS) {
        out->code = apply_points(&apply, command);
    } else {
        out->code = apply_catalog(&apply, command);
    }
    kv_batch_destroy(apply.batch);
    arena_destroy(apply.arena);
}
