"""`make bench-filter`: filtered search of the index engine beside FAISS and beside the plain scan of the matches, in one run.

The set is `clustered` of make_data.py, the filters are those of make_filters.py: parts of the rows from 0.01 % to all, which have
nothing to do with the query, go by groups of like rows, or are the groups nearest to the query or farthest from it. Our engine
searches as planned, with a graph over codes and with lists; FAISS with IndexHNSWFlat and IndexIVFFlat and an IDSelectorBitmap, one
query a call, with the least effort that reaches RECALL (or the largest). One thread each. What is right, and the time of the plain
scan, come from bench_filter. Rows go to FOLDER/filter.jsonl; a table and a plot follow.

Usage: bench_filter.py --folder FOLDER --tools BIN [--points N] [--queries N]
"""
import argparse
import json
import pathlib
import subprocess
import sys
import time

import numpy as np

import make_data
import make_filters

NAME, RECALL, LIMIT = "clustered", 0.95, 10
OURS = {"sagitta-hnsw-rotated4": ("hnsw", "rotated4"), "sagitta-ivfpq": ("ivfpq", "none")}
HNSW_EFFORTS = (32, 64, 128, 256, 512, 1024, 2048)
IVF_EFFORTS = (4, 8, 16, 32, 64, 128, 256, 512, 1024)
REPEATS = 2


def say(text):
    print(text, file=sys.stderr, flush=True)


def ours(folder, tools, add):
    spec = make_data.SETS[NAME]
    for engine, (kind, quant) in OURS.items():
        if not (folder / f"{NAME}.{engine}").exists():
            say(f"{engine}: building")
            subprocess.run([tools / "bench_index", "build", folder, NAME, str(spec.dim), spec.distance, kind, quant, "2"], check=True,
                           stdout=subprocess.DEVNULL)
        lines = [f"{filter} {part} planned 0 {REPEATS}" for filter in make_filters.KINDS for part in make_filters.PARTS]
        process = subprocess.Popen([tools / "bench_filter", folder, NAME, str(spec.dim), spec.distance, kind, quant],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        process.stdout.readline()
        for line in lines:
            say(f"{engine}: {line}")
            process.stdin.write(line + "\n")
            process.stdin.flush()
            add({"engine": engine, **json.loads(process.stdout.readline())})
        process.stdin.close()
        process.wait()


def exact(base, query, rows):
    """The distance of the LIMIT-th nearest of the rows, and how many are wanted."""
    distances = ((base[rows] - query) ** 2).sum(axis=1)
    wanted = min(LIMIT, len(rows))
    return np.partition(distances, wanted - 1)[wanted - 1], wanted


class Peer:
    def __init__(self, name, index, efforts, params):
        self.name, self.index, self.efforts, self.params = name, index, efforts, params

    def measure(self, faiss, queries, selectors, right, effort):
        hits, wanted, took = 0, 0, 0.0
        for query, selector, (farthest, count) in zip(queries, selectors, right):
            params = self.params(selector, effort)
            best = 1e9
            for _ in range(REPEATS):
                start = time.thread_time()
                distances, found = self.index.search(query[None], LIMIT, params=params)
                best = min(best, time.thread_time() - start)
            took += best
            hits += min(count, int(((found[0] >= 0) & (distances[0] <= farthest * (1 + 1e-5))).sum()))
            wanted += count
        return {"effort": effort, "us": took / len(queries) * 1e6, "recall": hits / max(1, wanted)}


def peers(faiss, base):
    graph = faiss.IndexHNSWFlat(base.shape[1], 16)
    graph.hnsw.efConstruction = 200
    lists = faiss.index_factory(base.shape[1], f"IVF{max(64, int(4 * len(base) ** 0.5))},Flat")
    lists.train(base[:: max(1, len(base) // 200000)])
    for index in (graph, lists):
        say("FAISS: building")
        index.add(base)
    return (Peer("faiss-hnsw", graph, HNSW_EFFORTS, lambda sel, effort: faiss.SearchParametersHNSW(sel=sel, efSearch=effort)),
            Peer("faiss-ivf", lists, IVF_EFFORTS, lambda sel, effort: faiss.SearchParametersIVF(sel=sel, nprobe=effort)))


def bench_peers(folder, queries_count, add):
    import faiss
    base = make_data.read(folder, NAME, "base")
    queries = make_data.read(folder, NAME, "queries")[:queries_count]
    engines = peers(faiss, base)
    faiss.omp_set_num_threads(1)
    width = (len(base) + 63) // 64 * 8
    for filter in make_filters.KINDS:
        for part in make_filters.PARTS:
            bits = np.fromfile(folder / f"{NAME}-{filter}-{part}.bits", np.uint8).reshape(-1, width)[:len(queries)]
            selectors = [faiss.IDSelectorBitmap(row[:(len(base) + 7) // 8].copy()) for row in bits]
            right = [exact(base, query, np.flatnonzero(np.unpackbits(row, bitorder="little")[:len(base)]))
                     for query, row in zip(queries, bits)]
            for engine in engines:
                say(f"{engine.name}: {filter} {part}")
                for effort in engine.efforts:
                    row = engine.measure(faiss, queries, selectors, right, effort)
                    if row["recall"] >= RECALL or effort == engine.efforts[-1]:
                        add({"engine": engine.name, "filter": f"{filter}-{part}", **row})
                        break


def table(rows):
    engines = sorted({row["engine"] for row in rows})
    cells = {(row["filter"], row["engine"]): f"{row['us']:.0f} ({row['recall']:.3f})" for row in rows}
    scans = {row["filter"]: f"{row['scan_us']:.0f}" for row in rows if "scan_us" in row}
    print("microseconds a search (recall@10)\n\n| filter | plain scan | " + " | ".join(engines) + " |")
    print("|" + "---|" * (len(engines) + 2))
    for filter in make_filters.KINDS:
        for part in make_filters.PARTS:
            name = f"{filter}-{part}"
            print(f"| {name} | {scans.get(name, '')} | " + " | ".join(cells.get((name, engine), "") for engine in engines) + " |")


def plot(rows, path):
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot
    figure, axes = pyplot.subplots(2, len(make_filters.KINDS), figsize=(18, 8), sharex=True, sharey="row")
    for column, filter in enumerate(make_filters.KINDS):
        for engine in sorted({row["engine"] for row in rows}) + ["plain scan"]:
            points = []
            for row in rows:
                name, part = row["filter"].rsplit("-", 1)
                if name != filter:
                    continue
                if engine == "plain scan" and row["engine"] == "sagitta-hnsw-rotated4":
                    points.append((float(part), 1e6 / row["scan_us"], 1))
                elif row["engine"] == engine:
                    points.append((float(part), 1e6 / row["us"], row["recall"]))
            points.sort()
            axes[0][column].loglog([p[0] for p in points], [p[1] for p in points], marker=".", label=engine)
            axes[1][column].semilogx([p[0] for p in points], [p[2] for p in points], marker=".")
        axes[0][column].set_title(filter)
        axes[1][column].axhline(RECALL, color="grey", linewidth=0.5)
        axes[1][column].set_xlabel("part of the points that match")
    axes[0][0].set_ylabel("searches a second, one thread")
    axes[1][0].set_ylabel("recall@10")
    axes[0][0].legend()
    figure.tight_layout()
    figure.savefig(path)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=pathlib.Path, required=True)
    parser.add_argument("--tools", type=pathlib.Path, required=True)
    parser.add_argument("--points", type=int)
    parser.add_argument("--queries", type=int, default=make_filters.QUERIES)
    args = parser.parse_args()
    folder = make_data.make(args.folder, args.points, (NAME,))
    make_filters.make(folder, NAME, args.queries)
    rows = []
    with open(args.folder / "filter.jsonl", "w") as file:
        def add(row):
            rows.append(row)
            print(json.dumps(row), file=file, flush=True)
        ours(folder, args.tools, add)
        bench_peers(folder, args.queries, add)
    table(rows)
    plot(rows, args.folder / "filter.svg")


if __name__ == "__main__":
    main()
