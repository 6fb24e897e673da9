"""As a condition: that a stored document holds nothing but what its class knows.

A save keeps the stored fields that a class does not know, so it would have to read the document
first. Under this condition there is nothing to keep, and one statement is enough.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from docmap.schema.schema import Schema
from docmap.schema.types import LISTS, FieldType
from docmap_backends._postgresql_sql import constant

_HOLDING: Final = LISTS | {"dict", "model", "union"}
_DEEPEST: Final = 6


@lru_cache(maxsize=512)
def only_known(schema: Schema, place: str) -> str | None:
    """The condition for the document in column `place`; empty if there is nothing to ask.

    None where SQL cannot tell: the document has to be read.
    """
    if schema.model is None or schema.unknown == "drop":
        return ""
    if schema.upgrades is not None or (schema.family is not None and not schema.family.alone):
        return None  # another class, or an older version, may know other names
    found = _known(schema.root, place, 0, frozenset(schema.owned))
    return None if found is None else found.replace("%", "%%")


def _known(kind: FieldType, place: str, depth: int, more: frozenset[str]) -> str | None:
    """The condition for a place of a type; empty if it always holds."""
    if kind.kind not in _HOLDING:
        return ""
    if depth > _DEEPEST:  # a model that contains itself
        return None
    if kind.kind == "union":
        held = [_known(option, place, depth + 1, more) for option in kind.options]
        return "" if all(one == "" for one in held) else None
    if kind.kind == "model":
        return _model(kind, place, depth, more)
    if kind.items:
        held = [_known(item, place, depth + 1, frozenset()) for item in kind.items]
        return "" if all(one == "" for one in held) else None
    if kind.item is None:
        return ""
    name = f"e{depth}"
    inner = _known(kind.item, f"{name}.value", depth + 1, frozenset())
    if not inner:
        return inner
    typed, each = ("object", "jsonb_each") if kind.kind == "dict" else ("array", _ELEMENTS)
    empty = "{}" if typed == "object" else "[]"
    held_there = f"CASE WHEN jsonb_typeof({place})='{typed}' THEN {place} ELSE '{empty}' END"
    return f"NOT EXISTS(SELECT FROM {each}({held_there}) {name} WHERE NOT ({inner}))"


def _model(kind: FieldType, place: str, depth: int, more: frozenset[str]) -> str | None:
    parts: list[str] = []
    if not kind.extra:
        names = sorted({entry.stored for entry in kind.fields.values()} | more)
        listed = ",".join(constant(name) for name in names)
        rest = f"{place} - ARRAY[{listed}]::text[]"
        known = f"{rest} = '{{}}'"
        if depth:  # it may be null, missing, or of another type
            known = f"CASE WHEN jsonb_typeof({place})='object' THEN {known} ELSE true END"
        parts.append(known)
    for entry in kind.fields.values():
        inner = f"({place}->{constant(entry.stored)})"
        found = _known(entry.type, inner, depth + 1, frozenset())
        if found is None:
            return None
        if found:
            parts.append(found)
    return " AND ".join(f"({part})" for part in parts)


_ELEMENTS: Final = "jsonb_array_elements"
