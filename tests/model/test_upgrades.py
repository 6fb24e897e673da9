"""Upgrades: records of older versions, brought up to date on reading and in place."""

# ruff: noqa: RUF012 - pydantic copies the defaults of a model

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from docmap import (
    BaseStorageAdapter,
    BigInt,
    Document,
    Indexed,
    InvalidModel,
    InvalidRecord,
    Stored,
    upgrade,
)
from tests.model.vehicles import raw


class Person(Document, collection="people", version=3):
    first: str
    last: str
    email: Annotated[str | None, Indexed(unique=True)] = None
    balance: Decimal = Decimal(0)
    big: BigInt = 0
    tags: Annotated[list[str], Stored("labels")] = []

    @upgrade(to=2)
    @staticmethod
    def _(record: dict[str, Any]) -> dict[str, Any]:
        record["first"], _, record["last"] = record.pop("name").partition(" ")
        return record

    @upgrade(to=3)
    @staticmethod
    def _(record: dict[str, Any]) -> dict[str, Any]:
        record["balance"] = Decimal(record.get("balance") or 0) / 100
        if "mail" in record:
            record["email"] = record.pop("mail")
        record["labels"] = {"vip"} if record.pop("vip", False) else set()
        return record


OLD: dict[str, Any] = {
    "1": {"name": "Ann Lee", "balance": 250, "vip": True, "note": {"kept": [1]}},
    "2": {"first": "Bob", "last": "Ray", "balance": 1050, "_version": 2, "email": "b@x"},
    "3": {"first": "Cy", "last": "Day", "balance": "3.50", "_version": 3, "labels": []},
}


@pytest.fixture
def old(db: BaseStorageAdapter) -> BaseStorageAdapter:
    for key, record in OLD.items():
        db.save("people", record, key)
    return db


def names(db: BaseStorageAdapter) -> list[tuple[str, str, Decimal, list[str]]]:
    """What the documents hold, in the order of their keys."""
    return [(p.first, p.last, p.balance, p.tags) for p in db.find(Person).order_by("id")]


ANSWER = [
    ("Ann", "Lee", Decimal("2.50"), ["vip"]),
    ("Bob", "Ray", Decimal("10.50"), []),
    ("Cy", "Day", Decimal("3.50"), []),
]


class TestOnReading:
    def test_each_step_above_the_version_runs_in_order(self, old: BaseStorageAdapter) -> None:
        assert names(old) == ANSWER
        assert [old.get(Person, key).first for key in "123"] == ["Ann", "Bob", "Cy"]
        assert [p.first for p in old.get_many(Person, ["3", "1"])] == ["Cy", "Ann"]
        assert "_version" not in raw(old, "people", "1")  # reading writes nothing

    def test_conditions_see_what_is_stored(self, old: BaseStorageAdapter) -> None:
        assert old.find(Person, first="Ann").count() == 0
        assert [p.id for p in old.find(Person, first="Bob")] == ["2"]

    def test_views_see_the_upgraded_record(self, old: BaseStorageAdapter) -> None:
        class Name(BaseModel):
            first: str

        assert [one.first for one in old.find(Person).order_by("id").view(Name)] == [
            "Ann",
            "Bob",
            "Cy",
        ]

    def test_saving_stores_the_new_version(self, old: BaseStorageAdapter) -> None:
        ann = old.get(Person, "1")
        assert ann.changed_fields == frozenset()
        ann.last = "Low"
        assert ann.changed_fields == {"last"}
        ann.save()
        assert raw(old, "people", "1") == {
            "id": "1",
            "_version": 3,
            "first": "Ann",
            "last": "Low",
            "email": None,
            "balance": "2.5",
            "big": "0",
            "labels": ["vip"],
            "note": {"kept": [1]},
        }
        old.get(Person, "1").save()
        assert names(old)[0] == ("Ann", "Low", Decimal("2.50"), ["vip"])

    def test_a_new_document_is_of_the_version(self, db: BaseStorageAdapter) -> None:
        key = Person(first="a", last="b", big=10**30).save(db)
        assert raw(db, "people", key)["_version"] == 3
        assert db.get(Person, key).big == 10**30

    def test_what_a_step_leaves_alone_stays_exact(self, db: BaseStorageAdapter) -> None:
        value = {"name": "a b", "big": "1" + "0" * 30, "extra": {"$date": "x"}, "f": 1.5}
        db.save("people", value, "1")
        assert db.get(Person, "1").big == 10**30
        db.upgrade(Person)
        assert raw(db, "people", "1")["extra"] == {"$date": "x"}

    def test_a_newer_record_is_refused(self, db: BaseStorageAdapter) -> None:
        db.save("people", {"first": "a", "last": "b", "_version": 4}, "1")
        for read in (lambda: db.get(Person, "1"), db.find(Person).list):
            with pytest.raises(InvalidRecord, match="is of version 4.*update the program") as got:
                read()
            assert (got.value.key, got.value.field) == ("1", "_version")
        with pytest.raises(InvalidRecord, match="update the program"):
            db.upsert(Person(id="1", first="x", last="y"))
        assert db.upgrade(Person).outdated == 0

    @pytest.mark.parametrize("version", ["2", 0, 1.5, True])
    def test_what_is_no_version(self, db: BaseStorageAdapter, version: Any) -> None:
        db.save("people", {"first": "a", "last": "b", "_version": version}, "1")
        with pytest.raises(InvalidRecord, match="no whole number from 1"):
            db.get(Person, "1")

    def test_a_step_that_fails(self, db: BaseStorageAdapter) -> None:
        db.save("people", {"surname": "secret"}, "1")
        with pytest.raises(InvalidRecord, match=r"upgraded to version 2: _ \(line") as caught:
            db.get(Person, "1")
        assert isinstance(caught.value.__cause__, KeyError)
        assert "secret" not in str(caught.value)
        assert db.find(Person).on_invalid("skip").list() == []

    def test_what_a_step_may_not_return(self, db: BaseStorageAdapter) -> None:
        class Odd(Document, version=4):
            a: int = 0

            @upgrade(to=2)
            @staticmethod
            def two(record: dict[str, Any]) -> Any:
                return None if record.get("mode") == 1 else record

            @upgrade(to=3)
            @staticmethod
            def three(record: dict[str, Any]) -> dict[str, Any]:
                return {**record, "id": "x"} if record.get("mode") == 2 else record

            @upgrade(to=4)
            @staticmethod
            def four(record: dict[str, Any]) -> dict[str, Any]:
                return {**record, "a": object()} if record.get("mode") == 3 else record

        for mode, text in ((1, "two .*returned NoneType"), (2, "another key"), (3, "a .*object")):
            db.save("odd", {"mode": mode}, "1")
            with pytest.raises(InvalidRecord, match=text):
                db.get(Odd, "1")
        db.save("odd", {"mode": 4}, "1")
        assert db.get(Odd, "1").a == 0

    def test_a_class_without_version_keeps_what_it_does_not_know(
        self, db: BaseStorageAdapter
    ) -> None:
        class Older(Document, collection="people", indexes=[]):
            first: str
            last: str

        key = Person(first="a", last="b", tags=["x"]).save(db)
        found = db.get(Older, key)
        found.first = "c"
        found.save()
        assert raw(db, "people", key)["_version"] == 3
        assert db.get(Person, key).tags == ["x"]

    def test_version_one_reads_what_has_none(self, db: BaseStorageAdapter) -> None:
        class First(Document, version=1):
            a: int = 0

        db.save("first", {"a": 1}, "1")
        db.save("first", {"a": 1, "_version": 2}, "2")
        assert db.get(First, "1").a == 1
        with pytest.raises(InvalidRecord, match="update the program"):
            db.get(First, "2")
        assert db.upgrade(First).outdated == 0

    def test_updates_see_the_record_of_the_version(self, old: BaseStorageAdapter) -> None:
        old.find(Person, id="1").update(last="Fox")
        assert names(old)[0] == ("Ann", "Fox", Decimal("2.50"), ["vip"])


class TestInPlace:
    def test_all_that_are_older(self, old: BaseStorageAdapter) -> None:
        told: list[int] = []
        dry = old.upgrade(Person, dry_run=True)
        assert (dry.outdated, dry.upgraded, dry.failed, dry.dry_run) == (2, 2, 0, True)
        assert "_version" not in raw(old, "people", "1")
        report = old.upgrade(Person, batch_size=1, progress=told.append)
        assert (report.outdated, report.upgraded, report.failed) == (2, 2, 0)
        assert (report.collection, report.version, told) == ("people", 3, [1, 1])
        assert names(old) == ANSWER
        assert {raw(old, "people", key)["_version"] for key in "123"} == {3}
        assert "name" not in raw(old, "people", "1")
        assert raw(old, "people", "1")["note"] == {"kept": [1]}
        assert old.find(Person, first="Ann").count() == 1
        assert old.upgrade(Person).upgraded == 0

    def test_what_cannot_be_upgraded_stays(self, old: BaseStorageAdapter) -> None:
        old.save("people", {"surname": "x"}, "4")
        old.save("people", {"name": "D E", "mail": "b@x"}, "5")
        report = old.upgrade(Person)
        assert (report.outdated, report.upgraded, report.failed) == (4, 2, 2)
        assert [error.key for error in report.errors] == ["4", "5"]
        assert raw(old, "people", "4") == {"id": "4", "surname": "x"}
        assert old.upgrade(Person).failed == 2

    def test_of_a_family(self, db: BaseStorageAdapter) -> None:
        class Animal(Document, version=2):
            name: str = ""

            @upgrade(to=2)
            @staticmethod
            def _(record: dict[str, Any]) -> dict[str, Any]:
                return {**record, "name": record["name"] + "!"}

        class Dog(Animal):
            tricks: list[str] = []

            @upgrade(to=2)
            @staticmethod
            def _(record: dict[str, Any]) -> dict[str, Any]:
                return {**record, "tricks": [record["name"]]}

        db.insert_many("animal", [{"id": "1", "name": "a"}, {"id": "2", "name": "d"}])
        db.save("animal", {"name": "d", "_class": "Dog"}, "2")
        answer = [Animal(id="1", name="a!"), Dog(id="2", name="d!", tricks=["d!"])]
        assert db.find(Animal).order_by("id").list() == answer
        assert db.upgrade(Dog).upgraded == 1
        assert db.upgrade(Animal).upgraded == 1
        assert db.find(Animal).order_by("id").list() == answer
        assert raw(db, "animal", "2")["_class"] == "Dog"

    def test_beside_writers(self, full: BaseStorageAdapter) -> None:
        """Between the reading and the writing of a batch a record is saved by somebody else."""
        full.insert_many("people", [{"id": f"{n:03}", "name": f"P {n}"} for n in range(50)])
        others = iter([full.get(Person, f"{n:03}") for n in range(0, 50, 5)])
        kept = full._save_many

        def meddling(schema: Any, writes: Any) -> list[int]:
            for one in others:
                one.last = "changed"
                one.save()
                break
            return kept(schema, writes)

        storage: Any = full
        storage._save_many = meddling
        report = full.upgrade(Person, batch_size=7)
        assert report.failed == 0
        assert full.find(Person, last="changed").count() >= 8
        assert {p.first for p in full.find(Person)} == {"P"}
        assert full.upgrade(Person).outdated == 0

    def test_without_a_version(self, db: BaseStorageAdapter) -> None:
        class Plain(Document):
            pass

        with pytest.raises(InvalidModel, match="declares no version"):
            db.upgrade(Plain)

    def test_old_ones_are_found_natively(self, full: BaseStorageAdapter) -> None:
        class Indexed2(Document, version=2, indexes=["_version"], collection="things"):
            a: int = 0

        full.insert_many("things", [{"id": str(n)} for n in range(5)])
        assert full.upgrade(Indexed2).upgraded == 5
        assert full.indexes(Indexed2)["declared"] == ["(_version)"]


class TestDeclarations:
    @pytest.mark.parametrize("version", [0, -1, "2", True, 1.0, None])
    def test_what_is_no_version(self, version: Any) -> None:
        with pytest.raises(InvalidModel, match="version is a whole number from 1"):
            type("Odd", (Document,), {}, version=version)

    @pytest.mark.parametrize("to", [1, 0, "2", True])
    def test_what_is_no_step(self, to: Any) -> None:
        with pytest.raises(InvalidModel, match="the first upgrade is to=2"):

            @upgrade(to=to)
            def _(record: dict[str, Any]) -> dict[str, Any]:
                return record

    def test_two_steps_to_one_version(self) -> None:
        with pytest.raises(InvalidModel, match="two upgrade functions to=2"):

            class Odd(Document, version=2):
                @upgrade(to=2)
                @staticmethod
                def a(record: dict[str, Any]) -> dict[str, Any]:
                    return record

                @upgrade(to=2)
                @staticmethod
                def b(record: dict[str, Any]) -> dict[str, Any]:
                    return record

    @pytest.mark.parametrize("keywords", [{"version": 2}, {}])
    def test_beyond_the_version(self, keywords: dict[str, Any]) -> None:
        with pytest.raises(InvalidModel, match="has an upgrade to=3"):

            class Odd(Document, **keywords):
                @upgrade(to=3)
                @staticmethod
                def a(record: dict[str, Any]) -> dict[str, Any]:
                    return record

    def test_functions_that_do_not_take_a_record(self) -> None:
        functions: tuple[Any, ...] = (
            lambda: 1,
            lambda a, b: (a, b),
            classmethod(lambda cls: cls),
            5,
            print,
        )
        for function in functions:
            with pytest.raises(InvalidModel, match="takes a function of one argument"):
                upgrade(to=2)(function)

        def method(self: Any) -> Any:
            return self

        with pytest.raises(InvalidModel, match="takes a function of one argument"):
            upgrade(to=2)(method)

    def test_plain_functions_and_inherited_ones(self, db: BaseStorageAdapter) -> None:
        class Base(Document, abstract=True):
            a: int = 0

            @upgrade(to=2)
            def _(record: dict[str, Any]) -> dict[str, Any]:  # type: ignore[misc] # noqa: N805
                return {**record, "a": record["a"] + 1}

        class One(Base, version=3):
            @upgrade(to=3)
            def _(record: dict[str, Any]) -> dict[str, Any]:  # type: ignore[misc] # noqa: N805
                return {**record, "a": record["a"] * 10}

        db.save("one", {"a": 1}, "1")
        assert db.get(One, "1").a == 20


class TestUpdates:
    def test_an_older_record_is_upgraded_before_it_is_changed(
        self, old: BaseStorageAdapter
    ) -> None:
        """Else the upgrade would undo the change when the record is read."""
        assert old.find(Person).update(first="Eve", balance__inc=1) == (3, 3)
        assert [(p.first, p.last, p.balance) for p in old.find(Person).order_by("id")] == [
            ("Eve", "Lee", Decimal("3.5")),
            ("Eve", "Ray", Decimal("11.5")),
            ("Eve", "Day", Decimal("4.5")),
        ]
        assert old.upgrade(Person).outdated == 0
        assert old.find(Person).update(first="Flo") == (3, 3)
