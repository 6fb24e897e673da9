"""Documents that other programs wrote: brought into the form in which docmap keeps its own."""

from __future__ import annotations

from math import isfinite
from typing import Any

from pydantic_core import from_json


def normal_form(doc: bytes, key: Any, key_name: str) -> dict[str, Any] | None:
    """A document of another program with its key in place; None if docmap cannot write it."""
    try:
        wire = from_json(doc)
    except ValueError:
        return None
    if type(wire) is not dict or key is None or not is_storable(wire):
        return None
    if wire.get(key_name) != key or type(wire.get(key_name)) is not type(key):
        wire = {**wire, key_name: key}
    return wire


def is_storable(wire: Any) -> bool:
    """True if the value has a form that docmap and SQLite's functions read alike."""
    if isinstance(wire, str):
        return "\0" not in wire
    if isinstance(wire, float):
        return isfinite(wire)
    if isinstance(wire, dict):
        return all(is_storable(name) and is_storable(value) for name, value in wire.items())
    return not isinstance(wire, list) or all(map(is_storable, wire))
