"""The transport as seen from a socket: framing, limits, time limits, keys, stopping."""
import gzip
import json
import os
import signal
import socket
import subprocess
import threading
import time

import pytest

GET = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    def json(self):
        return json.loads(self.body)


def read_answer(stream, head_only=False):
    """One answer from a socket's file, or None at its end."""
    line = stream.readline()
    if not line:
        return None
    status = int(line.split()[1])
    headers = {}
    while True:
        line = stream.readline().decode().rstrip("\r\n")
        if not line:
            break
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    size = 0 if head_only else int(headers.get("content-length", 0))
    return Answer(status, headers, stream.read(size))


def ask(server, data, count=1, head_only=False):
    """Sends bytes on a connection of its own and returns that many answers."""
    with server.connect() as connection:
        connection.sendall(data)
        with connection.makefile("rb") as stream:
            answers = [read_answer(stream, head_only) for _ in range(count)]
    return answers[0] if count == 1 else answers


def request(method, path, body=b"", headers=None):
    lines = [f"{method} {path} HTTP/1.1", "Host: a", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def closed_by_server(connection):
    """True when the server ends the connection within the socket's time limit."""
    try:
        while connection.recv(65536):
            pass
        return True
    except socket.timeout:
        return False
    except ConnectionResetError:
        return True


def create_collection(server, name, size=4):
    body = json.dumps({"vectors": {"size": size, "distance": "Dot"}}).encode()
    answer = ask(server, request("PUT", f"/collections/{name}", body))
    assert answer.status == 200, answer.body


def test_pipelined_requests_are_answered_in_order(server):
    paths = ["/healthz", "/nope", "/", "/collections", "/livez"] * 10
    data = b"".join(request("GET", path) for path in paths)
    answers = ask(server, data, len(paths))
    assert [a.status for a in answers] == [200, 404, 200, 200, 200] * 10
    for path, answer in zip(paths, answers):
        if path == "/":
            assert answer.json()["title"]
        if path == "/collections":
            assert "collections" in answer.json()["result"]


def test_one_connection_serves_many_requests(server):
    with server.connect() as connection, connection.makefile("rb") as stream:
        for _ in range(200):
            connection.sendall(GET)
            answer = read_answer(stream)
            assert answer.status == 200
            assert "connection" not in answer.headers
            assert answer.headers["date"].endswith("GMT")


def test_chunked_body_and_100_continue(server):
    create_collection(server, "chunked")
    body = b'{"limit": 1}'
    head = b"POST /collections/chunked/points/scroll HTTP/1.1\r\nHost: a\r\n"
    chunks = b"".join(b"1\r\n" + bytes([c]) + b"\r\n" for c in body) + b"0\r\n\r\n"
    answer = ask(server, head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks)
    assert answer.status == 200 and answer.json()["result"]["points"] == []
    with server.connect() as connection, connection.makefile("rb") as stream:
        connection.sendall(head + b"Expect: 100-continue\r\nContent-Length: 12\r\n\r\n")
        assert stream.readline() == b"HTTP/1.1 100 Continue\r\n"
        assert stream.readline() == b"\r\n"
        connection.sendall(body)
        assert read_answer(stream).status == 200


def test_request_in_small_pieces(server):
    create_collection(server, "pieces")
    data = request("POST", "/collections/pieces/points/count", b'{"exact": true}')
    with server.connect() as connection, connection.makefile("rb") as stream:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(len(data)):
            connection.sendall(data[i:i + 1])
        assert read_answer(stream).json()["result"]["count"] == 0


@pytest.mark.parametrize("data, status", [
    (b"GET / HTTP/1.1\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX:\rTransfer-Encoding: chunked\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (b"GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    (b"\x16\x03\x01\x00\xa5\x01\x00\x00", 400),
    (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 200 + b"\r\n", 431),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 200000 + b"\r\n\r\n", 431),
    (b"GET /" + b"y" * 200000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 431),
])
def test_bad_requests_are_refused_and_closed(server, data, status):
    with server.connect(5) as connection, connection.makefile("rb") as stream:
        connection.sendall(data)
        answer = read_answer(stream)
        assert answer.status == status
        assert answer.headers["connection"] == "close"
        assert read_answer(stream) is None


def test_unknown_paths_and_methods(server):
    answer = ask(server, request("GET", "/no/such/path"))
    assert answer.status == 404 and answer.body == b""
    answer = ask(server, request("DELETE", "/healthz"))
    assert answer.status == 405 and answer.headers["allow"] == "GET"
    assert ask(server, request("GET", "//collections//")).status == 200
    assert ask(server, request("GET", "/collections/%ff")).status == 400
    answer = ask(server, request("HEAD", "/"), head_only=True)
    assert answer.status == 200 and int(answer.headers["content-length"]) > 0


def test_upgrade_is_ignored(server):
    data = request("GET", "/healthz", headers={"Upgrade": "h2c", "Connection": "Upgrade",
                                               "HTTP2-Settings": "AAMAAABkAARAAAAAAAIAAAAA"})
    assert [a.status for a in ask(server, data + GET, 2)] == [200, 200]


def test_gzip_both_ways(server):
    create_collection(server, "packed")
    points = [{"id": i, "vector": [1, 2, 3, i], "payload": {"text": "word " * 20}} for i in range(100)]
    body = gzip.compress(json.dumps({"points": points}).encode())
    answer = ask(server, request("PUT", "/collections/packed/points?wait=true", body,
                                 {"Content-Encoding": "gzip"}))
    assert answer.status == 200, answer.body
    scroll = json.dumps({"limit": 100, "with_payload": True}).encode()
    plain = ask(server, request("POST", "/collections/packed/points/scroll", scroll))
    packed = ask(server, request("POST", "/collections/packed/points/scroll", scroll,
                                 {"Accept-Encoding": "deflate, gzip;q=0.8"}))
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert len(packed.body) < len(plain.body) / 5
    assert json.loads(gzip.decompress(packed.body))["result"] == plain.json()["result"]
    small = ask(server, request("GET", "/healthz", headers={"Accept-Encoding": "gzip"}))
    assert "content-encoding" not in small.headers
    for damaged in (body[:-5], b"nothing"):
        answer = ask(server, request("PUT", "/collections/packed/points", damaged,
                                     {"Content-Encoding": "gzip"}))
        assert answer.status == 400 and "error" in answer.json()["status"]
    answer = ask(server, request("PUT", "/collections/packed/points", body,
                                 {"Content-Encoding": "br"}))
    assert answer.status == 415


def test_cors(server):
    answer = ask(server, request("OPTIONS", "/collections/x/points", headers={
        "Origin": "http://example.com", "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "api-key,content-type"}))
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-allow-headers"] == "api-key,content-type"
    answer = ask(server, request("GET", "/", headers={"Origin": "http://example.com"}))
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-origin" not in ask(server, request("GET", "/")).headers


def test_body_limit(start_server):
    server = start_server({"service.max_request_size_mb": 1})
    path = "/collections/x/points"
    too_long = b" " * ((1 << 20) + 1)
    answer = ask(server, request("PUT", path, too_long))
    assert answer.status == 413 and "larger" in answer.json()["status"]["error"]
    assert answer.headers["connection"] == "close"
    # Not announced: found while it comes.
    chunks = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    head = b"PUT /collections/x/points HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert ask(server, head + chunks * 20 + b"0\r\n\r\n").status == 413
    # Small on the wire, large unpacked.
    packed = gzip.compress(too_long)
    assert len(packed) < 10000
    answer = ask(server, request("PUT", path, packed, {"Content-Encoding": "gzip"}))
    assert answer.status == 413
    # Exactly the limit is let in, and found to be no JSON.
    assert ask(server, request("PUT", path, too_long[1:])).status == 400
    # The claim alone costs nothing.
    head = b"PUT /collections/x/points HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551615\r\n\r\n"
    assert ask(server, head).status in (400, 413)
    assert ask(server, GET).status == 200


def test_time_limits(start_server):
    server = start_server({"service.header_timeout_sec": 1, "service.body_timeout_sec": 1,
                           "service.idle_timeout_sec": 1})
    cases = [(b"", None), (b"GET / HT", 408),
             (b"PUT /collections/x HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n{", 408)]
    for data, status in cases:
        with server.connect(10) as connection, connection.makefile("rb") as stream:
            connection.sendall(data)
            begun = time.monotonic()
            answer = read_answer(stream)
            assert 0.8 < time.monotonic() - begun < 5
            assert (answer.status if answer else None) == status
            assert read_answer(stream) is None


def test_slow_header_does_not_reset_the_clock(start_server):
    server = start_server({"service.header_timeout_sec": 1})
    with server.connect(10) as connection:
        connection.settimeout(0.3)
        begun = time.monotonic()
        got = b""
        connection.sendall(b"GET / HTTP/1.1\r\n")
        while not got and time.monotonic() - begun < 8:
            try:
                connection.sendall(b"X: y\r\n")
                got = connection.recv(100)
            except socket.timeout:
                pass
        assert got.startswith(b"HTTP/1.1 408")
        assert time.monotonic() - begun < 4


def test_too_many_connections(start_server):
    server = start_server({"service.max_connections": 4})
    time.sleep(0.3)  # the fixture's own connection goes
    held = [server.connect() for _ in range(4)]
    for connection in held:
        connection.sendall(GET)
        assert connection.recv(10)
    with server.connect() as refused:
        assert refused.recv(100).startswith(b"HTTP/1.1 503")
        assert closed_by_server(refused)
    for connection in held:
        connection.close()
    time.sleep(0.5)
    assert ask(server, GET).status == 200


def test_keys(start_server):
    server = start_server({"service.api_key": "sesame", "service.read_only_api_key": "peep"})
    create = json.dumps({"vectors": {"size": 4, "distance": "Dot"}}).encode()

    def status(method, path, body=b"", **headers):
        return ask(server, request(method, path, body, headers)).status

    assert status("GET", "/healthz") == 200
    assert status("GET", "/") == 200
    answer = ask(server, request("GET", "/collections"))
    assert answer.status == 401 and answer.body == b"Invalid api key"
    assert answer.headers["content-type"].startswith("text/plain")
    assert status("GET", "/nothing") == 401
    assert status("GET", "/collections", **{"api-key": "sesam"}) == 401
    assert status("GET", "/collections", **{"api-key": "sesame2"}) == 401
    assert status("GET", "/collections", **{"api-key": "sesame"}) == 200
    assert status("GET", "/collections", Authorization="Bearer sesame") == 200
    assert status("GET", "/collections", Authorization="Basic sesame") == 401
    assert status("GET", "/collections", **{"api-key": "peep"}) == 200
    answer = ask(server, request("PUT", "/collections/a", create, {"api-key": "peep"}))
    assert answer.status == 403 and answer.json()["status"]["error"].startswith("Forbidden: ")
    assert status("PUT", "/collections/a", create, **{"api-key": "sesame"}) == 200
    assert "sesame" not in server.output()


def test_client_that_leaves_does_no_harm(server):
    create_collection(server, "leaving")
    point = json.dumps({"points": [{"id": 1, "vector": [1, 2, 3, 4]}]}).encode()
    for _ in range(50):
        with server.connect() as connection:
            connection.sendall(request("PUT", "/collections/leaving/points?wait=true", point))
    for _ in range(50):
        with server.connect() as connection:
            connection.sendall(request("PUT", "/collections/leaving/points", point)[:-10])
    assert ask(server, request("POST", "/collections/leaving/points/count", b"{}")).status == 200


def test_stop_lets_requests_finish(start_server):
    """Writes in flight when the signal comes are answered, and what was answered is there after a restart."""
    server = start_server()
    create_collection(server, "stopping")
    acknowledged = []
    lock = threading.Lock()
    stop = threading.Event()

    def write(first):
        try:
            with server.connect() as connection, connection.makefile("rb") as stream:
                for i in range(first, first + 1000000):
                    body = json.dumps({"points": [{"id": i, "vector": [1, 2, 3, 4]}]}).encode()
                    connection.sendall(request("PUT", "/collections/stopping/points?wait=true", body))
                    answer = read_answer(stream)
                    if answer is None:
                        return
                    assert answer.status == 200, answer.body
                    with lock:
                        acknowledged.append(i)
                    if answer.headers.get("connection") == "close" or stop.is_set():
                        return
        except ConnectionError:
            return  # the connection was idle for a moment when the server stopped

    threads = [threading.Thread(target=write, args=(i * 1000000,)) for i in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    server.stop()
    stop.set()
    for thread in threads:
        thread.join()
    assert len(acknowledged) > 10
    again = start_server(folder=server.folder)
    body = json.dumps({"ids": acknowledged, "with_vector": False}).encode()
    found = ask(again, request("POST", "/collections/stopping/points", body)).json()["result"]
    assert {point["id"] for point in found} == set(acknowledged)


def test_stop_closes_idle_connections_at_once(start_server):
    server = start_server()
    with server.connect() as idle:
        idle.sendall(GET)
        assert idle.recv(100)
        begun = time.monotonic()
        server.stop(signal.SIGINT)
        assert time.monotonic() - begun < 10
        assert closed_by_server(idle)


def test_second_server_on_the_same_data_is_refused(start_server):
    server = start_server()
    second = start_server(folder=server.folder, wait=False)
    assert second.process.wait(30) == 1
    second.log.close()
    assert str(server.process.pid) in second.output()
    assert "data" in second.output()
    assert ask(server, GET).status == 200


def test_port_in_use_is_a_clear_error(start_server):
    server = start_server()
    second = start_server({"service.http_port": server.port}, wait=False)
    assert second.process.wait(30) == 1
    second.log.close()
    assert f"port {server.port}" in second.output() and "in use" in second.output()


def test_command_line():
    binary = os.environ.get("SAGITTA_BIN") or __import__("conftest").BINARY
    run = lambda *a: subprocess.run([binary, *a], capture_output=True, text=True, cwd="/tmp")
    assert "--service.http_port" in run("--help").stdout
    assert run("--version").stdout.startswith("sagitta ")
    printed = run("--print-config", "--service.http_port=7777")
    assert "http_port: 7777" in printed.stdout and printed.returncode == 0
    wrong = run("--service.http_port=abc")
    assert wrong.returncode == 1 and "service.http_port" in wrong.stderr and "abc" in wrong.stderr
    assert run("--cluster.enabled=true").returncode == 1
