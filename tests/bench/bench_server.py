"""The server over HTTP beside its own index alone and beside hnswlib: same vectors, one run, interleaved.

For two sets of make_data.py: the index alone and hnswlib build their graphs, a server on a free port with a new data folder takes
all points through load (batches of 100, wait=true) and builds its own; then, for each ef, all of them search in turn, REPEATS times. Rows go to results.jsonl as they come; bench_report.py makes the tables and the plot of them.

The search threads of the index alone and of hnswlib are one, and as many as the server has: one a core.
"""
import argparse
import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

import numpy as np

import bench_report
import make_data
from engines import Engines

SETS = ("words", "mixed")
ENGINES = {"sagitta-hnsw": "sagitta", "hnswlib16": "hnswlib"}  # and what rows call them here
# Around recall 0.95: a graph of few points needs less effort.
EFS = {"words": (64, 96, 128, 192, 256, 384), "mixed": (48, 64, 96, 128, 192, 256)}
EFS_SMALL = (10, 16, 24, 32, 48, 64, 96, 128)
SMALL_POINTS = 50000
REPEATS, SECONDS, SECONDS_SMALL, WARM_SECONDS = 3, 1.0, 0.4, 0.3
BATCH, UPSERTS_IN_FLIGHT, SEARCHES_IN_FLIGHT = 100, 8, 8
LIMIT, M, EF_CONSTRUCT = 10, 16, 200
GRAPH_KB = 1000  # vectors above which the server builds and walks a graph: low, so that a part of the data has one too
COLLECTION = "/collections/bench"
START_TIMEOUT_SEC, BUILD_TIMEOUT_SEC = 60, 600


def cores():
    return len(os.sched_getaffinity(0))


class Rows:
    """The results: written at once, kept for the report."""

    def __init__(self, path):
        self.file, self.rows = open(path, "w"), []

    def add(self, row):
        self.rows.append(row)
        line = json.dumps(row)
        print(line, file=self.file, flush=True)
        print(line, flush=True)


class Server:
    """A server of our own, with its data in a temporary folder on the disk of the results."""

    def __init__(self, options, data, folder):
        self.options, self.data, self.folder = options, data, folder
        self.dim = make_data.SETS[data].dim
        self.scratch = tempfile.TemporaryDirectory(prefix="server_", dir=options.folder)
        self.log_path = pathlib.Path(self.scratch.name) / "server.log"
        environment = {key: value for key, value in os.environ.items() if "__" not in key}
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [os.path.abspath(options.server), "--service.http_port=0", f"--storage.storage_path={self.scratch.name}/data",
                 f"--storage.snapshots_path={self.scratch.name}/snapshots"],
                stdout=log, stderr=log, cwd=self.scratch.name, env=environment)
        try:
            self.port = self.wait_listening()
        except BaseException:
            self.close()
            raise

    def wait_listening(self):
        until = time.monotonic() + START_TIMEOUT_SEC
        while time.monotonic() < until and self.process.poll() is None:
            found = re.search(r"listens on \S+ port (\d+)", self.log_path.read_text())
            if found:
                return int(found.group(1))
            time.sleep(0.02)
        raise SystemExit(f"the server did not start:\n{self.log_path.read_text()}")

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.scratch.cleanup()

    def call(self, method, path, body=None):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", method=method, data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["result"]

    def load(self, path, part, *arguments):
        command = [f"{self.options.tools}/load", "--port", self.port, "--pid", self.process.pid, "--path", path,
                   "--vectors", self.folder / f"{self.data}-{part}.f32", "--dim", self.dim, *arguments]
        done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, text=True)
        if done.returncode != 0:
            raise SystemExit(f"load failed: {done.stdout}\n{self.log_path.read_text()[-4000:]}")
        return json.loads(done.stdout)

    def resident_bytes(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) * 1024

    def fill(self, points):
        """Loads everything and waits until all is indexed; returns the row."""
        self.call("PUT", COLLECTION, {"vectors": {"size": self.dim, "distance": "Cosine"},
                                      "hnsw_config": {"m": M, "ef_construct": EF_CONSTRUCT, "full_scan_threshold": GRAPH_KB},
                                      "optimizers_config": {"indexing_threshold": GRAPH_KB}})
        before = self.resident_bytes()
        batches = -(-points // BATCH)
        loaded = self.load(f"{COLLECTION}/points?wait=true", "base", "--method", "PUT", "--batch", BATCH,
                           "--requests", batches, "--connections", UPSERTS_IN_FLIGHT)
        start = time.monotonic()
        while True:
            info = self.call("GET", COLLECTION)
            if info["status"] == "green" and info["indexed_vectors_count"] >= points:
                break
            if info["status"] == "red" or time.monotonic() - start > BUILD_TIMEOUT_SEC:
                raise SystemExit(f"the collection did not become green: {info}")
            time.sleep(0.05)
        green = time.monotonic() - start
        if info["points_count"] != points:
            raise SystemExit(f"{points} points were sent, {info['points_count']} are there")
        sizes = self.call("GET", "/telemetry?details_level=1")["collections"]["collections"][0]
        return {"build": "server", "data": self.data, "points": points, "build_threads": cores(),
                "upsert_points_per_s": round(points / loaded["seconds"], 1), "upsert_batch": BATCH, "wait": True,
                "in_flight": UPSERTS_IN_FLIGHT, "load_s": loaded["seconds"], "load_p50_ms": loaded["p50_ms"],
                "load_p99_ms": loaded["p99_ms"], "client_cpu_s": loaded["client_cpu_sec"],
                "server_cpu_s": loaded["server_cpu_sec"], "green_after_load_s": round(green, 1),
                "build_s": round(loaded["seconds"] + green, 1), "memory_bytes": self.resident_bytes() - before,
                "vector_bytes": sizes["vector_bytes"], "index_bytes": sizes["index_bytes"]}

    def recall(self, ef):
        """Each query once, its answer kept: also a warm-up."""
        path = pathlib.Path(self.scratch.name) / "answers"
        self.load(f"{COLLECTION}/points/query", "queries", "--ef", ef, "--connections", SEARCHES_IN_FLIGHT, "--save", path)
        wanted = np.fromfile(self.folder / f"{self.data}-exact.u32", dtype="<u4").reshape(-1, LIMIT)
        with open(path) as answers:
            found = [[point["id"] for point in json.loads(line)["result"]["points"]] for line in answers]
        if len(found) != len(wanted):
            raise SystemExit(f"{len(wanted)} queries were sent, {len(found)} answers came")
        return sum(len(set(a) & set(b.tolist())) for a, b in zip(found, wanted)) / wanted.size

    def measure(self, ef, threads, seconds):
        recall = self.recall(ef)
        row = self.load(f"{COLLECTION}/points/query", "queries", "--ef", ef, "--connections", SEARCHES_IN_FLIGHT,
                        "--warmup", WARM_SECONDS, "--duration", seconds)
        return {"engine": "server", "data": self.data, "ef": ef, "threads": threads, "recall": round(recall, 4),
                "qps": row["requests_per_sec"], "searches": row["requests"], "seconds": row["seconds"],
                "cpu_s": row["server_cpu_sec"], "client_cpu_s": row["client_cpu_sec"], "in_flight": row["connections"],
                "p50_ms": row["p50_ms"], "p99_ms": row["p99_ms"]}


class Alone:
    """An engine of engines.py, its rows in this report's words."""

    def __init__(self, process, name, data):
        self.process, self.row = process, {"engine": name, "data": data}

    def measure(self, ef, threads, seconds):
        row = self.process.measure(ef, threads, seconds)
        return {key: value for key, value in row.items() if key not in ("set", "effort")} | self.row | {"ef": ef}


def start_alone(options, data, engines, rows, stack):
    """Builds and opens the index alone and hnswlib."""
    contenders = []
    for engine, name in ENGINES.items():
        built = (engines.kept(engine, data) if options.keep else None) or engines.build(engine, data)
        process, opened = engines.serve(engine, data)
        stack.callback(process.close)
        sizes = {key: opened[key] for key in ("memory_bytes", "vector_bytes", "index_bytes") if key in opened}
        rows.add({"build": name, "data": data, "points": built["points"], "build_s": built["build_s"],
                  "build_threads": built["build_threads"]} | sizes)
        contenders += [(Alone(process, name, data), threads) for threads in sorted({1, cores()})]
    return contenders


def run_set(options, data, folder, rows, stack):
    points = os.path.getsize(folder / f"{data}-base.f32") // (4 * make_data.SETS[data].dim)
    contenders = start_alone(options, data, Engines(folder, options.tools, cores()), rows, stack)
    server = Server(options, data, folder)
    stack.callback(server.close)
    rows.add(server.fill(points))
    contenders.append((server, cores()))
    small = points < SMALL_POINTS
    efs, seconds = (EFS_SMALL, SECONDS_SMALL) if small else (EFS[data], SECONDS)
    for repeat in range(REPEATS):
        for ef in efs:
            for contender, threads in contenders:
                rows.add(contender.measure(ef, threads, seconds) | {"repeat": repeat})


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=pathlib.Path, required=True, help="data and results")
    parser.add_argument("--server", required=True, help="the server's program")
    parser.add_argument("--tools", required=True, help="folder of bench_index and load")
    parser.add_argument("--points", type=int, help="take only so many of each set")
    parser.add_argument("--keep", action="store_true", help="do not build the graphs of index and hnswlib anew")
    parser.add_argument("--add", type=pathlib.Path, action="append", default=[], help="rows of other benchmarks")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # so that the server is stopped too
    start = time.monotonic()
    folder = make_data.make(options.folder, options.points, SETS)
    rows = Rows(options.folder / "results.jsonl")
    for path in options.add:
        for line in path.read_text().splitlines():
            rows.add(json.loads(line))
    for data in SETS:
        with contextlib.ExitStack() as stack:
            run_set(options, data, folder, rows, stack)
    print(f"\nmeasured in {(time.monotonic() - start) / 60:.1f} minutes", flush=True)
    bench_report.report(rows.rows, options.folder)


if __name__ == "__main__":
    main()
