"""Measures what the plan of a filtered search expects: prints index/segment/plan_costs.h's numbers as they are on this machine.

Each operator is forced upon filters that have nothing to do with the query, at parts of the points where the plan has to choose; the
mean of measured over expected time is what its numbers are multiplied by. `--write` puts them into the header. Run it with the
machine to itself; the order of the costs matters, not their size.

Usage: calibrate_plan.py --folder FOLDER --tools BIN [--points N] [--queries N] [--write], where bench_filter.py has run
"""
import argparse
import json
import math
import pathlib
import re
import subprocess

import make_data
import make_filters

HEADER = pathlib.Path(__file__).resolve().parents[2] / "index/segment/plan_costs.h"
NAME, PARTS, REPEATS = "clustered", ("0.01", "0.05", "0.1", "0.25"), 3
# operator, kind and codes of the index; the numbers that are its own
OPERATORS = (("scan", "hnsw", "rotated4", ("SCAN_POINT", "SCAN_BYTE")),
             ("scan_codes", "hnsw", "rotated4", ("CODES_POINT", "CODES_BYTE", "CODES_QUERY")),
             ("index", "hnsw", "rotated4", ("WALK_DISTANCE", "WALK_BYTE")),
             ("index", "ivfpq", "none", ("LISTS_DISTANCE", "LISTS_BYTE")))


def ratio(folder, tools, operator, kind, quant):
    """Measured over expected, of searches that went as expected."""
    spec = make_data.SETS[NAME]
    lines = "".join(f"independent {part} {operator} 0 {REPEATS}\n" for part in PARTS)
    output = subprocess.run([tools / "bench_filter", folder, NAME, str(spec.dim), spec.distance, kind, quant], check=True, text=True,
                            input=lines, stdout=subprocess.PIPE).stdout
    rows = [json.loads(line) for line in output.splitlines()[1:]]
    logs = [math.log(row["us"] / row["estimated_us"]) for row in rows if row["failed"] == 0]
    return math.exp(sum(logs) / len(logs))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=pathlib.Path, required=True)
    parser.add_argument("--tools", type=pathlib.Path, required=True)
    parser.add_argument("--points", type=int)
    parser.add_argument("--queries", type=int, default=make_filters.QUERIES)
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    folder = make_data.make(args.folder, args.points, (NAME,))
    make_filters.make(folder, NAME, args.queries)
    text = HEADER.read_text()
    for operator, kind, quant, names in OPERATORS:
        factor = ratio(folder, args.tools, operator, kind, quant)
        for name in names:
            text = re.sub(rf"(COST_{name}\s+)([\d.]+)", lambda found: f"{found[1]}{float(float(f'{float(found[2]) * factor:.3g}'))}", text)
        print(f"{operator} ({kind}): {factor:.2f} times what was expected")
    print("\n".join(line for line in text.splitlines() if line.startswith("#define")))
    if args.write:
        HEADER.write_text(text)


if __name__ == "__main__":
    main()
