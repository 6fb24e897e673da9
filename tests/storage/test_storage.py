"""What a storage does beside queries: its life, documents by key, collections, transactions."""
# ruff: noqa: RUF012 - pydantic copies the defaults of a model

from __future__ import annotations

import threading
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import pytest

from docmap import (
    AlreadyConnected,
    BaseStorageAdapter,
    Document,
    DocumentNotFound,
    DuplicateKey,
    Index,
    InvalidModel,
    InvalidQuery,
    InvalidValue,
    NotConnected,
    ScanRefused,
    Unsupported,
    connect,
)
from docmap.storage.loading import schema_of, state_of
from tests.model.shop import Country, Customer, Note, Order, Ticket
from tests.storage.bare import Bare
from tests.storage.engines import MAKERS, undone


class TestLife:
    def test_a_with_block_closes_it(self) -> None:
        with Bare() as db:
            db.save(Note())
            assert db.ping()
        assert db.calls["connect"] == db.calls["disconnect"] == 1
        with db:
            assert db.calls["connect"] == 2

    def test_a_with_block_takes_an_open_one(self) -> None:
        db = Bare()
        db.connect()
        with db as same:
            assert same is db
        assert (db.calls["connect"], db.calls["disconnect"]) == (1, 1)

    def test_it_closes_after_an_exception(self) -> None:
        with pytest.raises(ZeroDivisionError), Bare() as db:
            raise ZeroDivisionError
        assert db.calls["disconnect"] == 1

    def test_connecting_twice(self, db: BaseStorageAdapter) -> None:
        with pytest.raises(AlreadyConnected, match="reconnect") as caught:
            db.connect()
        assert isinstance(caught.value, RuntimeError)
        assert caught.value.engine == db.scheme
        db.save(Note())

    def test_disconnecting_twice(self, db: BaseStorageAdapter) -> None:
        db.disconnect()
        db.disconnect()

    def test_reconnecting(self, tmp_path: Path) -> None:
        with connect(f"sqlite:///{tmp_path / 'a.db'}") as db:
            note = Note(text="x")
            db.save(note)
            db.reconnect()
            assert db.get(Note, note.id) == note
            db.disconnect()
            db.reconnect()
            assert db.get(Note, note.id) == note

    @pytest.mark.parametrize(
        "use",
        [
            lambda db: db.get(Note, "a"),
            lambda db: db.get_many(Note, ["a"]),
            lambda db: db.get_or_create(Note, text="x"),
            lambda db: db.save(Note()),
            lambda db: db.save(Note, {}),
            lambda db: db.save(Ticket()),
            lambda db: db.insert(Note()),
            lambda db: db.upsert(Note()),
            lambda db: db.insert_many([Note()]),
            lambda db: db.insert_many([]),
            lambda db: db.insert_many(Note, [{}]),
            lambda db: db.save_many([Note()]),
            lambda db: db.delete_many([Note()]),
            lambda db: db.delete(Note, "a"),
            lambda db: db.delete(Note()),
            lambda db: db.reload(Note()),
            lambda db: db.find(Note).list(),
            lambda db: db.find(Note).first(),
            lambda db: db.find(Note).count(),
            lambda db: len(db.find(Note)),
            lambda db: bool(db.find(Note)),
            lambda db: db.find(Note).values("text"),
            lambda db: db.find(Note).delete(),
            lambda db: db.find(Note)[0],
            lambda db: db.find(Note).explain(),
            lambda db: list(db.find("notes")),
            lambda db: db.collections(),
            lambda db: len(db.collection(Note)),
            lambda db: "a" in db.collection(Note),
            lambda db: db.collection(Note).clear(),
            lambda db: db.ensure_indexes(Note),
            lambda db: db.indexes(Note),
            lambda db: db.transaction().__enter__(),
            lambda db: db.clear(),
            lambda db: db.sync(),
            lambda db: db.ping(),
            lambda db: db.info(),
            lambda db: db.native,
        ],
    )
    @pytest.mark.parametrize("engine", MAKERS)
    def test_a_closed_one_says_so(
        self, tmp_path: Path, engine: str, use: Callable[[BaseStorageAdapter], object]
    ) -> None:
        db = MAKERS[engine](tmp_path)
        db.disconnect()
        with pytest.raises(NotConnected, match="not connected|closed") as caught:
            use(db)
        assert caught.value.engine == db.scheme

    def test_a_closed_one_can_still_build_queries(self) -> None:
        db = Bare()
        query = db.find(Note, text="x").order_by("stars")[:5]
        assert "text" in repr(query)
        with pytest.raises(InvalidQuery):
            db.find(Note, txt="x")
        assert db.abilities == frozenset()

    def test_clear_removes_everything(self, db: BaseStorageAdapter) -> None:
        db.save_many([Note(), Order(number="1")])
        db.insert_many("untyped", [{"a": 1}])
        db.clear()
        assert db.collections() == []
        assert db.find(Note).count() == 0
        db.save(Order(number="1"))
        with pytest.raises(DuplicateKey):
            db.save(Order(number="1"))

    def test_native_is_the_drivers_object(self, tmp_path: Path) -> None:
        with connect(f"sqlite:///{tmp_path / 'a.db'}") as db:
            assert db.native.execute("SELECT 1").fetchone() == (1,)

    def test_info(self, db: BaseStorageAdapter) -> None:
        db.sync()
        info = db.info()
        assert info["engine"] == db.scheme
        assert isinstance(info["url"], str)

    def test_abilities(self, full: BaseStorageAdapter) -> None:
        assert {"transactions", "counters", "indexes"} <= full.abilities
        assert Bare().abilities == frozenset()

    def test_repr_shows_engine_and_place(self, db: BaseStorageAdapter) -> None:
        assert repr(db).startswith(f"<{type(db).__name__} {db.scheme}://")


class TestGet:
    def test_a_missing_one_is_a_key_error(self, db: BaseStorageAdapter) -> None:
        for model in (Note, "notes"):
            with pytest.raises(DocumentNotFound) as caught:
                db.get(model, "nope")
            error = caught.value
            assert isinstance(error, KeyError)
            assert (error.collection, error.key, error.engine) == ("notes", "nope", db.scheme)
            assert "nope" not in str(error)

    def test_each_is_a_copy_of_its_own(self, db: BaseStorageAdapter) -> None:
        order = Order(id="o", number="1", tags=["a"])
        db.save(order)
        order.tags.append("unsaved")
        first, second = db.get(Order, "o"), db.get(Order, "o")
        assert first.tags == ["a"]
        first.tags.append("b")
        first.customer.name = "Zoe"
        assert second.tags == db.get(Order, "o").tags == ["a"]
        assert db.get(Order, "o").customer.name == "Ann"

    def test_many_in_the_order_of_the_keys(self, db: BaseStorageAdapter) -> None:
        db.save_many([Note(id=key) for key in "abcde"])
        found = db.get_many(Note, ["d", "nope", "a", "d", "b"])
        assert [note.id for note in found] == ["d", "a", "d", "b"]
        assert db.get_many(Note, []) == []
        assert db.get_many(Note, iter("ca"))[0].id == "c"
        assert not found[0].is_new
        found[0].text = "x"
        assert found[2].text == ""

    def test_more_than_a_statement_takes(self, db: BaseStorageAdapter) -> None:
        count = 60 if isinstance(db, Bare) else 1200
        keys = [f"{number:04}" for number in range(count)]
        db.insert_many(Note, [{"id": key} for key in keys])
        found = db.get_many(Note, keys[::-1])
        assert [note.id for note in found] == keys[::-1]

    def test_many_of_an_untyped_collection(self, db: BaseStorageAdapter) -> None:
        db.insert_many("things", [{"id": 1}, {"id": "1"}])
        assert db.get_many("things", ["1", 1, 2]) == [{"id": "1"}, {"id": 1}]

    def test_many_with_a_key_of_a_wrong_type(self, db: BaseStorageAdapter) -> None:
        with pytest.raises(InvalidValue, match=r"Note\.id"):
            db.get_many(Note, ["a", None])


class TestGetOrCreate:
    def test_it_finds_or_makes(self, db: BaseStorageAdapter) -> None:
        order, created = db.get_or_create(Order, number="1", defaults={"total": Decimal(5)})
        assert created
        assert (order.number, order.total) == ("1", Decimal(5))
        assert not order.is_new
        again, created = db.get_or_create(Order, number="1", defaults={"total": Decimal(9)})
        assert not created
        assert again == order == db.get(Order, order.id)

    def test_the_first_in_the_order_of_keys(self, db: BaseStorageAdapter) -> None:
        db.save_many([Note(id=key, stars=1) for key in ("c", "a", "b")])
        assert db.get_or_create(Note, stars=1)[0].id == "a"

    def test_lookups_choose_and_are_not_stored(self, db: BaseStorageAdapter) -> None:
        note, created = db.get_or_create(
            Note, text="x", stars__gt=5, done__is_null=True, defaults={"stars": 7}
        )
        assert created
        assert (note.text, note.stars) == ("x", 7)
        assert db.get_or_create(Note, text="x", stars__gt=5) == (note, False)

    @pytest.mark.parametrize("extra", ["allow", "forbid", "ignore"])
    def test_whatever_the_class_does_with_other_names(
        self, db: BaseStorageAdapter, extra: Literal["allow", "forbid", "ignore"]
    ) -> None:
        class Box(Document, extra=extra):
            size: int = 0

        box, created = db.get_or_create(Box, size__gte=5, defaults={"size": 7})
        assert created
        assert box == Box(id=box.id, size=7)
        assert set(db.find(Box).raw().one()) == {"id", "size"}

    def test_somebody_else_may_be_faster(self) -> None:
        class Race(Bare):
            def _scan(self, schema: Any) -> Any:
                found = super()._scan(schema)
                if self.calls["scan"] == 1:
                    self.insert_many(Note, [{"id": "theirs", "text": "same"}])
                return found

        with Race() as db:
            note, created = db.get_or_create(Note, text="same")
            assert (note.id, created) == ("theirs", False)

    def test_by_key(self, db: BaseStorageAdapter) -> None:
        note, created = db.get_or_create(Note, pk="a", text="x")
        assert (note.id, created) == ("a", True)
        assert db.get_or_create(Note, id="a") == (note, False)
        assert db.get_or_create(Country, pk="CL")[0].code == "CL"
        with pytest.raises(DuplicateKey):
            db.get_or_create(Note, id="a", text="another")

    def test_an_untyped_one(self, db: BaseStorageAdapter) -> None:
        thing, created = db.get_or_create("things", a=1, b__gt=0, defaults={"b": 2})
        assert created
        assert thing == {"id": thing["id"], "a": 1, "b": 2} == db.get("things", thing["id"])
        assert db.get_or_create("things", a=1, b__gt=0) == (thing, False)

    def test_what_does_not_validate_is_not_made(self, db: BaseStorageAdapter) -> None:
        with pytest.raises(InvalidValue, match=r"Order\.number is missing"):
            db.get_or_create(Order, status="new")
        with pytest.raises(InvalidQuery):
            db.get_or_create(Order, nmber="1")
        assert db.find(Order).count() == 0

    def test_a_conflict_with_another_document(self, db: BaseStorageAdapter) -> None:
        db.save(Order(number="1", status="new"))
        with pytest.raises(DuplicateKey):
            db.get_or_create(Order, number="1", status="paid")

    @pytest.mark.parametrize("engine", MAKERS)
    def test_many_threads_make_one(self, tmp_path: Path, engine: str) -> None:
        """Two storages on one file are as two programs."""
        with MAKERS[engine](tmp_path) as db:
            storages = [db, MAKERS[engine](tmp_path)] if engine == "file" else [db]
            made: list[bool] = []
            start = threading.Barrier(6)

            def make(storage: BaseStorageAdapter) -> None:
                start.wait()
                made.append(storage.get_or_create(Note, text="same")[1])

            threads = [
                threading.Thread(target=make, args=(storages[number % len(storages)],))
                for number in range(6)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert sorted(made) == [False] * 5 + [True]
            assert db.find(Note).count() == 1
            for other in storages[1:]:
                other.disconnect()


class TestSaveData:
    def test_it_creates_with_a_key_that_it_returns(self, db: BaseStorageAdapter) -> None:
        key = db.save(Order, {"number": "1", "customer": {"name": "Bob"}, "total": "5.50"})
        order = db.get(Order, key)
        assert (order.customer, order.total) == (Customer(name="Bob"), Decimal("5.50"))
        assert db.save(Note, {"id": "a"}) == "a"
        with pytest.raises(DuplicateKey):
            db.save(Note, {"id": "a"})

    def test_with_a_key_it_replaces_or_creates(self, db: BaseStorageAdapter) -> None:
        assert db.save(Note, {"text": "x", "stars": 1}, primary_key="a") == "a"
        assert db.save(Note, {"text": "y"}, primary_key="a") == "a"
        assert db.get(Note, "a") == Note(id="a", text="y")
        assert db.save(Note, {"id": "other", "text": "z"}, primary_key="a") == "a"
        assert [note.text for note in db.find(Note)] == ["z"]

    def test_it_is_validated(self, db: BaseStorageAdapter) -> None:
        with pytest.raises(InvalidValue, match=r"Note\.stars .*nothing was written") as caught:
            db.save(Note, {"stars": "many"})
        assert (caught.value.field, caught.value.collection) == ("stars", "notes")
        assert caught.value.engine == db.scheme
        with pytest.raises(InvalidValue, match=r"Order\.number is missing"):
            db.save(Order, {})
        assert db.find(Note).count() == 0

    @pytest.mark.parametrize(
        "data", [None, [], "x", 5, Note()], ids=lambda data: type(data).__name__
    )
    def test_data_is_a_dict(self, db: BaseStorageAdapter, data: Any) -> None:
        with pytest.raises(InvalidValue, match="takes a dict of the fields"):
            db.save(Note, data)

    def test_the_dict_is_left_as_it_is(self, db: BaseStorageAdapter) -> None:
        data = {"a": 1}
        db.save("things", data)
        db.save(Note, note := {"text": "x"}, primary_key="k")
        assert data == {"a": 1}
        assert note == {"text": "x"}

    def test_untyped(self, db: BaseStorageAdapter) -> None:
        key = db.save("things", {"a": Decimal("1.0")})
        assert db.get("things", key) == {"id": key, "a": Decimal("1.0")}
        assert db.save("things", {"b": 1}, primary_key=key) == key
        assert db.get("things", key) == {"id": key, "b": 1}
        assert db.save("things", {"id": 5}) == 5

    @pytest.mark.parametrize("what", [{"a": 1}, "things", 5, None, BaseStorageAdapter])
    def test_what_is_no_document(self, db: BaseStorageAdapter, what: Any) -> None:
        for write in (db.save, db.insert, db.upsert):
            with pytest.raises(InvalidModel, match="has no collection|a document is wanted here"):
                write(what)


class TestDelete:
    def test_it_says_whether_it_was_there(self, db: BaseStorageAdapter) -> None:
        db.save(Note(id="a"))
        assert db.delete(Note, "a") is True
        assert db.delete(Note, "a") is False
        assert db.delete("things", "a") is False

    def test_a_document(self, db: BaseStorageAdapter) -> None:
        note = Note()
        db.save(note)
        assert db.delete(note) is True
        assert db.find(Note).count() == 0

    def test_none_is_no_key(self, db: BaseStorageAdapter) -> None:
        with pytest.raises(InvalidValue, match=r"Note\.id is the key"):
            db.delete(Note, None)

    def test_a_new_document(self, db: BaseStorageAdapter) -> None:
        with pytest.raises(InvalidValue, match="not stored on") as caught:
            db.delete(Note())
        assert caught.value.engine == db.scheme


class TestCollections:
    def test_as_a_container(self, db: BaseStorageAdapter) -> None:
        notes = db.collection(Note)
        assert (len(notes), list(notes), bool(notes)) == (0, [], True)
        db.save_many([Note(id="a"), Note(id="b")])
        assert len(notes) == 2
        assert "a" in notes
        assert "c" not in notes
        assert 5 not in notes
        assert {note.id for note in notes} == {"a", "b"}
        assert notes.name == "notes"
        assert repr(notes) == f"<Collection notes on {db.scheme}>"
        assert notes.clear() == 2
        assert len(notes) == 0

    def test_an_untyped_one(self, db: BaseStorageAdapter) -> None:
        db.insert_many("things", [{"id": "a"}, {"id": 1}])
        things = db.collection("things")
        assert len(things) == 2
        assert "a" in things
        assert 1 in things
        assert "1" not in things
        assert True not in things

    def test_the_whole_collection_is_no_accidental_scan(self, db: BaseStorageAdapter) -> None:
        db.save_many([Note(id="a"), Note(id="b")])
        notes = db.options(allow_scan=False).collection(Note)
        assert len(notes) == len(list(notes)) == notes.clear() == 2

    def test_their_names_are_sorted(self, db: BaseStorageAdapter) -> None:
        assert db.collections() == []
        db.save_many([Order(number="1"), Note()])
        db.insert_many("a", [{"x": 1}])
        assert db.collections() == ["a", "notes", "orders"]

    @pytest.mark.parametrize("name", ["", "1", "a b", "x" * 49])
    def test_an_untyped_name_is_checked(self, db: BaseStorageAdapter, name: str) -> None:
        with pytest.raises(InvalidModel, match="cannot name a collection"):
            db.find(name)

    @pytest.mark.parametrize("what", [5, None, dict, Note(), [Note]])
    def test_what_has_no_collection(self, db: BaseStorageAdapter, what: Any) -> None:
        for use in (db.find, db.collection, db.indexes, lambda it: db.get(it, "a")):
            if not isinstance(what, Note):  # an instance knows its class
                with pytest.raises(InvalidModel, match="has no collection|document is wanted"):
                    use(what)


class TestIndexes:
    def test_declared_present_missing_extra(self, full: BaseStorageAdapter) -> None:
        class First(Document, collection="shared", indexes=[Index("a"), Index("b", unique=True)]):
            a: str = ""
            b: str | None = None

        class Second(Document, collection="shared", indexes=["a", "-c"]):
            a: str = ""
            c: int = 0

        declared = ["(a)", "unique (b)"]
        assert full.indexes(First)["declared"] == declared
        assert full.indexes(First)["missing"] == declared
        full.ensure_indexes(First)
        report = full.indexes(First)
        assert (sorted(report["present"]), report["missing"], report["extra"]) == (declared, [], [])
        assert full.collections() == ["shared"]
        second = full.indexes(Second)
        assert (second["missing"], len(second["extra"])) == (["(-c)"], 1)
        full.save(Second())
        assert full.indexes(Second)["missing"] == []
        assert len(full.indexes(First)["extra"]) == 1

    def test_ensure_indexes_looks_again(self) -> None:
        with connect("sqlite://") as db:
            db.ensure_indexes(Order)
            (name,) = {i.name for i in schema_of(Order).indexes if i.unique}
            db.native.execute(f"DROP INDEX {name}")
            assert db.indexes(Order)["missing"] == ["unique (number)"]
            db.ensure_indexes(Order)
            assert db.indexes(Order)["missing"] == []

    def test_a_collection_is_made_once(self) -> None:
        class Watched(Bare):
            def _ensure(self, schema: Any) -> None:
                self.calls["ensure"] += 1

        with Watched() as db:
            for _ in range(3):
                db.save(Note())
                db.find(Note).list()
            assert db.calls["ensure"] == 1
            db.ensure_indexes(Note, Order)
            assert db.calls["ensure"] == 3
            db.clear()
            db.save(Note())
            assert db.calls["ensure"] == 4

    def test_saving_makes_them(self, full: BaseStorageAdapter) -> None:
        full.save(Order(number="1"))
        assert full.indexes(Order)["missing"] == []

    def test_a_unique_one_over_what_is_there_already(self, full: BaseStorageAdapter) -> None:
        full.insert_many("shared", [{"b": "x"}, {"b": "x"}])

        class Unique(Document, collection="shared", indexes=[Index("b", unique=True)]):
            b: str

        with pytest.raises(DuplicateKey) as caught:
            full.ensure_indexes(Unique)
        assert caught.value.fields == ("b",)
        with pytest.raises(DuplicateKey):
            full.save(Unique(b="y"))
        assert len(full.collection(Unique)) == 2


class TestUnique:
    def test_null_and_missing_never_collide(self, db: BaseStorageAdapter) -> None:
        class Member(Document, collection="members", indexes=[Index("a", "b", unique=True)]):
            a: str | None = None
            b: str | None = None

        db.save_many([Member(), Member(), Member(a="x"), Member(a="x")])
        db.insert_many("members", [{"id": "1", "a": "x"}, {"id": "2", "a": "x", "b": None}])
        db.save(Member(a="x", b="y"))
        with pytest.raises(DuplicateKey):
            db.save(Member(a="x", b="y"))
        db.save(Member(a="x", b="z"))

    def test_on_a_list_no_element_is_in_two_documents(self, db: BaseStorageAdapter) -> None:
        class Team(Document, collection="teams", indexes=[Index("members", unique=True)]):
            members: list[str] = []

        db.save_many([Team(), Team(), Team(members=["a", "a", "b"])])
        with pytest.raises(DuplicateKey):
            db.save(Team(members=["c", "b"]))
        team = Team(members=["c"])
        db.save(team)
        team.members.append("d")
        team.save()
        team.members.append("a")
        with pytest.raises(DuplicateKey):
            team.save()

    def test_a_save_of_the_same_document_does_not_collide(self, db: BaseStorageAdapter) -> None:
        order = Order(number="1")
        db.save(order)
        order.status = "paid"
        order.save()
        db.upsert(order)
        order.number = "2"
        order.save()
        db.save(Order(number="1"))


class TestOptions:
    def test_a_view_shares_everything_but_the_option(self, db: BaseStorageAdapter) -> None:
        strict = db.options(allow_scan=False)
        db.save(Note(id="a", text="x"))
        with pytest.raises(ScanRefused):
            strict.find(Note, text="x").list()
        assert db.find(Note, text="x").count() == 1
        assert strict.get(Note, "a").text == "x"
        assert strict.options(allow_scan=True).find(Note, text="x").count() == 1
        assert strict.find(Note, text="x").options(allow_scan=True).count() == 1
        assert (db.allow_scan, strict.allow_scan) == (True, False)
        assert strict.same(db)
        assert repr(strict) == repr(db)

    def test_a_document_is_at_home_in_both(self, db: BaseStorageAdapter) -> None:
        strict = db.options(allow_scan=False)
        note = Note()
        strict.save(note)
        note.text = "x"
        db.save(note)
        strict.delete(note)

    def test_they_close_and_open_together(self, db: BaseStorageAdapter) -> None:
        strict = db.options(allow_scan=False)
        strict.reconnect()
        db.save(Note())
        db.disconnect()
        with pytest.raises(NotConnected):
            strict.save(Note())
        strict.connect()
        db.save(Note())

    def test_a_transaction_of_one_holds_the_other(self, full: BaseStorageAdapter) -> None:
        strict = full.options(allow_scan=False)
        with undone(strict):
            full.save(Note())
            strict.save(Note())
        assert full.find(Note).count() == 0


class TestTransactions:
    def test_all_or_nothing(self, full: BaseStorageAdapter) -> None:
        full.save(Note(id="old", text="before"))
        with undone(full):
            full.save(Note(id="new"))
            full.insert_many(Note, [{"id": "bulk"}])
            old = full.get(Note, "old")
            old.text = "after"
            old.save()
            full.find(Note, id="bulk").delete()
            full.save(Order(number="1"))
        assert [(note.id, note.text) for note in full.find(Note)] == [("old", "before")]
        assert full.find(Order).count() == 0

    def test_its_own_writes_are_seen_inside(self, full: BaseStorageAdapter) -> None:
        full.save(Note(id="a", stars=1))
        with full.transaction():
            full.save(Note(id="b", stars=2))
            full.delete(Note, "a")
            assert full.get(Note, "b").stars == 2
            assert full.find(Note).count() == 1
            assert [note.id for note in full.find(Note).order_by("stars")] == ["b"]
            assert full.find(Note).values("stars") == [2]
            assert not full.find(Note, id="a").exists()
            assert "a" not in full.collection(Note)
        assert full.find(Note).values("stars") == [2]

    def test_an_error_of_docmap_undoes_it_too(self, full: BaseStorageAdapter) -> None:
        taken = [Note(id="a"), Note(id="a")]
        with pytest.raises(DuplicateKey), full.transaction():
            [full.save(note) for note in taken]
        assert full.find(Note).count() == 0

    def test_an_error_that_is_caught_inside_does_not(self, full: BaseStorageAdapter) -> None:
        with full.transaction():
            full.save(Note(id="a", text="first"))
            with pytest.raises(DuplicateKey):
                full.save(Note(id="a"))
            with pytest.raises(InvalidValue):
                full.save(Note, {"stars": "x"})
            full.save(Note(id="b"))
        assert {note.id: note.text for note in full.find(Note)} == {"a": "first", "b": ""}

    def test_one_inside_another(self, full: BaseStorageAdapter) -> None:
        with full.transaction():
            full.save(Note(id="a"))
            with undone(full):
                full.save(Note(id="b"))
                full.delete(Note, "a")
            with full.transaction():
                full.save(Note(id="c"))
        assert sorted(note.id for note in full.find(Note)) == ["a", "c"]

    def test_the_first_write_to_a_collection_is_undone_with_it(
        self, full: BaseStorageAdapter
    ) -> None:
        with undone(full):
            full.save(Order(number="1"))
        full.save(Order(number="1"))
        with pytest.raises(DuplicateKey):
            full.save(Order(number="1"))

    def test_other_threads_wait_or_do_not_see(self, full: BaseStorageAdapter) -> None:
        full.save(Note(id="a"))
        seen: list[int] = []

        def look() -> None:
            seen.append(full.find(Note).count())

        thread = threading.Thread(target=look)
        with undone(full):
            full.save(Note(id="b"))
            thread.start()
            thread.join(0.2)
        thread.join()
        assert seen == [1]

    def test_an_engine_without_them_says_so(self) -> None:
        with Bare() as db, pytest.raises(Unsupported, match="no transactions") as caught:
            db.transaction().__enter__()
        assert caught.value.engine == "bare"


class TestHooksOfTheSmallestAdapter:
    """What an adapter does not override works, from seven hooks."""

    def test_a_get_scans(self) -> None:
        with Bare() as db:
            db.save(Note(id="a"))
            db.calls.clear()
            db.get(Note, "a")
            assert db.calls == {"scan": 1}

    @pytest.mark.parametrize("hook", ["_scan", "_put", "_remove", "_collections", "_clear"])
    def test_a_missing_hook_is_named(self, hook: str) -> None:
        # Python looks in the bases first: what the adapter lacks is the general form again.
        broken = type("Broken", (Bare,), {hook: getattr(BaseStorageAdapter, hook)})

        def use(db: BaseStorageAdapter) -> None:
            db.collections()
            db.save(Note(id="a"))
            db.delete(Note, "a")
            db.clear()

        with broken() as db, pytest.raises(Unsupported, match="Broken has no hook for") as caught:
            use(db)
        assert caught.value.engine == "bare"

    def test_a_revision_is_kept_beside_the_bytes(self) -> None:
        with Bare() as db:
            note = Note(id="a")
            db.save(note)
            state = state_of(note)
            assert state is not None
            assert db.tables["notes"]["a"] == (state.data, state.revision)
