"""What is stored at each path of a collection in SQLite, and which values need a column."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

from pydantic_core import SchemaValidator, core_schema

from docmap.schema.schema import Schema
from docmap.schema.stamps import stamp_fields
from docmap.schema.types import UNTYPED, walk
from docmap.schema.wire import TEXT_READERS
from docmap.values import INT_MAX, INT_MIN, MISSING, decimal_key
from docmap_backends._sql_places import reachable

KEYED = frozenset({"float", "decimal", "bigint"})
MIXED = "mixed"
_TYPED = KEYED | frozenset("bool int str bytes datetime date time timedelta uuid objectid".split())

Shape = dict[str, str]
"""The path of each declared scalar, as JSON, to its type, or to `mixed` and the types declared."""


@lru_cache(maxsize=4096)
def path_text(segments: tuple[Any, ...]) -> str:
    """The path as the shape has it."""
    return json.dumps(segments, ensure_ascii=False)


@lru_cache(maxsize=256)
def declared_shape(schema: Schema) -> Mapping[str, str]:
    """The paths of a class's scalars that nested models lead to, with their types; its stamps."""
    stamps = {
        path_text((name,)): field.type.kind for name, field in stamp_fields(schema.stamps).items()
    }
    return stamps | {
        path_text(path): kind.kind
        for path, kind in walk(schema.root)
        if kind.kind in _TYPED or (kind.kind in UNTYPED and not reachable(path))
    }


def in_column(segments: tuple[Any, ...], kinds: Iterable[str]) -> bool:
    """True if a place of these types has a column of its own."""
    return bool(KEYED.intersection(kinds)) or not reachable(segments)


def fits_kind(kind: str, wire: Any) -> bool:
    """True if SQLite compares the JSON value as one of the type, or as null."""
    if wire is None or wire is MISSING:
        return True
    if type(wire) is int and not INT_MIN <= wire <= INT_MAX:
        return False  # a float to SQLite
    if kind in TEXT_READERS:
        return TEXT_READERS[kind](wire) is not wire
    if kind == "float" and type(wire) is int:
        return abs(wire) <= _WHOLE  # as other programs write floats
    return type(wire) is _NATIVE_TYPES[kind]


_WHOLE = 2**53  # up to it, each whole number is a float
_NATIVE_TYPES: Mapping[str, type] = {"bool": bool, "int": int, "float": float, "str": str}


def reader_of(names: Iterable[str]) -> Callable[[bytes], Any]:
    """What reads only some top-level names of a document's JSON."""
    wanted = core_schema.typed_dict_field(core_schema.any_schema(), required=False)
    fields = core_schema.typed_dict_schema(dict.fromkeys(names, wanted))
    return SchemaValidator(fields).validate_json


def key_value(kinds: frozenset[str], wire: Any) -> Any:
    """What the column of a place of these types holds for a JSON value."""
    if "float" in kinds and type(wire) in {float, int}:
        return float(wire) if fits_kind("float", wire) else None
    for kind in ("decimal", "bigint"):
        if kind in kinds and (value := TEXT_READERS[kind](wire)) is not wire:
            return decimal_key(value)
    # Of a place that no JSON path can name, the column has what the path would give.
    plain = kinds - KEYED - {MIXED} and type(wire) in {str, int, bool}
    return wire if plain and not (type(wire) is int and abs(wire) > INT_MAX) else None
