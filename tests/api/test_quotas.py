"""Quotas of the node: read and replaced through the public client's generated calls, kept over restarts, enforced on updates."""
import json
import time

import pytest
from harness import Server
from qdrant_client import models
from qdrant_client.http.exceptions import UnexpectedResponse

VECTORS = {"size": 4, "distance": "Dot"}
POINTS = {"points": [{"id": 1, "vector": [1, 2, 3, 4]}]}
NONE = {"enabled": False, "max_resident_memory_percent": None, "max_disk_usage_percent": None,
        "release_margin_percent": None}


@pytest.fixture
def server(tmp_path):
    running = Server(tmp_path / "data").start()
    yield running
    assert running.stop() == 0


def put(server, **quotas):
    assert server.call("PUT", "/quotas", quotas) is True


def refused(server, method, path, body, *words):
    status, text = server.request(method, path, body)
    assert status == 507, (status, text)
    error = json.loads(text)["status"]["error"]
    assert error.startswith("Insufficient storage: ") and "Help: " in error
    for word in words:
        assert word in error, error


def test_get_and_put(server):
    client = server.client()
    api = client.http.quotas_api
    status = api.get_quotas().result
    assert status.config == models.QuotaConfig(**NONE)
    assert 0 <= status.usage.resident_memory_percent <= 100 and 0 <= status.usage.disk_usage_percent <= 100
    config = models.QuotaConfig(enabled=True, max_resident_memory_percent=90, max_disk_usage_percent=99,
                                release_margin_percent=0)
    assert api.update_quotas(wait=True, quota_config=config).result is True
    assert api.get_quotas().result.config == config
    # The new ones take the place of the old ones whole.
    put(server, max_disk_usage_percent=98)
    assert server.call("GET", "/quotas")["config"] == {**NONE, "max_disk_usage_percent": 98}
    put(server)
    assert server.call("GET", "/quotas")["config"] == NONE
    client.close()


@pytest.mark.parametrize("body", [
    {"max_resident_memory_percent": 0}, {"max_resident_memory_percent": 101}, {"max_disk_usage_percent": 0},
    {"max_disk_usage_percent": 101}, {"release_margin_percent": 101}, {"release_margin_percent": -1}, {"enabled": 1},
    {"max_disk_usage_percent": "50"}, {"max_disk_usage_percent": 50.5}, [], "x"])
def test_bad_quotas(server, body):
    put(server, enabled=True, max_disk_usage_percent=100)
    status, text = server.request("PUT", "/quotas", json.dumps(body))
    assert status in (400, 422), text
    assert server.call("GET", "/quotas")["config"] == {**NONE, "enabled": True, "max_disk_usage_percent": 100}


def test_kept_over_restarts(server):
    quotas = {"enabled": True, "max_resident_memory_percent": 97, "max_disk_usage_percent": 98, "release_margin_percent": 7}
    put(server, **quotas)
    server.kill()  # from the log
    server.start()
    assert server.call("GET", "/quotas")["config"] == quotas
    assert server.stop() == 0  # from storage
    server.start()
    assert server.call("GET", "/quotas")["config"] == quotas


def test_disk(server):
    """At its limit updates that grow are refused, reads and deletes are not; a limit above lets all pass."""
    server.call("PUT", "/collections/c", {"vectors": VECTORS})
    path = "/collections/c/points"
    server.call("PUT", path + "?wait=true", POINTS)
    used = server.call("GET", "/quotas")["usage"]["disk_usage_percent"]
    assert 0 < used < 95, "this test needs a disk that is neither empty nor full"
    put(server, enabled=True, max_disk_usage_percent=used, release_margin_percent=1)
    words = ("Disk", f"max_disk_usage_percent = {used}", f"{used - 1} %" if used > 1 else "%")
    for wait in ("true", "false"):
        more = {"points": [{"id": 2, "vector": [1, 2, 3, 4]}]}
        refused(server, "PUT", f"{path}?wait={wait}", more, *words)
        refused(server, "POST", f"{path}/payload?wait={wait}", {"payload": {"a": 1}, "points": [1]}, *words)
        refused(server, "PUT", f"{path}/payload?wait={wait}", {"payload": {"a": 1}, "points": [1]}, *words)
        refused(server, "PUT", f"{path}/vectors?wait={wait}", POINTS, *words)
        refused(server, "POST", f"{path}/batch?wait={wait}", {"operations": [
            {"delete": {"points": [1]}}, {"upsert": more}]}, *words)
        refused(server, "PUT", f"/collections/c/index?wait={wait}", {"field_name": "a", "field_schema": "keyword"}, *words)
    assert server.call("POST", path + "/count", {})["count"] == 1
    assert len(server.call("POST", path + "/query", {"query": [1, 1, 1, 1]})["points"]) == 1
    server.call("POST", path + "/payload/delete?wait=true", {"keys": ["a"], "points": [1]})
    server.call("POST", path + "/batch?wait=true", {"operations": [{"delete": {"points": [1]}}]})
    assert server.call("POST", path + "/count", {})["count"] == 0
    put(server, enabled=True, max_disk_usage_percent=used + 4, release_margin_percent=0)
    server.call("PUT", path + "?wait=true", POINTS)
    put(server, enabled=False, max_disk_usage_percent=used)
    server.call("PUT", path + "?wait=true", POINTS)


def test_the_clients_see_507(server):
    client = server.client()
    client.create_collection("c", models.VectorParams(size=4, distance=models.Distance.DOT))
    put(server, enabled=True, max_disk_usage_percent=1)
    with pytest.raises(UnexpectedResponse) as caught:
        client.upsert("c", [models.PointStruct(id=1, vector=[1.0, 2.0, 3.0, 4.0])])
    assert caught.value.status_code == 507
    client.close()


def test_memory(server):
    """Vectors fill the memory up to the smallest quota there is; deleting the collection frees it again. Also the limit of a
    collection in strict mode, which refuses in its own words."""
    dim = 65536
    server.call("PUT", "/collections/c", {"vectors": {"size": dim, "distance": "Dot"}})
    server.call("PUT", "/collections/s", {"vectors": VECTORS, "strict_mode_config": {
        "enabled": True, "max_resident_memory_percent": 1}})
    put(server, enabled=True, max_resident_memory_percent=2, release_margin_percent=1)
    vector = "[" + ",".join("1" for _ in range(dim)) + "]"
    server.call("PUT", "/collections/s/points?wait=true", POINTS)
    deadline = time.monotonic() + 120
    status, first = 200, 0
    while status == 200:
        assert time.monotonic() < deadline, server.call("GET", "/quotas")
        body = '{"points":[' + ",".join(f'{{"id":{first + i},"vector":{vector}}}' for i in range(200)) + "]}"
        status, text = server.request("PUT", "/collections/c/points?wait=true", body)
        first += 200
    assert status == 507 and "max_resident_memory_percent = 2" in text, text
    assert server.call("GET", "/quotas")["usage"]["resident_memory_percent"] >= 2
    status, text = server.request("PUT", "/collections/s/points?wait=true", POINTS)
    assert status == 400 and "max_resident_memory_percent" in text and "> 1" in text, text
    server.call("PATCH", "/collections/s", {"strict_mode_config": {"max_resident_memory_percent": 100}})
    refused(server, "PUT", "/collections/s/points?wait=true", POINTS, "max_resident_memory_percent = 2")
    put(server, enabled=True, max_resident_memory_percent=100)
    server.call("PUT", "/collections/s/points?wait=true", POINTS)


def test_telemetry(server):
    put(server, enabled=True, max_disk_usage_percent=1)
    quota = server.call("GET", "/telemetry")["quota"]
    assert quota["config"]["max_disk_usage_percent"] == 1
    assert quota["exceeded"] == {"resident_memory": None, "disk_usage": True}


def test_keys(tmp_path):
    """Who may only read sees the quotas and does not change them."""
    server = Server(tmp_path / "data", service__api_key="all", service__read_only_api_key="read").start()
    try:
        assert server.request("GET", "/quotas", headers={"api-key": "read"})[0] == 200
        assert server.request("PUT", "/quotas", {}, headers={"api-key": "read"})[0] == 403
        assert server.request("DELETE", "/issues", headers={"api-key": "read"})[0] == 403
        assert server.request("PUT", "/quotas", {}, headers={"api-key": "all"})[0] == 200
    finally:
        assert server.stop() == 0
