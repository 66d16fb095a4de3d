"""Scroll and count: order, pages, filters of every kind checked on the payload."""
import pytest
from harness import client, collection, name, server  # noqa: F401 (fixtures)

POINTS = {
    1: {"s": "red", "n": 1, "f": 0.5, "b": True, "d": "2024-01-01T00:00:00Z", "tags": ["a", "b"],
        "o": {"k": 1, "l": [{"x": 1, "y": 1}, {"x": 2, "y": 2}]}},
    2: {"s": "green", "n": 2, "f": -1.5, "b": False, "d": "2024-06-01T12:00:00+02:00", "tags": ["b"],
        "o": {"k": 2, "l": [{"x": 1, "y": 2}, {"x": 2, "y": 1}]}},
    3: {"s": "blue", "n": 3, "f": 3, "d": "2025-01-01", "tags": [], "o": {"k": [2, 3]}},
    4: {"s": None, "n": None, "tags": None},
    5: {},
    6: {"s": ["red", "blue"], "n": [1, 30], "f": "1.0", "tags": ["c", "d", "e"]},
    7: {"n": 9223372036854775807, "s": "", "tags": "a", "o": {"l": []}},
}
T, F = True, False
FILTERS = [
    # filter, ids that match
    ({}, {1, 2, 3, 4, 5, 6, 7}),
    ({"must": [{"key": "s", "match": {"value": "red"}}]}, {1, 6}),
    ({"must": {"key": "s", "match": {"value": "red"}}}, {1, 6}),
    ({"must": [{"key": "n", "match": {"value": 1}}]}, {1, 6}),
    ({"must": [{"key": "n", "match": {"value": 9223372036854775807}}]}, {7}),
    ({"must": [{"key": "b", "match": {"value": F}}]}, {2}),
    ({"must": [{"key": "s", "match": {"any": ["green", "blue"]}}]}, {2, 3, 6}),
    ({"must": [{"key": "n", "match": {"any": [2, 30]}}]}, {2, 6}),
    ({"must": [{"key": "s", "match": {"except": ["red"]}}]}, {2, 3, 6, 7}),
    ({"must_not": [{"key": "s", "match": {"value": "red"}}]}, {2, 3, 4, 5, 7}),
    ({"must": [{"key": "n", "range": {"gte": 2, "lt": 31}}]}, {2, 3, 6}),
    ({"must": [{"key": "f", "range": {"gt": -1.5}}]}, {1, 3}),
    ({"must": [{"key": "f", "range": {"lte": -1.5}}]}, {2}),
    ({"must": [{"key": "n", "range": {"gt": 9223372036854775806}}]}, {7}),
    ({"must": [{"key": "d", "range": {"gte": "2024-06-01T10:00:00Z"}}]}, {2, 3}),
    ({"must": [{"key": "d", "range": {"gt": "2024-06-01T10:00:00Z"}}]}, {3}),
    ({"must": [{"key": "d", "range": {"lt": "2024-06-01"}}]}, {1}),
    ({"must": [{"key": "tags", "values_count": {"gte": 2}}]}, {1, 6}),
    ({"must": [{"key": "tags", "values_count": {"gt": 0, "lt": 3}}]}, {1, 2, 7}),
    ({"must": [{"is_null": {"key": "n"}}]}, {4}),
    ({"must": [{"is_empty": {"key": "tags"}}]}, {3, 4, 5}),
    ({"must_not": [{"is_empty": {"key": "tags"}}]}, {1, 2, 6, 7}),
    ({"must": [{"key": "o.k", "match": {"value": 2}}]}, {2, 3}),
    ({"must": [{"key": "o.l[].x", "match": {"value": 2}}]}, {1, 2}),
    ({"must": [{"key": "o.l[0].x", "match": {"value": 2}}]}, set()),
    ({"must": [{"key": "o.l[1].x", "match": {"value": 2}}]}, {1, 2}),
    ({"must": [{"key": "o.l[].x", "match": {"value": 1}}, {"key": "o.l[].y", "match": {"value": 2}}]}, {1, 2}),
    ({"must": [{"nested": {"key": "o.l", "filter": {"must": [
        {"key": "x", "match": {"value": 1}}, {"key": "y", "match": {"value": 2}}]}}}]}, {2}),
    ({"must": [{"nested": {"key": "o.l", "filter": {"must_not": [{"key": "x", "match": {"value": 1}}]}}}]}, {1, 2}),
    ({"must": [{"has_id": [1, 5, 77]}]}, {1, 5}),
    ({"must_not": [{"has_id": [1, 5, 77]}]}, {2, 3, 4, 6, 7}),
    ({"must": [{"has_vector": ""}]}, {1, 2, 3, 4, 5, 6, 7}),
    ({"should": [{"key": "n", "match": {"value": 2}}, {"key": "s", "match": {"value": "red"}}]}, {1, 2, 6}),
    ({"min_should": {"min_count": 2, "conditions": [
        {"key": "n", "match": {"value": 1}}, {"key": "s", "match": {"value": "red"}},
        {"key": "tags", "match": {"value": "b"}}]}}, {1, 6}),
    ({"min_should": {"min_count": 3, "conditions": [
        {"key": "n", "match": {"value": 1}}, {"key": "s", "match": {"value": "red"}},
        {"key": "tags", "match": {"value": "b"}}]}}, {1}),
    ({"must": [{"must": [{"key": "n", "match": {"value": 1}}]}, {"should": [{"key": "b", "match": {"value": T}}]}]}, {1}),
    ({"must": [{"key": "n", "range": {"gte": 1}}], "must_not": [{"key": "s", "match": {"value": "red"}}],
      "should": [{"key": "b", "match": {"value": F}}, {"key": "f", "range": {"gte": 3}}]}, {2, 3}),
    ({"must": [{"key": "absent", "match": {"value": 1}}]}, set()),
    ({"must": [{"key": "absent.more", "range": {"gt": 1}}]}, set()),
]


@pytest.fixture(scope="module")
def own(server):
    server.call("PUT", "/collections/scroll", {"vectors": {"size": 1, "distance": "Dot"}})
    server.call("PUT", "/collections/scroll/points?wait=true",
                {"points": [{"id": i, "vector": [float(i)], "payload": p} for i, p in POINTS.items()]})
    return "scroll"


@pytest.mark.parametrize("at", range(len(FILTERS)))
def test_filter(server, own, at):
    """One filter: scroll, count, query and delete-by-filter's twin (count exact) agree on what it selects."""
    chosen, wanted = FILTERS[at]
    page = server.call("POST", f"/collections/{own}/points/scroll", {"filter": chosen, "limit": 100})
    assert [p["id"] for p in page["points"]] == sorted(wanted), chosen
    assert page["next_page_offset"] is None
    for exact in (True, False):
        assert server.call("POST", f"/collections/{own}/points/count",
                           {"filter": chosen, "exact": exact})["count"] == len(wanted)
    hits = server.call("POST", f"/collections/{own}/points/query", {"query": [1.0], "filter": chosen, "limit": 100})
    assert {h["id"] for h in hits["points"]} == wanted


def test_pages(server, collection):
    """Pages follow each other by next_page_offset, numbers before UUIDs, none twice, none left out."""
    made = collection({"size": 1, "distance": "Dot"})
    ids = [*range(0, 50, 2), 2**64 - 1, *(f"00000000-0000-0000-0000-0000000000{i:02x}" for i in range(20))]
    server.call("PUT", f"/collections/{made}/points?wait=true",
                {"points": [{"id": i, "vector": [1.0]} for i in reversed(ids)]})
    for limit in (1, 7, 46, 100):
        seen, offset = [], None
        while True:
            body = {"limit": limit} if offset is None else {"limit": limit, "offset": offset}
            page = server.call("POST", f"/collections/{made}/points/scroll", body)
            assert len(page["points"]) <= limit
            seen += [p["id"] for p in page["points"]]
            offset = page["next_page_offset"]
            if offset is None:
                break
        assert seen == ids
    from_gap = server.call("POST", f"/collections/{made}/points/scroll", {"offset": 13, "limit": 2})
    assert [p["id"] for p in from_gap["points"]] == [14, 16] and from_gap["next_page_offset"] == 18


def test_pages_with_a_filter(server, collection):
    """The next page's offset points at a matching point, and ends with null exactly at the end."""
    made = collection({"size": 1, "distance": "Dot"})
    server.call("PUT", f"/collections/{made}/points?wait=true",
                {"points": [{"id": i, "vector": [1.0], "payload": {"g": i % 4}} for i in range(80)]})
    seen, offset, pages = [], None, 0
    while pages == 0 or offset is not None:
        page = server.call("POST", f"/collections/{made}/points/scroll",
                           {"limit": 5, "offset": offset, "filter": {"must": [{"key": "g", "match": {"value": 2}}]}})
        seen += [p["id"] for p in page["points"]]
        offset = page["next_page_offset"]
        pages += 1
    assert seen == list(range(2, 80, 4)) and pages == 4


def test_scroll_defaults(server, own):
    """Payload without being asked, no vectors, ten points."""
    page = server.call("POST", f"/collections/{own}/points/scroll", {})
    assert page["points"][0]["payload"] == POINTS[1] and "vector" not in page["points"][0]
    page = server.call("POST", f"/collections/{own}/points/scroll", {"with_vector": True, "with_payload": False, "limit": 1})
    assert page["points"][0]["vector"] == [1.0] and page["next_page_offset"] == 2
    assert not page["points"][0].get("payload")


def test_bad_filters(server, own):
    """A faulty filter is refused, whichever call it comes with."""
    for bad in ({"must": [{"key": "a"}]}, {"must": [{"unknown": 1}]}, {"must": [{"key": "a", "match": {}}]}, {"must": "x"},
                {"must": [{"key": "a", "range": {"gt": "not a date"}}]}, {"must": [{"has_id": ["no uuid"]}]},
                {"must": [{"key": "a", "match": {"value": [1]}}]}, {"must": [{"key": 5, "match": {"value": 1}}]},
                {"must": [{"nested": {"key": "a"}}]}, {"min_should": {"conditions": []}}):
        for path, body in (("scroll", {}), ("count", {}), ("query", {"query": [1.0]}), ("delete?wait=true", {})):
            status, text = server.request("POST", f"/collections/{own}/points/{path}", {"filter": bad, **body})
            assert 400 <= status < 500, (path, bad, status, text)
    assert server.call("POST", f"/collections/{own}/points/count", {})["count"] == len(POINTS)
