"""Payload indexes through the public client: every type is created, shown, kept exact by writes of every kind, kept over stops
and crashes, and dropped; bad requests are refused by name. That no answer depends on an index is test_differential.py's."""
import re
import threading
import time

import pytest
from harness import Server, client, collection, name, server  # noqa: F401 (fixtures)
from qdrant_client import models

TYPES = ["keyword", "integer", "float", "geo", "text", "bool", "datetime", "uuid"]
VALUES = {
    "keyword": "red", "integer": 7, "float": 0.5, "geo": {"lon": 13.4, "lat": 52.5}, "text": "a red fox", "bool": True,
    "datetime": "2024-05-01T10:00:00Z", "uuid": "0b1a7f2c-3d4e-4f60-8a91-b2c3d4e5f607",
}


def match(value):
    return models.Filter(must=[models.FieldCondition(key="k", match=models.MatchValue(value=value))])


def wait_filled(server, own, key, points):
    until = time.monotonic() + 60
    while True:
        info = server.call("GET", f"/collections/{own}")
        if info["payload_schema"][key]["points"] == points and info["status"] == "green":
            return info
        assert time.monotonic() < until, info["payload_schema"]
        time.sleep(0.02)


def test_every_type_is_created_shown_and_dropped(server, client, collection):
    own = collection({"size": 2, "distance": "Dot"})
    client.upsert(own, [models.PointStruct(id=i, vector=[1, 0], payload=VALUES) for i in range(1, 4)])
    client.upsert(own, [models.PointStruct(id=9, vector=[1, 0], payload={})])
    for kind in TYPES:
        result = client.create_payload_index(own, kind, kind)
        assert result.status == models.UpdateStatus.COMPLETED and result.operation_id is not None
    info = wait_filled(server, own, "uuid", 3)
    schema = info["payload_schema"]
    assert {k: v["data_type"] for k, v in schema.items()} == {k: k for k in TYPES}
    assert all(v["points"] == 3 for v in schema.values())
    assert set(client.get_collection(own).payload_schema) == set(TYPES)
    metrics = server.request("GET", "/metrics")[1]
    assert int(re.search(r"^sagitta_payload_index_bytes (\d+)", metrics, re.M).group(1)) > 0
    for kind in TYPES:
        client.delete_payload_index(own, kind)
        client.delete_payload_index(own, kind)  # gone already
    assert server.call("GET", f"/collections/{own}")["payload_schema"] == {}


def test_parameters_are_kept_and_shown(server, client, collection):
    own = collection({"size": 2, "distance": "Dot"})
    text = {"type": "text", "tokenizer": "word", "min_token_len": 2, "max_token_len": 20, "lowercase": True,
            "phrase_matching": True, "stopwords": {"languages": ["english"], "custom": ["foo"]},
            "stemmer": {"type": "snowball", "language": "english"}, "ascii_folding": True}
    wanted = {
        "a": {"type": "keyword", "is_tenant": True, "on_disk": True},
        "b": {"type": "integer", "lookup": True, "range": False, "is_principal": True},
        "c": text,
        "d": {"type": "uuid", "is_tenant": True},
        "e": {"type": "datetime", "is_principal": True},
        "f": {"type": "keyword", "prefix": True},
    }
    for key, params in wanted.items():
        server.call("PUT", f"/collections/{own}/index?wait=true", {"field_name": key, "field_schema": params})
    schema = server.call("GET", f"/collections/{own}")["payload_schema"]
    for key, params in wanted.items():
        assert {k: v for k, v in schema[key]["params"].items() if k in params} == params
    assert client.get_collection(own).payload_schema["c"].params.stemmer.language == "english"


@pytest.mark.parametrize("body, said", [
    ({"field_schema": "keyword"}, "field_name"),
    ({"field_name": "", "field_schema": "keyword"}, "field_name"),
    ({"field_name": "k"}, "field_schema"),
    ({"field_name": "k", "field_schema": "number"}, "number"),
    ({"field_name": "k", "field_schema": {"lookup": True}}, "type"),
    ({"field_name": "k", "field_schema": {"type": "integer", "lookup": False, "range": False}}, "lookup"),
    ({"field_name": "k", "field_schema": {"type": "text", "tokenizer": "letters"}}, "letters"),
    ({"field_name": "k", "field_schema": {"type": "text", "min_token_len": 9, "max_token_len": 3}}, "token_len"),
    ({"field_name": "k", "field_schema": {"type": "text", "stemmer": {"type": "snowball", "language": "klingon"}}}, "klingon"),
    ({"field_name": "k", "field_schema": {"type": "text", "stopwords": "klingon"}}, "klingon"),
    ({"field_name": "a..b", "field_schema": "keyword"}, "a..b"),
    ({"field_name": "k", "field_schema": 3}, "payload index"),
])
def test_bad_requests_are_refused_by_name(server, collection, body, said):
    own = collection({"size": 2, "distance": "Dot"})
    status, text = server.request("PUT", f"/collections/{own}/index?wait=true", body)
    assert status in (400, 422) and said in text, text
    assert server.call("GET", f"/collections/{own}")["payload_schema"] == {}


def test_missing_collection(server):
    status, text = server.request("PUT", "/collections/none/index", {"field_name": "k", "field_schema": "keyword"})
    assert status == 404 and "none" in text
    assert server.request("DELETE", "/collections/none/index/k")[0] == 404


def test_kept_exact_by_every_write(server, client, collection):
    """Counts by the index follow upserts, edits in place, overwrites, deletes and moved points."""
    own = collection({"size": 2, "distance": "Dot"})
    client.create_payload_index(own, "k", "keyword")
    client.upsert(own, [models.PointStruct(id=i, vector=[i, 1], payload={"k": "a" if i % 2 else "b"}) for i in range(100)])
    assert client.count(own, match("a")).count == 50
    client.set_payload(own, {"k": "a"}, points=[0, 2])
    assert client.count(own, match("a")).count == 52 and client.count(own, match("b")).count == 48
    client.overwrite_payload(own, {"k": ["a", "b"]}, points=[1])
    assert client.count(own, match("a")).count == 52 and client.count(own, match("b")).count == 49
    client.delete_payload(own, ["k"], points=[3])
    client.clear_payload(own, points_selector=[5])
    assert client.count(own, match("a")).count == 50
    client.delete(own, [7, 9])
    assert client.count(own, match("a")).count == 48
    client.upsert(own, [models.PointStruct(id=11, vector=[0, 1], payload={"k": "c"})])
    assert client.count(own, match("a")).count == 47 and client.count(own, match("c")).count == 1
    client.delete(own, models.FilterSelector(filter=match("a")))
    assert client.count(own, match("a")).count == 0
    client.batch_update_points(own, [  # operations of one batch see each other
        models.SetPayloadOperation(set_payload=models.SetPayload(payload={"k": "d"}, filter=match("b"))),
        models.DeleteOperation(delete=models.FilterSelector(filter=match("c"))),
        models.SetPayloadOperation(set_payload=models.SetPayload(payload={"k": "e"}, filter=match("d"))),
    ])
    assert [client.count(own, match(k)).count for k in "bcde"] == [0, 0, 0, 48]


def test_created_beside_writes_and_searches(server, client, collection):
    """No answer is ever wrong while an index is made on a collection that changes."""
    own = collection({"size": 2, "distance": "Dot"})
    points = 20000
    for at in range(0, points, 1000):
        client.upsert(own, [models.PointStruct(id=i, vector=[1, 0], payload={"k": i % 10, "n": i}) for i in range(at, at + 1000)])
    stop, faults = threading.Event(), []

    def ask():
        while not stop.is_set():
            got = client.count(own, match(3)).count
            if got != points // 10:
                faults.append(got)

    def write():  # edits that keep every count as it is
        mine = server.client()
        while not stop.is_set():
            mine.set_payload(own, {"m": time.time()}, points=list(range(0, 200)))

    threads = [threading.Thread(target=ask), threading.Thread(target=write)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        client.create_payload_index(own, "k", "integer")
        wait_filled(server, own, "k", points)
        client.delete_payload_index(own, "k")
    stop.set()
    for thread in threads:
        thread.join()
    assert not faults, faults[:5]


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_kept_over_a_restart(tmp_path, end):
    running = Server(tmp_path / "data").start()
    client = running.client()
    client.create_collection("c", models.VectorParams(size=2, distance=models.Distance.DOT))
    client.create_payload_index("c", "k", "keyword")
    client.create_payload_index("c", "n", models.IntegerIndexParams(type="integer", lookup=True, range=True))
    for at in range(0, 12000, 2000):
        client.upsert("c", [models.PointStruct(id=i, vector=[1, 0], payload={"k": str(i % 7), "n": i}) for i in range(at, at + 2000)])
    client.delete("c", list(range(0, 700)))
    client.set_payload("c", {"k": "x"}, points=list(range(700, 707)))
    wanted = [client.count("c", match(str(k))).count for k in range(7)]
    client.close()
    if end == "stop":
        assert running.stop() == 0
    else:
        running.kill()
    running.start()
    client = running.client()
    assert [client.count("c", match(str(k))).count for k in range(7)] == wanted
    info = wait_filled(running, "c", "n", 11300)
    assert info["payload_schema"]["k"] == {"data_type": "keyword", "points": 11300}
    assert [client.count("c", match(str(k))).count for k in range(7)] == wanted
    assert client.count("c", match("x")).count == 7
    between = models.Filter(must=[models.FieldCondition(key="n", range=models.Range(gte=900, lt=1000))])
    assert client.count("c", between).count == 100
    client.delete("c", models.FilterSelector(filter=between))
    assert client.count("c").count == 11200
    client.close()
    assert running.stop() == 0


def test_an_image_of_another_state_or_damaged_is_filled_anew(tmp_path):
    running = Server(tmp_path / "data").start()
    running.call("PUT", "/collections/c", {"vectors": {"size": 2, "distance": "Dot"}})
    running.call("PUT", "/collections/c/index?wait=true", {"field_name": "k", "field_schema": "integer"})
    for at in range(0, 12000, 2000):
        running.call("PUT", "/collections/c/points?wait=true", {"points": [
            {"id": i, "vector": [1, 0], "payload": {"k": i % 5}} for i in range(at, at + 2000)]})
    assert running.stop() == 0
    image = next((tmp_path / "data").rglob("fields.image"))
    bytes_ = bytearray(image.read_bytes())
    bytes_[len(bytes_) // 2] ^= 0x40
    image.write_bytes(bytes_)
    running.start()
    assert "filled anew" in running.log()
    wait_filled(running, "c", "k", 12000)
    body = {"filter": {"must": [{"key": "k", "match": {"value": 2}}]}}
    assert running.call("POST", "/collections/c/points/count", body)["count"] == 2400
    assert running.stop() == 0


def test_uuids_are_one_value_however_written(server, client, collection):
    """Facets of a key with a uuid index tell UUIDs hyphenated; equality stays that of strings, as without an index."""
    own = collection({"size": 2, "distance": "Dot"})
    ways = ["0b1a7f2c-3d4e-4f60-8a91-b2c3d4e5f607", "0b1a7f2c3d4e4f608a91b2c3d4e5f607", "0B1A7F2C-3D4E-4F60-8A91-B2C3D4E5F607"]
    client.upsert(own, [models.PointStruct(id=i, vector=[1, 0], payload={"k": way}) for i, way in enumerate(ways)])
    client.create_payload_index(own, "k", "uuid")
    wait_filled(server, own, "k", 3)
    assert [(h.value, h.count) for h in client.facet(own, "k").hits] == [(ways[0], 3)]
    assert [client.count(own, match(way)).count for way in ways] == [1, 1, 1]


def test_a_blank_key_is_refused(server, client, collection):
    own = collection({"size": 2, "distance": "Dot"})
    client.upsert(own, [models.PointStruct(id=1, vector=[1, 0], payload={"a": 1})])
    status, text = server.request("POST", f"/collections/{own}/points/payload?wait=true", {"payload": {"b": 2}, "points": [1], "key": ""})
    assert status == 400, text
    assert client.retrieve(own, [1])[0].payload == {"a": 1}
