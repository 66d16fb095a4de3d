/* REST requests into messages: a good body for every operation, and a table of bad ones with status
 * and text. */
#include "collections.pb-c.h"
#include "points.pb-c.h"
#include "sagitta.pb-c.h"

#include "server/rest/rest.h"
#include "storage/base/assert.h"
#include "tests/lib/unit.h"
#include "tests/unit/rest_bad_requests.h"
#include "tests/unit/rest_decoding.h"

static void test_plain_operations(void **state)
{
    /* Proves: operations without a body need none, and take their names from the path and the query
     * string. */
    (void)state;
    static const enum op_id without_body[] = {OP_root,
                                              OP_healthz,
                                              OP_livez,
                                              OP_readyz,
                                              OP_metrics,
                                              OP_telemetry,
                                              OP_list_aliases,
                                              OP_list_collections,
                                              OP_get_collection,
                                              OP_collection_exists,
                                              OP_optimizations,
                                              OP_collection_aliases,
                                              OP_delete_collection};
    for (size_t i = 0; i < sizeof(without_body) / sizeof(*without_body); i++)
        decode(without_body[i], NULL, "");
    Qdrant__GetCollectionInfoRequest *info = decode(OP_get_collection, NULL, "");
    assert_string_equal(info->collection_name, "c1");
    Qdrant__DeleteCollection *drop = decode(OP_delete_collection, "timeout=5&unknown=x", "");
    assert_string_equal(drop->collection_name, "c1");
    assert_int_equal(drop->_timeout_case, QDRANT__DELETE_COLLECTION___TIMEOUT_TIMEOUT);
    assert_int_equal(drop->timeout, 5);
    Sagitta__ServiceQuery *service = decode(OP_telemetry, "details_level=3&anonymize=true", "");
    assert_int_equal(service->details_level, 3);
    assert_true(service->anonymize);
    Sagitta__OptimizationsQuery *optimizations =
        decode(OP_optimizations, "with=queued,completed&completed_limit=7", "");
    assert_string_equal(optimizations->with, "queued,completed");
    assert_int_equal(optimizations->completed_limit, 7);
}

static void test_get_point(void **state)
{
    /* Proves: ids in the path are numbers or UUIDs of any form. */
    (void)state;
    ProtobufCMessage *out;
    static const char *const forms[] = {"collection_name=c&id=550e8400e29b41d4a716446655440000",
                                        "collection_name=c&id=550E8400-E29B-41D4-A716-446655440000",
                                        "collection_name=c&id=urn:uuid:550e8400-e29b-41d4-a716-"
                                        "446655440000"};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(
            decode_bytes(OP_get_point, forms[i], "consistency=majority", slice_text(""), &out),
            STATUS_OK);
        assert_string_equal(((Sagitta__GetPoint *)out)->id->uuid,
                            "550e8400-e29b-41d4-a716-446655440000");
    }
    assert_int_equal(decode_bytes(OP_get_point, "collection_name=c&id=18446744073709551615", NULL,
                                  slice_text(""), &out),
                     STATUS_OK);
    assert_true(((Sagitta__GetPoint *)out)->id->num == UINT64_MAX);
    static const char *const bad[] = {"id=-1", "id=abc", "id=1.5", "id="};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(decode_bytes(OP_get_point, bad[i], NULL, slice_text(""), &out),
                         STATUS_FORMAT);
        assert_non_null(strstr(err.message, "not a valid point ID"));
        assert_non_null(strstr(err.message, bad[i] + 3));
    }
}

static void test_create_collection(void **state)
{
    /* Proves: every part of a configuration reaches its field; enums are the contract's strings. */
    (void)state;
    Qdrant__CreateCollection *m = decode(
        OP_create_collection, "timeout=9",
        "{\"vectors\":{\"size\":4,\"distance\":\"Cosine\",\"on_disk\":true,\"datatype\":\"uint8\","
        "\"memory\":\"pinned\",\"multivector_config\":{\"comparator\":\"max_sim\"},"
        "\"hnsw_config\":{\"m\":0}},\"shard_number\":1,\"sharding_method\":\"auto\","
        "\"on_disk_payload\":false,\"payload\":{\"memory\":\"cold\"},"
        "\"hnsw_config\":{\"m\":16,\"ef_construct\":100,\"full_scan_threshold\":10000},"
        "\"wal_config\":{\"wal_capacity_mb\":32},"
        "\"optimizers_config\":{\"deleted_threshold\":0.2,\"max_optimization_threads\":\"auto\"},"
        "\"quantization_config\":{\"scalar\":{\"type\":\"int8\",\"quantile\":0.99}},"
        "\"sparse_vectors\":{\"text\":{\"modifier\":\"idf\",\"index\":{\"on_disk\":true}}},"
        "\"strict_mode_config\":{\"enabled\":true,\"multivector_config\":{\"a\":{\"max_vectors\":3}"
        "}},\"metadata\":{\"k\":[1, 2.0]},\"init_from\":null,\"unknown\":{\"x\":[]}}");
    assert_string_equal(m->collection_name, "c1");
    assert_int_equal(m->timeout, 9);
    Qdrant__VectorParams *params = m->vectors_config->params;
    assert_int_equal(params->size, 4);
    assert_int_equal(params->distance, QDRANT__DISTANCE__Cosine);
    assert_int_equal(params->datatype, QDRANT__DATATYPE__Uint8);
    assert_int_equal(params->memory, QDRANT__MEMORY__Pinned);
    assert_true(params->on_disk);
    assert_int_equal(params->multivector_config->comparator,
                     QDRANT__MULTI_VECTOR_COMPARATOR__MaxSim);
    assert_int_equal(params->hnsw_config->_m_case, QDRANT__HNSW_CONFIG_DIFF___M_M);
    assert_int_equal(params->hnsw_config->m, 0);
    assert_int_equal(m->_on_disk_payload_case,
                     QDRANT__CREATE_COLLECTION___ON_DISK_PAYLOAD_ON_DISK_PAYLOAD);
    assert_false(m->on_disk_payload);
    assert_int_equal(m->payload->memory, QDRANT__MEMORY__Cold);
    assert_int_equal(m->hnsw_config->ef_construct, 100);
    assert_int_equal(m->wal_config->wal_capacity_mb, 32);
    assert_int_equal(m->optimizers_config->max_optimization_threads->variant_case,
                     QDRANT__MAX_OPTIMIZATION_THREADS__VARIANT_SETTING);
    assert_int_equal(m->quantization_config->quantization_case,
                     QDRANT__QUANTIZATION_CONFIG__QUANTIZATION_SCALAR);
    assert_int_equal(m->quantization_config->scalar->type, QDRANT__QUANTIZATION_TYPE__Int8);
    assert_int_equal(m->sparse_vectors_config->n_map, 1);
    assert_string_equal(m->sparse_vectors_config->map[0]->key, "text");
    assert_int_equal(m->sparse_vectors_config->map[0]->value->modifier, QDRANT__MODIFIER__Idf);
    assert_true(m->sparse_vectors_config->map[0]->value->index->on_disk);
    assert_int_equal(
        m->strict_mode_config->multivector_config->multivector_config[0]->value->max_vectors, 3);
    assert_bytes(m->metadata_json, "{\"k\":[1,2.0]}");
}

static void test_create_named(void **state)
{
    /* Proves: a map of vectors, every quantization, and no vectors at all; a name "size" is a name.
     */
    (void)state;
    static const char *const quantizations[] = {
        "{\"product\":{\"compression\":\"x16\",\"always_ram\":true}}",
        "{\"binary\":{\"encoding\":\"two_bits\",\"query_encoding\":\"scalar4bits\"}}",
        "{\"turbo\":{\"bits\":\"bits1_5\"}}"};
    static const int cases[] = {QDRANT__QUANTIZATION_CONFIG__QUANTIZATION_PRODUCT,
                                QDRANT__QUANTIZATION_CONFIG__QUANTIZATION_BINARY,
                                QDRANT__QUANTIZATION_CONFIG__QUANTIZATION_TURBOQUANT};
    for (size_t i = 0; i < 3; i++) {
        char body[512];
        (void)snprintf(body, sizeof(body),
                       "{\"vectors\":{\"a\":{\"size\":1,\"distance\":\"Dot\"},\"size\":{\"size\":2,"
                       "\"distance\":\"Manhattan\"}},\"quantization_config\":%s}",
                       quantizations[i]);
        Qdrant__CreateCollection *m = decode(OP_create_collection, NULL, body);
        assert_int_equal(m->vectors_config->config_case, QDRANT__VECTORS_CONFIG__CONFIG_PARAMS_MAP);
        assert_int_equal(m->vectors_config->params_map->n_map, 2);
        assert_string_equal(m->vectors_config->params_map->map[1]->key, "size");
        assert_int_equal(m->vectors_config->params_map->map[1]->value->size, 2);
        assert_int_equal(m->quantization_config->quantization_case, cases[i]);
        if (i == 1)
            assert_int_equal(m->quantization_config->binary->query_encoding->setting,
                             QDRANT__BINARY_QUANTIZATION_QUERY_ENCODING__SETTING__Scalar4Bits);
    }
    Qdrant__CreateCollection *m = decode(OP_create_collection, NULL, "{}");
    assert_null(m->vectors_config);
    m = decode(OP_create_collection, NULL, "{\"vectors\":{}}");
    assert_int_equal(m->vectors_config->params_map->n_map, 0);
    m = decode(OP_create_collection, NULL, "{\"collection_name\":\"other\",\"timeout\":3}");
    assert_string_equal(m->collection_name, "c1");
    assert_int_equal(m->_timeout_case, 0);
}

static void test_collection_names(void **state)
{
    /* Proves: names of new collections are checked: length in characters, forbidden characters. */
    (void)state;
    ProtobufCMessage *out;
    char path[1024] = "collection_name=", *name = path + strlen(path);
    memset(name, 'x', 255);
    assert_int_equal(decode_bytes(OP_create_collection, path, NULL, slice_text("{}"), &out),
                     STATUS_OK);
    memset(name, 'x', 256);
    assert_int_equal(decode_bytes(OP_create_collection, path, NULL, slice_text("{}"), &out),
                     STATUS_VALIDATION);
    for (int i = 0; i < 255; i++)
        memcpy(name + i * 2, "\xc3\xa9", 3);
    assert_int_equal(decode_bytes(OP_create_collection, path, NULL, slice_text("{}"), &out),
                     STATUS_OK);
    static const char *const bad[] = {"",   "a/b", "a\\b", "<",  ">", "a:b",
                                      "\"", "|",   "?",    "a*", "\n"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        memcpy(name, bad[i], strlen(bad[i]) + 1);
        assert_int_equal(decode_bytes(OP_create_collection, path, NULL, slice_text("{}"), &out),
                         STATUS_VALIDATION);
        assert_non_null(strstr(err.message, "Validation error in path parameters"));
    }
}

static void test_update_collection(void **state)
{
    /* Proves: changes by name, and a quantization that is switched off. */
    (void)state;
    Qdrant__UpdateCollection *m =
        decode(OP_update_collection, NULL,
               "{\"vectors\":{\"\":{\"on_disk\":true,\"quantization_config\":\"Disabled\"}},"
               "\"params\":{\"replication_factor\":2},\"quantization_config\":\"Disabled\","
               "\"optimizers_config\":{\"max_optimization_threads\":3,\"indexing_threshold\":0}}");
    assert_string_equal(m->vectors_config->params_map->map[0]->key, "");
    assert_int_equal(
        m->vectors_config->params_map->map[0]->value->quantization_config->quantization_case,
        QDRANT__QUANTIZATION_CONFIG_DIFF__QUANTIZATION_DISABLED);
    assert_int_equal(m->params->replication_factor, 2);
    assert_int_equal(m->quantization_config->quantization_case,
                     QDRANT__QUANTIZATION_CONFIG_DIFF__QUANTIZATION_DISABLED);
    assert_int_equal(m->optimizers_config->max_optimization_threads->value, 3);
    m = decode(OP_update_collection, NULL,
               "{\"quantization_config\":{\"scalar\":{\"type\":\"int8\"}}}");
    assert_int_equal(m->quantization_config->quantization_case,
                     QDRANT__QUANTIZATION_CONFIG_DIFF__QUANTIZATION_SCALAR);
}

static void test_aliases(void **state)
{
    /* Proves: the three actions. */
    (void)state;
    Qdrant__ChangeAliases *m =
        decode(OP_change_aliases, "timeout=1",
               "{\"actions\":[{\"create_alias\":{\"collection_name\":\"c\",\"alias_name\":\"a\"}},"
               "{\"rename_alias\":{\"old_alias_name\":\"a\",\"new_alias_name\":\"b\"}},"
               "{\"delete_alias\":{\"alias_name\":\"b\"}}]}");
    assert_int_equal(m->n_actions, 3);
    assert_string_equal(m->actions[0]->create_alias->collection_name, "c");
    assert_string_equal(m->actions[1]->rename_alias->new_alias_name, "b");
    assert_int_equal(m->actions[2]->action_case, QDRANT__ALIAS_OPERATIONS__ACTION_DELETE_ALIAS);
}

static void test_upsert_points(void **state)
{
    /* Proves: all forms of a point's vectors, payload as minified text, parameters of the query
     * string. */
    (void)state;
    Qdrant__UpsertPoints *m = decode(
        OP_upsert, "wait=true&ordering=strong&timeout=7",
        "{\"points\":[{\"id\":1,\"vector\":[1,2.5],\"payload\":{\"a\" : 1, \"b\":2.0,\"a\":3}},"
        "{\"id\":\"550E8400e29b41d4a716446655440000\",\"vector\":[[1,2],[3,4]],\"payload\":null},"
        "{\"id\":18446744073709551615,\"vector\":{\"d\":[1],\"s\":{\"indices\":[7,3],\"values\":"
        "[0.5,1]},\"m\":[[1]],\"t\":{\"text\":\"hello\",\"model\":\"qdrant/bm25\",\"options\":"
        "{\"k\":1.5}}}},{\"id\":0,\"vector\":{\"text\":\"a\",\"model\":\"m\"}},"
        "{\"id\":5,\"vector\":{}}],\"shard_key\":[\"a\",5],\"update_mode\":\"insert_only\","
        "\"update_filter\":{\"must\":{\"key\":\"k\",\"match\":{\"value\":1}}}}");
    assert_int_equal(m->_wait_case, QDRANT__UPSERT_POINTS___WAIT_WAIT);
    assert_true(m->wait);
    assert_int_equal(m->ordering->type, QDRANT__WRITE_ORDERING_TYPE__Strong);
    assert_int_equal(m->timeout, 7);
    assert_int_equal(m->n_points, 5);
    assert_int_equal(m->points[0]->id->num, 1);
    assert_floats(m->points[0]->vectors->vector->dense->data, 2, "1 2.5");
    assert_bytes(m->points[0]->payload_json, "{\"b\":2.0,\"a\":3}");
    assert_string_equal(m->points[1]->id->uuid, "550e8400-e29b-41d4-a716-446655440000");
    assert_int_equal(m->points[1]->_payload_json_case, 0);
    Qdrant__MultiDenseVector *multi = m->points[1]->vectors->vector->multi_dense;
    assert_int_equal(multi->n_vectors, 2);
    assert_floats(multi->vectors[1]->data, 2, "3 4");
    assert_true(m->points[2]->id->num == UINT64_MAX);
    Qdrant__NamedVectors *named = m->points[2]->vectors->vectors;
    assert_int_equal(named->n_vectors, 4);
    assert_string_equal(named->vectors[1]->key, "s");
    assert_int_equal(named->vectors[1]->value->sparse->indices[0], 7);
    assert_floats(named->vectors[1]->value->sparse->values, 2, "0.5 1");
    assert_int_equal(named->vectors[2]->value->vector_case, QDRANT__VECTOR__VECTOR_MULTI_DENSE);
    assert_string_equal(named->vectors[3]->value->document->model, "qdrant/bm25");
    assert_true(named->vectors[3]->value->document->options[0]->value->double_value == 1.5);
    assert_int_equal(m->points[3]->vectors->vector->vector_case, QDRANT__VECTOR__VECTOR_DOCUMENT);
    assert_int_equal(m->points[4]->vectors->vectors->n_vectors, 0);
    assert_int_equal(m->shard_key_selector->n_shard_keys, 2);
    assert_int_equal(m->shard_key_selector->shard_keys[1]->number, 5);
    assert_int_equal(m->update_mode, QDRANT__UPDATE_MODE__InsertOnly);
    assert_int_equal(m->update_filter->n_must, 1);
}

static void test_upsert_batch(void **state)
{
    /* Proves: columns become points, with unnamed and with named vectors. */
    (void)state;
    Qdrant__UpsertPoints *m = decode(
        OP_upsert, "wait=false",
        "{\"batch\":{\"payloads\":[{\"a\":1},null],\"vectors\":[[1,2],[3,4]],\"ids\":[1,2]}}");
    assert_false(m->wait);
    assert_int_equal(m->n_points, 2);
    assert_floats(m->points[1]->vectors->vector->dense->data, 2, "3 4");
    assert_bytes(m->points[0]->payload_json, "{\"a\":1}");
    assert_int_equal(m->points[1]->_payload_json_case, 0);
    m = decode(OP_upsert, NULL,
               "{\"batch\":{\"ids\":[1,2],\"vectors\":{\"d\":[[1],[2]],\"s\":[{\"indices\":[],"
               "\"values\":[]},{\"indices\":[1],\"values\":[9]}]}}}");
    Qdrant__NamedVectors *named = m->points[1]->vectors->vectors;
    assert_int_equal(named->n_vectors, 2);
    assert_string_equal(named->vectors[0]->key, "d");
    assert_floats(named->vectors[0]->value->dense->data, 1, "2");
    assert_floats(named->vectors[1]->value->sparse->values, 1, "9");
    m = decode(OP_upsert, NULL, "{\"points\":[]}");
    assert_int_equal(m->n_points, 0);
}

static void test_selections(void **state)
{
    /* Proves: ids or filter select points in every operation that takes them. */
    (void)state;
    Qdrant__DeletePoints *by_id = decode(OP_delete_points, NULL, "{\"points\":[1,2]}");
    assert_int_equal(by_id->points->points->n_ids, 2);
    by_id = decode(OP_delete_points, NULL,
                   "{\"filter\":{\"must\":[{\"has_id\":[1]}]},\"shard_key\":\"k\"}");
    assert_int_equal(by_id->points->points_selector_one_of_case,
                     QDRANT__POINTS_SELECTOR__POINTS_SELECTOR_ONE_OF_FILTER);
    assert_string_equal(by_id->shard_key_selector->shard_keys[0]->keyword, "k");
    by_id = decode(OP_delete_points, NULL, "{\"filter\":{},\"points\":[3]}");
    assert_int_equal(by_id->points->points->ids[0]->num, 3);
    Qdrant__ClearPayloadPoints *clear = decode(OP_clear_payload, NULL, "{\"points\":[4]}");
    assert_int_equal(clear->points->points->ids[0]->num, 4);
    Qdrant__DeletePointVectors *vectors =
        decode(OP_delete_vectors, NULL, "{\"points\":[5],\"vector\":[\"a\",\"b\"]}");
    assert_int_equal(vectors->points_selector->points->ids[0]->num, 5);
    assert_int_equal(vectors->vectors->n_names, 2);
    Qdrant__SetPayloadPoints *set =
        decode(OP_set_payload, NULL, "{\"payload\":{\"x\":{}},\"points\":[6],\"key\":\"a.b\"}");
    assert_bytes(set->payload_json, "{\"x\":{}}");
    assert_string_equal(set->key, "a.b");
    set = decode(OP_overwrite_payload, NULL, "{\"payload\":{},\"filter\":{}}");
    assert_non_null(set->points_selector->filter);
    assert_bytes(set->payload_json, "{}");
    Qdrant__DeletePayloadPoints *keys =
        decode(OP_delete_payload, NULL, "{\"keys\":[\"a\",\"b[].c\"],\"points\":[7]}");
    assert_int_equal(keys->n_keys, 2);
    assert_string_equal(keys->keys[1], "b[].c");
    Qdrant__UpdatePointVectors *update =
        decode(OP_update_vectors, NULL, "{\"points\":[{\"id\":8,\"vector\":{\"a\":[1]}}]}");
    assert_string_equal(update->points[0]->vectors->vectors->vectors[0]->key, "a");
}

static void test_update_batch(void **state)
{
    /* Proves: each of the eight operations reaches its arm. */
    (void)state;
    Qdrant__UpdateBatchPoints *m = decode(
        OP_update_batch, "wait=true",
        "{\"operations\":[{\"upsert\":{\"points\":[{\"id\":1,\"vector\":[1]}]}},"
        "{\"delete\":{\"points\":[1]}},{\"set_payload\":{\"payload\":{\"a\":1},\"points\":[1]}},"
        "{\"overwrite_payload\":{\"payload\":{},\"filter\":{}}},"
        "{\"delete_payload\":{\"keys\":[\"a\"],\"points\":[1]}},{\"clear_payload\":{\"points\":[1]}"
        "}"
        ",{\"update_vectors\":{\"points\":[{\"id\":1,\"vector\":[1]}]}},"
        "{\"delete_vectors\":{\"points\":[1],\"vector\":[\"v\"]}},"
        "{\"upsert\":{\"batch\":{\"ids\":[1],\"vectors\":[[1]]}}}]}");
    static const int cases[] = {QDRANT__POINTS_UPDATE_OPERATION__OPERATION_UPSERT,
                                QDRANT__POINTS_UPDATE_OPERATION__OPERATION_DELETE_POINTS,
                                QDRANT__POINTS_UPDATE_OPERATION__OPERATION_SET_PAYLOAD,
                                QDRANT__POINTS_UPDATE_OPERATION__OPERATION_OVERWRITE_PAYLOAD,
                                QDRANT__POINTS_UPDATE_OPERATION__OPERATION_DELETE_PAYLOAD,
                                QDRANT__POINTS_UPDATE_OPERATION__OPERATION_CLEAR_PAYLOAD,
                                QDRANT__POINTS_UPDATE_OPERATION__OPERATION_UPDATE_VECTORS,
                                QDRANT__POINTS_UPDATE_OPERATION__OPERATION_DELETE_VECTORS,
                                QDRANT__POINTS_UPDATE_OPERATION__OPERATION_UPSERT};
    assert_int_equal(m->n_operations, 9);
    for (size_t i = 0; i < 9; i++)
        assert_int_equal(m->operations[i]->operation_case, cases[i]);
    assert_bytes(m->operations[2]->set_payload->payload_json, "{\"a\":1}");
    assert_int_equal(m->operations[8]->upsert->n_points, 1);
}

static Qdrant__Filter *filter_of(const char *filter)
{
    static char body[4096];
    (void)snprintf(body, sizeof(body), "{\"filter\":%s}", filter);
    Qdrant__CountPoints *m = decode(OP_count, NULL, body);
    return m->filter;
}

static void test_conditions(void **state)
{
    /* Proves: each kind of condition, each kind of match, ranges exact and in time, nested filters.
     */
    (void)state;
    Qdrant__Filter *f = filter_of(
        "{\"must\":[{\"is_empty\":{\"key\":\"e\"}},{\"is_null\":{\"key\":\"n\"}},"
        "{\"has_id\":[1,\"550e8400-e29b-41d4-a716-446655440000\"]},{\"has_vector\":\"v\"},"
        "{\"nested\":{\"key\":\"a[]\",\"filter\":{\"must\":{\"is_null\":{\"key\":\"x\"}}}}},"
        "{\"slice\":{\"total\":4,\"index\":1}},{\"must_not\":[{\"has_id\":[]}]},{},"
        "{\"min_should\":{\"conditions\":[{\"has_id\":[2]}],\"min_count\":1}}],"
        "\"should\":{\"has_id\":[3]},\"min_should\":{\"conditions\":[],\"min_count\":0}}");
    static const int cases[] = {QDRANT__CONDITION__CONDITION_ONE_OF_IS_EMPTY,
                                QDRANT__CONDITION__CONDITION_ONE_OF_IS_NULL,
                                QDRANT__CONDITION__CONDITION_ONE_OF_HAS_ID,
                                QDRANT__CONDITION__CONDITION_ONE_OF_HAS_VECTOR,
                                QDRANT__CONDITION__CONDITION_ONE_OF_NESTED,
                                QDRANT__CONDITION__CONDITION_ONE_OF_SLICE,
                                QDRANT__CONDITION__CONDITION_ONE_OF_FILTER,
                                QDRANT__CONDITION__CONDITION_ONE_OF_FILTER,
                                QDRANT__CONDITION__CONDITION_ONE_OF_FILTER};
    assert_int_equal(f->n_must, 9);
    for (size_t i = 0; i < 9; i++)
        assert_int_equal(f->must[i]->condition_one_of_case, cases[i]);
    assert_string_equal(f->must[0]->is_empty->key, "e");
    assert_int_equal(f->must[2]->has_id->n_has_id, 2);
    assert_string_equal(f->must[3]->has_vector->has_vector, "v");
    assert_int_equal(f->must[4]->nested->filter->n_must, 1);
    assert_int_equal(f->must[5]->slice->total, 4);
    assert_int_equal(f->must[8]->filter->min_should->min_count, 1);
    assert_int_equal(f->n_should, 1);
    assert_non_null(f->min_should);
}

static Qdrant__FieldCondition *field_of_json(const char *parts)
{
    char filter[2048];
    (void)snprintf(filter, sizeof(filter), "{\"must\":{\"key\":\"k\",%s}}", parts);
    Qdrant__Filter *f = filter_of(filter);
    assert_int_equal(f->must[0]->condition_one_of_case, QDRANT__CONDITION__CONDITION_ONE_OF_FIELD);
    return f->must[0]->field;
}

static void test_matches(void **state)
{
    /* Proves: each kind of match reaches its arm. */
    (void)state;
    static const struct {
        const char *match;
        int arm;
    } cases[] = {{"\"value\":\"s\"", QDRANT__MATCH__MATCH_VALUE_KEYWORD},
                 {"\"value\":-5", QDRANT__MATCH__MATCH_VALUE_INTEGER},
                 {"\"value\":false", QDRANT__MATCH__MATCH_VALUE_BOOLEAN},
                 {"\"text\":\"t\"", QDRANT__MATCH__MATCH_VALUE_TEXT},
                 {"\"text_any\":\"t\"", QDRANT__MATCH__MATCH_VALUE_TEXT_ANY},
                 {"\"phrase\":\"t\"", QDRANT__MATCH__MATCH_VALUE_PHRASE},
                 {"\"prefix\":\"t\"", QDRANT__MATCH__MATCH_VALUE_PREFIX},
                 {"\"any\":[\"a\"]", QDRANT__MATCH__MATCH_VALUE_KEYWORDS},
                 {"\"any\":[1,-2]", QDRANT__MATCH__MATCH_VALUE_INTEGERS},
                 {"\"any\":[]", QDRANT__MATCH__MATCH_VALUE_KEYWORDS},
                 {"\"except\":[\"a\"]", QDRANT__MATCH__MATCH_VALUE_EXCEPT_KEYWORDS},
                 {"\"except\":[1]", QDRANT__MATCH__MATCH_VALUE_EXCEPT_INTEGERS}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char parts[128];
        (void)snprintf(parts, sizeof(parts), "\"match\":{%s}", cases[i].match);
        Qdrant__FieldCondition *field = field_of_json(parts);
        assert_string_equal(field->key, "k");
        assert_int_equal(field->match->match_value_case, cases[i].arm);
    }
}

static void test_field_parts(void **state)
{
    /* Proves: ranges keep 64-bit integers exact, text bounds are times, geo shapes and counts
     * arrive. */
    (void)state;
    Qdrant__FieldCondition *field =
        field_of_json("\"range\":{\"gt\":9223372036854775807,\"lt\":18446744073709551615,"
                      "\"gte\":null,\"lte\":1.5}");
    assert_null(field->range);
    assert_true(field->exact_range->gt->signed_value == INT64_MAX);
    assert_true(field->exact_range->lt->unsigned_value == UINT64_MAX);
    assert_null(field->exact_range->gte);
    assert_true(field->exact_range->lte->real_value == 1.5);
    field = field_of_json("\"range\":{\"gte\":\"1969-12-31T23:59:59.25Z\",\"lt\":\"2024-01-01\"}");
    assert_null(field->exact_range);
    assert_true(field->datetime_range->gte->seconds == -1);
    assert_int_equal(field->datetime_range->gte->nanos, 250000000);
    assert_true(field->datetime_range->lt->seconds == 1704067200);
    field = field_of_json("\"geo_bounding_box\":{\"top_left\":{\"lon\":1,\"lat\":2},"
                          "\"bottom_right\":{\"lon\":3,\"lat\":-4.5}}");
    assert_true(field->geo_bounding_box->bottom_right->lat == -4.5);
    field = field_of_json("\"geo_radius\":{\"center\":{\"lon\":1,\"lat\":2},\"radius\":1000}");
    assert_true(field->geo_radius->radius == 1000);
    field = field_of_json("\"geo_polygon\":{\"exterior\":{\"points\":[{\"lon\":0,\"lat\":0}]},"
                          "\"interiors\":[{\"points\":[]}]}");
    assert_int_equal(field->geo_polygon->exterior->n_points, 1);
    assert_int_equal(field->geo_polygon->n_interiors, 1);
    field = field_of_json("\"values_count\":{\"gte\":2},\"is_empty\":true,\"is_null\":false");
    assert_int_equal(field->values_count->gte, 2);
    assert_true(field->is_empty);
    assert_int_equal(field->_is_null_case, QDRANT__FIELD_CONDITION___IS_NULL_IS_NULL);
}

static void test_reads(void **state)
{
    /* Proves: get, scroll and count; selectors of payload and vectors in all forms. */
    (void)state;
    Qdrant__GetPoints *get = decode(OP_get_points, "consistency=2",
                                    "{\"ids\":[1],\"with_payload\":[\"a\"],\"with_vector\":true}");
    assert_int_equal(get->read_consistency->factor, 2);
    assert_string_equal(get->with_payload->include->fields[0], "a");
    assert_true(get->with_vectors->enable);
    get = decode(OP_get_points, "consistency=quorum",
                 "{\"ids\":[],\"with_payload\":{\"exclude\":[\"b\"]},\"with_vectors\":[\"v\"]}");
    assert_int_equal(get->read_consistency->type, QDRANT__READ_CONSISTENCY_TYPE__Quorum);
    assert_string_equal(get->with_payload->exclude->fields[0], "b");
    assert_string_equal(get->with_vectors->include->names[0], "v");
    Qdrant__ScrollPoints *scroll =
        decode(OP_scroll, NULL,
               "{\"limit\":1,\"offset\":5,\"with_payload\":{\"include\":[]},\"order_by\":\"k\"}");
    assert_int_equal(scroll->limit, 1);
    assert_int_equal(scroll->offset->num, 5);
    assert_int_equal(scroll->with_payload->selector_options_case,
                     QDRANT__WITH_PAYLOAD_SELECTOR__SELECTOR_OPTIONS_INCLUDE);
    assert_string_equal(scroll->order_by->key, "k");
    scroll =
        decode(OP_scroll, NULL,
               "{\"order_by\":{\"key\":\"k\",\"direction\":\"desc\",\"start_from\":\"2024\"}}");
    assert_int_equal(scroll->order_by->direction, QDRANT__DIRECTION__Desc);
    assert_int_equal(scroll->order_by->start_from->value_case, QDRANT__START_FROM__VALUE_DATETIME);
    Qdrant__CountPoints *count = decode(OP_count, "timeout=3", "{\"exact\":false}");
    assert_int_equal(count->_exact_case, QDRANT__COUNT_POINTS___EXACT_EXACT);
    assert_false(count->exact);
    assert_int_equal(count->timeout, 3);
}

static void test_search(void **state)
{
    /* Proves: plain, named and sparse vectors of a search, its parameters, and batches. */
    (void)state;
    Qdrant__SearchPoints *m =
        decode(OP_search, NULL,
               "{\"vector\":[1,2],\"limit\":3,\"offset\":1,\"score_threshold\":0.5,\"params\":"
               "{\"hnsw_ef\":64,\"exact\":true,\"quantization\":{\"oversampling\":2.0},"
               "\"acorn\":{\"enable\":true},\"idf\":\"global\"},\"with_payload\":true}");
    assert_floats(m->vector, m->n_vector, "1 2");
    assert_int_equal(m->limit, 3);
    assert_int_equal(m->offset, 1);
    assert_true(m->score_threshold == 0.5f);
    assert_int_equal(m->params->hnsw_ef, 64);
    assert_true(m->params->quantization->oversampling == 2);
    assert_non_null(m->params->idf);
    assert_null(m->params->idf->corpus);
    m = decode(OP_search, NULL, "{\"vector\":{\"name\":\"a\",\"vector\":[3]},\"limit\":1}");
    assert_string_equal(m->vector_name, "a");
    assert_floats(m->vector, m->n_vector, "3");
    m = decode(OP_search, NULL,
               "{\"vector\":{\"name\":\"s\",\"vector\":{\"indices\":[4],\"values\":[5]}},"
               "\"limit\":1}");
    assert_int_equal(m->sparse_indices->data[0], 4);
    assert_floats(m->vector, m->n_vector, "5");
    Qdrant__SearchBatchPoints *batch =
        decode(OP_search_batch, NULL,
               "{\"searches\":[{\"vector\":[1],\"limit\":1},{\"vector\":[2],\"limit\":2}]}");
    assert_int_equal(batch->n_search_points, 2);
    assert_int_equal(batch->search_points[1]->limit, 2);
}

static Qdrant__Query *query_of(const char *query)
{
    char body[2048];
    (void)snprintf(body, sizeof(body), "{\"query\":%s}", query);
    Qdrant__QueryPoints *m = decode(OP_query, NULL, body);
    return m->query;
}

static void test_groups(void **state)
{
    /* Proves: vectors bare, named and sparse in groups as in searches; both forms of a lookup. */
    (void)state;
    Qdrant__SearchPointGroups *m =
        decode(OP_search_groups, NULL,
               "{\"vector\":{\"name\":\"v\",\"vector\":[1,2]},\"group_by\":\"g\",\"limit\":4,"
               "\"group_size\":2,\"with_lookup\":\"other\",\"vector_name\":\"x\"}");
    assert_string_equal(m->vector_name, "v");
    assert_int_equal(m->n_vector, 2);
    assert_true(m->vector[1] == 2 && m->limit == 4 && m->group_size == 2);
    assert_string_equal(m->group_by, "g");
    assert_string_equal(m->with_lookup->collection, "other");
    assert_null(m->with_lookup->with_payload);
    m = decode(OP_search_groups, NULL,
               "{\"vector\":{\"name\":\"v\",\"vector\":{\"indices\":[3],\"values\":[0.5]}},"
               "\"group_by\":\"g\",\"limit\":4,\"group_size\":2}");
    assert_int_equal(m->sparse_indices->data[0], 3);
    m = decode(OP_search_groups, NULL,
               "{\"vector\":[1],\"group_by\":\"g\",\"limit\":4,\"group_size\":2}");
    assert_int_equal(m->_vector_name_case, 0);
    assert_null(m->sparse_indices);
    Qdrant__QueryPointGroups *q =
        decode(OP_query_groups, NULL,
               "{\"query\":7,\"group_by\":\"g\",\"with_lookup\":{\"collection\":\"other\","
               "\"with_payload\":[\"a\"],\"with_vectors\":true}}");
    assert_int_equal(q->query->nearest->id->num, 7);
    assert_int_equal(q->_limit_case, 0);
    assert_string_equal(q->with_lookup->with_payload->include->fields[0], "a");
    assert_true(q->with_lookup->with_vectors->enable);
}

static void test_query_kinds(void **state)
{
    /* Proves: each kind of query, bare and wrapped. */
    (void)state;
    static const struct {
        const char *query;
        int arm;
    } cases[] = {
        {"[1,2]", QDRANT__QUERY__VARIANT_NEAREST},
        {"[[1],[2]]", QDRANT__QUERY__VARIANT_NEAREST},
        {"{\"indices\":[1],\"values\":[1]}", QDRANT__QUERY__VARIANT_NEAREST},
        {"7", QDRANT__QUERY__VARIANT_NEAREST},
        {"\"550e8400-e29b-41d4-a716-446655440000\"", QDRANT__QUERY__VARIANT_NEAREST},
        {"{\"text\":\"t\",\"model\":\"m\"}", QDRANT__QUERY__VARIANT_NEAREST},
        {"{\"image\":\"t\",\"model\":\"m\"}", QDRANT__QUERY__VARIANT_NEAREST},
        {"{\"object\":{\"a\":null},\"model\":\"m\"}", QDRANT__QUERY__VARIANT_NEAREST},
        {"{\"nearest\":[1]}", QDRANT__QUERY__VARIANT_NEAREST},
        {"{\"nearest\":[1],\"mmr\":{\"diversity\":0.5,\"candidates_limit\":100}}",
         QDRANT__QUERY__VARIANT_NEAREST_WITH_MMR},
        {"{\"recommend\":{\"positive\":[1,[2]],\"negative\":[],\"strategy\":\"best_score\"}}",
         QDRANT__QUERY__VARIANT_RECOMMEND},
        {"{\"discover\":{\"target\":1,\"context\":{\"positive\":1,\"negative\":2}}}",
         QDRANT__QUERY__VARIANT_DISCOVER},
        {"{\"context\":[{\"positive\":1,\"negative\":2}]}", QDRANT__QUERY__VARIANT_CONTEXT},
        {"{\"order_by\":\"k\"}", QDRANT__QUERY__VARIANT_ORDER_BY},
        {"{\"fusion\":\"dbsf\"}", QDRANT__QUERY__VARIANT_FUSION},
        {"{\"rrf\":{\"k\":10,\"weights\":[1,2]}}", QDRANT__QUERY__VARIANT_RRF},
        {"{\"sample\":\"random\"}", QDRANT__QUERY__VARIANT_SAMPLE},
        {"{\"relevance_feedback\":{\"target\":1,\"feedback\":[{\"example\":2,\"score\":0.5}],"
         "\"strategy\":{\"naive\":{\"a\":1,\"b\":0,\"c\":-1}}}}",
         QDRANT__QUERY__VARIANT_RELEVANCE_FEEDBACK},
        {"{\"formula\":{\"sum\":[\"$score\",1]},\"defaults\":{\"x\":1}}",
         QDRANT__QUERY__VARIANT_FORMULA},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        assert_int_equal(query_of(cases[i].query)->variant_case, cases[i].arm);
    assert_int_equal(query_of("7")->nearest->id->num, 7);
    assert_int_equal(query_of("{\"fusion\":\"dbsf\"}")->fusion, QDRANT__FUSION__DBSF);
    Qdrant__Query *query =
        query_of("{\"discover\":{\"target\":1,\"context\":[{\"positive\":1,\"negative\":[2]}]}}");
    assert_int_equal(query->discover->context->n_pairs, 1);
    assert_floats(query->discover->context->pairs[0]->negative->dense->data, 1, "2");
}

static void test_formula(void **state)
{
    /* Proves: every operator of a formula reaches its arm. */
    (void)state;
    Qdrant__Query *query = query_of(
        "{\"formula\":{\"sum\":[1.5,\"k\",{\"key\":\"a\",\"match\":{\"value\":1}},"
        "{\"geo_distance\":{\"origin\":{\"lon\":1,\"lat\":2},\"to\":\"loc\"}},"
        "{\"datetime\":\"2024-01-01\"},{\"datetime_key\":\"t\"},{\"mult\":[1]},{\"neg\":1},"
        "{\"abs\":1},{\"div\":{\"left\":1,\"right\":2,\"by_zero_default\":3}},{\"sqrt\":1},"
        "{\"pow\":{\"base\":4,\"exponent\":2}},{\"exp\":1},{\"log10\":1},{\"ln\":1},"
        "{\"lin_decay\":{\"x\":\"a\",\"scale\":2}},{\"exp_decay\":{\"x\":1}},"
        "{\"gauss_decay\":{\"x\":1,\"midpoint\":0.5}}]},\"defaults\":{\"a\":[true,null]}}");
    static const int arms[] = {
        QDRANT__EXPRESSION__VARIANT_CONSTANT,  QDRANT__EXPRESSION__VARIANT_VARIABLE,
        QDRANT__EXPRESSION__VARIANT_CONDITION, QDRANT__EXPRESSION__VARIANT_GEO_DISTANCE,
        QDRANT__EXPRESSION__VARIANT_DATETIME,  QDRANT__EXPRESSION__VARIANT_DATETIME_KEY,
        QDRANT__EXPRESSION__VARIANT_MULT,      QDRANT__EXPRESSION__VARIANT_NEG,
        QDRANT__EXPRESSION__VARIANT_ABS,       QDRANT__EXPRESSION__VARIANT_DIV,
        QDRANT__EXPRESSION__VARIANT_SQRT,      QDRANT__EXPRESSION__VARIANT_POW,
        QDRANT__EXPRESSION__VARIANT_EXP,       QDRANT__EXPRESSION__VARIANT_LOG10,
        QDRANT__EXPRESSION__VARIANT_LN,        QDRANT__EXPRESSION__VARIANT_LIN_DECAY,
        QDRANT__EXPRESSION__VARIANT_EXP_DECAY, QDRANT__EXPRESSION__VARIANT_GAUSS_DECAY};
    Qdrant__SumExpression *sum = query->formula->expression->sum;
    assert_int_equal(sum->n_sum, 18);
    for (size_t i = 0; i < 18; i++)
        assert_int_equal(sum->sum[i]->variant_case, arms[i]);
    assert_true(sum->sum[11]->pow->base_value->constant == 4);
    assert_true(sum->sum[9]->div->by_zero_default == 3);
    assert_int_equal(query->formula->n_defaults, 1);
    assert_int_equal(query->formula->defaults[0]->value->list_value->n_values, 2);
}

static void test_query_envelope(void **state)
{
    /* Proves: prefetches single, listed and nested; lookup, batch. */
    (void)state;
    Qdrant__QueryPoints *m = decode(
        OP_query, NULL,
        "{\"prefetch\":{\"query\":[1],\"using\":\"a\",\"limit\":5,\"prefetch\":[{\"limit\":1}"
        ",{\"limit\":2}]},\"query\":{\"fusion\":\"rrf\"},\"using\":\"b\",\"limit\":10,"
        "\"offset\":2,\"lookup_from\":{\"collection\":\"o\",\"vector\":\"v\"},"
        "\"with_vector\":[\"x\"],\"filter\":{\"must\":[]},\"shard_key\":{\"target\":\"a\","
        "\"fallback\":\"b\"}}");
    assert_int_equal(m->n_prefetch, 1);
    assert_int_equal(m->prefetch[0]->n_prefetch, 2);
    assert_string_equal(m->prefetch[0]->using_, "a");
    assert_int_equal(m->limit, 10);
    assert_string_equal(m->lookup_from->collection_name, "o");
    assert_string_equal(m->lookup_from->vector_name, "v");
    assert_string_equal(m->shard_key_selector->fallback->keyword, "b");
    assert_non_null(m->filter);
    Qdrant__QueryBatchPoints *batch =
        decode(OP_query_batch, NULL, "{\"searches\":[{\"query\":1},{\"query\":[1]}]}");
    assert_int_equal(batch->n_query_points, 2);
    assert_int_equal(batch->query_points[0]->query->nearest->id->num, 1);
}

static void test_bad_requests(void **state)
{
    /* Proves: each wrong body gives the contract's status and a text that names the place. */
    (void)state;
    for (size_t i = 0; i < sizeof(bad_requests) / sizeof(*bad_requests); i++) {
        const struct bad *bad = &bad_requests[i];
        ProtobufCMessage *out = NULL;
        enum status status =
            decode_bytes(bad->op, "collection_name=c", bad->query, slice_text(bad->body), &out);
        if (status != bad->status || !strstr(err.message, bad->text))
            fail_msg("%s %s: status %s, text %s", ops[bad->op].name, bad->body, status_name(status),
                     err.message);
        assert_null(out);
    }
}

static void test_many_violations(void **state)
{
    /* Proves: more violations than fit leave a text that is whole, and the status. */
    (void)state;
    ProtobufCMessage *out = NULL;
    struct buffer body;
    buffer_init(&body, 0);
    buffer_append_text(&body, "{\"searches\":[");
    for (int i = 0; i < 50; i++)
        buffer_printf(&body, "%s{\"vector\":[1],\"limit\":0}", i ? "," : "");
    buffer_append_text(&body, "]}");
    assert_int_equal(decode_bytes(OP_search_batch, "", NULL, buffer_slice(&body), &out),
                     STATUS_VALIDATION);
    buffer_deinit(&body);
    assert_int_equal(err.message[strlen(err.message) - 1], ']');
    assert_non_null(strstr(err.message, "searches[0]"));
}

static void test_memory_limit(void **state)
{
    /* Proves: a request that outgrows its arena is refused. */
    (void)state;
    struct arena *small = arena_create(4096), *whole = arena;
    ProtobufCMessage *out = NULL;
    struct buffer body;
    buffer_init(&body, 0);
    buffer_append_text(&body, "{\"points\":[{\"id\":1,\"vector\":[0");
    for (int i = 0; i < 3000; i++)
        buffer_append_text(&body, ",0");
    buffer_append_text(&body, "]}]}");
    arena = small;
    assert_int_equal(decode_bytes(OP_upsert, "collection_name=c", NULL, buffer_slice(&body), &out),
                     STATUS_TOO_LARGE);
    buffer_deinit(&body);
    arena = whole;
    arena_destroy(small);
}

static void test_every_operation_with_noise(void **state)
{
    /* Proves: no operation crashes on values of every type in place of its body and members. */
    (void)state;
    static const char *const noise[] = {
        "null",
        "true",
        "5",
        "-5",
        "1.5",
        "\"x\"",
        "[]",
        "[[]]",
        "[[[]]]",
        "{}",
        "{\"points\":null,\"filter\":[],\"vector\":{},\"vectors\":[],\"query\":{}}",
        "{\"points\":[null],\"ids\":[null],\"searches\":[null],\"operations\":[null]}",
        "{\"points\":[{}],\"searches\":[{}],\"operations\":[{}],\"actions\":[{}]}"};
    for (size_t id = 0; id < OP_COUNT; id++) {
        for (size_t i = 0; i < sizeof(noise) / sizeof(*noise); i++) {
            ProtobufCMessage *out = NULL;
            enum status status = decode_bytes((enum op_id)id, "collection_name=c&id=1", NULL,
                                              slice_text(noise[i]), &out);
            assert_true(status == STATUS_OK || status == STATUS_FORMAT ||
                        status == STATUS_VALIDATION);
            assert_true((status == STATUS_OK) == (out != NULL));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_operations),
        cmocka_unit_test(test_get_point),
        cmocka_unit_test(test_create_collection),
        cmocka_unit_test(test_create_named),
        cmocka_unit_test(test_collection_names),
        cmocka_unit_test(test_update_collection),
        cmocka_unit_test(test_aliases),
        cmocka_unit_test(test_upsert_points),
        cmocka_unit_test(test_upsert_batch),
        cmocka_unit_test(test_selections),
        cmocka_unit_test(test_update_batch),
        cmocka_unit_test(test_conditions),
        cmocka_unit_test(test_matches),
        cmocka_unit_test(test_field_parts),
        cmocka_unit_test(test_reads),
        cmocka_unit_test(test_search),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_query_kinds),
        cmocka_unit_test(test_formula),
        cmocka_unit_test(test_query_envelope),
        cmocka_unit_test(test_bad_requests),
        cmocka_unit_test(test_many_violations),
        cmocka_unit_test(test_memory_limit),
        cmocka_unit_test(test_every_operation_with_noise),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
