"""Keys: made, counted, given, taken, changed."""

from __future__ import annotations

import copy
import time
from typing import Annotated
from uuid import UUID, uuid4

import pytest
from pydantic import Field, ValidationError

from docmap import (
    BaseStorageAdapter,
    Document,
    DocumentNotFound,
    DuplicateKey,
    InvalidModel,
    InvalidQuery,
    InvalidValue,
    ObjectId,
    StaleDocument,
    Stored,
    Unsupported,
)
from tests.model.shop import Country, Note, Order, Ticket
from tests.storage.bare import Bare
from tests.storage.engines import undone


class Blob(Document, collection="blobs"):
    id: ObjectId
    size: int = 0


class Device(Document, collection="devices"):
    id: UUID
    name: str = ""


class Badge(Document, collection="badges"):
    id: str
    owner: str = ""


class Counted(Document, collection="counted"):
    id: int | None = None


class Renamed(Document, collection="renamed"):
    id: Annotated[str, Stored("_key")]
    name: str = ""


class TestDefault:
    def test_it_is_a_time_ordered_uuid_as_text(self) -> None:
        first = Note()
        time.sleep(0.002)
        second = Note()
        assert type(first.id) is str
        assert UUID(first.id).version == 7
        assert str(UUID(first.id)) == first.id
        assert first.id < second.id
        assert first.pk == first.id

    def test_many_are_distinct_and_in_the_order_of_their_milliseconds(self) -> None:
        keys = [Note().id for _ in range(1000)]
        assert len(set(keys)) == 1000
        times = [key[:13] for key in keys]
        assert times == sorted(times)

    def test_a_given_one_is_kept(self, db: BaseStorageAdapter) -> None:
        assert db.save(Note(id="mine")) == "mine"
        assert db.get(Note, "mine").id == "mine"

    def test_text_that_looks_like_an_objectid_stays_text(self, db: BaseStorageAdapter) -> None:
        key = "5f43a1b2c3d4e5f6a7b8c9d0"
        db.save(Note(id=key))
        assert db.get(Note, key).id == key
        assert type(db.find(Note).values("id")[0]) is str

    def test_declared_as_str_it_is_made_too(self, db: BaseStorageAdapter) -> None:
        badge = Badge(owner="Ann")  # type: ignore[call-arg]
        assert UUID(badge.id).version == 7
        assert db.get(Badge, db.save(badge)) == badge

    def test_with_a_storage_name_it_is_made_too(self, db: BaseStorageAdapter) -> None:
        document = Renamed(name="a")  # type: ignore[call-arg]
        db.save(document)
        assert db.get(Renamed, document.id) == document
        assert db.find(Renamed, id=document.id).raw().one() == {"_key": document.id, "name": "a"}
        assert db.delete(Renamed, document.id)

    @pytest.mark.parametrize(
        "key", ["", " ", "é", "a/b", "a'b\"c", "x" * 512, "-1", "\n", "日" * 170]
    )
    def test_any_text_up_to_512_bytes_is_a_key(self, db: BaseStorageAdapter, key: str) -> None:
        db.save(Note(id=key, text="x"))
        assert db.get(Note, key).id == key
        assert key in db.collection(Note)
        assert db.delete(Note, key)

    @pytest.mark.parametrize("key", ["x" * 513, "日" * 171, "a\0b", "\ud800"])
    def test_no_other_text_is(self, db: BaseStorageAdapter, key: str) -> None:
        with pytest.raises(InvalidValue) as caught:
            db.save(Note.model_construct(id=key, text="", stars=0, done=None))
        assert caught.value.collection == "notes"
        with pytest.raises(InvalidValue):
            db.get(Note, key)
        assert len(db.collection(Note)) == 0

    @pytest.mark.parametrize("key", [1, True, None, 1.5, ["x"]])
    def test_a_key_of_another_type_is_refused(self, db: BaseStorageAdapter, key: object) -> None:
        with pytest.raises(InvalidValue, match="Note.id"):
            db.get(Note, key)
        with pytest.raises(InvalidValue, match="Note.id"):
            db.delete(Note, key)
        assert key not in db.collection(Note)


class TestCounted:
    def test_the_storage_counts_from_one(self, full: BaseStorageAdapter) -> None:
        assert [full.save(Ticket(title="a")) for _ in range(3)] == [1, 2, 3]

    def test_it_is_none_until_then(self, full: BaseStorageAdapter) -> None:
        ticket = Ticket(title="a")
        assert ticket.pk is None
        full.save(ticket)
        assert ticket.pk == ticket.id == 1

    def test_given_ones_are_counted_over(self, full: BaseStorageAdapter) -> None:
        full.save(Ticket(id=10))
        assert full.save(Ticket()) == 11
        full.save(Ticket(id=5))
        assert full.save(Ticket()) == 12

    def test_given_ones_in_bulk_are_counted_over(self, full: BaseStorageAdapter) -> None:
        full.insert_many([Ticket(id=7), Ticket(id=3)])
        assert full.insert_many([Ticket(), Ticket()]) == [8, 9]

    def test_a_mix_in_one_call(self, full: BaseStorageAdapter) -> None:
        assert full.insert_many(Ticket, [{"id": 4}, {"title": "x"}]) in ([4, 1], [4, 5])
        assert full.save(Ticket()) > 4

    def test_none_is_used_twice(self, full: BaseStorageAdapter) -> None:
        first, last = Ticket(), Ticket()
        full.save_many([first, last])
        last.delete()
        assert full.save(Ticket()) == 3
        full.find(Ticket).delete()
        assert full.save(Ticket()) == 4

    def test_clear_sets_the_counter_back(self, full: BaseStorageAdapter) -> None:
        full.save_many([Ticket(), Ticket(id=90), Ticket()])
        full.clear()
        assert [full.save(Ticket()), full.save(Ticket(id=5)), full.save(Ticket())] == [1, 5, 6]

    def test_clearing_the_collection_does_not(self, full: BaseStorageAdapter) -> None:
        full.save_many([Ticket(), Ticket()])
        full.collection(Ticket).clear()
        assert full.save(Ticket()) == 3

    def test_an_undone_transaction_leads_to_no_repeats(self, full: BaseStorageAdapter) -> None:
        full.save(Ticket())
        with undone(full):
            full.save(Ticket(id=100))
            full.save(Ticket())
        keys = [full.save(Ticket()), full.save(Ticket(id=50))]
        keys += [full.save(Ticket()) for _ in range(60)]
        assert len(set(keys)) == len(keys)

    def test_each_collection_has_its_own(self, full: BaseStorageAdapter) -> None:
        assert [full.save(Ticket()), full.save(Counted()), full.save(Ticket())] == [1, 1, 2]

    def test_negative_and_large_ones(self, full: BaseStorageAdapter) -> None:
        full.save_many([Ticket(id=-5), Ticket(id=2**62)])
        assert [ticket.id for ticket in full.find(Ticket).order_by("id")] == [-5, 2**62]
        assert full.save(Ticket()) == 2**62 + 1

    def test_an_engine_without_counters_says_so(self) -> None:
        with Bare() as db:
            with pytest.raises(Unsupported, match="does not count keys") as caught:
                db.save(Ticket())
            assert (caught.value.field, caught.value.collection) == ("id", "tickets")
            assert db.save(Ticket(id=4)) == 4

    @pytest.mark.parametrize("key", ["1", 1.0])
    def test_a_key_that_is_the_same_number_is_found(
        self, full: BaseStorageAdapter, key: object
    ) -> None:
        full.save(Ticket(title="a"))
        assert full.get(Ticket, key).title == "a"

    @pytest.mark.parametrize("key", ["x", 1.5, True, 2**63])
    def test_what_is_no_such_number_is_refused(self, full: BaseStorageAdapter, key: object) -> None:
        full.save(Ticket(title="a"))
        with pytest.raises(InvalidValue, match=r"Ticket\.id"):
            full.get(Ticket, key)


class TestMadeAndGiven:
    def test_an_objectid_is_made(self, db: BaseStorageAdapter) -> None:
        blob = Blob(size=1)  # type: ignore[call-arg]
        assert isinstance(blob.id, ObjectId)
        assert db.save(blob) == blob.id
        assert db.get(Blob, blob.id) == blob
        assert db.get(Blob, str(blob.id)) == blob

    def test_a_uuid_must_be_given(self, db: BaseStorageAdapter) -> None:
        with pytest.raises(ValidationError):
            Device(name="a")  # type: ignore[call-arg]
        key = uuid4()
        db.save(Device(id=key, name="a"))
        assert db.get(Device, key).id == key
        assert db.get(Device, str(key).upper()).id == key
        assert db.find(Device, id=key).values("id") == [key]

    def test_a_key_of_another_name_must_be_given(self, db: BaseStorageAdapter) -> None:
        with pytest.raises(ValidationError):
            Country(name="Chile")  # type: ignore[call-arg]
        with pytest.raises(InvalidValue, match=r"Country\.code is the key and must be given"):
            db.save(Country.model_construct(code=None, name="Chile"))
        assert db.save(Country(code="CL")) == "CL"

    def test_then_there_is_no_id(self, db: BaseStorageAdapter) -> None:
        chile = Country(code="CL", name="Chile")
        assert set(Country.model_fields) == {"code", "name"}
        assert set(chile.model_dump()) == {"code", "name"}
        assert not hasattr(chile, "id")
        assert not hasattr(Country, "id")
        assert chile.pk == "CL"
        with pytest.raises(InvalidQuery):
            db.find(Country, id="CL")
        db.save(chile)
        assert db.find(Country, pk="CL").one() == chile
        assert db.find(Country).raw().one() == {"code": "CL", "name": "Chile"}

    def test_a_counted_key_of_another_name(self, full: BaseStorageAdapter) -> None:
        class Page(Document, collection="numbered", key="number"):
            number: int
            text: str = ""

        assert full.insert_many(Page, [{"text": "a"}, {"text": "b"}]) == [1, 2]

    def test_a_bare_int_is_counted(self, full: BaseStorageAdapter) -> None:
        class Plain(Document):
            id: int

        plain = Plain()  # type: ignore[call-arg]
        assert plain.id is None
        assert [full.save(plain), full.save(Plain(id=5)), plain.id] == [1, 5, 1]

    def test_an_optional_int_is_counted(self, full: BaseStorageAdapter) -> None:
        assert [full.save(Counted()), full.save(Counted())] == [1, 2]

    def test_a_default_factory_of_the_class_is_used(self, db: BaseStorageAdapter) -> None:
        class Session(Document, collection="sessions"):
            id: UUID = Field(default_factory=uuid4)

        session = Session()
        assert db.get(Session, db.save(session)) == session

    @pytest.mark.parametrize(
        "kind", [float, bool, list[str], dict[str, str], bytes, str | int, Note], ids=str
    )
    def test_other_types_are_refused_with_the_class(self, kind: object) -> None:
        with pytest.raises(InvalidModel, match="is the key and cannot be"):
            type(
                "Odd",
                (Document,),
                {"__annotations__": {"id": kind}, "__module__": __name__},
            )

    def test_a_key_field_that_is_missing_is_refused(self) -> None:
        with pytest.raises(InvalidModel, match="has no field 'nope' to be its key") as caught:

            class Odd(Document, key="nope"):
                name: str

        assert caught.value.field == "nope"


class TestTaken:
    def test_save_of_a_new_document(self, db: BaseStorageAdapter) -> None:
        db.save(Note(id="a", text="first"))
        with pytest.raises(DuplicateKey, match="already") as caught:
            db.save(Note(id="a", text="second"))
        error = caught.value
        assert (error.collection, error.fields, error.key) == ("notes", ("id",), "a")
        assert error.engine == db.scheme
        assert db.get(Note, "a").text == "first"

    def test_insert_of_a_loaded_document(self, db: BaseStorageAdapter) -> None:
        db.save(Note(id="a", text="first"))
        with pytest.raises(DuplicateKey):
            db.insert(db.get(Note, "a"))

    def test_upsert_replaces(self, db: BaseStorageAdapter) -> None:
        db.save(Note(id="a", text="first"))
        other = Note(id="a", text="second")
        assert db.upsert(other) == "a"
        assert db.get(Note, "a").text == "second"
        other.text = "third"
        other.save()
        assert db.upsert(Note(id="b")) == "b"
        assert len(db.collection(Note)) == 2

    def test_upsert_is_over_any_revision(self, db: BaseStorageAdapter) -> None:
        db.save(Note(id="a", text="first"))
        old, new = db.get(Note, "a"), db.get(Note, "a")
        new.stars = 1
        new.save()
        old.text = "old"
        db.upsert(old)
        assert (db.get(Note, "a").text, db.get(Note, "a").stars) == ("old", 0)
        with pytest.raises(StaleDocument):
            new.save()

    def test_a_taken_unique_value(self, db: BaseStorageAdapter) -> None:
        db.save(Order(number="A"))
        with pytest.raises(DuplicateKey) as caught:
            db.save(Order(number="A"))
        assert caught.value.fields == ("number",)
        assert caught.value.index
        second = Order(number="B")
        db.save(second)
        second.number = "A"
        with pytest.raises(DuplicateKey):
            second.save()
        with pytest.raises(DuplicateKey):
            db.upsert(second)
        assert db.find(Order).values("number") == ["A", "B"]
        assert db.get(Order, second.id).number == "B"


class TestChanged:
    def test_a_loaded_document_keeps_its_key(self, db: BaseStorageAdapter) -> None:
        db.save(Note(id="a", text="mine"))
        loaded = db.get(Note, "a")
        loaded.id = "b"
        with pytest.raises(StaleDocument, match=r"Note\.id was changed") as caught:
            loaded.save()
        assert caught.value.field == "id"
        assert sorted(note.id for note in db.find(Note)) == ["a"]

    def test_it_never_overwrites_another(self, db: BaseStorageAdapter) -> None:
        """Not even one whose revision happens to be the same, as that of foreign records is."""
        first, second = Note(id="a", text="first"), Note(id="b", text="second")
        db.save_many([first, second])
        object.__setattr__(first, "__docmap_state__", second.__docmap_state__)  # type: ignore[attr-defined]
        first.id = "b"
        assert first.save() == "b"  # as the owner of that record
        second = db.get(Note, "b")
        loaded = db.get(Note, "a")
        state = loaded.__docmap_state__._replace(revision=second.__docmap_state__.revision)  # type: ignore[attr-defined]
        object.__setattr__(loaded, "__docmap_state__", state)
        loaded.id = "b"
        for save in (lambda: db.save(loaded), lambda: db.save_many([loaded])):
            with pytest.raises(StaleDocument, match="was changed since"):
                save()
        assert db.get(Note, "b") == second

    def test_a_counted_one_neither(self, full: BaseStorageAdapter) -> None:
        full.save_many([Ticket(title="2"), Ticket(title="1")])
        loaded = full.get(Ticket, 1)
        state = full.get(Ticket, 2).__docmap_state__  # type: ignore[attr-defined]
        loaded.id = 2
        mine = loaded.__docmap_state__._replace(revision=state.revision)  # type: ignore[attr-defined]
        object.__setattr__(loaded, "__docmap_state__", mine)
        with pytest.raises(StaleDocument, match="was changed since"):
            loaded.save()

    def test_a_copy_under_a_new_key_is_the_way_out(self, db: BaseStorageAdapter) -> None:
        db.save(Note(id="a", text="mine"))
        loaded = db.get(Note, "a")
        db.insert(loaded.model_copy(update={"id": "b"}))
        assert loaded.delete()
        assert [note.id for note in db.find(Note)] == ["b"]
        with pytest.raises(DocumentNotFound):
            db.get(Note, "a")

    def test_a_deepcopy_is_the_same_document(self, db: BaseStorageAdapter) -> None:
        db.save(Note(id="a"))
        twin = copy.deepcopy(db.get(Note, "a"))
        twin.id = "b"
        with pytest.raises(StaleDocument):
            db.save(twin)
