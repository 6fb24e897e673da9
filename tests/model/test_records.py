"""Stored records that differ from their class: unknown fields, missing ones, such as do not fit."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field

from docmap import BaseStorageAdapter, Document, InvalidQuery, InvalidRecord, connect
from tests.model.shop import Note


class Part(BaseModel):
    name: str = ""


class Box(BaseModel):
    part: Part = Part()
    parts: list[Part] = []


class Keep(Document, collection="things"):
    name: str = ""
    box: Box = Box()


class Forbid(Document, collection="things", unknown="forbid"):
    name: str = ""
    box: Box = Box()


class Drop(Document, collection="things", unknown="drop"):
    name: str = ""
    box: Box = Box()


class Limited(Document, collection="limited"):
    name: str
    size: Annotated[int, Field(le=10)] = 1
    price: float = 0.0
    part: Part | None = None


KNOWN: dict[str, Any] = {"id": "a", "name": "x", "box": {"part": {"name": "p"}, "parts": []}}
MORE: dict[str, Any] = {
    "id": "a",
    "name": "x",
    "box": {"part": {"name": "p", "inner": [1, {"x": None}]}, "parts": [], "colour": "red"},
    "outer": {"$decimal": "not ours"},
    "name ": "",
}


@pytest.fixture
def more(db: BaseStorageAdapter) -> BaseStorageAdapter:
    db.insert_many("things", [MORE])
    return db


class TestKeep:
    def test_they_are_kept_at_every_level(self, more: BaseStorageAdapter) -> None:
        loaded = more.get(Keep, "a")
        assert loaded == Keep(id="a", name="x", box=Box(part=Part(name="p")))
        assert loaded.changed_fields == frozenset()
        loaded.name = "y"
        loaded.box.part = Part(name="q")
        loaded.save()
        expected = {**MORE, "name": "y", "box": {**MORE["box"], "part": {**MORE["box"]["part"]}}}
        expected["box"]["part"]["name"] = "q"
        assert more.get("things", "a") == expected

    def test_they_survive_every_kind_of_write(self, more: BaseStorageAdapter) -> None:
        more.upsert(Keep(id="a", name="up"))
        more.save(Keep, {"name": "data"}, primary_key="a")
        more.save_many([more.get(Keep, "a")])
        stored = more.get("things", "a")
        assert stored["outer"] == MORE["outer"]
        assert stored["box"]["colour"] == "red"
        assert stored["name"] == "data"

    def test_those_of_a_part_that_is_gone_go_with_it(self, db: BaseStorageAdapter) -> None:
        db.insert_many("limited", [{"id": "a", "name": "x", "part": {"name": "p", "more": 1}}])
        loaded = db.get(Limited, "a")
        loaded.part = None
        loaded.save()
        assert db.get("limited", "a")["part"] is None

    def test_a_new_document_takes_none(self, more: BaseStorageAdapter) -> None:
        loaded = more.get(Keep, "a")
        more.insert(loaded.model_copy(update={"id": "b"}))
        assert "outer" not in more.get("things", "b")

    def test_they_cannot_be_queried_by_class_but_by_name(self, more: BaseStorageAdapter) -> None:
        with pytest.raises(InvalidQuery):
            more.find(Keep, outer__exists=True)
        assert more.find("things", outer__exists=True).count() == 1


class TestForbid:
    @pytest.mark.parametrize(
        ("record", "field"),
        [
            (KNOWN | {"outer": 1}, "outer"),
            (KNOWN | {"box": {"colour": "red"}}, "box.colour"),
            (KNOWN | {"box": {"part": {"inner": 1}}}, "box.part.inner"),
            (KNOWN | {"box": {"parts": [{"inner": 1}]}}, "box.parts.0.inner"),
        ],
    )
    def test_they_are_refused_on_loading(
        self, db: BaseStorageAdapter, record: dict[str, Any], field: str
    ) -> None:
        db.insert_many("things", [record])
        for load in (lambda: db.get(Forbid, "a"), lambda: db.find(Forbid).list()):
            with pytest.raises(InvalidRecord) as caught:
                load()
            error = caught.value
            assert (error.field, error.key, error.collection) == (field, "a", "things")
            assert error.engine == db.scheme

    def test_without_them_all_is_well(self, db: BaseStorageAdapter) -> None:
        db.insert_many("things", [KNOWN])
        loaded = db.get(Forbid, "a")
        loaded.name = "y"
        loaded.save()
        assert db.get("things", "a") == {**KNOWN, "name": "y"}


class TestDrop:
    def test_they_go_with_the_next_write(self, more: BaseStorageAdapter) -> None:
        loaded = more.get(Drop, "a")
        assert more.get("things", "a") == MORE
        loaded.save()
        assert more.get("things", "a") == KNOWN


class TestMissing:
    def test_defaults_stand_in_for_what_a_record_lacks(self, db: BaseStorageAdapter) -> None:
        db.insert_many("limited", [{"id": "a", "name": "x"}])
        loaded = db.get(Limited, "a")
        assert loaded == Limited(id="a", name="x")
        assert loaded.is_new is False

    def test_queries_see_what_is_stored(self, db: BaseStorageAdapter) -> None:
        db.insert_many("limited", [{"id": "a", "name": "x"}])
        assert db.find(Limited, size=1).count() == 0
        assert db.find(Limited, size=None).count() == 1
        assert db.find(Limited, size__exists=False).count() == 1
        db.get(Limited, "a").save()
        assert db.find(Limited, size=1).count() == 1

    def test_required_ones_do_not(self, db: BaseStorageAdapter) -> None:
        db.insert_many("limited", [{"id": "a", "size": 1}])
        with pytest.raises(InvalidRecord, match="name is missing") as caught:
            db.get(Limited, "a")
        assert (caught.value.field, caught.value.key) == ("name", "a")


UNFIT: list[tuple[dict[str, Any], str]] = [
    ({"name": 5}, "name"),
    ({"name": None}, "name"),
    ({"name": "x", "size": 11}, "size"),
    ({"name": "x", "size": "many"}, "size"),
    ({"name": "x", "price": [1]}, "price"),
    ({"name": "x", "part": {"name": 1}}, "part.name"),
    ({"name": "x", "part": "p"}, "part"),
]


class TestUnfit:
    @pytest.mark.parametrize(("values", "field"), UNFIT)
    def test_the_error_names_collection_key_and_field(
        self, db: BaseStorageAdapter, values: dict[str, Any], field: str
    ) -> None:
        db.insert_many("limited", [{"id": "secret-key", **values}])
        for load in (
            lambda: db.get(Limited, "secret-key"),
            lambda: db.get_many(Limited, ["secret-key"]),
            lambda: db.find(Limited).list(),
            lambda: db.find(Limited).first(),
        ):
            with pytest.raises(InvalidRecord) as caught:
                load()
            error = caught.value
            assert (error.collection, error.key, error.field) == ("limited", "secret-key", field)
            assert error.engine == db.scheme
            assert "secret-key" not in str(error)

    def test_what_came_before_is_not_lost(self, db: BaseStorageAdapter) -> None:
        rows = [{"id": f"{number:03}", "name": "x"} for number in range(100)]
        rows[70]["name"] = 5  # type: ignore[assignment]
        db.insert_many("limited", rows)
        seen: list[str] = []
        with pytest.raises(InvalidRecord) as caught:
            seen.extend(one.id for one in db.find(Limited).order_by("id"))
        assert seen == [f"{number:03}" for number in range(70)]
        assert caught.value.key == "070"


class TestOnInvalid:
    @pytest.fixture
    def mixed(self, db: BaseStorageAdapter) -> BaseStorageAdapter:
        rows: list[dict[str, Any]] = [{"id": str(number), "name": "x"} for number in range(6)]
        for number in (0, 3, 4):
            rows[number]["name"] = None
        db.insert_many("limited", rows)
        return db

    def test_skip(self, mixed: BaseStorageAdapter) -> None:
        query = mixed.find(Limited).on_invalid("skip")
        assert sorted(one.id for one in query) == ["1", "2", "5"]
        assert [one.id for one in query.order_by("-id")] == ["5", "2", "1"]

    def test_first_and_one_go_on_to_those_that_fit(self, mixed: BaseStorageAdapter) -> None:
        query = mixed.find(Limited).on_invalid("skip")
        first = query.first()
        assert first is not None
        assert first.id == "1"
        assert query.where(id__in=["3", "4", "5"]).one().id == "5"
        assert query.where(id="3").first() is None

    def test_a_callback_gets_each_error(self, mixed: BaseStorageAdapter) -> None:
        errors: list[InvalidRecord] = []
        found = mixed.find(Limited).order_by("id").on_invalid(errors.append).list()
        assert [one.id for one in found] == ["1", "2", "5"]
        assert [error.key for error in errors] == ["0", "3", "4"]

    def test_a_callback_may_stop_the_scan(self, mixed: BaseStorageAdapter) -> None:
        def stop(error: InvalidRecord) -> None:
            raise LookupError(error.key)

        with pytest.raises(LookupError, match="0"):
            mixed.find(Limited).order_by("id").on_invalid(stop).list()

    def test_raise_is_the_default(self, mixed: BaseStorageAdapter) -> None:
        query = mixed.find(Limited).order_by("id")
        for one in (query, query.on_invalid("skip").on_invalid("raise")):
            with pytest.raises(InvalidRecord):
                one.list()

    def test_anything_else_is_refused(self, mixed: BaseStorageAdapter) -> None:
        with pytest.raises(InvalidQuery, match="on_invalid takes"):
            mixed.find(Limited).on_invalid("ignore")  # type: ignore[arg-type]

    def test_raw_gives_what_is_stored_unchecked(self, mixed: BaseStorageAdapter) -> None:
        raw = mixed.find(Limited).order_by("id").raw().list()
        assert raw[0] == {"id": "0", "name": None}
        assert len(raw) == 6


def test_a_record_that_is_no_object_is_an_invalid_record() -> None:
    with connect("sqlite://") as db:
        db.save(Note(id="a"))
        db.native.execute("UPDATE notes SET doc = '[1]'")
        with pytest.raises(InvalidRecord) as caught:
            db.get(Note, "a")
        assert caught.value.collection == "notes"
