"""Collections of other programs, given as Extended JSON: read, asked and changed as they are."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

import pytest
from bson.codec_options import DatetimeConversion
from bson.json_util import CANONICAL_JSON_OPTIONS, loads

from docmap import BaseStorageAdapter, Document, InvalidRecord, ObjectId, connect
from docmap.storage.copying import copy
from tests.servers import mongo

PEOPLE: Final = r"""
{"_id": {"$oid": "5f8f8c44b54764421b7156c1"}, "name": "Ann", "age": {"$numberInt": "42"},
 "born": {"$date": {"$numberLong": "5"}}, "paid": {"$numberDecimal": "9.50"}, "tags": ["a", "b"],
 "home": {"city": "Kiel"}}
{"_id": {"$oid": "5f8f8c44b54764421b7156c2"}, "name": "Bo", "age": "unknown", "tags": "a",
 "home": [{"city": "Kiel"}]}
{"_id": {"$oid": "5f8f8c44b54764421b7156c3"}, "name": null, "age": {"$numberDouble": "7.5"},
 "friend": {"$ref": "people", "$id": {"$oid": "5f8f8c44b54764421b7156c1"}}}
{"_id": {"$oid": "5f8f8c44b54764421b7156c4"}, "name": {"first": "Cy"}, "code": {"$code": "x"},
 "pattern": {"$regularExpression": {"pattern": "^a", "options": "i"}}}
{"_id": {"$oid": "5f8f8c44b54764421b7156c5"}, "low": {"$minKey": 1},
 "stamp": {"$timestamp": {"t": 5, "i": 1}}}
{"_id": "text", "age": {"$numberLong": "9007199254740993"},
 "old": {"$binary": {"base64": "AAAAAAAAAAAAAAAAAAAAAA==", "subType": "03"}},
 "far": {"$date": {"$numberLong": "253402300800000"}}}
{"_id": {"$numberInt": "7"}, "name": "Di", "$odd": {"$numberInt": "1"},
 "a.b": {"$numberInt": "2"}}
"""
ANN: Final = ObjectId("5f8f8c44b54764421b7156c1")


class Person(Document, collection="people"):
    id: ObjectId
    name: str | None = None
    age: int | None = None
    tags: tuple[str, ...] = ()


@pytest.fixture
def db() -> Iterator[BaseStorageAdapter]:
    options = CANONICAL_JSON_OPTIONS.with_options(
        datetime_conversion=DatetimeConversion.DATETIME_AUTO
    )
    lines = PEOPLE.replace("\n ", " ").strip().splitlines()
    with connect(mongo.url("foreign")) as db:
        db.clear()
        collection_of(db).insert_many([loads(line, json_options=options) for line in lines])
        yield db
        db.clear()


def collection_of(db: BaseStorageAdapter) -> Any:
    assert db.url is not None
    return db.native[db.url.path]["people"]


def test_every_document_is_read_without_its_class(db: BaseStorageAdapter) -> None:
    rows = {row["id"]: row for row in db.find("people")}
    assert len(rows) == 7
    ann = rows[ANN]
    assert (ann["name"], ann["age"], ann["paid"]) == ("Ann", 42, Decimal("9.50"))
    assert ann["born"].microsecond == 5000
    assert rows["text"]["age"] == 2**53 + 1
    assert rows[7]["$odd"] == 1
    assert rows[7]["a.b"] == 2


def test_types_that_docmap_does_not_have_are_data(db: BaseStorageAdapter) -> None:
    rows = list(db.find("people"))
    (friend,) = [row["friend"] for row in rows if "friend" in row]
    assert friend == {"$ref": "people", "$id": ANN}
    for name in ("pattern", "code", "low", "stamp", "old", "far"):
        (held,) = [row[name] for row in rows if name in row]
        assert type(held) is dict, name


@pytest.mark.parametrize("model", [Person, "people"])
def test_values_compare_by_their_own_type(db: BaseStorageAdapter, model: Any) -> None:
    def found(**lookups: Any) -> int:
        return db.find(model, **lookups).count()

    assert found(name="Ann") == 1
    assert found(age__gt=7) == 3
    assert found(age__lt=8) == 1
    # A text is no list; where nothing is declared it may contain another text.
    assert found(tags__contains="a") == (1 if model is Person else 2)
    assert found(name__is_null=True) == 3
    assert found(name__exists=False) == 2
    assert found(name__startswith="B") == 1


def test_a_path_does_not_walk_into_lists(db: BaseStorageAdapter) -> None:
    assert [row["id"] for row in db.find("people", home__city="Kiel")] == [ANN]


def test_a_record_that_does_not_fit_is_named_and_can_be_left_out(db: BaseStorageAdapter) -> None:
    with pytest.raises(InvalidRecord, match="age"):
        db.find(Person, name="Bo").list()
    fitting = db.find(Person).on_invalid("skip")
    assert {one.id for one in fitting} == {ANN, ObjectId("5f8f8c44b54764421b7156c5")}


def test_a_save_leaves_what_the_class_does_not_know(db: BaseStorageAdapter) -> None:
    before = collection_of(db).find_one({"name": "Ann"})
    ann = db.find(Person, name="Ann").one()
    ann.age = 43
    ann.save()
    after = collection_of(db).find_one({"name": "Ann"})
    assert after == {**before, "age": 43, "_rev": 1}
    assert db.find(Person, name="Ann").update(age=44).matched == 1
    assert collection_of(db).find_one({"name": "Ann"}) == {**before, "age": 44, "_rev": 2}


def test_nothing_else_is_migrated(db: BaseStorageAdapter) -> None:
    before = list(collection_of(db).find({}, {"far": 0}))
    db.find("people", age__gt=1).order_by("age").list()
    db.find(Person).on_invalid("skip").list()
    assert list(collection_of(db).find({}, {"far": 0})) == before


@pytest.mark.parametrize("key", [{"a": 1}, 1.5, None, True, b"x"], ids=repr)
@pytest.mark.parametrize("target", ["memory://", "sqlite://"])
def test_keys_that_no_other_engine_has_are_not_copied(
    key: Any, target: str, db: BaseStorageAdapter
) -> None:
    db.clear()
    db.native.get_database(db._client.database.name)["odd"].insert_one({"_id": key, "v": 1})  # type: ignore[attr-defined]
    assert [row["v"] for row in db.find("odd")] == [1]
    with connect(target) as other, pytest.raises(InvalidRecord, match="has a key of type") as told:
        copy(db, other)
    assert told.value.collection == "odd"


def test_keys_of_every_type_that_others_have_are_copied(db: BaseStorageAdapter) -> None:
    with connect("memory://") as other:
        assert copy(db, other).documents == db.find("people").count()
        assert other.get("people", ANN)["name"] == "Ann"
