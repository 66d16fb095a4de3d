"""Bad input over raw HTTP: the right 4xx with a text that says what is wrong, nothing stored, the server still runs.

Every refusal is tried with wait=true and wait=false, and after each the collection is compared with what it was.
"""
import json
import socket
import time

import pytest
from harness import server  # noqa: F401 (fixture)

UPSERT = "/collections/e/points"
VALID = '{"points":[{"id":1,"vector":[1,2,3]}]}'


@pytest.fixture(scope="module")
def own(server):
    server.call("PUT", "/collections/e", {"vectors": {"size": 3, "distance": "Cosine"}})
    server.call("PUT", "/collections/n", {"vectors": {"a": {"size": 2, "distance": "Dot"},
                                                      "h": {"size": 2, "distance": "Dot", "datatype": "float16"},
                                                      "u": {"size": 2, "distance": "Dot", "datatype": "uint8"}}})
    server.call("PUT", UPSERT + "?wait=true", {"points": [{"id": 100, "vector": [1.0, 0.0, 0.0], "payload": {"k": "v"}}]})
    return state(server)


def state(server):
    return [server.call("POST", f"/collections/{c}/points/scroll", {"limit": 100, "with_vector": True}) for c in "en"]


def refused(server, before, method, path, body, words=(), statuses=(400, 422)):
    status, text = server.request(method, path, body)
    assert status in statuses, (method, path, str(body)[:200], status, text[:500])
    answer = json.loads(text)
    assert isinstance(answer["status"]["error"], str) and "result" not in answer and "time" in answer
    for word in [words] if isinstance(words, str) else words:
        assert word in answer["status"]["error"], (word, text)
    assert state(server) == before, (method, path, str(body)[:200])


def point(vector="[1,2,3]", identifier="1", payload="{}"):
    return f'{{"points":[{{"id":{identifier},"vector":{vector},"payload":{payload}}}]}}'


BODIES = [
    # body of an upsert, words of the answer
    ("", ()), (" ", ()), ("{", ()), ("[]", ()), ("null", ()), ("3", ()), ('"x"', ()), ("{}", ()), ("{]", ()),
    (VALID + "x", ()), (VALID[:-1], ()), (VALID + VALID, ()), (VALID.replace(":", "="), ()), (VALID.replace('"', "'"), ()),
    (VALID.replace("[1,2,3]", "[1,2,3,]"), ()), ("\ufeff" + VALID, ()), ("// c\n" + VALID, ()),
    ('{"points":{}}', "points"), ('{"points":3}', "points"), ('{"points":null}', ()), ('{"points":[3]}', ()),
    ('{"points":[{}]}', ()), ('{"points":[{"id":1}]}', "vector"), ('{"points":[{"vector":[1,2,3]}]}', "id"),
    ('{"batch":{}}', ()), ('{"batch":{"ids":[1],"vectors":[[1,2]]}}', "3"), ('{"batch":{"ids":[1,2],"vectors":[[1,2,3]]}}', ()),
    (point(identifier="-1"), ()), (point(identifier="1.5"), ()), (point(identifier="null"), ()),
    (point(identifier="true"), ()), (point(identifier='"abc"'), "abc"), (point(identifier='""'), ()),
    (point(identifier="18446744073709551616"), ()), (point(identifier="1e400"), ()), (point(identifier="[1]"), ()),
    (point(identifier='"936da01f-9abd-4d9d-80c7-02af85c822a"'), ()), (point(identifier='"1"'), ()),
    (point(identifier='"936da01f-9abd-4d9d-80c7-02af85c822g8"'), ()),
    (point(vector="[]"), ()), (point(vector="[1,2]"), ("Vector dimension error", "expected dim: 3, got 2")),
    (point(vector="[1,2,3,4]"), "expected dim: 3, got 4"), (point(vector='["a",2,3]'), ()), (point(vector="[1,null,3]"), ()),
    (point(vector="[NaN,2,3]"), ()), (point(vector="[Infinity,2,3]"), ()), (point(vector="[1e39,0,0]"), ()),
    (point(vector="[-1e39,0,0]"), ()), (point(vector="[1e400,0,0]"), ()), (point(vector="3"), ()), (point(vector='"x"'), ()),
    (point(vector='{"zz":[1,2,3]}'), "zz"), (point(vector="[[1,2,3]]"), ()), (point(vector="[true,2,3]"), ()),
    (point(payload="[]"), "payload"), (point(payload="3"), "payload"), (point(payload='"x"'), "payload"),
    (point(payload='{"a":18446744073709551616}'), ()), (point(payload='{"a":-9223372036854775809}'), ()),
    (point(payload='{"a":1e400}'), ()), (point(payload='{"a":"\\ud800"}'), ()), (point(payload='{"a":"\\x"}'), ()),
    (point(payload='{"a":01}'), ()), (point(payload='{"a":.5}'), ()), (point(payload='{"a":tru}'), ()),
    (point(payload='{"a":"\x01"}'), ()), (point(payload="{a:1}"), ()),
    (point(payload='{"a":' + "[" * 5000 + "]" * 5000 + "}"), ()), ("[" * 200000, ()), ('{"a":' * 100000, ()),
    (point().replace("}]}", '},{"id":2,"vector":[1]}]}'), "got 1"),
]


@pytest.mark.parametrize("wait", ["true", "false"])
@pytest.mark.parametrize("at", range(len(BODIES)))
def test_upsert_bodies(server, own, at, wait):
    """An upsert with one fault stores nothing, not even the good points beside it."""
    body, words = BODIES[at]
    refused(server, own, "PUT", f"{UPSERT}?wait={wait}", body.encode(), words)


@pytest.mark.parametrize("wait", ["true", "false"])
def test_invalid_utf8(server, own, wait):
    """Bytes that are no UTF-8, in strings and keys."""
    for bad in (b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xe2\x82"):
        refused(server, own, "PUT", f"{UPSERT}?wait={wait}", b'{"points":[{"id":1,"vector":[1,2,3],"payload":{"a":"' + bad + b'"}}]}')
        refused(server, own, "PUT", f"{UPSERT}?wait={wait}", b'{"points":[{"id":1,"vector":[1,2,3],"payload":{"' + bad + b'":1}}]}')


@pytest.mark.parametrize("wait", ["true", "false"])
def test_elements_that_do_not_fit(server, own, wait):
    """float16 and uint8 vectors refuse what they cannot hold as a finite value."""
    for vector in ('{"h":[70000,0]}', '{"h":[0,-1e30]}', '{"a":[1e39,0]}', '{"a":[1]}', '{"u":[1,2,3]}', '{"a":[1,2],"x":[1,2]}'):
        refused(server, own, "PUT", f"/collections/n/points?wait={wait}", point(vector=vector))
    refused(server, own, "PUT", f"/collections/n/points?wait={wait}", point(vector="[1,2]"), "vector name")


@pytest.mark.parametrize("wait", ["true", "false"])
def test_other_writes(server, own, wait):
    """Payload, vector and delete operations with faults."""
    for method, path, body in (
            ("POST", "/points/payload", {"points": [100]}), ("POST", "/points/payload", {"payload": 3, "points": [100]}),
            ("POST", "/points/payload", {"payload": {"a": 1}}), ("PUT", "/points/payload", {"payload": [1], "points": [100]}),
            ("POST", "/points/payload", {"payload": {"a": 1}, "points": ["bad id"]}),
            ("POST", "/points/payload", {"payload": {"a": 1}, "points": 100}),
            ("POST", "/points/payload", {"payload": {"a": 1}, "filter": {"must": [{"key": "k"}]}}),
            ("POST", "/points/payload", {"payload": {"a": 1}, "points": [100], "key": "a[[b"}),
            ("POST", "/points/payload/delete", {"points": [100]}), ("POST", "/points/payload/delete", {"keys": "k", "points": [100]}),
            ("POST", "/points/payload/delete", {"keys": ["k"]}), ("POST", "/points/payload/clear", {}),
            ("POST", "/points/payload/clear", {"points": [-1]}), ("POST", "/points/delete", {}),
            ("POST", "/points/delete", {"points": [1.5]}), ("POST", "/points/delete", {"filter": {"must": [{"bad": 1}]}}),
            ("POST", "/points/delete", {"points": {"a": 1}}), ("PUT", "/points/vectors", {"points": [{"id": 100, "vector": [1]}]}),
            ("PUT", "/points/vectors", {"points": [{"id": 100, "vector": {"zz": [1, 2, 3]}}]}),
            ("PUT", "/points/vectors", {"points": [{"id": 100}]}), ("PUT", "/points/vectors", {}),
            ("POST", "/points/vectors/delete", {"points": [100]}), ("POST", "/points/vectors/delete", {"vector": [""]}),
            ("POST", "/points/vectors/delete", {"points": [100], "vector": ["zz"]})):
        refused(server, own, method, f"/collections/e{path}?wait={wait}", body)


def test_parameters(server, own):
    """Query parameters and path ids with faults, named in the answer."""
    for query, words in (("wait=maybe", "wait"), ("wait=", ()), ("ordering=best", "ordering"), ("timeout=0", ()),
                         ("timeout=-1", ()), ("timeout=abc", "timeout"), ("timeout=99999999999999999999", ())):
        refused(server, own, "PUT", f"{UPSERT}?{query}", VALID, words)
    for bad in ("x", "-1", "1.5", "18446744073709551616", "936da01f-9abd-4d9d-80c7-02af85c822", "%00", "%zz"):
        refused(server, own, "GET", f"/collections/e/points/{bad}", None, statuses=(400, 404, 422))


def test_reads(server, own):
    """Reads with faults."""
    for path, body, words in (
            ("query", {"query": [1.0]}, "expected dim: 3, got 1"), ("query", {"query": []}, ()), ("query", {"query": "x"}, ()),
            ("query", {"query": [1, 2, "a"]}, ()), ("query", {"query": [1, 2, 3], "limit": 0}, "limit"),
            ("query", {"query": [1, 2, 3], "limit": -1}, "limit"), ("query", {"query": [1, 2, 3], "limit": 1.5}, "limit"),
            ("query", {"query": [1, 2, 3], "limit": "5"}, "limit"), ("query", {"query": [1, 2, 3], "offset": -1}, "offset"),
            ("query", {"query": [1, 2, 3], "params": {"hnsw_ef": 0}}, "hnsw_ef"),
            ("query", {"query": [1, 2, 3], "params": {"hnsw_ef": "a"}}, "hnsw_ef"),
            ("query", {"query": [1, 2, 3], "params": {"exact": 1}}, "exact"), ("query", {"query": [1, 2, 3], "params": []}, "params"),
            ("query", {"query": [1, 2, 3], "score_threshold": "x"}, "score_threshold"),
            ("query", {"query": [1, 2, 3], "with_payload": 3}, "with_payload"),
            ("query", {"query": [1, 2, 3], "with_vector": 3}, "with_vector"), ("query", {"query": [1, 2, 3], "using": "zz"}, "zz"),
            ("query", {"query": [1, 2, 3], "using": 5}, "using"), ("query", {"query": {"nearest": {}}}, ()),
            ("query", {"query": [1, 2, 3], "filter": []}, "filter"), ("query/batch", {"searches": {}}, "searches"),
            ("query/batch", {}, "searches"), ("search", {"vector": [1, 2, 3], "limit": 0}, "limit"), ("search", {"limit": 3}, "vector"),
            ("search", {"vector": [1, 2, 3]}, "limit"), ("search", {"vector": {"name": "zz", "vector": [1, 2, 3]}, "limit": 1}, "zz"),
            ("scroll", {"limit": 0}, "limit"), ("scroll", {"offset": "x"}, ()), ("scroll", {"limit": "many"}, "limit"),
            ("count", {"exact": "yes"}, "exact"), ("count", {"filter": 3}, "filter")):
        refused(server, own, "POST", f"/collections/e/points/{path}", body, words)
    refused(server, own, "POST", "/collections/e/points", {"ids": 3}, "ids")
    refused(server, own, "POST", "/collections/e/points", {}, "ids")
    refused(server, own, "POST", "/collections/e/points/query", b'{"query":[1e39,0,0]}')


def test_collections(server, own):
    """Creation and change of collections with faults; nothing is made."""
    for body, words in (
            ({"vectors": {"size": 0, "distance": "Dot"}}, "size"), ({"vectors": {"size": 65537, "distance": "Dot"}}, "65536"),
            ({"vectors": {"size": -1, "distance": "Dot"}}, "size"), ({"vectors": {"size": 4}}, "distance"),
            ({"vectors": {"distance": "Dot"}}, "vectors"), ({"vectors": {"size": 4, "distance": "Chebyshev"}}, "distance"),
            ({"vectors": {"size": 4, "distance": "Dot", "datatype": "float8"}}, "datatype"), ({"vectors": 3}, "vectors"),
            ({"vectors": {"a": {"size": 0, "distance": "Dot"}}}, "size"), ({"vectors": {"size": "4", "distance": "Dot"}}, "size"),
            ({"vectors": {"size": 4, "distance": "Dot"}, "hnsw_config": {"ef_construct": 1}}, "ef_construct"),
            ({"vectors": {"size": 4, "distance": "Dot"}, "hnsw_config": []}, "hnsw_config"),
            ({"vectors": {"size": 4, "distance": "Dot"}, "shard_number": 0}, "shard_number"),
            ({"vectors": {"size": 4, "distance": "Dot"}, "replication_factor": 0}, "replication_factor"),
            ({"vectors": {"size": 4, "distance": "Dot"}, "metadata": 3}, "metadata")):
        refused(server, own, "PUT", "/collections/never", body, words)
        assert server.call("GET", "/collections/never/exists") == {"exists": False}
    for bad in ("", "{", "[]"):
        refused(server, own, "PUT", "/collections/never", bad)
    valid = {"vectors": {"size": 4, "distance": "Dot"}}
    for path in ("x" * 300, "a%2Fb", "a%00b", "..%2Fx", "%ff"):
        refused(server, own, "PUT", f"/collections/{path}", valid, statuses=(400, 404, 422))
    refused(server, own, "PATCH", "/collections/e", {"optimizers_config": 3}, "optimizers_config")
    refused(server, own, "POST", "/collections/aliases", {"actions": 3}, "actions")
    refused(server, own, "POST", "/collections/aliases", {"actions": [{"x": 1}]})
    refused(server, own, "POST", "/collections/aliases", {})


def test_unknown_routes(server, own):
    """What is no route is an empty 404; unknown fields are ignored."""
    for method, path in (("GET", "/nope"), ("POST", "/collections"), ("GET", "/collections/e/points/1/2"), ("BREW", "/")):
        status, _ = server.request(method, path)
        assert status in (400, 404, 405, 501), (method, path, status)
    server.call("POST", "/collections/e/points/count", {"exact": True, "colour": {"a": [1]}})
    assert state(server) == own


def test_huge_body(server, own):
    """A body beyond the limit is refused, by its announced length and by its real one."""
    limit = 32 << 20
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as wire:
        wire.sendall(f"PUT {UPSERT}?wait=true HTTP/1.1\r\nHost: x\r\nContent-Length: {limit + 1}\r\n\r\n".encode())
        assert b" 413 " in wire.recv(4096).split(b"\r\n")[0]
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as wire:
        wire.sendall(f"PUT {UPSERT}?wait=true HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
        first = b""
        try:
            for _ in range(40):
                wire.sendall(chunk)
            wire.sendall(b"0\r\n\r\n")
        except OSError:
            pass
        try:
            first = wire.recv(4096)
        except ConnectionResetError:
            pass
        assert first == b"" or b" 413 " in first.split(b"\r\n")[0]
    status, _ = server.request("PUT", f"{UPSERT}?wait=true", b" " * (limit + 100))
    assert status in (400, 413)
    assert state(server) == own


def test_header_flood(server, own):
    """Endless headers, a giant header and a giant path are cut off with 4xx."""
    for flood in (b"X-A: b\r\n" * 30000, b"X-A: " + b"b" * 300000 + b"\r\n"):
        assert raw(server, b"GET / HTTP/1.1\r\nHost: x\r\n" + flood + b"\r\n") in (400, 431, None)
    assert raw(server, b"GET /" + b"a" * 300000 + b" HTTP/1.1\r\nHost: x\r\n\r\n") in (400, 404, 414, 431, None)
    assert state(server) == own


def raw(server, sent, timeout_s=20):
    """Sends bytes; returns the status of the first answer, None if the server just closed."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=timeout_s) as wire:
        try:
            wire.sendall(sent)
        except OSError:
            pass
        try:
            got = wire.recv(4096)
        except ConnectionResetError:
            return None
        return int(got.split(b" ")[1]) if got else None


def test_broken_http(server, own):
    """What is no HTTP, or HTTP that smuggles, is refused."""
    body = VALID.encode()
    put = b"PUT " + UPSERT.encode() + b"?wait=true HTTP/1.1\r\nHost: x\r\n"
    for sent in (b"\x00\x01\x02\x03\r\n\r\n", b"hello\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
                 put + b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n" % len(body) + body,
                 put + b"Content-Length: -5\r\n\r\n", put + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
                 put + b"Content-Length: abc\r\n\r\n", put + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
                 put + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n", put + b"Bad Header\r\n\r\n",
                 put + b"X: a\rTransfer-Encoding: chunked\r\n\r\n", put + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nabcde",
                 put + b"Content-Encoding: wrong\r\nContent-Length: %d\r\n\r\n" % len(body) + body):
        status = raw(server, sent)
        assert status is None or 400 <= status < 500 or (status == 505 and b"9.9" in sent), (sent, status)
    assert state(server) == own


def test_half_sent_requests(server, own):
    """A client that leaves in the middle of head or body stores nothing."""
    head = f"PUT {UPSERT}?wait=true HTTP/1.1\r\nHost: x\r\nContent-Length: {len(VALID)}\r\n\r\n".encode()
    whole = head + VALID.encode()
    for cut in range(1, len(whole), 3):
        with socket.create_connection(("127.0.0.1", server.port)) as wire:
            wire.sendall(whole[:cut])
    time.sleep(0.2)
    assert state(server) == own


def test_requests_byte_by_byte(server, own):
    """A slow but whole request is served."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as wire:
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n":
            wire.sendall(bytes([byte]))
        assert b" 200 " in wire.recv(4096)


def test_collection_unharmed_and_serving(server, own):
    """After all of the above, the server writes and reads as before."""
    server.call("PUT", UPSERT + "?wait=true", json.loads(VALID))
    assert server.call("POST", "/collections/e/points/count", {})["count"] == 2
    server.call("POST", "/collections/e/points/delete?wait=true", {"points": [1]})
    assert state(server) == own
