"""Known troubles of vector databases, as small cases; each is named by its subject."""
import json
import math

import numpy as np
import pytest
from harness import client, collection, name, server  # noqa: F401 (fixtures)
from qdrant_client import models


def fill(server, own, payloads, vector=(1.0,)):
    """Points 1.. with these payloads (dict: by id)."""
    items = payloads.items() if isinstance(payloads, dict) else enumerate(payloads, 1)
    server.call("PUT", f"/collections/{own}/points?wait=true",
                {"points": [{"id": i, "vector": list(vector), "payload": p} for i, p in items]})


def matching(server, own, chosen):
    points = server.call("POST", f"/collections/{own}/points/scroll", {"filter": chosen, "limit": 1000})["points"]
    return {p["id"] for p in points}


INDEXES = [None, "keyword", "integer", "float", "bool", "text", "geo", "datetime", "uuid"]


@pytest.fixture(params=INDEXES)
def own(request, server, collection):
    """A collection, without payload indexes or with one of a type on every key that the cases use: no answer may differ."""
    made = collection({"size": 1, "distance": "Dot"})
    for key in ("k", "n", "acl", "s", "a", "t", "tags", "place", "text") if request.param else ():
        server.call("PUT", f"/collections/{made}/index?wait=true", {"field_name": key, "field_schema": request.param})
    return made


def test_is_null_looks_into_arrays(server, own):
    """is_null in both written forms: null itself and an array that holds one; never the empty array or nothing."""
    fill(server, own, [{"k": None}, {"k": [None, 7]}, {"k": []}, {}])
    assert matching(server, own, {"must": [{"is_null": {"key": "k"}}]}) == {1, 2}
    assert matching(server, own, {"must": [{"key": "k", "is_null": True}]}) == {1, 2}
    assert matching(server, own, {"must": [{"key": "k", "is_null": False}]}) == {3, 4}


def test_is_empty_in_both_forms(server, own):
    """is_empty: null, the empty array, nothing; both written forms agree."""
    fill(server, own, [{"k": None}, {"k": [7]}, {"k": []}, {}, {"k": ""}, {"k": 0}, {"k": False}, {"k": {}}])
    whole, field = ({"must": [{"is_empty": {"key": "k"}}]}, {"must": [{"key": "k", "is_empty": True}]})
    assert matching(server, own, whole) == matching(server, own, field)
    assert matching(server, own, whole) >= {1, 3, 4} and not matching(server, own, whole) & {2, 5, 6, 7}


def test_except_nothing(server, own):
    """except [] is every point that has the field; any [] is none."""
    fill(server, own, [{"n": 5}, {"n": 6}, {}])
    assert matching(server, own, {"must": [{"key": "n", "match": {"except": []}}]}) == {1, 2}
    assert matching(server, own, {"must": [{"key": "n", "match": {"any": []}}]}) == set()


def test_empty_any_never_means_all(server, own):
    """A match of nothing stays nothing under should, must and must_not, however nested."""
    fill(server, own, [{"acl": ["a"]}, {"acl": ["b", "c"]}])
    nothing = {"key": "acl", "match": {"any": []}}
    few = {"key": "acl", "values_count": {"lt": 1}}
    for chosen in ({"should": [few, nothing]}, {"should": [nothing]}, {"must": [nothing]},
                   {"must": [{"should": [few, nothing]}]}, {"should": [{"must": [nothing]}, {"should": [few]}]},
                   {"must_not": [{"must_not": [nothing]}]}, {"must": [{"key": "acl", "match": {"value": "a"}}, nothing]},
                   {"min_should": {"min_count": 1, "conditions": [nothing, few]}}):
        assert matching(server, own, chosen) == set(), chosen
    assert matching(server, own, {"must_not": [nothing]}) == {1, 2}


def test_negation_and_missing_values(server, own):
    """except wants a value that differs; must_not is the plain complement; neither is the other."""
    fill(server, own, [{"s": None}, {"s": 4}, {"s": 9}, {}])
    assert matching(server, own, {"should": [{"key": "s", "match": {"any": [4, 8]}},
                                             {"key": "s", "match": {"except": [4]}}]}) == {2, 3}
    assert matching(server, own, {"must": [{"key": "s", "match": {"except": [4]}}]}) == {3}
    assert matching(server, own, {"must_not": [{"key": "s", "match": {"value": 4}}]}) == {1, 3, 4}


def test_empty_clauses(server, own):
    """Clauses that are absent, null or an empty list do not filter; one object is a list of one."""
    fill(server, own, [{"a": 1}, {"a": 2}, {}])
    for chosen in ({}, {"should": None}, {"should": []}, {"must": []}, {"must_not": []}, {"must": None}):
        assert matching(server, own, chosen) == {1, 2, 3}, chosen
    assert matching(server, own, {"must_not": {"key": "a", "match": {"value": 1}}}) == {2, 3}


def test_exact_64_bit_ranges(server, own):
    """Integer bounds beyond 2^53 are exact, and so are the digits that come back."""
    values = [9007199254740993, 9007199254740992, -9223372036854775807, 9223372036854775807]
    fill(server, own, [{"t": v} for v in values])

    def between(**bounds):
        return matching(server, own, {"must": [{"key": "t", "range": bounds}]})

    assert between(gt=9007199254740992) == {1, 4}
    assert between(gte=9007199254740993, lte=9007199254740993) == {1}
    assert between(gte=-9223372036854775807, lte=-9223372036854775807) == {3}
    assert between(lt=9007199254740993, gt=0) == {2}
    _, text = server.request("POST", f"/collections/{own}/points/scroll", {})
    assert [p["payload"]["t"] for p in json.loads(text)["result"]["points"]] == values


def test_empty_array_does_not_vanish(server, own):
    """Empty arrays take part in negations and counts."""
    fill(server, own, [{"tags": []}, {"tags": ["a"]}, {}, {"tags": None}, {"tags": ""}])
    assert matching(server, own, {"must_not": [{"key": "tags", "match": {"value": "z"}}]}) == {1, 2, 3, 4, 5}
    assert matching(server, own, {"must": [{"is_empty": {"key": "tags"}}]}) == {1, 3, 4}
    assert {1} <= matching(server, own, {"must": [{"key": "tags", "values_count": {"lt": 1}}]}) <= {1, 3, 4}


def test_across_the_antimeridian(server, own):
    """A box whose west is east of its east, and a circle, hold points on both sides of the 180th meridian."""
    fill(server, own, [{"place": {"lon": lon, "lat": lat}} for lon, lat in ((179.5, -17), (-179.2, -18), (10, -17))])
    box = {"top_left": {"lon": 170, "lat": 0}, "bottom_right": {"lon": -170, "lat": -30}}
    circle = {"center": {"lon": 179.9, "lat": -17.5}, "radius": 200000}
    assert matching(server, own, {"must": [{"key": "place", "geo_bounding_box": box}]}) == {1, 2}
    assert matching(server, own, {"must": [{"key": "place", "geo_radius": circle}]}) == {1, 2}
    ring = [(170, 0), (-170, 0), (-170, -30), (170, -30), (170, 0)]
    polygon = {"exterior": {"points": [{"lon": lon, "lat": lat} for lon, lat in ring]}}
    assert matching(server, own, {"must": [{"key": "place", "geo_polygon": polygon}]}) == {1, 2}


def test_around_a_pole(server, own):
    """A circle over a pole holds all longitudes near it."""
    fill(server, own, [{"place": {"lon": lon, "lat": lat}} for lon, lat in ((0, 89.5), (180, 89.5), (-90, 89.9), (0, 80))])
    circle = {"center": {"lon": 45, "lat": 89.8}, "radius": 120000}
    assert matching(server, own, {"must": [{"key": "place", "geo_radius": circle}]}) == {1, 2, 3}


def test_filters_on_elements_of_arrays(server, own):
    """A nested condition is met by one element; an index of the elements' key does not mix them."""
    server.call("PUT", f"/collections/{own}/index?wait=true", {"field_name": "k[].n", "field_schema": "integer"})
    server.call("PUT", f"/collections/{own}/index?wait=true", {"field_name": "k[].s", "field_schema": "keyword"})
    fill(server, own, [{"k": [{"n": 1, "s": "x"}, {"n": 2, "s": "y"}]}, {"k": [{"n": 1, "s": "y"}]}, {"k": {"n": 1, "s": "y"}}])
    both = [{"key": "n", "match": {"value": 1}}, {"key": "s", "match": {"value": "y"}}]
    assert matching(server, own, {"must": [{"nested": {"key": "k", "filter": {"must": both}}}]}) == {2}
    assert matching(server, own, {"must_not": [{"nested": {"key": "k", "filter": {"must": both}}}]}) == {1, 3}
    assert matching(server, own, {"must": [{"nested": {"key": "k", "filter": {"must_not": both[:1]}}}]}) == {1}
    assert matching(server, own, {"must": [{"key": "k[].n", "match": {"value": 1}}]}) == {1, 2}


@pytest.mark.parametrize("datatype", ["float32", "uint8"])
def test_zero_vectors_under_cosine(client, collection, datatype):
    """Every score is finite, the zero vector scores 0 and is not on top."""
    own = collection({"size": 3, "distance": "Cosine", "datatype": datatype})
    client.upsert(own, [models.PointStruct(id=1, vector=[0, 0, 0]), models.PointStruct(id=2, vector=[0, 3, 4])])
    for exact in (True, False):
        params = models.SearchParams(exact=exact)
        found = client.query_points(own, [0, 3, 4], search_params=params).points
        assert [p.id for p in found] == [2, 1]
        assert found[0].score == pytest.approx(1, abs=1e-3) and found[1].score == 0
        assert all(p.score == 0 for p in client.query_points(own, [0, 0, 0], search_params=params).points)


def test_tiny_and_huge_vectors_under_cosine(client, collection):
    """The direction counts, not the length, from 1e-30 to 1e30."""
    for small, large in (([1, 0], [2e-5, 0]), ([3e-4, 0], [4e-4, 0]), ([1e-30, 0], [1e30, 0]), ([1e30, 1e30], [1e-30, 1e-30])):
        own = collection({"size": 2, "distance": "Cosine"})
        client.upsert(own, [models.PointStruct(id=1, vector=small)])
        assert client.query_points(own, large).points[0].score == pytest.approx(1, abs=1e-5)


def test_no_infinity_gets_in(server, collection):
    """Values that are not finite in the collection's elements are refused, waited for or not, and nothing is stored."""
    wide, half = collection({"size": 2, "distance": "Cosine"}), collection({"size": 2, "distance": "Dot", "datatype": "float16"})
    for own, vector in ((wide, "[1e39,0]"), (wide, "[-1e39,0]"), (half, "[70000,0]")):
        for wait in ("true", "false"):
            status, text = server.request("PUT", f"/collections/{own}/points?wait={wait}",
                                          f'{{"points":[{{"id":1,"vector":[1,1]}},{{"id":2,"vector":{vector}}}]}}')
            assert status in (400, 422), text
            assert server.call("POST", f"/collections/{own}/points/count", {})["count"] == 0
        status, text = server.request("POST", f"/collections/{own}/points/query", f'{{"query":{vector}}}')
        assert status in (400, 422), text
    server.call("PUT", f"/collections/{wide}/points?wait=true", {"points": [{"id": 1, "vector": [1e30, 1e30]}]})
    hit = server.call("POST", f"/collections/{wide}/points/query", {"query": [1.0, 1.0]})["points"][0]
    assert math.isfinite(hit["score"]) and hit["score"] == pytest.approx(1, abs=1e-5)


def test_threshold_is_strict(client, collection):
    """A score that equals the threshold is left out, for similarities and for distances."""
    cosine, euclid = collection({"size": 2, "distance": "Cosine"}), collection({"size": 1, "distance": "Euclid"})
    client.upsert(cosine, [models.PointStruct(id=1, vector=[1, 0])])
    client.upsert(euclid, [models.PointStruct(id=1, vector=[0]), models.PointStruct(id=2, vector=[3])])
    assert client.query_points(cosine, [1, 0], score_threshold=1.0).points == []
    assert [p.id for p in client.query_points(cosine, [1, 0], score_threshold=0.999).points] == [1]
    assert [p.id for p in client.query_points(euclid, [0], score_threshold=3.0).points] == [1]
    assert [p.id for p in client.query_points(euclid, [0], score_threshold=3.001).points] == [1, 2]
    assert client.query_points(euclid, [0], score_threshold=0.0).points == []


def indexed(collection, size, distance, **rest):
    return collection({"size": size, "distance": distance}, optimizers_config={"indexing_threshold": 1, **rest},
                      hnsw_config={"full_scan_threshold": 10})


def test_pages_of_a_graph_search(client, server, collection):
    """Pages of a search over a graph hold each point once and join up to the one large answer."""
    own = indexed(collection, 16, "Cosine")
    rows = np.random.default_rng(1).normal(size=(5000, 16)).astype(np.float32)
    for at in range(0, 5000, 1000):
        client.upsert(own, [models.PointStruct(id=i, vector=rows[i].tolist()) for i in range(at, at + 1000)])
    server.wait_indexed(own, 4000)
    query = [0.5] * 16
    pages = [p.id for at in range(0, 100, 10) for p in client.query_points(own, query, limit=10, offset=at).points]
    assert len(set(pages)) == 100
    whole = [p.id for p in client.query_points(own, query, limit=100).points]
    assert len(set(pages) & set(whole)) >= 95


def test_overwritten_points_are_one(client, server, collection):
    """Ids written over and over are found once each, with the latest vector, by scroll, count and search."""
    own = indexed(collection, 4, "Euclid")
    for generation in range(1, 5):
        client.upsert(own, [models.PointStruct(id=i, vector=[generation * 100, i, 0, 0], payload={"g": generation})
                            for i in range(50)])
        server.wait_indexed(own)
        seen, offset, first = [], None, True
        while first or offset is not None:
            page, offset = client.scroll(own, limit=7, offset=offset)
            seen += [(p.id, p.payload["g"]) for p in page]
            first = False
        assert seen == [(i, generation) for i in range(50)]
        assert client.count(own, exact=True).count == 50
        hits = client.query_points(own, [generation * 100, 0, 0, 0], limit=100).points
        assert [p.id for p in hits] == list(range(50)) and [p.score for p in hits] == pytest.approx(range(50), abs=1e-3)


def test_no_point_becomes_unreachable(client, server, collection):
    """After heavy deletion and overwriting, every live point is found by its own vector; also after a restart."""
    own = indexed(collection, 24, "Euclid")
    random = np.random.default_rng(28)
    rows = {i: random.normal(size=24).astype(np.float32) for i in range(3000)}

    def write(ids):
        for at in range(0, len(ids), 500):
            client.upsert(own, [models.PointStruct(id=i, vector=rows[i].tolist()) for i in ids[at:at + 500]])

    write(list(rows))
    server.wait_indexed(own, 2000)
    gone = random.permutation(3000)[:1500].tolist()
    client.delete(own, models.PointIdsList(points=gone))
    for i in gone:
        del rows[i]
    changed = random.permutation(list(rows))[:450].tolist()
    for i in changed:
        rows[i] = random.normal(size=24).astype(np.float32)
    write(changed)
    for restart in (False, True):
        if restart:
            assert server.stop() == 0
            server.start()
        server.wait_indexed(own)
        assert client.count(own).count == 1500
        for exact, allowed in ((True, 0), (False, 1)):
            missed, ids = 0, list(rows)
            for at in range(0, len(ids), 100):
                part = ids[at:at + 100]
                answers = client.query_batch_points(own, [models.QueryRequest(
                    query=rows[i].tolist(), limit=100, params=models.SearchParams(exact=exact)) for i in part])
                for i, answer in zip(part, answers):
                    found = [p.id for p in answer.points]
                    assert len(set(found)) == len(found) and set(found) <= rows.keys()
                    missed += not found or found[0] != i
            assert missed <= allowed, (restart, exact, missed)


def test_multilingual_text(server, collection):
    """What is stored always matches itself; folding and case are applied to both sides; composed and decomposed are the same."""
    own = collection({"size": 1, "distance": "Dot"})
    server.call("PUT", f"/collections/{own}/index?wait=true", {"field_name": "ja", "field_schema": {
        "type": "text", "tokenizer": "multilingual"}})
    server.call("PUT", f"/collections/{own}/index?wait=true", {"field_name": "plain", "field_schema": {
        "type": "text", "tokenizer": "word", "lowercase": True}})
    server.call("PUT", f"/collections/{own}/index?wait=true", {"field_name": "folded", "field_schema": {
        "type": "text", "tokenizer": "word", "lowercase": True, "ascii_folding": True}})
    composed, decomposed = "\u0130stanbul CAF\u00c9", "I\u0307stanbul CAFE\u0301"
    fill(server, own, [{"ja": "東京都庁", "plain": composed, "folded": composed}, {"plain": decomposed, "folded": decomposed},
                       {"ja": "京都の寺"}])

    def text(key, words):
        return matching(server, own, {"must": [{"key": key, "match": {"text": words}}]})

    assert text("ja", "東京都庁") == {1} and text("ja", "都庁") == {1} and text("ja", "京都の寺") == {3}
    for stored in (composed, decomposed):
        assert text("plain", stored) == {1, 2} and text("folded", stored) == {1, 2}
    assert text("folded", "cafe") == {1, 2} and text("plain", "cafe") == set() and text("plain", "café") == {1, 2}


def test_order_by_an_array(server, collection):
    """A point comes once for each of its values, and the limit counts rows."""
    own = collection({"size": 1, "distance": "Dot"})
    for indexed in (False, True):
        if indexed:
            server.call("PUT", f"/collections/{own}/index?wait=true", {"field_name": "p", "field_schema": "float"})
        fill(server, own, [{"p": [2, 6]}, {"p": 4}, {"p": 8}])
        rows = server.call("POST", f"/collections/{own}/points/scroll", {"order_by": "p", "limit": 3})["points"]
        assert [r["id"] for r in rows] == [1, 2, 1] and [r["order_value"] for r in rows] == [2, 4, 6]
