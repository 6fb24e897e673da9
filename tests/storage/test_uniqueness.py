"""Unique indexes: on fields, nested fields, lists and several fields, alike on every engine."""
# ruff: noqa: RUF012 - pydantic copies the defaults of a model

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Final
from uuid import UUID

import pytest
from pydantic import BaseModel

from docmap import (
    BaseStorageAdapter,
    DocmapError,
    Document,
    DuplicateKey,
    Index,
    Indexed,
    InvalidModel,
    InvalidValue,
    Stored,
    connect,
)
from tests.storage.engines import MAKERS, undone


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Contact(BaseModel):
    email: Annotated[str | None, Indexed(unique=True)] = None
    phones: Annotated[list[str], Indexed(unique=True)] = []


class Place(BaseModel):
    contact: Contact = Contact()
    second: Contact | None = None


class Person(
    Document,
    collection="people",
    indexes=[
        Index("country", "number", unique=True),
        Index("team", "badges", unique=True),
        Index("-amount", unique=True),
    ],
):
    place: Place = Place()
    tags: Annotated[list[str] | None, Indexed(unique=True)] = None
    codes: Annotated[set[int], Stored("c"), Indexed(unique=True)] = set()
    country: str | None = None
    number: int | None = None
    team: str | None = None
    badges: list[int | None] = []
    amount: Decimal | None = None


def person(key: str, **fields: Any) -> Person:
    return Person.model_validate({"id": key, **fields})


SAME: Final[dict[str, tuple[dict[str, Any], dict[str, Any], tuple[str, ...]]]] = {
    "a nested field": (
        {"place": {"contact": {"email": "a"}}},
        {"place": {"contact": {"email": "a"}}},
        ("place.contact.email",),
    ),
    "a field of a model that may be None": (
        {"place": {"second": {"email": "a"}}},
        {"place": {"second": {"email": "a"}}},
        ("place.second.email",),
    ),
    "a nested list": (
        {"place": {"contact": {"phones": ["1", "2"]}}},
        {"place": {"contact": {"phones": ["3", "2"]}}},
        ("place.contact.phones",),
    ),
    "an element": ({"tags": ["a", "b"]}, {"tags": ["c", "b", "d"]}, ("tags",)),
    "a set": ({"codes": {1, 2}}, {"codes": {2}}, ("c",)),
    "several fields": (
        {"country": "DE", "number": 1},
        {"country": "DE", "number": 1},
        ("country", "number"),
    ),
    "a field and an element": (
        {"team": "x", "badges": [1, 2]},
        {"team": "x", "badges": [2, 3]},
        ("team", "badges"),
    ),
    "equal decimals": ({"amount": "1.10"}, {"amount": "1.1"}, ("-amount",)),
}
OTHER: Final[dict[str, tuple[dict[str, Any], dict[str, Any]]]] = {
    "nothing": ({}, {}),
    "null nested": ({"place": {"second": {}}}, {"place": {"second": {}}}),
    "a model and none": ({"place": {"second": None}}, {"place": {"second": {}}}),
    "other elements": ({"tags": ["a", "b"]}, {"tags": ["c"]}),
    "empty lists": ({"tags": []}, {"tags": []}),
    "a list and null": ({"tags": None}, {"tags": []}),
    "a part is null": ({"country": "DE"}, {"country": "DE"}),
    "the other part is null": ({"number": 1}, {"number": 1}),
    "another part": ({"country": "DE", "number": 1}, {"country": "AT", "number": 1}),
    "an element of another team": (
        {"team": "x", "badges": [1]},
        {"team": "y", "badges": [1]},
    ),
    "an element without a team": ({"badges": [1]}, {"badges": [1]}),
    "one value in two lists": (
        {"tags": ["a"], "place": {"contact": {"phones": ["a"]}}},
        {"tags": ["b"], "place": {"contact": {"phones": ["b"]}}},
    ),
    "letters of another case": ({"tags": ["a"]}, {"tags": ["A"]}),
}


class TestOneMeaning:
    @pytest.mark.parametrize("name", SAME)
    def test_the_same_values(self, db: BaseStorageAdapter, name: str) -> None:
        first, second, fields = SAME[name]
        person("a", **first).insert(db)
        for write in (db.insert, db.save, db.upsert):
            with pytest.raises(DuplicateKey, match="another document") as caught:
                write(person("b", **second))
            assert caught.value.fields == fields
        assert [one.id for one in db.find(Person)] == ["a"]

    @pytest.mark.parametrize("name", OTHER)
    def test_other_values(self, db: BaseStorageAdapter, name: str) -> None:
        first, second = OTHER[name]
        person("a", **first).insert(db)
        person("b", **second).insert(db)
        assert db.find(Person).count() == 2

    def test_repeats_inside_one_list(self, db: BaseStorageAdapter) -> None:
        one = person("a", tags=["x", "x"], team="t", badges=[1, 1])
        one.insert(db)
        one.tags = ["x", "y", "x"]
        one.save()
        with pytest.raises(DuplicateKey):
            person("b", tags=["y"]).insert(db)

    def test_null_elements_are_refused(self, db: BaseStorageAdapter) -> None:
        with pytest.raises(InvalidValue, match="null elements") as caught:
            person("a", team="t", badges=[1, None]).insert(db)
        assert caught.value.field == "badges"
        assert db.find(Person).count() == 0

    def test_fields_that_are_not_stored(self, db: BaseStorageAdapter) -> None:
        db.ensure_indexes(Person)
        db.insert_many("people", [{"id": "a"}, {"id": "b"}, {"id": "c", "place": None}])
        assert db.find("people").count() == 3


class TestWhatSetsValuesFree:
    def test_another_value(self, db: BaseStorageAdapter) -> None:
        one = person("a", tags=["x", "y"], place={"contact": {"email": "m"}})
        one.insert(db)
        one.tags = ["y"]
        one.place.contact.email = None
        one.save()
        person("b", tags=["x"], place={"contact": {"email": "m"}}).insert(db)

    def test_deletion(self, db: BaseStorageAdapter) -> None:
        for delete in (
            lambda: db.delete(Person, "a"),
            lambda: db.find(Person).delete(),
            lambda: db.delete_many(db.find(Person).list()),
            db.clear,
        ):
            person("a", tags=["x"], country="DE", number=1).insert(db)
            delete()
            person("b", tags=["x"], country="DE", number=1).insert(db)
            db.find(Person).delete()

    def test_what_was_undone(self, full: BaseStorageAdapter) -> None:
        person("a", tags=["x"]).insert(full)
        with undone(full):
            full.delete(Person, "a")
            person("b", tags=["x", "y"]).insert(full)
        person("c", tags=["y"]).insert(full)
        with pytest.raises(DuplicateKey):
            person("d", tags=["x"]).insert(full)


class TestUpdatesOnAQuery:
    def test_they_are_refused(self, full: BaseStorageAdapter) -> None:
        person("a", tags=["x"], country="DE", number=1).insert(full)
        person("b", tags=["y"], country="DE", number=2).insert(full)
        for update in ({"number": 1}, {"tags__push": "x"}, {"tags": ["x"]}, {"number__inc": -1}):
            with pytest.raises(DuplicateKey):
                full.find(Person, id="b").update(**update)
        assert full.get(Person, "b") == person("b", tags=["y"], country="DE", number=2)

    def test_they_set_values_free(self, full: BaseStorageAdapter) -> None:
        person("a", tags=["x", "y"]).insert(full)
        full.find(Person, id="a").update(tags__pull="x")
        person("b", tags=["x"]).insert(full)
        with pytest.raises(DuplicateKey):
            person("c", tags=["y"]).insert(full)


class TestTypesOfElements:
    @pytest.mark.parametrize(
        ("kind", "one", "other"),
        [
            (str, "a", "A"),
            (int, 1, 2),
            (UUID, UUID(int=1), UUID(int=2)),
            (datetime, datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 2, tzinfo=UTC)),
            (Colour, Colour.RED, Colour.BLUE),
        ],
    )
    def test_each(self, db: BaseStorageAdapter, kind: Any, one: Any, other: Any) -> None:
        class Holder(Document, collection="holders"):
            held: Annotated[list[kind], Indexed(unique=True)] = []
            single: Annotated[kind | None, Indexed(unique=True)] = None

        Holder(held=[one], single=one).insert(db)
        Holder(held=[other], single=other).insert(db)
        with pytest.raises(DuplicateKey) as caught:
            Holder(held=[other]).insert(db)
        assert caught.value.fields == ("held",)
        with pytest.raises(DuplicateKey) as caught:
            Holder(single=one).insert(db)
        assert caught.value.fields == ("single",)

    def test_true_is_not_one(self, db: BaseStorageAdapter) -> None:
        class Flag(Document, collection="flags", indexes=[Index("on", "count", unique=True)]):
            on: bool
            count: int

        Flag(on=True, count=1).insert(db)
        Flag(on=False, count=1).insert(db)
        with pytest.raises(DuplicateKey):
            Flag(on=True, count=1).insert(db)


class Line(BaseModel):
    sku: str = ""


class Marked(BaseModel):
    sku: Annotated[str, Indexed(unique=True)] = ""


class TestWhatCannotBe:
    """No path leads to one value: what a document may hold once is not what a list holds."""

    @pytest.mark.parametrize("unique", [True, False])
    def test_a_field_of_models_in_a_list(self, *, unique: bool) -> None:
        def declare() -> None:
            class A(Document, indexes=[Index("lines.sku", unique=unique)]):
                lines: list[Line] = []

        with pytest.raises(InvalidModel, match=r"A\.lines is a list of objects") as caught:
            declare()
        assert caught.value.field == "lines.sku"

    def test_markers_in_models_in_a_list(self) -> None:
        def declare() -> None:
            class A(Document):
                lines: list[Marked] = []

        with pytest.raises(InvalidModel, match="Indexed cannot work there"):
            declare()


class Loose(Document, collection="strict"):
    code: str | None = None
    marks: list[str] = []
    country: str = "DE"
    number: int | None = None


class Strict(
    Document,
    collection="strict",
    indexes=[
        Index("code", unique=True),
        Index("marks", unique=True),
        Index("country", "number", unique=True),
    ],
):
    code: str | None = None
    marks: list[str] = []
    country: str = "DE"
    number: int | None = None


class TestDocumentsThatAreThere:
    @pytest.mark.parametrize(
        ("rows", "text", "fields"),
        [
            ([{"code": "a"}] * 3, "same values of code", ("code",)),
            ([{"marks": ["a", "b"]}, {"marks": ["b", "c"]}, {"marks": ["c"]}], "marks", ("marks",)),
            ([{"number": 1}] * 3, "of country, number", ("country", "number")),
        ],
    )
    def test_the_error_says_how_many(
        self,
        full: BaseStorageAdapter,
        rows: list[dict[str, Any]],
        text: str,
        fields: tuple[str, ...],
    ) -> None:
        full.insert_many(Loose, [*rows, {"code": "x"}, {"code": "y"}, {}])
        for make in (lambda: full.ensure_indexes(Strict), lambda: full.insert(Strict(code="z"))):
            with pytest.raises(DuplicateKey, match=text) as caught:
                make()
            error = caught.value
            assert error.fields == fields
            assert "holds documents with the same values" in str(error)
            assert "3 documents in all" in str(error)
            assert "another document" not in str(error)
        assert full.find(Loose).count() == 6

    def test_mended_it_can_be_made(self, full: BaseStorageAdapter) -> None:
        full.insert_many(Loose, [{"id": "a", "code": "x"}, {"id": "b", "code": "x"}])
        with pytest.raises(DuplicateKey, match="1 value is in more than one document"):
            full.ensure_indexes(Strict)
        full.delete(Loose, "b")
        full.ensure_indexes(Strict)
        assert full.indexes(Strict)["missing"] == []

    def test_repeats_and_nulls_are_no_obstacle(self, full: BaseStorageAdapter) -> None:
        full.insert_many(Loose, [{"marks": ["a", "a"]}, {"marks": []}, {}, {}])
        full.insert_many("strict", [{"id": "p"}, {"id": "q", "marks": None}])
        full.ensure_indexes(Strict)

    def test_a_class_that_does_not_know_the_index(self, full: BaseStorageAdapter) -> None:
        Strict(code="a").insert(full)
        with pytest.raises(DuplicateKey, match=r"unique \(code\)") as caught:
            Loose(code="a").insert(full)
        assert caught.value.fields == ("code",)


@pytest.mark.parametrize("seed", range(30))
def test_every_engine_refuses_the_same(seed: int, tmp_path: Path) -> None:
    """Random writes: the same documents are refused, and the same is stored."""
    outcomes = {}
    for name, make in MAKERS.items():
        with make(tmp_path) as db:
            outcomes[name] = _outcome(db, random.Random(seed))
    reference = outcomes.pop("memory")
    for name, found in outcomes.items():
        assert found == reference, name


def _outcome(db: BaseStorageAdapter, rng: random.Random) -> list[Any]:
    seen: list[Any] = []

    def some() -> dict[str, Any]:
        pick = rng.choice
        texts = [pick("xyzv") for _ in range(rng.randrange(4))]
        contact = {"email": pick([None, None, "m", "n"]), "phones": texts[:1]}
        return {
            "place": {"contact": contact, "second": pick([None, {"email": pick("mnop")}])},
            "tags": pick([None, texts]),
            "codes": {rng.randrange(12) for _ in range(rng.randrange(2))},
            "country": pick([None, "DE", "AT"]),
            "number": pick([None, 1, 2]),
            "team": pick([None, "s", "t"]),
            "badges": [rng.randrange(6) for _ in range(rng.randrange(3))],
            "amount": pick([None, None, "1.0", "1.00", "2", "3"]),
        }

    def told(action: Callable[[], Any]) -> None:
        try:
            action()
            seen.append("done")
        except DocmapError as error:
            # Which index is named where several are broken is not promised.
            failed = [(place, type(reason).__name__) for place, _, reason in error.failed]
            seen.append((type(error).__name__, failed))

    for _ in range(40):
        key = rng.choice("abcdefgh")
        fields = some()
        step = rng.randrange(6)
        if step < 3:
            told(lambda key=key, fields=fields: db.upsert(person(key, **fields)))  # type: ignore[misc]
        elif step == 3:
            told(lambda key=key, fields=fields: db.insert(person(key, **fields)))  # type: ignore[misc]
        elif step == 4:
            seen.append(db.delete(Person, key))
        else:
            rows = [{"id": one, **some()} for one in rng.sample("abcdefgh", 3)]
            told(lambda rows=rows: db.insert_many(Person, rows, ordered=False))  # type: ignore[misc]
    seen.append([one.model_dump(mode="json") for one in db.find(Person).order_by("id")])
    return seen


def test_a_unique_index_of_a_file_outlives_it(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'u.db'}"
    with connect(url) as db:
        person("a", tags=["x"]).insert(db)
    with connect(url) as db, pytest.raises(DuplicateKey):
        person("b", tags=["x"]).insert(db)
