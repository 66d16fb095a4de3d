"""Aliases: other names of a collection, changed in atomic lists."""
import pytest
from harness import client, collection, name, server  # noqa: F401 (fixtures)
from qdrant_client import models
from qdrant_client.http.exceptions import UnexpectedResponse


def create(alias, target):
    return models.CreateAliasOperation(create_alias=models.CreateAlias(collection_name=target, alias_name=alias))


def delete(alias):
    return models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=alias))


def rename(old, new):
    return models.RenameAliasOperation(rename_alias=models.RenameAlias(old_alias_name=old, new_alias_name=new))


def aliases(client):
    return {a.alias_name: a.collection_name for a in client.get_aliases().aliases}


@pytest.fixture
def two(collection):
    return collection({"size": 1, "distance": "Dot"}), collection({"size": 1, "distance": "Dot"})


def test_alias_serves_everything(client, two):
    """Reads and writes through an alias reach the collection."""
    first, _ = two
    assert client.update_collection_aliases([create("al", first)]) is True
    client.upsert("al", [models.PointStruct(id=7, vector=[2.0], payload={"k": "v"})])
    assert client.retrieve(first, [7])[0].payload == {"k": "v"}
    assert client.query_points("al", [1.0]).points[0].id == 7
    assert client.count("al").count == 1
    assert client.get_collection("al").points_count == 1
    assert [a.alias_name for a in client.get_collection_aliases(first).aliases] == ["al"]
    client.update_collection_aliases([delete("al")])
    with pytest.raises(UnexpectedResponse) as caught:
        client.count("al")
    assert caught.value.status_code == 404


def test_list_of_actions_is_one_change(client, two):
    """Switching an alias over in one list; a list with a fault changes nothing."""
    first, second = two
    client.update_collection_aliases([create("live", first), create("spare", second)])
    client.update_collection_aliases([delete("live"), create("live", second), rename("spare", "old")])
    assert aliases(client)["live"] == second and aliases(client)["old"] == second and "spare" not in aliases(client)
    before = aliases(client)
    with pytest.raises(UnexpectedResponse) as caught:
        client.update_collection_aliases([create("fresh", first), create("bad", "no-such-collection")])
    assert caught.value.status_code == 404
    with pytest.raises(UnexpectedResponse) as caught:
        client.update_collection_aliases([delete("live"), rename("not-there", "x")])
    assert caught.value.status_code == 404
    assert aliases(client) == before
    client.update_collection_aliases([delete("live"), delete("old")])


def test_alias_moves_on_create(client, two):
    """Creating an alias that exists points it to the new collection."""
    first, second = two
    client.update_collection_aliases([create("m", first)])
    client.update_collection_aliases([create("m", second)])
    assert aliases(client)["m"] == second
    client.update_collection_aliases([delete("m")])


def test_names_do_not_collide(client, two):
    """An alias cannot take a collection's name, nor a collection an alias's."""
    first, second = two
    with pytest.raises(UnexpectedResponse) as caught:
        client.update_collection_aliases([create(second, first)])
    assert caught.value.status_code in (400, 409)
    client.update_collection_aliases([create("taken", first)])
    with pytest.raises(UnexpectedResponse) as caught:
        client.create_collection("taken", models.VectorParams(size=1, distance=models.Distance.DOT))
    assert caught.value.status_code in (400, 409)
    client.update_collection_aliases([delete("taken")])


def test_drop_takes_aliases_along(client, two):
    """A dropped collection leaves no alias behind."""
    first, second = two
    client.update_collection_aliases([create("gone", first), create("stays", second)])
    client.delete_collection(first)
    assert "gone" not in aliases(client) and aliases(client)["stays"] == second
    client.update_collection_aliases([delete("stays")])
