/* Messages into REST answers: the envelope, each kind of result, errors. */
#include "collections.pb-c.h"
#include "command.pb-c.h"
#include "points.pb-c.h"
#include "sagitta.pb-c.h"

#include "server/rest/rest.h"
#include "tests/lib/unit.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The rows that encoding looks at; the handlers are not part of this test. */
const struct op op_table[] = {
#define X(id, m, p, g, f, in, out, result)                                                         \
    {.name = #id, .method = m, .path = p, .input = &in##__descriptor, .output = &out##__descriptor},
#include "server/api/ops.def"
#undef X
};

static struct buffer out;

static int set_up(void **state)
{
    (void)state;
    buffer_init(&out, 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    buffer_deinit(&out);
    return 0;
}

static void assert_answer(enum op_id id, const void *message, const char *result)
{
    char expected[4096];
    const char *type = NULL;
    buffer_clear(&out);
    (void)snprintf(expected, sizeof(expected), "{\"result\":%s,\"status\":\"ok\",\"time\":0.25}",
                   result);
    assert_ptr_equal(((const ProtobufCMessage *)message)->descriptor, op_table[id].output);
    assert_int_equal(rest_encode(&op_table[id], message, 0.25, &out, &type), 200);
    assert_string_equal(type, "application/json");
    buffer_append_byte(&out, 0);
    assert_string_equal((char *)out.data, expected);
}

static void test_simple_results(void **state)
{
    /* Proves: booleans, update results, counts and lists of names. */
    (void)state;
    Qdrant__CollectionOperationResponse done = QDRANT__COLLECTION_OPERATION_RESPONSE__INIT;
    assert_answer(OP_delete_collection, &done, "false");
    done.result = true;
    assert_answer(OP_create_collection, &done, "true");
    Qdrant__CollectionExists exists = QDRANT__COLLECTION_EXISTS__INIT;
    Qdrant__CollectionExistsResponse existence = QDRANT__COLLECTION_EXISTS_RESPONSE__INIT;
    existence.result = &exists;
    assert_answer(OP_collection_exists, &existence, "{\"exists\":false}");
    Qdrant__UpdateResult update = QDRANT__UPDATE_RESULT__INIT;
    Qdrant__PointsOperationResponse response = QDRANT__POINTS_OPERATION_RESPONSE__INIT;
    response.result = &update;
    update._operation_id_case = QDRANT__UPDATE_RESULT___OPERATION_ID_OPERATION_ID;
    update.operation_id = 7;
    update.status = QDRANT__UPDATE_STATUS__Completed;
    assert_answer(OP_upsert, &response, "{\"operation_id\":7,\"status\":\"completed\"}");
    update.status = QDRANT__UPDATE_STATUS__Acknowledged;
    Qdrant__UpdateResult *updates[] = {&update, &update};
    Qdrant__UpdateBatchResponse batch = QDRANT__UPDATE_BATCH_RESPONSE__INIT;
    batch.result = updates;
    batch.n_result = 2;
    assert_answer(OP_update_batch, &batch,
                  "[{\"operation_id\":7,\"status\":\"acknowledged\"},"
                  "{\"operation_id\":7,\"status\":\"acknowledged\"}]");
    Qdrant__CountResult counted = QDRANT__COUNT_RESULT__INIT;
    Qdrant__CountResponse count = QDRANT__COUNT_RESPONSE__INIT;
    count.result = &counted;
    counted.count = UINT64_MAX;
    assert_answer(OP_count, &count, "{\"count\":18446744073709551615}");
    Qdrant__CollectionDescription description = QDRANT__COLLECTION_DESCRIPTION__INIT;
    Qdrant__CollectionDescription *descriptions[] = {&description};
    Qdrant__ListCollectionsResponse list = QDRANT__LIST_COLLECTIONS_RESPONSE__INIT;
    assert_answer(OP_list_collections, &list, "{\"collections\":[]}");
    description.name = (char[]){"a\"b"};
    list.collections = descriptions;
    list.n_collections = 1;
    assert_answer(OP_list_collections, &list, "{\"collections\":[{\"name\":\"a\\\"b\"}]}");
    Qdrant__AliasDescription alias = QDRANT__ALIAS_DESCRIPTION__INIT;
    Qdrant__AliasDescription *alias_list[] = {&alias};
    Qdrant__ListAliasesResponse aliases = QDRANT__LIST_ALIASES_RESPONSE__INIT;
    alias.alias_name = (char[]){"a"};
    alias.collection_name = (char[]){"c"};
    aliases.aliases = alias_list;
    aliases.n_aliases = 1;
    assert_answer(OP_list_aliases, &aliases,
                  "{\"aliases\":[{\"alias_name\":\"a\",\"collection_name\":\"c\"}]}");
}

static void set_payload_text(ProtobufCBinaryData *data, const char *text)
{
    data->data = (uint8_t *)(uintptr_t)text;
    data->len = strlen(text);
}

static const float test_numbers[] = {0.1f, 1, -2.5f};

static void set_dense(Qdrant__DenseVector *dense, size_t count)
{
    qdrant__dense_vector__init(dense);
    dense->data = (float *)(uintptr_t)test_numbers;
    dense->n_data = count;
}

static void test_one_point(void **state)
{
    /* Proves: a point with and without payload and vector; payload is spliced as stored. */
    (void)state;
    Qdrant__PointId id = QDRANT__POINT_ID__INIT;
    id.point_id_options_case = QDRANT__POINT_ID__POINT_ID_OPTIONS_NUM;
    id.num = 3;
    Qdrant__DenseVector dense;
    set_dense(&dense, 3);
    Qdrant__VectorOutput vector = QDRANT__VECTOR_OUTPUT__INIT;
    vector.vector_case = QDRANT__VECTOR_OUTPUT__VECTOR_DENSE;
    vector.dense = &dense;
    Qdrant__VectorsOutput vectors = QDRANT__VECTORS_OUTPUT__INIT;
    vectors.vectors_options_case = QDRANT__VECTORS_OUTPUT__VECTORS_OPTIONS_VECTOR;
    vectors.vector = &vector;
    Qdrant__RetrievedPoint point;
    qdrant__retrieved_point__init(&point);
    point.id = &id;
    Sagitta__GetPointResponse one = SAGITTA__GET_POINT_RESPONSE__INIT;
    one.result = &point;
    assert_answer(OP_get_point, &one, "{\"id\":3}");
    point.vectors = &vectors;
    point._payload_json_case = QDRANT__RETRIEVED_POINT___PAYLOAD_JSON_PAYLOAD_JSON;
    set_payload_text(&point.payload_json, "{\"a\":[1,2.0]}");
    assert_answer(OP_get_point, &one,
                  "{\"id\":3,\"vector\":[0.1,1.0,-2.5],\"payload\":{\"a\":[1,2.0]}}");
    Qdrant__ScrollResponse scroll = QDRANT__SCROLL_RESPONSE__INIT;
    assert_answer(OP_scroll, &scroll, "{\"points\":[],\"next_page_offset\":null}");
    scroll.next_page_offset = &id;
    assert_answer(OP_scroll, &scroll, "{\"points\":[],\"next_page_offset\":3}");
}

/* One vector of each kind, and one in the older layout of plain fields. */
static void set_each_kind(Qdrant__VectorOutput outputs[4])
{
    static uint32_t indices[] = {7, 9};
    static Qdrant__DenseVector dense, *rows[] = {&dense, &dense};
    static Qdrant__SparseVector sparse;
    static Qdrant__MultiDenseVector multi;
    set_dense(&dense, 3);
    qdrant__sparse_vector__init(&sparse);
    sparse.indices = indices;
    sparse.values = (float *)(uintptr_t)test_numbers;
    sparse.n_indices = sparse.n_values = 2;
    qdrant__multi_dense_vector__init(&multi);
    multi.vectors = rows;
    multi.n_vectors = 2;
    for (size_t i = 0; i < 4; i++)
        qdrant__vector_output__init(&outputs[i]);
    outputs[0].vector_case = QDRANT__VECTOR_OUTPUT__VECTOR_DENSE;
    outputs[0].dense = &dense;
    outputs[1].vector_case = QDRANT__VECTOR_OUTPUT__VECTOR_SPARSE;
    outputs[1].sparse = &sparse;
    outputs[2].vector_case = QDRANT__VECTOR_OUTPUT__VECTOR_MULTI_DENSE;
    outputs[2].multi_dense = &multi;
    outputs[3].data = (float *)(uintptr_t)test_numbers;
    outputs[3].n_data = 1;
}

static void test_named_vectors(void **state)
{
    /* Proves: vectors of every kind by name, a UUID, an order value. */
    (void)state;
    static const char *const names[] = {"d", "s", "m", "o"};
    Qdrant__VectorOutput outputs[4];
    Qdrant__NamedVectorsOutput__VectorsEntry entries[4], *entry_list[4];
    set_each_kind(outputs);
    for (size_t i = 0; i < 4; i++) {
        qdrant__named_vectors_output__vectors_entry__init(&entries[i]);
        entries[i].key = (char *)(uintptr_t)names[i];
        entries[i].value = &outputs[i];
        entry_list[i] = &entries[i];
    }
    Qdrant__NamedVectorsOutput named = QDRANT__NAMED_VECTORS_OUTPUT__INIT;
    named.vectors = entry_list;
    named.n_vectors = 4;
    Qdrant__VectorsOutput vectors = QDRANT__VECTORS_OUTPUT__INIT;
    vectors.vectors_options_case = QDRANT__VECTORS_OUTPUT__VECTORS_OPTIONS_VECTORS;
    vectors.vectors = &named;
    Qdrant__PointId id = QDRANT__POINT_ID__INIT;
    id.point_id_options_case = QDRANT__POINT_ID__POINT_ID_OPTIONS_UUID;
    id.uuid = (char[]){"550e8400-e29b-41d4-a716-446655440000"};
    Qdrant__OrderValue order = QDRANT__ORDER_VALUE__INIT;
    order.variant_case = QDRANT__ORDER_VALUE__VARIANT_FLOAT;
    order.float_ = 2;
    Qdrant__RetrievedPoint point, *points[] = {&point};
    qdrant__retrieved_point__init(&point);
    point.id = &id;
    point.vectors = &vectors;
    point.order_value = &order;
    Qdrant__GetResponse get = QDRANT__GET_RESPONSE__INIT;
    assert_answer(OP_get_points, &get, "[]");
    get.result = points;
    get.n_result = 1;
    assert_answer(OP_get_points, &get,
                  "[{\"id\":\"550e8400-e29b-41d4-a716-446655440000\",\"vector\":{\"d\":[0.1,1.0,"
                  "-2.5],\"s\":{\"values\":[0.1,1.0],\"indices\":[7,9]},\"m\":[[0.1,1.0,-2.5],"
                  "[0.1,1.0,-2.5]],\"o\":[0.1]},\"order_value\":2.0}]");
}

static void test_hits(void **state)
{
    /* Proves: scored points in lists, in objects of points, and in batches of both. */
    (void)state;
    Qdrant__PointId id = QDRANT__POINT_ID__INIT;
    id.point_id_options_case = QDRANT__POINT_ID__POINT_ID_OPTIONS_NUM;
    Qdrant__ScoredPoint hit, *hits[] = {&hit};
    qdrant__scored_point__init(&hit);
    hit.id = &id;
    hit.score = 1;
    hit.version = 4;
    hit._payload_json_case = QDRANT__SCORED_POINT___PAYLOAD_JSON_PAYLOAD_JSON;
    set_payload_text(&hit.payload_json, "{}");
#define HIT "{\"id\":0,\"score\":1.0,\"version\":4,\"payload\":{}}"
    Qdrant__SearchResponse search = QDRANT__SEARCH_RESPONSE__INIT;
    search.result = hits;
    search.n_result = 1;
    assert_answer(OP_search, &search, "[" HIT "]");
    Qdrant__QueryResponse query = QDRANT__QUERY_RESPONSE__INIT;
    assert_answer(OP_query, &query, "{\"points\":[]}");
    query.result = hits;
    query.n_result = 1;
    assert_answer(OP_query, &query, "{\"points\":[" HIT "]}");
    Qdrant__BatchResult full = QDRANT__BATCH_RESULT__INIT, empty = QDRANT__BATCH_RESULT__INIT;
    Qdrant__BatchResult *results[] = {&full, &empty};
    full.result = hits;
    full.n_result = 1;
    Qdrant__SearchBatchResponse searches = QDRANT__SEARCH_BATCH_RESPONSE__INIT;
    searches.result = results;
    searches.n_result = 2;
    assert_answer(OP_search_batch, &searches, "[[" HIT "],[]]");
    Qdrant__QueryBatchResponse queries = QDRANT__QUERY_BATCH_RESPONSE__INIT;
    queries.result = results;
    queries.n_result = 2;
    assert_answer(OP_query_batch, &queries, "[{\"points\":[" HIT "]},{\"points\":[]}]");
}

static void test_collection_info(void **state)
{
    /* Proves: information as the contract has it: status words, vectors under their JSON name,
     * metadata as given. */
    (void)state;
    Qdrant__VectorParams params = QDRANT__VECTOR_PARAMS__INIT;
    params.size = 4;
    params.distance = QDRANT__DISTANCE__Cosine;
    Qdrant__VectorsConfig vectors = QDRANT__VECTORS_CONFIG__INIT;
    vectors.config_case = QDRANT__VECTORS_CONFIG__CONFIG_PARAMS;
    vectors.params = &params;
    Qdrant__CollectionParams collection = QDRANT__COLLECTION_PARAMS__INIT;
    collection.shard_number = 1;
    collection.on_disk_payload = true;
    collection.vectors_config = &vectors;
    Qdrant__HnswConfigDiff hnsw = QDRANT__HNSW_CONFIG_DIFF__INIT;
    hnsw._m_case = QDRANT__HNSW_CONFIG_DIFF___M_M;
    hnsw.m = 16;
    Qdrant__MaxOptimizationThreads threads = QDRANT__MAX_OPTIMIZATION_THREADS__INIT;
    threads.variant_case = QDRANT__MAX_OPTIMIZATION_THREADS__VARIANT_SETTING;
    Qdrant__OptimizersConfigDiff optimizers = QDRANT__OPTIMIZERS_CONFIG_DIFF__INIT;
    optimizers._deleted_threshold_case =
        QDRANT__OPTIMIZERS_CONFIG_DIFF___DELETED_THRESHOLD_DELETED_THRESHOLD;
    optimizers.deleted_threshold = 0.2;
    optimizers.max_optimization_threads = &threads;
    Qdrant__TurboQuantization turbo = QDRANT__TURBO_QUANTIZATION__INIT;
    Qdrant__QuantizationConfig quantization = QDRANT__QUANTIZATION_CONFIG__INIT;
    quantization.quantization_case = QDRANT__QUANTIZATION_CONFIG__QUANTIZATION_TURBOQUANT;
    quantization.turboquant = &turbo;
    Qdrant__CollectionConfig config;
    qdrant__collection_config__init(&config);
    config.params = &collection;
    config.hnsw_config = &hnsw;
    config.optimizer_config = &optimizers;
    config.quantization_config = &quantization;
    config._metadata_json_case = QDRANT__COLLECTION_CONFIG___METADATA_JSON_METADATA_JSON;
    set_payload_text(&config.metadata_json, "{\"k\":1}");
    Qdrant__OptimizerStatus status = QDRANT__OPTIMIZER_STATUS__INIT;
    status.ok = true;
    Qdrant__CollectionInfo info = QDRANT__COLLECTION_INFO__INIT;
    info.status = QDRANT__COLLECTION_STATUS__Green;
    info.optimizer_status = &status;
    info.segments_count = 2;
    info.config = &config;
    info._points_count_case = QDRANT__COLLECTION_INFO___POINTS_COUNT_POINTS_COUNT;
    info.points_count = 5;
    Qdrant__GetCollectionInfoResponse response = QDRANT__GET_COLLECTION_INFO_RESPONSE__INIT;
    response.result = &info;
#define CONFIG                                                                                     \
    "\"config\":{\"params\":{\"shard_number\":1,\"on_disk_payload\":true,\"vectors\":{\"size\":4," \
    "\"distance\":\"Cosine\"}},\"hnsw_config\":{\"m\":16},\"optimizer_config\":{"                  \
    "\"deleted_threshold\":0.2,\"max_optimization_threads\":null},\"quantization_config\":{"       \
    "\"turbo\":{}},\"metadata\":{\"k\":1}},\"payload_schema\":{},\"points_count\":5,"              \
    "\"warnings\":[]}"
    assert_answer(OP_get_collection, &response,
                  "{\"status\":\"green\",\"optimizer_status\":\"ok\",\"segments_count\":2," CONFIG);
    status.ok = false;
    status.error = (char[]){"no room"};
    info.status = QDRANT__COLLECTION_STATUS__Red;
    assert_answer(OP_get_collection, &response,
                  "{\"status\":\"red\",\"optimizer_status\":{\"error\":\"no room\"},"
                  "\"segments_count\":2," CONFIG);
}

static void test_text_and_json(void **state)
{
    /* Proves: text answers go out as they are, with their status and type; JSON of a handler is
     * spliced. */
    (void)state;
    const char *type = NULL;
    Sagitta__TextReply text = SAGITTA__TEXT_REPLY__INIT;
    set_payload_text(&text.body, "healthz check passed");
    assert_int_equal(rest_encode(&op_table[OP_healthz], &text.base, 1, &out, &type), 200);
    assert_int_equal(out.size, 20);
    assert_memory_equal(out.data, "healthz check passed", 20);
    assert_non_null(strstr(type, "text/plain"));
    text.content_type = (char[]){"application/json"};
    text.http_status = 503;
    assert_int_equal(rest_encode(&op_table[OP_readyz], &text.base, 1, &out, &type), 503);
    assert_string_equal(type, "application/json");
    Sagitta__JsonReply json = SAGITTA__JSON_REPLY__INIT;
    assert_answer(OP_telemetry, &json, "null");
    set_payload_text(&json.json, "{\"x\":[1]}");
    assert_answer(OP_telemetry, &json, "{\"x\":[1]}");
}

static void test_errors(void **state)
{
    /* Proves: an error carries its prefix and no result; hostile text is escaped. */
    (void)state;
    struct error err;
    (void)error_set(&err, STATUS_NOT_FOUND, "Collection \"%s\" not found", "x\n");
    rest_encode_error(&err, 0.5, &out);
    static const char expected[] =
        "{\"status\":{\"error\":\"Not found: Collection \\\"x\\n\\\" not found\"},\"time\":0.5}";
    assert_int_equal(out.size, sizeof(expected) - 1);
    assert_memory_equal(out.data, expected, out.size);
    buffer_clear(&out);
    (void)error_set(&err, STATUS_VALIDATION, "Validation error in JSON body: [limit: x]");
    rest_encode_error(&err, 0, &out);
    buffer_append_byte(&out, 0);
    assert_string_equal(
        (char *)out.data,
        "{\"status\":{\"error\":\"Validation error in JSON body: [limit: x]\"},\"time\":0.0}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_simple_results, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_point, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_named_vectors, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_hits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_collection_info, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_text_and_json, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_errors, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
