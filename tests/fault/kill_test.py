"""Kills the server in the middle of mixed writes, again and again, and checks what is there after each restart.

kill_test.py [ROUNDS]      SAGITTA_BIN, SAGITTA_SEED

(Being extended: batches whole or not at all, collections, aliases, damage between rounds.)

Each round: threads write to one collection (upserts single and in batches, deletes by id and by filter, payload and
vector updates, wait=true and wait=false) and keep a journal of what was sent and what was acknowledged. At a random moment
the server gets SIGKILL. After the restart:

  - every acknowledged write is there: a point is in the state of its last acknowledged write, or in one that was sent
    after it and not answered;
  - no point is half in one state: payload and both vectors name the same generation;
  - scroll, count, collection info and point reads agree on what exists;
  - each point is found by its own vector, exactly and over the index.

Ids belong to one thread each, so that the order of writes to an id is known. The same data folder is used in all rounds.
"""
import http.client
import json
import os
import pathlib
import random
import sys
import tempfile
import threading
import time

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "api"))
from harness import Server  # noqa: E402

DIM, THREADS, IDS_PER_THREAD, COLLECTION = 16, 4, 1500, "k"
GONE = None


def vectors_of(identifier, generation, extra):
    """What the point's vectors are in this generation; `b` only in some, and changed alone by update_vectors."""
    a = np.random.default_rng([identifier, generation, 1]).normal(size=DIM).astype(np.float32)
    b = np.random.default_rng([identifier, extra, 2]).normal(size=DIM).astype(np.float32)
    return {"a": a.tolist(), "b": b.tolist()}


class Writer(threading.Thread):
    """Writes to its own ids. `states[id]`: the states the point may be in; the first is the last acknowledged one.

    A state is None (no point) or (generation, extra, mark): generation decides vector a and the payload g, extra vector b
    and payload e (both written together by an upsert), mark the payload m.
    """

    def __init__(self, number, states, seed):
        super().__init__()
        self.number, self.states = number, states
        self.chance = random.Random(seed)
        self.acknowledged = self.open = 0
        self.fault = None
        self.connection = None

    def run(self):
        try:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
            while True:
                self.step()
        except (OSError, http.client.HTTPException):
            return  # the server was killed
        except BaseException as fault:  # noqa: BLE001 (main raises it)
            self.fault = fault

    def send(self, method, path, body, changes):
        """Sends one write. `changes`: id -> new state. Noted as possible before, as certain after the answer."""
        for identifier, state in changes.items():
            self.states.setdefault(identifier, [GONE]).append(state)
        self.open += 1
        wait = self.chance.choice(["true", "false"])
        self.connection.request(method, f"/collections/{COLLECTION}/points{path}?wait={wait}", json.dumps(body),
                                {"Content-Type": "application/json"})
        response = self.connection.getresponse()
        text = response.read()
        assert response.status == 200, (method, path, response.status, text[:500])
        for identifier, state in changes.items():
            self.states[identifier] = [state]
        self.open -= 1
        self.acknowledged += 1

    def step(self):
        kind = self.chance.choices(["upsert", "batch", "delete", "delete_filter", "mark", "vectors", "mixed"],
                                   [4, 8, 2, 1, 3, 3, 2])[0]
        getattr(self, kind)()

    def ids(self, count):
        return [self.number * IDS_PER_THREAD + i for i in self.chance.sample(range(IDS_PER_THREAD), count)]

    def present(self, count):
        """Some of this thread's ids that are certain to exist."""
        there = [i for i, states in self.states.items() if len(states) == 1 and states[0] is not GONE]
        return self.chance.sample(there, min(count, len(there)))

    def fresh(self):
        return self.chance.randrange(1, 1 << 31)

    def points(self, ids):
        points, changes = [], {}
        for i in ids:
            state = (self.fresh(), self.fresh(), 0)
            changes[i] = state
            points.append({"id": i, "vector": vectors_of(i, state[0], state[1]),
                           "payload": {"g": state[0], "e": state[1], "m": 0, "t": self.number, "r": i % 50}})
        return points, changes

    def upsert(self):
        points, changes = self.points(self.ids(1))
        self.send("PUT", "", {"points": points}, changes)

    def batch(self):
        points, changes = self.points(self.ids(self.chance.randint(2, 60)))
        self.send("PUT", "", {"points": points}, changes)

    def delete(self):
        ids = self.ids(self.chance.randint(1, 20))
        self.send("POST", "/delete", {"points": ids}, {i: GONE for i in ids})

    def delete_filter(self):
        residue = self.chance.randrange(50)
        first = self.number * IDS_PER_THREAD
        self.send("POST", "/delete", {"filter": {"must": [{"key": "t", "match": {"value": self.number}},
                                                          {"key": "r", "match": {"value": residue}}]}},
                  {i: GONE for i in range(first, first + IDS_PER_THREAD) if i % 50 == residue})

    def mark(self):
        ids = self.present(self.chance.randint(1, 10))
        mark = self.fresh()
        if ids:
            self.send("POST", "/payload", {"payload": {"m": mark}, "points": ids},
                      {i: (*self.states[i][0][:2], mark) for i in ids})

    def vectors(self):
        """Vector b and its payload e change together in one request of two operations on one id."""
        for i in self.present(1):
            extra = self.fresh()
            vector = vectors_of(i, 0, extra)["b"]
            old = self.states[i][0]
            self.states[i].append((old[0], (extra, old[1]), old[2]))  # vector changed, payload not yet: two operations
            self.send("POST", "/batch", {"operations": [
                {"update_vectors": {"points": [{"id": i, "vector": {"b": vector}}]}},
                {"set_payload": {"payload": {"e": extra}, "points": [i]}}]}, {i: (old[0], extra, old[2])})

    def mixed(self):
        ids = self.ids(6)
        points, changes = self.points(ids)
        changes.update({i: GONE for i in ids[:2]})
        for point in points[:2]:
            i = point["id"]
            self.states.setdefault(i, [GONE]).append((point["payload"]["g"], point["payload"]["e"], 0))
        self.send("POST", "/batch", {"operations": [{"upsert": {"points": points}}, {"delete": {"points": ids[:2]}}]}, changes)


def state_of(point):
    """The state a stored point is in; fails if its parts are of different ones."""
    payload = point["payload"]
    assert payload.keys() == {"g", "e", "m", "t", "r"}, point
    assert payload["t"] == point["id"] // IDS_PER_THREAD and payload["r"] == point["id"] % 50, point
    return payload["g"], payload["e"], payload["m"]


def close(a, b):
    return np.allclose(a, b, rtol=1e-5, atol=1e-6)


def check_point(identifier, point, allowed):
    """The stored point is wholly in one of the allowed states. Returns that state."""
    if point is None:
        assert GONE in allowed, f"point {identifier} is missing; allowed: {allowed}"
        return GONE
    generation, extra, mark = state_of(point)
    for state in allowed:
        if state is GONE or state[0] != generation or state[2] != mark:
            continue
        vector_extra, payload_extra = state[1] if isinstance(state[1], tuple) else (state[1], state[1])
        want = vectors_of(identifier, generation, vector_extra)
        if payload_extra == extra and close(point["vector"]["a"], want["a"]) and close(point["vector"]["b"], want["b"]):
            return (generation, extra, mark) if vector_extra == payload_extra else state
    raise AssertionError(f"point {identifier} is {point}, allowed: {allowed}")


def read_all(server):
    points, offset = {}, None
    while True:
        page = server.call("POST", f"/collections/{COLLECTION}/points/scroll",
                           {"limit": 1000, "offset": offset, "with_vector": True})
        for point in page["points"]:
            assert point["id"] not in points
            points[point["id"]] = point
        offset = page["next_page_offset"]
        if offset is None:
            return points


def check(server, states, chance):
    """All of the checks of the head comment. Leaves in `states` what is there."""
    points = read_all(server)
    assert points.keys() <= states.keys(), sorted(points.keys() - states.keys())[:5]
    for identifier, allowed in states.items():
        states[identifier] = [check_point(identifier, points.get(identifier), allowed)]
    path = f"/collections/{COLLECTION}"
    assert server.call("POST", f"{path}/points/count", {"exact": True})["count"] == len(points)
    assert server.call("GET", path)["points_count"] == len(points)
    some = chance.sample(sorted(states), min(300, len(states)))
    found = {p["id"]: p for p in server.call("POST", f"{path}/points", {"ids": some, "with_vector": True})}
    assert found == {i: points[i] for i in some if i in points}
    for exact in (True, False):
        check_search(server, points, chance, exact)
    return len(points)


def check_search(server, points, chance, exact):
    ids = chance.sample(sorted(points), min(150, len(points)))
    missed = 0
    for using in ("a", "b"):
        answers = server.call("POST", f"/collections/{COLLECTION}/points/query/batch", {"searches": [
            {"query": points[i]["vector"][using], "using": using, "limit": 10, "params": {"exact": exact}} for i in ids]})
        for identifier, answer in zip(ids, answers):
            hits = [h["id"] for h in answer["points"]]
            assert len(hits) == min(10, len(points)) and len(set(hits)) == len(hits) and set(hits) <= points.keys()
            missed += hits[0] != identifier
    assert missed <= (0 if exact else 3), f"{missed} of {2 * len(ids)} points are not found by their own vector, exact={exact}"


def write_until_killed(server, states, seed, chance):
    writers = [Writer(n, {i: s for i, s in states.items() if i // IDS_PER_THREAD == n}, f"{seed}-{n}") for n in range(THREADS)]
    for writer in writers:
        writer.port = server.port
        writer.start()
    time.sleep(chance.uniform(0.05, 1.5))
    server.kill()
    for writer in writers:
        writer.join()
        if writer.fault is not None:
            raise writer.fault
        states.update(writer.states)
    return sum(w.acknowledged for w in writers), sum(w.open for w in writers)


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    seed = int(os.environ.get("SAGITTA_SEED") or random.randrange(1 << 32))
    print(f"SAGITTA_SEED={seed}", flush=True)
    chance = random.Random(seed)
    passed, states, total, indexed_rounds = 0, {}, 0, 0
    with tempfile.TemporaryDirectory(prefix="sagitta-kill-") as folder:
        server = Server(pathlib.Path(folder) / "data", storage__optimizers__flush_interval_sec=1,
                        storage__wal__wal_capacity_mb=1, storage__checkpoint_log_mb=2)
        try:
            server.start()
            vector = {"size": DIM, "distance": "Euclid"}
            server.call("PUT", f"/collections/{COLLECTION}", {
                "vectors": {"a": vector, "b": vector}, "optimizers_config": {"indexing_threshold": 1},
                "hnsw_config": {"full_scan_threshold": 10, "m": 8}})
            for number in range(rounds):
                acknowledged, unanswered = write_until_killed(server, states, f"{seed}-{number}", chance)
                start = time.monotonic()
                server.start()
                up = time.monotonic() - start
                indexed = server.call("GET", f"/collections/{COLLECTION}")["indexed_vectors_count"]
                count = check(server, states, chance)
                indexed_rounds += indexed > 0
                total += acknowledged
                passed += 1
                print(f"round {number + 1}/{rounds}: {acknowledged} acknowledged, {unanswered} unanswered, {count} points, "
                      f"{indexed} indexed, up in {up:.2f} s", flush=True)
            assert server.stop() == 0
            server.start()
            check(server, states, chance)
            assert server.stop() == 0
            assert total > rounds and (rounds < 10 or indexed_rounds > rounds / 4), (total, indexed_rounds)
        except AssertionError as fault:
            print(f"round {passed + 1} failed: {str(fault)[:3000]}\nlast lines of the server:\n{server.log()[-2000:]}", flush=True)
            print(f"{passed} passed, 1 failed")
            sys.exit(1)
        finally:
            server.kill()
    print(f"{passed} passed, 0 failed")


if __name__ == "__main__":
    main()
