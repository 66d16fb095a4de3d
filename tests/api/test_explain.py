"""`explain` tells how a query was answered, and changes nothing else."""
import numpy as np
import pytest
from harness import client, collection, name, server  # noqa: F401 (fixtures)

DIM, POINTS = 16, 6000


@pytest.fixture
def own(server, collection):
    made = collection({"size": DIM, "distance": "Euclid", "index": "hnsw"}, optimizers_config={"indexing_threshold": 10},
                      hnsw_config={"full_scan_threshold": 10})
    server.call("PUT", f"/collections/{made}/index?wait=true", {"field_name": "n", "field_schema": "integer"})
    rows = np.random.default_rng(3).normal(size=(POINTS, DIM)).round(4)
    for at in range(0, POINTS, 1000):
        server.call("PUT", f"/collections/{made}/points?wait=true", {"points": [
            {"id": at + i, "vector": row.tolist(), "payload": {"n": at + i}} for i, row in enumerate(rows[at:at + 1000])]})
    server.wait_indexed(made, POINTS)
    return made


def query(server, own, **rest):
    return server.call("POST", f"/collections/{own}/points/query", {"query": [0.1] * DIM, "limit": 5, **rest})


def below(limit):
    return {"must": [{"key": "n", "range": {"lt": limit}}]}


def test_off_by_default_and_changes_nothing(server, own):
    plain, told = query(server, own), query(server, own, explain=True)
    assert set(plain) == {"points"} and set(query(server, own, explain=False)) == {"points"}
    assert told["points"] == plain["points"]


def test_a_small_filter_is_scanned(server, own):
    """The matches are known exactly by the index of the key, and only they are looked at."""
    told = query(server, own, filter=below(40), explain=True)["explain"]
    assert told["points"] == POINTS and told["matches"]["estimated"] == 40 and not told["matches"]["sampled"]
    assert told["steps"][-1]["operator"] in ("scan", "scan_codes") and told["steps"][-1]["compared"] <= 80
    assert set(told["costs_us"]) <= {"scan", "scan_codes", "walk_matches", "index"} and "scan" in told["costs_us"]


def test_no_filter_walks_the_graph(server, own):
    told = query(server, own, explain=True)["explain"]
    assert "matches" not in told and told["tail"] == 0
    assert [s["operator"] for s in told["steps"]] == ["index"] and 0 < told["steps"][0]["took_us"]


def test_exact_is_a_scan(server, own):
    told = query(server, own, params={"exact": True}, explain=True)["explain"]
    assert [s["operator"] for s in told["steps"]] == ["scan"]


def test_refused_in_a_batch(server, own):
    status, text = server.request("POST", f"/collections/{own}/points/query/batch", {
        "searches": [{"query": [0.1] * DIM, "explain": True}]})
    assert status == 400 and "explain" in text
