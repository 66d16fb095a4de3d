/* Reads: what comes back for points, searches, collections and the service endpoints. */
#define _GNU_SOURCE /* memmem */
#include "tests/unit/api_fixture.h"

enum { POINTS = 20 };

/* Points 1..20 on a line: point i at (i, 0); even ones are {"k":"even","n":{"a":1,"b":2}}. One more
 * by UUID, without vector and payload. */
static void fill(struct fixture *f)
{
    run_ok(f, "create_collection",
           make_create(f, "c", NULL, make_params(f, 2, QDRANT__DISTANCE__Euclid)));
    for (uint64_t i = 1; i <= POINTS; i++) {
        float numbers[2] = {(float)i, 0};
        run_ok(f, "upsert",
               make_upsert(f, "c",
                           make_point(f, make_id(f, i),
                                      make_vectors(f, NULL, make_dense(f, numbers, 2)),
                                      i % 2 ? NULL : "{\"k\":\"even\",\"n\":{\"a\":1,\"b\":2}}")));
    }
    run_ok(
        f, "upsert",
        make_upsert(f, "c",
                    make_point(f, make_uuid(f, "5C56C79369F34FBF87E6C4BF54C28C26"), NULL, NULL)));
}

static Qdrant__WithPayloadSelector *payload_enabled(struct fixture *f, bool enable)
{
    Qdrant__WithPayloadSelector *selector = NEW(f, with_payload_selector);
    selector->selector_options_case = QDRANT__WITH_PAYLOAD_SELECTOR__SELECTOR_OPTIONS_ENABLE;
    selector->enable = enable;
    return selector;
}

static Qdrant__WithVectorsSelector *vectors_enabled(struct fixture *f)
{
    Qdrant__WithVectorsSelector *selector = NEW(f, with_vectors_selector);
    selector->selector_options_case = QDRANT__WITH_VECTORS_SELECTOR__SELECTOR_OPTIONS_ENABLE;
    selector->enable = true;
    return selector;
}

/* One point: payload and vector are there, a UUID comes back hyphenated, and what is missing is
 * named. */
static void test_get_point(void **state)
{
    struct fixture *f = *state;
    fill(f);
    Sagitta__GetPoint request = SAGITTA__GET_POINT__INIT;
    request.collection_name = (char *)"c";
    request.id = make_id(f, 2);
    Sagitta__GetPointResponse *response = run_ok(f, "get_point", &request);
    assert_int_equal(response->result->id->num, 2);
    assert_bytes(response->result->payload_json, "{\"k\":\"even\",\"n\":{\"a\":1,\"b\":2}}");
    assert_int_equal(response->result->vectors->vector->dense->n_data, 2);
    assert_true(response->result->vectors->vector->dense->data[0] == 2);
    request.id = make_uuid(f, "5c56c793-69f3-4fbf-87e6-c4bf54c28c26");
    response = run_ok(f, "get_point", &request);
    assert_string_equal(response->result->id->uuid, "5c56c793-69f3-4fbf-87e6-c4bf54c28c26");
    assert_bytes(response->result->payload_json, "{}");
    assert_int_equal(response->result->vectors->vectors->n_vectors, 0);
    request.id = make_id(f, 300);
    run_bad(f, "get_point", &request, STATUS_NOT_FOUND, "No point with id 300 found");
    request.collection_name = (char *)"none";
    run_bad(f, "get_point", &request, STATUS_NOT_FOUND, "Collection none not found");
}

/* Several points come in the order asked for, without those that are missing, and only with what
 * the selectors let through. */
static void test_get_points(void **state)
{
    struct fixture *f = *state;
    fill(f);
    Qdrant__PointId *ids[] = {make_id(f, 4), make_id(f, 99), make_id(f, 2)};
    Qdrant__GetPoints *request = NEW(f, get_points);
    request->collection_name = (char *)"c";
    request->ids = ids;
    request->n_ids = 3;
    Qdrant__GetResponse *response = run_ok(f, "get_points", request);
    assert_int_equal(response->n_result, 2);
    assert_int_equal(response->result[0]->id->num, 4);
    assert_int_equal(response->result[1]->id->num, 2);
    assert_true(response->result[0]->_payload_json_case != 0);
    assert_null(response->result[0]->vectors);
    request->with_payload = payload_enabled(f, false);
    response = run_ok(f, "get_points", request);
    assert_int_equal(response->result[0]->_payload_json_case, 0);
    char *fields[] = {(char *)"n.a"};
    Qdrant__PayloadIncludeSelector *include = NEW(f, payload_include_selector);
    include->fields = fields;
    include->n_fields = 1;
    request->with_payload->selector_options_case =
        QDRANT__WITH_PAYLOAD_SELECTOR__SELECTOR_OPTIONS_INCLUDE;
    request->with_payload->include = include;
    response = run_ok(f, "get_points", request);
    assert_bytes(response->result[0]->payload_json, "{\"n\":{\"a\":1}}");
    Qdrant__PayloadExcludeSelector *exclude = NEW(f, payload_exclude_selector);
    exclude->fields = fields;
    exclude->n_fields = 1;
    request->with_payload->selector_options_case =
        QDRANT__WITH_PAYLOAD_SELECTOR__SELECTOR_OPTIONS_EXCLUDE;
    request->with_payload->exclude = exclude;
    response = run_ok(f, "get_points", request);
    assert_bytes(response->result[0]->payload_json, "{\"k\":\"even\",\"n\":{\"b\":2}}");
    char *names[] = {(char *)"x"};
    Qdrant__WithVectorsSelector *vectors = vectors_enabled(f);
    Qdrant__VectorsSelector *chosen = NEW(f, vectors_selector);
    chosen->names = names;
    chosen->n_names = 1;
    vectors->selector_options_case = QDRANT__WITH_VECTORS_SELECTOR__SELECTOR_OPTIONS_INCLUDE;
    vectors->include = chosen;
    request->with_vectors = vectors;
    run_bad(f, "get_points", request, STATUS_BAD_INPUT, "Not existing vector name error: x");
}

/* Pages of a scroll follow each other without gap or repetition, filtered or not; the last has no
 * next. */
static void test_scroll(void **state)
{
    struct fixture *f = *state;
    fill(f);
    for (int filtered = 0; filtered < 2; filtered++) {
        size_t seen = 0, pages = 0;
        uint64_t last = 0;
        Qdrant__ScrollPoints *request = NEW(f, scroll_points);
        request->collection_name = (char *)"c";
        request->filter = filtered ? make_filter(f, "k", "even") : NULL;
        request->_limit_case = QDRANT__SCROLL_POINTS___LIMIT_LIMIT;
        request->limit = 3;
        for (;;) {
            Qdrant__ScrollResponse *response = run_ok(f, "scroll", request);
            for (size_t i = 0; i < response->n_result; i++) {
                const Qdrant__PointId *id = response->result[i]->id;
                bool number = id->point_id_options_case == QDRANT__POINT_ID__POINT_ID_OPTIONS_NUM;
                assert_true(!number || id->num > last);
                last = number ? id->num : last;
            }
            seen += response->n_result;
            pages++;
            assert_true(pages < 20);
            if (!response->next_page_offset) {
                break;
            }
            assert_int_equal(response->n_result, 3);
            request->offset = response->next_page_offset;
        }
        assert_int_equal(seen, filtered ? POINTS / 2 : POINTS + 1);
    }
    Qdrant__ScrollPoints *request = NEW(f, scroll_points);
    request->collection_name = (char *)"c";
    assert_int_equal(((Qdrant__ScrollResponse *)run_ok(f, "scroll", request))->n_result, 10);
    request->order_by = NEW(f, order_by);
    request->order_by->key = (char *)"n.a";
    request->_limit_case = QDRANT__SCROLL_POINTS___LIMIT_LIMIT;
    request->limit = 2;
    Qdrant__ScrollResponse *ordered = run_ok(f, "scroll", request);
    assert_int_equal(ordered->n_result, 2);
    assert_int_equal(ordered->result[1]->id->num, 4); /* ties by id */
    assert_int_equal(ordered->result[1]->order_value->int_, 1);
    assert_null(ordered->next_page_offset);
    request->offset = make_id(f, 1);
    run_bad(f, "scroll", request, STATUS_BAD_INPUT,
            "`offset` is not supported together with `order_by`: continue with "
            "`order_by.start_from` and a filter on the ids seen");
}

static Qdrant__SearchPoints *make_search(struct fixture *f, const float *numbers, size_t count)
{
    Qdrant__SearchPoints *request = NEW(f, search_points);
    request->collection_name = (char *)"c";
    request->vector = (float *)numbers;
    request->n_vector = count;
    request->limit = 3;
    return request;
}

/* Search gives nearest points with scores, by default without payload and vectors; offset,
 * threshold and filter cut as told. */
static void test_search(void **state)
{
    struct fixture *f = *state;
    fill(f);
    const float origin[2] = {0, 0};
    Qdrant__SearchPoints *request = make_search(f, origin, 2);
    Qdrant__SearchResponse *response = run_ok(f, "search", request);
    assert_int_equal(response->n_result, 3);
    assert_int_equal(response->result[0]->id->num, 1);
    assert_true(response->result[2]->score == 3);
    assert_true(response->result[0]->version > 0);
    assert_int_equal(response->result[0]->_payload_json_case, 0);
    assert_null(response->result[0]->vectors);
    request->_offset_case = QDRANT__SEARCH_POINTS___OFFSET_OFFSET;
    request->offset = 18;
    response = run_ok(f, "search", request);
    assert_int_equal(response->n_result, 2);
    assert_int_equal(response->result[0]->id->num, 19);
    request->offset = UINT64_MAX;
    request->limit = UINT64_MAX;
    response = run_ok(f, "search", request);
    assert_int_equal(response->n_result, 0);
    request->offset = 0;
    request->_score_threshold_case = QDRANT__SEARCH_POINTS___SCORE_THRESHOLD_SCORE_THRESHOLD;
    request->score_threshold = 3;
    response = run_ok(f, "search", request);
    assert_int_equal(response->n_result, 2); /* the one at exactly 3 is left out */
    request->_score_threshold_case = QDRANT__SEARCH_POINTS___SCORE_THRESHOLD__NOT_SET;
    request->filter = make_filter(f, "k", "even");
    request->with_payload = payload_enabled(f, true);
    request->with_vectors = vectors_enabled(f);
    response = run_ok(f, "search", request);
    assert_int_equal(response->n_result, POINTS / 2);
    assert_int_equal(response->result[0]->id->num, 2);
    assert_bytes(response->result[0]->payload_json, "{\"k\":\"even\",\"n\":{\"a\":1,\"b\":2}}");
    assert_true(response->result[0]->vectors->vector->dense->data[0] == 2);
}

/* Bad searches: vector, name, kind, collection. */
static void test_bad_searches(void **state)
{
    struct fixture *f = *state;
    fill(f);
    const float numbers[3] = {0, 0, 0};
    Qdrant__SearchPoints *request = make_search(f, numbers, 3);
    run_bad(f, "search", request, STATUS_BAD_INPUT,
            "Vector dimension error: expected dim: 2, got 3");
    request->n_vector = 0;
    run_bad(f, "search", request, STATUS_BAD_INPUT,
            "Vector dimension error: expected dim: 2, got 0");
    request->n_vector = 2;
    request->_vector_name_case = QDRANT__SEARCH_POINTS___VECTOR_NAME_VECTOR_NAME;
    request->vector_name = (char *)"x";
    run_bad(f, "search", request, STATUS_BAD_INPUT, "Not existing vector name error: x");
    request->_vector_name_case = QDRANT__SEARCH_POINTS___VECTOR_NAME__NOT_SET;
    request->sparse_indices = NEW(f, sparse_indices);
    run_bad(f, "search", request, STATUS_BAD_REQUEST,
            "sparse_indices is not served by this version");
    request->collection_name = (char *)"none";
    run_bad(f, "search", request, STATUS_NOT_FOUND, "Collection none not found");
}

static Qdrant__QueryPoints *make_query(struct fixture *f, Qdrant__PointId *id)
{
    Qdrant__QueryPoints *request = NEW(f, query_points);
    request->collection_name = (char *)"c";
    request->query = NEW(f, query);
    request->query->variant_case = QDRANT__QUERY__VARIANT_NEAREST;
    request->query->nearest = NEW(f, vector_input);
    request->query->nearest->variant_case = QDRANT__VECTOR_INPUT__VARIANT_ID;
    request->query->nearest->id = id;
    request->_limit_case = QDRANT__QUERY_POINTS___LIMIT_LIMIT;
    request->limit = 2;
    return request;
}

/* A point as query: it is not among its answers and takes no place of the limit; a missing one, or
 * one without the vector, is named. */
static void test_query_by_id(void **state)
{
    struct fixture *f = *state;
    fill(f);
    Qdrant__QueryPoints *request = make_query(f, make_id(f, 1));
    Qdrant__QueryResponse *response = run_ok(f, "query", request);
    assert_int_equal(response->n_result, 2);
    assert_int_equal(response->result[0]->id->num, 2);
    assert_int_equal(response->result[1]->id->num, 3);
    request->_offset_case = QDRANT__QUERY_POINTS___OFFSET_OFFSET;
    request->offset = 1;
    response = run_ok(f, "query", request);
    assert_int_equal(response->result[0]->id->num, 3);
    run_bad(f, "query", make_query(f, make_id(f, 55)), STATUS_NOT_FOUND,
            "No point with id 55 found");
    run_bad(f, "query", make_query(f, make_uuid(f, "5c56c793-69f3-4fbf-87e6-c4bf54c28c26")),
            STATUS_NOT_FOUND,
            "Vector with name `` for point 5c56c793-69f3-4fbf-87e6-c4bf54c28c26 not found");
}

/* lookup_from takes the vector from another collection, and excludes nothing here. */
static void test_lookup(void **state)
{
    struct fixture *f = *state;
    const float numbers[2] = {20, 0};
    fill(f);
    run_ok(f, "create_collection",
           make_create(f, "other", "v", make_params(f, 2, QDRANT__DISTANCE__Dot)));
    run_ok(f, "upsert",
           make_upsert(f, "other",
                       make_point(f, make_id(f, 20),
                                  make_vectors(f, "v", make_dense(f, numbers, 2)), NULL)));
    Qdrant__QueryPoints *request = make_query(f, make_id(f, 20));
    request->lookup_from = NEW(f, lookup_location);
    request->lookup_from->collection_name = (char *)"other";
    run_bad(f, "query", request, STATUS_BAD_INPUT, "Not existing vector name error: ");
    request->lookup_from->_vector_name_case = QDRANT__LOOKUP_LOCATION___VECTOR_NAME_VECTOR_NAME;
    request->lookup_from->vector_name = (char *)"v";
    Qdrant__QueryResponse *response = run_ok(f, "query", request);
    assert_int_equal(response->result[0]->id->num, 20);
    assert_int_equal(response->result[1]->id->num, 19);
}

/* Without a query the points come in the order of ids; kinds that are not served are named. */
static void test_query_kinds(void **state)
{
    struct fixture *f = *state;
    fill(f);
    Qdrant__QueryPoints *request = make_query(f, make_id(f, 1));
    request->query = NULL;
    request->_offset_case = QDRANT__QUERY_POINTS___OFFSET_OFFSET;
    request->offset = 4;
    Qdrant__QueryResponse *response = run_ok(f, "query", request);
    assert_int_equal(response->n_result, 2);
    assert_int_equal(response->result[0]->id->num, 5);
    assert_true(response->result[0]->score == 1);
    static const char *const kinds[] = {
        [QDRANT__QUERY__VARIANT_RECOMMEND] = "recommend",
        [QDRANT__QUERY__VARIANT_DISCOVER] = "discover",
        [QDRANT__QUERY__VARIANT_CONTEXT] = "context",
        [QDRANT__QUERY__VARIANT_FUSION] = "fusion",
        [QDRANT__QUERY__VARIANT_SAMPLE] = "sample",
        [QDRANT__QUERY__VARIANT_FORMULA] = "formula",
        [QDRANT__QUERY__VARIANT_NEAREST_WITH_MMR] = "mmr",
        [QDRANT__QUERY__VARIANT_RRF] = "rrf",
        [QDRANT__QUERY__VARIANT_RELEVANCE_FEEDBACK] = "relevance_feedback",
    };
    request->query = NEW(f, query);
    for (size_t i = QDRANT__QUERY__VARIANT_RECOMMEND; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        char text[100];
        if (!kinds[i]) {
            continue;
        }
        (void)snprintf(text, sizeof(text), "query kind `%s` is not served by this version",
                       kinds[i]);
        request->query->variant_case = (Qdrant__Query__VariantCase)i;
        run_bad(f, "query", request, STATUS_BAD_REQUEST, text);
    }
    Qdrant__PrefetchQuery *prefetch = NEW(f, prefetch_query);
    request->prefetch = &prefetch;
    request->n_prefetch = 1;
    run_bad(f, "query", request, STATUS_BAD_REQUEST, "prefetch is not served by this version");
}

/* A batch gives what its parts give alone, and stops when the client has left. */
static void test_batches(void **state)
{
    struct fixture *f = *state;
    fill(f);
    const float origin[2] = {0, 0}, end[2] = {30, 0};
    Qdrant__SearchPoints *searches[] = {make_search(f, origin, 2), make_search(f, end, 2)};
    Qdrant__SearchBatchPoints *request = NEW(f, search_batch_points);
    request->collection_name = (char *)"c";
    request->search_points = searches;
    request->n_search_points = 2;
    Qdrant__SearchBatchResponse *response = run_ok(f, "search_batch", request);
    assert_int_equal(response->n_result, 2);
    assert_int_equal(response->result[0]->result[0]->id->num, 1);
    assert_int_equal(response->result[1]->result[0]->id->num, 20);
    Qdrant__QueryPoints *queries[] = {make_query(f, make_id(f, 1)), make_query(f, make_id(f, 9))};
    Qdrant__QueryBatchPoints *batch = NEW(f, query_batch_points);
    batch->collection_name = (char *)"c";
    batch->query_points = queries;
    batch->n_query_points = 2;
    Qdrant__QueryBatchResponse *answer = run_ok(f, "query_batch", batch);
    assert_int_equal(answer->n_result, 2);
    assert_int_equal(answer->result[0]->result[0]->id->num, 2);
    assert_int_equal(answer->result[1]->result[0]->id->num, 8);
    queries[1] = make_query(f, make_id(f, 999));
    run_bad(f, "query_batch", batch, STATUS_NOT_FOUND, "No point with id 999 found");
    atomic_store(&f->cancelled, true);
    run_bad(f, "search_batch", request, STATUS_CANCELLED, "cancelled");
    run_bad(f, "query_batch", batch, STATUS_CANCELLED, "cancelled");
}

/* Collections are listed by name; progress is JSON with a summary. */
static void test_collections(void **state)
{
    struct fixture *f = *state;
    fill(f);
    run_ok(f, "create_collection",
           make_create(f, "b", NULL, make_params(f, 2, QDRANT__DISTANCE__Dot)));
    Qdrant__ListCollectionsResponse *list =
        run_ok(f, "list_collections", NEW(f, list_collections_request));
    assert_int_equal(list->n_collections, 2);
    assert_string_equal(list->collections[0]->name, "b");
    assert_string_equal(list->collections[1]->name, "c");
    Qdrant__GetCollectionInfoRequest *get = NEW(f, get_collection_info_request);
    get->collection_name = (char *)"c";
    Qdrant__GetCollectionInfoResponse *info = run_ok(f, "get_collection", get);
    assert_int_equal(info->result->points_count, POINTS + 1);
    assert_int_equal(info->result->segments_count, 1);
    Sagitta__OptimizationsQuery query = SAGITTA__OPTIMIZATIONS_QUERY__INIT;
    query.collection_name = (char *)"c";
    query.with = (char *)"queued,idle_segments";
    Sagitta__JsonReply *reply = run_ok(f, "optimizations", &query);
    assert_bytes(reply->json, "{\"summary\":{\"queued_optimizations\":0,\"queued_segments\":0,"
                              "\"queued_points\":0,\"idle_segments\":1},\"running\":[],"
                              "\"queued\":[],\"idle_segments\":[{\"uuid\":"
                              "\"00000000-0000-4000-8000-000000000001\",\"points_count\":21}]}");
    query.with = (char *)"";
    reply = run_ok(f, "optimizations", &query);
    assert_bytes(reply->json, "{\"summary\":{\"queued_optimizations\":0,\"queued_segments\":0,"
                              "\"queued_points\":0,\"idle_segments\":1},\"running\":[]}");
}

static void assert_contains(ProtobufCBinaryData data, const char *part)
{
    if (!memmem(data.data, data.len, part, strlen(part))) {
        fail_msg("`%s` is not in `%.*s`", part, (int)data.len, (const char *)data.data);
    }
}

/* The service endpoints give exactly the words that clients and probes look for. */
static void test_service(void **state)
{
    struct fixture *f = *state;
    fill(f);
    Sagitta__Empty empty = SAGITTA__EMPTY__INIT;
    Sagitta__TextReply *reply = run_ok(f, "root", &empty);
    char expected[200];
    (void)snprintf(expected, sizeof(expected),
                   "{\"title\":\"qdrant - vector search engine\",\"version\":\"1.19.0\","
                   "\"commit\":\"%s\"}",
                   f->info.commit);
    assert_int_equal(strlen(f->info.commit), 40);
    assert_bytes(reply->body, expected);
    assert_string_equal(reply->content_type, "application/json");
    assert_bytes(((Sagitta__TextReply *)run_ok(f, "healthz", &empty))->body,
                 "healthz check passed");
    assert_bytes(((Sagitta__TextReply *)run_ok(f, "livez", &empty))->body, "livez check passed");
    reply = run_ok(f, "readyz", &empty);
    assert_int_equal(reply->http_status, 503);
    atomic_store(&f->info.ready, true);
    reply = run_ok(f, "readyz", &empty);
    assert_int_equal(reply->http_status, 200);
    assert_bytes(reply->body, "all shards are ready");
}

/* Metrics and telemetry tell of collections and of requests that were recorded. */
static void test_metrics(void **state)
{
    struct fixture *f = *state;
    fill(f);
    metrics_record(f->metrics, METRICS_REST, OP_search, 200, 3000000);
    metrics_record(f->metrics, METRICS_REST, OP_search, 400, 1000000);
    Sagitta__ServiceQuery query = SAGITTA__SERVICE_QUERY__INIT;
    Sagitta__TextReply *text = run_ok(f, "metrics", &query);
    assert_contains(text->body, "app_info{name=\"qdrant\",version=\"1.19.0\"} 1\n");
    assert_contains(text->body, "\ncollections_total 1\n");
    assert_contains(text->body, "\ncollections_vector_total 20\n");
    assert_contains(text->body, "\ncollection_points{id=\"c\"} 21\n");
    assert_contains(text->body, "rest_responses_total{method=\"POST\",endpoint=\"/collections/"
                                "{collection_name}/points/search\",status=\"400\"} 1\n");
    assert_contains(text->body,
                    "rest_responses_duration_seconds_bucket{method=\"POST\",endpoint=\"/collections"
                    "/{collection_name}/points/search\",le=\"0.002\"} 1\n");
    assert_contains(text->body,
                    "rest_responses_duration_seconds_bucket{method=\"POST\",endpoint=\"/collections"
                    "/{collection_name}/points/search\",le=\"+Inf\"} 2\n");
    query.details_level = 1;
    Sagitta__JsonReply *json = run_ok(f, "telemetry", &query);
    assert_contains(json->json, "\"number_of_collections\":1,\"collections\":[{\"id\":\"c\",");
    assert_contains(json->json, "\"POST /collections/{collection_name}/points/search\":{\"200\":{"
                                "\"count\":1},\"400\":{\"count\":1}}");
    query.anonymize = true;
    json = run_ok(f, "telemetry", &query);
    assert_contains(json->json, "\"collections\":[{\"id\":\"1\",");
}

/* The table has every operation once, with a function for what its flags say. */
static void test_table(void **state)
{
    (void)state;
    assert_int_equal(op_count, OP_COUNT);
    for (size_t i = 0; i < op_count; i++) {
        const struct op *op = &op_table[i];
        assert_ptr_equal(op_find(op->name), op);
        assert_true(!(op->flags & OP_READ) == !op->run);
        assert_true(!(op->flags & OP_WRITE) == !(op->propose && op->reply));
    }
    assert_null(op_find("nothing"));
    assert_string_equal(op_table[OP_search].path, "/collections/{collection_name}/points/search");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_get_point),
        TEST(test_get_points),
        TEST(test_scroll),
        TEST(test_search),
        TEST(test_bad_searches),
        TEST(test_query_by_id),
        TEST(test_lookup),
        TEST(test_query_kinds),
        TEST(test_batches),
        TEST(test_collections),
        TEST(test_service),
        TEST(test_metrics),
        cmocka_unit_test(test_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
