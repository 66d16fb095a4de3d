"""Facets: the values of a payload key with the number of points that have each."""
import threading

import pytest
from harness import client, collection, name, server  # noqa: F401 (fixtures)
from qdrant_client import models
from random_points import KEYS, Sides, chances, random_filter

pytestmark = pytest.mark.filterwarnings("ignore:Local mode performs exact", "ignore:Payload indexes have no effect")


@pytest.fixture(params=[None, "keyword", "integer", "float", "bool", "datetime", "uuid", "text"])
def own(request, server, collection):
    """A collection without an index on `k`, or with one: no answer may differ."""
    made = collection({"size": 1, "distance": "Dot"})
    if request.param:
        server.call("PUT", f"/collections/{made}/index?wait=true", {"field_name": "k", "field_schema": request.param})
    return made


def fill(server, own, values):
    points = [{"id": i, "vector": [1.0], "payload": {} if v is ... else {"k": v, "even": i % 2 == 0}} for i, v in enumerate(values, 1)]
    server.call("PUT", f"/collections/{own}/points?wait=true", {"points": points})


def facet(server, own, **body):
    hits = server.call("POST", f"/collections/{own}/facet", {"key": "k", **body})["hits"]
    return [(h["value"], h["count"]) for h in hits]


def test_words(server, own):
    """By count, then by the bytes of the word; a point counts once for a value; the limit is 10 by default."""
    fill(server, own, ["b", "a", ["b", "c"], ["c", "c"], "", "é", "z", "b", ..., None, []])
    assert facet(server, own) == [("b", 3), ("c", 2), ("", 1), ("a", 1), ("z", 1), ("é", 1)]
    assert facet(server, own, limit=2) == [("b", 3), ("c", 2)]
    assert facet(server, own, limit=10**18, exact=True)[-1] == ("é", 1)
    fill(server, own, [f"w{i:02}" for i in range(30)])
    assert facet(server, own) == [(f"w{i:02}", 1) for i in range(10)]


def test_numbers_and_booleans(server, own):
    """Integers by value, 64 bits exact; booleans; 1, true and "1" are three values; reals and larger numbers do not count."""
    fill(server, own, [5, -3, 2**63 - 1, -(2**63), 2**53 + 1, 2**53, 5, 1.5, 5.0, 2**63])
    assert facet(server, own) == [(5, 2), (-(2**63), 1), (-3, 1), (2**53, 1), (2**53 + 1, 1), (2**63 - 1, 1)]
    fill(server, own, [True, 1, "1", [True, False], [1, True], 0, {"x": 1}, [[1]], ..., ...])
    found = facet(server, own)
    assert found == [(True, 3), (1, 2), (False, 1), (0, 1), ("1", 1)]
    assert [type(v) for v, _ in found] == [bool, int, bool, int, str]


def test_filter(server, own):
    """Only points that the filter accepts count; also none."""
    fill(server, own, ["a", "a", "b", "a", ["a", "b"], "c"])
    even = {"must": [{"key": "even", "match": {"value": True}}]}
    assert facet(server, own, filter=even) == [("a", 2), ("c", 1)]
    assert facet(server, own, filter={"must": [{"key": "k", "match": {"value": "b"}}]}) == [("b", 2), ("a", 1)]
    assert facet(server, own, filter={"must": [{"has_id": [1, 6, 77]}]}) == [("a", 1), ("c", 1)]
    assert facet(server, own, filter={"must": [{"key": "k", "match": {"value": "none"}}]}) == []
    assert facet(server, own, key="missing") == []


def test_texts_as_they_are(request, server, own):
    """Values come back as they were stored: escapes, spellings of a UUID, long texts; U+0000 has no place in an answer. Under a
    uuid index the spellings of a UUID are one value."""
    identifier = "0b1a7f2c-3d4e-4f60-8a91-b2c3d4e5f607"
    words = ['say "hi"\n', "grün", identifier, identifier.upper(), identifier.replace("-", ""), "x" * 5000, "nul\0nul"]
    fill(server, own, words)
    told = [(w, 1) for w in sorted(words[:6], key=lambda w: w.encode())]
    if "uuid" in request.node.callspec.id:
        told = [(identifier, 3)] + [(w, n) for w, n in told if w.replace("-", "").lower() != identifier.replace("-", "")]
    assert facet(server, own) == told


def test_paths(server, client, collection):
    """Nested keys, array items and single items, as everywhere in the contract."""
    own = collection({"size": 1, "distance": "Dot"})
    client.upsert(own, [models.PointStruct(id=1, vector=[1], payload={"o": {"l": [{"x": "a"}, {"x": "b"}]}, "a.b": 7}),
                        models.PointStruct(id=2, vector=[1], payload={"o": {"l": [{"x": "b"}], "m": ["p", "q"]}})])
    found = lambda key: [(h.value, h.count) for h in client.facet(own, key).hits]  # noqa: E731
    assert found("o.l[].x") == [("b", 2), ("a", 1)]
    assert found("o.l[0].x") == [("a", 1), ("b", 1)]
    assert found("o.m") == found("o.m[]") == [("p", 1), ("q", 1)]
    assert found("o.m[1]") == [("q", 1)]
    assert found('"a.b"') == [(7, 1)]
    assert found("o.l") == []


@pytest.mark.parametrize("body, status, words", [
    ({}, 400, "missing field `key`"),
    ({"key": 3}, 400, "key: invalid type"),
    ({"key": "a..b"}, 400, "a..b"),
    ({"key": "k", "limit": 0}, 422, "limit: value 0 invalid, must be 1 or larger"),
    ({"key": "k", "limit": -1}, 400, "limit"),
    ({"key": "k", "exact": "yes"}, 400, "exact"),
    ({"key": "k", "filter": {"must": [{"bad": 1}]}}, 400, "filter.must[0]"),
    ({"key": "k", "shard_key": "s"}, 400, "shard_key"),
])
def test_bad_requests(server, collection, body, status, words):
    own = collection({"size": 1, "distance": "Dot"})
    got, text = server.request("POST", f"/collections/{own}/facet", body)
    assert got == status and words in text, text
    assert server.request("POST", "/collections/absent/facet", {"key": "k"})[0] == 404


@pytest.mark.parametrize("clean", [True, False])
def test_like_the_in_memory_mode(client, name, clean):
    """Random points, keys, filters and limits: the in-memory mode and the server, with and without indexes, count alike
    while points change. Values that suit the key only (clean), or any."""
    chance = chances(f"facet-{clean}")
    sides = Sides(client, name, chance, clean=clean)
    for step in range(80):
        key, chosen, limit = chance.choice(list(KEYS) + ["any[]", "any.x", "number[0]"]), random_filter(chance), chance.choice([1, 3, 10, 1000])
        answers = [[(h.value, type(h.value), h.count) for h in side.facet(own, key, facet_filter=chosen, limit=limit).hits]
                   for side, own in sides.all()]
        assert answers[0] == answers[2], (step, key, chosen, limit)
        assert answers[1] == answers[2], (step, key, chosen, limit, "indexed")
        if step % 8 == 7:
            sides.change()
    sides.drop()


def test_beside_writes(server, client, collection):
    """Points that swap their values all the time: each counts once, whole, with one of its values."""
    own = collection({"size": 1, "distance": "Dot"})
    client.create_payload_index(own, "k", "keyword")
    client.create_payload_index(own, "n", "integer")
    points = 2000
    client.upsert(own, [models.PointStruct(id=i, vector=[1], payload={"k": "ab"[i % 2], "n": i % 2, "p": i % 2}) for i in range(points)])
    stop, faults = threading.Event(), []

    def write():
        mine, turn = server.client(), 0
        while not stop.is_set():
            turn = 1 - turn
            ids = list(range(turn, points, 7))
            mine.overwrite_payload(own, {"k": "ab"[turn], "n": turn, "p": turn}, points=ids)
            mine.upsert(own, [models.PointStruct(id=i, vector=[2], payload={"k": "ab"[turn], "n": turn, "p": turn}) for i in ids[:50]])
        mine.close()

    def ask(chosen, key):
        mine = server.client()
        for _ in range(60):
            hits = {h.value: h.count for h in mine.facet(own, key, facet_filter=chosen).hits}
            if chosen is None and sum(hits.values()) != points or chosen is not None and set(hits) - {"a"}:
                faults.append((key, hits))
        mine.close()

    indexed = models.Filter(must=[models.FieldCondition(key="n", match=models.MatchValue(value=0))])
    plain = models.Filter(must=[models.FieldCondition(key="p", match=models.MatchValue(value=0))])
    writer = threading.Thread(target=write)
    readers = [threading.Thread(target=ask, args=a) for a in ((None, "k"), (None, "p"), (indexed, "k"), (plain, "k"))]
    for thread in [writer, *readers]:
        thread.start()
    for thread in readers:
        thread.join()
    stop.set()
    writer.join()
    assert faults == []
