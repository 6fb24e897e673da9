"""Documents between docmap's JSON and MongoDB's BSON, by the declared types of their fields.

Decimals, datetimes, UUIDs, bytes and ObjectIds are kept natively, all else as in JSON: a date and a
time as text, a timedelta and a datetime of microseconds as a number. Converters are compiled once
for each type; what is stored of another type than declared keeps its own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import bson
from bson import CodecOptions, Int64
from bson.binary import UuidRepresentation
from bson.codec_options import DatetimeConversion
from pydantic_core import from_json, to_json

from docmap.plan.engine import Record
from docmap.schema.readers import to_wire
from docmap.schema.schema import Schema
from docmap.schema.types import FieldType
from docmap_backends._mongodb_converters import reader, writer
from docmap_backends._mongodb_fields import (
    read_top,
    stored_top,
)
from docmap_backends._mongodb_names import ID, MARKS, REVISION
from docmap_backends._mongodb_native import (
    PLAIN,
    native,
    wire,
)

Convert = Callable[[Any], Any]
OPTIONS: Final[CodecOptions[dict[str, Any]]] = CodecOptions(
    uuid_representation=UuidRepresentation.STANDARD,
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
)
"""How the driver reads documents: UUIDs of subtype 4, naive datetimes, numbers where it cannot."""
_INTEGERS: Final = frozenset({int, Int64})
_RESERVED: Final[dict[str, frozenset[type]]] = {
    REVISION: _INTEGERS,
    MARKS: frozenset({dict}),
}


# -- whole documents


def to_document(schema: Schema, data: bytes | str) -> dict[str, Any]:
    """The BSON document of a record, without its revision."""
    held = from_json(data)
    root = _member(schema, held).root if schema.family is not None else schema.root
    return _top_writer(root, schema.key_field.stored)(held)


def to_data(schema: Schema, document: dict[str, Any]) -> bytes:
    """The JSON of a BSON document, as docmap would have written it; without the revision."""
    return to_json(_to_wire(schema, document))


def _to_wire(schema: Schema, document: dict[str, Any]) -> dict[str, Any]:
    member = _member(schema, document) if schema.family is not None else schema
    found = _top_reader(member.root, schema.key_field.stored)(document)
    if member.stamps:  # they are looked for at the beginning of a record
        return {name: found[name] for name, _ in member.stamps if name in found} | found
    return found


def to_record(schema: Schema, document: dict[str, Any]) -> Record:
    """The record of a BSON document; one of another program is of revision 0."""
    return to_data(schema, document), revision_of(document)


def revision_of(document: dict[str, Any]) -> int:
    """The revision in a BSON document; 0 if it has none."""
    found: Any = document.get(REVISION)
    return int(found) if type(found) in _INTEGERS else 0


def records(schema: Schema, raw: bytes) -> list[Record]:
    """The records of documents that follow one another as BSON."""
    return [to_record(schema, document) for document in bson.decode_all(raw, OPTIONS)]


def to_key(schema: Schema, key: Any) -> Any:
    """What `_id` holds for a logical key."""
    return to_native(schema.key_field.type, key)


def to_native(kind: FieldType, value: Any) -> Any:
    """A logical value as it is stored in a place of a type."""
    if value is None:
        return None
    held = to_wire(kind, value)
    convert = writer(kind)
    if convert is not None:
        return convert(held)
    return held if type(held) in PLAIN else native(held)


def _member(schema: Schema, held: dict[str, Any]) -> Schema:
    """The schema of the class in the family that a document is of."""
    family = schema.family
    if family is None or family.alone:
        return schema
    name = held.get(family.field)
    if name == schema.family_name or not isinstance(name, str):
        return schema
    return next((one for one in schema.relatives if one.family_name == name), schema)


@lru_cache(maxsize=1024)
def _top_writer(root: FieldType, key: str) -> Callable[[Any], dict[str, Any]]:
    known = {
        entry.stored: (stored_top(entry.stored, key), writer(entry.type))
        for entry in root.fields.values()
    }
    if key not in known:
        known[key] = (ID, native)
    others = (writer(root.item) or native) if root.item else native

    def write(held: Any) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for name, value in held.items():
            place = known.get(name)
            if place is None:
                result[stored_top(name, key)] = value if type(value) in PLAIN else others(value)
            elif place[1] is None:
                result[place[0]] = value if type(value) in PLAIN else native(value)
            else:
                result[place[0]] = place[1](value)
        return result

    return write


@lru_cache(maxsize=1024)
def _top_reader(root: FieldType, key: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    known = {
        stored_top(entry.stored, key): (entry.stored, reader(entry.type))
        for entry in root.fields.values()
    }
    if ID not in known:
        known[ID] = (key, wire)
    others = (reader(root.item) or wire) if root.item else wire

    def read(document: dict[str, Any]) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for name, value in document.items():
            place = known.get(name)
            if place is None:
                if name in _RESERVED and type(value) in _RESERVED[name]:
                    continue
                held = value if type(value) in PLAIN else others(value)
                result[read_top(name, key)] = held
            elif place[1] is None:
                result[place[0]] = value if type(value) in PLAIN else wire(value)
            else:
                result[place[0]] = place[1](value)
        return result

    return read
