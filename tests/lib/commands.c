/* Makes commands the way the operation handlers do. */
#include "tests/lib/commands.h"

#include "storage/base/assert.h"

#define NEW(arena, type, name)                                                                     \
    type *name = arena_new(arena, type);                                                           \
    ASSERT(name)

static struct slice pack(struct arena *arena, const Sagitta__Command *command)
{
    size_t size = sagitta__command__get_packed_size(command);
    uint8_t *bytes = arena_alloc(arena, size + 1, 1);
    ASSERT(bytes);
    sagitta__command__pack(command, bytes);
    return slice_of(bytes, size);
}

struct slice command_create(struct arena *arena, const char *name, uint32_t dim,
                            uint64_t indexing_threshold_kb)
{
    Qdrant__VectorParams params = QDRANT__VECTOR_PARAMS__INIT;
    params.size = dim;
    params.distance = QDRANT__DISTANCE__Euclid;
    Qdrant__VectorsConfig vectors = QDRANT__VECTORS_CONFIG__INIT;
    vectors.config_case = QDRANT__VECTORS_CONFIG__CONFIG_PARAMS;
    vectors.params = &params;
    Qdrant__HnswConfigDiff hnsw = QDRANT__HNSW_CONFIG_DIFF__INIT;
    hnsw._m_case = QDRANT__HNSW_CONFIG_DIFF___M_M;
    hnsw.m = 16;
    hnsw._ef_construct_case = QDRANT__HNSW_CONFIG_DIFF___EF_CONSTRUCT_EF_CONSTRUCT;
    hnsw.ef_construct = 64;
    Qdrant__OptimizersConfigDiff optimizers = QDRANT__OPTIMIZERS_CONFIG_DIFF__INIT;
    optimizers._indexing_threshold_case =
        QDRANT__OPTIMIZERS_CONFIG_DIFF___INDEXING_THRESHOLD_INDEXING_THRESHOLD;
    optimizers.indexing_threshold = indexing_threshold_kb;
    optimizers._deleted_threshold_case =
        QDRANT__OPTIMIZERS_CONFIG_DIFF___DELETED_THRESHOLD_DELETED_THRESHOLD;
    optimizers.deleted_threshold = 0.2;
    Qdrant__CreateCollection config;
    qdrant__create_collection__init(&config);
    config.vectors_config = &vectors;
    config.hnsw_config = &hnsw;
    config.optimizers_config = &optimizers;
    Sagitta__CreateCollection create = SAGITTA__CREATE_COLLECTION__INIT;
    create.name = (char *)name;
    create.config = &config;
    Sagitta__Command command = SAGITTA__COMMAND__INIT;
    command.kind_case = SAGITTA__COMMAND__KIND_CREATE_COLLECTION;
    command.create_collection = &create;
    return pack(arena, &command);
}

struct slice command_drop(struct arena *arena, const char *name)
{
    Sagitta__DeleteCollection drop = SAGITTA__DELETE_COLLECTION__INIT;
    drop.name = (char *)name;
    Sagitta__Command command = SAGITTA__COMMAND__INIT;
    command.kind_case = SAGITTA__COMMAND__KIND_DELETE_COLLECTION;
    command.delete_collection = &drop;
    return pack(arena, &command);
}

struct slice command_alias(struct arena *arena, const char *alias, const char *collection)
{
    Qdrant__CreateAlias create = QDRANT__CREATE_ALIAS__INIT;
    create.alias_name = (char *)alias;
    create.collection_name = (char *)collection;
    Qdrant__AliasOperations action = QDRANT__ALIAS_OPERATIONS__INIT;
    action.action_case = QDRANT__ALIAS_OPERATIONS__ACTION_CREATE_ALIAS;
    action.create_alias = &create;
    Qdrant__AliasOperations *actions[] = {&action};
    Sagitta__ChangeAliases change = SAGITTA__CHANGE_ALIASES__INIT;
    change.actions = actions;
    change.n_actions = 1;
    Sagitta__Command command = SAGITTA__COMMAND__INIT;
    command.kind_case = SAGITTA__COMMAND__KIND_CHANGE_ALIASES;
    command.change_aliases = &change;
    return pack(arena, &command);
}

static Sagitta__PointKey *key_of(struct arena *arena, uint64_t id)
{
    NEW(arena, Sagitta__PointKey, key);
    sagitta__point_key__init(key);
    key->kind_case = SAGITTA__POINT_KEY__KIND_NUMBER;
    key->number = id;
    return key;
}

static Sagitta__PointsOperation *operation_of(struct arena *arena,
                                              Sagitta__PointsOperation__KindCase kind, void *body)
{
    NEW(arena, Sagitta__PointsOperation, operation);
    sagitta__points_operation__init(operation);
    operation->kind_case = kind;
    operation->upsert = body; /* all arms of the union are pointers */
    return operation;
}

struct Sagitta__PointsOperation *operation_upsert(struct arena *arena, uint64_t id,
                                                  const float *vector, uint32_t dim,
                                                  const char *payload)
{
    NEW(arena, Sagitta__StoredPoint, point);
    NEW(arena, Sagitta__StoredPoint *, points);
    NEW(arena, Sagitta__StoredVector, stored);
    NEW(arena, Sagitta__StoredVector *, vectors);
    NEW(arena, Sagitta__Upsert, upsert);
    sagitta__upsert__init(upsert);
    sagitta__stored_point__init(point);
    sagitta__stored_vector__init(stored);
    point->id = key_of(arena, id);
    point->payload.data = (uint8_t *)payload;
    point->payload.len = strlen(payload);
    if (vector) {
        stored->data.data = arena_memdup(arena, vector, dim * sizeof(float));
        stored->data.len = dim * sizeof(float);
        *vectors = stored;
        point->vectors = vectors;
        point->n_vectors = 1;
    }
    *points = point;
    upsert->points = points;
    upsert->n_points = 1;
    return operation_of(arena, SAGITTA__POINTS_OPERATION__KIND_UPSERT, upsert);
}

static Sagitta__Selection *select_id(struct arena *arena, uint64_t id)
{
    NEW(arena, Sagitta__Selection, selection);
    NEW(arena, Sagitta__PointKey *, ids);
    sagitta__selection__init(selection);
    *ids = key_of(arena, id);
    selection->ids = ids;
    selection->n_ids = 1;
    return selection;
}

struct Sagitta__PointsOperation *operation_delete(struct arena *arena, uint64_t id)
{
    return operation_of(arena, SAGITTA__POINTS_OPERATION__KIND_DELETE_POINTS, select_id(arena, id));
}

Qdrant__Filter *filter_keyword(struct arena *arena, const char *key, const char *keyword)
{
    NEW(arena, Qdrant__Match, match);
    NEW(arena, Qdrant__FieldCondition, field);
    NEW(arena, Qdrant__Condition, condition);
    NEW(arena, Qdrant__Condition *, must);
    NEW(arena, Qdrant__Filter, filter);
    qdrant__match__init(match);
    qdrant__field_condition__init(field);
    qdrant__condition__init(condition);
    qdrant__filter__init(filter);
    match->match_value_case = QDRANT__MATCH__MATCH_VALUE_KEYWORD;
    match->keyword = (char *)keyword;
    field->key = (char *)key;
    field->match = match;
    condition->condition_one_of_case = QDRANT__CONDITION__CONDITION_ONE_OF_FIELD;
    condition->field = field;
    *must = condition;
    filter->must = must;
    filter->n_must = 1;
    return filter;
}

struct Sagitta__PointsOperation *operation_delete_where(struct arena *arena, const char *key,
                                                        const char *keyword)
{
    NEW(arena, Sagitta__Selection, selection);
    sagitta__selection__init(selection);
    selection->filter = filter_keyword(arena, key, keyword);
    return operation_of(arena, SAGITTA__POINTS_OPERATION__KIND_DELETE_POINTS, selection);
}

struct Sagitta__PointsOperation *operation_set_payload(struct arena *arena, uint64_t id,
                                                       const char *payload)
{
    NEW(arena, Sagitta__SetPayload, set);
    sagitta__set_payload__init(set);
    set->points = select_id(arena, id);
    set->payload.data = (uint8_t *)payload;
    set->payload.len = strlen(payload);
    return operation_of(arena, SAGITTA__POINTS_OPERATION__KIND_SET_PAYLOAD, set);
}

struct slice command_points(struct arena *arena, uint32_t collection,
                            struct Sagitta__PointsOperation **operations, size_t count)
{
    Sagitta__WritePoints write = SAGITTA__WRITE_POINTS__INIT;
    write.operations = operations;
    write.n_operations = count;
    Sagitta__Command command = SAGITTA__COMMAND__INIT;
    command.collection = collection;
    command.kind_case = SAGITTA__COMMAND__KIND_WRITE_POINTS;
    command.write_points = &write;
    return pack(arena, &command);
}
