"""Collections: create, read, change, list, drop; what is echoed of their configuration."""
import pytest
from harness import client, collection, name, server  # noqa: F401 (fixtures)
from qdrant_client import models
from qdrant_client.http.exceptions import UnexpectedResponse


def test_create_reports_the_configuration(client, name):
    """What was asked for at creation is what the collection's page says, with the contract's defaults for the rest."""
    assert client.create_collection(name, models.VectorParams(size=4, distance=models.Distance.COSINE)) is True
    info = client.get_collection(name)
    assert info.status == models.CollectionStatus.GREEN
    assert info.optimizer_status == models.OptimizersStatusOneOf.OK
    assert info.points_count == 0 and info.payload_schema == {}
    assert info.config.params.vectors.size == 4
    assert info.config.params.vectors.distance == models.Distance.COSINE
    assert info.config.params.shard_number == 1 and info.config.params.replication_factor == 1
    assert info.config.hnsw_config.m == 16 and info.config.hnsw_config.ef_construct == 100
    assert client.delete_collection(name) is True


def test_create_with_every_option(client, name):
    """All options are accepted and echoed."""
    client.create_collection(
        name,
        vectors_config={
            "image": models.VectorParams(size=8, distance=models.Distance.DOT, datatype=models.Datatype.FLOAT16,
                                         on_disk=True, hnsw_config=models.HnswConfigDiff(m=8, ef_construct=32)),
            "text": models.VectorParams(size=2, distance=models.Distance.MANHATTAN, datatype=models.Datatype.UINT8)},
        hnsw_config=models.HnswConfigDiff(m=24, ef_construct=77, full_scan_threshold=1000, payload_m=5),
        optimizers_config=models.OptimizersConfigDiff(indexing_threshold=500, deleted_threshold=0.3, flush_interval_sec=7,
                                                      default_segment_number=2, vacuum_min_vector_number=200),
        wal_config=models.WalConfigDiff(wal_capacity_mb=16), on_disk_payload=True, metadata={"owner": "me", "n": [1, 2]})
    config = client.get_collection(name).config
    assert config.params.vectors["image"].datatype == models.Datatype.FLOAT16
    assert config.params.vectors["image"].on_disk is True
    assert config.params.vectors["image"].hnsw_config.m == 8
    assert config.params.vectors["text"].distance == models.Distance.MANHATTAN
    assert config.hnsw_config.m == 24 and config.hnsw_config.ef_construct == 77 and config.hnsw_config.payload_m == 5
    assert config.hnsw_config.full_scan_threshold == 1000
    assert config.optimizer_config.indexing_threshold == 500 and config.optimizer_config.flush_interval_sec == 7
    assert config.optimizer_config.deleted_threshold == pytest.approx(0.3)
    assert config.wal_config.wal_capacity_mb == 16
    assert config.params.on_disk_payload is True
    assert config.metadata == {"owner": "me", "n": [1, 2]}
    client.delete_collection(name)


def test_list_and_exists(client, name):
    """A collection is listed and exists from its creation to its end."""
    assert client.collection_exists(name) is False
    client.create_collection(name, models.VectorParams(size=1, distance=models.Distance.DOT))
    assert name in [c.name for c in client.get_collections().collections]
    assert client.collection_exists(name) is True
    client.delete_collection(name)
    assert name not in [c.name for c in client.get_collections().collections]
    assert client.collection_exists(name) is False


def test_names_with_unusual_letters(server, client):
    """Names are kept as given; what a path cannot hold is percent-encoded by the client."""
    for odd in ("with space", "ümlaut-日本", "a.b-c_d~1"):
        client.create_collection(odd, models.VectorParams(size=1, distance=models.Distance.DOT))
        assert odd in [c.name for c in client.get_collections().collections]
        client.delete_collection(odd)


def test_create_twice_is_a_conflict(client, collection):
    """A second creation under the same name is refused and changes nothing."""
    own = collection({"size": 4, "distance": "Dot"})
    with pytest.raises(UnexpectedResponse) as caught:
        client.create_collection(own, models.VectorParams(size=9, distance=models.Distance.COSINE))
    assert caught.value.status_code == 409
    assert b"Wrong input: Collection `" + own.encode() + b"` already exists" in caught.value.content
    assert client.get_collection(own).config.params.vectors.size == 4


def test_drop_of_a_missing_collection(server, client):
    """Dropping what is not there is answered with false, not with an error."""
    assert client.delete_collection("never-there") is False
    assert server.request("DELETE", "/collections/never-there")[0] == 200


def test_missing_collection_is_not_found(server):
    """Every operation on a collection that is not there says so with 404."""
    for method, path, body in (("GET", "", None), ("POST", "/points/scroll", {}), ("POST", "/points/count", {}),
                               ("POST", "/points/query", {"query": [1.0]}), ("GET", "/points/1", None),
                               ("PUT", "/points", {"points": [{"id": 1, "vector": [1.0]}]}),
                               ("PATCH", "", {"optimizers_config": {"indexing_threshold": 1}})):
        status, text = server.request(method, "/collections/absent" + path, body)
        assert status == 404, (method, path, status, text)
        assert "absent" in text and "Not found: Collection" in text


def test_update(client, collection):
    """PATCH changes what it names and leaves the rest."""
    own = collection({"a": {"size": 4, "distance": "Dot"}}, metadata={"x": 1, "y": 2})
    client.update_collection(own, optimizers_config=models.OptimizersConfigDiff(indexing_threshold=123))
    client.update_collection(own, hnsw_config=models.HnswConfigDiff(ef_construct=55))
    client.update_collection(own, vectors_config={"a": models.VectorParamsDiff(
        hnsw_config=models.HnswConfigDiff(m=33))}, collection_params=models.CollectionParamsDiff(on_disk_payload=False))
    config = client.get_collection(own).config
    assert config.optimizer_config.indexing_threshold == 123
    assert config.hnsw_config.ef_construct == 55 and config.hnsw_config.m == 16
    assert config.params.vectors["a"].hnsw_config.m == 33 and config.params.vectors["a"].size == 4
    assert config.params.on_disk_payload is False
    assert config.metadata == {"x": 1, "y": 2}


def test_same_name_again_is_empty(client, name):
    """A new collection under a dropped one's name has none of its points, whatever its shape."""
    for size in (3, 5):
        client.create_collection(name, models.VectorParams(size=size, distance=models.Distance.EUCLID))
        assert client.count(name).count == 0
        client.upsert(name, [models.PointStruct(id=i, vector=[1.0] * size, payload={"k": i}) for i in range(20)])
        assert client.count(name).count == 20
        client.delete_collection(name)


def test_many_collections(client, name):
    """Collections do not see each other's points."""
    names = [f"{name}-{i}" for i in range(12)]
    for i, one in enumerate(names):
        client.create_collection(one, models.VectorParams(size=2, distance=models.Distance.DOT))
        client.upsert(one, [models.PointStruct(id=p, vector=[p, i]) for p in range(i + 1)])
    for i, one in enumerate(names):
        assert client.count(one).count == i + 1
        client.delete_collection(one)


def test_collection_without_dense_vectors(client, name):
    """A collection may have no dense vectors; points are then payload alone."""
    client.create_collection(name, vectors_config={})
    client.upsert(name, [models.PointStruct(id=1, vector={}, payload={"a": 1})])
    assert client.retrieve(name, [1])[0].payload == {"a": 1}
    client.delete_collection(name)


def test_optimizations(server, collection):
    """The optimizations page answers for an idle collection."""
    own = collection({"size": 4, "distance": "Dot"})
    assert isinstance(server.call("GET", f"/collections/{own}/optimizations"), dict)


def test_finished_work_is_told(server, collection):
    """A graph that was built appears under completed work, with times and counts; limits are honoured."""
    own = collection({"size": 8, "distance": "Dot"}, optimizers_config={"indexing_threshold": 1})
    server.call("PUT", f"/collections/{own}/points?wait=true", {"points": [
        {"id": i, "vector": [float((i * k) % 17) for k in range(1, 9)]} for i in range(500)]})
    server.wait_indexed(own)
    page = server.call("GET", f"/collections/{own}/optimizations?with=completed,queued,idle_segments")
    assert page["running"] == [] and page["queued"] == []
    assert page["idle_segments"][0]["points_count"] == 500
    work = page["completed"][-1]
    assert work["optimizer"] == "indexing" and work["status"] == "done"
    assert sum(w["progress"]["done"] for w in page["completed"]) == 500
    assert work["progress"]["finished_at"] >= work["progress"]["started_at"]
    assert "completed" not in server.call("GET", f"/collections/{own}/optimizations")
    assert len(server.call("GET", f"/collections/{own}/optimizations?with=completed&completed_limit=1")["completed"]) == 1
