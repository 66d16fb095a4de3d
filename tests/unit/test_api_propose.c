/* Writes: what is refused, with which words, and what is logged, applied and answered. */
#include "tests/unit/api_fixture.h"

#include <math.h>

static const float right[4] = {1, 2, 3, 4};
static const float not_a_number[4] = {1, NAN, 3, 4};
static const float infinite[4] = {1, 2, INFINITY, 4};
static const float past_half[4] = {1, 70000, 3, 4};

static void create_three(struct fixture *f)
{
    Qdrant__VectorParams *half = make_params(f, 4, QDRANT__DISTANCE__Dot);
    half->_datatype_case = QDRANT__VECTOR_PARAMS___DATATYPE_DATATYPE;
    half->datatype = QDRANT__DATATYPE__Float16;
    run_ok(f, "create_collection",
           make_create(f, "c", NULL, make_params(f, 4, QDRANT__DISTANCE__Cosine)));
    run_ok(f, "create_collection",
           make_create(f, "named", "text", make_params(f, 4, QDRANT__DISTANCE__Euclid)));
    run_ok(f, "create_collection", make_create(f, "half", NULL, half));
}

/* Every bad vector, id and collection of an upsert is refused with the contract's status and text,
 * and nothing is logged. */
static void test_bad_upserts(void **state)
{
    struct fixture *f = *state;
    create_three(f);
    const struct {
        const char *collection, *name;
        const float *numbers;
        size_t count;
        enum status status;
        const char *text;
    } rows[] = {
        {"none", NULL, right, 4, STATUS_NOT_FOUND, "Collection none not found"},
        {"c", NULL, right, 3, STATUS_BAD_INPUT, "Vector dimension error: expected dim: 4, got 3"},
        {"c", NULL, right, 0, STATUS_BAD_INPUT, "Vector dimension error: expected dim: 4, got 0"},
        {"c", "x", right, 4, STATUS_BAD_INPUT, "Not existing vector name error: x"},
        {"named", NULL, right, 4, STATUS_BAD_INPUT, "Not existing vector name error: "},
        {"named", "x", right, 4, STATUS_BAD_INPUT, "Not existing vector name error: x"},
        {"named", "text", right, 2, STATUS_BAD_INPUT,
         "Vector dimension error: expected dim: 4, got 2"},
        {"c", NULL, not_a_number, 4, STATUS_BAD_INPUT,
         "Vector `` holds a number that is not finite in its type"},
        {"named", "text", infinite, 4, STATUS_BAD_INPUT,
         "Vector `text` holds a number that is not finite in its type"},
        {"half", NULL, past_half, 4, STATUS_BAD_INPUT,
         "Vector `` holds a number that is not finite in its type"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        Qdrant__Vectors *vectors =
            make_vectors(f, rows[i].name, make_dense(f, rows[i].numbers, rows[i].count));
        run_bad(f, "upsert",
                make_upsert(f, rows[i].collection, make_point(f, make_id(f, 1), vectors, NULL)),
                rows[i].status, rows[i].text);
    }
    run_bad(f, "upsert", make_upsert(f, "c", NULL), STATUS_BAD_REQUEST, "Empty update request");
    run_bad(f, "upsert", make_upsert(f, "c", make_point(f, NULL, NULL, NULL)), STATUS_BAD_INPUT,
            "A point id is missing");
    run_bad(f, "upsert", make_upsert(f, "c", make_point(f, make_uuid(f, "abc"), NULL, NULL)),
            STATUS_BAD_INPUT, "Unable to parse UUID: abc");
    assert_int_equal(count_points(f, "c"), 0);
}

/* Kinds of vectors that are not served are named in the refusal, in the present layout of the
 * message and in the older one. */
static void test_refused_kinds(void **state)
{
    struct fixture *f = *state;
    create_three(f);
    const struct {
        int arm; /* 0: the older layout */
        const char *kind;
    } rows[] = {
        {QDRANT__VECTOR__VECTOR_SPARSE, "a sparse vector"},
        {QDRANT__VECTOR__VECTOR_MULTI_DENSE, "a multivector"},
        {QDRANT__VECTOR__VECTOR_DOCUMENT, "a document"},
        {QDRANT__VECTOR__VECTOR_IMAGE, "an image"},
        {QDRANT__VECTOR__VECTOR_OBJECT, "an inference object"},
        {0, "a sparse vector"},
        {0, "a multivector"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[200];
        Qdrant__Vector *vector = NEW(f, vector);
        vector->vector_case = (Qdrant__Vector__VectorCase)rows[i].arm;
        if (i == 5) {
            vector->indices = NEW(f, sparse_indices);
        } else if (i == 6) {
            vector->_vectors_count_case = QDRANT__VECTOR___VECTORS_COUNT_VECTORS_COUNT;
            vector->vectors_count = 2;
        }
        (void)snprintf(text, sizeof(text),
                       "vector `text`: %s is not served by this version, only dense vectors are",
                       rows[i].kind);
        run_bad(f, "upsert",
                make_upsert(f, "named",
                            make_point(f, make_id(f, 1), make_vectors(f, "text", vector), NULL)),
                STATUS_BAD_REQUEST, text);
    }
}

/* Upserts are applied; wait decides the word of the answer; points need no vectors. */
static void test_upsert(void **state)
{
    struct fixture *f = *state;
    create_three(f);
    Qdrant__Vectors *vectors = make_vectors(f, NULL, make_dense(f, right, 4));
    Qdrant__UpsertPoints *request =
        make_upsert(f, "c", make_point(f, make_id(f, 1), vectors, "{\"a\":1}"));
    Qdrant__PointsOperationResponse *response = run_ok(f, "upsert", request);
    assert_int_equal(response->result->status, QDRANT__UPDATE_STATUS__Completed);
    assert_int_equal(response->result->operation_id, f->index);
    assert_true(op_find("upsert")->wait(request));
    request->wait = false;
    assert_false(op_find("upsert")->wait(request));
    response = run_ok(f, "upsert", request);
    assert_int_equal(response->result->status, QDRANT__UPDATE_STATUS__Acknowledged);
    request->_wait_case = QDRANT__UPSERT_POINTS___WAIT__NOT_SET;
    assert_false(op_find("upsert")->wait(request));
    run_ok(f, "upsert",
           make_upsert(
               f, "c",
               make_point(f, make_uuid(f, "5C56C793-69F3-4FBF-87E6-C4BF54C28C26"), NULL, NULL)));
    assert_int_equal(count_points(f, "c"), 2);
}

/* Modes and the update filter keep or replace what is there. */
static void test_update_modes(void **state)
{
    struct fixture *f = *state;
    create_three(f);
    run_ok(f, "upsert", make_upsert(f, "c", make_point(f, make_id(f, 1), NULL, "{\"k\":\"a\"}")));
    Qdrant__UpsertPoints *request =
        make_upsert(f, "c", make_point(f, make_id(f, 1), NULL, "{\"k\":\"b\"}"));
    request->_update_mode_case = QDRANT__UPSERT_POINTS___UPDATE_MODE_UPDATE_MODE;
    request->update_mode = QDRANT__UPDATE_MODE__InsertOnly;
    run_ok(f, "upsert", request);
    Qdrant__CountPoints *count = NEW(f, count_points);
    count->collection_name = (char *)"c";
    count->filter = make_filter(f, "k", "a");
    assert_int_equal(((Qdrant__CountResponse *)run_ok(f, "count", count))->result->count, 1);
    request->update_mode = QDRANT__UPDATE_MODE__Upsert;
    request->update_filter = make_filter(f, "k", "z");
    run_ok(f, "upsert", request);
    assert_int_equal(((Qdrant__CountResponse *)run_ok(f, "count", count))->result->count, 1);
    request->update_filter = make_filter(f, "k", "a");
    run_ok(f, "upsert", request);
    assert_int_equal(((Qdrant__CountResponse *)run_ok(f, "count", count))->result->count, 0);
    request->points[0]->id = make_id(f, 9);
    request->update_mode = QDRANT__UPDATE_MODE__UpdateOnly;
    run_ok(f, "upsert", request);
    assert_int_equal(count_points(f, "c"), 1);
    request->update_mode = (Qdrant__UpdateMode)7;
    run_bad(f, "upsert", request, STATUS_BAD_REQUEST, "update_mode: unknown value 7");
}

/* Selections: no ids logs nothing, none at all and a bad filter are refused, a filter deletes. */
static void test_selections(void **state)
{
    struct fixture *f = *state;
    create_three(f);
    for (uint64_t i = 1; i <= 3; i++) {
        run_ok(f, "upsert",
               make_upsert(
                   f, "c",
                   make_point(f, make_id(f, i), NULL, i == 2 ? "{\"k\":\"x\"}" : "{\"k\":\"y\"}")));
    }
    Qdrant__DeletePoints *request = NEW(f, delete_points);
    request->collection_name = (char *)"c";
    run_bad(f, "delete_points", request, STATUS_BAD_REQUEST, "No filter or points provided");
    request->points = make_ids(f, NULL, 0);
    Qdrant__PointsOperationResponse *response = run_ok(f, "delete_points", request);
    assert_int_equal(f->logged_bytes, 0);
    assert_int_equal(response->result->_operation_id_case, 0);
    request->points = NEW(f, points_selector);
    request->points->points_selector_one_of_case =
        QDRANT__POINTS_SELECTOR__POINTS_SELECTOR_ONE_OF_FILTER;
    request->points->filter = make_filter(f, "k", "y");
    run_ok(f, "delete_points", request);
    assert_int_equal(count_points(f, "c"), 1);
    request->points->filter->must[0]->field->match = NULL;
    void *output = NULL;
    assert_int_equal(run_op(f, "delete_points", request, &output), STATUS_BAD_INPUT);
    Qdrant__ShardKeySelector *key = NEW(f, shard_key_selector);
    key->fallback = NEW(f, shard_key);
    request->shard_key_selector = key;
    run_bad(f, "delete_points", request, STATUS_BAD_REQUEST,
            "shard_key is not served by this version");
}

/* Payload changes are applied; bad paths and missing points are told. */
static void test_payload(void **state)
{
    struct fixture *f = *state;
    const uint64_t one = 1, gone = 77;
    create_three(f);
    run_ok(f, "upsert", make_upsert(f, "c", make_point(f, make_id(f, 1), NULL, "{\"a\":1}")));
    Qdrant__SetPayloadPoints *set = NEW(f, set_payload_points);
    set->collection_name = (char *)"c";
    set->points_selector = make_ids(f, &one, 1);
    run_bad(f, "set_payload", set, STATUS_BAD_REQUEST,
            "a payload that is not JSON text is not served by this version");
    set->_payload_json_case = QDRANT__SET_PAYLOAD_POINTS___PAYLOAD_JSON_PAYLOAD_JSON;
    set->payload_json.data = (uint8_t *)"{\"b\":2}";
    set->payload_json.len = 7;
    run_ok(f, "set_payload", set);
    Sagitta__GetPoint get = SAGITTA__GET_POINT__INIT;
    get.collection_name = (char *)"c";
    get.id = make_id(f, 1);
    Sagitta__GetPointResponse *got = run_ok(f, "get_point", &get);
    assert_bytes(got->result->payload_json, "{\"a\":1,\"b\":2}");
    set->_key_case = QDRANT__SET_PAYLOAD_POINTS___KEY_KEY;
    set->key = (char *)"n.m";
    run_ok(f, "set_payload", set);
    got = run_ok(f, "get_point", &get);
    assert_bytes(got->result->payload_json, "{\"a\":1,\"b\":2,\"n\":{\"m\":{\"b\":2}}}");
    run_bad(f, "overwrite_payload", set, STATUS_BAD_REQUEST,
            "key when a payload is overwritten is not served by this version");
    void *output = NULL;
    set->key = (char *)"n..m[";
    assert_int_equal(run_op(f, "set_payload", set, &output), STATUS_BAD_INPUT);
    set->_key_case = QDRANT__SET_PAYLOAD_POINTS___KEY__NOT_SET;
    run_ok(f, "overwrite_payload", set);
    got = run_ok(f, "get_point", &get);
    assert_bytes(got->result->payload_json, "{\"b\":2}");
    set->points_selector = make_ids(f, &gone, 1);
    run_bad(f, "set_payload", set, STATUS_NOT_FOUND, "No point with id 77 found");
    Qdrant__DeletePayloadPoints *drop = NEW(f, delete_payload_points);
    char *keys[] = {(char *)"b"};
    drop->collection_name = (char *)"c";
    drop->points_selector = make_ids(f, &one, 1);
    drop->keys = keys;
    drop->n_keys = 1;
    run_ok(f, "delete_payload", drop);
    got = run_ok(f, "get_point", &get);
    assert_bytes(got->result->payload_json, "{}");
}

/* Vectors of a point are replaced and removed by name. */
static void test_vectors(void **state)
{
    struct fixture *f = *state;
    const uint64_t one = 1;
    create_three(f);
    run_ok(f, "upsert", make_upsert(f, "named", make_point(f, make_id(f, 1), NULL, NULL)));
    Qdrant__UpdatePointVectors *update = NEW(f, update_point_vectors);
    Qdrant__PointVectors *point = NEW(f, point_vectors);
    point->id = make_id(f, 1);
    point->vectors = make_vectors(f, "text", make_dense(f, right, 4));
    update->collection_name = (char *)"named";
    update->points = &point;
    update->n_points = 1;
    run_ok(f, "update_vectors", update);
    Sagitta__GetPoint get = SAGITTA__GET_POINT__INIT;
    get.collection_name = (char *)"named";
    get.id = make_id(f, 1);
    Sagitta__GetPointResponse *got = run_ok(f, "get_point", &get);
    assert_int_equal(got->result->vectors->vectors->n_vectors, 1);
    assert_string_equal(got->result->vectors->vectors->vectors[0]->key, "text");
    assert_memory_equal(got->result->vectors->vectors->vectors[0]->value->dense->data, right,
                        sizeof(right));
    Qdrant__DeletePointVectors *drop = NEW(f, delete_point_vectors);
    char *names[] = {(char *)"image"};
    drop->collection_name = (char *)"named";
    drop->points_selector = make_ids(f, &one, 1);
    run_bad(f, "delete_vectors", drop, STATUS_VALIDATION,
            "Validation error in JSON body: [vector: value invalid, must not be empty]");
    drop->vectors = NEW(f, vectors_selector);
    drop->vectors->names = names;
    drop->vectors->n_names = 1;
    run_bad(f, "delete_vectors", drop, STATUS_BAD_INPUT, "Not existing vector name error: image");
    names[0] = (char *)"text";
    run_ok(f, "delete_vectors", drop);
    got = run_ok(f, "get_point", &get);
    assert_int_equal(got->result->vectors->vectors->n_vectors, 0);
    update->points = NULL;
    update->n_points = 0;
    run_bad(f, "update_vectors", update, STATUS_BAD_REQUEST, "Empty update request");
}

/* A batch is one command with one answer for each operation; a fault in the last refuses all. */
static void test_batch(void **state)
{
    struct fixture *f = *state;
    const uint64_t one = 1;
    create_three(f);
    Qdrant__PointStruct *points[2];
    points[0] = make_point(f, make_id(f, 1), NULL, NULL);
    points[1] = make_point(f, make_id(f, 2), NULL, NULL);
    Qdrant__PointsUpdateOperation *operations[2];
    Qdrant__PointsUpdateOperation__PointStructList *list =
        NEW(f, points_update_operation__point_struct_list);
    list->points = points;
    list->n_points = 2;
    operations[0] = NEW(f, points_update_operation);
    operations[0]->operation_case = QDRANT__POINTS_UPDATE_OPERATION__OPERATION_UPSERT;
    operations[0]->upsert = list;
    operations[1] = NEW(f, points_update_operation);
    operations[1]->operation_case = QDRANT__POINTS_UPDATE_OPERATION__OPERATION_DELETE_DEPRECATED;
    operations[1]->delete_deprecated = make_ids(f, &one, 1);
    Qdrant__UpdateBatchPoints *request = NEW(f, update_batch_points);
    request->collection_name = (char *)"c";
    request->operations = operations;
    request->n_operations = 2;
    run_bad(f, "update_batch", request, STATUS_BAD_REQUEST,
            "the deprecated form of `delete` is not served by this version");
    assert_int_equal(count_points(f, "c"), 0);
    operations[1]->operation_case = QDRANT__POINTS_UPDATE_OPERATION__OPERATION_DELETE_POINTS;
    operations[1]->delete_points = NEW(f, points_update_operation__delete_points);
    operations[1]->delete_points->points = make_ids(f, &one, 1);
    Qdrant__UpdateBatchResponse *response = run_ok(f, "update_batch", request);
    assert_int_equal(response->n_result, 2);
    assert_int_equal(response->result[0]->operation_id, f->index);
    assert_int_equal(response->result[1]->operation_id, f->index);
    assert_int_equal(count_points(f, "c"), 1);
    atomic_store(&f->cancelled, true);
    run_bad(f, "update_batch", request, STATUS_CANCELLED, "cancelled");
}

/* Configurations outside their limits, or with parts that are not served, make no collection. */
static void test_bad_collections(void **state)
{
    struct fixture *f = *state;
    create_three(f);
    const struct {
        const char *name, *vector;
        uint64_t size;
        enum status status;
        const char *text;
    } rows[] = {
        {"c", NULL, 4, STATUS_ALREADY_EXISTS, "Collection `c` already exists!"},
        {"n", NULL, 0, STATUS_VALIDATION,
         "Validation error in JSON body: [vectors.size: value 0 invalid, must be from 1 to 65536]"},
        {"n", NULL, 65537, STATUS_VALIDATION,
         "Validation error in JSON body: [vectors.size: value 65537 invalid, must be from 1 to "
         "65536]"},
        {"n", "v", 65537, STATUS_VALIDATION,
         "Validation error in JSON body: [vectors.v.size: value 65537 invalid, must be from 1 to "
         "65536]"},
        {"a/b", NULL, 4, STATUS_VALIDATION,
         "Validation error in path parameters: [name: collection name cannot contain \"/\" char]"},
        {"", NULL, 4, STATUS_VALIDATION,
         "Validation error in path parameters: [name: value \"\" invalid, must be from 1 to 255 "
         "characters]"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        run_bad(f, "create_collection",
                make_create(f, rows[i].name, rows[i].vector,
                            make_params(f, rows[i].size, QDRANT__DISTANCE__Dot)),
                rows[i].status, rows[i].text);
    }
    Qdrant__CreateCollection *request =
        make_create(f, "n", NULL, make_params(f, 4, QDRANT__DISTANCE__UnknownDistance));
    void *output = NULL;
    assert_int_equal(run_op(f, "create_collection", request, &output), STATUS_BAD_INPUT);
    request->vectors_config->params->distance = QDRANT__DISTANCE__Dot;
    request->hnsw_config = NEW(f, hnsw_config_diff);
    request->hnsw_config->_ef_construct_case = QDRANT__HNSW_CONFIG_DIFF___EF_CONSTRUCT_EF_CONSTRUCT;
    request->hnsw_config->ef_construct = 3;
    run_bad(f, "create_collection", request, STATUS_VALIDATION,
            "Validation error in JSON body: [hnsw_config.ef_construct: value 3 invalid, must be 4 "
            "or larger]");
    request->hnsw_config = NULL;
    Qdrant__SparseVectorConfig__MapEntry *sparse = NEW(f, sparse_vector_config__map_entry);
    sparse->key = (char *)"s";
    request->sparse_vectors_config = NEW(f, sparse_vector_config);
    request->sparse_vectors_config->map = &sparse;
    request->sparse_vectors_config->n_map = 1;
    run_bad(f, "create_collection", request, STATUS_BAD_REQUEST,
            "sparse_vectors is not served by this version");
}

/* What was left out of a configuration shows with its default; what was given is echoed. */
static void test_collection(void **state)
{
    struct fixture *f = *state;
    Qdrant__CreateCollection *request =
        make_create(f, "c", NULL, make_params(f, 4, QDRANT__DISTANCE__Dot));
    request->_shard_number_case = QDRANT__CREATE_COLLECTION___SHARD_NUMBER_SHARD_NUMBER;
    request->shard_number = 3;
    assert_true(
        ((Qdrant__CollectionOperationResponse *)run_ok(f, "create_collection", request))->result);
    Qdrant__UpdateCollection *update = NEW(f, update_collection);
    update->collection_name = (char *)"c";
    update->optimizers_config = NEW(f, optimizers_config_diff);
    update->optimizers_config->_indexing_threshold_case =
        QDRANT__OPTIMIZERS_CONFIG_DIFF___INDEXING_THRESHOLD_INDEXING_THRESHOLD;
    update->optimizers_config->indexing_threshold = 77;
    run_ok(f, "update_collection", update);
    Qdrant__GetCollectionInfoRequest *get = NEW(f, get_collection_info_request);
    get->collection_name = (char *)"c";
    Qdrant__GetCollectionInfoResponse *response = run_ok(f, "get_collection", get);
    const Qdrant__CollectionInfo *info = response->result;
    assert_int_equal(info->status, QDRANT__COLLECTION_STATUS__Green);
    assert_true(info->optimizer_status->ok);
    assert_int_equal(info->config->params->shard_number, 3);
    assert_int_equal(info->config->params->vectors_config->params->size, 4);
    assert_int_equal(info->config->hnsw_config->m, 16);
    assert_int_equal(info->config->optimizer_config->indexing_threshold, 77);
    assert_int_equal(info->config->wal_config->wal_capacity_mb, 32);
    update->collection_name = (char *)"none";
    run_bad(f, "update_collection", update, STATUS_NOT_FOUND, "Collection none not found");
}

/* Deleting what is not there is no error and logs nothing; the answer tells. */
static void test_delete_collection(void **state)
{
    struct fixture *f = *state;
    create_three(f);
    Qdrant__DeleteCollection *request = NEW(f, delete_collection);
    request->collection_name = (char *)"none";
    assert_false(
        ((Qdrant__CollectionOperationResponse *)run_ok(f, "delete_collection", request))->result);
    assert_int_equal(f->logged_bytes, 0);
    request->collection_name = (char *)"c";
    assert_true(
        ((Qdrant__CollectionOperationResponse *)run_ok(f, "delete_collection", request))->result);
    Qdrant__CollectionExistsRequest *exists = NEW(f, collection_exists_request);
    exists->collection_name = (char *)"c";
    assert_false(((Qdrant__CollectionExistsResponse *)run_ok(f, "collection_exists", exists))
                     ->result->exists);
}

/* An alias leads to its collection for reads and writes, is listed, and is refused when wrong. */
static void test_aliases(void **state)
{
    struct fixture *f = *state;
    create_three(f);
    Qdrant__AliasOperations *action = NEW(f, alias_operations);
    Qdrant__ChangeAliases *request = NEW(f, change_aliases);
    request->actions = &action;
    request->n_actions = 1;
    run_bad(f, "change_aliases", request, STATUS_BAD_REQUEST, "An alias action is empty");
    action->action_case = QDRANT__ALIAS_OPERATIONS__ACTION_CREATE_ALIAS;
    action->create_alias = NEW(f, create_alias);
    action->create_alias->alias_name = (char *)"other";
    action->create_alias->collection_name = (char *)"none";
    run_bad(f, "change_aliases", request, STATUS_NOT_FOUND, "Collection none not found");
    action->create_alias->collection_name = (char *)"c";
    run_ok(f, "change_aliases", request);
    run_ok(f, "upsert", make_upsert(f, "other", make_point(f, make_id(f, 1), NULL, NULL)));
    assert_int_equal(count_points(f, "c"), 1);
    Qdrant__ListCollectionAliasesRequest *one = NEW(f, list_collection_aliases_request);
    one->collection_name = (char *)"c";
    Qdrant__ListAliasesResponse *list = run_ok(f, "collection_aliases", one);
    assert_int_equal(list->n_aliases, 1);
    assert_string_equal(list->aliases[0]->alias_name, "other");
    one->collection_name = (char *)"named";
    list = run_ok(f, "collection_aliases", one);
    assert_int_equal(list->n_aliases, 0);
    list = run_ok(f, "list_aliases", NEW(f, list_aliases_request));
    assert_int_equal(list->n_aliases, 1);
}

/* A full arena is an answer, not a crash: an upsert is tried with every limit up to enough. */
static void test_no_memory(void **state)
{
    struct fixture *f = *state;
    create_three(f);
    Qdrant__Vectors *vectors = make_vectors(f, NULL, make_dense(f, right, 4));
    Qdrant__UpsertPoints *request =
        make_upsert(f, "c", make_point(f, make_id(f, 1), vectors, "{\"a\":1}"));
    bool enough = false;
    for (size_t limit = 1; limit < 1 << 16 && !enough; limit += 16) {
        struct call call = f->call;
        struct buffer command;
        buffer_init(&command, 0);
        call.arena = arena_create(limit);
        enum status status = op_find("upsert")->propose(&call, request, &command);
        enough = status == STATUS_OK;
        assert_true(enough || status == STATUS_TOO_LARGE);
        assert_true(enough || command.size == 0);
        buffer_deinit(&command);
        arena_destroy(call.arena);
    }
    assert_true(enough);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_bad_upserts),       TEST(test_refused_kinds), TEST(test_upsert),
        TEST(test_update_modes),      TEST(test_selections),    TEST(test_payload),
        TEST(test_vectors),           TEST(test_batch),         TEST(test_bad_collections),
        TEST(test_collection),        TEST(test_aliases),       TEST(test_no_memory),
        TEST(test_delete_collection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
