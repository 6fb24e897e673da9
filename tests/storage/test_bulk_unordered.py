"""Many documents in one call without order: all are tried, and the error lists what failed."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from docmap import (
    BaseStorageAdapter,
    BulkError,
    DocmapError,
    Document,
    DuplicateKey,
    Index,
    InvalidValue,
    StaleDocument,
    StorageError,
    connect,
)
from tests.model.shop import Note, Order, Ticket
from tests.storage.bare import Bare
from tests.storage.engines import undone
from tests.storage.test_bulk import BATCHES, SHAPES, keys, lazily, notes


class Coded(Document, collection="coded", indexes=[Index("code", unique=True)]):
    code: str | None = None
    level: int = 0


def told(error: DocmapError) -> list[tuple[int, Any, str]]:
    """The failures of an error, with the names of their classes."""
    return [(place, key, type(reason).__name__) for place, key, reason in error.failed]


class TestInsertMany:
    @BATCHES
    @SHAPES
    def test_all_are_tried(
        self, db: BaseStorageAdapter, size: int, shape: Callable[[list[Any]], Any]
    ) -> None:
        db.insert_many(notes("bd"))
        given = notes("abcde")
        with pytest.raises(BulkError, match=r"2 of 5 documents .* 2 DuplicateKey") as caught:
            db.insert_many(shape(given), batch_size=size, ordered=False)
        error = caught.value
        assert (error.done, error.written) == (3, ("a", "c", "e"))
        assert told(error) == [(1, "b", "DuplicateKey"), (3, "d", "DuplicateKey")]
        assert (error.engine, error.collection) == (db.scheme, "notes")
        assert keys(db) == list("abcde")
        assert [note.is_new for note in given] == [False, True, False, True, False]
        given[4].text = "x"
        given[4].save()

    @BATCHES
    def test_failures_of_every_kind(self, db: BaseStorageAdapter, size: int) -> None:
        db.insert(Coded(id="z", code="taken"))
        given: list[dict[str, Any]] = [
            {"id": "a", "level": "many"},
            {"id": "b"},
            {"id": "c", "code": "taken"},
            {"id": "z"},
            {"id": "d", "code": "new"},
            {"id": "e", "code": "new"},
        ]
        with pytest.raises(BulkError) as caught:
            db.insert_many(Coded, given, batch_size=size, ordered=False)
        assert told(caught.value) == [
            (0, "a", "InvalidValue"),
            (2, "c", "DuplicateKey"),
            (3, "z", "DuplicateKey"),
            (5, "e", "DuplicateKey"),
        ]
        assert caught.value.written == ("b", "d")
        assert all(reason.engine == db.scheme for _, _, reason in caught.value.failed)  # type: ignore[attr-defined]
        assert keys(db, Coded) == ["b", "d", "z"]

    def test_without_failures_it_is_as_ordered(self, db: BaseStorageAdapter) -> None:
        assert db.insert_many(notes("abc"), ordered=False) == list("abc")
        assert db.save_many(db.find(Note).list(), ordered=False) == list("abc")
        assert db.delete_many(db.find(Note).list(), ordered=False) == 3

    def test_several_classes(self, db: BaseStorageAdapter) -> None:
        db.save(Order(id="x", number="1"))
        given = [*notes("ab"), Order(id="y", number="1"), *notes("c"), Order(id="x", number="2")]
        with pytest.raises(BulkError) as caught:
            db.insert_many(given, ordered=False)
        assert told(caught.value) == [(2, "y", "DuplicateKey"), (4, "x", "DuplicateKey")]
        assert caught.value.written == ("a", "b", "c")

    def test_a_repeated_key_in_a_list_is_refused(self, db: BaseStorageAdapter) -> None:
        with pytest.raises(DuplicateKey, match="two of the documents") as caught:
            db.insert_many(notes("abca"), ordered=False)
        assert (caught.value.done, caught.value.position) == (0, 3)
        assert keys(db) == []

    @BATCHES
    def test_a_repeated_key_in_a_generator_is_a_failure(
        self, db: BaseStorageAdapter, size: int
    ) -> None:
        with pytest.raises(BulkError) as caught:
            db.insert_many(lazily(notes("abacb")), batch_size=size, ordered=False)
        assert told(caught.value) == [(2, "a", "DuplicateKey"), (4, "b", "DuplicateKey")]
        assert keys(db) == list("abc")

    def test_inside_a_transaction_all_is_undone(self, full: BaseStorageAdapter) -> None:
        full.insert(Note(id="b"))
        given = notes("abc")
        with pytest.raises(BulkError), full.transaction():
            full.insert_many(given, ordered=False)
        assert keys(full) == ["b"]
        assert all(note.is_new for note in given)

    def test_caught_inside_a_transaction_the_others_stay(self, full: BaseStorageAdapter) -> None:
        full.insert(Note(id="b"))
        with full.transaction():
            with pytest.raises(BulkError):
                full.insert_many(notes("abc"), ordered=False)
            full.insert(Note(id="d"))
        assert keys(full) == list("abcd")
        with undone(full):
            full.insert_many(notes("xy"), ordered=False)
        assert keys(full) == list("abcd")

    def test_counted_keys(self, full: BaseStorageAdapter) -> None:
        full.insert(Ticket(id=2))
        with pytest.raises(BulkError) as caught:
            full.insert_many([Ticket(id=1), Ticket(id=2), Ticket()], ordered=False)
        assert caught.value.written == (1, 3)

    def test_the_error_travels(self, db: BaseStorageAdapter) -> None:
        db.insert_many(notes("b"))
        with pytest.raises(BulkError) as caught:
            db.insert_many(notes("abc"), ordered=False)
        there = pickle.loads(pickle.dumps(caught.value))  # noqa: S301
        assert told(there) == told(caught.value)
        assert (there.written, str(there)) == (caught.value.written, str(caught.value))


class TestSaveMany:
    @BATCHES
    def test_stale_ones_are_gathered(self, db: BaseStorageAdapter, size: int) -> None:
        db.insert_many(notes("abcd"))
        given = db.get_many(Note, list("abcd"))
        db.save(Note, {"text": "newer"}, primary_key="b")
        db.delete(Note, "c")
        for note in given:
            note.text = "changed"
        with pytest.raises(BulkError) as caught:
            db.save_many([*given, Note(id="e"), Note(id="b")][:5], batch_size=size, ordered=False)
        assert told(caught.value) == [(1, "b", "StaleDocument"), (2, "c", "StaleDocument")]
        assert caught.value.written == ("a", "d", "e")
        assert [note.text for note in db.find(Note).order_by("id")] == [
            "changed",
            "newer",
            "changed",
            "",
        ]
        given[0].text = "again"
        given[0].save()


class TestDeleteMany:
    @BATCHES
    @SHAPES
    def test_stale_ones_are_gathered(
        self, db: BaseStorageAdapter, size: int, shape: Callable[[list[Any]], Any]
    ) -> None:
        given = notes("abcd")
        db.save_many(given)
        db.save(Note, {"text": "newer"}, primary_key="b")
        fresh = Note(id="e")
        with pytest.raises(BulkError, match="not deleted") as caught:
            db.delete_many(shape([*given, fresh]), batch_size=size, ordered=False)
        assert told(caught.value) == [(1, "b", "StaleDocument"), (4, "e", "InvalidValue")]
        assert (caught.value.done, caught.value.written) == (3, ("a", "c", "d"))
        assert keys(db) == ["b"]


class TestOrdered:
    """The error of an ordered call is the failure itself, and says the same things."""

    @BATCHES
    @SHAPES
    def test_what_was_written_and_what_failed(
        self, db: BaseStorageAdapter, size: int, shape: Callable[[list[Any]], Any]
    ) -> None:
        db.insert(Note(id="d"))
        with pytest.raises(DuplicateKey) as caught:
            db.insert_many(shape(notes("abcde")), batch_size=size)
        error = caught.value
        assert (error.position, error.written) == (3, ("a", "b", "c"))
        assert error.failed == ((3, "d", error),)

    def test_an_invalid_one(self, db: BaseStorageAdapter) -> None:
        with pytest.raises(InvalidValue) as caught:
            db.insert_many(Note, [{"id": "a"}, {"id": "b", "stars": "many"}])
        assert (caught.value.position, caught.value.written) == (1, ("a",))

    def test_a_deletion(self, db: BaseStorageAdapter) -> None:
        given = notes("abc")
        db.save_many(given)
        db.save(Note, {}, primary_key="b")
        with pytest.raises(StaleDocument) as caught:
            db.delete_many(given)
        assert (caught.value.position, caught.value.written) == (1, ("a",))

    def test_other_errors_have_none_of_it(self, db: BaseStorageAdapter) -> None:
        with pytest.raises(DocmapError) as caught:
            db.get(Note, "x")
        error = caught.value
        assert (error.position, error.written, error.failed) == (None, (), ())


class TestTheEngineFails:
    """A failure of the engine is none of a document: it ends the call at once."""

    def test_what_was_written_is_told(self) -> None:
        class Breaking(Bare):
            def _put(self, schema: Any, key: Any, record: Any) -> None:
                if key == "d":
                    raise StorageError("no power")
                super()._put(schema, key, record)

        for ordered in (True, False):
            with Breaking() as db:
                db.insert(Note(id="b"))
                given = notes("acde") if ordered else notes("abcde")
                with pytest.raises(StorageError) as caught:
                    db.insert_many(given, ordered=ordered)
                error = caught.value
                assert (error.done, error.written) == (2, ("a", "c"))
                assert told(error) == ([] if ordered else [(1, "b", "DuplicateKey")])


def test_an_exception_of_a_generator_is_its_own(db: BaseStorageAdapter) -> None:
    def broken() -> Iterator[Note]:
        yield from notes("abc")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        db.insert_many(broken(), batch_size=2, ordered=False)
    assert keys(db) == list("ab")


def test_every_engine_writes_and_refuses_the_same() -> None:
    """Random batches of documents, in order and not: the same keys, the same failures."""
    for seed in range(60):
        outcomes = []
        makers: list[Callable[[], BaseStorageAdapter]] = [
            lambda: connect("memory://"),
            lambda: connect("sqlite://"),
            Bare,
        ]
        for make in makers:
            rng = random.Random(seed)
            with make() as db:
                outcomes.append(_outcome(db, rng))
        assert outcomes[0] == outcomes[1] == outcomes[2], f"seed {seed}"


def _outcome(db: BaseStorageAdapter, rng: random.Random) -> list[Any]:
    seen: list[Any] = []
    for _ in range(6):
        ids = rng.sample("abcdefghij", rng.randrange(1, 6))
        given = [
            {"id": key, "code": rng.choice([None, "x", "y", "z"]), "level": rng.choice([1, "bad"])}
            for key in ids
        ]
        size, ordered = rng.choice([1, 2, 1000]), rng.random() < 0.3
        try:
            seen.append(db.insert_many(Coded, given, batch_size=size, ordered=ordered))
        except DocmapError as error:
            seen.append((type(error).__name__, error.done, error.written, told(error)))
        found = db.find(Coded).order_by("id").list()
        rng.shuffle(found)
        for document in found:
            document.code = rng.choice([None, "x", "y"])
        try:
            seen.append(db.save_many(found[:3], batch_size=size, ordered=ordered))
        except DocmapError as error:
            seen.append((type(error).__name__, error.done, error.written, told(error)))
        seen.append([(one.id, one.code) for one in db.find(Coded).order_by("id")])
    return seen
