"""Transactions on PostgreSQL: isolation by name, conflicts, savepoints, streams inside them."""

from __future__ import annotations

import threading
from contextlib import suppress

import pytest
from pydantic import BaseModel, Field

from docmap import Document, DuplicateKey, Index, StorageError, TransactionConflict, Unavailable
from docmap_backends.postgresql import PostgreSQLStorage
from tests.postgresql.conftest import Opened

pytestmark = pytest.mark.engine("postgresql")


class Place(BaseModel):
    city: str = "Ulm"


class Order(Document, collection="orders", indexes=[Index("number", unique=True)]):
    number: int = 0
    status: str = "new"
    place: Place = Place()
    places: list[Place] = Field(default_factory=list)


def skew(storage: PostgreSQLStorage, keys: list[str]) -> list[str]:
    """Each thread counts what is new, and then changes another document if there are two."""
    gate, ended = threading.Barrier(2), []

    def work(key: str) -> None:
        try:
            with storage.transaction():
                there = storage.find(Order, status="new").count()
                gate.wait(20)
                if there == 2:
                    storage.find(Order, id=key).update(status="gone")
        except TransactionConflict:
            ended.append("conflict")
        else:
            ended.append("done")

    threads = [threading.Thread(target=work, args=(key,)) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return sorted(ended)


@pytest.mark.parametrize(
    ("isolation", "ended"),
    [
        ("serializable", ["conflict", "done"]),
        ("repeatable_read", ["done", "done"]),
        ("READ COMMITTED", ["done", "done"]),
    ],
)
def test_the_isolation_that_was_asked_for(
    db: PostgreSQLStorage, opened: Opened, isolation: str, ended: list[str]
) -> None:
    db.insert_many([Order(id="a", number=1), Order(id="b", number=2)])
    assert skew(opened(isolation=isolation), ["a", "b"]) == ended


def test_what_met_others_runs_again(db: PostgreSQLStorage) -> None:
    Order(id="a", number=0).save(db)

    def add() -> None:
        order = db.get(Order, "a")
        order.number += 1
        order.save()

    threads = [
        threading.Thread(target=lambda: [db.retrying(add, attempts=60) for _ in range(5)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert db.get(Order, "a").number == 20


def test_a_refused_write_leaves_the_transaction_open(db: PostgreSQLStorage) -> None:
    Order(id="a", number=1).save(db)
    with db.transaction():
        for other in (Order(id="a", number=9), Order(id="b", number=1)):
            with pytest.raises(DuplicateKey):
                other.insert(db)
        with pytest.raises(DuplicateKey):
            db.upsert(Order(id="c", number=1))
        Order(id="d", number=4).save(db)
    assert sorted(one.id for one in db.find(Order)) == ["a", "d"]


def test_a_transaction_that_the_server_has_undone_does_not_end_quietly(
    db: PostgreSQLStorage,
) -> None:
    def work() -> None:
        with db.transaction():
            Order(id="a").save(db)
            with suppress(StorageError):
                db._connections.rows("SELECT 1/0")

    with pytest.raises(StorageError, match="was undone"):
        work()
    assert db.find(Order).count() == 0


def test_an_inner_one_is_undone_alone(db: PostgreSQLStorage) -> None:
    with db.transaction():
        Order(id="a", number=1).save(db)
        with suppress(ZeroDivisionError), db.transaction():
            Order(id="b", number=2).save(db)
            raise ZeroDivisionError
        assert db.find(Order).count() == 1
    assert db.get(Order, "a").number == 1


def test_a_stream_inside_sees_what_was_written_before_it(db: PostgreSQLStorage) -> None:
    db.insert_many([Order(id=f"{n:04}", number=n) for n in range(600)])
    with db.transaction():
        db.find(Order, number=3).update(status="seen")
        found = 0
        for order in db.find(Order).order_by("number"):
            found += 1
            if order.number % 100 == 0:
                order.status = "changed"
                order.save()
        assert found == 600
        assert db.find(Order, status="changed").count() == 6
    assert db.find(Order, status="seen").count() == 1


def test_fields_that_a_class_does_not_know_are_kept(db: PostgreSQLStorage) -> None:
    more = {"zip": "89073", "city": "Ulm"}
    row = {"id": "a", "number": 1, "status": "new", "place": more, "places": [more], "x": 5}
    plain = {**row, "id": "b", "number": 2, "place": {"city": "Ulm"}, "places": []}
    del plain["x"]
    db.insert_many("orders", [row, plain])
    for key in ("a", "b"):
        order = db.get(Order, key)
        order.status = "sent"
        order.save()
        db.upsert(Order(id=key, number=order.number, status="more", places=order.places))
    assert db.get("orders", "a") == {**row, "status": "more"}
    assert db.get("orders", "b") == {**plain, "status": "more"}


def test_the_pool_is_bounded(db: PostgreSQLStorage, opened: Opened) -> None:
    db.insert_many([Order(id=f"{n:04}", number=n) for n in range(400)])
    small = opened(pool_size=2)
    threads = [
        threading.Thread(target=lambda: [small.get(Order, "0001") for _ in range(20)])
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert small._connections._pool._count <= 2
    streams = [iter(small.find(Order)) for _ in range(2)]
    assert [next(stream).status for stream in streams] == ["new", "new"]
    with pytest.raises(Unavailable, match="pool_size"):
        small.options(timeout=0.2).get(Order, "0001")
    for stream in streams:
        assert sum(1 for _ in stream) == 399
    assert small.get(Order, "0001").number == 1
