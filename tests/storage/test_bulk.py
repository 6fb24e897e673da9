"""Many documents in one call: in order, up to the first that fails, and what the error says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from docmap import (
    BaseStorageAdapter,
    DocmapError,
    Document,
    DuplicateKey,
    Index,
    InvalidModel,
    InvalidValue,
    StaleDocument,
)
from docmap.storage.copy_content import canonical
from docmap.storage.loading import state_of
from tests.model.shop import Note, Order, Ticket
from tests.storage.bare import Bare


class Unique(Document, collection="uniques", indexes=[Index("name", unique=True)]):
    name: str = ""


def keys(db: BaseStorageAdapter, model: Any = Note) -> list[str]:
    return sorted(document.id for document in db.find(model))


def notes(text: str) -> list[Note]:
    return [Note(id=letter) for letter in text]


def lazily(items: list[Any]) -> Iterator[Any]:
    yield from items


BATCHES = pytest.mark.parametrize("size", [1, 2, 1000])
SHAPES = pytest.mark.parametrize("shape", [list, lazily])


class TestInsertMany:
    @BATCHES
    @SHAPES
    def test_documents(
        self, db: BaseStorageAdapter, size: int, shape: Callable[[list[Any]], Any]
    ) -> None:
        given = notes("edcba")
        assert db.insert_many(shape(given), batch_size=size) == list("edcba")
        assert keys(db) == list("abcde")
        assert not any(note.is_new for note in given)
        given[3].text = "x"
        given[3].save()
        assert db.get(Note, "b").text == "x"

    @BATCHES
    @SHAPES
    def test_rows(
        self, db: BaseStorageAdapter, size: int, shape: Callable[[list[Any]], Any]
    ) -> None:
        rows: list[dict[str, Any]] = [{"id": "b", "stars": "5"}, {"id": "a"}, {"text": "made"}]
        made = db.insert_many(Note, shape(rows), batch_size=size)
        assert made[:2] == ["b", "a"]
        assert db.get(Note, "b").stars == 5
        assert db.get(Note, made[2]).text == "made"
        assert rows[1] == {"id": "a"}

    @BATCHES
    def test_untyped_rows(self, db: BaseStorageAdapter, size: int) -> None:
        rows: list[dict[str, Any]] = [{"id": 1}, {"id": "1"}, {"x": None}]
        made = db.insert_many("things", rows, batch_size=size)
        assert made[:2] == [1, "1"]
        assert db.get("things", made[2]) == {"id": made[2], "x": None}
        assert rows[2] == {"x": None}

    def test_nothing(self, db: BaseStorageAdapter) -> None:
        assert db.insert_many([]) == db.insert_many(Note, []) == db.save_many([]) == []
        assert db.delete_many([]) == 0

    def test_documents_of_several_classes(self, db: BaseStorageAdapter) -> None:
        given = [Note(id="a"), Note(id="b"), Order(id="a", number="1"), Note(id="c")]
        assert db.insert_many(given) == ["a", "b", "a", "c"]
        assert (keys(db), keys(db, Order)) == (list("abc"), ["a"])

    def test_a_generator_is_read_batch_by_batch(self, db: BaseStorageAdapter) -> None:
        seen: list[int] = []

        def rows() -> Iterator[dict[str, Any]]:
            for number in range(6):
                seen.append(db.find(Note).count())
                yield {"id": str(number)}

        db.insert_many(Note, rows(), batch_size=2)
        assert seen == [0, 0, 2, 2, 4, 4]

    def test_one_write_for_a_batch(self) -> None:
        calls: list[int] = []

        class Watched(Bare):
            def _save_many(self, schema: Any, writes: Any) -> list[int]:
                calls.append(len(writes))
                return super()._save_many(schema, writes)

        with Watched() as db:
            db.insert_many(notes("abcde"), batch_size=2)
            db.insert_many(Note, [{} for _ in range(5)], batch_size=3)
        assert calls == [2, 2, 1, 3, 2]

    @pytest.mark.parametrize("size", [0, -1])
    def test_a_batch_has_at_least_one(self, db: BaseStorageAdapter, size: int) -> None:
        for call in (
            lambda: db.insert_many([], batch_size=size),
            lambda: db.insert_many(Note, [], batch_size=size),
            lambda: db.save_many([], batch_size=size),
            lambda: db.delete_many([], batch_size=size),
        ):
            with pytest.raises(InvalidValue, match="batch_size"):
                call()

    def test_what_is_no_document(self, db: BaseStorageAdapter) -> None:
        with pytest.raises(InvalidModel):
            db.insert_many([{"id": "a"}])
        with pytest.raises(InvalidModel):
            db.save_many(["a"])
        for row in ("a", 5, None):
            with pytest.raises(InvalidValue):
                db.insert_many(Note, [row])  # type: ignore[list-item]
            with pytest.raises(InvalidValue, match="are dicts"):
                db.insert_many("things", [row])  # type: ignore[list-item]

    def test_a_loaded_document_is_no_new_one(self, db: BaseStorageAdapter) -> None:
        db.insert_many(notes("ab"))
        with pytest.raises(DuplicateKey):
            db.insert_many([db.get(Note, "a")])


class TestSaveMany:
    @BATCHES
    def test_new_and_loaded_together(self, db: BaseStorageAdapter, size: int) -> None:
        db.insert_many(notes("bd"))
        loaded = db.get_many(Note, ["d", "b"])
        for note in loaded:
            note.text = "changed"
        together = [Note(id="a"), loaded[0], Note(id="c"), loaded[1]]
        assert db.save_many(together, batch_size=size) == list("adcb")
        assert db.find(Note, text="changed").count() == 2
        assert not any(note.changed_fields for note in together)
        for note in together:
            note.save()

    def test_a_counted_key(self, full: BaseStorageAdapter) -> None:
        tickets = [Ticket(title=letter) for letter in "abc"]
        assert full.save_many(tickets, batch_size=2) == [1, 2, 3]
        assert [ticket.id for ticket in tickets] == [1, 2, 3]


class TestTheFirstFailure:
    """Earlier ones stay, later ones are not tried, and the error says how many were written."""

    @BATCHES
    @SHAPES
    def test_a_taken_key(
        self, db: BaseStorageAdapter, size: int, shape: Callable[[list[Any]], Any]
    ) -> None:
        db.save(Note(id="d", text="old"))
        given = notes("abcde")
        with pytest.raises(DuplicateKey) as caught:
            db.insert_many(shape(given), batch_size=size)
        error = caught.value
        assert (error.done, error.key, error.fields) == (3, "d", ("id",))
        assert (error.collection, error.engine) == ("notes", db.scheme)
        assert keys(db) == list("abcd")
        assert db.get(Note, "d").text == "old"
        self._check_states(db, given, 3)

    @BATCHES
    def test_a_taken_unique_value(self, db: BaseStorageAdapter, size: int) -> None:
        db.save(Unique(id="z", name="taken"))
        given = [Unique(id=key, name=key) for key in "abcde"]
        given[3].name = "taken"
        for write in (db.insert_many, db.save_many):
            db.find(Unique).where_not(id="z").delete()
            fresh = [one.model_copy(update={"id": one.id}) for one in given]
            with pytest.raises(DuplicateKey) as caught:
                write(fresh, batch_size=size)
            assert (caught.value.done, caught.value.fields) == (3, ("name",))
            assert keys(db, Unique) == list("abcz")
            self._check_states(db, fresh, 3)

    @BATCHES
    def test_a_unique_value_twice_in_one_call(self, db: BaseStorageAdapter, size: int) -> None:
        given = [Unique(id=key, name=key) for key in "abcd"]
        given[2].name = "a"
        with pytest.raises(DuplicateKey) as caught:
            db.insert_many(given, batch_size=size)
        assert caught.value.done == 2
        assert keys(db, Unique) == list("ab")

    @BATCHES
    def test_a_stale_document(self, db: BaseStorageAdapter, size: int) -> None:
        db.insert_many(notes("abcde"))
        given = db.get_many(Note, list("abcde"))
        db.save(Note, {"text": "newer"}, primary_key="d")
        for note in given:
            note.text = "changed"
        with pytest.raises(StaleDocument) as caught:
            db.save_many(given, batch_size=size)
        assert (caught.value.done, caught.value.key) == (3, "d")
        assert [note.text for note in db.find(Note).order_by("id")] == [
            "changed",
            "changed",
            "changed",
            "newer",
            "",
        ]
        assert [note.changed_fields for note in given] == [set(), set(), set(), {"text"}, {"text"}]
        given[0].text = "again"
        given[0].save()

    @BATCHES
    @SHAPES
    def test_an_invalid_document(
        self, db: BaseStorageAdapter, size: int, shape: Callable[[list[Any]], Any]
    ) -> None:
        given = notes("abcde")
        given[3].__dict__["stars"] = "many"
        for write in (db.insert_many, db.save_many):
            db.find(Note).delete()
            fresh = [note.model_copy(update={"id": note.id}) for note in given]
            with pytest.raises(InvalidValue, match=r"Note\.stars") as caught:
                write(shape(fresh), batch_size=size)
            assert (caught.value.done, caught.value.collection) == (3, "notes")
            assert caught.value.engine == db.scheme
            assert keys(db) == list("abc")
            self._check_states(db, fresh, 3)

    @BATCHES
    def test_an_invalid_row(self, db: BaseStorageAdapter, size: int) -> None:
        rows = [{"id": "a"}, {"id": "b"}, {"id": "c", "stars": "many"}, {"id": "d"}]
        with pytest.raises(InvalidValue) as caught:
            db.insert_many(Note, rows, batch_size=size)
        assert (caught.value.done, caught.value.field) == (2, "stars")
        assert keys(db) == list("ab")

    @BATCHES
    def test_an_invalid_untyped_row(self, db: BaseStorageAdapter, size: int) -> None:
        rows: list[dict[str, Any]] = [{"id": "a"}, {"id": "b", "x": float("nan")}, {"id": "c"}]
        with pytest.raises(InvalidValue) as caught:
            db.insert_many("things", rows, batch_size=size)
        assert caught.value.done == 1
        assert db.find("things").values("id") == ["a"]

    def test_across_classes(self, db: BaseStorageAdapter) -> None:
        db.save(Order(id="x", number="1"))
        given: list[Document] = [*notes("ab"), Order(id="y", number="1"), *notes("c")]
        with pytest.raises(DuplicateKey) as caught:
            db.insert_many(given)
        assert (caught.value.done, caught.value.collection) == (2, "orders")
        assert keys(db) == list("ab")

    def test_inside_a_transaction_all_is_undone(self, full: BaseStorageAdapter) -> None:
        full.save(Note(id="c"))
        given = notes("abc")
        with pytest.raises(DuplicateKey) as caught, full.transaction():
            full.insert_many(given)
        assert caught.value.done == 2
        assert keys(full) == ["c"]
        assert all(note.is_new for note in given)

    def test_caught_inside_a_transaction_earlier_ones_stay(self, full: BaseStorageAdapter) -> None:
        full.save(Note(id="c"))
        with full.transaction():
            with pytest.raises(DuplicateKey):
                full.insert_many(notes("abcd"))
            full.save(Note(id="e"))
        assert keys(full) == list("abce")

    def test_an_exception_of_the_generator_is_its_own(self, db: BaseStorageAdapter) -> None:
        def broken() -> Iterator[Note]:
            yield from notes("abc")
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            db.insert_many(broken(), batch_size=2)
        assert keys(db) == list("ab")

    def _check_states(self, db: BaseStorageAdapter, given: Any, done: int) -> None:
        """Those that were written know it, so that a second try goes on where it stopped."""
        assert [one.is_new for one in given] == [False] * done + [True] * (len(given) - done)
        for one in given[:done]:
            noted, held = state_of(one), state_of(db.get(type(one), one.id))
            assert noted is not None
            assert held is not None
            assert (noted.revision, noted.storage) == (held.revision, db)
            assert canonical(noted.data) == canonical(held.data)  # in whatever bytes it is kept
            one.save()


class TestOneKeyTwice:
    """Refused before anything is read or written, as far as that can be seen."""

    @pytest.mark.parametrize("shape", [list, tuple])
    @BATCHES
    def test_in_a_list_nothing_is_written(
        self, db: BaseStorageAdapter, size: int, shape: Callable[[list[Any]], Any]
    ) -> None:
        writes: list[Callable[[], Any]] = [
            lambda: db.insert_many(shape(notes("abca")), batch_size=size),
            lambda: db.save_many(shape(notes("abca")), batch_size=size),
            lambda: db.insert_many(Note, shape([{"id": k} for k in "abca"]), batch_size=size),
            lambda: db.insert_many("notes", shape([{"id": k} for k in "abca"]), batch_size=size),
            lambda: db.insert_many(shape([*notes("a"), Order(number="1"), *notes("a")])),
        ]
        for write in writes:
            with pytest.raises(DuplicateKey, match="two of the documents") as caught:
                write()
            error = caught.value
            assert (error.done, error.key, error.fields) == (0, "a", ("id",))
            assert (error.collection, error.engine) == ("notes", db.scheme)
            assert db.find(Note).count() == 0

    def test_in_a_generator_nothing_of_the_batch(self, db: BaseStorageAdapter) -> None:
        with pytest.raises(DuplicateKey) as caught:
            db.insert_many(lazily(notes("abcdea")), batch_size=2)
        assert (caught.value.done, caught.value.key) == (4, "a")
        assert keys(db) == list("abcd")

    def test_the_same_document_twice(self, db: BaseStorageAdapter) -> None:
        db.insert_many(notes("ab"))
        note = db.get(Note, "a")
        note.text = "x"
        with pytest.raises(DuplicateKey):
            db.save_many([note, note])
        for documents in ([note, note], lazily([note, note])):
            with pytest.raises(DuplicateKey):
                db.delete_many(documents)
        assert db.get(Note, "a").text == ""

    def test_one_key_in_two_collections_is_no_repeat(self, db: BaseStorageAdapter) -> None:
        db.insert_many([Note(id="a"), Order(id="a", number="1"), Note(id="b")])
        assert (keys(db), keys(db, Order)) == (["a", "b"], ["a"])

    def test_other_numbers_are_other_keys(self, full: BaseStorageAdapter) -> None:
        assert full.insert_many("things", [{"id": 1}, {"id": "1"}]) == [1, "1"]
        with pytest.raises(DuplicateKey):
            full.insert_many(Ticket, [{"id": 1}, {"id": "1"}])


class TestDeleteMany:
    @BATCHES
    @SHAPES
    def test_it_says_how_many(
        self, db: BaseStorageAdapter, size: int, shape: Callable[[list[Any]], Any]
    ) -> None:
        given: list[Document] = [*notes("abcd"), Order(number="1")]
        db.save_many(given)
        assert db.delete_many(shape([given[0], given[4], given[2]]), batch_size=size) == 3
        assert keys(db) == ["b", "d"]
        assert db.find(Order).count() == 0

    @BATCHES
    def test_up_to_the_first_that_fails(self, db: BaseStorageAdapter, size: int) -> None:
        given = notes("abcde")
        db.save_many(given)
        db.save(Note, {"text": "newer"}, primary_key="d")
        with pytest.raises(StaleDocument) as caught:
            db.delete_many(given, batch_size=size)
        assert (caught.value.done, caught.value.key) == (3, "d")
        assert keys(db) == ["d", "e"]

    @BATCHES
    def test_one_that_is_not_stored(self, db: BaseStorageAdapter, size: int) -> None:
        given = notes("ab")
        db.save_many(given)
        with pytest.raises(InvalidValue, match="nothing to delete") as caught:
            db.delete_many([given[0], Note(), given[1]], batch_size=size)
        assert caught.value.done == 1
        assert keys(db) == ["b"]

    def test_inside_a_transaction_all_is_undone(self, full: BaseStorageAdapter) -> None:
        given = notes("ab")
        full.save_many(given)
        full.save(Note, {}, primary_key="b")
        with pytest.raises(StaleDocument), full.transaction():
            full.delete_many(given)
        assert keys(full) == ["a", "b"]


def test_every_error_of_a_bulk_call_says_how_many(db: BaseStorageAdapter) -> None:
    """Whatever the failure, `done` is a number."""
    db.insert_many(notes("z"))
    for bad in (Note(id="z"), Note.model_construct(id="q", text=5, stars=0, done=None)):
        with pytest.raises(DocmapError) as caught:
            db.insert_many([bad])
        assert caught.value.done == 0
