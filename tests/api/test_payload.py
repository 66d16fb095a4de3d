"""Payload: set, overwrite, delete keys, clear; by ids and by filter; what is stored is what comes back."""
import json

import pytest
from harness import client, collection, name, server  # noqa: F401 (fixtures)
from qdrant_client import models

DOT1 = {"size": 1, "distance": "Dot"}


@pytest.fixture
def own(client, collection):
    made = collection(DOT1)
    client.upsert(made, [models.PointStruct(id=i, vector=[i], payload={"i": i, "o": {"a": 1, "b": [1, 2]}}) for i in (1, 2, 3)])
    return made


def payloads(client, own):
    return {p.id: p.payload for p in client.scroll(own, limit=100)[0]}


BASE = {"a": 1, "b": [1, 2]}


def test_set_merges_the_top_level(client, own):
    """Set replaces the named keys whole and keeps the others."""
    client.set_payload(own, {"o": {"c": 3}, "n": None, "s": "x"}, [1, 2])
    assert payloads(client, own) == {1: {"i": 1, "o": {"c": 3}, "n": None, "s": "x"},
                                     2: {"i": 2, "o": {"c": 3}, "n": None, "s": "x"}, 3: {"i": 3, "o": BASE}}


def test_set_below_a_key(client, own):
    """With `key` the merge happens at that path, made if need be."""
    client.set_payload(own, {"c": 3}, [1], key="o")
    client.set_payload(own, {"x": 1}, [2], key="p.q")
    found = payloads(client, own)
    assert found[1] == {"i": 1, "o": {**BASE, "c": 3}}
    assert found[2] == {"i": 2, "o": BASE, "p": {"q": {"x": 1}}}


def test_set_below_array_elements(client, own):
    """`[]` in the path reaches every element, `[n]` one."""
    client.overwrite_payload(own, {"l": [{"a": 1}, {"a": 2}]}, [1, 2])
    client.set_payload(own, {"z": 9}, [1], key="l[]")
    client.set_payload(own, {"z": 9}, [2], key="l[1]")
    found = payloads(client, own)
    assert found[1] == {"l": [{"a": 1, "z": 9}, {"a": 2, "z": 9}]}
    assert found[2] == {"l": [{"a": 1}, {"a": 2, "z": 9}]}


def test_overwrite_replaces_all(client, own):
    """Overwrite leaves only what it brings."""
    client.overwrite_payload(own, {"new": True}, [1])
    assert payloads(client, own)[1] == {"new": True}
    assert payloads(client, own)[2] == {"i": 2, "o": BASE}


def test_delete_keys(client, own):
    """Top-level and dotted keys; keys that are not there are no error."""
    client.delete_payload(own, ["i", "nope"], [1])
    client.delete_payload(own, ["o.a"], [2])
    found = payloads(client, own)
    assert found[1] == {"o": BASE} and found[2] == {"i": 2, "o": {"b": [1, 2]}}


def test_clear(client, own):
    """Clear by ids and by filter."""
    client.clear_payload(own, [1])
    client.clear_payload(own, models.Filter(must=[models.FieldCondition(key="i", match=models.MatchValue(value=2))]))
    found = payloads(client, own)
    assert not found[1] and not found[2] and found[3] == {"i": 3, "o": BASE}


def test_by_filter(client, own):
    """The selecting filter is looked at before the change, for all four operations."""
    over_one = models.Filter(must=[models.FieldCondition(key="i", range=models.Range(gt=1))])
    client.set_payload(own, {"i": 0, "m": 1}, over_one)
    assert {i: p["i"] for i, p in payloads(client, own).items()} == {1: 1, 2: 0, 3: 0}
    marked = models.Filter(must=[models.FieldCondition(key="m", match=models.MatchValue(value=1))])
    client.delete_payload(own, ["m"], marked)
    assert all("m" not in p for p in payloads(client, own).values())
    zero = models.Filter(must=[models.FieldCondition(key="i", match=models.MatchValue(value=0))])
    client.overwrite_payload(own, {"w": 1}, zero)
    assert {i for i, p in payloads(client, own).items() if p == {"w": 1}} == {2, 3}


def test_operations_on_missing_points(server, client, own):
    """A payload operation that names no existing point makes none."""
    server.request("POST", f"/collections/{own}/points/payload?wait=true", {"payload": {"a": 1}, "points": [77]})
    assert client.count(own).count == 3


def test_values_come_back_as_sent(server, client, own):
    """Every JSON value: deep nesting, letters of all kinds, exact 64-bit integers, floats, empty things."""
    payload = {
        "u64": 18446744073709551615, "i64": -9223372036854775808, "odd": 9007199254740993, "zero": 0, "neg": -0.5,
        "small": 5e-324, "large": 1.7976931348623157e308, "tenth": 0.1, "t": True, "f": False, "n": None,
        "s": "quote \" back \\ slash / tab \t nul \u0000 é 日本 😀 \u2028", "": "empty key", "e": "",
        "l": [], "o": {}, "deep": [[[[[{"a": [{"b": [None, 1, "x"]}]}]]]]], "key.with.dots": 1, "a[0]": 2}
    server.call("PUT", f"/collections/{own}/points?wait=true", {"points": [{"id": 1, "vector": [1.0], "payload": payload}]})
    status, text = server.request("GET", f"/collections/{own}/points/1")
    assert status == 200
    assert json.loads(text)["result"]["payload"] == payload
    for digits in ("18446744073709551615", "-9223372036854775808", "9007199254740993", "1.7976931348623157e308"):
        assert digits in text or digits.replace("e", "e+") in text


def test_null_keys_are_kept(client, own):
    """A null value is a value: the key stays."""
    client.upsert(own, [models.PointStruct(id=5, vector=[1], payload={"a": None, "b": [None]})])
    assert payloads(client, own)[5] == {"a": None, "b": [None]}


def test_large_payload(client, own):
    """A megabyte of payload on one point."""
    text = "x" * 1_000_000
    client.set_payload(own, {"big": text}, [1])
    assert client.retrieve(own, [1])[0].payload["big"] == text
