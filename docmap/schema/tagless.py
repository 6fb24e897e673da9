"""Records that were stored without a class, read by one: values with their tags in typed places.

Without a declared type a Decimal is stored as `{"$decimal": "1.10"}`; where one is declared, as its
text alone. The two differ only by the tag.
"""

from __future__ import annotations

from typing import Any

from pydantic_core import from_json, to_json

from docmap.schema.types import ANY, LISTS, FieldType
from docmap.schema.wire import ESCAPE, TAG_KINDS, TEXT_READERS, unescaped


def without_tags(data: bytes | str, kind: FieldType) -> bytes | None:
    """The record with the values in typed places as they are stored there; None if they are."""
    raw = data.encode() if isinstance(data, str) else data
    if b'"$' not in raw:
        return None
    try:
        wire = from_json(raw)
    except ValueError:
        return None
    bare = _bare(wire, kind)
    return None if bare is wire else to_json(bare)


def _bare(wire: Any, kind: FieldType) -> Any:
    """The JSON form without tags; the very object that was given if there are none."""
    if type(wire) is list and kind.kind in LISTS:
        return _each(wire, [_bare(one, kind.element(i) or ANY) for i, one in enumerate(wire)])
    if type(wire) is not dict:
        return wire
    if kind.kind == "union" and not kind.tagged:
        return _of_union(wire, kind)
    if kind.kind in TEXT_READERS:
        return _value(wire, kind.kind)
    if kind.kind not in {"dict", "model"}:
        return wire
    held = unescaped(wire) if ESCAPE in wire else wire
    types = {entry.stored: entry.type for entry in kind.fields.values()}
    found = {}
    for name, value in held.items():
        inner = types.get(name) or kind.item
        found[name] = value if inner is None else _bare(value, inner)
    same = held is wire and all(found[name] is value for name, value in wire.items())
    return wire if same else found


def _each(wire: list[Any], found: list[Any]) -> list[Any]:
    same = all(one is other for one, other in zip(wire, found, strict=True))
    return wire if same else found


def _value(wire: dict[str, Any], kind: str) -> Any:
    if len(wire) == 1:
        ((tag, value),) = wire.items()
        if TAG_KINDS.get(tag) == kind:
            return value
    return wire


def _of_union(wire: dict[str, Any], kind: FieldType) -> Any:
    for option in kind.options:
        bare = _bare(wire, option)
        if bare is not wire:
            return bare
    return wire
