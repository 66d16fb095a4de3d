"""Queries: nearest by vector and by id, threshold, paging, filters, batches, the older search calls."""
import json

import numpy as np
import pytest
from harness import client, collection, name, server  # noqa: F401 (fixtures)
from qdrant_client import models

RANDOM = np.random.default_rng(11)
ROWS = RANDOM.normal(size=(200, 8)).astype(np.float32)


@pytest.fixture(scope="module")
def own(server, client):
    client.create_collection("search", models.VectorParams(size=8, distance=models.Distance.COSINE))
    client.upsert("search", [models.PointStruct(
        id=i, vector=row.tolist(), payload={"i": i, "even": i % 2 == 0, "tags": [f"t{i % 5}", f"u{i % 7}"], "f": i / 4})
        for i, row in enumerate(ROWS)])
    return "search"


def cosine(query):
    unit = ROWS / np.linalg.norm(ROWS, axis=1, keepdims=True)
    return unit @ (np.asarray(query) / np.linalg.norm(query))


def nearest(query, keep=lambda i: True):
    scores = cosine(query)
    return [int(i) for i in np.argsort(-scores, kind="stable") if keep(int(i))]


def field(key, **condition):
    return models.FieldCondition(key=key, **condition)


def test_nearest(client, own):
    """Best first, scores as computed, payload by default and no vector."""
    found = client.query_points(own, ROWS[3].tolist(), limit=10).points
    assert [p.id for p in found] == nearest(ROWS[3])[:10]
    assert [p.score for p in found] == pytest.approx([float(cosine(ROWS[3])[p.id]) for p in found], abs=1e-5)
    assert all(p.payload["i"] == p.id and p.vector is None for p in found)


def test_default_limit_is_ten(server, own):
    """A query without a limit gives ten."""
    assert len(server.call("POST", f"/collections/{own}/points/query", {"query": ROWS[0].tolist()})["points"]) == 10


def test_nearest_by_id_leaves_the_point_out(client, server, own):
    """A point id as the query searches by its vector and does not return the point itself."""
    found = client.query_points(own, 5, limit=10).points
    assert [p.id for p in found] == [i for i in nearest(ROWS[5]) if i != 5][:10]
    body = {"query": {"nearest": 5}, "limit": 3}
    assert [p["id"] for p in server.call("POST", f"/collections/{own}/points/query", body)["points"]] == \
        [p.id for p in found[:3]]
    status, text = server.request("POST", f"/collections/{own}/points/query", {"query": 4711})
    assert status == 404 and "4711" in text


def test_query_without_query_scrolls(client, own):
    """No query: points in id order."""
    assert [p.id for p in client.query_points(own, limit=4, offset=3).points] == [3, 4, 5, 6]


def test_filters(client, own):
    """Filtered searches give the exact neighbours among the matching points."""
    query = ROWS[9].tolist()
    cases = [
        (models.Filter(must=[field("even", match=models.MatchValue(value=True))]), lambda i: i % 2 == 0),
        (models.Filter(must=[field("tags", match=models.MatchAny(any=["t1", "u3"]))]), lambda i: i % 5 == 1 or i % 7 == 3),
        (models.Filter(must_not=[field("i", range=models.Range(gte=20))]), lambda i: i < 20),
        (models.Filter(should=[field("i", match=models.MatchValue(value=3)), field("f", range=models.Range(gt=49))]),
         lambda i: i == 3 or i > 196),
        (models.Filter(must=[models.HasIdCondition(has_id=[1, 2, 3, 500])]), lambda i: i in (1, 2, 3)),
        (models.Filter(must=[field("i", match=models.MatchValue(value=-1))]), lambda i: False)]
    for chosen, keep in cases:
        assert [p.id for p in client.query_points(own, query, query_filter=chosen, limit=15).points] == \
            nearest(query, keep)[:15]


def test_pages(client, own):
    """offset and limit cut the same list; past the end there is nothing."""
    whole = [p.id for p in client.query_points(own, ROWS[1].tolist(), limit=200).points]
    assert sorted(whole) == list(range(200))
    pages = [p.id for at in range(0, 220, 20) for p in client.query_points(own, ROWS[1].tolist(), limit=20, offset=at).points]
    assert pages == whole
    assert client.query_points(own, ROWS[1].tolist(), offset=100000).points == []


def test_score_threshold(client, own):
    """Only scores beyond the threshold."""
    wanted = [i for i in nearest(ROWS[2]) if cosine(ROWS[2])[i] > 0.3]
    assert 0 < len(wanted) < 200
    assert [p.id for p in client.query_points(own, ROWS[2].tolist(), limit=200, score_threshold=0.3).points] == wanted
    assert client.query_points(own, ROWS[2].tolist(), score_threshold=1.5).points == []


def test_params(server, own):
    """exact and hnsw_ef are accepted; a search over few points is exact anyway."""
    for params in ({"exact": True}, {"hnsw_ef": 200}, {"hnsw_ef": 1, "exact": False}, {"indexed_only": False}, {}):
        points = server.call("POST", f"/collections/{own}/points/query",
                             {"query": ROWS[4].tolist(), "params": params, "limit": 5})["points"]
        assert [p["id"] for p in points] == nearest(ROWS[4])[:5]


def test_with_payload_and_vector(server, own):
    """Selectors work on hits as on records."""
    def query(**rest):
        return server.call("POST", f"/collections/{own}/points/query", {"query": ROWS[4].tolist(), "limit": 1, **rest})["points"][0]

    assert not query().get("payload") and "vector" not in query()
    assert query(with_payload=["i"])["payload"] == {"i": 4}
    assert query(with_payload={"exclude": ["tags", "f"]})["payload"] == {"i": 4, "even": True}
    assert query(with_vector=True)["vector"] == pytest.approx((ROWS[4] / np.linalg.norm(ROWS[4])).tolist(), abs=1e-6)


def test_query_batch(client, server, own):
    """A batch gives each search's own answer, in order."""
    requests = [models.QueryRequest(query=ROWS[i].tolist(), limit=i + 1) for i in range(5)]
    answers = client.query_batch_points(own, requests)
    assert [[p.id for p in a.points] for a in answers] == [nearest(ROWS[i])[:i + 1] for i in range(5)]
    assert server.call("POST", f"/collections/{own}/points/query/batch", {"searches": []}) == []
    status, _ = server.request("POST", f"/collections/{own}/points/query/batch",
                               {"searches": [{"query": ROWS[0].tolist()}, {"query": [1.0]}]})
    assert status == 400


def test_older_search(server, own):
    """points/search and points/search/batch give a bare list of hits."""
    body = {"vector": ROWS[6].tolist(), "limit": 7, "with_payload": True}
    hits = server.call("POST", f"/collections/{own}/points/search", body)
    assert [h["id"] for h in hits] == nearest(ROWS[6])[:7]
    assert hits[0]["payload"]["i"] == 6 and "version" in hits[0]
    filtered = {**body, "filter": {"must": [{"key": "even", "match": {"value": False}}]}, "offset": 2, "score_threshold": -0.5}
    assert [h["id"] for h in server.call("POST", f"/collections/{own}/points/search", filtered)] == \
        nearest(ROWS[6], lambda i: i % 2 == 1)[2:9]
    batch = server.call("POST", f"/collections/{own}/points/search/batch", {"searches": [body, filtered]})
    assert batch[0] == hits and len(batch) == 2


def test_older_search_with_a_named_vector(server, collection):
    """points/search takes {name, vector}."""
    named = collection({"a": {"size": 2, "distance": "Dot"}, "b": {"size": 1, "distance": "Dot"}})
    server.call("PUT", f"/collections/{named}/points?wait=true",
                {"points": [{"id": 1, "vector": {"a": [1.0, 0.0]}}, {"id": 2, "vector": {"a": [2.0, 0.0], "b": [5.0]}}]})
    hits = server.call("POST", f"/collections/{named}/points/search",
                       {"vector": {"name": "a", "vector": [1.0, 1.0]}, "limit": 5})
    assert [h["id"] for h in hits] == [2, 1]


def test_equal_scores_are_in_id_order(client, collection):
    """Ties are broken by id, numbers before UUIDs."""
    made = collection({"size": 2, "distance": "Dot"})
    ids = [5, 3, 9, "00000000-0000-0000-0000-000000000002", 1, "00000000-0000-0000-0000-000000000001", 2**64 - 1]
    client.upsert(made, [models.PointStruct(id=i, vector=[1, 1]) for i in ids])
    assert [p.id for p in client.query_points(made, [1, 1]).points] == [
        1, 3, 5, 9, 2**64 - 1, "00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002"]
    assert [p.id for p in client.query_points(made, [1, 1], limit=3).points] == [1, 3, 5]


def test_search_sees_a_write_at_once(client, collection):
    """After wait=true a search finds the new vector and not the old one."""
    made = collection({"size": 4, "distance": "Euclid"})
    for round_ in range(50):
        client.upsert(made, [models.PointStruct(id=1, vector=[round_] * 4)])
        hits = client.query_points(made, [round_] * 4).points
        assert len(hits) == 1 and hits[0].score == 0


def test_answer_shape(server, own):
    """The envelope: result, status, time; hits have id, version and score."""
    status, text = server.request("POST", f"/collections/{own}/points/query", {"query": ROWS[0].tolist(), "limit": 1})
    answer = json.loads(text)
    assert status == 200 and answer["status"] == "ok" and 0 <= answer["time"] < 10
    assert answer["result"]["points"][0].keys() >= {"id", "version", "score"}
