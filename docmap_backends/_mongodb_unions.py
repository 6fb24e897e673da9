"""Unions whose members have different JSON forms: which member a stored value is of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from bson import ObjectId
from bson.decimal128 import Decimal128

from docmap.schema.marks import marks_of
from docmap.schema.types import LISTS, FieldType
from docmap_backends._mongodb_fields import read_name
from docmap_backends._mongodb_native import native, wire

Of = Callable[[FieldType], Callable[[Any], Any] | None]
_NATIVE: Final[dict[type, str]] = {
    Decimal128: "decimal",
    datetime: "datetime",
    UUID: "uuid",
    bytes: "bytes",
    ObjectId: "objectid",
}


def write_union(kind: FieldType, held: Any, writer: Of) -> Any:
    """MongoDB's form of the JSON of one of the members."""
    if type(held) is str:
        for option in _members(kind):
            if option.kind in _NATIVE.values():
                found = _by(writer, option, held, native)
                if found is not held:
                    return found
        return held
    member = _holder(kind, held)
    return native(held) if member is None else _by(writer, member, held, native)


def read_union(kind: FieldType, value: Any, reader: Of) -> Any:
    """The JSON of a value of one of the members."""
    wanted = _NATIVE.get(type(value))
    if wanted is not None:
        option = next((one for one in _members(kind) if one.kind == wanted), None)
        return wire(value) if option is None else _by(reader, option, value, wire)
    held = {read_name(name): item for name, item in value.items()} if _is_dict(value) else value
    member = _holder(kind, held)
    return wire(value) if member is None else _by(reader, member, value, wire)


def _is_dict(value: Any) -> bool:
    return type(value) is dict


def _by(of: Of, kind: FieldType, held: Any, untyped: Callable[[Any], Any]) -> Any:
    convert = of(kind)
    return untyped(held) if convert is None else convert(held)


def _holder(kind: FieldType, held: Any) -> FieldType | None:
    """The member that a list or an object is of: the one that knows most of its names."""
    if type(held) is list:
        lists = [option for option in _members(kind) if option.kind in LISTS]
        return lists[0] if len(lists) == 1 else None
    if type(held) is not dict:
        return None
    objects = [one for one in _members(kind) if one.kind in {"model", "dict"}]
    fitting = [one for one in objects if marks_of(one).fit(held)]
    return min(fitting, key=lambda one: _unknown(one, held)) if fitting else None


def _unknown(kind: FieldType, held: dict[str, Any]) -> int:
    if kind.kind == "dict":
        return len(held) + 1
    return len(held.keys() - {entry.stored for entry in kind.fields.values()})


def _members(kind: FieldType) -> Iterator[FieldType]:
    for option in kind.options:
        if option.kind == "union":
            yield from _members(option)
        else:
            yield option
