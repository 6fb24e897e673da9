"""Decoding: stored records that do not fit, wire forms of others, and `load="validate"`."""

from __future__ import annotations

import dataclasses
from collections import deque
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID

import pytest
from pydantic import BaseModel, Field, PrivateAttr, field_validator, model_validator
from pydantic_core import to_json

from docmap import (
    BaseStorageAdapter,
    BigInt,
    Document,
    InvalidRecord,
    ObjectId,
    Stored,
    connect,
)
from docmap.schema.schema import untyped

ID = UUID("12345678-1234-5678-1234-567812345678")
NOW = datetime(2026, 3, 1, 12, 30, 15, 123000, tzinfo=UTC)


class Colour(Enum):
    RED = "red"


class Customer(BaseModel):
    name: Annotated[str, Stored("n")]
    note: str = "none"


class Point(NamedTuple):
    x: int
    y: int = 5


@dataclasses.dataclass
class Plain:
    a: int
    b: list[int] = dataclasses.field(default_factory=list)
    c: str = "c"


class Record(Document):
    number: int = 0
    big: BigInt = 0
    exact: Decimal = Decimal(0)
    share: float = 0.0
    at: datetime = NOW
    day: date = date(2026, 1, 1)
    clock: time = time(1)
    span: timedelta = timedelta(0)
    uid: UUID = ID
    oid: ObjectId = ObjectId("55f14312c7447c3da7051b26")
    data: bytes = b""
    colour: Colour = Colour.RED
    status: Literal["new", 1] = "new"
    customer: Customer = Customer(name="Ann")
    tags: list[Annotated[str, Field(max_length=3)]] = []
    queue: deque[int] = deque()
    unique: set[int] = set()
    pair: tuple[int, str] = (1, "a")
    table: dict[int, Decimal] = {}
    either: int | list[str] = 0
    point: Point = Point(1)
    plain: Plain = dataclasses.field(default_factory=lambda: Plain(1))  # type: ignore[assignment]


def decoded(**values: Any) -> Record:
    """What a record reads as whose JSON has these values under their storage names."""
    return Record.__docmap_schema__.codec.decode(to_json({"id": "k", **values}))  # type: ignore[no-any-return]


# Reading is lenient about forms that other programs write.
LENIENT: list[tuple[str, Any, Any]] = [
    ("share", 1, 1.0),
    ("exact", 1, Decimal(1)),
    ("exact", "1e2", Decimal("1E+2")),
    ("at", "2026-03-01T12:30:15.123Z", NOW),
    ("at", "2026-03-01T14:30:15.123+02:00", NOW),
    ("clock", "01:00", time(1)),
    ("uid", str(ID).upper(), ID),
    ("data", "FF", b"\xff"),
    ("unique", [2, 1, 2], {1, 2}),
    ("either", ["a"], ["a"]),
    ("point", [7], Point(7, 5)),
    ("plain", {"a": 2}, Plain(2)),
    ("customer", {"n": "Bob", "unknown": 1}, Customer(name="Bob")),
]


@pytest.mark.parametrize(("name", "stored", "value"), LENIENT)
def test_what_is_read(name: str, stored: Any, value: Any) -> None:
    found = getattr(decoded(**{name: stored}), name)
    assert found == value
    assert type(found) is type(value)


def test_missing_fields_take_their_defaults() -> None:
    record = decoded()
    assert record == Record(id="k")
    record.plain.b.append(1)
    assert decoded().plain.b == []


# The name in storage, the value, the path in Python names, and what the message says.
UNFIT: list[tuple[str, Any, str, str]] = [
    ("number", "1", "number", "valid integer"),
    ("number", None, "number", "valid integer"),
    ("number", 1.5, "number", "valid integer"),
    ("number", True, "number", "valid integer"),
    ("big", "x", "big", "invalid literal"),
    ("share", "1.5", "share", "valid number"),
    ("exact", "NaN", "exact", "finite number"),
    ("at", "2026-03-01T12:30:15", "at", "timezone"),
    ("at", "never", "at", "valid datetime"),
    ("day", 5.5, "day", "date"),
    ("span", "5", "span", "valid integer"),
    ("span", 2**62 * 30, "span", "timedelta can hold"),
    ("uid", "x", "uid", "valid UUID"),
    ("oid", "x", "oid", "24 hexadecimal digits"),
    ("data", "x", "data", "non-hexadecimal"),
    ("colour", "blue", "colour", "'red'"),
    ("status", "old", "status", "'new' or 1"),
    ("customer", {"name": "Bob"}, "customer.name", "is missing"),
    ("customer", {"n": 5}, "customer.name", "valid string"),
    ("customer", [], "customer", "should be an object"),
    ("tags", ["abc", "abcd"], "tags.1", "at most 3 characters"),
    ("tags", "abc", "tags", "valid array"),
    ("unique", [1, "a"], "unique.1", "valid integer"),
    ("pair", [1], "pair.1", "is missing"),
    ("table", {"x": "1"}, "table", "expected value"),
    ("table", {"1": "x"}, "table.1", "decimal"),
    ("either", {}, "either", "none of int or list of text"),
    ("point", [], "point.0", "is missing"),
    ("plain", {}, "plain.a", "is missing"),
]


@pytest.mark.parametrize(("name", "stored", "path", "reason"), UNFIT)
def test_what_does_not_fit(name: str, stored: Any, path: str, reason: str) -> None:
    with pytest.raises(InvalidRecord) as caught:
        decoded(**{name: stored})
    error = caught.value
    assert error.field == path
    assert error.collection == "record"
    assert str(error).startswith(f"a record of record does not fit Record: {path} is ")
    assert reason in str(error)
    if isinstance(stored, str) and len(stored) > 3:
        assert stored not in str(error), "a message holds no stored values"


def test_a_record_that_is_no_json() -> None:
    codec = Record.__docmap_schema__.codec
    for data in (b"", b"{", b"[]", b"5", b'{"id":"k","number":1'):
        with pytest.raises(InvalidRecord, match="does not fit Record"):
            codec.decode(data)
    with pytest.raises(InvalidRecord, match="id is missing"):
        codec.decode(b"{}")


def test_a_record_of_another_program(db: BaseStorageAdapter) -> None:
    db.save("record", {"number": "five"}, primary_key="x")
    with pytest.raises(InvalidRecord) as caught:
        db.get(Record, "x")
    assert (caught.value.collection, caught.value.field) == ("record", "number")
    assert db.find(Record).on_invalid("skip").list() == []


# -- load="validate"


class Inner(BaseModel):
    name: str = Field(alias="innerName")

    @field_validator("name")
    @classmethod
    def _mark(cls, value: str) -> str:
        return value + "!"


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"


class Checked(Document, load="validate", extra="allow"):
    text: str = Field(validation_alias="inputText")
    inner: Inner
    many: list[Inner]
    pet: Cat | Dog
    _seen: int = PrivateAttr(default=3)

    @field_validator("text")
    @classmethod
    def _mark(cls, value: str) -> str:
        if value == "wrong":
            raise ValueError("is a word that is not allowed")
        return value + "!"

    @model_validator(mode="after")
    def _whole(self) -> Checked:
        if self.text == "odd!":
            raise ValueError("the whole is odd")
        return self


def checked(**values: Any) -> Checked:
    inner = Inner.model_construct(name="a")
    given = {"text": "t", "inner": inner, "many": [inner], "pet": Dog(), **values}
    return Checked.model_construct(**given)


def test_loading_runs_the_validators_if_asked(db: BaseStorageAdapter) -> None:
    saved = checked(more=[1])
    db.save(saved)
    loaded = db.get(Checked, saved.id)
    assert (loaded.text, loaded.inner.name, loaded.many[0].name) == ("t!", "a!", "a!")
    assert loaded.pet == Dog()
    assert loaded._seen == 3
    assert loaded.__pydantic_extra__ == {"more": [1]}
    assert loaded.id == saved.id
    assert not loaded.is_new
    assert [one.text for one in db.find(Checked, id=saved.id)] == ["t!"]


def test_what_the_validators_refuse_is_an_invalid_record() -> None:
    with connect("memory://") as db:
        db.save(checked(id="a", text="wrong"))
        db.save(checked(id="b", text="odd"))
        with pytest.raises(InvalidRecord, match="is a word that is not allowed"):
            db.get(Checked, "a")
        with pytest.raises(InvalidRecord, match="the record is not valid.*the whole is odd"):
            db.get(Checked, "b")
        assert db.find(Checked).on_invalid("skip").list() == []


# -- untyped places


TAGS: list[tuple[Any, Any]] = [
    ({"$decimal": "1.10"}, Decimal("1.10")),
    ({"$duration": 5}, timedelta(microseconds=5)),
    ({"$dict": [["$decimal", "1"]]}, {"$decimal": "1"}),
    ({"$dict": [["$date", {"$day": "2026-01-01"}]]}, {"$date": date(2026, 1, 1)}),
    # What does not read as its tag says was not written by docmap: it is a plain object.
    ({"$decimal": "x"}, {"$decimal": "x"}),
    ({"$decimal": 1}, {"$decimal": 1}),
    ({"$date": "2026-01-01"}, {"$date": "2026-01-01"}),
    ({"$oid": {"$uuid": str(ID)}}, {"$oid": ID}),
    ({"$dict": 5}, {"$dict": 5}),
    ({"$dict": [[1, 2]]}, {"$dict": [[1, 2]]}),
    ({"$dict": [["a", 1], ["b", 2]]}, {"$dict": [["a", 1], ["b", 2]]}),
    ({"$decimal": "1", "x": 1}, {"$decimal": "1", "x": 1}),
]


@pytest.mark.parametrize(("stored", "value"), TAGS)
def test_tags_in_untyped_places(stored: Any, value: Any) -> None:
    found = untyped("things").codec.decode(to_json({"id": "k", "a": [stored]}))
    assert repr(found["a"]) == repr([value])
