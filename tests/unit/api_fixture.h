/* A real engine in a fresh folder, and operations run on it as the server does: propose, apply,
 * reply. For the tests of server/api only. */
#pragma once
#include "server/api/api.h"
#include "server/watch/info.h"
#include "storage/base/file.h"
#include "tests/lib/unit.h"

#include <stdio.h>
#include <stdlib.h>

struct fixture {
    char path[64];
    struct engine *engine;
    struct metrics *metrics;
    struct server_info info;
    struct settings settings;
    struct arena *arena; /* requests and answers of one test */
    atomic_bool cancelled;
    struct error err;
    struct call call;
    uint64_t index; /* of the last command applied */
    size_t logged_bytes;
};

static inline int fixture_setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    (void)snprintf(f->path, sizeof(f->path), "/tmp/sagitta-api-XXXXXX");
    assert_non_null(mkdtemp(f->path));
    struct engine_options options = {.path = f->path,
                                     .cache_bytes = 8 << 20,
                                     .write_buffer_bytes = 8 << 20,
                                     .build_threads = 1,
                                     .defaults = {.m = 16,
                                                  .ef_construct = 100,
                                                  .full_scan_threshold_kb = 10000,
                                                  .indexing_threshold_kb = 10000,
                                                  .deleted_threshold = 0.2,
                                                  .vacuum_min_points = 1000,
                                                  .flush_interval_sec = 5,
                                                  .wal_capacity_mb = 32}};
    if (engine_open(&options, &f->engine, &f->err) != STATUS_OK) {
        fail_msg("engine_open: %s", f->err.message);
    }
    config_defaults(&f->settings);
    f->metrics = metrics_create(op_count);
    server_info_init(&f->info, &f->settings, f->metrics);
    f->arena = arena_create(0);
    f->call = (struct call){.arena = f->arena,
                            .err = &f->err,
                            .engine = f->engine,
                            .info = &f->info,
                            .cancelled = &f->cancelled};
    *state = f;
    return 0;
}

static inline int fixture_teardown(void **state)
{
    struct fixture *f = *state;
    arena_destroy(f->arena);
    engine_close(f->engine);
    metrics_destroy(f->metrics);
    config_deinit(&f->settings);
    assert_int_equal(file_remove_tree(f->path, NULL), STATUS_OK);
    free(f);
    return 0;
}

/* Runs an operation by its name; the output is in the arena. */
static inline enum status run_op(struct fixture *f, const char *name, const void *input,
                                 void **output)
{
    const struct op *op = op_find(name);
    assert_non_null(op);
    assert_ptr_equal(((const ProtobufCMessage *)input)->descriptor, op->input);
    void *answer = api_new(&f->call, op->output);
    assert_non_null(answer);
    f->err = (struct error){0};
    f->logged_bytes = 0;
    *output = answer;
    if (op->flags & OP_READ) {
        return op->run(&f->call, input, answer);
    }
    struct buffer command;
    struct fsm_result result = {0};
    buffer_init(&command, 0);
    enum status status = op->propose(&f->call, input, &command);
    f->logged_bytes = command.size;
    if (status == STATUS_OK) {
        if (command.size > 0) {
            engine_apply(f->engine, ++f->index, buffer_slice(&command), &result);
        }
        status = op->reply(&f->call, input, &result, answer);
    } else {
        assert_int_equal(command.size, 0); /* refused whole */
    }
    buffer_deinit(&command);
    return status;
}

static inline void *run_ok(struct fixture *f, const char *name, const void *input)
{
    void *output = NULL;
    if (run_op(f, name, input, &output) != STATUS_OK) {
        fail_msg("%s: %s", name, f->err.message);
    }
    return output;
}

static inline void run_bad(struct fixture *f, const char *name, const void *input,
                           enum status status, const char *text)
{
    void *output = NULL;
    enum status got = run_op(f, name, input, &output);
    if (got != status || strcmp(f->err.message, text) != 0) {
        fail_msg("%s: wanted %s `%s`, got %s `%s`", name, status_name(status), text,
                 status_name(got), f->err.message);
    }
    assert_int_equal(f->err.code, status);
}

/* ---- messages ---- */

#define NEW(f, message) ((void *)api_new(&(f)->call, &qdrant__##message##__descriptor))

static inline Qdrant__PointId *make_id(struct fixture *f, uint64_t number)
{
    return id_message(&f->call, point_id_number(number));
}

static inline Qdrant__PointId *make_uuid(struct fixture *f, const char *text)
{
    Qdrant__PointId *id = NEW(f, point_id);
    id->point_id_options_case = QDRANT__POINT_ID__POINT_ID_OPTIONS_UUID;
    id->uuid = (char *)text;
    return id;
}

static inline Qdrant__Vector *make_dense(struct fixture *f, const float *numbers, size_t count)
{
    Qdrant__Vector *vector = NEW(f, vector);
    Qdrant__DenseVector *dense = NEW(f, dense_vector);
    dense->data = (float *)numbers;
    dense->n_data = count;
    vector->vector_case = QDRANT__VECTOR__VECTOR_DENSE;
    vector->dense = dense;
    return vector;
}

/* `vector` under a name, or unnamed (NULL). */
static inline Qdrant__Vectors *make_vectors(struct fixture *f, const char *name,
                                            Qdrant__Vector *vector)
{
    Qdrant__Vectors *vectors = NEW(f, vectors);
    if (!name) {
        vectors->vectors_options_case = QDRANT__VECTORS__VECTORS_OPTIONS_VECTOR;
        vectors->vector = vector;
        return vectors;
    }
    Qdrant__NamedVectors__VectorsEntry *entry = NEW(f, named_vectors__vectors_entry);
    Qdrant__NamedVectors *named = NEW(f, named_vectors);
    entry->key = (char *)name;
    entry->value = vector;
    named->vectors = arena_new_array(f->arena, Qdrant__NamedVectors__VectorsEntry *, 1);
    named->vectors[0] = entry;
    named->n_vectors = 1;
    vectors->vectors_options_case = QDRANT__VECTORS__VECTORS_OPTIONS_VECTORS;
    vectors->vectors = named;
    return vectors;
}

static inline Qdrant__PointStruct *make_point(struct fixture *f, Qdrant__PointId *id,
                                              Qdrant__Vectors *vectors, const char *payload)
{
    Qdrant__PointStruct *point = NEW(f, point_struct);
    point->id = id;
    point->vectors = vectors;
    if (payload) {
        point->_payload_json_case = QDRANT__POINT_STRUCT___PAYLOAD_JSON_PAYLOAD_JSON;
        point->payload_json.data = (uint8_t *)payload;
        point->payload_json.len = strlen(payload);
    }
    return point;
}

static inline Qdrant__UpsertPoints *make_upsert(struct fixture *f, const char *collection,
                                                Qdrant__PointStruct *point)
{
    Qdrant__UpsertPoints *request = NEW(f, upsert_points);
    request->collection_name = (char *)collection;
    request->points = arena_new_array(f->arena, Qdrant__PointStruct *, 1);
    request->points[0] = point;
    request->n_points = point ? 1 : 0;
    request->_wait_case = QDRANT__UPSERT_POINTS___WAIT_WAIT;
    request->wait = true;
    return request;
}

static inline Qdrant__VectorParams *make_params(struct fixture *f, uint64_t size,
                                                Qdrant__Distance distance)
{
    Qdrant__VectorParams *params = NEW(f, vector_params);
    params->size = size;
    params->distance = distance;
    return params;
}

/* A collection of one vector, unnamed when `vector_name` is NULL. */
static inline Qdrant__CreateCollection *make_create(struct fixture *f, const char *name,
                                                    const char *vector_name,
                                                    Qdrant__VectorParams *params)
{
    Qdrant__CreateCollection *request = NEW(f, create_collection);
    request->collection_name = (char *)name;
    Qdrant__VectorsConfig *config = NEW(f, vectors_config);
    request->vectors_config = config;
    if (!vector_name) {
        config->config_case = QDRANT__VECTORS_CONFIG__CONFIG_PARAMS;
        config->params = params;
        return request;
    }
    Qdrant__VectorParamsMap__MapEntry *entry = NEW(f, vector_params_map__map_entry);
    entry->key = (char *)vector_name;
    entry->value = params;
    Qdrant__VectorParamsMap *map = NEW(f, vector_params_map);
    map->map = arena_new_array(f->arena, Qdrant__VectorParamsMap__MapEntry *, 1);
    map->map[0] = entry;
    map->n_map = 1;
    config->config_case = QDRANT__VECTORS_CONFIG__CONFIG_PARAMS_MAP;
    config->params_map = map;
    return request;
}

static inline Qdrant__PointsSelector *make_ids(struct fixture *f, const uint64_t *ids, size_t count)
{
    Qdrant__PointsSelector *selector = NEW(f, points_selector);
    Qdrant__PointsIdsList *list = NEW(f, points_ids_list);
    list->ids = arena_new_array(f->arena, Qdrant__PointId *, count + 1);
    for (size_t i = 0; i < count; i++) {
        list->ids[i] = make_id(f, ids[i]);
    }
    list->n_ids = count;
    selector->points_selector_one_of_case = QDRANT__POINTS_SELECTOR__POINTS_SELECTOR_ONE_OF_POINTS;
    selector->points = list;
    return selector;
}

/* Filter: `key` is the keyword `value`. */
static inline Qdrant__Filter *make_filter(struct fixture *f, const char *key, const char *value)
{
    Qdrant__Filter *filter = NEW(f, filter);
    Qdrant__Condition *condition = NEW(f, condition);
    Qdrant__FieldCondition *field = NEW(f, field_condition);
    Qdrant__Match *match = NEW(f, match);
    match->match_value_case = QDRANT__MATCH__MATCH_VALUE_KEYWORD;
    match->keyword = (char *)value;
    field->key = (char *)key;
    field->match = match;
    condition->condition_one_of_case = QDRANT__CONDITION__CONDITION_ONE_OF_FIELD;
    condition->field = field;
    filter->must = arena_new_array(f->arena, Qdrant__Condition *, 1);
    filter->must[0] = condition;
    filter->n_must = 1;
    return filter;
}

static inline void assert_bytes(ProtobufCBinaryData data, const char *expected)
{
    if (data.len != strlen(expected) || memcmp(data.data, expected, data.len) != 0) {
        fail_msg("wanted `%s`, got `%.*s`", expected, (int)data.len, (const char *)data.data);
    }
}

static inline uint64_t count_points(struct fixture *f, const char *collection)
{
    Qdrant__CountPoints *request = NEW(f, count_points);
    request->collection_name = (char *)collection;
    Qdrant__CountResponse *response = run_ok(f, "count", request);
    return response->result->count;
}
