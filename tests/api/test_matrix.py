"""Distance matrices of points drawn by lot: pairs, and rows and columns."""
import pytest
from harness import client, collection, name, server  # noqa: F401 (fixtures)
from qdrant_client import QdrantClient, models
from random_points import IDS, chances, id_order

pytestmark = pytest.mark.filterwarnings("ignore:Local mode performs exact")
DISTANCES = [models.Distance.COSINE, models.Distance.DOT, models.Distance.EUCLID, models.Distance.MANHATTAN]


@pytest.mark.parametrize("distance", DISTANCES)
def test_like_the_in_memory_mode(client, name, distance):
    """With all points in the sample nothing is left to chance: the in-memory mode gives the same ids and scores; named vectors
    that some points lack, numbers and UUIDs as ids, filters."""
    chance = chances(f"matrix-{distance}")
    local = QdrantClient(":memory:")
    config = {"a": models.VectorParams(size=5, distance=distance), "b": models.VectorParams(size=3, distance=distance)}
    points = [models.PointStruct(id=i, payload={"n": chance.randrange(4)},
                                 vector={n: [chance.gauss(0, 1) for _ in range(s)] for n, s in (("a", 5), ("b", 3)) if chance.random() < 0.7})
              for i in chance.sample(IDS, 80)]
    for side in (client, local):
        side.create_collection(name, config)
        side.upsert(name, points)
    for step in range(12):
        chosen = chance.choice([None, models.Filter(must=[models.FieldCondition(key="n", range=models.Range(gte=chance.randrange(5)))])])
        arguments = {"query_filter": chosen, "limit": chance.choice([1, 3, 200]), "sample": 1000, "using": chance.choice("ab")}
        ours, theirs = (side.search_matrix_offsets(name, **arguments) for side in (client, local))
        assert ours.ids == theirs.ids == sorted(ours.ids, key=id_order), (step, arguments)
        assert ours.offsets_row == theirs.offsets_row and ours.offsets_col == theirs.offsets_col, (step, arguments)
        assert ours.scores == pytest.approx(theirs.scores, abs=1e-4)
        ours, theirs = (side.search_matrix_pairs(name, **arguments).pairs for side in (client, local))
        assert [(p.a, p.b) for p in ours] == [(p.a, p.b) for p in theirs]
        assert [p.score for p in ours] == pytest.approx([p.score for p in theirs], abs=1e-4)
    client.delete_collection(name)


@pytest.fixture(scope="module")
def line(server):
    """Points 1..200 on a line; those beyond 190 have no vector."""
    server.call("PUT", "/collections/line", {"vectors": {"v": {"size": 1, "distance": "Euclid"}}})
    server.call("PUT", "/collections/line/points?wait=true", {"points": [
        {"id": i, "vector": {"v": [i]} if i <= 190 else {}, "payload": {"odd": i % 2 == 1}} for i in range(1, 201)]})
    return "line"


def test_a_sample(server, line):
    """10 points and 3 neighbours by default, without repetition, nearest first; other points the next time."""
    seen = set()
    for _ in range(20):
        answer = server.call("POST", f"/collections/{line}/points/search/matrix/offsets", {"using": "v"})
        ids = answer["ids"]
        assert len(set(ids)) == 10 and ids == sorted(ids) and max(ids) <= 190
        assert answer["offsets_row"] == [i for i in range(10) for _ in range(3)]
        for row in range(10):
            columns = answer["offsets_col"][3 * row:3 * row + 3]
            nearest = sorted((abs(ids[row] - other), i) for i, other in enumerate(ids) if i != row)[:3]
            assert [(s, i) for s, i in zip(answer["scores"][3 * row:3 * row + 3], columns)] == nearest
        seen |= set(ids)
    assert len(seen) > 60
    pairs = server.call("POST", f"/collections/{line}/points/search/matrix/pairs", {
        "using": "v", "sample": 4, "limit": 1, "filter": {"must": [{"key": "odd", "match": {"value": True}}]}})["pairs"]
    assert len(pairs) == 4 and all(p["a"] % 2 == p["b"] % 2 == 1 and p["score"] == abs(p["a"] - p["b"]) for p in pairs)


def test_few_points(server, line):
    """Fewer than two points: an empty matrix; two: each other's neighbour."""
    for ids, wanted in (([], []), ([5], []), ([5, 199], []), ([5, 9], [(5, 9, 4), (9, 5, 4)])):
        body = {"using": "v", "filter": {"must": [{"has_id": ids}]}}
        pairs = server.call("POST", f"/collections/{line}/points/search/matrix/pairs", body)["pairs"]
        assert [(p["a"], p["b"], p["score"]) for p in pairs] == wanted
        answer = server.call("POST", f"/collections/{line}/points/search/matrix/offsets", body)
        assert answer["ids"] == ([5, 9] if wanted else []) and answer["scores"] == [s for _, _, s in wanted]
        assert set(answer) == {"offsets_row", "offsets_col", "scores", "ids"}


@pytest.mark.parametrize("kind", ["pairs", "offsets"])
@pytest.mark.parametrize("body, status, words", [
    ({"sample": 1, "using": "v"}, 422, "sample: value 1 invalid, must be 2 or larger"),
    ({"limit": 0, "using": "v"}, 422, "limit: value 0 invalid, must be 1 or larger"),
    ({"sample": "x"}, 400, "sample"), ({"using": 3}, 400, "using"),
    ({}, 400, "Not existing vector name error"), ({"using": "zz"}, 400, "Not existing vector name error: zz"),
    ({"using": "v", "filter": 3}, 400, "filter"),
])
def test_bad_requests(server, line, kind, body, status, words):
    got, text = server.request("POST", f"/collections/{line}/points/search/matrix/{kind}", body)
    assert got == status and words in text, text
