"""Restarts: everything is there again, the index without a rebuild; two servers on a folder; graceful stop."""
import json
import signal
import socket
import subprocess
import threading
import time

import numpy as np
import pytest
from harness import BINARY, Server
from qdrant_client import models


@pytest.fixture
def started(tmp_path):
    server = Server(tmp_path / "data").start()
    yield server
    server.kill()


def snapshot(client, names):
    return {n: (client.get_collection(n).config, client.scroll(n, limit=10000, with_vectors=True)) for n in names}


def build(client):
    client.create_collection("plain", models.VectorParams(size=4, distance=models.Distance.COSINE), metadata={"m": [1, None]})
    client.create_collection("named", {
        "h": models.VectorParams(size=2, distance=models.Distance.EUCLID, datatype=models.Datatype.FLOAT16),
        "u": models.VectorParams(size=2, distance=models.Distance.MANHATTAN, datatype=models.Datatype.UINT8)})
    client.create_collection("dropped", models.VectorParams(size=1, distance=models.Distance.DOT))
    client.upsert("plain", [models.PointStruct(id=i, vector=[i + 1, 1, 0, -i], payload={"i": i, "n": None, "l": [i, {"x": []}]})
                            for i in range(300)])
    client.upsert("named", [models.PointStruct(id=f"00000000-0000-0000-0000-{i:012x}", vector={"h": [i, 0.1]} if i % 2 else
                                               {"h": [i, 0.1], "u": [i, 255]}) for i in range(100)])
    client.delete("plain", models.PointIdsList(points=list(range(0, 300, 3))))
    client.set_payload("plain", {"late": True}, [1, 2, 4])
    client.delete_vectors("named", ["u"], ["00000000-0000-0000-0000-000000000002"])
    client.update_collection_aliases([models.CreateAliasOperation(
        create_alias=models.CreateAlias(collection_name="plain", alias_name="other"))])
    client.delete_collection("dropped")


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_restart_keeps_everything(started, how):
    """Configuration, points, payload, vectors and aliases are the same after a stop and after a kill."""
    client = started.client()
    build(client)
    before = snapshot(client, ["plain", "named"])
    for _ in range(2):
        if how == "stop":
            assert started.stop() == 0
        else:
            started.kill()
        started.start()
        assert snapshot(client, ["plain", "named"]) == before
        assert client.count("other").count == 200
        assert {c.name for c in client.get_collections().collections} == {"plain", "named"}
        assert [a.alias_name for a in client.get_aliases().aliases] == ["other"]
    result = client.upsert("plain", [models.PointStruct(id=5000, vector=[1, 1, 1, 1])])
    assert result.status == models.UpdateStatus.COMPLETED


def test_index_is_opened_not_rebuilt(started):
    """After a graceful stop the graph is there at once, and answers as before."""
    client = started.client()
    client.create_collection("g", models.VectorParams(size=32, distance=models.Distance.DOT),
                             optimizers_config=models.OptimizersConfigDiff(indexing_threshold=1),
                             hnsw_config=models.HnswConfigDiff(full_scan_threshold=10))
    rows = np.random.default_rng(3).normal(size=(6000, 32)).astype(np.float32)
    for at in range(0, 6000, 500):
        client.upsert("g", [models.PointStruct(id=i, vector=rows[i].tolist()) for i in range(at, at + 500)])
    before = started.wait_indexed("g", 5000)
    answers = [client.query_points("g", rows[i].tolist(), limit=20).points for i in range(50)]
    assert started.stop() == 0
    start = time.monotonic()
    started.start()
    info = started.call("GET", "/collections/g")
    assert time.monotonic() - start < 10
    assert info["points_count"] == 6000 and info["indexed_vectors_count"] >= before["indexed_vectors_count"] * 0.9
    again = [client.query_points("g", rows[i].tolist(), limit=20).points for i in range(50)]
    same = sum(len({p.id for p in a} & {p.id for p in b}) for a, b in zip(answers, again))
    assert same >= 0.98 * 50 * 20


def test_index_folder_may_be_deleted(started):
    """Files of the index are only a copy: without them the server builds them again from its store."""
    client = started.client()
    client.create_collection("g", models.VectorParams(size=8, distance=models.Distance.DOT),
                             optimizers_config=models.OptimizersConfigDiff(indexing_threshold=1))
    rows = np.random.default_rng(3).normal(size=(2000, 8)).astype(np.float32)
    client.upsert("g", [models.PointStruct(id=i, vector=row.tolist()) for i, row in enumerate(rows)])
    started.wait_indexed("g", 1)
    assert started.stop() == 0
    folders = [p for p in started.folder.iterdir() if p.is_dir() and p.name in ("index", "segments", "indexes")]
    assert folders, sorted(p.name for p in started.folder.iterdir())
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file():
                path.unlink()
    started.start()
    started.wait_indexed("g", 1)
    assert client.count("g").count == 2000
    assert client.query_points("g", rows[7].tolist(), limit=2000).points[0].score >= float(rows[7] @ rows[7]) - 1e-3


def test_second_server_on_a_folder(started, tmp_path):
    """The second server on a data folder ends with a clear message; the first is not disturbed."""
    second = Server(started.folder)
    second.log_path = tmp_path / "second.log"
    second.spawn()
    assert second.process.wait(20) != 0
    assert str(started.folder) in second.log() or "data" in second.log()
    assert any(word in second.log().lower() for word in ("in use", "another", "lock")), second.log()
    assert started.call("GET", "/collections") == {"collections": []}


def test_port_taken(started, tmp_path):
    """A port that is taken ends the start with a text that says so."""
    second = Server(tmp_path / "data2")
    second.port = started.port
    second.spawn()
    assert second.process.wait(20) != 0
    assert "in use" in second.log() and str(second.port) in second.log()


def test_graceful_stop_finishes_requests(started):
    """A write under way when the stop is asked for is answered or refused, and kept if answered."""
    started.call("PUT", "/collections/s", {"vectors": {"size": 64, "distance": "Dot"}})
    answered, stop = [], threading.Event()

    def write(base):
        at = base
        while not stop.is_set():
            try:
                status, _ = started.request("PUT", "/collections/s/points?wait=true", {"points": [
                    {"id": at, "vector": [1.0] * 64}]})
            except OSError:
                return
            if status != 200:
                return
            answered.append(at)
            at += 1

    threads = [threading.Thread(target=write, args=(i << 32,)) for i in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    assert started.stop() == 0
    stop.set()
    for thread in threads:
        thread.join()
    started.start()
    assert len(answered) > 10
    found = started.call("POST", "/collections/s/points", {"ids": answered, "with_payload": False})
    assert len(found) == len(answered)


def test_idle_connections_do_not_hold_the_stop(started):
    """Open connections without a request, or with half of one, do not keep the server from ending."""
    idle = [socket.create_connection(("127.0.0.1", started.port)) for _ in range(10)]
    idle[0].sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"200" in idle[0].recv(1000)
    start = time.monotonic()
    assert started.stop() == 0
    assert time.monotonic() - start < 10
    for wire in idle:
        wire.close()


def test_second_signal_is_the_hard_stop(started):
    """A second SIGTERM ends a drain that waits for a client that sends nothing."""
    with socket.create_connection(("127.0.0.1", started.port)) as wire:
        wire.sendall(b"PUT /collections/x HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        time.sleep(0.2)
        started.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        if started.running():
            started.process.send_signal(signal.SIGTERM)
        started.process.wait(5)


def test_damaged_log_is_refused(started):
    """Damage in the middle of the log: a clear message instead of a start without the rest."""
    client = started.client()
    client.create_collection("d", models.VectorParams(size=16, distance=models.Distance.DOT))
    for i in range(200):
        client.upsert("d", [models.PointStruct(id=i, vector=[i] * 16, payload={"i": i})])
    started.kill()
    logs = sorted(p for p in (started.folder / "log").rglob("*") if p.is_file() and p.stat().st_size > 4096)
    assert logs, sorted(started.folder.rglob("*"))
    with open(logs[0], "r+b") as log:
        log.seek(3000)
        was = log.read(16)
        log.seek(3000)
        log.write(bytes(b ^ 0xFF for b in was))
    started.spawn()
    try:
        code = started.process.wait(20)
    except subprocess.TimeoutExpired:
        pytest.fail("the server serves with a damaged log")
    assert code != 0 and "damage" in started.log().lower() or "corrupt" in started.log().lower(), started.log()[-2000:]


def test_version_and_help():
    """--version and --help answer without a data folder."""
    assert subprocess.run([BINARY, "--version"], capture_output=True, text=True, timeout=20).stdout.strip()
    text = subprocess.run([BINARY, "--help"], capture_output=True, text=True, timeout=20).stdout
    assert "service.http_port" in text and "storage.storage_path" in text


def test_log_lines_as_json(tmp_path):
    """logger.format=json: every line is a JSON object."""
    server = Server(tmp_path / "data", logger__format="json").start()
    assert server.stop() == 0
    lines = server.log().splitlines()
    assert lines and all(isinstance(json.loads(line), dict) for line in lines)
