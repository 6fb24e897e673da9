"""`shard_key=` of a class: what it may be, what it fixes, and what `explain()` says by it."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from docmap import (
    BaseStorageAdapter,
    Document,
    Index,
    Indexed,
    InvalidModel,
    InvalidQuery,
    InvalidValue,
    Stored,
)


class Place(BaseModel):
    country: Annotated[str, Stored("c")]
    town: str = ""


class Visit(Document, collection="visits", shard_key=("tenant", "place.country")):
    tenant: Annotated[int, Stored("t")]
    place: Place
    note: str = ""


class Car(Document, collection="sharded_cars", shard_key="id"):
    wheels: int = 4


class Van(Car):
    load: int = 0


@pytest.fixture
def visit(db: BaseStorageAdapter) -> Visit:
    db.save(Visit(id="a", tenant=1, place=Place(country="DE")))
    return db.get(Visit, "a")


class TestDeclaring:
    def test_the_schema_has_it(self) -> None:
        key = Visit.__docmap_schema__.shard_key
        assert key is not None
        assert [path.dotted for path in key.paths] == ["t", "place.c"]
        assert [term.type.kind for term in key.terms] == ["int", "str"]
        assert key.values({"t": 5, "place": {}}) == (5, None)
        assert key.label == "(tenant, place.country)"

    def test_a_class_without_one(self) -> None:
        class Plain(Document, collection="unsharded"):
            pass

        assert Plain.__docmap_schema__.shard_key is None

    def test_a_family_has_that_of_its_base(self) -> None:
        found = Van.__docmap_schema__.shard_key
        assert found is not None
        assert found.label == "(id)"
        with pytest.raises(InvalidModel, match="about the collection"):

            class Bike(Car, shard_key="wheels"):
                pass

    @pytest.mark.parametrize(
        ("declared", "message"),
        [
            (5, "takes names of fields"),
            ((), "takes names of fields"),
            ((5,), "takes names of fields"),
            ("ownr", "owner"),
            (("owner", "owner"), "twice"),
            ("score", "cannot be in the shard key: name a field"),
            ("tags", "cannot be in the shard key: name a field"),
            ("tags.0", "cannot be in the shard key: name a field"),
            ("place", "cannot be in the shard key: name a field"),
            ("nick", "may be None"),
            ("anything", "cannot be in the shard key: name a field"),
        ],
    )
    def test_what_cannot_be_one(self, declared: Any, message: str) -> None:
        with pytest.raises(InvalidModel, match=message):

            class Wrong(Document, collection="wrong", shard_key=declared):
                owner: str
                score: float
                tags: list[str]
                place: Place | None = None
                nick: str | None = None
                anything: Any = None

    def test_a_unique_index_begins_with_it(self) -> None:
        with pytest.raises(InvalidModel, match="cannot be unique with the shard key") as caught:

            class Wrong(Document, collection="wrong", shard_key="owner"):
                owner: str
                number: Annotated[str, Indexed(unique=True)]

        assert "Index('owner', ..., unique=True)" in str(caught.value)
        with pytest.raises(InvalidModel, match="cannot be unique"):

            class Behind(
                Document,
                collection="wrong",
                shard_key="owner",
                indexes=[Index("number", "owner", unique=True)],
            ):
                owner: str
                number: str

        class Right(
            Document,
            collection="right",
            shard_key="owner",
            indexes=[Index("owner", "number", unique=True), Index("number")],
        ):
            owner: str
            number: str

        assert len(Right.__docmap_schema__.indexes) == 2


class TestKept:
    """A document stays where it is: engines that could move it would do so alone."""

    def test_a_loaded_one(self, db: BaseStorageAdapter, visit: Visit) -> None:
        visit.note = "x"
        visit.save()
        visit.tenant = 2
        for write in (visit.save, lambda: db.save_many([visit])):
            with pytest.raises(InvalidValue, match="shard key") as caught:
                write()
            assert caught.value.field == "t"
        visit.tenant = 1
        visit.place = Place(country="FR")
        with pytest.raises(InvalidValue, match=r"place\.country is in the shard key"):
            visit.save()
        visit.place = Place(country="DE", town="Ulm")
        visit.save()

    def test_one_that_is_replaced(self, db: BaseStorageAdapter, visit: Visit) -> None:
        other = {"tenant": 2, "place": {"c": "DE"}}
        with pytest.raises(InvalidValue, match="shard key"):
            db.upsert(Visit(id="a", tenant=2, place=Place(country="DE")))
        with pytest.raises(InvalidValue, match="shard key"):
            db.save(Visit, {**other, "place": visit.place}, primary_key="a")
        db.upsert(Visit(id="a", tenant=1, place=Place(country="DE"), note="new"))
        db.save(Visit, {"tenant": 2, "place": visit.place}, primary_key="b")
        assert db.get(Visit, "a").note == "new"
        assert db.find(Visit).count() == 2

    @pytest.mark.parametrize(
        "changes",
        [
            {"tenant": 2},
            {"tenant__inc": 1},
            {"place": Place(country="FR")},
            {"place__country": "FR"},
        ],
    )
    def test_by_no_update(
        self, db: BaseStorageAdapter, visit: Visit, changes: dict[str, Any]
    ) -> None:
        query = db.find(Visit)
        for change in (query.update, query.find_one_and_update, query.explain_update):
            with pytest.raises(InvalidQuery, match="shard key"):
                change(**changes)
        assert query.update(place__town="Ulm").matched == 1
        assert db.get(Visit, "a").place == Place(country="DE", town="Ulm")
        assert visit.tenant == 1


class TestExplain:
    @pytest.mark.parametrize(
        ("conditions", "shards"),
        [
            ({"tenant": 1, "place__country": "DE"}, "targeted"),
            ({"tenant__in": [1, 2], "place__country": "DE", "note": "x"}, "targeted"),
            ({"tenant": 1}, "scatter"),
            ({"tenant__gt": 1, "place__country": "DE"}, "scatter"),
            ({}, "scatter"),
        ],
    )
    def test_who_is_asked(
        self, db: BaseStorageAdapter, conditions: dict[str, Any], shards: str
    ) -> None:
        found = db.find(Visit, **conditions).explain()
        assert (found.data["shards"], found.data["shard_key"]) == (
            shards,
            "(tenant, place.country)",
        )
        assert f"shards    {shards}: asks" in str(found)

    def test_an_alternative_has_no_single_value(self, db: BaseStorageAdapter) -> None:
        query = db.find(Car, (Car.id == "a") | (Car.wheels == 3))
        assert query.explain().data["shards"] == "scatter"
        assert db.find(Car).where_not(id="a").explain().data["shards"] == "scatter"
        assert db.find(Van, pk="a").explain().data["shards"] == "targeted"

    def test_without_a_shard_key_nothing_is_said(self, db: BaseStorageAdapter) -> None:
        found = db.find("things", a=1).explain()
        assert (found.data["shards"], found.data["shard_key"]) == ("", "")
        assert "shards" not in str(found)
