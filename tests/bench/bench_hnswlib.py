"""hnswlib over the files of make_data.py, as the yardstick of bench_index: same parameters, one search thread (its
processor time), one JSON line per ef. The graph is kept beside the data, for building takes minutes.

Usage: bench_hnswlib.py FOLDER NAME DIM EF[,EF...] [ROUNDS]
"""
import json
import os
import pathlib
import sys
import time

import hnswlib
import numpy as np

M, EF_CONSTRUCT, LIMIT = 16, 200, 10


def exact(base, queries):
    unit = base / np.maximum(np.linalg.norm(base, axis=1, keepdims=True), 1e-30)
    wanted = []
    for at in range(0, len(queries), 100):
        scores = queries[at:at + 100] @ unit.T
        wanted.append(np.argpartition(-scores, LIMIT, axis=1)[:, :LIMIT])
    return np.concatenate(wanted)


def graph(folder, name, base):
    index = hnswlib.Index(space="cosine", dim=base.shape[1])
    path = folder / f"{name}.hnswlib"
    if path.exists():
        index.load_index(str(path), max_elements=len(base))
        return index, None
    index.init_index(max_elements=len(base), ef_construction=EF_CONSTRUCT, M=M, random_seed=100)
    start = time.perf_counter()
    index.add_items(base, num_threads=os.cpu_count())
    seconds = time.perf_counter() - start
    index.save_index(str(path))
    return index, seconds


def main():
    folder, name, dim = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    efs = [int(ef) for ef in sys.argv[4].split(",")]
    rounds = int(sys.argv[5]) if len(sys.argv) > 5 else 1
    base = np.fromfile(folder / f"{name}-base.f32", dtype="<f4").reshape(-1, dim)
    queries = np.fromfile(folder / f"{name}-queries.f32", dtype="<f4").reshape(-1, dim)
    wanted = exact(base, queries)
    index, seconds = graph(folder, name, base)
    if seconds is not None:
        print(json.dumps({"engine": "hnswlib", "data": name, "build_s": round(seconds, 1),
                          "build_threads": os.cpu_count()}), flush=True)
    index.set_num_threads(1)
    for ef in efs:
        index.set_ef(ef)
        times = []
        for _ in range(rounds):
            start = time.thread_time()
            found, _ = index.knn_query(queries, k=LIMIT)
            times.append(time.thread_time() - start)
        hits = sum(len(set(a) & set(b)) for a, b in zip(found, wanted))
        print(json.dumps({"engine": "hnswlib", "data": name, "ef": ef, "recall": round(hits / wanted.size, 4),
                          "qps": round(len(queries) / sorted(times)[len(times) // 2], 1)}), flush=True)


if __name__ == "__main__":
    main()
