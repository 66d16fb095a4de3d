"""Strict mode through the public Python client: each limit with a request at the limit, which passes, and one over it, which is
refused with the option's name, what was asked for and the limit; nothing of a refused request is stored."""
import json
import threading
import time

import pytest
from harness import Server, client, collection, name, server  # noqa: F401 (fixtures)
from qdrant_client import models
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse

VECTORS = {"size": 4, "distance": "Dot"}


def point(identifier, payload=None):
    return models.PointStruct(id=identifier, vector=[1.0, 2.0, 3.0, float(identifier)], payload=payload)


@pytest.fixture
def strict(client, collection):
    """strict(max_query_limit=5, ...) makes a collection with these limits."""

    def make(vectors=None, **limits):
        return collection(VECTORS if vectors is None else vectors, strict_mode_config={"enabled": True, **limits})

    return make


def refused(call, *words):
    with pytest.raises(UnexpectedResponse) as caught:
        call()
    answer = json.loads(caught.value.content)
    assert caught.value.status_code == 400, answer
    error = answer["status"]["error"]
    assert error.startswith("Bad request: ") and "Help: " in error, error
    for word in words:
        assert word in error, error


def count(client, name):
    return client.count(name).count


def keys(*names, **matches):
    conditions = [models.FieldCondition(key=key, match=models.MatchValue(value="v")) for key in names]
    conditions += [models.FieldCondition(key=key, match=models.MatchAny(any=values)) for key, values in matches.items()]
    return models.Filter(must=conditions)


def test_no_warning_and_the_whole_configuration_is_shown(server, collection):
    limits = {"enabled": True, "max_query_limit": 1, "max_timeout": 2, "unindexed_filtering_retrieve": False,
              "unindexed_filtering_update": False, "search_max_hnsw_ef": 3, "search_allow_exact": False,
              "search_max_oversampling": 1.5, "upsert_max_batchsize": 4, "search_max_batchsize": 5,
              "max_collection_vector_size_bytes": 6, "read_rate_limit": 7, "write_rate_limit": 8,
              "max_collection_payload_size_bytes": 9, "max_points_count": 10, "filter_max_conditions": 11,
              "condition_max_size": 12, "multivector_config": {"": {"max_vectors": 13}},
              "sparse_config": {"s": {"max_length": 14}}, "max_payload_index_count": 15}
    own = collection(VECTORS, strict_mode_config=limits)
    info = server.call("GET", f"/collections/{own}")
    shown = info["config"]["strict_mode_config"]
    assert {k: v for k, v in shown.items() if v is not None} == limits
    assert not info.get("warnings")
    server.call("PATCH", f"/collections/{own}", {"strict_mode_config": {"max_resident_memory_percent": 99}})
    info = server.call("GET", f"/collections/{own}")
    assert "deprecated" in info["warnings"][0]["message"]


def test_off_is_off(client, collection):
    own = collection(VECTORS, strict_mode_config={"enabled": False, "max_query_limit": 1, "max_points_count": 1,
                                                  "upsert_max_batchsize": 1, "read_rate_limit": 1})
    client.upsert(own, [point(i) for i in range(5)], wait=True)
    for _ in range(3):
        assert len(client.scroll(own, limit=5)[0]) == 5


def test_max_query_limit(client, strict):
    own = strict(max_query_limit=5)
    client.upsert(own, [point(i) for i in range(9)], wait=True)
    query = [1.0, 1.0, 1.0, 1.0]
    assert len(client.query_points(own, query=query, limit=5).points) == 5
    words = ("max_query_limit", "6 > 5", '"limit"')
    refused(lambda: client.query_points(own, query=query, limit=6), *words)
    assert len(client.scroll(own, limit=5)[0]) == 5
    refused(lambda: client.scroll(own, limit=6), *words)
    batch = [models.QueryRequest(query=query, limit=limit) for limit in (5, 6)]
    assert len(client.query_batch_points(own, batch[:1])[0].points) == 5
    refused(lambda: client.query_batch_points(own, batch), *words)


def test_limit_of_a_request_that_has_none(server, strict):
    own = strict(max_query_limit=9)
    path = f"/collections/{own}/points/"
    for call, body in ((path + "scroll", {}), (path + "query", {})):
        status, text = server.request("POST", call, body)
        assert status == 400 and "10 > 9" in text, text
    server.call("PATCH", f"/collections/{own}", {"strict_mode_config": {"max_query_limit": 10}})
    for call in (path + "scroll", path + "query"):
        server.call("POST", call, {})


def test_max_timeout(client, strict):
    own = strict(max_timeout=3)
    client.upsert(own, [point(1)], wait=True)
    assert client.query_points(own, query=[1.0, 1.0, 1.0, 1.0], timeout=3).points
    refused(lambda: client.query_points(own, query=[1.0, 1.0, 1.0, 1.0], timeout=4), "max_timeout", "4 > 3")
    # Not on points: the limit can still be changed.
    client.update_collection(own, strict_mode_config=models.StrictModeConfig(max_timeout=4), timeout=60)
    assert client.query_points(own, query=[1.0, 1.0, 1.0, 1.0], timeout=4).points


def test_unindexed_filtering_retrieve(client, strict):
    own = strict(unindexed_filtering_retrieve=False)
    client.upsert(own, [point(1, {"city": "v"}), point(2, {"city": "w"})], wait=True)
    words = ("unindexed_filtering_retrieve", '"city"', "[keyword]")
    query = [1.0, 1.0, 1.0, 1.0]
    refused(lambda: client.query_points(own, query=query, query_filter=keys("city")), *words)
    refused(lambda: client.scroll(own, scroll_filter=keys("city")), *words)
    refused(lambda: client.count(own, count_filter=keys("city")), *words)
    batch = [models.QueryRequest(query=query, filter=keys("city"))]
    refused(lambda: client.query_batch_points(own, batch), *words)
    inner = models.Filter(should=[models.Filter(must_not=[keys("city").must[0]])])
    refused(lambda: client.count(own, count_filter=inner), *words)
    # Without a key, and updates: not this option's.
    assert client.count(own, count_filter=models.Filter(must=[models.HasIdCondition(has_id=[1])])).count == 1
    client.set_payload(own, {"x": 1}, points=keys("city"), wait=True)
    client.create_payload_index(own, "city", models.PayloadSchemaType.KEYWORD, wait=True)
    assert [hit.id for hit in client.query_points(own, query=query, query_filter=keys("city")).points] == [1]
    assert client.count(own, count_filter=keys("city")).count == 1
    client.delete_payload_index(own, "city", wait=True)
    refused(lambda: client.count(own, count_filter=keys("city")), *words)
    client.update_collection(own, strict_mode_config=models.StrictModeConfig(unindexed_filtering_retrieve=True))
    assert client.count(own, count_filter=keys("city")).count == 1


def test_unindexed_filtering_update(client, strict):
    own = strict(unindexed_filtering_update=False)
    client.upsert(own, [point(1, {"city": "v"})], wait=True)
    words = ("unindexed_filtering_update", '"city"')
    for wait in (True, False):
        refused(lambda: client.delete(own, models.FilterSelector(filter=keys("city")), wait=wait), *words)
        refused(lambda: client.set_payload(own, {"x": 1}, points=keys("city"), wait=wait), *words)
        refused(lambda: client.upsert(own, [point(1)], update_filter=keys("city"), wait=wait), *words)
        operation = models.DeleteOperation(delete=models.FilterSelector(filter=keys("city")))
        refused(lambda: client.batch_update_points(own, [operation], wait=wait), *words)
    assert client.count(own, count_filter=keys("city")).count == 1  # reads may
    client.create_payload_index(own, "city", models.PayloadSchemaType.KEYWORD, wait=True)
    client.delete(own, models.FilterSelector(filter=keys("city")), wait=True)
    assert count(client, own) == 0


def test_search_params(client, strict):
    own = strict(search_max_hnsw_ef=64, search_allow_exact=False, search_max_oversampling=2.5)
    client.upsert(own, [point(1)], wait=True)

    def search(**params):
        return client.query_points(own, query=[1.0, 1.0, 1.0, 1.0], search_params=models.SearchParams(**params)).points

    def oversampled(factor):
        return search(quantization=models.QuantizationSearchParams(oversampling=factor))

    assert search(hnsw_ef=64) and search(exact=False) and oversampled(2.5)
    refused(lambda: search(hnsw_ef=65), "search_max_hnsw_ef", "65 > 64")
    refused(lambda: search(exact=True), "search_allow_exact", "exact")
    refused(lambda: oversampled(2.75), "search_max_oversampling", "2.75 > 2.5")


def test_upsert_max_batchsize(client, strict):
    own = strict(upsert_max_batchsize=3)
    three, four = [point(i) for i in range(3)], [point(i) for i in range(10, 14)]
    columns = models.Batch(ids=[20, 21, 22, 23], vectors=[[1.0, 2.0, 3.0, 4.0]] * 4)
    words = ("upsert_max_batchsize", "4 > 3")
    client.upsert(own, three, wait=True)
    for wait in (True, False):
        refused(lambda: client.upsert(own, four, wait=wait), *words)
        refused(lambda: client.upsert(own, columns, wait=wait), *words)
        operations = [models.UpsertOperation(upsert=models.PointsList(points=points)) for points in (three, four)]
        refused(lambda: client.batch_update_points(own, operations, wait=wait), *words)
    vectors = [models.PointVectors(id=i, vector=[1.0, 1.0, 1.0, 1.0]) for i in range(4)]
    client.update_vectors(own, vectors[:3], wait=True)
    refused(lambda: client.update_vectors(own, vectors), *words)
    assert count(client, own) == 3


def test_search_max_batchsize(client, strict):
    own = strict(search_max_batchsize=2)
    requests = [models.QueryRequest(query=[1.0, 1.0, 1.0, 1.0])] * 3
    assert len(client.query_batch_points(own, requests[:2])) == 2
    refused(lambda: client.query_batch_points(own, requests), "search_max_batchsize", "3 > 2")


def test_max_collection_vector_size_bytes(client, strict):
    own = strict(max_collection_vector_size_bytes=5 * 16)
    client.upsert(own, [point(i) for i in range(5)], wait=True)
    for wait in (True, False):
        refused(lambda: client.upsert(own, [point(5)], wait=wait), "max_collection_vector_size_bytes", "96 > 80")
    client.upsert(own, [point(i) for i in range(5)], wait=True)  # they take each other's place
    client.delete(own, [0], wait=True)
    client.upsert(own, [point(5)], wait=True)
    assert count(client, own) == 5


def test_max_collection_payload_size_bytes(client, strict):
    payload = {"k": "0123456789"}
    size = len(json.dumps(payload, separators=(",", ":")))
    own = strict(max_collection_payload_size_bytes=3 * size)
    words = ("max_collection_payload_size_bytes", f"{4 * size} > {3 * size}")
    client.upsert(own, [point(i, payload) for i in range(3)] + [point(3)], wait=True)
    for wait in (True, False):
        refused(lambda: client.upsert(own, [point(4, payload)], wait=wait), *words)
        refused(lambda: client.set_payload(own, payload, points=[3], wait=wait), *words)
        refused(lambda: client.overwrite_payload(own, payload, points=[3], wait=wait), *words)
    client.clear_payload(own, [0], wait=True)
    client.set_payload(own, payload, points=[3], wait=True)
    assert client.retrieve(own, [3])[0].payload == payload
    assert count(client, own) == 4


def test_payload_size_after_a_time_without_limits(client, strict):
    """What was written while strict mode was off counts when it is on again."""
    payload = {"k": "0123456789"}
    size = len(json.dumps(payload, separators=(",", ":")))
    own = strict(max_collection_payload_size_bytes=3 * size)
    client.upsert(own, [point(1, payload)], wait=True)
    client.update_collection(own, strict_mode_config=models.StrictModeConfig(enabled=False))
    client.upsert(own, [point(2, payload), point(3, payload)], wait=True)
    client.update_collection(own, strict_mode_config=models.StrictModeConfig(enabled=True))
    refused(lambda: client.upsert(own, [point(4, payload)]), f"{4 * size} > {3 * size}")


def test_max_points_count(client, strict):
    own = strict(max_points_count=5)
    client.upsert(own, [point(i) for i in range(5)], wait=True)
    words = ("max_points_count", "6 > 5")
    for wait in (True, False):
        refused(lambda: client.upsert(own, [point(5)], wait=wait), *words)
        operation = models.UpsertOperation(upsert=models.PointsList(points=[point(0), point(6)]))
        refused(lambda: client.batch_update_points(own, [operation], wait=wait), *words)
    client.upsert(own, [point(i) for i in range(5)], wait=True)
    client.delete(own, [0], wait=True)
    client.upsert(own, [point(5)], wait=True)
    assert count(client, own) == 5


def test_points_written_by_many_at_once(server, strict):
    """Clients that do not wait do not pass the limit together."""
    own = strict(max_points_count=100)

    def write(first):
        for i in range(40):
            body = {"points": [{"id": first + i, "vector": [1, 2, 3, 4]}]}
            status, text = server.request("PUT", f"/collections/{own}/points", body)
            assert status in (200, 400), text

    threads = [threading.Thread(target=write, args=(1000 * n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    deadline = time.monotonic() + 20
    while server.call("POST", f"/collections/{own}/points/count", {})["count"] < 100:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert server.call("POST", f"/collections/{own}/points/count", {})["count"] == 100


def test_filter_max_conditions(client, strict):
    own = strict(filter_max_conditions=3)
    client.upsert(own, [point(1, {"a": "v"})], wait=True)
    assert client.count(own, count_filter=keys("a", "a", "a")).count == 1
    refused(lambda: client.count(own, count_filter=keys("a", "b", "c", "d")), "filter_max_conditions", "4 > 3")
    nested = models.Filter(must=[keys("a", "b")], must_not=[keys("c", "d")])
    refused(lambda: client.query_points(own, query=[1.0] * 4, query_filter=nested), "filter_max_conditions", "4 > 3")
    refused(lambda: client.delete(own, models.FilterSelector(filter=nested)), "filter_max_conditions")
    inside = models.Filter(must=[models.NestedCondition(nested=models.Nested(key="n", filter=keys("a", "b", "c")))])
    assert client.count(own, count_filter=inside).count == 0
    assert count(client, own) == 1


def test_condition_max_size(client, strict):
    own = strict(condition_max_size=4)
    client.upsert(own, [point(1, {"a": "v"})], wait=True)
    words = ("condition_max_size", "5 > 4")
    assert client.count(own, count_filter=keys(a=["v", "w", "x", "y"])).count == 1
    refused(lambda: client.count(own, count_filter=keys(a=["v", "w", "x", "y", "z"])), *words)
    refused(lambda: client.count(own, count_filter=keys(a=[1, 2, 3, 4, 5])), *words)
    ids = models.Filter(should=[models.Filter(must=[models.HasIdCondition(has_id=[1, 2, 3, 4, 5])])])
    refused(lambda: client.count(own, count_filter=ids), *words)
    ring = [models.GeoPoint(lon=x, lat=y) for x, y in ((0, 0), (0, 1), (1, 1), (1, 0), (0, 0))]
    area = models.FieldCondition(key="g", geo_polygon=models.GeoPolygon(exterior=models.GeoLineString(points=ring)))
    refused(lambda: client.count(own, count_filter=models.Filter(must=[area])), *words)


def test_multivector_config(server, strict):
    """Whether multivectors are served or not: a longer one is refused for its length, one at the limit is not."""
    own = strict({"m": {"size": 2, "distance": "Dot"}}, multivector_config={"m": {"max_vectors": 2}})
    for wait in ("true", "false"):
        body = {"points": [{"id": 1, "vector": {"m": [[1, 2], [3, 4], [5, 6]]}}]}
        status, text = server.request("PUT", f"/collections/{own}/points?wait={wait}", body)
        assert status == 400 and "multivector_config.max_vectors" in text and "3 > 2" in text, text
    body["points"][0]["vector"]["m"].pop()
    status, text = server.request("PUT", f"/collections/{own}/points?wait=true", body)
    assert "max_vectors" not in text, text


def test_sparse_config(server, strict):
    own = strict({"m": {"size": 2, "distance": "Dot"}}, sparse_config={"s": {"max_length": 2}})
    body = {"points": [{"id": 1, "vector": {"s": {"indices": [1, 2, 3], "values": [1, 2, 3]}}}]}
    status, text = server.request("PUT", f"/collections/{own}/points?wait=true", body)
    assert status == 400 and "sparse_config.max_length" in text and "3 > 2" in text, text
    body["points"][0]["vector"]["s"] = {"indices": [1, 2], "values": [1, 2]}
    status, text = server.request("PUT", f"/collections/{own}/points?wait=true", body)
    assert "max_length" not in text, text


def test_max_payload_index_count(client, strict):
    own = strict(max_payload_index_count=2)
    keyword = models.PayloadSchemaType.KEYWORD
    client.create_payload_index(own, "a", keyword, wait=True)
    client.create_payload_index(own, "b", keyword, wait=True)
    for wait in (True, False):
        refused(lambda: client.create_payload_index(own, "c", keyword, wait=wait), "max_payload_index_count", "3 > 2")
    client.create_payload_index(own, "b", models.PayloadSchemaType.INTEGER, wait=True)  # takes the old one's place
    client.delete_payload_index(own, "a", wait=True)
    client.create_payload_index(own, "c", keyword, wait=True)
    assert set(client.get_collection(own).payload_schema) == {"b", "c"}


def limited(call):
    with pytest.raises(ResourceExhaustedResponse) as caught:
        call()
    return caught.value.retry_after_s


def test_read_rate_limit(server, client, strict):
    own = strict(read_rate_limit=5)
    client.upsert(own, [point(i) for i in range(9)], wait=True)
    for _ in range(3):
        client.scroll(own)
    client.query_batch_points(own, [models.QueryRequest(query=[1.0] * 4)] * 2)
    wait = limited(lambda: client.retrieve(own, [1]))
    assert 1 <= wait <= 12
    status, text = server.request("POST", f"/collections/{own}/points/count", {})
    assert status == 429 and json.loads(text)["status"]["error"].startswith("Rate limiting exceeded: read_rate_limit"), text
    client.upsert(own, [point(10)], wait=True)  # updates have a bucket of their own
    client.get_collection(own)  # and what is not on points has none
    time.sleep(wait)
    client.scroll(own)
    # More than a minute's worth at once never passes.
    status, text = server.request("POST", f"/collections/{own}/points/query/batch", {"searches": [{}] * 6})
    assert status == 429 and "smaller batches" in text, text


def test_write_rate_limit(server, client, strict):
    own = strict(write_rate_limit=4)
    client.upsert(own, [point(i) for i in range(9)], wait=True)
    operation = models.DeleteOperation(delete=models.PointIdsList(points=[0]))
    client.batch_update_points(own, [operation, operation], wait=True)
    client.set_payload(own, {"a": 1}, points=[1], wait=False)
    for wait in (True, False):
        assert 1 <= limited(lambda: client.upsert(own, [point(20)], wait=wait)) <= 15
        limited(lambda: client.delete(own, [1], wait=wait))
    status, text = server.request("PUT", f"/collections/{own}/points", {"points": [{"id": 20, "vector": [1, 2, 3, 4]}]})
    assert status == 429 and "Rate limiting exceeded: write_rate_limit" in text
    assert count(client, own) == 8
    client.update_collection(own, strict_mode_config=models.StrictModeConfig(write_rate_limit=100))
    client.upsert(own, [point(20)], wait=True)


def test_refused_requests_cost_nothing(client, strict):
    own = strict(read_rate_limit=2, max_query_limit=5)
    for _ in range(5):
        refused(lambda: client.scroll(own, limit=6), "max_query_limit")
    client.scroll(own, limit=5)
    client.scroll(own, limit=5)
    limited(lambda: client.scroll(own, limit=5))


def test_patch_changes_each_and_switches_off(server, client, strict):
    own = strict(max_query_limit=5, multivector_config={"a": {"max_vectors": 1}, "b": {"max_vectors": 2}})
    client.update_collection(own, strict_mode_config=models.StrictModeConfig(
        upsert_max_batchsize=1, multivector_config={"b": models.StrictModeMultivector(max_vectors=3)}))
    config = server.call("GET", f"/collections/{own}")["config"]["strict_mode_config"]
    assert config["max_query_limit"] == 5 and config["upsert_max_batchsize"] == 1
    assert config["multivector_config"] == {"a": {"max_vectors": 1}, "b": {"max_vectors": 3}}
    refused(lambda: client.scroll(own, limit=6), "max_query_limit")
    refused(lambda: client.upsert(own, [point(1), point(2)]), "upsert_max_batchsize")
    client.update_collection(own, strict_mode_config=models.StrictModeConfig(enabled=False))
    client.scroll(own, limit=6)
    client.upsert(own, [point(1), point(2)], wait=True)
    client.update_collection(own, strict_mode_config=models.StrictModeConfig(enabled=True))
    refused(lambda: client.scroll(own, limit=6), "max_query_limit")


def test_aliases_have_the_limits_too(client, strict):
    own = strict(max_query_limit=5)
    client.update_collection_aliases([models.CreateAliasOperation(
        create_alias=models.CreateAlias(collection_name=own, alias_name=own + "-alias"))])
    refused(lambda: client.scroll(own + "-alias", limit=6), "max_query_limit")


def test_defaults_of_the_server(tmp_path):
    settings = {f"storage__collection__strict_mode__{key}": value for key, value in {
        "enabled": "true", "max_query_limit": 7, "search_allow_exact": "false", "search_max_oversampling": 3.5}.items()}
    server = Server(tmp_path / "data", **settings).start()
    try:
        server.call("PUT", "/collections/a", {"vectors": VECTORS})
        server.call("PUT", "/collections/b", {"vectors": VECTORS, "strict_mode_config": {"enabled": False}})
        server.call("PUT", "/collections/c", {"vectors": VECTORS, "strict_mode_config": {"max_query_limit": 8}})
        shown = {name: {k: v for k, v in server.call("GET", f"/collections/{name}")["config"]["strict_mode_config"].items()
                        if v is not None} for name in "abc"}
        assert shown["a"] == {"enabled": True, "max_query_limit": 7, "search_allow_exact": False,
                              "search_max_oversampling": 3.5}
        assert shown["b"]["enabled"] is False
        assert shown["c"]["max_query_limit"] == 8 and shown["c"]["enabled"] is True
        assert server.request("POST", "/collections/a/points/scroll", {"limit": 8})[0] == 400
        assert server.request("POST", "/collections/b/points/scroll", {"limit": 8})[0] == 200
        assert server.request("POST", "/collections/c/points/scroll", {"limit": 8})[0] == 200
        server.call("POST", "/collections/a/points/scroll", {"limit": 7})
    finally:
        assert server.stop() == 0


def test_limits_after_a_restart(tmp_path):
    server = Server(tmp_path / "data").start()
    try:
        server.call("PUT", "/collections/a", {"vectors": VECTORS, "strict_mode_config": {
            "enabled": True, "max_points_count": 2, "max_collection_payload_size_bytes": 20}})
        body = {"points": [{"id": 1, "vector": [1, 2, 3, 4], "payload": {"k": "01234567"}}]}
        server.call("PUT", "/collections/a/points?wait=true", body)
        assert server.stop() == 0
        server.start()
        body["points"][0]["id"] = 2
        status, text = server.request("PUT", "/collections/a/points?wait=true", body)
        assert status == 400 and "32 > 20" in text, text
        body["points"][0]["payload"] = {}
        server.call("PUT", "/collections/a/points?wait=true", {"points": [{"id": 2, "vector": [1, 2, 3, 4]}]})
        status, text = server.request("PUT", "/collections/a/points", {"points": [{"id": 3, "vector": [1, 2, 3, 4]}]})
        assert status == 400 and "3 > 2" in text, text
    finally:
        assert server.stop() == 0
