"""Makes the filters of `make bench-filter`: for each of the first queries of a set, which rows a filter accepts.

The rows are parted into groups by the nearest of GROUPS of them, as a field that goes with the vectors would part them. Kinds:

  independent   rows drawn at random; the same for all queries
  categories    groups drawn at random, whole; the same for all queries
  aligned       the groups nearest to the query
  opposed       the groups farthest from the query

Each kind has a file for every part of the rows that it accepts: NAME-KIND-PART.bits, rows of 64-bit words, one row a query. The
last group is taken in part, so that the number accepted is exact.

Usage: make_filters.py FOLDER NAME [QUERIES]. Files that exist are kept. Needs numpy.
"""
import pathlib
import sys

import numpy as np

import make_data

PARTS = ("0.0001", "0.001", "0.01", "0.05", "0.1", "0.25", "0.5", "1")
KINDS = ("independent", "categories", "aligned", "opposed")
GROUPS = 500
QUERIES = 100
SEED = 7


def similarities(rows, others, distance):
    """Higher is nearer."""
    scores = rows @ others.T
    if distance == "cosine":
        return scores / np.maximum(np.linalg.norm(rows, axis=1), 1e-30)[:, None] / np.maximum(np.linalg.norm(others, axis=1), 1e-30)
    return scores - (others * others).sum(axis=1) / 2


def groups_of(base, distance, rng):
    centres = base[rng.choice(len(base), min(GROUPS, len(base)), replace=False)]
    groups = np.empty(len(base), np.int32)
    for at in range(0, len(base), 20000):
        groups[at:at + 20000] = similarities(base[at:at + 20000], centres, distance).argmax(axis=1)
    return centres, groups


def take(order, members, wanted):
    """Rows of the groups in this order, until there are enough."""
    taken, count = [], 0
    for group in order:
        part = members[group][:wanted - count]
        taken.append(part)
        count += len(part)
        if count == wanted:
            break
    return np.concatenate(taken)


def bits_of(rows, count):
    flags = np.zeros((count + 63) // 64 * 64, np.uint8)
    flags[rows] = 1
    return np.packbits(flags, bitorder="little")


def make(folder, name, queries_count=QUERIES):
    paths = {(kind, part): folder / f"{name}-{kind}-{part}.bits" for kind in KINDS for part in PARTS}
    if all(path.exists() for path in paths.values()):
        return
    base, distance = make_data.read(folder, name, "base"), make_data.SETS[name].distance
    queries = make_data.read(folder, name, "queries")[:queries_count]
    rng = np.random.default_rng(SEED)
    centres, groups = groups_of(base, distance, rng)
    members = [rng.permutation(np.flatnonzero(groups == group)) for group in range(len(centres))]
    drawn, categories = rng.permutation(len(base)), rng.permutation(len(centres))
    nearest = (-similarities(queries, centres, distance)).argsort(axis=1)
    for (kind, part), path in paths.items():
        wanted = max(1, round(len(base) * float(part)))
        print(f"{name}: {kind} {part}", file=sys.stderr)
        with open(path.with_suffix(".part"), "wb") as file:
            for query in range(len(queries)):
                rows = {"independent": lambda: drawn[:wanted],
                        "categories": lambda: take(categories, members, wanted),
                        "aligned": lambda: take(nearest[query], members, wanted),
                        "opposed": lambda: take(nearest[query][::-1], members, wanted)}[kind]()
                file.write(bits_of(rows, len(base)).tobytes())
        path.with_suffix(".part").rename(path)


if __name__ == "__main__":
    make(pathlib.Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:]))
