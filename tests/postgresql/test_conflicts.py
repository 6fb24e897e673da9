"""What meets others and is no transaction of the program's is run again, and not seen by it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from psycopg import errors as pg

from docmap import Document, TransactionConflict, Unavailable
from docmap_backends._postgresql_link import Link
from docmap_backends.postgresql import PostgreSQLStorage
from tests.postgresql.conftest import Opened

pytestmark = pytest.mark.engine("postgresql")


class Order(Document, collection="orders", indexes=["first", "last"]):
    id: int
    first: int = 0
    last: int = 0
    number: int = 0


def save_two(db: PostgreSQLStorage) -> None:
    found = db.get_many(Order, [1, 2])
    for one in found:
        one.number = 5
    db.save_many(found)


CALLS: dict[str, Callable[[PostgreSQLStorage], Any]] = {
    "get": lambda db: db.get(Order, 1),
    "stream": lambda db: db.find(Order).list(),
    "insert": lambda db: Order(id=7).save(db),
    "insert many": lambda db: db.insert_many([Order(id=8), Order(id=9)]),
    "save": lambda db: db.upsert(Order(id=1, number=3)),
    "save many": save_two,
    "update": lambda db: db.find(Order).update(number__inc=1),
    "update by docmap": lambda db: db.find(Order).update(number__mul=2),
    "update the first": lambda db: db.find(Order).find_one_and_update(number__mul=2),
    "delete": lambda db: db.delete(Order, 1),
    "delete by a condition": lambda db: db.find(Order, id=2).delete(),
    "get or create": lambda db: db.get_or_create(Order, first=9, defaults={"id": 9}),
}


class Conflict:
    """Makes each statement of a connection fail once, as if others had come between."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: set[bytes] = set()
        self.met = 0
        execute, stream, copy_in = Link.execute, Link.stream, Link.copy_in

        def meet(link: Link, statement: bytes) -> None:
            shape = re.sub(rb"docmap_\d+", b"", statement)  # a cursor's name
            if shape not in self.seen:
                self.seen.add(shape)
                self.met += 1
                raise pg.DeadlockDetected("others came between")

        def failing(self_: Link, statement: bytes, *more: Any) -> Any:
            meet(self_, statement)
            return execute(self_, statement, *more)

        def failing_stream(self_: Link, statement: bytes, *more: Any) -> Any:
            meet(self_, statement)
            return stream(self_, statement, *more)

        def failing_copy(self_: Link, statement: bytes, *more: Any) -> Any:
            meet(self_, statement)
            return copy_in(self_, statement, *more)

        monkeypatch.setattr(Link, "execute", failing)
        monkeypatch.setattr(Link, "stream", failing_stream)
        monkeypatch.setattr(Link, "copy_in", failing_copy)


@pytest.mark.parametrize("name", CALLS)
def test_a_single_call_that_meets_others_is_run_again(
    db: PostgreSQLStorage, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    db.insert_many([Order(id=1, number=1), Order(id=2, number=1)])
    conflict = Conflict(monkeypatch)
    CALLS[name](db)
    assert conflict.met
    monkeypatch.undo()
    if "update" in name:
        assert db.get(Order, 1).number == 2


@pytest.mark.parametrize("inside", [False, True])
def test_a_write_that_waits_too_long_for_others_is_known_not_to_be_stored(
    db: PostgreSQLStorage, opened: Opened, *, inside: bool
) -> None:
    Order(id=1).save(db)
    other = opened(pool_size=1)
    late = other.options(timeout=0.3)
    other.get(Order, 1)

    def write() -> None:
        if not inside:
            late.upsert(Order(id=1, number=2))
            return
        with other.transaction():
            late.find(Order, id=1).update(number=3)

    with db.transaction():
        db.find(Order, id=1).update(number=1)
        with pytest.raises(Unavailable, match="did not end within its timeout, and was undone"):
            write()
        (process,) = other._rows("SELECT pg_backend_pid()")
    assert db.get(Order, 1).number == 1
    assert other._rows("SELECT pg_backend_pid()") == [process]  # the connection is as good as new
    late.upsert(Order(id=1, number=2))
    assert db.get(Order, 1).number == 2


def test_a_transaction_is_the_programs_to_run_again(
    db: PostgreSQLStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    db.insert_many([Order(id=1, number=1), Order(id=2, number=1)])
    Conflict(monkeypatch)
    with pytest.raises(TransactionConflict), db.transaction():
        db.find(Order).update(number__inc=1)
    assert db.retrying(lambda: db.find(Order).update(number__inc=2)).modified == 2
    assert db.get(Order, 1).number == 3
