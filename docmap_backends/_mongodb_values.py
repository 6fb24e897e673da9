"""Values between docmap's JSON and MongoDB's documents."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

import bson
from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions, DatetimeConversion
from pydantic_core import from_json, to_json

from docmap.plan.engine import Record
from docmap.schema.schema import Schema
from docmap_backends._mongodb_names import REVISION, from_name, to_name

OPTIONS: Final[CodecOptions[dict[str, Any]]] = CodecOptions(
    uuid_representation=UuidRepresentation.STANDARD,
    tz_aware=True,
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
)


def to_key(schema: Schema, key: Any) -> Any:
    """A logical key as MongoDB keeps it."""
    if type(key) is str or type(key) is int:
        return key
    if schema.model is None:
        return key if isinstance(key, UUID) else bson.ObjectId(key.binary)
    return schema.stored_key(key)


def to_document(schema: Schema, data: bytes) -> dict[str, Any]:
    """The document of a record, without its revision."""
    document = {to_name(schema, name): value for name, value in from_json(data).items()}
    document["_id"] = to_key(schema, schema.key_of(data))
    return document


def to_data(schema: Schema, document: dict[str, Any]) -> bytes:
    """The record of a document."""
    tree = {
        from_name(schema, name): _tagged(value)
        for name, value in document.items()
        if name != REVISION
    }
    return to_json(tree)


def _tagged(value: Any) -> Any:
    if isinstance(value, bson.ObjectId):
        return {"$oid": str(value)}
    if isinstance(value, UUID):
        return {"$uuid": str(value)}
    return value


def records(schema: Schema, raw: bytes) -> list[Record]:
    """The records of documents that follow one another."""
    found = bson.decode_all(raw, OPTIONS)
    return [(to_data(schema, one), revision_of(one)) for one in found]


def revision_of(document: dict[str, Any]) -> int:
    """The revision of a document; 0 if another program wrote it."""
    found = document.get(REVISION)
    return found if isinstance(found, int) else 0
