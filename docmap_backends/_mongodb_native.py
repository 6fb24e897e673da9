"""MongoDB's own form of values in places without a declared type, and the JSON form of all it has.

Where no type is declared docmap's JSON has values that JSON lacks as objects of one key:
`{"$decimal": "1.10"}`. MongoDB has a type for most of them; those that it lacks stay objects. What
only MongoDB has, such as a regular expression of another program, is read as the object that
Extended JSON writes for it, and becomes the same value again when it is stored.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from bson import Binary, Code, DBRef, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from bson.datetime_ms import DatetimeMS
from bson.decimal128 import Decimal128

from docmap.schema.wire import TAGS, escaped, read_uuid
from docmap_backends._mongodb_decimals import decimal128, decimal_text
from docmap_backends._mongodb_fields import read_name, stored_name

PLAIN: Final = frozenset({str, int, float, bool, type(None), Int64})
"""The types that JSON and MongoDB both have."""


# -- from JSON


def native(wire: Any) -> Any:
    """MongoDB's form of a value in a place without a declared type."""
    kind = type(wire)
    if kind in PLAIN:
        return wire
    if kind is list:
        return [item if type(item) in PLAIN else native(item) for item in wire]
    if len(wire) == 1:
        ((name, item),) = wire.items()
        read = _TAGGED.get(name)
        if read is not None:
            found = read(item)
            if found is not None:
                return found
    return {
        stored_name(name): item if type(item) in PLAIN else native(item)
        for name, item in wire.items()
    }


def native_datetime(text: Any) -> datetime | None:
    """MongoDB's datetime of a datetime's text; None for one that MongoDB would cut."""
    if type(text) is not str or len(text) != 27 or text[23:26] != "000":
        return None
    if text[26] != "Z" or text[10] != "T":
        return None
    try:
        return datetime.fromisoformat(text[:23])
    except ValueError:
        return None


def native_uuid(text: Any) -> UUID | None:
    """The UUID of its text."""
    value = read_uuid(text)
    return value if isinstance(value, UUID) else None


def native_bytes(text: Any) -> bytes | None:
    """The bytes of their hexadecimal text."""
    try:
        value = bytes.fromhex(text)
    except (ValueError, TypeError):
        return None
    return value if value.hex() == text else None


def native_object_id(text: Any) -> ObjectId | None:
    """The driver's ObjectId of its 24 lower-case digits."""
    value = native_bytes(text)
    return ObjectId(value) if value is not None and len(value) == 12 else None


def _decimal(text: Any) -> Decimal128 | None:
    return decimal128(text) if type(text) is str else None


def _binary(value: Any) -> Any:
    found = Binary(b64decode(value["base64"], validate=True), int(value["subType"], 16))
    return found if found.subtype not in {0, 4} else None


def _as_written(read: Callable[[Any], Any], tag: str) -> Callable[[Any], Any]:
    """What only MongoDB has: the value that is read as this very object, or None."""

    def make(item: Any) -> Any:
        try:
            found = read(item)
        except (ValueError, TypeError, KeyError, OverflowError, AttributeError):
            return None
        # A value of docmap's own that looks alike must come back as it is.
        return found if found is not None and same(wire(found), {tag: item}) else None

    return make


def same(left: Any, right: Any) -> bool:
    """True if two JSON values are alike, the types of their numbers too."""
    return type(left) is type(right) and left == right


_TAGGED: Final[dict[str, Callable[[Any], Any]]] = {
    "$decimal": _decimal,
    "$date": native_datetime,
    "$uuid": native_uuid,
    "$bytes": native_bytes,
    "$oid": native_object_id,
    **{
        tag: _as_written(read, tag)
        for tag, read in {
            "$binary": _binary,
            "$regularExpression": lambda v: Regex(v["pattern"], v["options"]),
            "$timestamp": lambda v: Timestamp(v["t"], v["i"]),
            "$minKey": lambda _: MinKey(),
            "$maxKey": lambda _: MaxKey(),
            "$code": Code,
            "$numberDecimal": Decimal128,
            "$datetime": lambda v: DatetimeMS(int(v)),
        }.items()
    },
}


# -- to JSON


def wire(value: Any) -> Any:
    """The JSON form of what MongoDB has in a place without a declared type."""
    kind = type(value)
    if kind in PLAIN:
        return value
    write = _WRITERS.get(kind)
    if write is not None:
        return write(value)
    raise TypeError(f"the driver gave a {kind.__name__}, which BSON does not have")


def _object(value: dict[str, Any]) -> dict[str, Any]:
    found = {
        read_name(name): item if type(item) in PLAIN else wire(item) for name, item in value.items()
    }
    # A tag of docmap's own is stored escaped: this is another program's object.
    if len(value) == 1 and not TAGS.isdisjoint(value):
        return escaped(found)
    return found


def datetime_text(value: datetime) -> str:
    """The text of a naive datetime, which is UTC."""
    return "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ" % (  # noqa: UP031 - a third faster
        value.year,
        value.month,
        value.day,
        value.hour,
        value.minute,
        value.second,
        value.microsecond,
    )


def _decimal_wire(value: Decimal128) -> dict[str, Any]:
    text = decimal_text(value)
    return {"$numberDecimal": str(value)} if text is None else {"$decimal": text}


def _binary_wire(value: Binary) -> dict[str, Any]:
    text = b64encode(value).decode("ascii")
    return {"$binary": {"base64": text, "subType": f"{value.subtype:02x}"}}


def _code_wire(value: Code) -> dict[str, Any]:
    text = str.__str__(value)
    if value.scope is None:
        return {"$code": text}
    return {"$code": text, "$scope": _object(dict(value.scope))}


def _regex_wire(value: Regex[Any]) -> dict[str, Any]:
    pattern = value.pattern if isinstance(value.pattern, str) else value.pattern.decode()
    options = "".join(letter for letter, flag in _FLAGS.items() if value.flags & flag)
    return {"$regularExpression": {"pattern": pattern, "options": options}}


_FLAGS: Final = {
    "i": re.IGNORECASE,
    "l": re.LOCALE,
    "m": re.MULTILINE,
    "s": re.DOTALL,
    "u": re.UNICODE,
    "x": re.VERBOSE,
}


_WRITERS: Final[dict[type, Callable[[Any], Any]]] = {
    dict: _object,
    list: lambda value: [item if type(item) in PLAIN else wire(item) for item in value],
    Decimal128: _decimal_wire,
    datetime: lambda value: {"$date": datetime_text(value)},
    UUID: lambda value: {"$uuid": str(value)},
    bytes: lambda value: {"$bytes": value.hex()},
    ObjectId: lambda value: {"$oid": value.binary.hex()},
    Binary: _binary_wire,
    DBRef: lambda value: _object(dict(value.as_doc())),
    Regex: _regex_wire,
    Timestamp: lambda value: {"$timestamp": {"t": value.time, "i": value.inc}},
    MinKey: lambda _: {"$minKey": 1},
    MaxKey: lambda _: {"$maxKey": 1},
    Code: _code_wire,
    DatetimeMS: lambda value: {"$datetime": str(int(value))},
}
