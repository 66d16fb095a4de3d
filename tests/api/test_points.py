"""Points: ids, upsert in its forms, reading, deleting."""
import uuid

import pytest
from harness import client, collection, name, server  # noqa: F401 (fixtures)
from qdrant_client import models
from qdrant_client.http.exceptions import UnexpectedResponse

DOT2 = {"size": 2, "distance": "Dot"}


def ids_of(client, own, **rest):
    return [p.id for p in client.scroll(own, limit=1000, **rest)[0]]


def test_ids_of_both_kinds(client, server, collection):
    """Numbers up to 2^64-1 and UUIDs in three written forms; UUIDs come back hyphenated; numbers come first in order."""
    own = collection(DOT2)
    one = uuid.UUID("936da01f-9abd-4d9d-80c7-02af85c822a8")
    client.upsert(own, [models.PointStruct(id=i, vector=[1, 1]) for i in (0, 1, 2**63, 2**64 - 1)])
    for form in (str(one), one.hex, one.urn):
        server.call("PUT", f"/collections/{own}/points?wait=true", {"points": [{"id": form, "vector": [1.0, 2.0]}]})
        assert client.count(own).count == 5
        assert client.retrieve(own, [form])[0].id == str(one)
        assert server.call("GET", f"/collections/{own}/points/{form}")["id"] == str(one)
    assert ids_of(client, own) == [0, 1, 2**63, 2**64 - 1, str(one)]
    assert server.call("GET", f"/collections/{own}/points/18446744073709551615")["id"] == 2**64 - 1


def test_upsert_replaces_wholly(client, collection):
    """A second upsert of an id leaves nothing of the first: neither payload keys nor named vectors."""
    own = collection({"a": DOT2, "b": DOT2})
    client.upsert(own, [models.PointStruct(id=1, vector={"a": [1, 2], "b": [3, 4]}, payload={"x": 1, "y": 2})])
    client.upsert(own, [models.PointStruct(id=1, vector={"a": [5, 6]}, payload={"z": 3})])
    point = client.retrieve(own, [1], with_vectors=True)[0]
    assert point.payload == {"z": 3} and point.vector == {"a": [5, 6]}


def test_columnar_batch(client, server, collection):
    """The columnar form says the same as the list of points."""
    own = collection(DOT2)
    client.upsert(own, models.Batch(ids=[1, 2, 3], vectors=[[1, 0], [0, 1], [1, 1]], payloads=[{"k": 1}, {}, {"k": 3}]))
    found = {p.id: p for p in client.retrieve(own, [1, 2, 3], with_vectors=True)}
    assert found[1].vector == [1, 0] and found[3].payload == {"k": 3} and not found[2].payload
    named = collection({"a": DOT2, "b": DOT2})
    client.upsert(named, models.Batch(ids=[1, 2], vectors={"a": [[1, 0], [0, 1]], "b": [[2, 2], [3, 3]]}))
    assert client.retrieve(named, [2], with_vectors=True)[0].vector == {"a": [0, 1], "b": [3, 3]}
    for bad in ({"ids": [1, 2], "vectors": [[1, 0]]}, {"ids": [1], "vectors": [[1, 0]], "payloads": [{}, {}]}):
        status, text = server.request("PUT", f"/collections/{own}/points?wait=true", {"batch": bad})
        assert status in (400, 422), text
    assert client.count(own).count == 3


def test_same_id_twice_in_one_request(client, collection):
    """The later one of a list wins."""
    own = collection(DOT2)
    client.upsert(own, [models.PointStruct(id=1, vector=[1, 1], payload={"n": 1}),
                        models.PointStruct(id=2, vector=[1, 1]),
                        models.PointStruct(id=1, vector=[9, 9], payload={"n": 2})])
    point = client.retrieve(own, [1], with_vectors=True)[0]
    assert point.payload == {"n": 2} and point.vector == [9, 9]
    assert client.count(own).count == 2


def test_wait_and_operation_ids(server, collection):
    """wait=true answers completed, wait=false acknowledged; operation ids grow."""
    own = collection(DOT2)
    seen = []
    for wait, status in (("true", "completed"), ("false", "acknowledged"), ("true", "completed")):
        result = server.call("PUT", f"/collections/{own}/points?wait={wait}", {"points": [{"id": 1, "vector": [1, 2]}]})
        assert result["status"] == status
        seen.append(result["operation_id"])
    assert seen == sorted(set(seen))
    for ordering in ("weak", "medium", "strong"):
        server.call("PUT", f"/collections/{own}/points?wait=true&ordering={ordering}&timeout=5",
                    {"points": [{"id": 1, "vector": [1, 2]}]})


def test_get_with_selectors(client, server, collection):
    """with_payload and with_vector in every form."""
    own = collection({"a": DOT2, "b": DOT2})
    payload = {"x": 1, "y": {"z": 2, "w": [1, {"q": 3, "r": 4}]}, "t": "s"}
    client.upsert(own, [models.PointStruct(id=1, vector={"a": [1, 2], "b": [3, 4]}, payload=payload)])

    def get(**selectors):
        return server.call("POST", f"/collections/{own}/points", {"ids": [1], **selectors})[0]

    assert get()["payload"] == payload and "vector" not in get()
    assert not get(with_payload=False).get("payload")
    assert get(with_payload=True)["payload"] == payload
    assert get(with_payload=["x"])["payload"] == {"x": 1}
    assert get(with_payload=["y.z", "t"])["payload"] == {"y": {"z": 2}, "t": "s"}
    assert get(with_payload={"include": ["x", "t"]})["payload"] == {"x": 1, "t": "s"}
    assert get(with_payload={"exclude": ["y"]})["payload"] == {"x": 1, "t": "s"}
    assert get(with_payload={"exclude": ["y.w"]})["payload"] == {"x": 1, "y": {"z": 2}, "t": "s"}
    assert get(with_payload=["absent"])["payload"] == {}
    assert get(with_vector=True)["vector"] == {"a": [1, 2], "b": [3, 4]}
    assert get(with_vector=["b"])["vector"] == {"b": [3, 4]}
    assert "vector" not in get(with_vector=False)


def test_get_misses(server, client, collection):
    """One missing point is 404; missing ones of a list are left out; the list keeps the order asked for."""
    own = collection(DOT2)
    client.upsert(own, [models.PointStruct(id=i, vector=[i, i]) for i in (1, 2, 3)])
    status, text = server.request("GET", f"/collections/{own}/points/9")
    assert status == 404 and "Not found: " in text and "9" in text
    assert {p.id for p in client.retrieve(own, [3, 9, 1])} == {1, 3}
    assert client.retrieve(own, []) == []


def test_delete_by_ids(client, collection):
    """Deleted points are gone from every kind of read; deleting what is not there is no error."""
    own = collection(DOT2)
    client.upsert(own, [models.PointStruct(id=i, vector=[i, 1]) for i in range(10)])
    client.delete(own, models.PointIdsList(points=[1, 3, 99]))
    assert ids_of(client, own) == [0, 2, 4, 5, 6, 7, 8, 9]
    assert client.count(own).count == 8 and client.retrieve(own, [1, 3]) == []
    assert not {1, 3} & {p.id for p in client.query_points(own, [1, 1], limit=20).points}
    client.upsert(own, [models.PointStruct(id=3, vector=[50, 50])])
    assert client.query_points(own, [1, 1], limit=1).points[0].id == 3


def test_delete_by_filter(client, collection):
    """Deletes exactly what the filter selects."""
    own = collection(DOT2)
    client.upsert(own, [models.PointStruct(id=i, vector=[i, 1], payload={"g": i % 3}) for i in range(12)])
    client.delete(own, models.FilterSelector(filter=models.Filter(
        must=[models.FieldCondition(key="g", match=models.MatchValue(value=1))])))
    assert ids_of(client, own) == [i for i in range(12) if i % 3 != 1]
    client.delete(own, models.FilterSelector(filter=models.Filter(must_not=[models.HasIdCondition(has_id=[0, 2])])))
    assert ids_of(client, own) == [0, 2]


def test_update_modes(client, server, collection):
    """insert_only leaves existing points, update_only makes no new ones."""
    own = collection(DOT2)
    client.upsert(own, [models.PointStruct(id=1, vector=[1, 1], payload={"v": 1})])
    both = [{"id": 1, "vector": [2, 2], "payload": {"v": 2}}, {"id": 2, "vector": [2, 2], "payload": {"v": 2}}]
    path = f"/collections/{own}/points?wait=true"
    server.call("PUT", path, {"points": both, "update_mode": "insert_only"})
    assert {p.id: p.payload["v"] for p in client.scroll(own)[0]} == {1: 1, 2: 2}
    for point in both:
        point["payload"] = {"v": 3}
    server.call("PUT", path, {"points": both + [{"id": 3, "vector": [2, 2]}], "update_mode": "update_only"})
    assert {p.id: p.payload["v"] for p in client.scroll(own)[0]} == {1: 3, 2: 3}
    server.call("PUT", path, {"points": both + [{"id": 3, "vector": [2, 2], "payload": {"v": 4}}], "update_mode": "upsert"})
    assert {p.id: p.payload["v"] for p in client.scroll(own)[0]} == {1: 3, 2: 3, 3: 4}


def test_update_filter(client, collection):
    """update_filter: existing points change only if they match, new ones are made."""
    own = collection(DOT2)
    client.upsert(own, [models.PointStruct(id=i, vector=[1, 1], payload={"version": i}) for i in (1, 2, 3)])
    client.upsert(own, [models.PointStruct(id=i, vector=[2, 2], payload={"version": 10}) for i in (1, 2, 3, 4)],
                  update_filter=models.Filter(must=[models.FieldCondition(key="version", range=models.Range(lt=3))]))
    assert {p.id: p.payload["version"] for p in client.scroll(own)[0]} == {1: 10, 2: 10, 3: 3, 4: 10}


def test_large_batch(client, collection):
    """Thousands of points in one request, all there, all right."""
    own = collection({"size": 16, "distance": "Dot"})
    client.upsert(own, [models.PointStruct(id=i, vector=[i / 10] * 16, payload={"i": i}) for i in range(5000)])
    assert client.count(own).count == 5000
    for i in (0, 1234, 4999):
        point = client.retrieve(own, [i], with_vectors=True)[0]
        assert point.payload == {"i": i} and point.vector == pytest.approx([i / 10] * 16, rel=1e-6)


def test_empty_lists(client, server, collection):
    """An upsert without points is refused or does nothing, and is no fault of the server."""
    own = collection(DOT2)
    status, _ = server.request("PUT", f"/collections/{own}/points?wait=true", {"points": []})
    assert status in (200, 400, 422)
    server.call("POST", f"/collections/{own}/points/delete?wait=true", {"points": []})
    assert client.count(own).count == 0


def test_scored_points_carry_a_version(client, collection):
    """The version of a point grows with each write to it."""
    own = collection(DOT2)
    client.upsert(own, [models.PointStruct(id=1, vector=[1, 1])])
    first = client.query_points(own, [1, 1]).points[0].version
    client.set_payload(own, {"a": 1}, [1])
    assert client.query_points(own, [1, 1]).points[0].version > first


def test_unknown_vector_name(client, collection):
    """A vector name that the collection does not have is refused by name."""
    own = collection({"a": DOT2})
    with pytest.raises(UnexpectedResponse) as caught:
        client.upsert(own, [models.PointStruct(id=1, vector={"zz": [1, 2]})])
    assert caught.value.status_code == 400 and b"Not existing vector name error: zz" in caught.value.content
    assert client.count(own).count == 0
