"""A collection larger than the memory the server may have: it loads, is indexed and answers.

    memory_test.py [POINTS DIM LIMIT_MB]        the default: 440,000 x 1536 (2.7 GB), in 256 MB

The server runs in a memory control group of its own (needs root; version 1 or 2), with small caches and its vectors on disk
(`"memory": "cold"`). Prints the collection's size by the limit, the recall of 100 searches against exact answers, their times, and how
much of the process is anonymous memory. Fails when the server is killed or recall@10 is below 0.9.
"""
import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("SAGITTA_BIN", str(ROOT / "build" / "sagitta"))
BATCH, QUERIES, CLUSTERS = 100, 100, 500


class Group:
    """A control group with a limit on memory, caches of files included."""

    def __init__(self, limit_bytes):
        first, second = pathlib.Path("/sys/fs/cgroup/memory"), pathlib.Path("/sys/fs/cgroup")
        parent, limit = (first, "memory.limit_in_bytes") if first.is_dir() else (second, "memory.max")
        self.path = parent / f"sagitta-memory-test-{os.getpid()}"
        self.path.mkdir()
        (self.path / limit).write_text(str(limit_bytes))

    def enter(self):
        (self.path / "cgroup.procs").write_text(str(os.getpid()))

    def remove(self):
        self.path.rmdir()


def call(port, method, path, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
    response = connection.getresponse()
    text = response.read()
    assert response.status == 200, f"{method} {path}: {response.status} {text[:300]}"
    return json.loads(text)["result"]


def start(folder, group):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = ["--storage.cache_mb=8", "--storage.write_buffer_mb=4", "--service.host=127.0.0.1", f"--service.http_port={port}", f"--storage.storage_path={folder}/data",
                f"--storage.snapshots_path={folder}/snapshots"]
    log = open(f"{folder}/server.log", "ab")
    process = subprocess.Popen([BINARY, *settings], stdout=log, stderr=log, preexec_fn=group.enter, cwd=folder)
    for _ in range(600):
        assert process.poll() is None, f"the server ended with {process.returncode}"
        try:
            call(port, "GET", "/collections")
            return process, port
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the server was not ready")


def rows(random, centres, count, dim):
    picked = centres[random.integers(0, len(centres), count)]
    return np.clip(np.rint(picked + 12 * random.normal(size=(count, dim))), -99, 99).astype(np.float32)


def load(port, base):
    began = time.monotonic()
    for at in range(0, len(base), BATCH):
        points = ",".join(f'{{"id":{at + i},"vector":[{",".join(map(str, row))}]}}'
                          for i, row in enumerate(base[at:at + BATCH].astype(int).tolist()))
        call(port, "PUT", "/collections/big/points?wait=true", f'{{"points":[{points}]}}')
        if at % 10000 == 0:
            print(f"\rloaded {at:,} of {len(base):,}", end="", file=sys.stderr, flush=True)
    print(f"\rloaded {len(base):,} in {time.monotonic() - began:.0f} s", file=sys.stderr)


def wait_green(port, count):
    began = time.monotonic()
    while True:
        info = call(port, "GET", "/collections/big")
        if info["status"] == "green" and info["indexed_vectors_count"] >= count:
            print(f"indexed in {time.monotonic() - began:.0f} s", file=sys.stderr)
            return
        time.sleep(1)


def main():
    count, dim, limit_mb = (int(a) for a in (sys.argv[1:] or (440000, 1536, 256)))
    group = Group(limit_mb << 20)
    random = np.random.default_rng(11)
    centres = 40 * random.normal(size=(CLUSTERS, dim))
    base, queries = rows(random, centres, count, dim), rows(random, centres, QUERIES, dim)
    with tempfile.TemporaryDirectory(prefix="sagitta-memory-", dir=os.environ.get("TMPDIR")) as folder:
        process, port = start(folder, group)
        try:
            call(port, "PUT", "/collections/big", json.dumps({
                "vectors": {"size": dim, "distance": "Euclid", "memory": "cold"}}))
            load(port, base)
            wait_green(port, count)
            norms, hits, times = (base * base).sum(1), 0, []
            for query in queries:
                exact = np.argpartition(norms - 2 * base @ query, 10)[:10]
                began = time.monotonic()
                found = call(port, "POST", "/collections/big/points/query", json.dumps({"query": query.tolist(), "limit": 10}))
                times.append(time.monotonic() - began)
                hits += len({p["id"] for p in found["points"]} & set(exact.tolist()))
            with open(f"/proc/{process.pid}/status") as status:
                anonymous = next(int(line.split()[1]) for line in status if line.startswith("RssAnon")) >> 10
            recall = hits / (10 * QUERIES)
            print(f"{base.nbytes >> 20} MB of vectors in {limit_mb} MB: {base.nbytes / (limit_mb << 20):.1f} times; recall@10 "
                  f"{recall:.3f}; a search takes {np.median(times) * 1000:.1f} ms (p95 {np.quantile(times, 0.95) * 1000:.0f}); "
                  f"{anonymous} MB anonymous")
            assert recall >= 0.9
            print("1 passed, 0 failed")
        finally:
            process.send_signal(signal.SIGTERM)
            code = process.wait(120)
            group.remove()
        assert code == 0, f"exit code {code}"


if __name__ == "__main__":
    main()
