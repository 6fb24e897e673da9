"""Converters between docmap's JSON and MongoDB's BSON for a place of a declared type.

Compiled once for each type; what is stored of another type than declared keeps its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from bson import Int64, ObjectId
from bson.decimal128 import Decimal128

from docmap.schema.types import ANY, LISTS, FieldType, inner_types
from docmap.schema.wire import datetime_text as aware_text
from docmap.schema.wire import read_bigint, read_datetime
from docmap.values import INT_MAX, INT_MIN
from docmap_backends._mongodb_decimals import decimal128, decimal_text
from docmap_backends._mongodb_fields import read_name, stored_name
from docmap_backends._mongodb_native import (
    PLAIN,
    datetime_text,
    native,
    native_bytes,
    native_datetime,
    native_object_id,
    native_uuid,
    wire,
)
from docmap_backends._mongodb_unions import read_union, write_union

Convert = Callable[[Any], Any]
_INTEGERS: Final = frozenset({int, Int64})

# -- from JSON, by type


@lru_cache(maxsize=4096)
def writer(kind: FieldType) -> Convert | None:
    """What makes BSON of the JSON in a place of a type; None where both are alike."""
    if kind.kind in _SCALAR_WRITERS:
        return _text_writer(_SCALAR_WRITERS[kind.kind])
    if kind.kind == "datetime":
        return _text_writer(_microseconds if kind.microseconds else native_datetime)
    if kind.kind in LISTS:
        return _list_of(writer, kind, native)
    if kind.kind in {"dict", "model"}:
        return _object_writer(kind)
    if kind.kind == "union" and not kind.tagged:
        return lambda held: held if type(held) in _NEVER_TEXT else write_union(kind, held, writer)
    if kind.kind in {"any", "union"}:
        return lambda held: held if type(held) in PLAIN else native(held)
    return None


_NEVER_TEXT: Final = PLAIN - {str}


def _text_writer(convert: Convert) -> Convert:
    def write(held: Any) -> Any:
        if type(held) is str:
            found = convert(held)
            return held if found is None else found
        return held if type(held) in PLAIN else native(held)

    return write


def _bigint(text: str) -> Any:
    """A number as far as MongoDB has exact ones, and text beyond."""
    value = read_bigint(text)
    if type(value) is not int:
        return None
    if INT_MIN <= value <= INT_MAX:
        return value
    return decimal128(text)


_UNIX: Final = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
_MICROSECOND: Final = timedelta(microseconds=1)


def _microseconds(text: str) -> Int64 | None:
    value = read_datetime(text)
    return Int64((value - _UNIX) // _MICROSECOND) if isinstance(value, datetime) else None


_SCALAR_WRITERS: Final[dict[str, Convert]] = {
    "decimal": decimal128,
    "bigint": _bigint,
    "uuid": native_uuid,
    "bytes": native_bytes,
    "objectid": native_object_id,
}


def _list_of(
    of: Callable[[FieldType], Convert | None], kind: FieldType, untyped: Convert
) -> Convert:
    """What converts a list element by element."""
    if kind.items:
        each = [of(item) or _plain_or(untyped) for item in kind.items]
        rest = _plain_or(untyped)

        def fixed(held: Any) -> Any:
            if type(held) is not list:
                return rest(held)
            return [(each[i] if i < len(each) else rest)(value) for i, value in enumerate(held)]

        return fixed
    convert = _later(of, kind.item or ANY, untyped)
    if convert is None:
        return lambda held: (
            [item if type(item) in PLAIN else untyped(item) for item in held]
            if type(held) is list
            else _plain_or(untyped)(held)
        )

    def listed(held: Any) -> Any:
        if type(held) is list:
            return [convert(item) for item in held]
        return held if type(held) in PLAIN else untyped(held)

    return listed


def _plain_or(untyped: Convert) -> Convert:
    return lambda held: held if type(held) in PLAIN else untyped(held)


def _later(
    of: Callable[[FieldType], Convert | None], kind: FieldType, untyped: Convert
) -> Convert | None:
    """The converter of a type; of one that may contain itself it is made when first needed."""
    if kind.kind not in {"model", "dict", "list", "set", "tuple", "union"}:
        return of(kind)
    if not _contains_itself(kind):
        return of(kind) or _plain_or(untyped)
    made: list[Convert] = []

    def convert(held: Any) -> Any:
        if not made:
            made.append(of(kind) or _plain_or(untyped))
        return made[0](held)

    return convert


def _contains_itself(kind: FieldType) -> bool:
    """True if the type is met again inside itself, or what is in it is."""

    def meets(one: FieldType, above: frozenset[int]) -> bool:
        place = id(one.fields) if one.fields else id(one)
        if place in above:
            return True
        return any(meets(inner, above | {place}) for inner in inner_types(one))

    return meets(kind, frozenset())


def _object_of(
    of: Callable[[FieldType], Convert | None],
    kind: FieldType,
    untyped: Convert,
    names: Mapping[str, tuple[str, FieldType]],
    other: Callable[[str], str],
) -> Convert:
    """What converts an object: `names` of fields to their new names, `other` renames the rest."""
    known = {name: (new, _later(of, one, untyped)) for name, (new, one) in names.items()}
    others = _later(of, kind.item, untyped) if kind.item else None

    def convert_all(held: Any) -> Any:
        if type(held) is not dict:
            return held if type(held) in PLAIN else untyped(held)
        result: dict[str, Any] = {}
        for name, value in held.items():
            place = known.get(name)
            if place is None:
                new, convert = other(name), others
            else:
                new, convert = place
            if convert is not None:
                result[new] = convert(value)
            else:
                result[new] = value if type(value) in PLAIN else untyped(value)
        return result

    return convert_all


def _object_writer(kind: FieldType) -> Convert:
    fields = kind.fields.values()
    names = {field.stored: (stored_name(field.stored), field.type) for field in fields}
    return _object_of(writer, kind, native, names, stored_name)


# -- to JSON, by type


@lru_cache(maxsize=4096)
def reader(kind: FieldType) -> Convert | None:
    """What makes JSON of the BSON in a place of a type; None where both are alike."""
    if kind.kind in _SCALAR_READERS:
        return _of_type(*_SCALAR_READERS[kind.kind])
    if kind.kind == "bigint":
        return _read_bigint
    if kind.kind == "decimal":
        return _read_decimal
    if kind.kind == "datetime":
        return _read_microseconds if kind.microseconds else _of_type(datetime, datetime_text)
    if kind.kind in LISTS:
        return _list_of(reader, kind, wire)
    if kind.kind in {"dict", "model"}:
        return _object_reader(kind)
    if kind.kind == "union" and not kind.tagged:
        return lambda value: value if type(value) in PLAIN else read_union(kind, value, reader)
    return None


def _of_type(stored: type, text: Convert) -> Convert:
    def read(value: Any) -> Any:
        if type(value) is stored:
            found = text(value)
            return wire(value) if found is None else found
        return value if type(value) in PLAIN else wire(value)

    return read


_SCALAR_READERS: Final[dict[str, tuple[type, Convert]]] = {
    "uuid": (UUID, str),
    "bytes": (bytes, bytes.hex),
    "objectid": (ObjectId, lambda value: value.binary.hex()),
}


def _read_decimal(value: Any) -> Any:
    if type(value) is Decimal128:
        return decimal_text(value) or wire(value)
    if type(value) in PLAIN:
        return value
    held = wire(value)
    return held["$decimal"] if _is_decimal(held) else held


def _is_decimal(held: Any) -> bool:
    """True of the object in which a server without Decimal128 has one."""
    return type(held) is dict and len(held) == 1 and type(held.get("$decimal")) is str


def without_decimals(value: Any) -> Any:
    """A document, or an update, for a server without Decimal128."""
    if type(value) is Decimal128:
        return {stored_name("$decimal"): decimal_text(value) or str(value)}
    if type(value) is list:
        return [without_decimals(item) for item in value]
    if type(value) is dict:
        return {name: without_decimals(item) for name, item in value.items()}
    return value


def _read_bigint(value: Any) -> Any:
    if type(value) is dict:
        held = wire(value)
        return held["$decimal"] if _is_decimal(held) else held
    if type(value) in _INTEGERS:
        return str(int(value))
    if type(value) is Decimal128:
        text = decimal_text(value) or ""
        return text if text.removeprefix("-").isdigit() else wire(value)
    return value if type(value) in PLAIN else wire(value)


def _read_microseconds(value: Any) -> Any:
    if type(value) in _INTEGERS:
        try:
            return aware_text(_UNIX + timedelta(microseconds=value))
        except OverflowError:
            return value
    return value if type(value) in PLAIN else wire(value)


def _object_reader(kind: FieldType) -> Convert:
    fields = kind.fields.values()
    names = {stored_name(field.stored): (field.stored, field.type) for field in fields}
    return _object_of(reader, kind, wire, names, read_name)
