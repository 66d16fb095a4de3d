"""Tables and a plot out of the rows of bench_server.py.

Usage: bench_report.py FOLDER, which holds results.jsonl. Figures are medians of the repeats. What is compared at recall 0.95 is
interpolated between the two efs around it: linear in recall, logarithmic in rate.
"""
import json
import math
import pathlib
import statistics
import sys

RECALL = 0.95
NAMES = {"sagitta": "index alone", "hnswlib": "hnswlib", "server": "server, HTTP"}
COLORS = {"sagitta": "#2a78d6", "hnswlib": "#eb6834", "server": "#1baf7a"}
INDEX_BAR, SERVER_BAR, UPSERT_BAR = 0.8, 0.5, 20000


def per_cpu(row):
    return row["searches"] / row["cpu_s"] if row["cpu_s"] > 0 else 0.0


def curves_of(rows):
    """{(data, engine, threads): [a row of medians for each ef]}"""
    groups = {}
    for row in rows:
        if "engine" in row:
            key = row["data"], row["engine"], row["threads"]
            groups.setdefault(key, {}).setdefault(row["ef"], []).append(row | {"per_cpu": per_cpu(row)})
    curves = {}
    for key, efs in groups.items():
        curves[key] = []
        for ef, same in sorted(efs.items()):
            fields = [field for field, value in same[0].items() if isinstance(value, (int, float))]
            curves[key].append({field: statistics.median(row[field] for row in same) for field in fields})
    return curves


def at_recall(curve, field):
    """The field's value at RECALL; None: the curve does not reach it on both sides."""
    for low, high in zip(curve, curve[1:]):
        if low["recall"] <= RECALL <= high["recall"] and low[field] > 0 and high[field] > 0:
            span = high["recall"] - low["recall"]
            part = (RECALL - low["recall"]) / span if span > 0 else 0
            return math.exp(math.log(low[field]) * (1 - part) + math.log(high[field]) * part)
    return None


def text(value, form):
    return format(value, form) if value is not None else "-"


def ratio(a, b):
    return a / b if a is not None and b else None


def print_table(head, rows):
    widths = [max(len(str(row[i])) for row in [head] + rows) for i in range(len(head))]
    for row in [head] + rows:
        cells = [str(cell).ljust(width) if i == 0 else str(cell).rjust(width) for i, (cell, width) in
                 enumerate(zip(row, widths))]
        print("  " + "  ".join(cells).rstrip())


def print_builds(rows, data):
    lines = []
    for row in rows:
        if row.get("build") and row["data"] == data:
            known = row.get("vector_bytes", 0) + row.get("index_bytes", 0)
            lines.append((NAMES[row["build"]], row["build_threads"], text(row["build_s"] or None, ".1f"),
                          text(row.get("green_after_load_s"), ".1f"),
                          text(row["memory_bytes"] / row["points"] if "memory_bytes" in row else None, ".0f"),
                          text(row["vector_bytes"] / row["points"] if known else None, ".0f"),
                          text(row["index_bytes"] / row["points"] if known else None, ".0f")))
    print_table(("build", "threads", "seconds", "of them after load", "resident bytes a vector", "vector bytes",
                 "graph bytes"), lines)
    for row in rows:
        if row.get("build") == "server" and row["data"] == data:
            print(f"  upserts: {row['upsert_points_per_s']:.0f} points/s (batches of {row['upsert_batch']}, wait=true, "
                  f"{row['in_flight']} in flight; {row['load_s']:.1f} s, p50 {row['load_p50_ms']:.1f} ms, "
                  f"p99 {row['load_p99_ms']:.1f} ms; CPU: server {row['server_cpu_s']:.1f} s, "
                  f"client {row['client_cpu_s']:.1f} s)")


def print_searches(curves, data):
    lines = []
    for (name, engine, threads), curve in curves.items():
        if name != data:
            continue
        for row in curve:
            server = engine == "server"
            lines.append((f"{NAMES[engine]}, {threads} thread{'s' if threads > 1 else ''}", f"{row['ef']:.0f}",
                          f"{row['recall']:.4f}", f"{row['qps']:.0f}", f"{row['per_cpu']:.0f}",
                          f"{row['cpu_s'] / row['seconds']:.2f}",
                          f"{row['client_cpu_s'] / row['seconds']:.2f}" if server else "-",
                          f"{row['in_flight']:.0f}" if server else "-",
                          f"{row['p50_ms']:.2f}" if server else "-", f"{row['p99_ms']:.2f}" if server else "-"))
    print_table(("searches", "ef", "recall@10", "per s", "per CPU s", "CPUs", "client CPUs", "in flight", "p50 ms", "p99 ms"),
                lines)


def compare(curves, data, ours, theirs, threads_ours, threads_theirs):
    """Rates at RECALL of two engines: wall and per CPU second."""
    a, b = curves.get((data, ours, threads_ours)), curves.get((data, theirs, threads_theirs))
    if not a or not b:
        return None
    found = {field: (at_recall(a, field), at_recall(b, field)) for field in ("qps", "per_cpu")}
    return {"data": data, "recall": RECALL, "compare": f"{ours}/{theirs}", "threads": threads_ours,
            "qps": found["qps"], "ratio": ratio(*found["qps"]), "ratio_per_cpu": ratio(*found["per_cpu"])}


def verdict(value, bar):
    return "-" if value is None else "yes" if value >= bar else "NO"


def print_summary(rows, curves):
    most = max(threads for _, _, threads in curves)
    lines = []
    for data in dict.fromkeys(key[0] for key in curves):
        pairs = [("sagitta", "hnswlib", threads, INDEX_BAR) for threads in sorted({1, most})]
        pairs.append(("server", "sagitta", most, SERVER_BAR))
        for ours, theirs, threads, bar in pairs:
            found = compare(curves, data, ours, theirs, threads, threads)
            if found:
                mine, other = found["qps"]
                lines.append((f"{data}: {NAMES[ours]} / {NAMES[theirs]}", threads, text(mine, ".0f"), text(other, ".0f"),
                              text(found["ratio"], ".2f"), text(found["ratio_per_cpu"], ".2f"), f">= {bar}",
                              verdict(found["ratio"], bar)))
    print(f"at recall {RECALL}, searches a second")
    print_table(("", "threads", "first", "second", "ratio", "per CPU s", "bar", "met"), lines)
    for row in rows:
        if row.get("build") == "server":
            bar = UPSERT_BAR if row["data"] == "words" else None
            print(f"  {row['data']}: durable upserts, {row['upsert_points_per_s']:.0f} points/s" +
                  (f", bar >= {bar}, met: {verdict(row['upsert_points_per_s'], bar)}" if bar else ""))


def plot(curves, folder):
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.ticker import FuncFormatter, LogLocator

    sets = list(dict.fromkeys(key[0] for key in curves))
    figure, axes = pyplot.subplots(1, len(sets), figsize=(6 * len(sets), 4.8), squeeze=False, layout="constrained")
    for axis, data in zip(axes[0], sets):
        for (name, engine, threads), curve in curves.items():
            if name == data:
                axis.plot([row["recall"] for row in curve], [row["qps"] for row in curve], color=COLORS[engine], lw=2,
                          ls="--" if threads == 1 else "-", marker="o" if threads > 1 else "s", ms=5,
                          label=f"{NAMES[engine]}, {threads} thread{'s' if threads > 1 else ''}")
        axis.axvline(RECALL, color="#898781", lw=1, ls=":")
        axis.set(yscale="log", title=data, xlabel="recall@10", ylabel="searches a second")
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axis.yaxis.minorticks_off()
        axis.grid(True, color="#e1e0d9", lw=0.8)
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(frameon=False, fontsize=9)
    figure.savefig(folder / "recall.png", dpi=130)
    print(f"\nplot: {folder / 'recall.png'}")


def report(rows, folder):
    curves = curves_of(rows)
    for row in rows:
        if "bench" in row:
            print(", ".join(f"{key} {value}" for key, value in row.items()))
    for data in dict.fromkeys(key[0] for key in curves):
        points = next(row["points"] for row in rows if row.get("build") and row["data"] == data)
        print(f"\n{data}: {points} points")
        print_builds(rows, data)
        print_searches(curves, data)
    print()
    print_summary(rows, curves)
    plot(curves, folder)


if __name__ == "__main__":
    where = pathlib.Path(sys.argv[1])
    report([json.loads(line) for line in (where / "results.jsonl").read_text().splitlines()], where)
