"""Documents that PostgreSQL takes while the next ones are prepared: all of a batch, or none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final

import pytest
from pydantic import field_validator

from docmap import Document, Indexed
from docmap.errors import DuplicateKey, InvalidValue, StorageError
from docmap_backends._postgresql_ahead import CopiedAhead
from docmap_backends._postgresql_link import Link
from docmap_backends.postgresql import PostgreSQLStorage

ASKED: Final[dict[int, Callable[[], None]]] = {}


class Reading(Document, collection="readings"):
    number: Annotated[int, Indexed(unique=True)]
    text: str = 'a "text" \\ with\ttabs\nand lines'

    @field_validator("number")
    @classmethod
    def asked(cls, number: int) -> int:
        ASKED.get(number, lambda: None)()
        return number


def _rows(count: int, start: int = 0) -> list[dict[str, Any]]:
    return [{"id": f"r{n:05}", "number": n} for n in range(start, start + count)]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many documents were sent ahead, each time."""
    counts: list[int] = []
    send = CopiedAhead.send

    def counted(self: CopiedAhead, writes: Any, /) -> None:
        counts.append(len(writes))
        send(self, writes)

    monkeypatch.setattr(CopiedAhead, "send", counted)
    return counts


def _is_free(db: PostgreSQLStorage) -> bool:
    """No connection is in use, and the storage works."""
    return not db._connections._pool._used and db.find(Reading).count() >= 0


def test_documents_are_sent_while_others_are_prepared(
    db: PostgreSQLStorage, sent: list[int]
) -> None:
    rows = _rows(2_500)
    assert db.insert_many(Reading, rows) == [row["id"] for row in rows]
    assert sent == [1000, 1000, 500]
    stored = {one.id: one for one in db.find(Reading)}
    assert all(stored[row["id"]].number == row["number"] for row in rows)
    assert stored["r00007"].text == Reading(number=7).text
    stored["r00007"].text = "new"
    stored["r00007"].save()  # under the revision that it was given
    assert _is_free(db)


def test_few_are_sent_at_once(db: PostgreSQLStorage, sent: list[int]) -> None:
    db.insert_many(Reading, _rows(999))
    assert sent == []


def test_what_comes_before_a_bad_one_is_stored(db: PostgreSQLStorage, sent: list[int]) -> None:
    rows: list[dict[str, Any]] = _rows(2_500)
    rows[1_700]["number"] = "none"
    with pytest.raises(InvalidValue) as caught:
        db.insert_many(Reading, rows)
    assert caught.value.position == 1_700
    assert db.find(Reading).count() == 1_700 == sum(sent)
    assert _is_free(db)


@pytest.mark.parametrize("taken", [{"id": "r01700", "number": -1}, {"id": "x", "number": 1_700}])
def test_what_comes_before_a_taken_one_is_stored(
    db: PostgreSQLStorage, sent: list[int], taken: dict[str, Any]
) -> None:
    db.insert(Reading(**taken))
    with pytest.raises(DuplicateKey) as caught:
        db.insert_many(Reading, _rows(2_500))
    assert (caught.value.position, caught.value.done) == (1_700, 1_700)
    assert sent == [1000, 1000, 500]
    assert db.find(Reading).count() == 1_701
    assert _is_free(db)


def test_an_interrupt_leaves_nothing_behind(db: PostgreSQLStorage) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    db.ensure_indexes(Reading)
    ASKED[1_500] = interrupt
    try:
        with pytest.raises(KeyboardInterrupt):
            db.insert_many(Reading, _rows(2_500))
    finally:
        ASKED.clear()
    assert db.find(Reading).count() == 0
    assert _is_free(db)


def test_a_validator_may_use_the_storage(db: PostgreSQLStorage) -> None:
    db.insert(Reading(id="first", number=-1))
    found: list[int] = []
    ASKED[1_500] = lambda: found.append(db.find(Reading).count())
    try:
        db.insert_many(Reading, _rows(2_500))
    finally:
        ASKED.clear()
    assert found == [1]
    assert _is_free(db)


def test_a_lost_connection_stores_nothing(
    db: PostgreSQLStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    db.ensure_indexes(Reading)
    send = Link.copy_send
    lost: list[int] = []

    def broken(self: Link, block: bytes, deadline: float | None) -> None:
        if not lost and b"r01500" in block:
            lost.append(1)
            self.interrupt()
        send(self, block, deadline)

    monkeypatch.setattr(Link, "copy_send", broken)
    with pytest.raises(StorageError):
        db.insert_many(Reading, _rows(2_500))
    assert lost
    assert db.find(Reading).count() == 0
    assert _is_free(db)


def test_in_a_transaction_they_are_part_of_it(db: PostgreSQLStorage, sent: list[int]) -> None:
    db.ensure_indexes(Reading)

    def undone() -> None:
        with db.transaction():
            db.insert_many(Reading, _rows(2_500))
            assert db.find(Reading).count() == 2_500
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        undone()
    assert db.find(Reading).count() == 0
    assert sent == []


def test_with_one_connection_none_is_kept_busy(opened: Any, sent: list[int]) -> None:
    storage = opened(pool_size=1)
    storage.clear()
    ASKED[1_500] = lambda: storage.find(Reading).count()
    try:
        storage.insert_many(Reading, _rows(2_500))
    finally:
        ASKED.clear()
    assert sent == []
    assert storage.find(Reading).count() == 2_500
    storage.clear()
