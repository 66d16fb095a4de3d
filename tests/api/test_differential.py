"""Random operations on the server and on the public client's in-memory mode, side by side; answers must be the same.

The in-memory mode is written by others and computes everything the plain way, so what both agree on is likely right. A run
is a function of a seed, which is printed; SAGITTA_SEED repeats one, SAGITTA_STEPS (default 300) makes it longer. On a
difference the message has the shape, the step and the operation.
"""
import os
import random
import uuid

import numpy as np
import pytest
from harness import client, server  # noqa: F401 (fixtures)
from qdrant_client import QdrantClient, models

pytestmark = pytest.mark.filterwarnings("ignore:Local mode performs exact")
SEED = int(os.environ.get("SAGITTA_SEED") or random.randrange(1 << 32))
STEPS = int(os.environ.get("SAGITTA_STEPS", "300"))
TOLERANCE = 2e-4
IDS = [*range(60), 2**63, 2**64 - 1, *(str(uuid.UUID(int=i * 7919 << 64 | i)) for i in range(30))]
DOT, COSINE, EUCLID, MANHATTAN = (models.Distance.DOT, models.Distance.COSINE, models.Distance.EUCLID, models.Distance.MANHATTAN)


def params(size, distance, **rest):
    return models.VectorParams(size=size, distance=distance, **rest)


SHAPES = {
    # name: vectors of the collection, with a graph?
    "cosine": ({"": params(5, COSINE)}, False),
    "euclid": ({"": params(3, EUCLID)}, False),
    "named": ({"a": params(4, DOT), "b": params(2, MANHATTAN), "c": params(8, COSINE)}, False),
    "small": ({"h": params(3, EUCLID, datatype=models.Datatype.FLOAT16), "u": params(4, DOT, datatype=models.Datatype.UINT8)}, False),
    "graph": ({"": params(6, EUCLID)}, True),
    "no-vectors": ({}, False),
}


class Run:
    """One shape: both sides, and the random choices."""

    def __init__(self, name, remote, vectors, graph):
        self.chance = random.Random(f"{SEED}-{name}")
        self.name, self.remote, self.local = f"diff-{name}", remote, QdrantClient(":memory:")
        self.vectors, self.plain = vectors, "" in vectors
        config = vectors[""] if self.plain else vectors
        for side in (self.remote, self.local):
            side.create_collection(self.name, config, optimizers_config=models.OptimizersConfigDiff(
                indexing_threshold=1 if graph else 20000), hnsw_config=models.HnswConfigDiff(full_scan_threshold=10))
        self.step, self.what = 0, ""

    # What is chosen at random.

    def vector(self, name):
        spec = self.vectors[name]
        if spec.datatype == models.Datatype.UINT8:
            return [self.chance.randrange(256) for _ in range(spec.size)]
        if spec.datatype == models.Datatype.FLOAT16:
            return [self.chance.randrange(-64, 64) / 8 for _ in range(spec.size)]
        if self.chance.random() < 0.2:
            return [float(self.chance.choice([-1, 0, 1, 1])) for _ in range(spec.size - 1)] + [1.0]
        return [round(self.chance.gauss(0, 1), 4) for _ in range(spec.size)]

    def point_vector(self):
        if self.plain:
            return self.vector("")
        return {n: self.vector(n) for n in self.vectors if self.chance.random() < 0.8}

    def value(self, depth=0):
        kind = self.chance.randrange(16 if depth < 2 else 11)
        if kind == 9:
            return {"lon": self.chance.choice([13.4, 13.41, 179.5, -179.4, 0.0]), "lat": self.chance.choice([52.5, 52.51, -17.0, 89.0])}
        if kind == 10:
            return self.chance.choice(["0b1a7f2c-3d4e-4f60-8a91-b2c3d4e5f607", "0B1A7F2C-3D4E-4F60-8A91-B2C3D4E5F607"])
        kind -= 2 * (kind > 10)
        if kind < 3:
            return self.chance.choice(["red", "green", "blue", "", "Red", "rot und blau", "red and green"])
        if kind < 5:
            return self.chance.choice([0, 1, 2, 3, -5, 10**12, 9007199254740993, 2**63 - 1])
        if kind == 5:
            return self.chance.choice([0.5, -1.25, 2.0, 1e300, 0.1])
        if kind == 6:
            return self.chance.choice([True, False])
        if kind == 7:
            return self.chance.choice(["2024-01-01T00:00:00Z", "2024-06-30T23:59:59.5+02:00", "2025-03-01", "2024-01-01 00:00:00"])
        if kind == 8:
            return None
        if kind < 12:
            return [self.value(depth + 1) for _ in range(self.chance.randrange(4))]
        return {k: self.value(depth + 1) for k in self.chance.sample(["x", "y", "z"], self.chance.randrange(3))}

    def payload(self):
        return {k: self.value() for k in self.chance.sample(["a", "b", "c", "d", "e"], self.chance.randrange(6))}

    def key(self):
        return self.chance.choice(["a", "b", "c", "d", "e", "a.x", "b.y", "c[]", "d[].x", "e.x[]", "a[0]", "b[].y.z", "none"])

    def ids(self, most=5):
        return self.chance.sample(IDS, self.chance.randint(1, most))

    def existing(self, most=5):
        there = [r.id for r in self.local.scroll(self.name, limit=1000, with_payload=False)[0]]
        return self.chance.sample(there, min(len(there), self.chance.randint(1, most)))

    def match(self):
        kind = self.chance.randrange(6)
        words, numbers = ["red", "green", "", "Red", "none", "0b1a7f2c-3d4e-4f60-8a91-b2c3d4e5f607"], [0, 1, 2, -5, 9007199254740993, 2**63 - 1]
        if kind == 0:
            return models.MatchValue(value=self.chance.choice(words))
        if kind == 1:
            return models.MatchValue(value=self.chance.choice(numbers))
        if kind == 2:
            return models.MatchValue(value=self.chance.choice([True, False]))
        some = self.chance.choice([words, numbers])
        some = self.chance.sample(some, self.chance.randrange(0, 4))
        return models.MatchAny(any=some) if kind < 5 else models.MatchExcept(**{"except": some})

    def bounds(self, values):
        return {b: self.chance.choice(values) for b in self.chance.sample(["lt", "lte", "gt", "gte"], self.chance.randint(1, 2))}

    def condition(self, depth):
        kind = self.chance.randrange(14 if depth < 2 else 11)
        key = self.key()
        if kind == 10:
            return models.FieldCondition(key=key, **self.place())
        kind -= kind > 10
        if kind < 3:
            return models.FieldCondition(key=key, match=self.match())
        if kind == 3:
            return models.FieldCondition(key=key, range=models.Range(**self.bounds([0, 1, 0.5, -5, 2, 10**12])))
        if kind == 4:
            return models.FieldCondition(key=key, range=models.DatetimeRange(**self.bounds(
                ["2024-01-01T00:00:00Z", "2024-06-30T21:59:59Z", "2025-01-01T00:00:00Z", "2026-01-01T00:00:00+05:00"])))
        if kind == 5:
            return models.FieldCondition(key=key, values_count=models.ValuesCount(**self.bounds([0, 1, 2, 3])))
        if kind == 6:
            return models.HasIdCondition(has_id=self.ids())
        if kind == 7:
            return self.chance.choice([models.IsNullCondition(is_null=models.PayloadField(key=key)),
                                       models.FieldCondition(key=key, is_null=self.chance.choice([True, False]))])
        if kind == 8:
            return self.chance.choice([models.IsEmptyCondition(is_empty=models.PayloadField(key=key)),
                                       models.FieldCondition(key=key, is_empty=self.chance.choice([True, False]))])
        if kind == 9:
            return models.HasVectorCondition(has_vector=self.chance.choice([*self.vectors, "zz"]))
        if kind == 10:
            return models.NestedCondition(nested=models.Nested(key=self.chance.choice(["a", "b", "c[]"]),
                                                               filter=self.filter(depth + 1, inner=True)))
        return self.filter(depth + 1)

    def place(self):
        """Points of the payloads are nowhere near an edge, so rounding decides nothing."""
        west, east = self.chance.choice([(13.0, 14.0), (13.405, 20.0), (-1.0, 1.0)])
        kind = self.chance.randrange(3)
        if kind == 0:
            return {"geo_bounding_box": models.GeoBoundingBox(top_left=models.GeoPoint(lon=west, lat=60.0),
                                                             bottom_right=models.GeoPoint(lon=east, lat=-20.0))}
        if kind == 1:
            return {"geo_radius": models.GeoRadius(center=models.GeoPoint(lon=west, lat=52.5), radius=self.chance.choice(
                [30000.0, 100000.0, 8000000.0]))}
        corners = [(west, 60.0), (east, 60.0), (east, -20.0), (west, -20.0), (west, 60.0)]
        return {"geo_polygon": models.GeoPolygon(exterior=models.GeoLineString(
            points=[models.GeoPoint(lon=lon, lat=lat) for lon, lat in corners]))}

    def filter(self, depth=0, inner=False):
        def conditions(least=1):
            made = [self.condition(depth) for _ in range(self.chance.randint(least, 3))]
            return [c for c in made if not inner or not isinstance(c, (models.HasIdCondition, models.HasVectorCondition))] or \
                [models.FieldCondition(key="x", match=self.match())]

        kind = self.chance.randrange(6)
        if kind < 2:
            return models.Filter(must=conditions())
        if kind == 2:
            return models.Filter(should=conditions())
        if kind == 3:
            return models.Filter(must_not=conditions())
        if kind == 4:
            some = conditions(2)
            return models.Filter(min_should=models.MinShould(conditions=some, min_count=self.chance.randint(1, len(some))))
        return models.Filter(must=conditions(), should=conditions(), must_not=conditions())

    def selector(self):
        if self.chance.random() < 0.7:
            return self.existing()
        return self.filter()

    def with_payload(self):
        return self.chance.choice([True, False, ["a", "b.y"], models.PayloadSelectorInclude(include=["c", "d[].x"]),
                                   models.PayloadSelectorExclude(exclude=["a", "e.x"])])

    def with_vectors(self):
        return self.chance.choice([True, False]) if self.plain or not self.vectors else \
            self.chance.choice([True, False, self.chance.sample(sorted(self.vectors), 1)])

    # Both sides.

    def both(self, method, *positional, **named):
        """Calls both; both must succeed or both refuse."""
        self.what = f"{method}{positional}{named}"
        answers = []
        for side in (self.local, self.remote):
            try:
                answers.append(getattr(side, method)(self.name, *positional, **named))
            except Exception as fault:  # noqa: BLE001 (any refusal)
                answers.append(fault)
        local, remote = answers
        assert isinstance(local, Exception) == isinstance(remote, Exception), self.story(local, remote)
        return (None, None) if isinstance(local, Exception) else (local, remote)

    def story(self, local, remote):
        return f"seed {SEED} shape {self.name} step {self.step}: {self.what}\nin memory: {local}\nserver:    {remote}"

    def same(self, local, remote):
        assert local == remote, self.story(local, remote)

    def same_vector(self, local, remote):
        if isinstance(local, dict) or isinstance(remote, dict):
            local, remote = local or {}, remote or {}
            self.same(sorted(local), sorted(remote))
            for name in local:
                self.same_vector(local[name], remote[name])
        elif local is None or remote is None:
            self.same(local, remote)
        else:
            assert np.allclose(local, remote, rtol=1e-5, atol=1e-5), self.story(local, remote)

    def same_records(self, local, remote):
        self.same([r.id for r in local], [r.id for r in remote])
        for one, other in zip(local, remote):
            self.same(one.payload or {}, other.payload or {})
            self.same_vector(one.vector, other.vector)

    def same_hits(self, local, remote, whole):
        """Scores agree in order; where they are not tied, so do the ids; ties are in id order on the server."""
        self.same(len(local), len(remote))
        scores = {h.id: h.score for h in whole}
        for one, other in zip(local, remote):
            limit = TOLERANCE * max(1, abs(one.score))
            assert abs(one.score - other.score) <= limit, self.story(one, other)
            assert other.id in scores and abs(scores[other.id] - other.score) <= limit, self.story(one, other)
        assert len({h.id for h in remote}) == len(remote), self.story(local, remote)
        for one, other in zip(remote, remote[1:]):
            if one.score == other.score:
                assert order(one.id) < order(other.id), self.story(one, other)
        local_by_id = {h.id: h for h in whole}
        for hit in remote:
            self.same(local_by_id[hit.id].payload or {}, hit.payload or {})
            self.same_vector(local_by_id[hit.id].vector, hit.vector)

    # Steps.

    def do_upsert(self):
        self.both("upsert", [models.PointStruct(id=i, vector=self.point_vector(), payload=self.payload()) for i in self.ids(8)])

    def do_upsert_batch(self):
        ids = self.ids(8)
        if self.plain:
            vectors = [self.vector("") for _ in ids]
        else:
            vectors = {n: [self.vector(n) for _ in ids] for n in self.vectors}
        self.both("upsert", models.Batch(ids=ids, vectors=vectors, payloads=[self.payload() for _ in ids]))

    def do_delete(self):
        self.both("delete", models.PointIdsList(points=self.ids(4)))

    def do_delete_filter(self):
        chosen = self.filter()
        if self.local.count(self.name, chosen).count < 20:
            self.both("delete", models.FilterSelector(filter=chosen))

    def do_set_payload(self):
        key = self.chance.choice([None, None, "a", "b.y", "c.new"])
        self.both("set_payload", self.payload(), self.selector(), key=key)

    def do_overwrite_payload(self):
        self.both("overwrite_payload", self.payload(), self.selector())

    def do_delete_payload(self):
        self.both("delete_payload", self.chance.sample(["a", "b", "c.x", "d[].x", "none", "e"], 2), self.selector())

    def do_clear_payload(self):
        self.both("clear_payload", self.existing(2))

    def do_update_vectors(self):
        if self.vectors:
            points = [models.PointVectors(id=i, vector=self.point_vector() or {n: self.vector(n) for n in self.vectors})
                      for i in self.existing(3)]
            if points:
                self.both("update_vectors", points)

    def do_delete_vectors(self):
        if self.vectors and not self.plain:
            self.both("delete_vectors", self.chance.sample(sorted(self.vectors), 1), self.selector())

    def do_index(self):
        """Payload indexes come and go on the server alone: no answer may tell."""
        key = self.chance.choice(["a", "b", "c", "d", "e", "a.x", "b.y", "c[]", "d[].x", "a[].x", "c[].y"])
        kind = self.chance.choice(["keyword", "keyword", "integer", "integer", "float", "bool", "datetime", "geo", "uuid"])
        self.what = f"payload index {kind} on {key}"
        if self.chance.random() < 0.25:
            self.remote.delete_payload_index(self.name, key)
        else:
            self.remote.create_payload_index(self.name, key, kind)

    def do_scroll(self):
        offset, chosen, limit = None, self.filter() if self.chance.random() < 0.7 else None, self.chance.randint(1, 40)
        with_payload, with_vectors = self.with_payload(), self.with_vectors()
        for _ in range(100):
            local, remote = self.both("scroll", chosen, limit=limit, offset=offset, with_payload=with_payload,
                                      with_vectors=with_vectors)
            if local is None:
                return
            self.same_records(local[0], remote[0])
            self.same(local[1], remote[1])
            offset = local[1]
            if offset is None:
                return

    def do_count(self):
        local, remote = self.both("count", self.filter(), exact=True)
        if local is not None:
            self.same(local.count, remote.count)

    def do_retrieve(self):
        local, remote = self.both("retrieve", self.ids(10), with_payload=self.with_payload(), with_vectors=self.with_vectors())
        if local is not None:
            self.same_records(sorted(local, key=lambda r: order(r.id)), sorted(remote, key=lambda r: order(r.id)))

    def do_query(self):
        if not self.vectors:
            return
        using = self.chance.choice(sorted(self.vectors))
        there = self.existing(1)
        query = there[0] if there and self.chance.random() < 0.2 else self.vector(using)
        arguments = {"using": using or None, "query_filter": self.filter() if self.chance.random() < 0.6 else None,
                     "with_payload": self.with_payload(), "with_vectors": self.with_vectors()}
        exact = models.SearchParams(exact=True)
        try:
            whole = self.local.query_points(self.name, query, limit=1000, **arguments).points
        except Exception:  # noqa: BLE001 (the point has no such vector: both refuse, checked below)
            whole = []
        scores = sorted({h.score for h in whole})
        threshold = None
        if len(scores) > 1 and self.chance.random() < 0.4:
            at = self.chance.randrange(len(scores) - 1)
            if scores[at + 1] - scores[at] > 10 * TOLERANCE * max(1, abs(scores[at])):
                threshold = (scores[at] + scores[at + 1]) / 2
        local, remote = self.both("query_points", query, limit=self.chance.randint(1, 30), offset=self.chance.choice([0, 0, 3, 50]),
                                  score_threshold=threshold, search_params=exact, **arguments)
        if local is not None:
            self.same_hits(local.points, remote.points, whole)

    def go(self, steps):
        kinds = {self.do_index: 2, self.do_upsert: 8, self.do_upsert_batch: 4, self.do_delete: 3, self.do_delete_filter: 1, self.do_set_payload: 4,
                 self.do_overwrite_payload: 2, self.do_delete_payload: 3, self.do_clear_payload: 1, self.do_update_vectors: 3,
                 self.do_delete_vectors: 2, self.do_scroll: 6, self.do_count: 6, self.do_retrieve: 3, self.do_query: 10}
        for self.step in range(steps):
            self.chance.choices(list(kinds), list(kinds.values()))[0]()
        local, _ = self.local.scroll(self.name, limit=1000, with_vectors=True)
        remote, _ = self.remote.scroll(self.name, limit=1000, with_vectors=True)
        self.what = "everything at the end"
        self.same_records(local, remote)


def order(identifier):
    return (0, identifier, 0) if isinstance(identifier, int) else (1, 0, uuid.UUID(identifier).int)


@pytest.mark.parametrize("shape", SHAPES)
def test_same_answers(client, shape):
    """Every answer of a random run is the in-memory mode's."""
    print(f"SAGITTA_SEED={SEED}")
    Run(shape, client, *SHAPES[shape]).go(STEPS)
