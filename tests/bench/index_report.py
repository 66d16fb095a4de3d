"""Tables in Markdown and a plot a set out of the rows of run_index.py.

Usage: index_report.py FOLDER, which holds index.jsonl. Writes FOLDER/index-report.md, and index-SET.png and .svg. A figure is the
median of its repeats. The rate at a recall stands on the front of an engine's points (those that none of its own beats in both),
between two of them: linear in recall, logarithmic in rate. `>`: the engine has no point below that recall, so its slowest is taken.
"""
import json
import math
import pathlib
import statistics
import sys

RECALLS = (0.90, 0.95, 0.99)
YARDSTICK = "hnswlib16"
DISTURBED = 0.9  # processor time by time of a measurement: below, something else ran
COLORS = {"sagitta-hnsw": "#1f5fbf", "sagitta-hnsw-scalar": "#0aa5c2", "sagitta-hnsw-rotated4": "#7a3fd0",
          "sagitta-ivfpq": "#d01c5b", "hnswlib16": "#555555", "hnswlib32": "#555555", "faiss-hnsw32": "#b07d2b",
          "faiss-ivfpq": "#c8641e", "faiss-ivfpq-batch": "#c8641e", "usearch16": "#3f8f4f", "scann": "#a08a00",
          "scann-batch": "#a08a00", "ngt": "#8a6d8f"}
MARKS = {"hnswlib16": "o", "hnswlib32": "s", "faiss-hnsw32": "^", "faiss-ivfpq": "v", "faiss-ivfpq-batch": "v",
         "usearch16": "D", "scann": "P", "scann-batch": "P", "ngt": "X"}
SPARE_COLORS = ("#2e9e86", "#9f4f9f", "#5f7fdf", "#bf5f5f")


def ours(engine):
    return engine.startswith("sagitta-")


def front(points):
    """Those that no other beats in both recall and rate, by growing recall."""
    best, rate = [], 0.0
    for recall, qps in sorted(points, key=lambda point: (-point[0], -point[1])):
        if qps > rate:
            best.append((recall, qps))
            rate = qps
    return best[::-1]


class Results:
    """The rows of one set."""

    def __init__(self, rows, name):
        self.name = name
        self.rows = [row for row in rows if row.get("set") == name]
        self.builds = {row["build"]: row for row in self.rows if "build" in row}
        self.opened = {row["serve"]: row for row in self.rows if "serve" in row}
        self.timed = [row for row in self.rows if "engine" in row and "repeat" in row]
        self.engines = list(dict.fromkeys(row["engine"] for row in self.timed))

    def points(self, engine, per_cpu=False, threads=1):
        """(recall, rate) of each effort."""
        efforts = {}
        for row in self.timed:
            if row["engine"] == engine and row["threads"] == threads:
                rate = row["searches"] / max(row["cpu_s"], 1e-9) if per_cpu else row["qps"]
                efforts.setdefault(row["effort"], []).append((row["recall"], rate))
        return [tuple(statistics.median(column) for column in zip(*same)) for same in efforts.values()]

    def at(self, engine, recall, per_cpu=False):
        """(rate, is it only a lower bound); None: the engine does not get there."""
        curve = front(self.points(engine, per_cpu))
        if not curve or curve[-1][0] < recall:
            return None
        if curve[0][0] >= recall:
            return curve[0][1], curve[0][0] > recall
        for low, high in zip(curve, curve[1:]):
            if low[0] <= recall <= high[0]:
                part = (recall - low[0]) / (high[0] - low[0])
                return math.exp(math.log(low[1]) * (1 - part) + math.log(high[1]) * part), False
        return None

    def shares(self, engine):
        return self.opened.get(engine, {}).get("calls") == "batch"

    def best(self, recall, wanted, per_cpu=False):
        """(name, rate) of the fastest engine that `wanted` accepts."""
        found = [(self.at(engine, recall, per_cpu), engine) for engine in self.engines if wanted(engine)]
        found = [(rate[0], engine) for rate, engine in found if rate]
        return max(found)[::-1] if found else (None, None)

    def speedup(self, engine):
        """What all cores bring at one effort, and how many cores those are."""
        more = [row for row in self.timed if row["engine"] == engine and row["threads"] > 1]
        if not more:
            return "-"
        one = [row["qps"] for row in self.timed
               if row["engine"] == engine and row["threads"] == 1 and row["effort"] == more[0]["effort"]]
        return f"{statistics.median(row['qps'] for row in more) / statistics.median(one):.2f}"


def rate_text(found):
    return "-" if found is None else f"{'> ' if found[1] else ''}{found[0]:,.0f}"


def ratio_text(a, b):
    return f"{a / b:.2f}" if a and b else "-"


def table(head, lines):
    widths = [max(len(str(row[i])) for row in [head] + lines) for i in range(len(head))]
    out = []
    for row in [head, ["-" * width for width in widths]] + lines:
        cells = [str(cell).ljust(width) if i == 0 else str(cell).rjust(width) for i, (cell, width) in enumerate(zip(row, widths))]
        out.append("| " + " | ".join(cells) + " |")
    return out + [""]


def megabytes(row, field):
    return f"{row[field] / 1e6:,.0f}" if field in row else "-"


def engine_table(results):
    lines = []
    for engine in results.engines:
        rates = [results.at(engine, recall) for recall in RECALLS]
        base = [results.at(YARDSTICK, recall) for recall in RECALLS]
        build, opened = results.builds.get(engine, {}), results.opened.get(engine, {})
        known = results.builds.get(YARDSTICK, {}).get("build_s")
        lines.append([f"**{engine}**" if ours(engine) else engine, opened.get("calls", "-"), *(rate_text(rate) for rate in rates),
                      *(ratio_text(a and a[0], b and b[0]) for a, b in zip(rates, base)), results.speedup(engine),
                      f"{build['build_s']:,.1f}" if build else "-", ratio_text(known, build.get("build_s")),
                      megabytes(opened, "memory_bytes"), megabytes(opened, "mapped_bytes"), megabytes(opened, "file_bytes"),
                      f"{opened['open_ms']:,.1f}" if opened else "-"])
    return table(["engine", "calls", *(f"QPS at {recall}" for recall in RECALLS),
                  *(f"/ {YARDSTICK}" for _ in RECALLS), "all cores", "build s", "build speed / " + YARDSTICK,
                  "anonymous MB", "mapped MB", "file MB", "open ms"], lines)


def summary_table(results):
    """Ours beside the best of the others."""
    lines = []
    for recall in RECALLS:
        mine, rate = results.best(recall, ours)
        if mine is None:
            continue
        cells = [recall, mine, f"{rate:,.0f}"]
        for wanted in (lambda engine: not ours(engine) and not results.shares(engine), lambda engine: not ours(engine)):
            peer, peer_rate = results.best(recall, wanted)
            cpu, peer_cpu = results.best(recall, ours, True)[1], results.best(recall, wanted, True)[1]
            cells += [peer or "-", ratio_text(rate, peer_rate), ratio_text(cpu, peer_cpu)]
        yardstick = results.at(YARDSTICK, recall)
        lines.append(cells + [ratio_text(rate, yardstick and yardstick[0])])
    return table(["recall@10", "our best", "QPS", "best peer, a query at a time", "ratio", "per CPU s",
                  "best peer, batches too", "ratio", "per CPU s", f"ratio to {YARDSTICK}"], lines)


def resources_table(results):
    """Build, memory and opening of each of ours by those of the others."""
    lines = []
    for mine in filter(ours, results.engines):
        for peer in results.engines:
            if ours(peer) or results.shares(peer) or peer not in results.builds or peer not in results.opened:
                continue
            a, b = results.opened[mine], results.opened[peer]
            lines.append([f"{mine} / {peer}", ratio_text(results.builds[mine]["build_s"], results.builds[peer]["build_s"]),
                          ratio_text(a["memory_bytes"], b["memory_bytes"]), ratio_text(a["file_bytes"], b["file_bytes"]),
                          ratio_text(a["open_ms"], b["open_ms"])])
    return table(["less is better", "build time", "anonymous memory", "file", "opening"], lines) if lines else []


def churn_table(results):
    rows = [row for row in results.rows if "churn" in row]
    lines = [[row["churn"], row["effort"], f"{row['points']:,}", f"{row['inserts_per_s']:,.0f}", f"{row['idle_p50_us']:.0f}",
              f"{row['idle_p99_us']:.0f}", f"{row['churn_p50_us']:.0f}", f"{row['churn_p99_us']:.0f}",
              f"{row['churn_p99_us'] / row['idle_p99_us']:.2f}"] for row in rows]
    head = ["searches beside inserts", "effort", "points", "inserts a second", "idle p50 us", "idle p99 us", "p50 us", "p99 us",
            "p99 / idle"]
    return table(head, lines) if lines else []


def kernel_table(rows):
    kernels = {}
    for row in rows:
        if "kernel" in row:
            kernels.setdefault(row["kernel"], {})[row["dim"]] = row
    if not kernels:
        return []
    dims = sorted({dim for cells in kernels.values() for dim in cells})
    lines = [[name, *(f"{cells[dim]['cache_ns']:.1f} / {cells[dim]['random_ns']:.1f}" if dim in cells else "-" for dim in dims)]
             for name, cells in kernels.items()]
    return ["## Kernels: ns a distance, in cache / random access", ""] + \
        table(["kernel", *(f"{dim} dimensions" for dim in dims)], lines)


def disturbed(results):
    share = [row["cpu_s"] / row["seconds"] < DISTURBED * row["threads"] for row in results.timed if row["seconds"] > 0]
    return sum(share) / len(share) if share else 0.0


def skipped_lines(results):
    return [f"- {row['skipped']} is missing: {row['why']}" for row in results.rows if "skipped" in row]


def versions_line(results):
    parts = {f"{row['version']}{' (' + row['cpu_features'] + ')' if row.get('cpu_features') else ''}"
             for row in results.opened.values()}
    return "Versions: " + "; ".join(sorted(parts)) + "."


def text(rows):
    lines = ["# Index engine and peers", ""]
    for name in dict.fromkeys(row["set"] for row in rows if "set" in row):
        results = Results(rows, name)
        if not results.engines:
            continue
        points = next((row["points"] for row in results.builds.values()), 0)
        threads = next((row["build_threads"] for row in results.builds.values()), 0)
        lines += [f"## {name}: {points:,} points", "", f"Searches with one thread; builds with {threads}. {versions_line(results)}",
                  ""]
        if disturbed(results) > 0.05:
            lines += [f"Something else ran during {disturbed(results):.0%} of the measurements: trust the columns per CPU second.", ""]
        lines += summary_table(results) + engine_table(results) + resources_table(results) + churn_table(results)
        lines += skipped_lines(results) + [""]
    return "\n".join(lines + kernel_table(rows))


def draw(results, axis):
    spare = iter(SPARE_COLORS * 4)
    for engine in sorted(results.engines, key=ours):  # ours above the others
        curve = front(results.points(engine))
        curve = [(recall, qps) for recall, qps in curve if recall < 1]
        mine = ours(engine)
        axis.plot([-math.log10(1 - recall) for recall, _ in curve], [qps for _, qps in curve],
                  color=COLORS.get(engine) or next(spare), lw=3 if mine else 1.3, ls="--" if results.shares(engine) else "-",
                  alpha=1 if mine else 0.85, marker="o" if mine else MARKS.get(engine, "."), ms=7 if mine else 5,
                  zorder=3 if mine else 2, label=engine + (", batches" if results.shares(engine) else ""))


def plot(results, folder):
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.ticker import FuncFormatter, LogLocator

    figure, axis = pyplot.subplots(figsize=(9.5, 5.6), layout="constrained")
    draw(results, axis)
    ticks = (0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999)
    axis.set_xticks([-math.log10(1 - tick) for tick in ticks], [str(tick) for tick in ticks])
    axis.set_xlim(-math.log10(1 - 0.79), -math.log10(1 - 0.9992))
    for recall in RECALLS:
        axis.axvline(-math.log10(1 - recall), color="#898781", lw=1, ls=":", zorder=1)
    points = next((row["points"] for row in results.builds.values()), 0)
    axis.set(yscale="log", title=f"{results.name}: {points:,} points, one thread", xlabel="recall@10",
             ylabel="searches a second")
    axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axis.yaxis.minorticks_off()
    axis.grid(True, color="#e1e0d9", lw=0.8)
    axis.spines[["top", "right"]].set_visible(False)
    handles, labels = axis.get_legend_handles_labels()
    axis.legend(handles[::-1], labels[::-1], frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1, 0.5))
    for suffix in ("png", "svg"):
        figure.savefig(folder / f"index-{results.name}.{suffix}", dpi=130)
    pyplot.close(figure)


def report(rows, folder):
    made = text(rows)
    (folder / "index-report.md").write_text(made + "\n")
    print(made)
    for name in dict.fromkeys(row["set"] for row in rows if "set" in row):
        results = Results(rows, name)
        if results.engines:
            plot(results, folder)
            print(f"plot: {folder / f'index-{name}.png'}")


if __name__ == "__main__":
    where = pathlib.Path(sys.argv[1])
    report([json.loads(line) for line in (where / "index.jsonl").read_text().splitlines()], where)
