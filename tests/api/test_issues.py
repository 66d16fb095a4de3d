"""Advice about slow requests: GET and DELETE /issues, through the public client's generated calls."""
import re

import pytest
from harness import Server

VECTORS = {"size": 4, "distance": "Dot"}


@pytest.fixture
def server(tmp_path):
    """Every read is slow here."""
    running = Server(tmp_path / "data", service__slow_query_secs=0).start()
    running.call("PUT", "/collections/c", {"vectors": VECTORS})
    running.call("PUT", "/collections/c/points?wait=true", {"points": [
        {"id": i, "vector": [1, 2, 3, i], "payload": {"city": "a", "n": i, "text": "some words", "at": {"lon": 1, "lat": 1}}}
        for i in range(9)]})
    yield running
    assert running.stop() == 0


def issues(server):
    return server.call("GET", "/issues")["issues"]


def scroll(server, *conditions, collection="c"):
    return server.call("POST", f"/collections/{collection}/points/scroll", {"filter": {"must": list(conditions)}})


CITY = {"key": "city", "match": {"value": "a"}}


def test_shape(server):
    assert issues(server) == []
    scroll(server, CITY)
    (issue,) = issues(server)
    assert issue.keys() == {"id", "description", "solution", "timestamp", "related_collection"}
    assert issue["related_collection"] == "c" and "c" in issue["id"] and "city" in issue["id"]
    assert "city" in issue["description"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", issue["timestamp"])
    action = issue["solution"]["immediate"]["action"]
    assert action == {"method": "PUT", "uri": "/collections/c/index", "headers": {"content-type": "application/json"},
                      "body": {"field_name": "city", "field_schema": "keyword"}}
    # The same again is the same issue.
    scroll(server, CITY)
    (again,) = issues(server)
    assert {**again, "timestamp": 0} == {**issue, "timestamp": 0}


def test_the_solution_solves_it(server):
    scroll(server, CITY, {"key": "n", "range": {"gte": 3}})
    assert {issue["solution"]["immediate"]["action"]["body"]["field_name"] for issue in issues(server)} == {"city", "n"}
    for issue in issues(server):
        action = issue["solution"]["immediate"]["action"]
        server.call(action["method"], action["uri"] + "?wait=true", action["body"], headers=action["headers"])
    assert issues(server) == []
    assert len(scroll(server, CITY, {"key": "n", "range": {"gte": 3}})["points"]) == 6
    assert issues(server) == []


def test_types(server):
    scroll(server, {"key": "city", "match": {"any": ["a"]}}, {"key": "n", "match": {"value": 3}},
           {"key": "text", "match": {"text": "words"}},
           {"key": "at", "geo_radius": {"center": {"lon": 1, "lat": 1}, "radius": 10}})
    types = {issue["solution"]["immediate"]["action"]["body"]["field_name"]:
             issue["solution"]["immediate"]["action"]["body"]["field_schema"] for issue in issues(server)}
    assert types == {"city": "keyword", "n": "integer", "text": "text", "at": "geo"}


def test_every_kind_of_read(server):
    bodies = {"scroll": {}, "count": {}, "query": {"query": [1, 1, 1, 1]}, "search": {"vector": [1, 1, 1, 1], "limit": 3}}
    for call, body in bodies.items():
        key = f"of_{call}"
        server.call("POST", f"/collections/c/points/{call}",
                    {**body, "filter": {"should": [{"key": key, "match": {"value": "x"}}]}})
    batch = {"query": [1, 1, 1, 1], "filter": {"must_not": [{"key": "of_batch", "match": {"value": "x"}}]}}
    server.call("POST", "/collections/c/points/query/batch", {"searches": [batch]})
    seen = {issue["solution"]["immediate"]["action"]["body"]["field_name"] for issue in issues(server)}
    assert seen == {"of_scroll", "of_count", "of_query", "of_search", "of_batch"}


def test_no_issue_without_a_key_or_with_an_index(server):
    scroll(server, {"has_id": [1]})
    server.call("POST", "/collections/c/points/query", {"query": [1, 1, 1, 1]})
    server.call("PUT", "/collections/c/index?wait=true", {"field_name": "city", "field_schema": "keyword"})
    scroll(server, CITY)
    assert issues(server) == []


def test_clear(server):
    client = server.client()
    scroll(server, CITY)
    answer = client.http.beta_api.get_issues()
    assert len(answer["result"]["issues"]) == 1 and answer["status"] == "ok"
    assert client.http.beta_api.clear_issues().result is True
    assert issues(server) == []
    scroll(server, CITY)
    assert len(issues(server)) == 1
    client.close()


def test_gone_with_the_collection(server):
    scroll(server, CITY)
    server.call("PUT", "/collections/d", {"vectors": VECTORS})
    scroll(server, CITY, collection="d")
    assert {issue["related_collection"] for issue in issues(server)} == {"c", "d"}
    server.call("DELETE", "/collections/c")
    assert {issue["related_collection"] for issue in issues(server)} == {"d"}
    server.call("DELETE", "/collections/d")
    server.call("PUT", "/collections/d", {"vectors": VECTORS})
    assert issues(server) == []


def test_bounded(server):
    for i in range(0, 300, 10):
        scroll(server, *[{"key": f"key{i + j}", "match": {"value": 1}} for j in range(10)])
    found = issues(server)
    assert len(found) == 256
    keys = {issue["solution"]["immediate"]["action"]["body"]["field_name"] for issue in found}
    assert "key299" in keys and "key0" not in keys


def test_names_are_escaped(server):
    name = "a b%c"
    server.call("PUT", "/collections/a%20b%25c", {"vectors": VECTORS})
    scroll(server, {"key": "k", "match": {"value": 1}}, collection="a%20b%25c")
    (issue,) = issues(server)
    assert issue["related_collection"] == name
    assert issue["solution"]["immediate"]["action"]["uri"] == "/collections/a%20b%25c/index"


def test_fast_reads_make_no_issue(tmp_path):
    server = Server(tmp_path / "data", service__slow_query_secs=60).start()
    try:
        server.call("PUT", "/collections/c", {"vectors": VECTORS})
        scroll(server, CITY)
        assert issues(server) == []
    finally:
        assert server.stop() == 0
