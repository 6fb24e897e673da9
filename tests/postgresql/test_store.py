"""What PostgreSQL's adapter keeps, and how: keys, numbers, tables."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from pydantic import Field

from docmap import CorruptStore, Document, DuplicateKey, ForeignStore, Index
from docmap.values import ObjectId
from docmap_backends._postgresql_json import storable
from docmap_backends._postgresql_keys import column_key, wire_key
from docmap_backends.postgresql import PostgreSQLStorage
from tests.postgresql.conftest import Opened

pytestmark = pytest.mark.engine("postgresql")


class Order(Document, collection="orders"):
    status: str = "new"
    weight: float = 1e20


def test_keys_keep_their_order_in_the_column(rng: random.Random) -> None:
    texts = ["", "a", "\x01", "\x02b", "\x03", "é", "\U0010fffe", "\U0010ffff", "Z", "z"]
    texts += ["".join(rng.choices("\x01\x02a\U0010fffe\U0010ffff", k=3)) for _ in range(200)]
    texts = sorted(set(texts))
    ints = sorted({-(2**63), -1, 0, 1, 2**63 - 1, *(rng.getrandbits(62) for _ in range(50))})
    others = [b"u" + bytes(16), b"u" + b"\xff" * 16, b"v" + bytes(12)]
    keys: list[str | int | bytes] = [*ints, *texts, *others]
    columns = [column_key(key).encode() for key in keys]
    assert columns == sorted(columns)
    assert len(set(columns)) == len(columns)
    assert [wire_key(column.decode()) for column in columns[: len(ints) + len(texts)]] == [
        *ints,
        *texts,
    ]


def test_every_type_of_key_comes_back(db: PostgreSQLStorage) -> None:
    keys: list[Any] = ["a", "", "\x01x", 5, -5, UUID(int=7), ObjectId(bytes(12)), "\U0010ffff"]
    for key in keys:
        db.insert_many("zoo", [{"id": key, "n": 1}])
    assert [db.get("zoo", key)["id"] for key in keys] == keys
    assert [row["id"] for row in db.get_many("zoo", keys)] == keys


def test_numbers_come_back_as_they_were(db: PostgreSQLStorage) -> None:
    values = [1e16, -1e300, 5e-324, 1.7976931348623157e308, 5.0, 0.1, 1e-7, 2**53, 10**16, 1e22]
    db.insert_many("zoo", [{"id": "a", "values": values, "text": ':1e5,"\\"[1e5'}])
    found = db.get("zoo", "a")
    assert found["values"] == values
    assert [type(one) for one in found["values"]] == [type(one) for one in values]
    assert found["text"] == ':1e5,"\\"[1e5'


def test_json_without_such_numbers_is_left_alone() -> None:
    data = b'{"id":"1e5","n":[1,2.5,1e-5]}'
    assert storable(data) is data


def test_a_table_of_another_program_is_refused(db: PostgreSQLStorage, opened: Opened) -> None:
    db._connections.written("CREATE TABLE orders(x int)")
    try:
        with pytest.raises(ForeignStore, match="table orders of another program"):
            Order(id="a").save(db)
    finally:
        db._connections.written("DROP TABLE orders")
    Order(id="a").save(db)
    assert opened().get(Order, "a").weight == 1e20


def test_a_table_that_others_removed_is_made_again(db: PostgreSQLStorage, opened: Opened) -> None:
    other = opened()
    Order(id="a").save(db)
    assert other.find(Order).count() == 1
    db.clear()
    assert other.find(Order).list() == []
    Order(id="b").save(db)
    assert other.get(Order, "b").id == "b"
    db.clear()
    Order(id="c").save(other)
    assert [one.id for one in db.find(Order)] == ["c"]


def test_a_schema_of_its_own(db: PostgreSQLStorage, opened: Opened) -> None:
    other = opened(schema='De "pot"')
    Order(id="a", status="there").save(other)
    Order(id="a", status="here").save(db)
    assert other.get(Order, "a").status == "there"
    assert db.get(Order, "a").status == "here"
    other.clear()
    assert other.collections() == []
    assert db.collections() == ["orders"]
    db._connections.written('DROP SCHEMA "De ""pot""" CASCADE')


def test_a_table_that_somebody_removed_by_hand_is_told_of(db: PostgreSQLStorage) -> None:
    Ticket(id="a", code="1", tags=["x"]).save(db)
    db._connections.written("DROP TABLE tickets")
    calls: list[Callable[[], object]] = [
        lambda: db.get(Ticket, "a"),
        lambda: db.find(Ticket).count(),
        lambda: db.find(Ticket).list(),
        lambda: Ticket(id="b", code="2").save(db),
        lambda: db.find(Ticket).update(code="3"),
        lambda: db.insert_many([Ticket(id="b", code="2"), Ticket(id="c", code="3")]),
        lambda: db.delete(Ticket, "a"),
        lambda: db.retrying(lambda: db.get(Ticket, "a")),
        lambda: db.watch(Ticket, wait=0),
    ]
    for call in calls:
        with pytest.raises(CorruptStore, match='"tickets" is not there.*give it up by DELETE'):
            call()
    db._connections.written("DELETE FROM docmap_collections WHERE name = 'tickets'")
    Ticket(id="a", code="1", tags=["x"]).save(db)
    with pytest.raises(DuplicateKey):
        Ticket(id="b", code="1").save(db)
    assert db.indexes(Ticket)["missing"] == []
    db._connections.written("DROP TABLE tickets")
    db.clear()
    assert db.find(Ticket).count() == 0


def test_elements_of_an_emptied_table_are_free_again(db: PostgreSQLStorage) -> None:
    Tagged(id="a", tags=["x"]).save(db)
    db._connections.written("TRUNCATE tagged")
    Tagged(id="b", tags=["x"]).save(db)
    with pytest.raises(DuplicateKey):
        Tagged(id="c", tags=["x"]).save(db)


def test_no_collection_has_the_name_of_anothers_index(db: PostgreSQLStorage) -> None:
    names = ["orders", "orders_pkey", "key", "text", "orders_key", "x" * 48, "x" * 47 + "y"]
    for name in names:
        db.insert_many(name, [{"id": name}])
    assert [db.get(name, name)["id"] for name in names] == names
    assert db.find("orders", pk="orders").explain().indexes == ("(key)",)


class Ticket(Document, collection="tickets", indexes=[Index("code", unique=True), "tags"]):
    code: str
    tags: list[str] = Field(default_factory=list)


class Tagged(Document, collection="tagged", indexes=[Index("tags", unique=True)]):
    tags: list[str] = Field(default_factory=list)


class Counted(Document, collection="counted"):
    id: int | None = None
    name: str = ""


def test_those_who_begin_together_make_a_table_once(db: PostgreSQLStorage, opened: Opened) -> None:
    storages = [opened() for _ in range(6)]
    gate, failures = threading.Barrier(len(storages)), list[Exception]()

    def begin(number: int) -> None:
        gate.wait(20)
        try:
            Ticket(id=str(number), code=str(number), tags=["x"]).save(storages[number])
        except Exception as error:  # noqa: BLE001 - whatever it is
            failures.append(error)

    threads = [threading.Thread(target=begin, args=(n,)) for n in range(len(storages))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert db.find(Ticket, tags__contains="x").count() == len(storages)
    assert db.indexes(Ticket)["missing"] == []


def test_keys_are_counted_behind_all_that_were_given(db: PostgreSQLStorage, opened: Opened) -> None:
    other = opened()
    assert [Counted(name="a").save(db), Counted(name="b").save(other)] == [1, 2]
    Counted(id=10).save(other)
    db.upsert(Counted(id=20))
    other.insert_many([Counted(id=30), Counted(id=25)])
    assert Counted().save(db) == 31
    assert db.insert_many([Counted(), Counted()]) == [32, 33]
    db.delete(Counted, 33)
    assert Counted().save(other) == 34
    db.insert_many("counted", [{"id": 50, "name": "by others"}])
    assert Counted().save(db) == 51
    db.clear()
    assert Counted().save(other) == 1


def test_a_batch_that_fails_keeps_what_was_before_it(db: PostgreSQLStorage) -> None:
    tickets = [Ticket(id=str(n), code=str(n % 7)) for n in range(10)]
    with pytest.raises(DuplicateKey) as caught:
        db.insert_many(tickets)
    assert (caught.value.done, caught.value.fields) == (7, ("code",))
    assert db.find(Ticket).count() == 7


def test_text_that_copy_has_marks_for(db: PostgreSQLStorage) -> None:
    keys = ["a\tb", "c\nd", "e\\f", "\\.", "\\N", "g\rh", "é\u2028"]
    db.insert_many("zoo", [{"id": key, "text": key + '"\\n'} for key in keys])
    found = db.get_many("zoo", keys)
    assert [(row["id"], row["text"]) for row in found] == [(k, k + '"\\n') for k in keys]
