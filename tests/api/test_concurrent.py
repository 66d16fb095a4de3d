"""Searches, writes, deletes, index builds and drops beside each other: answers stay right, nothing dies.

Meant to be run with a thread-sanitized server too (SAGITTA_BIN).
"""
import os
import random
import threading
import time

import numpy as np
from harness import client, collection, name, server  # noqa: F401 (fixtures)

SECONDS = float(os.environ.get("SAGITTA_CONCURRENT_S", "8"))


class Crew:
    """Threads that run until the time is up; the first fault of any is raised by join."""

    def __init__(self):
        self.until = time.monotonic() + SECONDS
        self.threads, self.faults, self.rounds = [], [], {}

    def add(self, what, seed=0):
        def work():
            chance = random.Random(f"{what.__name__}{seed}")
            try:
                while time.monotonic() < self.until and not self.faults:
                    what(chance)
                    self.rounds[what.__name__] = self.rounds.get(what.__name__, 0) + 1
            except BaseException as fault:  # noqa: BLE001 (raised again by join)
                self.faults.append(fault)

        self.threads.append(threading.Thread(target=work))
        self.threads[-1].start()

    def join(self):
        for thread in self.threads:
            thread.join()
        if self.faults:
            raise self.faults[0]
        assert all(n > 2 for n in self.rounds.values()), self.rounds


def vector_of(identifier, generation):
    """The vector that belongs to this generation of a point: anyone can check a hit."""
    return np.random.default_rng([identifier, generation]).normal(size=12).astype(np.float32)


def test_searches_beside_writes(server, collection):
    """Every hit of a search is a whole generation of a point: payload and vector belong together, the score is right."""
    own = collection({"size": 12, "distance": "Dot"}, optimizers_config={"indexing_threshold": 1},
                     hnsw_config={"full_scan_threshold": 10})
    path = f"/collections/{own}/points"
    stable = list(range(10_000, 10_400))
    server.call("PUT", path + "?wait=true", {"points": [
        {"id": i, "vector": vector_of(i, 0).tolist(), "payload": {"g": 0, "stable": True}} for i in stable]})
    crew = Crew()

    def write(chance):
        generation = chance.randrange(1, 1 << 30)
        ids = chance.sample(range(2000), 20)
        server.call("PUT", f"{path}?wait={chance.choice(['true', 'false'])}", {"points": [
            {"id": i, "vector": vector_of(i, generation).tolist(), "payload": {"g": generation}} for i in ids]})

    def delete(chance):
        server.call("POST", f"{path}/delete?wait=true", {"points": chance.sample(range(2000), 10)})

    def set_payload(chance):
        server.call("POST", f"{path}/payload?wait=true", {"payload": {"extra": chance.random()},
                                                           "points": chance.sample(stable, 5)})

    def search(chance):
        query = np.random.default_rng(chance.randrange(1 << 30)).normal(size=12).astype(np.float32)
        hits = server.call("POST", f"{path}/query", {"query": query.tolist(), "limit": 20, "with_payload": True,
                                                     "with_vector": True, "params": {"exact": chance.random() < 0.3}})["points"]
        assert len(hits) == 20 and len({h["id"] for h in hits}) == 20
        scores = [h["score"] for h in hits]
        assert scores == sorted(scores, reverse=True)
        for hit in hits:
            whole = vector_of(hit["id"], hit["payload"]["g"])
            np.testing.assert_allclose(hit["vector"], whole, rtol=1e-5, atol=1e-6)
            assert abs(hit["score"] - float(query @ whole)) < 1e-3

    def filtered(chance):
        exact = chance.random() < 0.5
        hits = server.call("POST", f"{path}/query", {
            "query": vector_of(chance.choice(stable), 0).tolist(), "limit": 400, "with_payload": ["stable"],
            "filter": {"must": [{"key": "stable", "match": {"value": True}}]}, "params": {"exact": exact}})["points"]
        found = {h["id"] for h in hits}
        assert len(found) == len(hits) and found <= set(stable)
        assert len(found) >= (400 if exact else 390), (exact, sorted(set(stable) - found))

    def scroll(chance):
        seen, offset = [], None
        while True:
            page = server.call("POST", f"{path}/scroll", {"limit": 150, "offset": offset, "with_payload": True})
            seen += [p["id"] for p in page["points"]]
            offset = page["next_page_offset"]
            if offset is None:
                break
        assert seen == sorted(set(seen)) and set(stable) <= set(seen)

    for work in (write, write, delete, set_payload, search, search, filtered, scroll):
        crew.add(work, len(crew.threads))
    crew.join()
    server.wait_indexed(own, timeout_s=300)
    count = server.call("POST", f"{path}/count", {"exact": True})["count"]
    assert count == len(server.call("POST", f"{path}/scroll", {"limit": 10_000})["points"])
    assert server.call("GET", f"/collections/{own}")["points_count"] == count


def test_drops_beside_everything(server):
    """Collections that come and go under running requests: 200 or 404, nothing else, and none left half."""
    crew = Crew()
    names = [f"drop-{i}" for i in range(3)]
    shape = {"vectors": {"size": 8, "distance": "Cosine"}, "optimizers_config": {"indexing_threshold": 1}}

    def fine(method, path, body=None, also=()):
        status, text = server.request(method, path, body)
        assert status in (200, 404, *also), (method, path, status, text)
        return status, text

    def create(chance):
        fine("PUT", f"/collections/{chance.choice(names)}", shape, also=(409,))

    def drop(chance):
        time.sleep(chance.random() / 5)
        fine("DELETE", f"/collections/{chance.choice(names)}")

    def write(chance):
        fine("PUT", f"/collections/{chance.choice(names)}/points?wait={chance.choice(['true', 'false'])}", {"points": [
            {"id": chance.randrange(5000), "vector": [chance.gauss(0, 1) for _ in range(8)], "payload": {"a": 1}}
            for _ in range(100)]})

    def search(chance):
        fine("POST", f"/collections/{chance.choice(names)}/points/query",
             {"query": [chance.gauss(0, 1) for _ in range(8)], "limit": 50, "with_vector": True})

    def look(chance):
        own = chance.choice(names)
        fine("GET", f"/collections/{own}")
        fine("POST", f"/collections/{own}/points/scroll", {"limit": 500})
        fine("GET", "/collections")
        fine("GET", "/metrics")

    def alias(chance):
        own = chance.choice(names)
        fine("POST", "/collections/aliases", {"actions": [{"create_alias": {"collection_name": own, "alias_name": "al"}}]})
        fine("POST", "/collections/al/points/count", {})

    for work in (create, create, drop, write, write, search, search, look, alias):
        crew.add(work, len(crew.threads))
    crew.join()
    for own in names:
        fine("DELETE", f"/collections/{own}")
    assert not [c for c in server.call("GET", "/collections")["collections"] if c["name"] in names]


def test_many_connections(server, collection):
    """Some hundred clients at once are all served."""
    own = collection({"size": 4, "distance": "Dot"})
    answers = []

    def one(i):
        server.call("PUT", f"/collections/{own}/points?wait=true", {"points": [{"id": i, "vector": [1.0, 2.0, 3.0, float(i)]}]})
        answers.append(server.call("GET", f"/collections/{own}/points/{i}")["id"])

    threads = [threading.Thread(target=one, args=(i,)) for i in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == list(range(200))


def test_clients_that_leave(server, collection):
    """Searches whose client has gone do no harm."""
    import socket
    own = collection({"size": 256, "distance": "Dot"})
    rows = np.random.default_rng(5).normal(size=(4000, 256)).astype(np.float32)
    for at in range(0, 4000, 1000):
        server.call("PUT", f"/collections/{own}/points?wait=true",
                    {"points": [{"id": i, "vector": rows[i].tolist()} for i in range(at, at + 1000)]})
    body = b'{"limit":4000,"with_vector":true,"params":{"exact":true},"query":[' + b",".join([b"1"] * 256) + b"]}"
    for _ in range(40):
        with socket.create_connection(("127.0.0.1", server.port)) as wire:
            wire.sendall(b"POST /collections/%s/points/query HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
                         % (own.encode(), len(body)) + body)
    assert server.call("POST", f"/collections/{own}/points/count", {})["count"] == 4000
