"""Random payloads and points for the tests that compare answers with the client's in-memory mode, or with and without
payload indexes. All choices come from one seed: SAGITTA_SEED repeats a run."""
import os
import random
import uuid

from qdrant_client import QdrantClient, models

SEED = int(os.environ.get("SAGITTA_SEED") or random.randrange(1 << 32))
IDS = [*range(1, 120), 2**63, 2**64 - 1, *(str(uuid.UUID(int=i * 7919 << 64 | i)) for i in range(40))]
VALUES = {
    "word": ["red", "green", "blue", "", "Red", "grün", 'a"b', "z" * 40],
    "number": [0, 1, 2, 3, -5, 10**12, 2**53 + 1, 2**63 - 1, -(2**63)],
    "real": [0.5, -1.25, 2.0, 4.0, 1e300, 0.1, -0.0, 3],
    "flag": [True, False],
    "time": ["2024-01-01T00:00:00Z", "2024-06-30T23:59:59.5+02:00", "2025-03-01", "2024-01-01 00:00:00", "1969-12-31T23:59:59Z"],
    "uuid": ["0b1a7f2c-3d4e-4f60-8a91-b2c3d4e5f607", "ffffffff-0000-4000-8000-000000000000"],
}
# Keys of the payloads, each with the kind of payload index that suits it.
KEYS = {"word": "keyword", "number": "integer", "real": "float", "flag": "bool", "time": "datetime", "uuid": "uuid", "any": "keyword"}


def chances(name):
    """A source of choices for one test."""
    print(f"SAGITTA_SEED={SEED} {name}")
    return random.Random(f"{SEED}-{name}")


def odd_value(chance, depth=0):
    kind = chance.randrange(7 if depth < 2 else 5)
    if kind < 4:
        return chance.choice(VALUES[chance.choice(list(VALUES))])
    if kind == 4:
        return None
    if kind == 5:
        return [odd_value(chance, depth + 1) for _ in range(chance.randrange(4))]
    return {k: odd_value(chance, depth + 1) for k in chance.sample("xyz", chance.randrange(3))}


def value(chance, key, clean):
    """What a point has at a key: mostly a value that suits it, or several; now and then anything, unless `clean`."""
    if key == "any" or not clean and chance.random() < 0.1:
        return odd_value(chance)
    if chance.random() < 0.3:
        return [chance.choice(VALUES[key]) for _ in range(chance.randrange(4))]
    return chance.choice(VALUES[key])


def payload(chance, clean=False):
    keys = [k for k in KEYS if k != "any" or not clean]
    return {k: value(chance, k, clean) for k in keys if chance.random() < 0.7}


def random_filter(chance):
    """None, or one of some simple filters; also such that match nothing."""
    conditions = [
        models.FieldCondition(key="word", match=models.MatchAny(any=chance.sample(VALUES["word"], 2))),
        models.FieldCondition(key="number", range=models.Range(gte=chance.choice([-5, 0, 2, 10**6]))),
        models.FieldCondition(key="real", range=models.Range(lt=chance.choice([0, 2.5, 1e9]))),
        models.FieldCondition(key="flag", match=models.MatchValue(value=True)),
        models.HasIdCondition(has_id=chance.sample(IDS, 20)),
        models.FieldCondition(key="any", match=models.MatchValue(value="none")),
    ]
    kind = chance.randrange(5)
    if kind < 2:
        return None
    chosen = chance.sample(conditions, chance.randint(1, 2))
    return models.Filter(should=chosen) if kind == 2 else models.Filter(must=chosen) if kind == 3 else models.Filter(must_not=chosen)


def id_order(identifier):
    """A key that sorts ids as pages do: numbers before UUIDs."""
    return (0, identifier, "") if isinstance(identifier, int) else (1, 0, identifier)


class Sides:
    """The same points on the server without indexes, on the server with an index on every key, and in memory."""

    def __init__(self, client, name, chance, size=4, distance=models.Distance.DOT, clean=False, points=100):
        self.chance, self.remote, self.local = chance, client, QdrantClient(":memory:")
        self.plain, self.indexed = f"{name}-plain", f"{name}-indexed"
        config = models.VectorParams(size=size, distance=distance)
        self.size, self.clean = size, clean
        for side, own in self.all():
            side.create_collection(own, config)
        for key, kind in KEYS.items():
            client.create_payload_index(self.indexed, key, kind)
        self.upsert(chance.sample(IDS, points))

    def all(self):
        return [(self.remote, self.plain), (self.remote, self.indexed), (self.local, self.plain)]

    def upsert(self, ids):
        points = [models.PointStruct(id=i, vector=[self.chance.gauss(0, 1) for _ in range(self.size)],
                                     payload=payload(self.chance, self.clean)) for i in ids]
        for side, own in self.all():
            side.upsert(own, points)

    def change(self):
        """A few writes, the same on all sides."""
        self.upsert(self.chance.sample(IDS, 5))
        gone, changed = self.chance.sample(IDS, 4), self.chance.sample(IDS, 4)
        update = payload(self.chance, self.clean)
        there = {r.id for r in self.local.scroll(self.plain, limit=10**6, with_payload=False)[0]} - set(gone)
        for side, own in self.all():
            side.delete(own, gone)
            side.set_payload(own, update, points=[i for i in changed if i in there])

    def drop(self):
        for own in (self.plain, self.indexed):
            self.remote.delete_collection(own)
        self.local.close()
