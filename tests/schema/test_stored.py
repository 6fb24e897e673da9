"""The table "Values" row by row: what is accepted, what is stored of it, and what is refused."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import BaseModel, Field, SecretBytes, SecretStr, create_model

from docmap import BaseStorageAdapter, BigInt, Document, InvalidValue, ObjectId, Precision, Stored
from tests.schema.same import difference

EAST = timezone(timedelta(hours=14))
WEST = timezone(timedelta(hours=-11))
ID = UUID("ABCDEF00-1234-5678-1234-567812345678")
OID = ObjectId("55F14312C7447C3DA7051B26")
MS = datetime(2026, 3, 1, 12, 30, 15, 123000, tzinfo=UTC)
Fine = Annotated[datetime, Precision("us")]


class Colour(Enum):
    RED = "red"


class Level(IntEnum):
    LOW = 1


class Rate(Enum):
    LOW = Decimal("0.10")


class Customer(BaseModel):
    name: Annotated[str, Stored("n")]
    note: str | None = None


def document(annotation: Any, value: Any) -> Document:
    """A document whose field `it` holds a value that nobody has validated."""
    model = create_model("Holder", __base__=Document, it=(annotation, ...))
    return model.model_construct(id="k", it=value)


def stored(annotation: Any, value: Any) -> str:
    """The JSON text that is stored of a value in a field of this type."""
    data = type(it := document(annotation, value)).__docmap_schema__.codec.encode(it).decode()
    start, end = '{"id":"k","it":', "}"
    assert data.startswith(start)
    assert data.endswith(end)
    return data[len(start) : -len(end)]


# The annotation, the value, and what is stored of it.
ACCEPTED: list[tuple[Any, Any, str]] = [
    (int | None, None, "null"),
    (bool, True, "true"),
    (bool, False, "false"),
    (int, 2**63 - 1, "9223372036854775807"),
    (int, -(2**63), "-9223372036854775808"),
    (int, Level.LOW, "1"),
    (BigInt, 2**63, '"9223372036854775808"'),
    (BigInt, -5, '"-5"'),
    (float, 1.0, "1.0"),
    (float, 3, "3.0"),
    (float, 0.1, "0.1"),
    (float, -0.0, "0.0"),
    (float, 5e-324, "5e-324"),
    (float, 1.7976931348623157e308, "1.7976931348623157e+308"),
    (float, 1e15, "1000000000000000.0"),
    (Decimal, Decimal("1.10"), '"1.10"'),
    (Decimal, Decimal("-0.00"), '"0.00"'),
    (Decimal, Decimal("1E+5"), '"1E+5"'),
    (Decimal, Decimal("9." + "9" * 33 + "E+6143"), f'"9.{"9" * 33}E+6143"'),
    (Decimal, Decimal("1E-6176"), '"1E-6176"'),
    (Decimal, Decimal("0.1234567890123456789012345678901234"), f'"0.{"1234567890" * 3}1234"'),
    (str, "é e\u0301 \U0001f600", '"é e\u0301 \U0001f600"'),
    (str, "\\u0000", '"\\\\u0000"'),
    (str, "", '""'),
    (bytes, b"\x00\xffa", '"00ff61"'),
    (datetime, MS, '"2026-03-01T12:30:15.123000Z"'),
    (datetime, MS.replace(microsecond=999999), '"2026-03-01T12:30:15.999000Z"'),
    (datetime, MS.astimezone(EAST), '"2026-03-01T12:30:15.123000Z"'),
    (datetime, datetime(1, 1, 1, tzinfo=UTC), '"0001-01-01T00:00:00.000000Z"'),
    (datetime, datetime(1969, 12, 31, 23, 59, 59, 999999, UTC), '"1969-12-31T23:59:59.999000Z"'),
    (Fine, MS.replace(microsecond=123456), '"2026-03-01T12:30:15.123456Z"'),
    (date, date(1, 2, 3), '"0001-02-03"'),
    (time, time(1, 2), '"01:02:00.000000"'),
    (time, time(1, 2, 3, 4, fold=1), '"01:02:03.000004"'),
    (timedelta, timedelta(days=-1, microseconds=1), "-86399999999"),
    (UUID, ID, '"abcdef00-1234-5678-1234-567812345678"'),
    (ObjectId, OID, '"55f14312c7447c3da7051b26"'),
    (Colour, Colour.RED, '"red"'),
    (Rate, Rate.LOW, '"0.10"'),
    (Literal["a", 1], 1, "1"),
    (SecretStr, SecretStr("s3"), '"s3"'),
    (SecretBytes, SecretBytes(b"\x00"), '"00"'),
    (set[int], {10, 9, -1}, "[-1,9,10]"),
    (set[str], {"b", "a", "Z", "é"}, '["Z","a","b","é"]'),
    (set[Decimal], {Decimal(10), Decimal("9.5")}, '["9.5","10"]'),
    (frozenset[bytes], frozenset({b"\xff", b"a"}), '["61","ff"]'),
    (set[int | None], {None, 1}, "[null,1]"),
    (set[timedelta], {timedelta(days=1), timedelta(0)}, "[0,86400000000]"),
    (tuple[int, str], (1, "a"), '[1,"a"]'),
    (list[float], [1, 2.5], "[1.0,2.5]"),
    (dict[str, int], {"a.b": 1, "$x": 2, '"': 3, "": 4}, '{"a.b":1,"$x":2,"\\"":3,"":4}'),
    (dict[int, int], {-1: 1}, '{"-1":1}'),
    (dict[UUID, int], {ID: 1}, '{"abcdef00-1234-5678-1234-567812345678":1}'),
    (dict[date, int], {date(2026, 1, 2): 1}, '{"2026-01-02":1}'),
    (dict[timedelta, int], {timedelta(seconds=1): 1}, '{"1000000":1}'),
    (dict[Colour, int], {Colour.RED: 1}, '{"red":1}'),
    (dict[bool, int], {True: 1}, '{"true":1}'),
    (dict[float, int], {1.0: 1}, '{"1.0":1}'),
    (Customer, Customer(name="Ann"), '{"n":"Ann","note":null}'),
    # Where the declared type does not decide, what JSON lacks says what it is.
    (Any, Decimal("1.10"), '{"$decimal":"1.10"}'),
    (Any, MS.replace(microsecond=5), '{"$date":"2026-03-01T12:30:15.000000Z"}'),
    (Any, date(2026, 3, 1), '{"$day":"2026-03-01"}'),
    (Any, time(1), '{"$time":"01:00:00.000000"}'),
    (Any, timedelta(seconds=1), '{"$duration":1000000}'),
    (Any, ID, '{"$uuid":"abcdef00-1234-5678-1234-567812345678"}'),
    (Any, b"\xff", '{"$bytes":"ff"}'),
    (Any, OID, '{"$oid":"55f14312c7447c3da7051b26"}'),
    (Any, {"$decimal": "1"}, '{"$dict":[["$decimal","1"]]}'),
    (Any, {"$dict": []}, '{"$dict":[["$dict",[]]]}'),
    (Any, {"$date": ID}, '{"$dict":[["$date",{"$uuid":"abcdef00-1234-5678-1234-567812345678"}]]}'),
    (Any, {"$decimal": 1, "b": 2}, '{"$decimal":1,"b":2}'),
    (Any, {"$other": 1}, '{"$other":1}'),
    (Any, [1, 1.0, True, None, "a", (2,)], '[1,1.0,true,null,"a",[2]]'),
    (Any, {Decimal(10), 9, "a"}, '[9,{"$decimal":"10"},"a"]'),
    (Any, Colour.RED, '"red"'),
    (str | UUID, ID, '{"$uuid":"abcdef00-1234-5678-1234-567812345678"}'),
    (str | UUID, "abcdef00", '"abcdef00"'),
    (date | datetime, date(2026, 3, 1), '{"$day":"2026-03-01"}'),
    (timedelta | int, timedelta(0), '{"$duration":0}'),
    (list[UUID] | list[str], [ID], '[{"$uuid":"abcdef00-1234-5678-1234-567812345678"}]'),
    (dict[str, int] | Decimal | str, {"$decimal": 1}, '{"$dict":[["$decimal",1]]}'),
    # Members whose forms differ need no mark.
    (Decimal | int, Decimal("1.0"), '"1.0"'),
    (Decimal | int, 1, "1"),
    (int | float, 1.0, "1.0"),
    (timedelta | str, timedelta(0), "0"),
    (datetime | None, MS, '"2026-03-01T12:30:15.123000Z"'),
]


@pytest.mark.parametrize(("annotation", "value", "text"), ACCEPTED)
def test_what_is_stored(annotation: Any, value: Any, text: str) -> None:
    assert stored(annotation, value) == text


@pytest.mark.parametrize(("annotation", "value", "text"), ACCEPTED)
def test_memory_equals_what_is_loaded(
    db: BaseStorageAdapter, annotation: Any, value: Any, text: str
) -> None:
    """Where something else than the value given is stored, save brings the document in line."""
    saved = document(annotation, value)
    key = db.upsert(saved)
    loaded = db.get(type(saved), key)
    assert difference(saved, loaded) is None
    assert loaded.changed_fields == saved.changed_fields == frozenset()
    assert stored(annotation, loaded.__dict__["it"]) == text


def deep(levels: int) -> Any:
    """A list in lists: as many levels as said."""
    value: Any = []
    for _ in range(levels - 1):
        value = [value]
    return value


TOO_MANY = Decimal("1." + "0" * 34)
# The annotation, the value, the path of the fault below `it`, and what the message says.
REFUSED: list[tuple[Any, Any, str, str]] = [
    (bool, 1, "", "must be true or false, not int"),
    (bool, None, "", "is None, and the field takes no None"),
    (int, True, "", "is not an int"),
    (int, 1.0, "", "is not an int"),
    (int, "1", "", "is not an int"),
    (int, None, "", "is None, and the field takes no None"),
    (int, 2**63, "", "is beyond 64 bits: declare the field as BigInt"),
    (int, -(2**63) - 1, "", "is beyond 64 bits"),
    (list[int], [1, 2**63], "1", "is beyond 64 bits"),
    (list[int], [1, True], "1", "is not an int"),
    (list[int], [1, None], "1", "is None"),
    (BigInt, 10**4000, "", "has more than 4000 digits"),
    (BigInt, "5", "", "is not an int"),
    (float, float("nan"), "", "is not finite"),
    (float, float("inf"), "", "is not finite"),
    (float, 2**53 + 1, "", "is an int that no float holds exactly"),
    (float, 10**400, "", "is an int that no float holds exactly"),
    (float, Decimal(1), "", "is not a float"),
    (float, False, "", "is not a float"),
    (list[float], [0.5, float("-inf")], "1", "is not finite"),
    (Decimal, Decimal("NaN"), "", "must be finite"),
    (Decimal, Decimal("sNaN12"), "", "must be finite"),
    (Decimal, Decimal("-Infinity"), "", "must be finite"),
    (Decimal, TOO_MANY, "", "has more than 34 digits"),
    (Decimal, Decimal("1E+6144"), "", "has more than 6144 digits before the point"),
    (Decimal, Decimal("0E+6144"), "", "has more than 6144 digits before the point"),
    (Decimal, Decimal("1E-6177"), "", "has more than 6176 digits after the point"),
    (Decimal, 1, "", "is not a Decimal"),
    (Decimal, 1.5, "", "is not a Decimal"),
    (Decimal, "1", "", "is not a Decimal"),
    (str, "a\0b", "", "holds a NUL character"),
    (str, "\ud800", "", "holds a lone surrogate"),
    (str, b"a", "", "must be text, not bytes"),
    (str, None, "", "is None"),
    (dict[str, int], {"a\0": 1}, "", "has a key that holds a NUL character"),
    (dict[str, int], {1: 1}, "", "must be dict"),
    (dict[str, int], {None: 1}, "", "has a key that is None"),
    (dict[str, int | None], {"None": None, None: 1}, "", "has a key that is None"),
    (dict[str, str], {"a": None}, "a", "is None"),
    (dict[UUID, int], {None: 1}, "", "has a key that is None"),
    (dict[int, int], {2**63: 1}, "", "has a key that is beyond 64 bits"),
    (dict[float, int], {float("nan"): 1}, "", "has a key that is not finite"),
    (
        dict[datetime, int],
        {MS: 1, MS.replace(microsecond=123999): 2},
        "",
        "has two keys that are the same text once stored",
    ),
    (bytes, "a", "", "is not bytes"),
    (datetime, datetime(2026, 1, 1), "", "needs a time zone"),
    (datetime, datetime(1, 1, 1, tzinfo=EAST), "", "leaves the years 1 to 9999"),
    (datetime, datetime(9999, 12, 31, 23, tzinfo=WEST), "", "leaves the years 1 to 9999"),
    (datetime, date(2026, 1, 1), "", "is not a datetime"),
    (date, MS, "", "is not a date"),
    (time, time(1, tzinfo=UTC), "", "is a time with a time zone"),
    (timedelta, timedelta(days=200_000_000), "", "is longer than 64 bits of microseconds"),
    (UUID, str(ID), "", "must be UUID, not str"),
    (ObjectId, str(OID), "", "is not an ObjectId"),
    (Colour, "red", "", "is not a Colour"),
    (Literal["a", 1], "b", "", "is none of the values declared"),
    (Literal["a", 1], True, "", "is none of the values declared"),
    (SecretStr, "s3", "", "is not a secret"),
    (set[int], [1], "", "is not a set"),
    (set[str], {"a", None}, "", "is None"),
    (tuple[int, str], (1,), "", "must be tuple"),
    (tuple[int, str], [1, "a"], "", "must be tuple"),
    (list[int], (1,), "", "is not a list"),
    (list[Customer], [Customer(name="a"), "b"], "1", "must be Customer, not str"),
    (Customer, Customer.model_construct(note="n"), "", "lacks its field name"),
    (Customer, None, "", "is None"),
    (Customer, Customer.model_construct(name=None), "name", "is None"),
    (Customer, document(int, 1), "", "must be Customer, not Holder"),
    (Any, Customer(name="a"), "", "is a Customer, and nothing stored would say so"),
    (Any, {"a": [object()]}, "a.0", "has the type object, which no engine keeps"),
    (Any, {1: 2}, "", "has a key of type int; keys are text"),
    (Any, [2**63], "0", "is beyond 64 bits"),
    (Any, ["a\0"], "0", "holds a NUL character"),
    (Any, ["\udfff"], "0", "holds a lone surrogate"),
    (Any, [datetime(2026, 1, 1)], "0", "needs a time zone"),
    (Any, deep(100), "0.0.0.0.0.0.0.0.0.0.0…", "lies deeper than 100 levels"),
    (Any, deep(400), "0.0.0.0.0.0.0.0.0.0.0…", "lies deeper than 100 levels"),
    (int | str, None, "", "is None"),
    (int | str, 1.5, "", "must be int or text, not float"),
    (int | str, 2**63, "", "is beyond 64 bits"),
    (Decimal | str, Decimal("NaN"), "", "must be finite"),
    (Annotated[int, Field(gt=0)], 0, "", "is not valid (Input should be greater than 0)"),
    (Annotated[str, Field(max_length=2)], "abc", "", "is not valid (String should have at most 2"),
    (Annotated[list[int], Field(max_length=1)], [1, 2], "", "is not valid (List should have"),
    (list[Annotated[Decimal, Field(ge=0)]], [Decimal(-1)], "0", "is not valid (Input should be"),
]


@pytest.mark.parametrize(("annotation", "value", "path", "reason"), REFUSED)
def test_what_is_refused(
    db: BaseStorageAdapter, annotation: Any, value: Any, path: str, reason: str
) -> None:
    refused = document(annotation, value)
    with pytest.raises(InvalidValue) as caught:
        db.save(refused)
    error = caught.value
    field = f"it.{path}" if path else "it"
    assert error.field == field
    assert str(error).startswith(f"Holder.{field} {reason}")
    assert str(error).endswith("; nothing was written")
    assert error.collection == "holder"
    assert db.find("holder").where(id="k", it=0).count() == 0


def test_the_deepest_that_is_accepted(db: BaseStorageAdapter) -> None:
    saved = document(Any, deep(99))
    db.upsert(saved)
    assert db.get(type(saved), "k") == saved
