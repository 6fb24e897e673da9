"""What a pooler between docmap and the server may do to a connection: give it other sessions."""

from __future__ import annotations

import pytest

from docmap import Document, TransactionConflict
from docmap_backends.postgresql import PostgreSQLStorage
from tests.postgresql.conftest import Opened

pytestmark = pytest.mark.engine("postgresql")


class Order(Document, collection="orders"):
    number: int = 0


def prepared(storage: PostgreSQLStorage) -> set[bytes | None]:
    return {name for (name,) in storage._rows("SELECT name FROM pg_prepared_statements")}


def test_no_two_connections_prepare_under_one_name(db: PostgreSQLStorage, opened: Opened) -> None:
    Order(id="a").save(db)
    one, other = opened(pool_size=1), opened(pool_size=1)
    for _ in range(5):
        one.get(Order, "a")
        other.delete(Order, "b")
    assert prepared(one)
    assert prepared(other)
    assert prepared(one).isdisjoint(prepared(other))


def test_a_session_that_was_changed_for_another_is_not_noticed(
    db: PostgreSQLStorage, opened: Opened
) -> None:
    Order(id="a").save(db)
    other = opened(pool_size=1)
    for number in range(30):
        other.upsert(Order(id="a", number=number))
        assert other.get(Order, "a").number == number
        assert [one.number for one in other.find(Order, number__gte=0)] == [number]
        other._connections.script(["DEALLOCATE ALL"])  # as on a new session
    assert prepared(other) == set()


def test_statements_whose_rows_are_streamed_are_prepared_too(
    db: PostgreSQLStorage, opened: Opened
) -> None:
    Order(id="a", number=1).save(db)
    other = opened(pool_size=1)
    for number in range(5):
        assert len(list(other.find(Order, number__gte=number))) == (number < 2)
    statements = other._rows("SELECT statement FROM pg_prepared_statements")
    assert any(b"SELECT doc, rev" in (text or b"") for (text,) in statements)


def test_a_transaction_in_another_session_is_run_again(
    db: PostgreSQLStorage, opened: Opened
) -> None:
    Order(id="a").save(db)
    other = opened(pool_size=1)
    for _ in range(5):
        other.get(Order, "a")
    other._connections.script(["DEALLOCATE ALL"])
    with pytest.raises(TransactionConflict, match="pooler"), other.transaction():
        other.get(Order, "a")
    assert other.retrying(lambda: other.get(Order, "a")).number == 0
