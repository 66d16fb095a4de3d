"""Points in the order of a payload key: scroll with order_by, and the query of that name."""
import pytest
from harness import client, collection, name, server  # noqa: F401 (fixtures)
from qdrant_client import models
from random_points import KEYS, Sides, chances, id_order, random_filter

pytestmark = pytest.mark.filterwarnings("ignore:Local mode performs exact", "ignore:Payload indexes have no effect")


@pytest.fixture(params=[None, "integer", "float", "datetime", "keyword"])
def own(request, server, collection):
    """A collection without an index on `p`, or with one: no answer may differ."""
    made = collection({"size": 1, "distance": "Dot"})
    if request.param:
        server.call("PUT", f"/collections/{made}/index?wait=true", {"field_name": "p", "field_schema": request.param})
    return made


def fill(server, own, values):
    points = [{"id": i, "vector": [1.0], "payload": {} if v is ... else {"p": v}} for i, v in enumerate(values, 1)]
    server.call("PUT", f"/collections/{own}/points?wait=true", {"points": points})


def rows(server, own, order_by, **rest):
    answer = server.call("POST", f"/collections/{own}/points/scroll", {"order_by": order_by, **rest})
    assert answer["next_page_offset"] is None
    return [(p["id"], p["order_value"]) for p in answer["points"]]


def test_a_point_comes_once_per_value(server, own):
    """The limit counts rows, not points; a value that a point has twice gives one row."""
    fill(server, own, [[2, 6], 4, 8, [2, 2, 2.0]])
    assert rows(server, own, "p", limit=3) == [(1, 2), (4, 2), (2, 4)]
    assert rows(server, own, "p", limit=4) == [(1, 2), (4, 2), (2, 4), (1, 6)]
    assert rows(server, own, {"key": "p", "direction": "desc"}) == [(3, 8), (1, 6), (2, 4), (1, 2), (4, 2)]
    fill(server, own, [[2, 6], 4, 8, ...])
    assert [i for i, _ in rows(server, own, "p", limit=3)] == [1, 2, 1]


def test_ties_are_by_id(server, own):
    """Equal values come by id, both ways, and a cut among them is the same as the head of the whole."""
    fill(server, own, [i % 3 for i in range(200)])
    for direction, by in (("asc", 1), ("desc", -1)):
        wanted = sorted(((i, (i - 1) % 3) for i in range(1, 201)), key=lambda r: (by * r[1], r[0]))
        for limit in (1, 2, 66, 67, 68, 150, 200, 500):
            assert rows(server, own, {"key": "p", "direction": direction}, limit=limit) == wanted[:limit]


def test_values_without_an_order_do_not_count(server, own):
    """Words, booleans, null, nothing, objects, places and nested arrays are passed over; numbers and times count."""
    fill(server, own, ["red", True, None, ..., {"x": 1}, [], [[1]], [None, 3, "x"], 2, "2024-01-01", -1.5])
    microseconds = 1704067200 * 10**6
    assert rows(server, own, "p") == [(11, -1.5), (9, 2), (8, 3), (10, microseconds)]


def test_start_from(server, own):
    """The first value may be an integer, a real, and past everything; it counts itself."""
    fill(server, own, [5, 1, 3, 3, 2.5, 9])
    for start, asc, desc in ((3, [3, 4, 1, 6], [3, 4, 5, 2]), (2.5, [5, 3, 4, 1, 6], [5, 2]), (2.75, [3, 4, 1, 6], [5, 2]),
                             (100, [], [6, 1, 3, 4, 5, 2]), (-1e9, [2, 5, 3, 4, 1, 6], [])):
        assert [i for i, _ in rows(server, own, {"key": "p", "start_from": start})] == asc
        assert [i for i, _ in rows(server, own, {"key": "p", "start_from": start, "direction": "desc"})] == desc


def test_times(server, client, own):
    """Points in time, in any of their forms, are told as microseconds; the start may be a time or a number of those."""
    fill(server, own, ["2024-06-15T12:00:00Z", "2024-06-15", "2024-06-15T12:00:00+02:00", "2023-01-01 00:00:00.000001"])
    noon = 1718452800 * 10**6
    found = rows(server, own, "p")
    assert found == [(4, 1672531200000001), (2, noon - 43200 * 10**6), (3, noon - 7200 * 10**6), (1, noon)]
    assert [i for i, _ in rows(server, own, {"key": "p", "start_from": "2024-06-15T10:00:00Z"})] == [3, 1]
    assert [i for i, _ in rows(server, own, {"key": "p", "start_from": noon - 7200 * 10**6})] == [3, 1]
    import datetime
    start = datetime.datetime(2024, 6, 15, 10, tzinfo=datetime.timezone.utc)
    points, after = client.scroll(own, order_by=models.OrderBy(key="p", direction="desc", start_from=start))
    assert [p.id for p in points] == [3, 2, 4] and after is None


def test_numbers_at_the_edges(server, own):
    """64-bit integers are ordered and told exactly; larger ones as the nearest real."""
    fill(server, own, [2**53 + 1, 2**53, 2**63 - 1, -(2**63), 2**64 - 1, 1e308, 0.1, -0.0])
    found = rows(server, own, "p")
    assert [i for i, _ in found] == [4, 8, 7, 2, 1, 3, 5, 6]
    assert dict(found)[1] == 2**53 + 1 and dict(found)[3] == 2**63 - 1 and dict(found)[5] == 2.0**64
    assert [i for i, _ in rows(server, own, {"key": "p", "start_from": 2**53 + 1})] == [1, 3, 5, 6]
    assert [i for i, _ in rows(server, own, {"key": "p", "start_from": 2**64 - 1})] == [5, 6]


def test_pages_by_value(server, own):
    """Going on from the last value without the ids seen neither loops nor skips, though values repeat."""
    values = [(i * 7) % 23 for i in range(150)]
    fill(server, own, values)
    seen, last, last_ids = [], None, []
    for _ in range(100):
        order = {"key": "p", **({} if last is None else {"start_from": last})}
        page = rows(server, own, order, limit=11, filter={"must_not": [{"has_id": last_ids}]})
        if not page:
            break
        seen += page
        last_ids = [i for i, v in (page if page[-1][1] != last else seen) if v == page[-1][1]]
        last = page[-1][1]
    assert seen == sorted(enumerate(values, 1), key=lambda r: (r[1], r[0]))


def test_query(server, client, own):
    """The query order_by: offset skips rows, payload and vectors as asked for, the score is 1, a threshold is refused."""
    fill(server, own, [[2, 6], 4, 8, 1])
    hits = client.query_points(own, query=models.OrderByQuery(order_by="p"), limit=3, offset=1, with_vectors=True).points
    assert [(h.id, h.order_value, h.score, h.vector) for h in hits] == [(1, 2, 1.0, [1.0]), (2, 4, 1.0, [1.0]), (1, 6, 1.0, [1.0])]
    assert hits[1].payload == {"p": 4}
    order = models.OrderBy(key="p", direction=models.Direction.DESC, start_from=6)
    hits = client.query_points(own, query=models.OrderByQuery(order_by=order), with_payload=False).points
    assert [h.id for h in hits] == [1, 2, 1, 4] and hits[0].payload is None
    assert client.query_points(own, query=models.OrderByQuery(order_by="p"), offset=10).points == []
    status, text = server.request("POST", f"/collections/{own}/points/query",
                                  {"query": {"order_by": "p"}, "score_threshold": 0.5})
    assert status == 400 and "Bad request: Can't use score_threshold with an order_by query." in text


@pytest.mark.parametrize("body, status, words", [
    ({"order_by": "p", "offset": 1}, 400, "Wrong input: `offset` is not supported together with `order_by`"),
    ({"order_by": "a..b"}, 400, "a..b"),
    ({"order_by": {}}, 400, "order_by: missing field `key`"),
    ({"order_by": 3}, 400, "order_by: invalid type"),
    ({"order_by": {"key": "p", "direction": "up"}}, 400, "direction: unknown variant `up`"),
    ({"order_by": {"key": "p", "start_from": "yesterday"}}, 400, "yesterday"),
    ({"order_by": {"key": "p", "start_from": [1]}}, 400, "start_from: invalid type"),
    ({"order_by": "p", "limit": 0}, 422, "internal.limit: value 0 invalid, must be 1 or larger"),
])
def test_bad_requests(server, collection, body, status, words):
    own = collection({"size": 1, "distance": "Dot"})
    got, text = server.request("POST", f"/collections/{own}/points/scroll", body)
    assert got == status and words in text, text


def wanted_rows(sides, key, descending, start, chosen):
    """What the in-memory mode says, equal values by id."""
    order = models.OrderBy(key=key, direction="desc" if descending else "asc", start_from=start)
    records, _ = sides.local.scroll(sides.plain, scroll_filter=chosen, order_by=order, limit=10**6)
    found = [(r.id, r.order_value) for r in records]
    return sorted(found, key=lambda r: (-r[1] if descending else r[1], id_order(r[0])))


@pytest.mark.parametrize("clean", [True, False])
def test_like_the_in_memory_mode(client, name, clean):
    """Random points, keys, directions, starts, filters and limits: the in-memory mode and the server, with and without
    indexes, give the same rows, while points change. Values that suit the key only (clean), or any."""
    chance = chances(f"order-{clean}")
    sides = Sides(client, name, chance, clean=clean)
    for step in range(60):
        key = chance.choice(list(KEYS) + ["any[]", "any.x", "number[0]"])
        descending, start, chosen = chance.random() < 0.5, chance.choice([None, None, 0, 2, 2.5, 10**12]), random_filter(chance)
        wanted = wanted_rows(sides, key, descending, start, chosen)
        limit = chance.choice([1, 3, 10, 1000])
        order = models.OrderBy(key=key, direction="desc" if descending else "asc", start_from=start)
        for own in (sides.plain, sides.indexed):
            records, after = client.scroll(own, scroll_filter=chosen, order_by=order, limit=limit)
            assert after is None
            assert [(r.id, r.order_value) for r in records] == wanted[:limit], (step, own, key, order, chosen)
        if step % 6 == 5:
            sides.change()
    sides.drop()
