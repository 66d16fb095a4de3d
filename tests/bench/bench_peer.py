"""Another engine over the files of make_data.py, in a process of its own, on the same lines of input as bench_index.

Usage: bench_peer.py build ENGINE FOLDER NAME THREADS    builds the index into FOLDER/NAME.ENGINE and prints a JSON line
       bench_peer.py serve ENGINE FOLDER NAME            opens it, prints a JSON line, then answers
       bench_peer.py list                                the engines

Each line "EFFORT THREADS SECONDS" of the standard input is answered with a JSON line: a pass over all queries warms the caches and
gives the recall, then SECONDS are timed in whole passes, by the clock on the wall (`qps`) and in processor time of the process
(`cpu_s`). SECONDS 0: that one pass is timed. What EFFORT means is the engine's: a number, or several between colons.

`calls` tells how an engine gets the queries. `loop`: all of a pass in one call, inside which each is searched by itself. `batch`:
the same call, but the engine shares work between the queries. `one`: a call of this interpreter for each, some microseconds more.
"""
import json
import os
import pathlib
import re
import shutil
import sys
import time
from importlib import metadata

import numpy as np

from make_data import LIMIT, SETS, read

EF_CONSTRUCT = 200
GRAPH_EFFORTS = (10, 14, 20, 28, 40, 56, 80, 112, 160, 224, 320, 448, 640, 900)


def unit(rows):
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-30)


class Peer:
    """One engine. `rows` and `queries` come normalised when the distance is cosine."""
    package, calls, efforts, threads_max = "", "loop", GRAPH_EFFORTS, 64

    def __init__(self, dim, distance):
        self.dim, self.cosine = dim, distance == "cosine"

    def build(self, rows, threads, path):
        raise NotImplementedError

    def open(self, path):
        raise NotImplementedError

    def search(self, queries, effort, threads):
        """The ids of the LIMIT nearest of each query."""
        raise NotImplementedError

    def features(self):
        return ""


class Hnswlib(Peer):
    package = "hnswlib"

    def new(self):
        import hnswlib
        return hnswlib.Index(space="ip" if self.cosine else "l2", dim=self.dim)

    def build(self, rows, threads, path):
        index = self.new()
        index.init_index(max_elements=len(rows), ef_construction=EF_CONSTRUCT, M=self.m, random_seed=100)
        index.add_items(rows, num_threads=threads)
        index.save_index(str(path))

    def open(self, path):
        self.index = self.new()
        self.index.load_index(str(path))

    def search(self, queries, effort, threads):
        self.index.set_ef(int(effort))
        return self.index.knn_query(queries, k=LIMIT, num_threads=threads)[0]

    def features(self):
        return "compiled here, -march=native"


class Hnswlib16(Hnswlib):
    m = 16


class Hnswlib32(Hnswlib):
    m = 32


class Faiss(Peer):
    package = "faiss-cpu"

    def factory(self, count):
        raise NotImplementedError

    def build(self, rows, threads, path):
        import faiss
        faiss.omp_set_num_threads(threads)
        index = faiss.index_factory(self.dim, self.factory(len(rows)),
                                    faiss.METRIC_INNER_PRODUCT if self.cosine else faiss.METRIC_L2)
        self.tune(index)
        index.train(rows)
        index.add(rows)
        faiss.write_index(index, str(path))

    def tune(self, index):
        """Before it is trained."""

    def open(self, path):
        import faiss
        self.faiss = faiss
        self.index = faiss.read_index(str(path))

    def search(self, queries, effort, threads):
        self.faiss.omp_set_num_threads(threads)
        self.set_effort(effort)
        if self.calls == "one":
            return np.concatenate([self.index.search(queries[i:i + 1], LIMIT)[1] for i in range(len(queries))])
        return self.index.search(queries, LIMIT)[1]

    def features(self):
        import faiss
        return faiss.get_compile_options().strip()


class FaissHnsw32(Faiss):
    def factory(self, count):
        return "HNSW32,Flat"

    def tune(self, index):
        index.hnsw.efConstruction = EF_CONSTRUCT

    def set_effort(self, effort):
        self.index.hnsw.efSearch = int(effort)


class FaissIvfpq(Faiss):
    """Inverted lists, 4 bits for two dimensions by fast scan, exact distances for the best. EFFORT: lists:candidates per result."""
    calls, threads_max = "one", 1
    efforts = tuple(f"{lists}:{factor}" for lists in (4, 8, 16, 32, 64, 128, 256) for factor in (2, 4, 8, 16, 32, 64))

    def factory(self, count):
        lists = 4096 if count >= 700000 else 2048 if count >= 200000 else 1024 if count >= 80000 else 256
        return f"IVF{lists},PQ{self.dim // 2}x4fsr,RFlat"

    def set_effort(self, effort):
        lists, factor = effort.split(":")
        base = self.faiss.downcast_index(self.index.base_index)
        base.nprobe, self.index.k_factor = int(lists), float(factor)


class FaissIvfpqBatch(FaissIvfpq):
    calls, threads_max, file = "batch", 64, "faiss-ivfpq"


class Usearch16(Peer):
    package = "usearch"

    def new(self):
        from usearch.index import Index
        return Index(ndim=self.dim, metric="ip" if self.cosine else "l2sq", dtype="f32", connectivity=16,
                     expansion_add=EF_CONSTRUCT, enable_key_lookups=False)

    def build(self, rows, threads, path):
        index = self.new()
        index.add(np.arange(len(rows), dtype=np.uint64), rows, threads=threads)
        index.save(str(path))

    def open(self, path):
        self.index = self.new()
        self.index.load(str(path))

    def search(self, queries, effort, threads):
        self.index.expansion_search = int(effort)
        return self.index.search(queries, LIMIT, threads=threads).keys

    def features(self):
        return str(self.new().hardware_acceleration)


class Scann(Peer):
    """A tree of lists, 4 bits for two dimensions with anisotropic loss, exact distances for the best. EFFORT: lists:candidates."""
    package, calls, threads_max = "scann", "one", 1
    efforts = tuple(f"{lists}:{best}" for lists in (4, 8, 16, 32, 64, 128, 256) for best in (20, 40, 80, 160, 320, 640))

    def build(self, rows, threads, path):
        from scann.scann_ops.py import scann_ops_pybind
        lists = 2 * int(len(rows) ** 0.5)
        builder = scann_ops_pybind.builder(rows, LIMIT, "dot_product" if self.cosine else "squared_l2")
        builder.set_n_training_threads(threads)
        index = builder.tree(num_leaves=lists, num_leaves_to_search=lists // 20, training_sample_size=min(len(rows), 250000)) \
            .score_ah(2, anisotropic_quantization_threshold=0.2 if self.cosine else float("nan")).reorder(100).build()
        path.mkdir()
        index.serialize(str(path), relative_path=True)

    def open(self, path):
        from scann.scann_ops.py import scann_ops_pybind
        self.index = scann_ops_pybind.load_searcher(str(path))

    def search(self, queries, effort, threads):
        lists, best = (int(part) for part in effort.split(":"))
        if self.calls == "one":
            return [self.index.search(query, LIMIT, best, lists)[0] for query in queries]
        if threads > 1:
            self.index.set_num_threads(threads)
            return self.index.search_batched_parallel(queries, LIMIT, best, lists)[0]
        return self.index.search_batched(queries, LIMIT, best, lists)[0]


class ScannBatch(Scann):
    calls, threads_max, file = "batch", 64, "scann"


class Ngt(Peer):
    """A neighbourhood graph with a tree for its seeds (ANNG). EFFORT: epsilon, how far the walk strays, in thousandths."""
    package, calls, threads_max = "ngt", "one", 1
    efforts = (0, 20, 40, 60, 80, 100, 130, 160, 200, 250, 300, 400)

    def build(self, rows, threads, path):
        import ngtpy
        ngtpy.create(str(path), self.dim, distance_type="Normalized Cosine" if self.cosine else "L2", edge_size_for_creation=20)
        index = ngtpy.Index(str(path))
        index.batch_insert(rows, num_threads=threads)
        index.save()
        index.close()

    def open(self, path):
        import ngtpy
        self.index = ngtpy.Index(str(path), read_only=True)

    def search(self, queries, effort, threads):
        epsilon = int(effort) / 1000
        return [self.index.search(query, LIMIT, epsilon, with_distance=False) for query in queries]


ENGINES = {"hnswlib16": Hnswlib16, "hnswlib32": Hnswlib32, "faiss-hnsw32": FaissHnsw32, "faiss-ivfpq": FaissIvfpq,
           "faiss-ivfpq-batch": FaissIvfpqBatch, "usearch16": Usearch16, "scann": Scann, "scann-batch": ScannBatch, "ngt": Ngt}


def file_of(engine):
    return getattr(ENGINES[engine], "file", engine)


def version_of(engine):
    return f"{ENGINES[engine].package} {metadata.version(ENGINES[engine].package)}"


def resident(field):
    """A size out of this process's status: RssAnon or VmRSS, in bytes."""
    status = pathlib.Path("/proc/self/status").read_text()
    return int(re.search(rf"{field}:\s+(\d+) kB", status).group(1)) * 1024


def disk_bytes(path):
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) if path.is_dir() else path.stat().st_size


def rows_of(folder, name, part):
    rows = read(folder, name, part)
    return unit(rows) if SETS[name].distance == "cosine" else rows


def build(engine, folder, name, threads):
    peer = ENGINES[engine](SETS[name].dim, SETS[name].distance)
    path = folder / f"{name}.{file_of(engine)}"
    shutil.rmtree(path, ignore_errors=True)
    path.unlink(missing_ok=True)
    rows = rows_of(folder, name, "base")
    start, cpu = time.perf_counter(), time.process_time()
    peer.build(rows, threads, path)
    return {"build": engine, "set": name, "points": len(rows), "build_s": round(time.perf_counter() - start, 2),
            "build_cpu_s": round(time.process_time() - cpu, 2), "build_threads": threads, "version": version_of(engine)}


def measure(peer, queries, wanted, effort, threads, seconds):
    start, cpu = time.perf_counter(), time.process_time()
    found = peer.search(queries, effort, threads)
    took, passes = time.perf_counter() - start, 1
    hits = sum(len(set(map(int, a)) & set(map(int, b))) for a, b in zip(found, wanted))
    if seconds > 0:
        passes, took, start, cpu = 0, 0.0, time.perf_counter(), time.process_time()
        while took < seconds:
            peer.search(queries, effort, threads)
            passes, took = passes + 1, time.perf_counter() - start
    return {"effort": effort, "threads": threads, "recall": round(hits / wanted.size, 4),
            "qps": round(passes * len(queries) / took, 1), "searches": passes * len(queries),
            "seconds": round(took, 3), "cpu_s": round(time.process_time() - cpu, 3)}


def serve(engine, folder, name):
    path = folder / f"{name}.{file_of(engine)}"
    queries = rows_of(folder, name, "queries")
    wanted = np.fromfile(folder / f"{name}-exact.u32", dtype="<u4").reshape(-1, LIMIT)
    peer = ENGINES[engine](SETS[name].dim, SETS[name].distance)
    features = peer.features()
    before, all_before, start = resident("RssAnon"), resident("VmRSS"), time.perf_counter()
    peer.open(path)
    opened = time.perf_counter() - start
    peer.search(queries[:10], str(peer.efforts[0]), 1)  # what is made by the first search counts too
    print(json.dumps({"serve": engine, "set": name, "open_ms": round(1000 * opened, 2), "calls": peer.calls,
                      "memory_bytes": resident("RssAnon") - before, "mapped_bytes": resident("VmRSS") - all_before -
                      (resident("RssAnon") - before), "file_bytes": disk_bytes(path), "version": version_of(engine),
                      "cpu_features": features, "efforts": [str(effort) for effort in peer.efforts],
                      "threads_max": peer.threads_max}), flush=True)
    for line in sys.stdin:
        effort, threads, seconds = line.split()
        row = measure(peer, queries, wanted, effort, int(threads), float(seconds))
        print(json.dumps({"engine": engine, "set": name} | row), flush=True)


def main():
    command = sys.argv[1]
    if command == "list":
        print("\n".join(ENGINES))
    elif command == "build":
        print(json.dumps(build(sys.argv[2], pathlib.Path(sys.argv[3]), sys.argv[4], int(sys.argv[5]))), flush=True)
    else:
        serve(sys.argv[2], pathlib.Path(sys.argv[3]), sys.argv[4])


if __name__ == "__main__":
    main()
