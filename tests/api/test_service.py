"""Service endpoints, keys, compression, CORS, keep-alive."""
import gzip
import json
import socket
import urllib.request
import warnings

import pytest
from harness import Server, client, collection, name, server  # noqa: F401 (fixtures)
from qdrant_client.qdrant_remote import QdrantRemote


def test_root(server):
    """Title, version of the contract, commit; exactly these, outside the envelope."""
    status, text = server.request("GET", "/")
    answer = json.loads(text)
    assert status == 200 and answer.keys() == {"title", "version", "commit"}
    assert answer["version"].startswith("1.19.") and len(answer["commit"]) == 40


def test_client_accepts_the_version(server):
    """The public client's own check of the version finds nothing to warn of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        QdrantRemote._check_compatibility(server.url, {}, None, 30)
    assert not caught, [str(w.message) for w in caught]


def test_health(server):
    """Probes answer plain text."""
    assert server.request("GET", "/healthz") == (200, "healthz check passed")
    assert server.request("GET", "/livez")[0] == 200
    assert server.request("GET", "/readyz") == (200, "all shards are ready")


def test_metrics(server, collection):
    """Prometheus text: every line is a comment or a sample, no series twice; collections are counted."""
    collection({"size": 1, "distance": "Dot"})
    status, text = server.request("GET", "/metrics")
    assert status == 200
    series = [line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#")]
    assert series and len({s[0] for s in series}) == len(series)
    for _, value in series:
        float(value)
    assert any(s[0].startswith("collections_total") and float(s[1]) >= 1 for s in series)


def test_telemetry(server):
    """The telemetry page is an object that names the application."""
    assert "app" in server.call("GET", "/telemetry")


def test_telemetry_kernels(server):
    """The telemetry page tells which kernels are in use: one cell a distance and element, of usable sets."""
    kernels = server.call("GET", "/telemetry")["kernels"]
    assert kernels["usable"][0] == "scalar" and kernels["set"] == kernels["usable"][-1]
    pairs = {tuple(cell.split("/")[:2]) for cell in kernels["cells"]}
    assert {("cosine", "f32"), ("euclid", "f16"), ("dot", "u8"), ("manhattan", "bf16")} <= pairs
    assert len(pairs) == len(kernels["cells"]) == 20
    assert {cell.split("/")[2] for cell in kernels["cells"]} <= set(kernels["usable"])


def test_trailing_and_double_slashes(server):
    """Paths are the same with a slash at the end or doubled inside."""
    assert server.call("GET", "/collections/")["collections"] == server.call("GET", "//collections")["collections"]


def test_gzip_both_ways(server, collection):
    """A compressed body is read; a large answer is compressed when asked for."""
    own = collection({"size": 64, "distance": "Dot"})
    body = gzip.compress(json.dumps({"points": [{"id": i, "vector": [0.5] * 64} for i in range(100)]}).encode())
    status, text = server.request("PUT", f"/collections/{own}/points?wait=true", body, {"Content-Encoding": "gzip"})
    assert status == 200, text
    request = urllib.request.Request(f"{server.url}/collections/{own}/points/scroll", method="POST",
                                     data=b'{"with_vector":true,"limit":100}',
                                     headers={"Content-Type": "application/json", "Accept-Encoding": "gzip"})
    with urllib.request.urlopen(request) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        assert len(json.loads(gzip.decompress(answer.read()))["result"]["points"]) == 100


def test_gzip_bomb(server, collection):
    """A small body that unpacks beyond the limit is refused."""
    own = collection({"size": 1, "distance": "Dot"})
    status, _ = server.request("PUT", f"/collections/{own}/points", gzip.compress(b" " * (200 << 20)), {"Content-Encoding": "gzip"})
    assert status == 413


def test_cors(server):
    """A browser's preflight is answered for any origin."""
    request = urllib.request.Request(f"{server.url}/collections", method="OPTIONS", headers={
        "Origin": "http://example.org", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "api-key"})
    with urllib.request.urlopen(request) as answer:
        assert answer.headers["Access-Control-Allow-Origin"] in ("*", "http://example.org")


def test_keep_alive_and_pipelining(server):
    """Several requests in one packet are answered in order on one connection."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as wire:
        wire.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 3 + b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        got = b""
        while part := wire.recv(65536):
            got += part
    assert got.count(b"HTTP/1.1 200") == 4 and got.count(b"healthz check passed") == 3
    assert got.rindex(b"healthz check passed") < got.index(b'"title"')


def test_expect_continue(server, collection):
    """100-continue is answered before the body is sent."""
    own = collection({"size": 1, "distance": "Dot"})
    body = b'{"points":[{"id":1,"vector":[1]}]}'
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as wire:
        wire.sendall(b"PUT /collections/%s/points?wait=true HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                     b"Content-Length: %d\r\n\r\n" % (own.encode(), len(body)))
        assert wire.recv(4096).startswith(b"HTTP/1.1 100")
        wire.sendall(body)
        assert wire.recv(4096).startswith(b"HTTP/1.1 200")


def test_api_keys(tmp_path):
    """With a key set: nothing but the public pages without it; a read-only key reads and does not write."""
    server = Server(tmp_path / "data", service__api_key="secret", service__read_only_api_key="look").start()
    try:
        full, read = {"api-key": "secret"}, {"Authorization": "Bearer look"}
        make = {"vectors": {"size": 1, "distance": "Dot"}}
        assert server.request("GET", "/")[0] == 200
        for headers in ({}, {"api-key": "wrong"}, {"api-key": ""}, {"Authorization": "Bearer secre"}):
            status, text = server.request("GET", "/collections", None, headers)
            assert status == 401 and not text.startswith("{"), text
        assert server.request("PUT", "/collections/k", make, read)[0] == 403
        assert server.request("PUT", "/collections/k", make, full)[0] == 200
        assert server.request("GET", "/collections", None, read)[0] == 200
        assert server.request("POST", "/collections/k/points/scroll", {}, read)[0] == 200
        assert server.request("PUT", "/collections/k/points", {"points": [{"id": 1, "vector": [1]}]}, read)[0] == 403
        assert server.request("DELETE", "/collections/k", None, read)[0] == 403
        assert server.request("DELETE", "/collections/k", None, {"Authorization": "Bearer secret"})[0] == 200
    finally:
        server.kill()


@pytest.mark.parametrize("prefix", ["SAGITTA", "QDRANT"])
def test_bad_settings_stop_the_start(tmp_path, prefix):
    """A setting with a bad value ends the start with a text that names it."""
    import subprocess
    from harness import BINARY
    done = subprocess.run([BINARY], env={f"{prefix}__SERVICE__HTTP_PORT": "abc"}, cwd=tmp_path, capture_output=True,
                          text=True, timeout=20)
    assert done.returncode != 0 and "service.http_port" in done.stderr + done.stdout
