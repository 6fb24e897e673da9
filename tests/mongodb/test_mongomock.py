"""What mongomock answers otherwise than a server, and what docmap does about it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from typing import Annotated, Any, Final
from uuid import UUID

import mongomock
import pytest
from bson import Decimal128
from pydantic import Field

import docmap.aio
from docmap import (
    BaseStorageAdapter,
    Document,
    DuplicateKey,
    Indexed,
    InvalidConfig,
    StaleDocument,
    Unavailable,
    Unsupported,
    connect,
)


@pytest.fixture
def mocked() -> Any:
    collection: Any = mongomock.MongoClient().shop.things
    values = (True, 1, "1", None, [1])
    collection.insert_many([{"_id": n, "value": value} for n, value in enumerate(values)])
    return collection


def _ids(found: Any) -> list[int]:
    return [document["_id"] for document in found]


def test_true_is_one(mocked: Any) -> None:
    assert _ids(mocked.find({"value": 1})) == [0, 1, 4]  # a server gives 1 and 4


def test_decimals_have_no_order(mocked: Any) -> None:
    mocked.insert_one({"_id": 9, "value": Decimal128("1")})
    with pytest.raises(NotImplementedError):
        list(mocked.find({"value": {"$gt": 0}}))
    with pytest.raises(NotImplementedError):
        list(mocked.find().sort("value"))


def test_an_int_grows_beyond_the_type(mocked: Any) -> None:
    mocked.insert_one({"_id": 9, "value": 2**63 - 1})
    mocked.update_one({"_id": 9}, {"$inc": {"value": 1}})
    assert mocked.find_one({"_id": 9})["value"] == 2**63  # a server refuses it


def test_a_missing_field_ends_an_expression(mocked: Any) -> None:
    mocked.insert_one({"_id": 9})
    with pytest.raises(KeyError):
        list(mocked.find({"$expr": {"$eq": ["$value", 1]}}))


# -- the same through docmap, which asks mongomock for documents alone


class Item(Document, collection="items"):
    id: int
    name: Annotated[str | None, Indexed(unique=True)] = None
    price: Decimal | None = None
    uid: UUID | None = None
    at: datetime | None = None
    tags: Annotated[list[str], Indexed(unique=True)] = Field(default=[])
    any: Any = None


@pytest.fixture
def client() -> Any:
    return mongomock.MongoClient()


@pytest.fixture
def db(client: Any) -> Iterator[BaseStorageAdapter]:
    with connect("mongodb://localhost/shop", client=client) as storage:
        yield storage


def filled(storage: BaseStorageAdapter) -> BaseStorageAdapter:
    rng = Random(20)
    pool = (True, 1, 1.0, "1", None, [1], Decimal("1.0"), {"a": 1, "b": 2}, 2**63 - 1, False, "é")
    for number in range(26):
        Item(
            id=number + 1,
            name=f"n{number}",
            price=Decimal(number % 31) / 10,
            uid=UUID(int=rng.getrandbits(128)),
            at=datetime(2024, 1, 1 + number % 28, tzinfo=UTC),
            tags=[f"t{number}"],
            any=rng.choice(pool),
        ).save(storage)
    return storage


ASKED: Final[tuple[dict[str, Any], ...]] = (
    {"any": 1},
    {"any": True},
    {"any__gt": 0},
    {"any": {"b": 2, "a": 1}},
    {"any__exists": False},
    {"price__gt": Decimal("1.1")},
    {"price": Decimal("1.50")},
    {"at__lt": datetime(2024, 1, 9, tzinfo=UTC)},
    {"tags__contains": "t7"},
    {"name__istartswith": "N1"},
)


@pytest.mark.parametrize("lookups", ASKED, ids=str)
@pytest.mark.parametrize("order", ["any", "-price", "uid"])
def test_answers_are_those_of_the_reference(
    db: BaseStorageAdapter, lookups: dict[str, Any], order: str
) -> None:
    with connect("memory://") as other:
        found, wanted = (
            filled(one).find(Item, **lookups).order_by(order).list() for one in (db, other)
        )
    assert found == wanted
    assert found or "any__exists" in lookups


def test_what_is_stored_is_what_a_server_would_hold(db: BaseStorageAdapter, client: Any) -> None:
    Item(id=1, price=Decimal("1.10"), uid=UUID(int=5), any=UUID(int=6)).save(db)
    stored = client.shop["items"].find_one({"_id": 1})
    assert str(stored["price"]) == "1.10"
    assert [stored[name].subtype for name in ("uid", "any")] == [4, 4]
    client.shop["items"].insert_one({"_id": 2, "name": "by hand"})
    assert db.find(Item, name="by hand").one().id == 2
    assert db.native is client
    assert db.collections() == ["items"]


def test_writes_are_checked(db: BaseStorageAdapter) -> None:
    filled(db)
    for twin in (Item(id=1), Item(id=99, name="n3"), Item(id=99, tags=["t4", "new"])):
        with pytest.raises(DuplicateKey):
            twin.save(db)
    early, late = db.get(Item, 1), db.get(Item, 1)
    early.save()
    with pytest.raises(StaleDocument):
        late.save()
    assert db.find(Item, id__lte=3).update(any__set=5).matched == 3
    assert db.find(Item, any=5).delete() >= 3


def test_keys_are_counted_and_storages_share_the_documents(
    db: BaseStorageAdapter, client: Any
) -> None:
    class Note(Document, collection="notes"):
        id: int | None = None

    assert [Note().save(db), Note(id=7).save(db), Note().save(db)] == [1, 7, 8]
    with connect("mongodb://localhost/shop", client=client) as again:
        assert Note().save(again) == 9
        again.clear()
        assert Note().save(again) == 1


def test_what_only_servers_have_is_refused_by_name(db: BaseStorageAdapter) -> None:
    assert db.abilities == {"counters"}
    with pytest.raises(Unsupported, match="transactions"), db.transaction():
        pass


@mongomock.patch(servers=(("mocked.example.com", 27017),))
def test_a_patched_client_is_used() -> None:
    for _ in range(2):
        with connect("mongodb://mocked.example.com/shop?w=majority") as db:
            db.save(Item, {"name": "a"}, primary_key=1)
    db.reconnect()
    assert db.find(Item).count() == 1
    with pytest.raises(Unavailable, match="elsewhere"):
        connect("mongodb://elsewhere.example.com/shop")


async def _awaited(client: Any) -> list[Item]:
    async with docmap.aio.connect("mongodb://localhost/shop", client=client) as db:
        await db.save(Item(id=1, name="a"))
        return await db.find(Item, name="a").list()


def test_it_is_awaited_like_any_other(client: Any) -> None:
    (found,) = asyncio.run(_awaited(client))
    assert found.id == 1


@pytest.mark.parametrize(
    ("given", "told"),
    [({"client": 5}, "mongomock"), ({"clinet": 5}, "'client'")],
)
def test_other_clients_are_refused(given: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidConfig, match=told):
        connect("mongodb://localhost/shop", **given)


def test_a_url_names_no_client() -> None:
    with pytest.raises(InvalidConfig, match="object of the program"):
        connect("mongodb://localhost/shop?client=a")
