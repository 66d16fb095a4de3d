"""hnswlib over the files of make_data.py, as the yardstick of bench_index: same parameters, same protocol.

Usage: bench_hnswlib.py FOLDER NAME DIM [BUILD_THREADS]
Builds the graph, or loads NAME.hnswlib when it is there, and prints a JSON line. Then each line "EF THREADS SECONDS" of the
standard input is answered with a JSON line: one pass over all queries warms the caches and gives the recall, then SECONDS are
timed in whole passes, by the clock on the wall (`qps`) and in processor time of the process (`cpu_s`).
"""
import json
import os
import pathlib
import sys
import time

import hnswlib
import numpy as np

M, EF_CONSTRUCT, LIMIT = 16, 200, 10


def resident_bytes():
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def graph(folder, name, base, threads):
    """The index, the seconds to build it (0: loaded) and its bytes: vectors, graph and ids."""
    index = hnswlib.Index(space="cosine", dim=base.shape[1])
    path = folder / f"{name}.hnswlib"
    before, seconds = resident_bytes(), 0
    if path.exists():
        index.load_index(str(path), max_elements=len(base))
    else:
        index.init_index(max_elements=len(base), ef_construction=EF_CONSTRUCT, M=M, random_seed=100)
        start = time.perf_counter()
        index.add_items(base, num_threads=threads)
        seconds = time.perf_counter() - start
        index.save_index(str(path))
    return index, seconds, resident_bytes() - before


def measure(index, queries, wanted, ef, threads, seconds):
    index.set_ef(ef)
    index.set_num_threads(threads)
    found, _ = index.knn_query(queries, k=LIMIT)
    hits = sum(len(set(a) & set(b)) for a, b in zip(found, wanted))
    passes, cpu, start = 0, time.process_time(), time.perf_counter()
    while time.perf_counter() - start < seconds:
        index.knn_query(queries, k=LIMIT)
        passes += 1
    took = time.perf_counter() - start
    return {"ef": ef, "threads": threads, "recall": round(hits / wanted.size, 4),
            "qps": round(passes * len(queries) / took, 1), "searches": passes * len(queries),
            "seconds": round(took, 3), "cpu_s": round(time.process_time() - cpu, 3)}


def main():
    folder, name, dim = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    threads = int(sys.argv[4]) if len(sys.argv) > 4 else os.cpu_count()
    base = np.fromfile(folder / f"{name}-base.f32", dtype="<f4").reshape(-1, dim)
    queries = np.fromfile(folder / f"{name}-queries.f32", dtype="<f4").reshape(-1, dim)
    wanted = np.fromfile(folder / f"{name}-exact.u32", dtype="<u4").reshape(-1, LIMIT)
    index, seconds, size = graph(folder, name, base, threads)
    print(json.dumps({"build": "hnswlib", "data": name, "points": len(base), "build_s": round(seconds, 1),
                      "build_threads": threads, "memory_bytes": size}), flush=True)
    del base
    for line in sys.stdin:
        ef, search_threads, duration = line.split()
        row = measure(index, queries, wanted, int(ef), int(search_threads), float(duration))
        print(json.dumps({"engine": "hnswlib", "data": name} | row), flush=True)


if __name__ == "__main__":
    main()
