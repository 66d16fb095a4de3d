"""Many tenants in one collection: a tenant sees its own points, all of them, at the price of its own size."""
import numpy as np
import pytest
from harness import client, collection, name, server  # noqa: F401 (fixtures)
from qdrant_client import models

TENANTS, EACH, DIM = 2000, 12, 8


def only(tenant):
    return models.Filter(must=[models.FieldCondition(key="tenant", match=models.MatchValue(value=f"t{tenant}"))])


@pytest.fixture(scope="module")
def rows():
    return np.random.default_rng(8).normal(size=(TENANTS * EACH, DIM)).astype(np.float32)


def test_a_tenant_among_many(server, client, collection, rows):
    own = collection({"size": DIM, "distance": "Euclid"}, optimizers_config={"indexing_threshold": 100},
                     hnsw_config={"full_scan_threshold": 10})
    client.create_payload_index(own, "tenant", models.KeywordIndexParams(type="keyword", is_tenant=True))
    for at in range(0, len(rows), 2000):
        client.upsert(own, models.Batch(ids=list(range(at, at + 2000)), vectors=rows[at:at + 2000].tolist(),
                                        payloads=[{"tenant": f"t{i % TENANTS}"} for i in range(at, at + 2000)]))
    server.wait_indexed(own, len(rows))
    random = np.random.default_rng(9)
    for tenant in random.integers(0, TENANTS, 40).tolist():
        mine = np.arange(tenant, len(rows), TENANTS)
        query = random.normal(size=DIM)
        wanted = mine[np.argsort(((rows[mine] - query) ** 2).sum(1), kind="stable")]
        got = client.query_points(own, query=query.tolist(), query_filter=only(tenant), limit=100).points
        assert [p.id for p in got] == wanted.tolist()
        assert client.count(own, only(tenant)).count == EACH
    answer = server.request("POST", f"/collections/{own}/points/query", {
        "query": rows[0].tolist(), "limit": 10, "explain": True, "filter": {"must": [{"key": "tenant", "match": {"value": "t0"}}]}})
    assert answer[0] == 200
    facets = client.facet(own, "tenant", limit=TENANTS + 1).hits
    assert len(facets) == TENANTS and all(h.count == EACH for h in facets)
    client.delete(own, models.FilterSelector(filter=only(7)))
    assert client.count(own, only(7)).count == 0 and client.count(own).count == len(rows) - EACH
