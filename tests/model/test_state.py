"""What a document knows of its record: storage, revision, changes; and what copies know."""

from __future__ import annotations

import copy
import os
import pickle
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

import docmap
from docmap import (
    BaseStorageAdapter,
    Document,
    DocumentNotFound,
    DuplicateKey,
    InvalidModel,
    InvalidValue,
    NoStorage,
    StaleDocument,
    connect,
)
from docmap.storage.loading import State, state_of
from tests.model.shop import NOW, Address, Country, Customer, Note, Order, Ticket
from tests.storage.engines import undone


def revision(document: Document) -> int:
    state = state_of(document)
    assert state is not None
    return state.revision


class TestNew:
    def test_until_it_is_saved(self, db: BaseStorageAdapter) -> None:
        note = Note()
        assert note.is_new
        db.save(note)
        assert not note.is_new
        assert not db.get(Note, note.id).is_new
        assert not db.find(Note).one().is_new

    @pytest.mark.parametrize("way", ["insert", "upsert", "insert_many", "save_many"])
    def test_whatever_stores_it(self, db: BaseStorageAdapter, way: str) -> None:
        note = Note()
        getattr(db, way)([note] if "many" in way else note)
        assert not note.is_new
        note.text = "changed"
        note.save()
        assert db.get(Note, note.id).text == "changed"

    def test_a_save_that_fails_leaves_it_new(self, db: BaseStorageAdapter) -> None:
        db.save(Note(id="a"))
        second = Note(id="a")
        with pytest.raises(DuplicateKey):
            db.save(second)
        assert second.is_new

    def test_no_storage_is_needed_to_build_and_validate(self) -> None:
        order = Order(number="1", customer=Customer(name="Ann"))
        with pytest.raises(ValueError, match="total"):
            order.total = "many"  # type: ignore[assignment]
        assert order.is_new


class TestChangedFields:
    def test_a_new_document_has_changed_in_all(self) -> None:
        assert Note().changed_fields == {"id", "text", "stars", "done"}

    def test_none_after_saving_and_loading(self, db: BaseStorageAdapter) -> None:
        order = Order(number="1", total=Decimal("1.10"), tags=["a"], attrs={"a": Decimal(1)})
        db.save(order)
        assert order.changed_fields == frozenset()
        assert db.get(Order, order.id).changed_fields == frozenset()
        assert db.find(Order).one().changed_fields == frozenset()

    @pytest.mark.parametrize(
        ("change", "names"),
        [
            (lambda o: setattr(o, "status", "paid"), {"status"}),
            (lambda o: o.tags.append("b"), {"tags"}),
            (lambda o: setattr(o.customer, "name", "Bob"), {"customer"}),
            (lambda o: setattr(o.customer, "address", Address(city="Rome")), {"customer"}),
            (lambda o: o.attrs["deep"].update(x=2), {"attrs"}),
            (lambda o: setattr(o, "total", Decimal("1.1")), {"total"}),
            (lambda o: setattr(o, "created_at", NOW + timedelta(microseconds=9)), set()),
            (lambda o: setattr(o, "status", "new"), set()),
        ],
        ids="plain list nested deeper dict scale truncated same".split(),
    )
    def test_in_place_ones_too(
        self, db: BaseStorageAdapter, change: Callable[[Order], object], names: set[str]
    ) -> None:
        db.save(Order(id="o", number="1", total=Decimal("1.10"), attrs={"deep": {"x": 1}}))
        order = db.get(Order, "o")
        change(order)
        assert order.changed_fields == names
        order.save()
        assert order.changed_fields == frozenset()
        assert db.get(Order, "o") == order

    def test_changed_back_is_not_changed(self, db: BaseStorageAdapter) -> None:
        note = Note(text="a")
        db.save(note)
        note.text = "b"
        note.text = "a"
        assert note.changed_fields == frozenset()


class TestRevision:
    def test_it_starts_at_random_and_rises_by_one(self, db: BaseStorageAdapter) -> None:
        notes = [Note() for _ in range(20)]
        db.save_many(notes[:10])
        for note in notes[10:]:
            note.save(db)
        starts = [revision(note) for note in notes]
        assert len(set(starts)) == 20
        assert all(0 <= start < 2**48 for start in starts)
        assert max(starts) > 2**32
        for write in range(1, 4):
            notes[0].stars = write
            notes[0].save()
            assert revision(notes[0]) == starts[0] + write
            assert revision(db.get(Note, notes[0].id)) == starts[0] + write

    def test_a_re_created_key_is_not_the_old_document(self, db: BaseStorageAdapter) -> None:
        old = Note(id="a")
        db.save(old)
        db.delete(Note, "a")
        db.save(Note(id="a", text="new"))
        with pytest.raises(StaleDocument):
            old.save()
        with pytest.raises(StaleDocument):
            old.delete()
        assert db.get(Note, "a").text == "new"

    def test_save_over_a_newer_one(self, db: BaseStorageAdapter) -> None:
        db.save(Note(id="a"))
        mine, theirs = db.get(Note, "a"), db.get(Note, "a")
        theirs.text = "theirs"
        theirs.save()
        mine.text = "mine"
        for write in (mine.save, mine.delete, lambda: db.save_many([mine])):
            with pytest.raises(StaleDocument, match="reload") as caught:
                write()
            error = caught.value
            assert (error.collection, error.engine) == ("notes", db.scheme)
        assert mine.reload().text == "theirs"
        mine.text = "both"
        mine.save()
        assert db.get(Note, "a").text == "both"

    def test_save_never_brings_a_deleted_one_back(self, db: BaseStorageAdapter) -> None:
        note = Note(id="a")
        db.save(note)
        db.delete(Note, "a")
        for write in (note.save, note.delete, lambda: db.save_many([note])):
            with pytest.raises(StaleDocument, match="deleted"):
                write()
        assert "a" not in db.collection(Note)
        note.insert()
        assert "a" in db.collection(Note)

    def test_a_deleted_document_stays_deleted(self, db: BaseStorageAdapter) -> None:
        note = Note(id="a")
        db.save(note)
        assert note.delete()
        with pytest.raises(StaleDocument):
            note.save()

    def test_save_with_data_ignores_it_and_raises_it(self, db: BaseStorageAdapter) -> None:
        note = Note(id="a")
        db.save(note)
        db.save(Note, {"text": "data"}, primary_key="a")
        assert revision(db.get(Note, "a")) == revision(note) + 1
        with pytest.raises(StaleDocument):
            note.save()

    def test_a_record_without_one_counts_as_zero(self, tmp_path: Path) -> None:
        """As another program inserts it."""
        insert = "INSERT INTO notes(key, doc) VALUES(?, ?)"
        with connect(f"sqlite:///{tmp_path / 'a.db'}") as db:
            db.ensure_indexes(Note)
            for key in "ab":
                db.native.execute(insert, (key, f'{{"id": "{key}", "text": "theirs"}}'))
            note, other = db.get(Note, "a"), db.get(Note, "a")
            assert revision(note) == 0
            assert note.text == "theirs"
            note.text = "ours"
            note.save()
            assert revision(note) == 1
            with pytest.raises(StaleDocument):
                other.save()
            assert db.get(Note, "b").delete()


class TestCopies:
    @pytest.fixture
    def note(self, db: BaseStorageAdapter) -> Note:
        db.save(Note(id="a", text="x"))
        return db.get(Note, "a")

    @pytest.mark.parametrize(
        "copied",
        [copy.copy, copy.deepcopy, lambda note: pickle.loads(pickle.dumps(note))],  # noqa: S301
        ids=["copy", "deepcopy", "pickle"],
    )
    def test_they_keep_the_revision_and_not_the_storage(
        self, db: BaseStorageAdapter, note: Note, copied: Callable[[Note], Note]
    ) -> None:
        twin = copied(note)
        assert twin == note
        assert twin is not note
        assert not twin.is_new
        assert state_of(twin) == State(None, revision(note), state_of(note).data)  # type: ignore[union-attr]
        assert twin.changed_fields == frozenset()
        with pytest.raises(NoStorage):
            twin.save()
        twin.text = "twin"
        assert twin.changed_fields == {"text"}
        twin.save(db)
        assert db.get(Note, "a").text == "twin"
        with pytest.raises(StaleDocument):
            note.save()
        twin.text = "again"
        twin.save()

    def test_a_copy_of_a_new_document_is_new(self) -> None:
        note = Note()
        for twin in (copy.copy(note), copy.deepcopy(note), pickle.loads(pickle.dumps(note))):  # noqa: S301
            assert twin.is_new
            assert twin == note

    def test_a_pickle_has_no_storage_in_it(self, tmp_path: Path) -> None:
        with connect(f"sqlite:///{tmp_path / 'secret-place.db'}") as db:
            note = Note()
            db.save(note)
            assert b"secret-place" not in pickle.dumps(note)

    def test_unknown_stored_fields_survive_a_copy(self, db: BaseStorageAdapter) -> None:
        db.insert_many("notes", [{"id": "a", "text": "x", "stars": 0, "done": None, "more": 1}])
        twin = pickle.loads(pickle.dumps(db.get(Note, "a")))  # noqa: S301
        twin.text = "y"
        twin.save(db)
        assert db.get("notes", "a") == {"id": "a", "text": "y", "stars": 0, "done": None, "more": 1}

    def test_model_copy_is_a_new_document(self, db: BaseStorageAdapter, note: Note) -> None:
        twin = note.model_copy(update={"text": "twin"})
        assert twin.is_new
        assert twin.id != note.id
        assert twin.text == "twin"
        db.save(twin)
        assert len(db.collection(Note)) == 2
        assert not note.is_new

    def test_model_copy_with_the_key(self, db: BaseStorageAdapter, note: Note) -> None:
        twin = note.model_copy(update={"id": "a"})
        assert (twin.id, twin.is_new) == ("a", True)
        with pytest.raises(DuplicateKey):
            db.save(twin)

    def test_model_copy_of_a_counted_key(self, full: BaseStorageAdapter) -> None:
        ticket = Ticket(title="a")
        full.save(ticket)
        twin = ticket.model_copy()
        assert twin.id is None
        assert full.save(twin) == 2

    def test_model_copy_of_a_key_that_must_be_given(self, db: BaseStorageAdapter) -> None:
        chile = Country(code="CL", name="Chile")
        twin = chile.model_copy()
        assert twin.pk is None
        with pytest.raises(InvalidValue, match="must be given"):
            db.save(twin)
        twin.code = "CX"
        assert db.save(twin) == "CX"

    def test_deep_model_copy_shares_nothing(self) -> None:
        order = Order(number="1", tags=["a"])
        twin = order.model_copy(deep=True)
        twin.tags.append("b")
        assert order.tags == ["a"]


class TestEquality:
    def test_class_key_and_fields(self, db: BaseStorageAdapter, second: BaseStorageAdapter) -> None:
        note = Note(id="a", text="x")
        assert note == Note(id="a", text="x")
        assert note != Note(id="b", text="x")
        assert note != Note(id="a", text="y")
        assert note != "a"
        db.save(note)
        loaded = db.get(Note, "a")
        assert loaded == note == Note(id="a", text="x")
        loaded.stars = 1
        loaded.save()
        loaded.stars = 0
        assert loaded == note  # revisions do not count
        second.insert(Note(id="a", text="x"))
        assert second.get(Note, "a") == note

    def test_unknown_fields_do_not_count(self, db: BaseStorageAdapter) -> None:
        db.insert_many("notes", [{"id": "a", "text": "x", "stars": 0, "done": None, "more": 1}])
        assert db.get(Note, "a") == Note(id="a", text="x")

    def test_another_class_is_another_document(self) -> None:
        class Other(Document, collection="notes"):
            text: str = ""
            stars: int = 0
            done: bool | None = None

        assert Other(id="a") != Note(id="a")

    def test_documents_are_not_hashable_unless_frozen(self) -> None:
        class Frozen(Document, frozen=True):
            name: str

        with pytest.raises(TypeError, match="unhashable"):
            hash(Note())
        assert hash(Frozen(id="a", name="b")) == hash(Frozen(id="a", name="b"))


class TestReload:
    def test_it_is_brought_up_to_date(self, db: BaseStorageAdapter) -> None:
        order = Order(id="o", number="1", tags=["a"])
        db.save(order)
        other = db.get(Order, "o")
        other.tags = ["b"]
        other.customer.name = "Zoe"
        other.save()
        order.status = "unsaved"
        assert order.reload() is order
        assert order == other
        assert revision(order) == revision(other)
        assert order.changed_fields == frozenset()
        order.save()

    def test_extra_fields_too(self, db: BaseStorageAdapter) -> None:
        class Open(Document, extra="allow"):
            name: str = ""

        first = Open(id="a", colour="red")  # type: ignore[call-arg]
        db.save(first)
        second = db.get(Open, "a")
        second.colour = "blue"  # type: ignore[attr-defined]
        second.save()
        assert first != second
        assert first.reload() == second

    def test_a_new_document_with_the_key_of_a_stored_one(self, db: BaseStorageAdapter) -> None:
        db.save(Note(id="a", text="stored"))
        note = Note(id="a").reload(db)
        assert (note.text, note.is_new) == ("stored", False)

    def test_one_that_is_gone(self, db: BaseStorageAdapter) -> None:
        note = Note()
        db.save(note)
        db.delete(Note, note.id)
        with pytest.raises(DocumentNotFound):
            note.reload()


class TestStorages:
    @pytest.fixture(autouse=True)
    def nothing_configured(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        for name in os.environ:
            if name.startswith("DOCMAP_"):
                monkeypatch.delenv(name)
        monkeypatch.chdir(tmp_path)
        docmap.unconfigure()
        yield
        docmap.unconfigure()

    def test_no_storage_at_all(self) -> None:
        note = Note()
        for method in (note.save, note.insert, note.delete, note.reload):
            with pytest.raises(NoStorage, match="order.save"):
                method()

    def test_the_configured_one(self) -> None:
        docmap.configure({"default": "memory://"})
        note = Note(text="x")
        note.save()
        assert docmap.storage().get(Note, note.id) == note
        assert note.reload().delete()

    def test_a_copy_goes_to_the_configured_one(self, db: BaseStorageAdapter) -> None:
        docmap.configure({"default": db})
        note = Note()
        note.save()
        twin = copy.deepcopy(note)
        twin.text = "twin"
        twin.save()
        assert db.get(Note, note.id).text == "twin"

    def test_its_own_wins(self, db: BaseStorageAdapter) -> None:
        docmap.configure({"default": "memory://"})
        note = Note()
        note.save(db)
        note.text = "x"
        note.save()
        assert db.get(Note, note.id).text == "x"
        assert len(docmap.storage().collection(Note)) == 0

    def test_saving_into_a_second_one_inserts(
        self, db: BaseStorageAdapter, second: BaseStorageAdapter
    ) -> None:
        note = Note(text="x")
        note.save(db)
        first = revision(note)
        note.save(second)
        assert revision(note) != first
        note.text = "y"
        note.save()  # where it was saved last
        assert second.get(Note, note.id).text == "y"
        assert db.get(Note, note.id).text == "x"
        with pytest.raises(DuplicateKey):
            note.save(db)

    def test_deleting_from_a_second_one(
        self, db: BaseStorageAdapter, second: BaseStorageAdapter
    ) -> None:
        note = Note()
        note.save(db)
        with pytest.raises(InvalidValue, match="nothing to delete"):
            note.delete(second)
        with pytest.raises(InvalidValue, match="nothing to delete"):
            Note().delete(db)
        assert note.delete()

    def test_from_storage(self, db: BaseStorageAdapter) -> None:
        note = Note(text="x")
        note.save(db)
        assert Note.from_storage(db, note.id) == note
        with pytest.raises(DocumentNotFound):
            Note.from_storage(db, "nope")

    def test_an_abstract_class_has_no_records(self, db: BaseStorageAdapter) -> None:
        class Base(Document, abstract=True):
            name: str = ""

        for use in (lambda: db.save(Base()), lambda: db.find(Base), lambda: db.get(Base, "a")):
            with pytest.raises(InvalidModel, match="has no collection"):
                use()


class TestUndone:
    """A transaction that is undone takes back what its documents knew."""

    def test_a_new_document_is_new_again(self, full: BaseStorageAdapter) -> None:
        note, ticket = Note(), Ticket()
        with undone(full):
            note.save(full)
            full.insert_many([ticket])
            ticket.title = "saved twice"
            ticket.save()
        assert note.is_new
        assert ticket.is_new
        assert ticket.id is None
        full.save_many([note, ticket])
        assert full.get(Note, note.id) == note

    def test_a_loaded_one_can_be_saved_again(self, full: BaseStorageAdapter) -> None:
        note = Note(text="a")
        full.save(note)
        before = revision(note)
        with undone(full):
            note.text = "b"
            note.save()
            note.stars = 1
            note.save()
        assert revision(note) == before
        assert note.changed_fields == {"text", "stars"}
        note.save()
        assert full.get(Note, note.id).text == "b"

    def test_only_the_inner_one(self, full: BaseStorageAdapter) -> None:
        outer, inner = Note(), Note()
        with full.transaction():
            outer.save(full)
            with undone(full):
                inner.save(full)
            assert (outer.is_new, inner.is_new) == (False, True)
        assert full.find(Note).list() == [outer]

    def test_the_outer_one_takes_the_inner_with_it(self, full: BaseStorageAdapter) -> None:
        outer, inner = Note(), Note()
        with undone(full):
            outer.save(full)
            with full.transaction():
                inner.save(full)
        assert outer.is_new
        assert inner.is_new

    def test_nothing_of_another_storage(
        self, full: BaseStorageAdapter, second: BaseStorageAdapter
    ) -> None:
        note, other = Note(), Note()
        with undone(full):
            note.save(second)
            with second.transaction():
                other.save(second)
        for one in (note, other):
            assert not one.is_new
            one.save()

    def test_what_is_committed_stays(self, full: BaseStorageAdapter) -> None:
        note = Note()
        with full.transaction():
            note.save(full)
        assert not note.is_new
        note.delete()
