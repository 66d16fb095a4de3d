"""The datatype `turbo4` through the public client and raw JSON: vectors are stored with four bits a dimension and nothing
else of them is kept. Answers are compared with an exact search over the float32 vectors that were sent, in numpy."""
import pathlib
import tempfile

import numpy as np
import pytest
from qdrant_client import models

from harness import Server, client, collection, name, server  # noqa: F401

DIM = 64
POINTS = 3000
QUERIES = 60
DISTANCES = ["Cosine", "Dot", "Euclid", "Manhattan"]
SMALL = {"optimizers_config": {"indexing_threshold": 1}, "hnsw_config": {"full_scan_threshold": 10}}
EXACT = models.SearchParams(exact=True)


@pytest.fixture(scope="module")
def data():
    """Rows around centres, with a mean that all coordinates share; queries from the same. Lengths differ."""
    random = np.random.default_rng(16)
    count = POINTS + QUERIES
    rows = random.normal(size=(40, DIM))[random.integers(0, 40, count)] + 0.7 * random.normal(size=(count, DIM)) + 0.5
    rows = (rows * random.uniform(0.8, 1.2, size=(count, 1))).astype(np.float32)
    return rows[:POINTS], rows[POINTS:]


def upsert(client, own, rows, first=0):
    for at in range(0, len(rows), 500):
        client.upsert(own, wait=True, points=[models.PointStruct(id=first + at + i, vector=row.tolist())
                                              for i, row in enumerate(rows[at:at + 500])])


def true_scores(distance, rows, query):
    rows, query = rows.astype(np.float64), query.astype(np.float64)
    if distance == "Cosine":
        return rows @ query / (np.linalg.norm(rows, axis=1) * np.linalg.norm(query))
    if distance == "Dot":
        return rows @ query
    return np.abs(rows - query).sum(axis=1) if distance == "Manhattan" else np.linalg.norm(rows - query, axis=1)


def nearest(distance, scores, count):
    return np.argsort(scores if distance in ("Euclid", "Manhattan") else -scores, kind="stable")[:count]


def recall(client, own, distance, rows, queries, params=None):
    found = 0
    for query in queries:
        truth = set(nearest(distance, true_scores(distance, rows, query), 10).tolist())
        got = client.query_points(own, query=query.tolist(), limit=10, search_params=params).points
        assert len(got) == 10
        found += len(truth & {p.id for p in got})
    return found / (10 * len(queries))


@pytest.mark.parametrize("distance", DISTANCES)
def test_recall_and_scores(server, client, collection, data, distance):
    """The nearest by float32 are found among rows of four bits, by a scan and by a graph; scores are near the true ones."""
    rows, queries = data
    own = collection({"size": DIM, "distance": distance, "datatype": "turbo4"}, **SMALL)
    upsert(client, own, rows)
    info = server.wait_indexed(own, POINTS)
    assert info["config"]["params"]["vectors"]["datatype"] == "turbo4"
    assert client.get_collection(own).config.params.vectors.datatype == models.Datatype.TURBO4
    by_scan = recall(client, own, distance, rows, queries, EXACT)
    by_graph = recall(client, own, distance, rows, queries)
    assert by_scan >= 0.85 and by_graph >= 0.85, (by_scan, by_graph)
    for query in queries[:10]:
        truth = true_scores(distance, rows, query)
        got = client.query_points(own, query=query.tolist(), limit=POINTS, search_params=EXACT).points
        assert len(got) == POINTS
        error = np.array([p.score - truth[p.id] for p in got])
        scale = {"Cosine": 1.0, "Dot": np.linalg.norm(query) * np.linalg.norm(rows, axis=1).mean()}.get(
            distance, np.median(truth))
        assert np.abs(error).max() < 0.08 * scale and abs(error.mean()) < 0.02 * scale
        assert min(p.score for p in got) >= 0 or distance in ("Cosine", "Dot")
        assert distance != "Cosine" or max(p.score for p in got) <= 1.0001


@pytest.mark.parametrize("index", ["flat", "hnsw", "ivfpq"])
@pytest.mark.parametrize("distance", DISTANCES)
def test_index_kinds(server, client, collection, data, index, distance):
    """Every kind of index answers as a scan of the same stored rows does, with the same scores."""
    rows, queries = data
    own = collection({"size": DIM, "distance": distance, "index": index, "datatype": "turbo4"}, **SMALL)
    upsert(client, own, rows)
    server.wait_indexed(own, 0 if index == "flat" else POINTS)
    found = 0
    for query in queries[:30]:
        exact = client.query_points(own, query=query.tolist(), limit=10, search_params=EXACT).points
        got = client.query_points(own, query=query.tolist(), limit=10).points
        truth = {p.id: p.score for p in exact}
        assert all(p.score == truth.get(p.id, p.score) for p in got)
        found += len(truth.keys() & {p.id for p in got})
    assert found >= (300 if index == "flat" else 285)


@pytest.mark.parametrize("quantization", [{"scalar": {"type": "int8"}}, {"turbo": {"bits": "bits2"}},
                                          {"product": {"compression": "x16"}}, {"binary": {}}])
def test_with_quantization(server, client, collection, data, quantization):
    """Codes for the graph may be asked for beside it: they are made of what the rows stand for, and rescored by the rows."""
    rows, queries = data
    own = collection({"size": DIM, "distance": "Cosine", "datatype": "turbo4"}, quantization_config=quantization, **SMALL)
    upsert(client, own, rows)
    server.wait_indexed(own, POINTS)
    assert recall(client, own, "Cosine", rows, queries) >= 0.75
    exact = client.query_points(own, query=queries[0].tolist(), limit=POINTS, search_params=EXACT).points
    truth = {p.id: p.score for p in exact}
    got = client.query_points(own, query=queries[0].tolist(), limit=10).points
    assert all(p.score == truth[p.id] for p in got)


@pytest.mark.parametrize("distance", DISTANCES)
def test_read_back(server, client, collection, data, distance):
    """Vectors come back from scroll, retrieve and search as what is stored: their length, and their direction within a few
    degrees (Manhattan: their coordinates). What comes back, sent again, is stored as nearly the same."""
    rows, _ = data
    own = collection({"size": DIM, "distance": distance, "datatype": "turbo4"})
    upsert(client, own, rows[:500])
    records, after = client.scroll(own, limit=500, with_vectors=True)
    assert len(records) == 500 and after is None
    back = np.array([record.vector for record in records])
    sent = rows[[record.id for record in records]].astype(np.float64)
    if distance == "Cosine":
        sent /= np.linalg.norm(sent, axis=1, keepdims=True)
    lengths = np.linalg.norm(sent, axis=1)
    assert np.abs(back - sent).max() < 0.14 * np.abs(sent).max()
    assert np.abs(back - sent).mean() < 0.03 * np.abs(sent).max()
    off = np.linalg.norm(back - sent, axis=1) / lengths
    assert off.mean() < 0.09 and off.max() < 0.13, (off.mean(), off.max())
    if distance != "Manhattan":
        assert np.abs(np.linalg.norm(back, axis=1) / lengths - 1).max() < 1e-4
        angles = (back * sent).sum(axis=1) / (lengths * np.linalg.norm(back, axis=1))
        assert angles.min() > 0.99 and angles.mean() > 0.995
    assert np.array_equal(client.retrieve(own, [7], with_vectors=True)[0].vector, back[7])
    raw = server.call("POST", f"/collections/{own}/points/query", {"query": 7, "limit": 1, "with_vector": True})
    assert np.allclose(raw["points"][0]["vector"], back[raw["points"][0]["id"]], rtol=1e-6)
    upsert(client, own, back[:50].astype(np.float32), first=1000)
    again = np.array([r.vector for r in client.retrieve(own, list(range(1000, 1050)), with_vectors=True)])
    assert (np.linalg.norm(again - back[:50], axis=1) / lengths[:50]).max() < 0.08


def test_writes_and_restart(data):
    """Upserts, vector updates and deletions; after a stop and after a kill answers and vectors are bit for bit the same, with
    the index's files and without them."""
    rows, queries = data
    with tempfile.TemporaryDirectory(prefix="sagitta-") as folder:
        server = Server(pathlib.Path(folder) / "data").start()
        try:
            server.call("PUT", "/collections/c", {"vectors": {
                "a": {"size": DIM, "distance": "Euclid", "datatype": "turbo4"},
                "b": {"size": 3, "distance": "Cosine", "datatype": "turbo4"}}, **SMALL})
            for at in range(0, POINTS, 500):
                server.call("PUT", "/collections/c/points?wait=true", {"points": [
                    {"id": at + i, "vector": {"a": row.tolist(), "b": row[:3].tolist()}}
                    for i, row in enumerate(rows[at:at + 500])]})
            server.call("PUT", "/collections/c/points/vectors?wait=true", {"points": [
                {"id": 5, "vector": {"a": rows[6].tolist()}}]})
            server.call("POST", "/collections/c/points/delete?wait=true", {"points": [6]})
            server.wait_indexed("c", POINTS)

            def state():
                answers = [server.call("POST", "/collections/c/points/query", {
                    "query": query.tolist(), "using": "a", "limit": 20, "with_vector": True, "params": {"exact": True}})
                    for query in queries[:20]]
                return answers, server.call("POST", "/collections/c/points/scroll", {"limit": 3, "with_vector": True})

            before = state()
            moved = server.call("POST", "/collections/c/points/query", {
                "query": rows[6].tolist(), "using": "a", "limit": 1})["points"]
            assert moved[0]["id"] == 5
            assert server.stop() == 0
            server.start()
            assert state() == before
            server.kill()
            server.start()
            assert state() == before
            assert server.stop() == 0
            for path in (server.folder / "index").rglob("*"):
                if path.is_file():
                    path.unlink()
            server.start()
            server.wait_indexed("c", POINTS - 1)
            assert state() == before
            assert server.stop() == 0
        finally:
            server.kill()


def test_size_on_disk(data):
    """Rows take about a seventh of what float32 takes, and no file holds the floats."""
    rows, _ = data
    sizes = {}
    for datatype in ("float32", "turbo4"):
        with tempfile.TemporaryDirectory(prefix="sagitta-") as folder:
            server = Server(pathlib.Path(folder) / "data").start()
            try:
                server.call("PUT", "/collections/c", {"vectors": {"size": 256, "distance": "Dot", "datatype": datatype}})
                wide = np.concatenate([rows, rows[::-1], -rows, rows * 2], axis=1)
                client = server.client()
                upsert(client, "c", wide)
                assert server.stop() == 0
                files = [path for path in server.folder.rglob("*.rows")]
                assert files
                sizes[datatype] = sum(path.stat().st_blocks * 512 for path in files)
                if datatype == "turbo4":
                    needle = wide[1234, 17:25].tobytes()
                    holders = [path for path in server.folder.rglob("*") if path.is_file() and needle in path.read_bytes()]
                    assert not holders, holders
            finally:
                server.kill()
    assert sizes["float32"] >= POINTS * 256 * 4
    assert sizes["turbo4"] <= 1.25 * POINTS * (8 + 128), sizes
    assert sizes["turbo4"] < sizes["float32"] / 6, sizes


def test_refusals(server, collection, name):
    """Wrong lengths and numbers that do not fit are refused; nothing of such a request is stored. An unknown datatype is
    refused by its name."""
    own = collection({"size": 4, "distance": "Dot", "datatype": "turbo4"})
    for vector in ([1, 2, 3], [1, 2, 3, 1e38], [1, 2, 3, -3e34]):
        status, text = server.request("PUT", f"/collections/{own}/points?wait=true", {
            "points": [{"id": 1, "vector": vector}]})
        assert status == 400, (vector, status, text)
        status, text = server.request("POST", f"/collections/{own}/points/query", {"query": vector, "limit": 1})
        assert status == 400, (vector, status, text)
    assert server.call("POST", f"/collections/{own}/points/count", {})["count"] == 0
    status, text = server.request("PUT", f"/collections/{name}-x", {
        "vectors": {"size": 4, "distance": "Dot", "datatype": "turbo5"}})
    assert status == 400 and "turbo5" in text


@pytest.mark.parametrize("size", [1, 2, 3, 5, 1536])
def test_sizes(server, client, collection, size):
    """The smallest vectors and a long one: each point is the nearest to its own vector by distance."""
    random = np.random.default_rng(size)
    rows = (np.arange(1, 9)[:, None] * random.choice([-1, 1], size=(8, size)) * random.uniform(1, 2, size=(8, size)))
    for distance in ("Euclid", "Manhattan"):
        own = collection({"size": size, "distance": distance, "datatype": "turbo4"})
        upsert(client, own, rows.astype(np.float32))
        for i, row in enumerate(rows):
            got = client.query_points(own, query=row.tolist(), limit=8).points
            assert got[0].id == i and len(got) == 8
            assert got[0].score <= 0.12 * (np.linalg.norm(row) if distance == "Euclid" else np.abs(row).sum())
