"""Kills the server in the middle of mixed writes, again and again on one data folder, and checks what is there.

kill_test.py [ROUNDS]      SAGITTA_BIN, SAGITTA_SEED

Each round threads write, and keep a journal of what was sent and what was acknowledged: to the points of one collection
(upserts single and in batches, deletes by id and by filter, payload and vector updates, wait=true and wait=false), and to
the catalog (collections come and go, aliases move). At a random moment the server gets SIGKILL. After the restart:

  - every acknowledged write is there: a point is in the state of its last acknowledged write, or in that of the one write
    after it that was not answered; never in an older one;
  - no point is half in one state: payload and both vectors name the same generation;
  - a request that was not answered is there for all its points or for none; the same for collections and aliases;
  - scroll, count, collection info and point reads agree on what exists;
  - each point is found by its own vector with the score that it must have, exactly and over the graph (by which a few may
    need more than the default effort, but none is lost).

Now and then a round is made harder: the server is killed once more while it replays, or stopped properly, or the index
folder is deleted, or the newest log segment gets a torn tail. At the end: a flipped byte in an older log segment must stop
the start with a message that names the place and the way out, and the way out must work and keep what is written after it.

Ids belong to one thread each, so that the order of writes to an id is known. A failure prints the seed and the journal of
the point concerned, and keeps the data folder.
"""
import collections
import http.client
import json
import os
import pathlib
import random
import re
import shutil
import sys
import tempfile
import threading
import time

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "api"))
from harness import Server  # noqa: E402

DIM, THREADS, IDS_PER_THREAD, COLLECTION, RESIDUES = 16, 4, 900, "k", 50
JOURNAL_LINES, SEARCH_BATCH = 12, 200
GONE = None
SETTINGS = {"storage__optimizers__flush_interval_sec": 1, "storage__wal__wal_capacity_mb": 1,
            "storage__checkpoint_log_mb": 3}


def vectors_of(identifier, generation, extra):
    """What a point's vectors are: `a` follows the generation, `b` the extra number."""
    a = np.random.default_rng([identifier, generation, 1]).normal(size=DIM).astype(np.float32)
    b = np.random.default_rng([identifier, extra, 2]).normal(size=DIM).astype(np.float32)
    return {"a": a.tolist(), "b": b.tolist()}


def close(got, want, normalized):
    want = np.asarray(want, dtype=np.float32)
    return np.allclose(got, want / np.linalg.norm(want) if normalized else want, rtol=1e-4, atol=1e-5)


class Sender(threading.Thread):
    """A thread that sends one write after the other until the server is gone."""

    def __init__(self, port, seed):
        super().__init__()
        self.port, self.chance = port, random.Random(seed)
        self.acknowledged, self.fault = 0, None

    def run(self):
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            while True:
                self.step()
        except (OSError, http.client.HTTPException):
            return  # the server was killed
        except BaseException as fault:  # noqa: BLE001 (main raises it)
            self.fault = fault

    def request(self, method, path, body):
        self.connection.request(method, path, json.dumps(body), {"Content-Type": "application/json"})
        response = self.connection.getresponse()
        text = response.read()
        if response.status == 503:  # a proper stop is under way
            raise OSError("503")
        assert response.status == 200, (method, path, response.status, text[:500], json.dumps(body)[:500])
        self.acknowledged += 1

    def fresh(self):
        return self.chance.randrange(1, 1 << 31)


class PointWriter(Sender):
    """Writes to the points of its own ids. `states[id]`: the certain state of each of its points.

    A state is None (no point) or (generation, extra, mark): generation decides vector a and the payload g, extra vector b
    and payload e (both written in one request), mark the payload m (None: no such key). `open`: the changes of the request
    that was not answered.
    """

    KINDS = {"upsert": 4, "batch": 8, "delete": 2, "delete_filter": 1, "mark": 3, "mark_filter": 1, "overwrite": 2, "unmark": 1,
             "vectors": 4, "mixed": 3}

    def __init__(self, port, seed, number, states, journal):
        super().__init__(port, seed)
        self.number, self.states, self.journal = number, states, journal
        self.open = {}

    def step(self):
        getattr(self, self.chance.choices(list(self.KINDS), list(self.KINDS.values()))[0])()

    def send(self, method, path, body, changes):
        """Sends one write. `changes`: id -> new state; they are open until the answer, then certain."""
        if not changes:
            return
        self.open = changes
        wait = self.chance.choice(["true", "false"])
        note = [f"{method} {path or '/'} wait={wait}", False]
        for identifier, state in changes.items():
            self.journal[identifier].append((note, state))
        self.request(method, f"/collections/{COLLECTION}/points{path}?wait={wait}", body)
        note[1] = True
        self.states.update(changes)
        self.open = {}

    def ids(self, count):
        return [self.number * IDS_PER_THREAD + i for i in self.chance.sample(range(IDS_PER_THREAD), count)]

    def present(self, count):
        there = sorted(i for i, state in self.states.items() if state is not GONE)
        return self.chance.sample(there, min(self.chance.randint(1, count), len(there)))

    def payload(self, i, state):
        marked = {} if state[2] is None else {"m": state[2]}
        return {"g": state[0], "e": state[1], "t": self.number, "r": i % RESIDUES, **marked}

    def points(self, ids):
        changes = {i: (self.fresh(), self.fresh(), 0) for i in ids}
        return [{"id": i, "vector": vectors_of(i, s[0], s[1]), "payload": self.payload(i, s)} for i, s in changes.items()], changes

    def upsert(self):
        points, changes = self.points(self.ids(1))
        self.send("PUT", "", {"points": points}, changes)

    def batch(self):
        points, changes = self.points(self.ids(self.chance.randint(2, 60)))
        self.send("PUT", "", {"points": points}, changes)

    def delete(self):
        ids = self.ids(self.chance.randint(1, 20))
        self.send("POST", "/delete", {"points": ids}, {i: GONE for i in ids})

    def residue(self):
        """A filter and the points that it selects."""
        residue = self.chance.randrange(RESIDUES)
        return ({"must": [{"key": "t", "match": {"value": self.number}}, {"key": "r", "match": {"value": residue}}]},
                [i for i, s in self.states.items() if s is not GONE and i % RESIDUES == residue])

    def delete_filter(self):
        selected, ids = self.residue()
        self.send("POST", "/delete", {"filter": selected}, {i: GONE for i in ids})

    def mark_filter(self):
        selected, ids = self.residue()
        mark = self.fresh()
        self.send("POST", "/payload", {"payload": {"m": mark}, "filter": selected},
                  {i: (*self.states[i][:2], mark) for i in ids})

    def mark(self):
        ids, mark = self.present(10), self.fresh()
        self.send("POST", "/payload", {"payload": {"m": mark}, "points": ids}, {i: (*self.states[i][:2], mark) for i in ids})

    def overwrite(self):
        for i in self.present(1):
            state = (*self.states[i][:2], self.fresh())
            self.send("PUT", "/payload", {"payload": self.payload(i, state), "points": [i]}, {i: state})

    def unmark(self):
        ids = self.present(10)
        self.send("POST", "/payload/delete", {"keys": ["m"], "points": ids}, {i: (*self.states[i][:2], None) for i in ids})

    def vectors(self):
        """Vector b and its payload e change in one request of two operations a point."""
        operations, changes = [], {}
        for i in self.present(5):
            state = (self.states[i][0], self.fresh(), self.states[i][2])
            operations += [{"update_vectors": {"points": [{"id": i, "vector": {"b": vectors_of(i, 0, state[1])["b"]}}]}},
                           {"set_payload": {"payload": {"e": state[1]}, "points": [i]}}]
            changes[i] = state
        self.send("POST", "/batch", {"operations": operations}, changes)

    def mixed(self):
        points, changes = self.points(self.ids(12))
        deleted = list(changes)[:4]
        changes.update({i: GONE for i in deleted})
        self.send("POST", "/batch", {"operations": [{"upsert": {"points": points}}, {"delete": {"points": deleted}}]}, changes)


class CatalogWriter(Sender):
    """Makes, fills and drops small collections and moves aliases. `model`: (collections, aliases), collections being
    name -> (dim, {id: generation}). `next`: the model if the request that was not answered is there."""

    def __init__(self, port, seed, model):
        super().__init__(port, seed)
        self.model, self.next = model, model

    def step(self):
        name = self.chance.choice(["c0", "c1", "c2", "c3"])
        made, aliases = dict(self.model[0]), dict(self.model[1])
        if name not in made:
            dim = self.chance.randint(2, 12)
            made[name] = (dim, {})
            request = ("PUT", f"/collections/{name}", {"vectors": {"size": dim, "distance": "Euclid"},
                                                       "optimizers_config": {"indexing_threshold": 1},
                                                       "hnsw_config": {"full_scan_threshold": 10, "m": 8}})
        else:
            kind = self.chance.choices(["fill", "drop", "move"], [12, 1, 4])[0]
            request = getattr(self, kind)(name, made, aliases)
        self.next = (made, aliases)
        self.request(*request)
        self.model = self.next

    def fill(self, name, made, aliases):  # noqa: ARG002
        dim, points = made[name]
        new = {self.chance.randrange(200): self.fresh() for _ in range(self.chance.randint(1, 60))}
        made[name] = (dim, {**points, **new})
        return ("PUT", f"/collections/{name}/points?wait={self.chance.choice(['true', 'false'])}", {"points": [
            {"id": i, "vector": catalog_vector(i, g, dim), "payload": {"g": g}} for i, g in new.items()]})

    def drop(self, name, made, aliases):
        del made[name]
        for alias in [a for a, target in aliases.items() if target == name]:
            del aliases[alias]
        return "DELETE", f"/collections/{name}", None

    def move(self, name, made, aliases):  # noqa: ARG002
        alias = self.chance.choice(["x", "y"])
        actions = [{"create_alias": {"collection_name": name, "alias_name": alias}}]
        if alias in aliases:
            actions.insert(0, {"delete_alias": {"alias_name": alias}})
        aliases[alias] = name
        return "POST", "/collections/aliases", {"actions": actions}


def catalog_vector(identifier, generation, dim):
    return np.random.default_rng([identifier, generation, dim]).normal(size=dim).astype(np.float32).tolist()


def scroll(server, name):
    points, offset = {}, None
    while True:
        page = server.call("POST", f"/collections/{name}/points/scroll", {"limit": 1000, "offset": offset, "with_vector": True})
        for point in page["points"]:
            assert point["id"] not in points, f"point {point['id']} is listed twice"
            points[point["id"]] = point
        offset = page["next_page_offset"]
        if offset is None:
            return points


def is_whole(point):
    """The state that a stored point is in; fails if its parts are of different ones."""
    identifier, payload = point["id"], point["payload"]
    assert payload.keys() | {"m"} == {"g", "e", "m", "t", "r"}, f"point {identifier}: payload {payload}"
    assert payload["t"] == identifier // IDS_PER_THREAD and payload["r"] == identifier % RESIDUES, f"point {identifier}: {payload}"
    want = vectors_of(identifier, payload["g"], payload["e"])
    for name in ("a", "b"):
        assert close(point["vector"][name], want[name], name == "b"), \
            f"point {identifier}: vector {name} is not of the payload's generation: {point}"
    return payload["g"], payload["e"], payload.get("m")


class Failed(AssertionError):
    """A check that failed on one point."""

    def __init__(self, identifier, text):
        super().__init__(f"point {identifier}: {text}")
        self.identifier = identifier


class Test:
    def __init__(self, folder, seed):
        self.chance, self.seed = random.Random(seed), seed
        self.folder = folder
        self.server = Server(folder / "data", **SETTINGS)
        self.states, self.catalog = {}, ({}, {})
        self.journal = collections.defaultdict(lambda: collections.deque(maxlen=JOURNAL_LINES))
        self.passed = self.total = self.indexed_rounds = self.missed = 0

    def create(self):
        self.server.start()
        self.server.call("PUT", f"/collections/{COLLECTION}", {
            "vectors": {"a": {"size": DIM, "distance": "Euclid"}, "b": {"size": DIM, "distance": "Cosine"}},
            "optimizers_config": {"indexing_threshold": 1, "deleted_threshold": 0.2, "vacuum_min_vector_number": 200},
            "hnsw_config": {"full_scan_threshold": 10, "m": 16}})
        for key in ("t", "r", "m", "g"):
            self.server.call("PUT", f"/collections/{COLLECTION}/index?wait=true", {"field_name": key, "field_schema": "integer"})

    def segments(self, folder=None):
        return sorted(((folder or self.server.folder) / "log").glob("*.log"))

    def write_until(self, end, seconds, name):
        """Writes of all kinds, ended by end() after some time. What was not answered is settled by check()."""
        points = [PointWriter(self.server.port, f"{name}-{n}", n,
                              {i: s for i, s in self.states.items() if i // IDS_PER_THREAD == n}, self.journal)
                  for n in range(THREADS)]
        catalog = CatalogWriter(self.server.port, f"{name}-catalog", self.catalog)
        for thread in [*points, catalog]:
            thread.start()
        time.sleep(seconds)
        end()
        for thread in [*points, catalog]:
            thread.join()
        for thread in [*points, catalog]:
            if thread.fault is not None:
                raise thread.fault
        for thread in points:
            self.states.update(thread.states)
        self.open = [thread.open for thread in points if thread.open]
        self.catalogs = [catalog.model, catalog.next]
        acknowledged = sum(t.acknowledged for t in [*points, catalog])
        self.total += acknowledged
        return acknowledged

    def check(self):
        """All of the checks of the head comment; leaves in states and catalog what is there."""
        points = scroll(self.server, COLLECTION)
        found = {i: is_whole(p) for i, p in points.items()}
        for request in self.open:
            self.check_open(request, found)
        for identifier in self.states.keys() | found.keys():
            if found.get(identifier) != self.states.get(identifier):
                raise Failed(identifier, f"is {found.get(identifier)}, not {self.states.get(identifier)}")
        self.check_counts(points)
        for using, exact in (("a", True), ("a", False), ("b", True), ("b", False)):
            self.check_search(COLLECTION, points, using, exact)
        self.check_catalog()
        return len(points)

    def check_open(self, request, found):
        """A request that was not answered is wholly there or not at all; notes which."""
        before = [i for i in request if found.get(i) == self.states.get(i)]
        after = [i for i, state in request.items() if found.get(i) == state]
        for i in request:
            if i not in before and i not in after:
                raise Failed(i, f"is {found.get(i)}, was {self.states.get(i)}, perhaps {request[i]}")
        if len(before) != len(request) and len(after) != len(request):
            raise Failed(next(i for i in request if i not in after),
                         f"a request is half there: {len(after)} of {len(request)} points")
        if len(after) == len(request):
            self.states.update(request)

    def check_counts(self, points):
        path = f"/collections/{COLLECTION}"
        assert self.server.call("POST", f"{path}/points/count", {"exact": True})["count"] == len(points)
        assert self.server.call("GET", path)["points_count"] == len(points)
        some = self.chance.sample(sorted(self.states), min(500, len(self.states)))
        read = {p["id"]: p for p in self.server.call("POST", f"{path}/points", {"ids": some, "with_vector": True})}
        assert read == {i: points[i] for i in some if i in points}
        residue = self.chance.randrange(RESIDUES)
        counted = self.server.call("POST", f"{path}/points/count", {
            "exact": True, "filter": {"must": [{"key": "r", "match": {"value": residue}}]}})["count"]
        assert counted == sum(i % RESIDUES == residue for i in points)
        marks = [p["payload"].get("m") for p in points.values()]
        mark = self.chance.choice([m for m in marks if m is not None] or [0])
        counted = self.server.call("POST", f"{path}/points/count", {"filter": {"must": [{"key": "m", "match": {"value": mark}}]}})
        assert counted["count"] == marks.count(mark), f"mark {mark}: {counted}, {marks.count(mark)} points have it"

    def check_search(self, name, points, using, exact):
        """Each point is the first that its own vector finds, with the score that it must have. A graph may miss one now
        and then with the default effort (`missed` counts them), but none is lost: a larger effort finds it."""
        wrong = self.wrong_answers(name, points, sorted(points), using, {"exact": exact})
        if wrong and not exact and len(wrong) <= 1 + len(points) // 1000:
            self.missed += len(wrong)
            wrong = self.wrong_answers(name, points, sorted(wrong), using, {"hnsw_ef": 1000})
        for identifier, hits in wrong.items():
            raise Failed(identifier, f"in {name}: not found by its own vector {using}, exact={exact}, one of {len(wrong)}: {hits}")

    def wrong_answers(self, name, points, ids, using, params):
        """Those of the ids that are not the first hit of their own vector, and the hits."""
        wrong = {}
        for at in range(0, len(ids), SEARCH_BATCH):
            part = ids[at:at + SEARCH_BATCH]
            own = [points[i]["vector"][using] if using else points[i]["vector"] for i in part]
            answers = self.server.call("POST", f"/collections/{name}/points/query/batch", {"searches": [
                {"query": v, **({"using": using} if using else {}), "limit": 3, "params": params} for v in own]})
            for identifier, answer in zip(part, answers):
                hits = answer["points"]
                if len(hits) != min(3, len(points)) or not {h["id"] for h in hits} <= points.keys():
                    raise Failed(identifier, f"in {name}: search over {using}, {params}, gives {hits}")
                if hits[0]["id"] != identifier or abs(hits[0]["score"] - (using == "b")) > 1e-3:
                    wrong[identifier] = hits
        return wrong

    def check_catalog(self):
        names = {c["name"] for c in self.server.call("GET", "/collections")["collections"]} - {COLLECTION}
        stored = {name: scroll(self.server, name) for name in names}
        made = {}
        for name, points in stored.items():
            dim = self.server.call("GET", f"/collections/{name}")["config"]["params"]["vectors"]["size"]
            made[name] = (dim, {i: p["payload"]["g"] for i, p in points.items()})
            for i, point in points.items():
                assert close(point["vector"], catalog_vector(i, point["payload"]["g"], dim), False), (name, point)
        aliases = {a["alias_name"]: a["collection_name"] for a in self.server.call("GET", "/aliases")["aliases"]}
        assert (made, aliases) in self.catalogs, f"catalog is {made, aliases}, not one of {self.catalogs}"
        self.catalog = (made, aliases)
        self.catalogs = [self.catalog]
        for alias, name in aliases.items():
            assert scroll(self.server, alias) == stored[name]
        for name, points in stored.items():
            self.check_search(name, points, None, True)
            self.check_search(name, points, None, False)

    def make_harder(self, number):
        """Something between kill and start that must be recoverable. Returns what was done, and what the log must say."""
        if number % 5 == 4:
            what = ["index", "garbage", "record", "zeros"][number // 5 % 4]
            if what == "index":
                shutil.rmtree(self.server.folder / "index", ignore_errors=True)
                return "index folder deleted", None
            newest = self.segments()[-1]
            header = newest.read_bytes()[40:40 + 32]
            if what == "record" and len(header) == 32:
                tail = header + bytes(self.chance.randrange(256) for _ in range(int.from_bytes(header[:4], "little") // 2))
            elif what == "zeros":
                tail = bytes(self.chance.randint(1, 9000))
            else:
                tail = bytes(self.chance.randrange(256) for _ in range(self.chance.randint(1, 5000)))
            with open(newest, "ab") as log:
                log.write(tail)
            return f"torn tail ({what})", r"cut \d+ bytes at offset"
        if number % 4 == 2:
            self.server.spawn()
            time.sleep(self.chance.uniform(0.0, 0.3))
            self.server.kill()
            return "killed at the start", None
        return "", None

    def round(self, number):
        properly = number % 7 == 6
        ended = self.server.kill
        if properly:
            def ended():
                assert self.server.stop() == 0, "the server did not stop properly"
        acknowledged = self.write_until(ended, self.chance.uniform(0.1, 2), f"{self.seed}-{number}")
        harder, must_say = self.make_harder(number)
        said = len(self.server.log())
        start = time.monotonic()
        self.server.start()
        up = time.monotonic() - start
        if must_say:
            assert re.search(must_say, self.server.log()[said:]), f"nothing said about: {harder}"
        indexed = self.server.call("GET", f"/collections/{COLLECTION}")["indexed_vectors_count"]
        self.indexed_rounds += indexed > 0
        replayed = re.findall(r"replayed (\d+) log records", self.server.log()[said:])
        open_points = sum(map(len, self.open))
        count = self.check()
        if number % 3 == 0:
            self.server.wait_indexed(COLLECTION)
            self.check()
        print(f"round {number + 1}: {acknowledged} acknowledged, {open_points} points unanswered, {count} points, {indexed} "
              f"indexed, {replayed[0] if replayed else 0} replayed, {len(self.segments())} segments, up in {up:.2f} s"
              f"{', stopped properly' if properly else ''}{', ' if harder else ''}{harder}", flush=True)
        self.passed += 1

    def damage(self):
        """A flipped byte in an older segment: refused with a good message; the way out works, and loses nothing after."""
        for _ in range(50):
            if len(self.segments()) > 1 and self.segments()[-2].stat().st_size > 10000:
                break
            self.write_until(self.server.kill, 1, f"{self.seed}-damage")
            self.server.start()
            self.check()
        self.server.kill()
        copy = self.folder / "copy"
        shutil.copytree(self.server.folder, copy)
        segment = self.segments(copy)[-2]
        data = bytearray(segment.read_bytes())
        data[len(data) // 2] ^= 1
        segment.write_bytes(data)
        self.server = Server(copy, **SETTINGS)
        self.server.spawn()
        assert self.server.process.wait(60) != 0
        for word in (segment.name, "damaged at offset", "log index", "storage.wal.drop_damaged_tail=true"):
            assert word in self.server.log(), f"the refusal does not name {word}"
        self.server.settings["storage__wal__drop_damaged_tail"] = "true"
        self.server.start()
        found = {i: is_whole(p) for i, p in scroll(self.server, COLLECTION).items()}
        self.settle(found)
        del self.server.settings["storage__wal__drop_damaged_tail"]
        for number in range(3):
            self.write_until(self.server.kill, 1, f"{self.seed}-after-damage-{number}")
            self.server.start()
            self.check()
        self.passed += 1
        print("damage in an older segment: refused; cut when told; nothing lost after", flush=True)

    def settle(self, found):
        """After acknowledged records were given up by order: what is there is what counts."""
        self.states = {i: found.get(i) for i in self.states.keys() | found.keys()}
        self.open = []
        for name in [c["name"] for c in self.server.call("GET", "/collections")["collections"]]:
            if name != COLLECTION:
                self.server.call("DELETE", f"/collections/{name}")
        self.catalog = ({}, {})
        self.catalogs = [self.catalog]
        self.check()

    def describe(self, fault):
        print(f"failed: {str(fault)[:3000]}")
        if isinstance(fault, Failed):
            print(f"journal of point {fault.identifier}, oldest first; states are (generation, extra, mark):")
            for note, state in self.journal[fault.identifier]:
                print(f"  {note[0]}: {state}, {'acknowledged' if note[1] else 'not answered'}")
        print(f"last lines of the server:\n{self.server.log()[-2000:]}")


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    seed = int(os.environ.get("SAGITTA_SEED") or random.randrange(1 << 32))
    print(f"SAGITTA_SEED={seed}", flush=True)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sagitta-kill-"))
    test = Test(folder, seed)
    try:
        test.create()
        for number in range(rounds):
            test.round(number)
        test.damage()
        print(f"{test.total} writes were acknowledged; {test.missed} points were found with a larger effort only", flush=True)
        assert test.total > rounds, f"only {test.total} writes were acknowledged"
        assert rounds < 10 or test.indexed_rounds > rounds / 4, f"a graph was there in only {test.indexed_rounds} rounds"
    except AssertionError as fault:
        test.describe(fault)
        print(f"SAGITTA_SEED={seed}, data kept in {folder}\n{test.passed} passed, 1 failed")
        sys.exit(1)
    finally:
        test.server.kill()
    shutil.rmtree(folder)
    print(f"{test.passed} passed, 0 failed")


if __name__ == "__main__":
    main()
