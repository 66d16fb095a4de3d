"""`make bench-index`: the index engine beside its peers, on the sets of make_data.py, in one run.

For each set: all engines build, one after another, with as many threads as cores; all are opened, each in a process of its own; each
is asked once with growing efforts, to find those whose recall is worth timing; then, REPEATS times, one effort of each engine after
another is timed with one thread, and one effort with all cores. Last, our engines search beside inserts (`churn`). Kernels are
measured once. Rows go to FOLDER/index.jsonl as they come; index_report.py makes tables and plots of them.
"""
import argparse
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import index_report
import make_data
from engines import Engines, Failed, ours

DEFAULT_SETS = ("words", "sentences", "clustered")
DEFAULT_OURS = ("sagitta-hnsw", "sagitta-hnsw-scalar", "sagitta-hnsw-rotated4", "sagitta-ivfpq")
REPEATS, SECONDS = 3, 0.4
RECALL_LOW, RECALL_HIGH, RECALL_STEP, EFFORTS_MAX = 0.80, 0.9975, 0.004, 10
CHURN_POINTS, CHURN_SECONDS = 100000, 4.0
THREADS_RECALL = 0.95


def cores():
    return len(os.sched_getaffinity(0))


class Rows:
    """The results: written at once, kept for the report."""

    def __init__(self, path):
        self.file, self.rows = open(path, "w"), []

    def add(self, row):
        self.rows.append(row)
        print(json.dumps(row), file=self.file, flush=True)


class Progress:
    """What is being done, on standard error, with the time that the rest of a step takes."""

    def __init__(self):
        self.start = time.monotonic()

    def say(self, text):
        took = int(time.monotonic() - self.start)
        print(f"{took // 60:3}:{took % 60:02}  {text}", file=sys.stderr, flush=True)

    def steps(self, text, items, every=10.0):
        """The items, with a line every so many seconds."""
        items, start, said = list(items), time.monotonic(), time.monotonic()
        for i, item in enumerate(items):
            yield item
            now = time.monotonic()
            if now - said >= every and i + 1 < len(items):
                said, left = now, (now - start) / (i + 1) * (len(items) - i - 1)
                self.say(f"{text}: {i + 1} of {len(items)}, about {left:.0f} s left")


def rate_of(row):
    """By processor time, which is steadier than the clock when a pass is short."""
    return row["searches"] / max(row["cpu_s"], 1e-4)


def front(points):
    """Those that no other beats in both recall and rate, by growing recall."""
    best, rate = [], 0.0
    for row in sorted(points, key=lambda row: (-row["recall"], -rate_of(row))):
        if rate_of(row) > rate:
            best.append(row)
            rate = rate_of(row)
    return best[::-1]


def explore(engine, efforts):
    """Rows of one untimed pass each. An effort is "A" or "A:B"; both ladders stop where nothing more is to be had."""
    ladders = {}
    for effort in efforts:
        ladders.setdefault(effort.split(":")[0], []).append(effort)
    rows, best_rate = [], 0.0
    for ladder in ladders.values():
        recall, rate = 0.0, 0.0
        for effort in ladder:
            row = engine.measure(effort, 1, 0)
            rows.append(row)
            gained = row["recall"] - recall
            recall, rate = max(recall, row["recall"]), max(rate, rate_of(row))
            if gained < 0.001 and ":" in effort and row is not rows[0]:
                break
        best_rate = max(best_rate, rate if recall >= RECALL_HIGH else 0)
        if (len(ladder) == 1 and recall >= RECALL_HIGH) or rate < best_rate / 3:
            break
    return rows


def choose(rows):
    """The efforts to time: along the front, in steps of recall."""
    chosen = []
    for row in front(rows):
        near_top = min(RECALL_STEP, (1 - row["recall"]) / 3)
        if row["recall"] >= RECALL_LOW and (not chosen or row["recall"] - chosen[-1]["recall"] > near_top):
            chosen.append(row)
    if len(chosen) > EFFORTS_MAX:
        at = [round(i * (len(chosen) - 1) / (EFFORTS_MAX - 1)) for i in range(EFFORTS_MAX)]
        chosen = [chosen[i] for i in at]
    return chosen


class SetRun:
    """One set: its contenders and what they are asked."""

    def __init__(self, engines, name, rows, progress):
        self.engines, self.name, self.rows, self.progress = engines, name, rows, progress
        self.contenders = {}  # name: (process, first line, chosen rows)

    def skip(self, engine, why):
        self.rows.add({"skipped": engine, "set": self.name, "why": str(why)})
        self.progress.say(f"{self.name}: {engine} is left out: {why}")

    def build(self, engine, keep):
        row = self.engines.kept(engine, self.name) if keep else None
        if row is None:
            self.progress.say(f"{self.name}: {engine} builds")
            row = self.engines.build(engine, self.name)
            self.progress.say(f"{self.name}: {engine} has built in {row['build_s']:.1f} s")
        self.rows.add(row | {"build": engine})

    def build_all(self, names, keep):
        done, usable = set(), []
        for engine in names:
            try:
                if self.engines.path(engine, self.name) not in done:
                    self.build(engine, keep == "all" or (keep and not ours(engine)))
                done.add(self.engines.path(engine, self.name))
                usable.append(engine)
            except (Failed, ImportError) as err:
                self.skip(engine, err)
        return usable

    def open(self, engine, stack):
        try:
            process, row = self.engines.serve(engine, self.name)
        except Failed as err:
            self.skip(engine, err)
            return
        stack.callback(process.close)
        self.rows.add({key: value for key, value in row.items() if key != "efforts"})
        found = explore(process, row["efforts"])
        for tried in found:
            self.rows.add(tried | {"explored": True})
        chosen = choose(found)
        self.progress.say(f"{self.name}: {engine} opened in {row['open_ms']:.1f} ms; " +
                          (f"{len(chosen)} of {len(found)} efforts, recall {chosen[0]['recall']:.3f} to "
                           f"{chosen[-1]['recall']:.3f}" if chosen else "no effort with enough recall"))
        if chosen:
            self.contenders[engine] = process, row, chosen

    def plan(self):
        """(engine, effort, threads) in the order to measure: rung by rung, all engines in turn."""
        longest = max((len(chosen) for _, _, chosen in self.contenders.values()), default=0)
        plan = [(engine, chosen[rung]["effort"], 1) for rung in range(longest)
                for engine, (_, _, chosen) in self.contenders.items() if rung < len(chosen)]
        for engine, (_, row, chosen) in self.contenders.items():
            if row["threads_max"] >= cores() > 1:
                near = min(chosen, key=lambda tried: abs(tried["recall"] - THREADS_RECALL))
                plan.append((engine, near["effort"], cores()))
        return plan

    def measure(self, seconds):
        plan = [(repeat, *step) for repeat in range(REPEATS) for step in self.plan()]
        for repeat, engine, effort, threads in self.progress.steps(f"{self.name}: searches", plan):
            self.rows.add(self.contenders[engine][0].measure(effort, threads, seconds) | {"repeat": repeat})

    def churn(self, points):
        for engine, (_, _, chosen) in list(self.contenders.items()):
            if ours(engine):
                near = min(chosen, key=lambda tried: abs(tried["recall"] - THREADS_RECALL))
                self.progress.say(f"{self.name}: {engine} searches beside inserts")
                try:
                    self.rows.add(self.engines.churn(engine, self.name, points, near["effort"], CHURN_SECONDS))
                except Failed as err:
                    self.skip(f"{engine} churn", err)

    def run(self, names, options):
        usable = self.build_all(names, options.keep)
        with contextlib.ExitStack() as stack:
            for engine in usable:
                self.open(engine, stack)
            self.measure(options.seconds)
        base = os.path.getsize(self.engines.folder / f"{self.name}-base.f32") // (4 * make_data.SETS[self.name].dim)
        if not options.no_churn:
            self.churn(min(CHURN_POINTS, base // 2))


def kernels(options, rows, progress):
    progress.say("kernels")
    done = subprocess.run([f"{options.tools}/bench_kernel"], stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise SystemExit(f"bench_kernel ended with code {done.returncode}")
    for line in done.stdout.splitlines():
        rows.add(json.loads(line))


def arguments():
    words = lambda text: [word for word in text.replace(",", " ").split() if word]
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=pathlib.Path, required=True, help="data and results")
    parser.add_argument("--tools", required=True, help="folder of bench_index and bench_kernel")
    parser.add_argument("--sets", type=words, default=list(DEFAULT_SETS), help="of " + ", ".join(make_data.SETS))
    parser.add_argument("--engines", type=words, help="instead of our usual ones and all peers; `all`: all of ours too")
    parser.add_argument("--points", type=int, help="take only so many of each set")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each measurement")
    parser.add_argument("--keep", nargs="?", const="peers", help="keep the peers' indexes of an earlier run; `all`: ours too")
    parser.add_argument("--no-churn", action="store_true")
    parser.add_argument("--no-kernels", action="store_true")
    options = parser.parse_args()
    for name in options.sets:
        if name not in make_data.SETS:
            parser.error(f"no set {name}")
    return options


def names_of(options, available):
    if options.engines == ["all"]:
        return available
    if options.engines:
        unknown = set(options.engines) - set(available)
        if unknown:
            raise SystemExit(f"no engine {', '.join(unknown)}; there are {', '.join(available)}")
        return options.engines
    return [name for name in available if not ours(name) or name in DEFAULT_OURS]


def main():
    options = arguments()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # so that the engines end too
    progress = Progress()
    progress.say(f"sets {', '.join(options.sets)}")
    folder = make_data.make(options.folder, options.points, options.sets)
    engines = Engines(folder, options.tools, cores())
    names = names_of(options, engines.available())
    rows = Rows(options.folder / "index.jsonl")
    if not options.no_kernels:
        kernels(options, rows, progress)
    for name in options.sets:
        SetRun(engines, name, rows, progress).run(names, options)
    progress.say("done")
    index_report.report(rows.rows, options.folder)


if __name__ == "__main__":
    main()
