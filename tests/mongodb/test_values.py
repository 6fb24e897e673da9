"""Documents between docmap's JSON and BSON: nothing is lost either way, types are MongoDB's own."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from random import Random
from typing import Annotated, Any
from uuid import UUID

import bson
import pytest
from bson import Binary, Code, DBRef, Int64, MaxKey, MinKey, Regex, Timestamp
from bson.datetime_ms import DatetimeMS
from bson.decimal128 import Decimal128
from pydantic_core import from_json, to_json

from docmap import BigInt, Document, ObjectId, Precision, Stored
from docmap.schema.schema import Schema, untyped
from docmap.storage.loading import schema_of
from docmap_backends._mongodb_decimals import decimal128, decimal_text
from docmap_backends._mongodb_fields import (
    read_name,
    read_top,
    stored_name,
    stored_top,
)
from docmap_backends._mongodb_names import REVISION
from docmap_backends._mongodb_values import (
    OPTIONS,
    records,
    to_data,
    to_document,
    to_key,
)
from tests.differential.pools import DECIMALS, DICT_KEYS
from tests.differential.zoo import FAMILIES, documents


def _kept(schema: Schema, data: bytes) -> tuple[bytes, int]:
    document = {**to_document(schema, data), REVISION: Int64(7)}
    ((back, revision),) = records(schema, bson.encode(document, codec_options=OPTIONS))
    return bytes(back) if isinstance(back, bytes) else back.encode(), revision


def test_every_document_comes_back(rng: Random, long_run: bool) -> None:
    for family in FAMILIES:
        for record in documents(rng, family, 60 if long_run else 8):
            writer = record.writer
            schema = untyped(writer) if isinstance(writer, str) else schema_of(writer)
            data = schema.codec.encode(record.document)
            back, revision = _kept(schema, data)
            assert from_json(back) == from_json(data)
            assert revision == 7


def test_what_another_class_wrote_reads_as_it_would_from_json(rng: Random) -> None:
    for family in FAMILIES:
        if family.foreign is None:
            continue
        schema = schema_of(family.model)
        for record in documents(rng, family, 10):
            data = schema_of(record.writer).codec.encode(record.document)
            document = to_document(schema_of(record.writer), data)
            assert schema.codec.tree(to_data(schema, document)) == schema.codec.tree(data)


class Held(Document, collection="held"):
    price: Decimal
    big: BigInt
    at: datetime
    fine: Annotated[datetime, Precision("us")]
    day: date
    clock: time
    uid: UUID
    oid: ObjectId
    blob: bytes
    odd: Annotated[int, Stored("a.b")] = 1


def test_values_have_mongodbs_own_types() -> None:
    moment = datetime(2024, 2, 29, 12, 30, 0, 123456, UTC)
    held = Held(
        id="k", price=Decimal("1.10"), big=10**20, at=moment, fine=moment, day=moment.date(),
        clock=time(9), uid=UUID(int=5), oid=ObjectId("55f14312c7447c3da7051b26"), blob=b"\0\xff",
    )  # fmt: skip
    schema = schema_of(Held)
    assert to_document(schema, schema.codec.encode(held)) == {
        "_id": "k",
        "price": Decimal128("1.10"),
        "big": Decimal128("100000000000000000000"),
        "at": datetime(2024, 2, 29, 12, 30, 0, 123000),  # noqa: DTZ001 - as the driver has them
        "fine": 1709209800123456,
        "day": "2024-02-29",
        "clock": "09:00:00.000000",
        "uid": UUID(int=5),
        "oid": bson.ObjectId("55f14312c7447c3da7051b26"),
        "blob": b"\0\xff",
        "%a%2Eb": 1,
    }


@pytest.mark.parametrize(
    ("stored", "read"),
    [
        (Regex("^a", "im"), {"$regularExpression": {"pattern": "^a", "options": "im"}}),
        (Timestamp(5, 1), {"$timestamp": {"t": 5, "i": 1}}),
        (MinKey(), {"$minKey": 1}),
        (MaxKey(), {"$maxKey": 1}),
        (Code("x()"), {"$code": "x()"}),
        (Binary(b"a", 5), {"$binary": {"base64": "YQ==", "subType": "05"}}),
        (Decimal128("NaN"), {"$numberDecimal": "NaN"}),
        (DatetimeMS(2**60), {"$datetime": str(2**60)}),
    ],
)
def test_what_only_mongodb_has_is_an_object_and_is_kept(stored: Any, read: Any) -> None:
    schema = untyped("others")
    data = to_data(schema, {"_id": 1, "x": stored})
    assert schema.codec.tree(data) == {"id": 1, "x": read}
    again = to_document(schema, data)["x"]
    assert (type(again), again) == (type(stored), stored)


def test_a_reference_in_the_data_is_an_object() -> None:
    schema = untyped("others")
    raw = bson.encode({"_id": 1, "x": {"$ref": "a", "$id": 5}, "y": DBRef("b", 6)})
    ((data, revision),) = records(schema, raw)
    tree = schema.codec.tree(data)
    assert tree == {"id": 1, "x": {"$ref": "a", "$id": 5}, "y": {"$ref": "b", "$id": 6}}
    assert revision == 0
    assert "$" not in "".join(name[0] for name in to_document(schema, data)["x"])


def test_a_tag_of_another_program_is_its_own_object() -> None:
    schema = untyped("others")
    data = to_data(schema, {"_id": 1, "x": {"$decimal": "1.10"}, "y": {"$day": "2024-01-01"}})
    tree = schema.codec.tree(data)
    assert tree == {"id": 1, "x": {"$decimal": "1.10"}, "y": {"$day": "2024-01-01"}}


def test_fields_with_the_names_of_the_key_and_the_revision() -> None:
    schema = untyped("others")
    row = {"id": "k", "_id": 1, "_rev": 2, "%_rev": 3, "%": 4, "": 5, "%a%2Eb": 6, "a.b": 7}
    data = to_json(row)
    assert from_json(_kept(schema, data)[0]) == row
    assert to_document(schema, data)["_id"] == "k"


def test_a_revision_of_another_type_is_another_programs_field() -> None:
    schema = untyped("others")
    ((data, revision),) = records(schema, bson.encode({"_id": 1, "_rev": "1-abc"}))
    assert (schema.codec.tree(data), revision) == ({"id": 1, "_rev": "1-abc"}, 0)


@pytest.mark.parametrize(
    "name", [*DICT_KEYS, "%", "%%", "%25", "%.", "%%2E", "%$gt", "_rev", "_id"]
)
def test_names_come_back(name: str) -> None:
    stored = stored_name(name)
    assert read_name(stored) == name
    assert stored
    assert "." not in stored
    assert not stored.startswith("$")
    assert read_top(stored_top(name, "id"), "id") == name
    assert read_name(stored_name(stored)) == stored


def test_decimals_come_back_with_their_scale(rng: Random) -> None:
    found = [Decimal(rng.randrange(10 ** rng.randrange(1, 34))) for _ in range(500)]
    found = [one.scaleb(rng.randrange(-60, 60)) for one in found]
    for value in [*found, *(one or abs(one) for one in DECIMALS)]:
        made = decimal128(str(value))
        assert made is not None
        assert made.to_decimal() == value
        assert decimal_text(made) == str(value)


@pytest.mark.parametrize("text", ["", "x", ".", "NaN", "1" * 35, "-", "1_0"])
def test_text_that_is_no_decimal_stays_text(text: str) -> None:
    found = decimal128(text)
    assert found is None


def test_keys() -> None:
    schema = untyped("others")
    assert to_key(schema, ObjectId("55f14312c7447c3da7051b26")) == bson.ObjectId(
        "55f14312c7447c3da7051b26"
    )
    assert to_key(schema, UUID(int=1)) == UUID(int=1)
    assert to_key(schema, "a") == "a"
