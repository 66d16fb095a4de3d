"""Vectors: names, elements, distances, sizes; update and delete of single vectors."""
import math

import numpy as np
import pytest
from harness import client, collection, name, server  # noqa: F401 (fixtures)
from qdrant_client import models

RANDOM = np.random.default_rng(7)


def score(distance, a, b):
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if distance == "Dot":
        return float(a @ b)
    if distance == "Cosine":
        norm = np.linalg.norm(a) * np.linalg.norm(b)
        return float(a @ b / norm) if norm else 0.0
    return float(np.linalg.norm(a - b)) if distance == "Euclid" else float(np.abs(a - b).sum())


@pytest.mark.parametrize("datatype", ["float32", "float16", "uint8"])
@pytest.mark.parametrize("distance", ["Cosine", "Dot", "Euclid", "Manhattan"])
@pytest.mark.parametrize("size", [1, 3, 64, 131])
def test_scores_and_order(client, collection, distance, datatype, size):
    """Each distance over each element type: scores as computed, best first."""
    own = collection({"size": size, "distance": distance, "datatype": datatype})
    rows = RANDOM.integers(0, 256, (40, size)).astype(np.float32) if datatype == "uint8" else \
        RANDOM.normal(size=(40, size)).astype(np.float32)
    client.upsert(own, [models.PointStruct(id=i, vector=row.tolist()) for i, row in enumerate(rows)])
    if datatype == "float16":
        rows = rows.astype(np.float16).astype(np.float32)
    query = rows[7]
    want = {i: score(distance, query, row) for i, row in enumerate(rows)}
    found = client.query_points(own, query.tolist(), limit=40).points
    tolerance = {"float32": 1e-4, "float16": 5e-3, "uint8": 1e-3}[datatype]
    assert {p.id for p in found} == set(want)
    for point in found:
        assert point.score == pytest.approx(want[point.id], rel=tolerance, abs=tolerance)
    scores = [p.score for p in found]
    assert scores == sorted(scores, reverse=distance in ("Cosine", "Dot"))


def test_stored_form(client, collection):
    """What comes back: Cosine is normalised, float16 rounded, uint8 whole, the rest as sent."""
    for distance, datatype, sent, want in (
            ("Dot", "float32", [0.1, -2.5, 3e10], [0.1, -2.5, 3e10]),
            ("Cosine", "float32", [3, 4, 0], [0.6, 0.8, 0]),
            ("Dot", "float16", [0.1, 1000.5, -2], [float(np.float16(0.1)), 1000.5, -2]),
            ("Euclid", "uint8", [0, 17, 255], [0, 17, 255])):
        own = collection({"size": 3, "distance": distance, "datatype": datatype})
        client.upsert(own, [models.PointStruct(id=1, vector=sent)])
        assert client.retrieve(own, [1], with_vectors=True)[0].vector == pytest.approx(want, rel=1e-6)


def test_named_vectors(client, collection):
    """Points have any subset of the named vectors; a search sees those that have the one it uses."""
    own = collection({"a": {"size": 2, "distance": "Dot"}, "b": {"size": 3, "distance": "Euclid"}})
    client.upsert(own, [models.PointStruct(id=1, vector={"a": [1, 0], "b": [1, 1, 1]}),
                        models.PointStruct(id=2, vector={"a": [2, 0]}),
                        models.PointStruct(id=3, vector={"b": [0, 0, 0]}),
                        models.PointStruct(id=4, vector={}, payload={"k": 1})])
    assert [p.id for p in client.query_points(own, [1, 0], using="a").points] == [2, 1]
    assert [p.id for p in client.query_points(own, [0, 0, 0], using="b").points] == [3, 1]
    assert client.count(own).count == 4
    assert {p.id: p.vector for p in client.scroll(own, with_vectors=True)[0]} == {
        1: {"a": [1, 0], "b": [1, 1, 1]}, 2: {"a": [2, 0]}, 3: {"b": [0, 0, 0]}, 4: {}}
    has = models.Filter(must=[models.HasVectorCondition(has_vector="b")])
    assert [p.id for p in client.scroll(own, has)[0]] == [1, 3]


def test_update_vectors(client, server, collection):
    """Only the named vectors of the named points change; payload and the others stay."""
    own = collection({"a": {"size": 2, "distance": "Dot"}, "b": {"size": 2, "distance": "Dot"}})
    client.upsert(own, [models.PointStruct(id=i, vector={"a": [i, 0], "b": [0, i]}, payload={"i": i}) for i in (1, 2)])
    client.update_vectors(own, [models.PointVectors(id=1, vector={"b": [9, 9]})])
    points = {p.id: p for p in client.retrieve(own, [1, 2], with_vectors=True)}
    assert points[1].vector == {"a": [1, 0], "b": [9, 9]} and points[1].payload == {"i": 1}
    assert points[2].vector == {"a": [2, 0], "b": [0, 2]}
    assert client.query_points(own, [1, 1], using="b").points[0].id == 1
    status, text = server.request("PUT", f"/collections/{own}/points/vectors?wait=true",
                                  {"points": [{"id": 77, "vector": {"a": [1.0, 1.0]}}]})
    assert status in (200, 404), text
    assert client.count(own).count == 2


def test_delete_vectors(client, collection):
    """A deleted vector is gone from reads and searches, by ids and by filter; the point stays."""
    own = collection({"a": {"size": 2, "distance": "Dot"}, "b": {"size": 2, "distance": "Dot"}})
    client.upsert(own, [models.PointStruct(id=i, vector={"a": [i, 0], "b": [0, i]}, payload={"i": i}) for i in (1, 2, 3)])
    client.delete_vectors(own, ["a"], [1])
    client.delete_vectors(own, ["b"], models.Filter(
        must=[models.FieldCondition(key="i", match=models.MatchValue(value=2))]))
    assert {p.id: p.vector for p in client.scroll(own, with_vectors=True)[0]} == {
        1: {"b": [0, 1]}, 2: {"a": [2, 0]}, 3: {"a": [3, 0], "b": [0, 3]}}
    assert [p.id for p in client.query_points(own, [1, 1], using="a").points] == [3, 2]
    assert [p.id for p in client.query_points(own, [1, 1], using="b").points] == [3, 1]
    client.update_vectors(own, [models.PointVectors(id=1, vector={"a": [7, 0]})])
    assert client.query_points(own, [1, 1], using="a").points[0].id == 1


def test_widest_vector(client, server, collection):
    """65,536 dimensions work; one more is refused with the limit in the text."""
    own = collection({"size": 65536, "distance": "Cosine"})
    rows = RANDOM.normal(size=(5, 65536)).astype(np.float32)
    client.upsert(own, [models.PointStruct(id=i, vector=row.tolist()) for i, row in enumerate(rows)])
    found = client.query_points(own, rows[3].tolist(), limit=5, with_vectors=True).points
    assert found[0].id == 3 and found[0].score == pytest.approx(1, abs=1e-5) and len(found) == 5
    assert found[0].vector == pytest.approx((rows[3] / np.linalg.norm(rows[3])).tolist(), abs=1e-5)
    status, text = server.request("PUT", "/collections/too-wide", {"vectors": {"size": 65537, "distance": "Dot"}})
    assert status == 422 and "value 65537 invalid, must be from 1 to 65536" in text


def test_unnamed_is_not_a_name(client, server, collection):
    """The unnamed vector cannot be reached by a name, nor named ones without."""
    plain, named = collection({"size": 2, "distance": "Dot"}), collection({"a": {"size": 2, "distance": "Dot"}})
    for own, vector in ((plain, {"a": [1.0, 2.0]}), (named, [1.0, 2.0])):
        status, text = server.request("PUT", f"/collections/{own}/points?wait=true", {"points": [{"id": 1, "vector": vector}]})
        assert status == 400 and "vector name" in text, text
        assert client.count(own).count == 0
    status, text = server.request("POST", f"/collections/{plain}/points/query", {"query": [1.0, 2.0], "using": "zz"})
    assert status == 400 and "zz" in text
    status, text = server.request("POST", f"/collections/{named}/points/query", {"query": [1.0, 2.0]})
    assert status == 400 and "vector name" in text


@pytest.mark.parametrize("distance", ["Cosine", "Dot", "Euclid", "Manhattan"])
def test_index_agrees_with_exact(client, server, collection, distance):
    """With a graph built, searches find nearly all of the exact neighbours, with the same scores; filters too."""
    own = collection({"size": 24, "distance": distance}, optimizers_config={"indexing_threshold": 1},
                     hnsw_config={"full_scan_threshold": 10})
    rows = RANDOM.normal(size=(3000, 24)).astype(np.float32)
    for at in range(0, 3000, 500):
        client.upsert(own, [models.PointStruct(id=i, vector=rows[i].tolist(), payload={"g": i % 10, "h": i % 2})
                            for i in range(at, at + 500)])
    info = server.wait_indexed(own, 2500)
    assert info["points_count"] == 3000
    for condition in (None, ("h", 1), ("g", 3)):
        chosen = None if condition is None else models.Filter(
            must=[models.FieldCondition(key=condition[0], match=models.MatchValue(value=condition[1]))])
        hits = 0
        for query in RANDOM.normal(size=(40, 24)):
            exact = client.query_points(own, query.tolist(), query_filter=chosen, limit=10,
                                        search_params=models.SearchParams(exact=True)).points
            near = client.query_points(own, query.tolist(), query_filter=chosen, limit=10,
                                       search_params=models.SearchParams(hnsw_ef=128)).points
            wanted = {p.id: p.score for p in exact}
            assert len(near) == 10
            hits += len(wanted.keys() & {p.id for p in near})
            for point in near:
                assert math.isclose(point.score, score(distance, query.astype(np.float32), rows[point.id]),
                                    rel_tol=1e-3, abs_tol=1e-3)
        assert hits >= 0.97 * 400, (condition, hits)
