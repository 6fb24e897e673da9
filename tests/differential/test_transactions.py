"""What an exception leaves behind in a transaction: nothing. On every engine that has them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Annotated, Any, Final

import pytest

from docmap import (
    BaseStorageAdapter,
    Document,
    DocumentNotFound,
    DuplicateKey,
    Index,
    Indexed,
    StaleDocument,
    Unsupported,
)
from tests.differential.adapters import ScanOnlyStorage


class Note(Document, collection="notes", indexes=[Index("rank")]):
    id: int
    name: Annotated[str | None, Indexed(unique=True)] = None
    rank: int = 0


class Other(Document, collection="others"):
    id: str
    tags: list[str] = []  # noqa: RUF012 - pydantic copies it


class Stop(Exception):
    """Raised in a transaction on purpose."""


@pytest.fixture
def db(transactional: BaseStorageAdapter) -> BaseStorageAdapter:
    """A storage with three notes."""
    transactional.insert_many([Note(id=n, name=f"n{n}", rank=n) for n in range(3)])
    transactional.insert_many("loose", [{"id": "a", "x": 1}])
    return transactional


def _state(db: BaseStorageAdapter) -> Any:
    """Everything that can be read."""
    notes = sorted(tuple(note) for note in db.find(Note))
    indexed = [note.id for note in db.find(Note, rank__gte=0).order_by("rank")]
    loose = sorted(map(repr, db.find("loose")))
    return notes, indexed, loose, db.find(Note).count(), db.find(Other).count()


def _update(db: BaseStorageAdapter) -> None:
    note = db.get(Note, 1)
    note.rank = 50
    db.save(note)


def _caught(db: BaseStorageAdapter) -> None:
    with pytest.raises(DuplicateKey):
        db.insert_many([Note(id=20), Note(id=21, name="n1"), Note(id=22)])


def _swap(db: BaseStorageAdapter) -> None:
    """Names change hands: the order in which this is undone matters."""
    for note, name in ((db.get(Note, 1), "gone"), (db.get(Note, 2), "n1")):
        note.name = name
        db.save(note)
    db.insert(Note(id=30, name="n2"))


def _clear(db: BaseStorageAdapter) -> None:
    db.clear()


def _clear_and_insert(db: BaseStorageAdapter) -> None:
    db.clear()
    db.insert(Note(id=1))
    db.insert(Other(id="x"))


def _everything(db: BaseStorageAdapter) -> None:
    db.insert(Note(id=9, name="new"))
    db.insert(Other(id="x", tags=["a"]))
    _update(db)
    db.delete(Note, 0)
    _swap(db)
    db.find(Note, rank=50).delete()


WRITES: Final[dict[str, Callable[[BaseStorageAdapter], object]]] = {
    "insert": lambda db: db.insert(Note(id=9, name="new")),
    "insert_many": lambda db: db.insert_many([Note(id=n) for n in range(10, 2000)]),
    "insert without a class": lambda db: db.insert_many("loose", [{"id": "b"}]),
    "the first of a collection": lambda db: db.insert(Other(id="x", tags=["a"])),
    "update": _update,
    "upsert": lambda db: db.upsert(Note(id=1, name="other", rank=9)),
    "save a dict": lambda db: db.save(Note, {"rank": 7}, primary_key=2),
    "delete": lambda db: db.delete(Note, 1),
    "delete a query": lambda db: db.find(Note, rank__gte=1).delete(),
    "delete what remains after a filter": lambda db: db.find(Note, name__matches="n[12]").delete(),
    "delete and insert again": lambda db: (db.delete(Note, 1), db.insert(Note(id=1, rank=77))),
    "get_or_create": lambda db: db.get_or_create(Note, id=40, name="forty"),
    "names that change hands": _swap,
    "a bulk insert that failed": _caught,
    "clear": _clear,
    "clear and insert": _clear_and_insert,
    "clear a collection": lambda db: db.collection(Note).clear(),
    "everything": _everything,
}


def _write_and_stop(
    db: BaseStorageAdapter,
    write: Callable[[BaseStorageAdapter], object],
    error: type[BaseException] = Stop,
) -> None:
    write(db)
    raise error


@pytest.mark.parametrize("name", WRITES)
def test_an_exception_writes_nothing(db: BaseStorageAdapter, name: str) -> None:
    before = _state(db)
    with pytest.raises(Stop), db.transaction():
        _write_and_stop(db, WRITES[name])
    assert _state(db) == before
    _still_works(db)


def _still_works(db: BaseStorageAdapter) -> None:
    """The collections, their unique indexes and their revisions are as before."""
    with pytest.raises(DuplicateKey):
        db.insert(Note(id=100, name="n1"))
    db.insert(Note(id=100, name="hundred"))
    db.insert(Other(id="later"))
    note = db.get(Note, 1)
    note.rank += 1
    db.save(note)
    assert db.get(Note, 1) == note
    assert db.find(Note, name="hundred").delete() == 1


@pytest.mark.parametrize("name", WRITES)
def test_without_an_exception_all_is_written(db: BaseStorageAdapter, name: str) -> None:
    with db.transaction() as inside:
        WRITES[name](inside)
        expected = _state(inside)  # what is read inside is what was written
    assert _state(db) == expected


def test_an_interrupt_writes_nothing(db: BaseStorageAdapter) -> None:
    before = _state(db)
    with pytest.raises(KeyboardInterrupt), db.transaction():
        _write_and_stop(db, _everything, KeyboardInterrupt)
    assert _state(db) == before


def test_an_inner_transaction_is_undone_alone(db: BaseStorageAdapter) -> None:
    with db.transaction():
        db.insert(Note(id=10, name="outer"))
        with pytest.raises(Stop), db.transaction():
            _write_and_stop(db, _everything)
        assert db.find(Note).count() == 4
        _update(db)
    assert db.get(Note, 1).rank == 50
    assert sorted(note.id for note in db.find(Note)) == [0, 1, 2, 10]


def test_an_outer_transaction_undoes_the_inner_ones(db: BaseStorageAdapter) -> None:
    before = _state(db)

    def nested(db: BaseStorageAdapter) -> None:
        for number in range(10, 13):
            with db.transaction():
                db.insert(Note(id=number, name=f"n{number}"))
        with db.transaction():
            _write_and_stop(db, _everything)

    with pytest.raises(Stop), db.transaction():
        nested(db)
    assert _state(db) == before
    _still_works(db)


def test_writes_inside_are_read_inside(db: BaseStorageAdapter) -> None:
    with db.transaction():
        db.insert(Note(id=5, name="five", rank=5))
        db.delete(Note, 0)
        _update(db)
        assert db.get(Note, 5).name == "five"
        assert [note.id for note in db.find(Note).order_by("-rank")] == [1, 5, 2]
        assert db.find(Note, rank__gt=2).count() == 2
        assert db.find(Note).values("rank") == [2, 5, 50]
        assert db.get_many(Note, [5, 0, 1])[1].rank == 50
        with pytest.raises(DocumentNotFound):
            db.get(Note, 0)


def test_a_stream_inside_shows_what_was_written_before_it(db: BaseStorageAdapter) -> None:
    with db.transaction():
        db.insert_many([Note(id=n, rank=n) for n in range(100, 1100)])
        seen = []
        for note in db.find(Note).order_by("rank"):
            seen.append(note.id)
            if note.id >= 100:
                note.rank += 10_000
                db.save(note)
                db.insert(Note(id=note.id + 10_000, rank=note.rank))
    assert seen == [0, 1, 2, *range(100, 1100)]
    assert db.find(Note).count() == 2003


def test_other_threads_do_not_see_what_is_undone(db: BaseStorageAdapter) -> None:
    started = threading.Event()
    read: list[Any] = []

    def look() -> None:
        started.wait(timeout=30)
        read.append(([note.rank for note in db.find(Note, id=1)], db.get(Note, 1).rank))
        read.append((db.find(Note).count(), db.get_many(Note, [9, 1])[0].id))

    thread = threading.Thread(target=look)
    thread.start()

    def write(db: BaseStorageAdapter) -> None:
        db.insert(Note(id=9))
        _update(db)
        started.set()
        thread.join(timeout=0.2)  # it may wait for the end of the transaction, or read what was

    with pytest.raises(Stop), db.transaction():
        _write_and_stop(db, write)
    thread.join(timeout=30)
    assert read == [([1], 1), (3, 1)]


def test_a_save_over_what_was_undone_is_not_stale(db: BaseStorageAdapter) -> None:
    """Revisions come back too: who loaded before the transaction may save after it."""
    note = db.get(Note, 1)
    with pytest.raises(Stop), db.transaction():
        _write_and_stop(db, _update)
    note.rank = 3
    db.save(note)
    stale = db.get(Note, 2)
    with db.transaction():
        db.upsert(Note(id=2, rank=8))
    stale.rank = 9
    with pytest.raises(StaleDocument):
        db.save(stale)


def test_an_engine_without_transactions_says_so() -> None:
    with ScanOnlyStorage() as storage:
        assert "transactions" not in storage.abilities
        with (
            pytest.raises(Unsupported, match="scan-only has no transactions"),
            storage.transaction(),
        ):
            storage.insert(Note(id=1))
        assert storage.find(Note).count() == 0
