"""Sharded clusters: how collections are spread, and that writes name their shard."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from docmap import (
    BaseStorageAdapter,
    Document,
    DuplicateKey,
    Index,
    InvalidModel,
    StorageError,
    connect,
)
from tests.mongodb.scripted import Command, Scripted, batch, failure


class Order(Document, collection="orders", shard_key="tenant"):
    tenant: str
    total: int = 0


class Event(Document, collection="events", shard_key="id"):
    what: str = ""


@pytest.fixture
def server() -> Iterator[Scripted]:
    with Scripted("sharded") as server:
        yield server


@pytest.fixture
def db(server: Scripted) -> Iterator[BaseStorageAdapter]:
    with connect(server.url) as db:
        yield db


def test_a_collection_is_spread_when_it_is_made(server: Scripted, db: BaseStorageAdapter) -> None:
    db.ensure_indexes(Order, Event)
    orders, events = server.asked("shardCollection")
    assert (orders["shardCollection"], orders["key"]) == ("shop.orders", {"tenant": 1})
    assert (events["shardCollection"], events["key"]) == ("shop.events", {"_id": "hashed"})
    assert orders["$db"] == "admin"


def test_one_that_is_there_is_left_as_it_is(server: Scripted, db: BaseStorageAdapter) -> None:
    server.answer("create", failure(48, "NamespaceExists"))
    db.ensure_indexes(Order)
    assert server.asked("shardCollection") == []


def test_a_server_that_is_not_sharded_is_not_asked_to_spread() -> None:
    with Scripted() as server, connect(server.url) as db:
        db.insert(Order(tenant="a"))
        assert server.asked("shardCollection") == []


def test_saves_and_upserts_name_their_shard(server: Scripted, db: BaseStorageAdapter) -> None:
    order = Order(tenant="a")
    order.save(db)
    server.forget()
    order.total = 5
    order.save(db)
    (update,) = server.asked("update")
    assert update["updates"][0]["q"]["tenant"] == "a"
    assert update["updates"][0]["q"]["_id"] == order.id


def test_a_key_that_another_shard_may_have_is_looked_for(
    server: Scripted, db: BaseStorageAdapter
) -> None:
    db.ensure_indexes(Order)
    server.forget()
    db.insert(Order(tenant="a"))  # a key of docmap's own is nobody else's
    assert server.names == ["insert"]
    server.always("find", taken)
    with pytest.raises(DuplicateKey):
        db.insert(Order(id="mine", tenant="b"))
    assert len(server.asked("insert")) == 1


def taken(command: Command) -> dict[str, object]:
    return dict(batch(command["find"], {"_id": "mine", "tenant": "a", "total": 0, "_rev": 1}))


def test_a_unique_index_that_no_shard_can_keep_is_refused(
    server: Scripted, db: BaseStorageAdapter
) -> None:
    with pytest.raises(InvalidModel, match="every server would keep it for its own"):

        class Bad(
            Document,
            collection="bad",
            shard_key="tenant",
            indexes=[Index("number", unique=True)],
        ):
            tenant: str
            number: int

    class Plain(Document, collection="plain", indexes=[Index("number", unique=True)]):
        number: int

    server.always("createIndexes", failure(67, "CannotCreateIndex"))
    with pytest.raises(StorageError, match="shard key"):
        db.ensure_indexes(Plain)
