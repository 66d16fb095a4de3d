"""`make bench-payload`: payload indexes through the server: making them, facets, counts, tenants, at a million points.

A server on a free port takes POINTS points with small vectors and a payload of a keyword (1,000 values), a tenant (100 points
each), an integer, a real and a time. Each index is made on the loaded collection; its rate is by the clock from the request until
the collection is green again. Then facets, counts and searches of single tenants, medians in milliseconds over HTTP. Rows go to
FOLDER/payload.jsonl. The client runs on the same cores.

Usage: bench_payload.py --folder FOLDER --server BIN [--points N]
"""
import argparse
import http.client
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

import numpy as np

DIM, BATCH, EACH, KEYS, REPEATS = 8, 1000, 100, 1000, 15
INDEXES = {"key": "keyword", "tenant": {"type": "keyword", "is_tenant": True}, "n": "integer", "x": "float", "at": "datetime"}


class Client:
    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)

    def call(self, method, path, body=None):
        text = json.dumps(body) if body is not None and not isinstance(body, str) else body
        self.connection.request(method, path, text, {"Content-Type": "application/json"} if text else {})
        response = self.connection.getresponse()
        answer = response.read()
        assert response.status == 200, f"{method} {path}: {response.status} {answer[:300]}"
        return json.loads(answer)["result"]

    def median_ms(self, path, bodies):
        times = []
        for body in bodies:
            text = json.dumps(body)
            began = time.perf_counter()
            self.call("POST", path, text)
            times.append(time.perf_counter() - began)
        return round(1000 * float(np.median(times)), 3)

    def wait_green(self):
        while self.call("GET", "/collections/bench")["status"] != "green":
            time.sleep(0.005)


def start(server, folder):
    log = open(pathlib.Path(folder) / "server.log", "wb")
    process = subprocess.Popen([os.path.abspath(server), "--service.http_port=0", f"--storage.storage_path={folder}/data",
                                f"--storage.snapshots_path={folder}/snapshots"], stdout=log, stderr=log, cwd=folder)
    for _ in range(600):
        found = re.search(r"listens on \S+ port (\d+)", (pathlib.Path(folder) / "server.log").read_text())
        if found:
            return process, int(found.group(1))
        assert process.poll() is None, "the server ended"
        time.sleep(0.1)
    raise SystemExit("the server does not listen")


def load(client, points):
    random = np.random.default_rng(5)
    client.call("PUT", "/collections/bench", {"vectors": {"size": DIM, "distance": "Euclid", "index": "flat"}})
    for at in range(0, points, BATCH):
        rows = random.integers(-99, 99, (BATCH, DIM)).tolist()
        keys, numbers = random.integers(0, KEYS, BATCH).tolist(), random.integers(0, 1 << 40, BATCH).tolist()
        items = ",".join(
            f'{{"id":{at + i},"vector":{rows[i]},"payload":{{"key":"key {keys[i]}","tenant":"t{(at + i) % (points // EACH)}",'
            f'"n":{at + i},"x":{numbers[i] / 1024},"at":"2024-{1 + keys[i] % 12:02}-{1 + i % 28:02}T10:00:00Z"}}}}'
            for i in range(BATCH))
        client.call("PUT", "/collections/bench/points?wait=true", f'{{"points":[{items}]}}')
        if at % 50000 == 0:
            print(f"\rloaded {at:,} of {points:,}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)


def measure(client, points, add):
    before = client.median_ms("/collections/bench/facet", [{"key": "key"}] * 1)
    add({"what": "facet, 1,000 values, no index", "ms": before})
    for key, schema in INDEXES.items():
        began = time.perf_counter()
        client.call("PUT", "/collections/bench/index?wait=true", {"field_name": key, "field_schema": schema})
        client.wait_green()
        seconds = time.perf_counter() - began
        add({"what": f"index of {key}", "points_per_s": round(points / seconds)})

    def below(part):
        return {"must": [{"key": "n", "range": {"lt": int(points * part)}}]}

    add({"what": "facet, 1,000 values", "ms": client.median_ms("/collections/bench/facet", [{"key": "key"}] * REPEATS)})
    for part in (0.01, 0.5):
        add({"what": f"facet under a filter of {part:.0%}",
             "ms": client.median_ms("/collections/bench/facet", [{"key": "key", "filter": below(part)}] * REPEATS)})
        add({"what": f"count of {part:.0%} by range",
             "ms": client.median_ms("/collections/bench/points/count", [{"filter": below(part)}] * REPEATS)})
    both = {"must": [*below(0.5)["must"], {"key": "key", "match": {"any": ["key 1", "key 2", "key 3"]}}]}
    add({"what": "count of range and 3 keys", "ms": client.median_ms("/collections/bench/points/count", [{"filter": both}] * REPEATS)})
    tenants = np.random.default_rng(6).integers(0, points // EACH, 200).tolist()
    queries = [{"query": [1.0] * DIM, "limit": 10, "filter": {"must": [{"key": "tenant", "match": {"value": f"t{t}"}}]}} for t in tenants]
    add({"what": f"search within a tenant of {EACH}", "ms": client.median_ms("/collections/bench/points/query", queries)})
    add({"what": "search of all (scan)", "ms": client.median_ms("/collections/bench/points/query", [{"query": [1.0] * DIM}] * REPEATS)})
    add({"what": "scroll in the order of n", "ms": client.median_ms("/collections/bench/points/scroll", [{"order_by": "n"}] * REPEATS)})


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=pathlib.Path, required=True)
    parser.add_argument("--server", required=True)
    parser.add_argument("--points", type=int, default=1000000)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="payload_", dir=options.folder) as folder, open(options.folder / "payload.jsonl", "w") as out:
        process, port = start(options.server, folder)
        try:
            client = Client(port)
            load(client, options.points)
            client.wait_green()

            def add(row):
                row = {"points": options.points, **row}
                print(json.dumps(row), file=out, flush=True)
                print(f"{row['what']:45} {row.get('ms', ''):>10} {'ms' if 'ms' in row else ''} {row.get('points_per_s', '')} "
                      f"{'points/s' if 'points_per_s' in row else ''}")

            measure(client, options.points, add)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


if __name__ == "__main__":
    main()
