"""points/batch: mixed operations in one request."""
import pytest
from harness import client, collection, name, server  # noqa: F401 (fixtures)
from qdrant_client import models


def test_operations_in_order(client, collection):
    """All eight kinds, each seeing what those before it did."""
    own = collection({"a": {"size": 2, "distance": "Dot"}, "b": {"size": 2, "distance": "Dot"}})
    vectors = {"a": [1, 1], "b": [2, 2]}
    results = client.batch_update_points(own, [
        models.UpsertOperation(upsert=models.PointsList(points=[
            models.PointStruct(id=i, vector=vectors, payload={"i": i, "x": 1}) for i in range(1, 8)])),
        models.SetPayloadOperation(set_payload=models.SetPayload(payload={"y": 2}, points=[1, 2])),
        models.OverwritePayloadOperation(overwrite_payload=models.SetPayload(payload={"only": True}, points=[2])),
        models.DeletePayloadOperation(delete_payload=models.DeletePayload(keys=["x"], points=[1])),
        models.ClearPayloadOperation(clear_payload=models.PointIdsList(points=[3])),
        models.UpdateVectorsOperation(update_vectors=models.UpdateVectors(points=[
            models.PointVectors(id=4, vector={"a": [9, 9]})])),
        models.DeleteVectorsOperation(delete_vectors=models.DeleteVectors(points=[5], vector=["b"])),
        models.DeleteOperation(delete=models.FilterSelector(filter=models.Filter(
            must=[models.FieldCondition(key="i", range=models.Range(gte=6))]))),
        models.UpsertOperation(upsert=models.PointsBatch(batch=models.Batch(ids=[7], vectors={"a": [[3, 3]]})))])
    assert len(results) == 9
    assert all(r.status == models.UpdateStatus.COMPLETED for r in results)
    found = {p.id: p for p in client.scroll(own, with_vectors=True)[0]}
    assert {i: p.payload for i, p in found.items()} == {
        1: {"i": 1, "y": 2}, 2: {"only": True}, 3: {}, 4: {"i": 4, "x": 1}, 5: {"i": 5, "x": 1}, 7: {}} or \
        {i: p.payload or {} for i, p in found.items()} == {
            1: {"i": 1, "y": 2}, 2: {"only": True}, 3: {}, 4: {"i": 4, "x": 1}, 5: {"i": 5, "x": 1}, 7: {}}
    assert found[4].vector == {"a": [9, 9], "b": [2, 2]} and found[5].vector == {"a": [1, 1]}
    assert found[7].vector == {"a": [3, 3]}


def test_a_bad_operation_is_refused(server, client, collection):
    """A fault anywhere in the request: it is refused before anything is stored, with wait=false too."""
    own = collection({"size": 2, "distance": "Dot"})
    good = {"upsert": {"points": [{"id": 1, "vector": [1.0, 2.0]}]}}
    for wait in ("true", "false"):
        for bad in ({"upsert": {"points": [{"id": 2, "vector": [1.0]}]}}, {"nonsense": {}}, {"delete": {"points": ["x"]}},
                    {"set_payload": {"points": [1]}}, {"delete_vectors": {"points": [1], "vector": ["zz"]}}, {}):
            status, text = server.request("POST", f"/collections/{own}/points/batch?wait={wait}", {"operations": [good, bad]})
            assert 400 <= status < 500, (bad, status, text)
            assert client.count(own).count == 0, bad


def test_empty_batch(server, collection):
    """No operations: nothing to do, an empty list of results."""
    own = collection({"size": 2, "distance": "Dot"})
    status, text = server.request("POST", f"/collections/{own}/points/batch?wait=true", {"operations": []})
    assert status in (200, 400, 422), text


@pytest.mark.parametrize("wait", ["true", "false"])
def test_statuses(server, collection, wait):
    """Each operation has its own status and id."""
    own = collection({"size": 2, "distance": "Dot"})
    result = server.call("POST", f"/collections/{own}/points/batch?wait={wait}", {"operations": [
        {"upsert": {"points": [{"id": 1, "vector": [1.0, 2.0]}]}}, {"delete": {"points": [1]}}]})
    assert [r["status"] for r in result] == ["completed" if wait == "true" else "acknowledged"] * 2
