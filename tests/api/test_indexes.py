"""Index kinds and quantization through the public client: what is asked for is served, can be changed while searches run,
and never changes a score: an answer that is rescored has the exact scores of its points."""
import pathlib
import threading
import time

import numpy as np
import pytest
from qdrant_client import models

from harness import Server, client, collection, name, server  # noqa: F401

DIM = 32
POINTS = 3000
QUANTIZATIONS = {
    "scalar": models.ScalarQuantization(scalar=models.ScalarQuantizationConfig(type="int8", quantile=0.99, always_ram=True)),
    "product": models.ProductQuantization(product=models.ProductQuantizationConfig(compression="x8")),
    "binary": models.BinaryQuantization(binary=models.BinaryQuantizationConfig(always_ram=True)),
    "binary, two bits": models.BinaryQuantization(binary=models.BinaryQuantizationConfig(
        encoding=models.BinaryQuantizationEncoding.TWO_BITS,
        query_encoding=models.BinaryQuantizationQueryEncoding.SCALAR8BITS)),
}


@pytest.fixture(scope="module")
def data():
    """Clusters with noise, as embeddings have them; queries from the same."""
    random = np.random.default_rng(4)
    centres = random.normal(size=(30, DIM))
    rows = centres[random.integers(0, 30, POINTS + 20)] + 0.6 * random.normal(size=(POINTS + 20, DIM))
    return rows[:POINTS].astype(np.float32), rows[POINTS:].astype(np.float32)


def load(server, own, rows):
    for at in range(0, len(rows), 500):
        server.call("PUT", f"/collections/{own}/points?wait=true", {"points": [
            {"id": at + i, "vector": row.tolist()} for i, row in enumerate(rows[at:at + 500])]})


SMALL = {"optimizers_config": {"indexing_threshold": 1}, "hnsw_config": {"full_scan_threshold": 10}}


@pytest.fixture
def make(server, collection, data):
    """An indexed collection of the data."""
    def made(vectors=None, **rest):
        own = collection({"size": DIM, "distance": "Cosine", **(vectors or {})}, **{**SMALL, **rest})
        load(server, own, data[0])
        server.wait_indexed(own, POINTS)
        return own
    return made


def recall_and_scores(client, own, queries, params=None, floor=0.9, exact_scores=True):
    """The mean recall@10 against an exact search; scores of what was found must be the exact ones."""
    found = 0
    for query in queries:
        exact = client.query_points(own, query=query.tolist(), limit=10,
                                    search_params=models.SearchParams(exact=True)).points
        got = client.query_points(own, query=query.tolist(), limit=10, search_params=params).points
        assert len(got) == 10
        truth = {p.id: p.score for p in exact}
        for point in got:
            if exact_scores and point.id in truth:
                assert point.score == truth[point.id]
        found += len(truth.keys() & {p.id for p in got})
    recall = found / (10 * len(queries))
    assert recall >= floor, recall
    return recall


@pytest.mark.parametrize("kind", QUANTIZATIONS)
def test_quantization_is_served(client, make, data, kind):
    """Every quantization of the client holds its recall with exact scores; without rescoring scores are estimates;
    ignored, the stored vectors are walked."""
    own = make(quantization_config=QUANTIZATIONS[kind].model_dump(exclude_none=True, mode="json"))
    config = client.get_collection(own)
    assert config.config.quantization_config == QUANTIZATIONS[kind]
    assert not config.warnings
    recall_and_scores(client, own, data[1], floor=0.85 if "binary" in kind else 0.95)
    wide = models.SearchParams(quantization=models.QuantizationSearchParams(oversampling=20.0), hnsw_ef=400)
    recall_and_scores(client, own, data[1], wide, floor=0.95)
    ignore = models.SearchParams(quantization=models.QuantizationSearchParams(ignore=True))
    recall_and_scores(client, own, data[1], ignore, floor=0.95)
    raw = models.SearchParams(quantization=models.QuantizationSearchParams(rescore=False))
    estimated = client.query_points(own, query=data[1][0].tolist(), limit=10, search_params=raw).points
    exact = client.query_points(own, query=data[1][0].tolist(), limit=POINTS,
                                search_params=models.SearchParams(exact=True)).points
    truth = {p.id: p.score for p in exact}
    assert any(p.score != truth[p.id] for p in estimated)
    assert all(abs(p.score - truth[p.id]) < 0.35 for p in estimated)


@pytest.mark.parametrize("bits", ["bits1", "bits1_5", "bits2", "bits4"])
def test_turbo_is_served(server, client, make, data, bits):
    """Rotated codes of the contract's sizes."""
    own = make(quantization_config={"turbo": {"bits": bits}})
    assert server.call("GET", f"/collections/{own}")["config"]["quantization_config"]["turbo"]["bits"] == bits
    recall_and_scores(client, own, data[1], floor={"bits1": 0.8, "bits1_5": 0.85, "bits2": 0.9, "bits4": 0.95}[bits])


@pytest.mark.parametrize("index", ["auto", "flat", "hnsw", "ivfpq"])
@pytest.mark.parametrize("datatype", ["float32", "float16", "uint8"])
def test_index_kinds(server, client, collection, data, index, datatype):
    """The kind of index can be named; it is echoed, and answers are right for every datatype."""
    own = collection({"size": DIM, "distance": "Euclid", "index": index, "datatype": datatype}, **SMALL)
    rows, queries = (np.clip(128 + 25 * part, 0, 255).round() for part in data)
    load(server, own, rows)
    info = server.wait_indexed(own, 0 if index == "flat" else POINTS)
    assert info["config"]["params"]["vectors"]["index"] == index
    assert info["indexed_vectors_count"] == (0 if index == "flat" else POINTS)
    recall_and_scores(client, own, queries, floor=1.0 if index == "flat" else 0.9)


def test_index_unknown(server, name):
    """An unknown kind is refused by name, and nothing is made."""
    status, text = server.request("PUT", f"/collections/{name}", {"vectors": {"size": 4, "distance": "Dot", "index": "btree"}})
    assert status == 400 and "btree" in text
    assert server.request("GET", f"/collections/{name}")[0] == 404


def test_changes_while_searching(server, client, make, data):
    """Quantization, graph parameters and the kind of index are changed one after the other while searches run: no search
    fails, comes back short, or gives a score that is not exact; what was asked for is there in the end."""
    own = make()
    rows, queries = data
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    stop, faults = threading.Event(), []

    def searches():
        mine = server.client()
        i = 0
        while not stop.is_set():
            query = queries[i % len(queries)]
            got = mine.query_points(own, query=query.tolist(), limit=10).points
            scores = unit[[p.id for p in got]] @ (query / np.linalg.norm(query))
            if len(got) != 10 or np.abs(scores - [p.score for p in got]).max() > 1e-5:
                faults.append((i, got))
            i += 1
        mine.close()

    threads = [threading.Thread(target=searches) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        patches = [
            {"quantization_config": {"scalar": {"type": "int8"}}},
            {"hnsw_config": {"m": 24, "ef_construct": 64}},
            {"quantization_config": {"turbo": {"bits": "bits4"}}},
            {"vectors": {"": {"index": "ivfpq"}}},
            {"quantization_config": "Disabled"},
            {"vectors": {"": {"index": "flat"}}},
            {"vectors": {"": {"index": "hnsw", "quantization_config": {"binary": {}}}}},
            {"vectors": {"": {"memory": "cold"}}},
            {"vectors": {"": {"memory": "cached", "quantization_config": "Disabled"}}},
        ]
        for patch in patches:
            server.call("PATCH", f"/collections/{own}", patch)
            flat = patch.get("vectors", {}).get("", {}).get("index") == "flat"
            server.wait_indexed(own, 0 if flat else POINTS)
            recall_and_scores(client, own, queries[:5], floor=0.85)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not faults, faults[0]
    done = server.call("GET", f"/collections/{own}/optimizations?with=completed")["completed"]
    assert {"indexing", "config_mismatch"} <= {work["optimizer"] for work in done}


def test_switched_off(server, collection, data):
    """No threads for optimizations: nothing is built, the collection is grey and answers all the same; given threads, it
    becomes green."""
    own = collection({"size": DIM, "distance": "Dot"}, hnsw_config={"full_scan_threshold": 10},
                     optimizers_config={"indexing_threshold": 1, "max_optimization_threads": 0})
    load(server, own, data[0])
    info = server.call("GET", f"/collections/{own}")
    assert info["status"] == "grey" and info["indexed_vectors_count"] == 0
    assert len(server.call("POST", f"/collections/{own}/points/query", {"query": data[1][0].tolist()})["points"]) == 10
    server.call("PATCH", f"/collections/{own}", {"optimizers_config": {"max_optimization_threads": "auto"}})
    server.wait_indexed(own, POINTS)


def test_index_survives_restart(tmp_path, data):
    """After a clean stop indexes are opened, not built: green at once, all points in them."""
    server = Server(tmp_path / "data").start()
    try:
        for index in ("hnsw", "ivfpq"):
            server.call("PUT", f"/collections/{index}", {"vectors": {"size": DIM, "distance": "Cosine", "index": index},
                                                         "quantization_config": {"scalar": {"type": "int8"}}, **SMALL})
            load(server, index, data[0])
            server.wait_indexed(index, POINTS)
        assert server.stop() == 0
        server.start()
        for index in ("hnsw", "ivfpq"):
            info = server.call("GET", f"/collections/{index}")
            assert info["status"] == "green" and info["indexed_vectors_count"] == POINTS
            page = server.call("GET", f"/collections/{index}/optimizations?with=completed")
            assert page["completed"] == []
    finally:
        server.kill()


def test_index_on_disk(server, client, make, data):
    """An index that is to be on disk moves to its file while searches run, answers as before, and takes new points."""
    own = make(vectors={"index": "hnsw", "on_disk": True},
               hnsw_config={"on_disk": True, "full_scan_threshold": 10},
               quantization_config={"scalar": {"type": "int8"}})
    recall_and_scores(client, own, data[1], floor=0.95)
    maps = pathlib.Path(f"/proc/{server.process.pid}/maps")
    until = time.monotonic() + 20
    while ".index" not in maps.read_text():
        assert time.monotonic() < until
        time.sleep(0.05)
    server.call("PUT", f"/collections/{own}/points?wait=true", {"points": [
        {"id": POINTS + i, "vector": row.tolist()} for i, row in enumerate(data[1])]})
    server.wait_indexed(own, POINTS + len(data[1]))
    for i, row in enumerate(data[1]):
        assert client.query_points(own, query=row.tolist(), limit=1).points[0].id == POINTS + i
