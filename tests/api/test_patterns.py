"""Patterns of strings in filters: substring, wildcard and regular expression, an extension of `match`. What they mean does not
depend on an index; errors name the pattern."""
import random

import pytest

from harness import Server, client, collection, name, server  # noqa: F401

WORDS = ["", "abc", "ABC", "abcd", "ab c", "xabc", "caf\u00e9", "cafe\u0301", "\u65e5\u672c\u8a9e", "\U0001f600", "a*b", "a?b", "a\\b",
         "say \"hi\"", "line\nbreak", "tab\there", "error: disk full (code 28)", "error: network", "mail@example.org"]
OTHERS = [None, 5, True, {"x": "abc"}, [], [["abc"]]]


def payloads():
    """Strings, arrays of them with other values between, what is no string, and nothing."""
    values = [{"s": word} for word in WORDS] + [{"s": other} for other in OTHERS] + [{}]
    values += [{"s": [a, 7, b, None]} for a, b in zip(WORDS, WORDS[3:])]
    return values


@pytest.fixture(params=["no index", "keyword", "keyword with trigrams", "keyword, made late", "text", "uuid"])
def loaded(request, server, collection):
    """A collection with the payloads, ids from 0, with and without an index on the key."""
    own = collection({"size": 2, "distance": "Dot"})
    kind = request.param

    def index():
        schema = {"type": "keyword", "patterns": True} if "trigrams" in kind else kind.split(",")[0]
        server.call("PUT", f"/collections/{own}/index?wait=true", {"field_name": "s", "field_schema": schema})
    if kind in ("keyword", "keyword with trigrams", "text", "uuid"):
        index()
    points = [{"id": i, "vector": [1, i], "payload": payload} for i, payload in enumerate(payloads())]
    server.call("PUT", f"/collections/{own}/points?wait=true", {"points": points})
    if kind == "keyword, made late":
        index()
    return own


def matching(server, own, condition, key="s"):
    found = server.call("POST", f"/collections/{own}/points/scroll", {
        "filter": {"must": [{"key": key, "match": condition}]}, "limit": 1000, "with_payload": False})
    return {point["id"] for point in found["points"]}


def expected(accepts):
    """The points with a string, alone or in an array, that is accepted."""
    found = set()
    for i, payload in enumerate(payloads()):
        value = payload.get("s")
        strings = value if isinstance(value, list) else [value]
        if any(isinstance(string, str) and accepts(string) for string in strings):
            found.add(i)
    return found


CASES = [
    ({"substring": "abc"}, lambda s: "abc" in s),
    ({"substring": "ABC"}, lambda s: "ABC" in s),
    ({"substring": ""}, lambda s: True),
    ({"substring": "\u672c"}, lambda s: "\u672c" in s),
    ({"substring": "\""}, lambda s: "\"" in s),
    ({"substring": "\\"}, lambda s: "\\" in s),
    ({"substring": "\n"}, lambda s: "\n" in s),
    ({"substring": "caf\u00e9"}, lambda s: "caf\u00e9" in s),
    ({"substring": "nowhere"}, lambda s: False),
    ({"wildcard": "abc*"}, lambda s: s.startswith("abc")),
    ({"wildcard": "*abc*"}, lambda s: "abc" in s),
    ({"wildcard": "?abc"}, lambda s: s == "xabc"),
    ({"wildcard": "a\\*b"}, lambda s: s == "a*b"),
    ({"wildcard": "a?b"}, lambda s: s in ("a*b", "a?b", "a\\b")),
    ({"wildcard": "?"}, lambda s: len(s) == 1),
    ({"wildcard": ""}, lambda s: s == ""),
    ({"wildcard": "*"}, lambda s: True),
    ({"wildcard": "error: *(code ??)"}, lambda s: s.startswith("error: disk")),
    ({"regex": "^(abc|xabc)$"}, lambda s: s in ("abc", "xabc")),
    ({"regex": "(?i)abc"}, lambda s: "abc" in s.lower()),
    ({"regex": "code [0-9]+"}, lambda s: "code 28" in s),
    ({"regex": "\\w+@\\w+\\.org$"}, lambda s: "@" in s),
    ({"regex": "^.$"}, lambda s: len(s) == 1),
    ({"regex": "error: (disk|network)"}, lambda s: s.startswith("error")),
    ({"regex": ""}, lambda s: True),
]


def test_meaning(server, loaded):
    """Every pattern finds the points that Python says, alone, negated and beside others."""
    everything = set(range(len(payloads())))
    for condition, accepts in CASES:
        want = expected(accepts)
        assert matching(server, loaded, condition) == want, condition
        negated = server.call("POST", f"/collections/{loaded}/points/count", {
            "exact": True, "filter": {"must_not": [{"key": "s", "match": condition}]}})
        assert negated["count"] == len(everything - want), condition
    both = server.call("POST", f"/collections/{loaded}/points/count", {"exact": True, "filter": {
        "should": [{"key": "s", "match": {"substring": "disk"}}, {"key": "s", "match": {"wildcard": "xabc"}}],
        "must": [{"key": "s", "match": {"regex": "[a-z]"}}]}})
    assert both["count"] == len(expected(lambda s: "disk" in s or s == "xabc"))


def test_search_and_delete(server, loaded):
    """Patterns narrow a search, and choose what a write changes."""
    found = server.call("POST", f"/collections/{loaded}/points/query", {
        "query": [0, 1], "limit": 1000, "filter": {"must": {"key": "s", "match": {"regex": "^abc"}}}})
    want = expected(lambda s: s.startswith("abc"))
    assert [point["id"] for point in found["points"]] == sorted(want, reverse=True)
    server.call("POST", f"/collections/{loaded}/points/delete?wait=true",
                {"filter": {"must": {"key": "s", "match": {"wildcard": "abc*"}}}})
    assert matching(server, loaded, {"substring": "abc"}) == expected(lambda s: "abc" in s) - want


@pytest.mark.parametrize("condition, words", [
    ({"regex": "a(b"}, ["a(b", "missing )"]),
    ({"regex": "[b-a]"}, ["[b-a]", "range"]),
    ({"regex": "(x)\\1"}, ["invalid escape"]),
    ({"wildcard": "abc\\"}, ["abc", "backslash"]),
    ({"regex": "a" * 1025}, ["1025 bytes"]),
    ({"substring": 5}, ["integer"]),
    ({}, []),
])
def test_refused(server, collection, condition, words):
    """A pattern that is not valid is refused: 400 with its text, the key and what is wrong; nothing is found or written."""
    own = collection({"size": 2, "distance": "Dot"})
    for path, body in (("scroll", {}), ("delete?wait=true", {}), ("query", {"query": [1, 0]})):
        status, text = server.request("POST", f"/collections/{own}/points/{path}",
                                      {**body, "filter": {"must": [{"key": "some.key", "match": condition}]}})
        assert status == 400, text
        for word in words:
            assert word in text.replace("\\\\", "\\"), text


def test_too_many(server, collection):
    """The number of patterns in a filter has a limit."""
    own = collection({"size": 2, "distance": "Dot"})
    for count, wanted in ((64, 200), (65, 400)):
        conditions = [{"key": "s", "match": {"regex": f"a{i}"}} for i in range(count)]
        status, text = server.request("POST", f"/collections/{own}/points/scroll", {"filter": {"should": conditions}})
        assert status == wanted, text


def test_many_values(server, collection):
    """Thousands of different strings, changed again and again, with an index that keeps trigrams: the answers are those of a
    pass over the payloads."""
    own, rng = collection({"size": 2, "distance": "Dot"}), random.Random(11)
    server.call("PUT", f"/collections/{own}/index?wait=true", {
        "field_name": "s", "field_schema": {"type": "keyword", "patterns": True}})
    kept = {}
    for step in range(6):
        ids = rng.sample(range(3000), 1200)
        for i in ids:
            kept[i] = "/".join(rng.choice(["home", "var", "log", "user", "tmp", "a", "b"]) + str(rng.randrange(60)) for _ in range(4))
        server.call("PUT", f"/collections/{own}/points?wait=true", {"points": [
            {"id": i, "vector": [1, 0], "payload": {"s": kept[i]}} for i in ids]})
        gone = rng.sample(sorted(kept), 100)
        server.call("POST", f"/collections/{own}/points/delete?wait=true", {"points": gone})
        for i in gone:
            del kept[i]
    for text in ("home5/", "log59", "user1", "/tmp", "zzz"):
        body = {"filter": {"must": {"key": "s", "match": {"substring": text}}}, "limit": 5000, "with_payload": False}
        found = server.call("POST", f"/collections/{own}/points/scroll", body)["points"]
        assert {point["id"] for point in found} == {i for i, s in kept.items() if text in s}, text
