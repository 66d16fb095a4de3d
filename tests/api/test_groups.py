"""Groups: the nearest points of each value of a payload key, by search and by query."""
import numpy as np
import pytest
from harness import client, collection, name, server  # noqa: F401 (fixtures)
from qdrant_client import models
from random_points import KEYS, Sides, chances, random_filter

pytestmark = pytest.mark.filterwarnings("ignore:Local mode performs exact", "ignore:Payload indexes have no effect")
EXACT = models.SearchParams(exact=True)
UUID = "0b1a7f2c-3d4e-4f60-8a91-b2c3d4e5f607"


@pytest.fixture(params=[None, "keyword", "integer"])
def own(request, server, collection):
    """Points on a line, without an index on `g` or with one; point i at (i, 0)."""
    made = collection({"size": 2, "distance": "Euclid"})
    if request.param:
        server.call("PUT", f"/collections/{made}/index?wait=true", {"field_name": "g", "field_schema": request.param})
    return made


def fill(server, own, values):
    points = [{"id": i, "vector": [i, 0], "payload": {} if v is ... else {"g": v}} for i, v in enumerate(values, 1)]
    server.call("PUT", f"/collections/{own}/points?wait=true", {"points": points})


def query(server, own, **body):
    body = {"query": [0, 0], "group_by": "g", **body}
    groups = server.call("POST", f"/collections/{own}/points/query/groups", body)["groups"]
    return [(g["id"], [h["id"] for h in g["hits"]]) for g in groups]


def test_groups_by_their_best_point(server, own):
    """Groups in the order of their best point, hits best first; by default 10 groups of 3."""
    fill(server, own, ["b", "a", "b", "c", "a", "b", "b", 7, "c", 7])
    assert query(server, own) == [("b", [1, 3, 6]), ("a", [2, 5]), ("c", [4, 9]), (7, [8, 10])]
    assert query(server, own, limit=2, group_size=1) == [("b", [1]), ("a", [2])]
    assert query(server, own, query=[100, 0], limit=2, group_size=9) == [(7, [10, 8]), ("c", [9, 4])]
    body = {"vector": [0, 0], "group_by": "g", "limit": 3, "group_size": 2}
    old = server.call("POST", f"/collections/{own}/points/search/groups", body)["groups"]
    assert [(g["id"], [h["id"] for h in g["hits"]]) for g in old] == [("b", [1, 3]), ("a", [2, 5]), ("c", [4, 9])]
    assert [h["score"] for h in old[1]["hits"]] == [2, 5] and "payload" not in old[0]["hits"][0]
    fill(server, own, [f"g{i:02}" for i in range(15)])
    assert query(server, own) == [(f"g{i:02}", [i + 1]) for i in range(10)]


def test_values_of_groups(server, own):
    """An array puts a point in several groups; 1 and "1" are two; a point with a value that is no string or integer is in none."""
    fill(server, own, [["a", "b", "a"], ["b", 1], "1", 1, 1.5, True, None, ..., [], ["a", None], ["a", 2.0], {"x": 1}, -4, 2**64 - 1, "a"])
    found = query(server, own, limit=100, group_size=10)
    assert {i if isinstance(i, str) else (i,): hits for i, hits in found} == {
        "a": [1, 15], "b": [1, 2], (1,): [2, 4], "1": [3], (-4,): [13], (2**64 - 1,): [14]}
    assert query(server, own, group_by="missing") == []
    assert query(server, own, group_by="g[0]", limit=2, group_size=10) == [("a", [1, 10, 11]), ("b", [2])]


def test_one_group_does_not_hide_the_others(server, own):
    """However many points of full groups, or of no group at all, are nearer, every group is found and filled."""
    values = [["big", "huge"][i % 2] for i in range(1500)] + [... for _ in range(300)] + [[2.5, "big"] for _ in range(200)]
    values += [f"small{i % 7}" for i in range(21)] + [i % 5 for i in range(10)]
    fill(server, own, values)
    found = query(server, own, limit=20, group_size=3)
    assert found[:2] == [("big", [1, 3, 5]), ("huge", [2, 4, 6])]
    assert [i for i, _ in found[2:]] == [f"small{i}" for i in range(7)] + list(range(5))
    assert all(len(hits) == 3 for i, hits in found if isinstance(i, str)) and all(len(hits) == 2 for i, hits in found[9:])
    assert query(server, own, limit=4, group_size=2) == [("big", [1, 3]), ("huge", [2, 4]), ("small0", [2001, 2008]), ("small1", [2002, 2009])]
    assert query(server, own, limit=3, group_size=1, filter={"must": [{"key": "g", "match": {"except": ["big", "huge"]}}]}) == [
        ("small0", [2001]), ("small1", [2002]), ("small2", [2003])]
    assert len(query(server, own, limit=10**9, group_size=10**9)) == 14


def test_graph(server, client, collection):
    """With a graph and without an index on the key: all groups, each full, though one has nearly all the points near the query."""
    own = collection({"size": 16, "distance": "Cosine"}, optimizers_config={"indexing_threshold": 1},
                     hnsw_config={"full_scan_threshold": 10})
    generator = np.random.default_rng(7)
    points, large = 13000, 12000
    rows = generator.standard_normal((points, 16)).astype(np.float32)
    rows[:large, 0] += 4  # the large group lies where the query points
    groups = np.concatenate([np.zeros(large, int), generator.integers(1, 40, points - large)])
    client.upload_points(own, [models.PointStruct(id=i, vector=rows[i].tolist(), payload={"g": int(groups[i])})
                               for i in range(points)], batch_size=1000, wait=True)
    server.wait_indexed(own, points)
    asked = [3.0] + [0.1] * 15
    exact = client.query_points_groups(own, "g", query=asked, limit=40, group_size=4, search_params=EXACT).groups
    found = client.query_points_groups(own, "g", query=asked, limit=40, group_size=4).groups
    assert {g.id for g in found} == set(range(40)) and all(len(g.hits) == 4 for g in found)
    for one in (exact, found):
        best = [g.hits[0].score for g in one]
        assert best == sorted(best, reverse=True)
        assert all([h.score for h in g.hits] == sorted((h.score for h in g.hits), reverse=True) for g in one)
    same = sum(len({h.id for h in a.hits} & {h.id for b in found if b.id == a.id for h in b.hits}) for a in exact)
    assert same >= 0.9 * 160, same


def test_selectors(server, client, own):
    """Payload and vectors as asked for; by default neither."""
    fill(server, own, ["a", "b"])
    body = {"query": [0, 0], "group_by": "g"}
    hit = server.call("POST", f"/collections/{own}/points/query/groups", body)["groups"][0]["hits"][0]
    assert set(hit) == {"id", "version", "score"}
    groups = client.query_points_groups(own, "g", query=[0.0, 0.0], with_payload=["g"], with_vectors=True).groups
    assert groups[1].hits[0].payload == {"g": "b"} and groups[1].hits[0].vector == [2.0, 0.0]
    assert client.query_points_groups(own, "g", query=[0.0, 0.0], score_threshold=2).groups[0].id == "a"
    assert len(client.query_points_groups(own, "g", query=[0.0, 0.0], score_threshold=2).groups) == 1


def test_other_rankings(server, own):
    """Groups of points like a point (which is not among them), in the order of ids, and by values of another key."""
    fill(server, own, ["a", "b", "a", "b", "c", "a"])
    assert query(server, own, query=3) == [("b", [2, 4]), ("a", [1, 6]), ("c", [5])]
    assert query(server, own, query=None, group_size=2) == [("a", [1, 3]), ("b", [2, 4]), ("c", [5])]
    server.call("PUT", f"/collections/{own}/points?wait=true", {"points": [
        {"id": i, "vector": [i, 0], "payload": {"g": "xyz"[i % 3], "n": [-i, i % 2]}} for i in range(1, 7)]})
    order = {"order_by": {"key": "n", "direction": "desc"}}
    assert query(server, own, query=order, limit=2, group_size=2) == [("y", [1, 4]), ("x", [3, 6])]
    assert query(server, own, query=order, group_size=9) == [("y", [1, 4]), ("x", [3, 6]), ("z", [5, 2])]


def test_lookup(server, client, collection, own):
    """A group brings the point of another collection that its value names: a number or a UUID; payload by default, vectors when
    asked for; nothing where there is no such point."""
    other = collection({"size": 1, "distance": "Dot"})
    client.upsert(other, [models.PointStruct(id=7, vector=[1], payload={"name": "seven", "x": 1}),
                          models.PointStruct(id=UUID, vector=[2], payload={"name": "by uuid"})])
    fill(server, own, [7, UUID, "word", 8, -7, UUID.upper()])
    body = {"query": [0, 0], "group_by": "g", "with_lookup": other}
    groups = server.call("POST", f"/collections/{own}/points/query/groups", body)["groups"]
    assert [g["id"] for g in groups] == [7, UUID, "word", 8, -7, UUID.upper()]
    assert groups[0]["lookup"] == {"id": 7, "payload": {"name": "seven", "x": 1}}
    assert groups[1]["lookup"] == groups[5]["lookup"] == {"id": UUID, "payload": {"name": "by uuid"}}
    assert all("lookup" not in g for g in groups[2:5])
    chosen = models.WithLookup(collection=other, with_payload=["name"], with_vectors=True)
    groups = client.query_points_groups(own, "g", query=[0.0, 0.0], with_lookup=chosen).groups
    assert groups[0].lookup.payload == {"name": "seven"} and groups[0].lookup.vector == [1.0] and groups[2].lookup is None
    chosen = models.WithLookup(collection=other, with_payload=False)
    groups = client.query_points_groups(own, "g", query=[0.0, 0.0], with_lookup=chosen).groups
    assert groups[0].lookup.id == 7 and groups[0].lookup.payload is None and groups[0].lookup.vector is None
    status, text = server.request("POST", f"/collections/{own}/points/query/groups", {**body, "with_lookup": "absent"})
    assert status == 404 and "Collection absent not found" in text


@pytest.mark.parametrize("path, body, status, words", [
    ("query", {"query": [0, 0]}, 400, "missing field `group_by`"),
    ("query", {"query": [0, 0], "group_by": 3}, 400, "group_by: invalid type"),
    ("query", {"query": [0, 0], "group_by": "a..b"}, 400, "a..b"),
    ("query", {"query": [0, 0], "group_by": "g", "limit": 0}, 422, "limit: value 0 invalid, must be 1 or larger"),
    ("query", {"query": [0, 0], "group_by": "g", "group_size": 0}, 422, "group_size: value 0 invalid, must be 1 or larger"),
    ("query", {"query": [0], "group_by": "g"}, 400, "expected dim: 2, got 1"),
    ("query", {"query": {"sample": "random"}, "group_by": "g"}, 400, "sample"),
    ("query", {"query": [0, 0], "group_by": "g", "using": "zz"}, 400, "Not existing vector name error: zz"),
    ("query", {"query": [0, 0], "group_by": "g", "prefetch": {"query": [0, 0]}}, 400, "prefetch"),
    ("query", {"query": 99, "group_by": "g"}, 404, "No point with id 99 found"),
    ("query", {"query": [0, 0], "group_by": "g", "with_lookup": {}}, 400, "with_lookup: missing field `collection`"),
    ("search", {"vector": [0, 0], "group_by": "g", "limit": 1}, 400, "missing field `group_size`"),
    ("search", {"vector": [0, 0], "group_by": "g", "group_size": 1}, 400, "missing field `limit`"),
    ("search", {"group_by": "g", "limit": 1, "group_size": 1}, 400, "missing field `vector`"),
    ("search", {"vector": {"name": "zz", "vector": [0, 0]}, "group_by": "g", "limit": 1, "group_size": 1}, 400, "zz"),
])
def test_bad_requests(server, collection, path, body, status, words):
    own = collection({"size": 2, "distance": "Dot"})
    got, text = server.request("POST", f"/collections/{own}/points/{path}/groups", body)
    assert got == status and words in text, text


def wanted_groups(sides, key, asked, chosen, limit, group_size):
    """Groups made from all points, as the in-memory mode ranks them; in a point's values the first comes first."""
    hits = sides.local.query_points(sides.plain, query=asked, query_filter=chosen, limit=10**6, with_payload=True).points
    groups = {}
    for hit in hits:
        values = hit.payload.get(key, [])
        values = values if isinstance(values, list) else [values]
        if any(type(v) not in (int, str) for v in values):
            continue
        for value in dict.fromkeys(values):
            if value in groups or len(groups) < limit:
                groups.setdefault(value, [])
                if len(groups[value]) < group_size:
                    groups[value].append(hit.id)
    return groups


@pytest.mark.parametrize("clean", [True, False])
def test_like_the_in_memory_mode(client, name, clean):
    """Random points, keys, filters and sizes: the server, with and without indexes, groups as the in-memory mode's ranking
    says; and with room for all groups as its own groups say."""
    chance = chances(f"groups-{clean}")
    sides = Sides(client, name, chance, clean=clean)
    for step in range(60):
        key, chosen = chance.choice(list(KEYS)), random_filter(chance)
        asked = [chance.gauss(0, 1) for _ in range(sides.size)]
        limit, group_size = chance.choice([1, 2, 5, 100]), chance.choice([1, 2, 5])
        wanted = wanted_groups(sides, key, asked, chosen, limit, group_size)
        for own in (sides.plain, sides.indexed):
            groups = client.query_points_groups(own, key, query=asked, query_filter=chosen, limit=limit, group_size=group_size,
                                                search_params=EXACT).groups
            assert {g.id: [h.id for h in g.hits] for g in groups} == wanted, (step, own, key, chosen, limit, group_size)
        theirs = sides.local.query_points_groups(sides.plain, key, query=asked, query_filter=chosen, limit=10**6, group_size=group_size)
        ours = client.query_points_groups(sides.indexed, key, query=asked, query_filter=chosen, limit=1000, group_size=group_size,
                                          search_params=EXACT, with_payload=True)
        assert {g.id: [(h.id, h.payload) for h in g.hits] for g in ours.groups} == {
            g.id: [(h.id, h.payload) for h in g.hits] for g in theirs.groups}
        if step % 6 == 5:
            sides.change()
    sides.drop()
