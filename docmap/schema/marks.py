"""What tells the members of a union apart that are stored as objects: fields and literals."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from enum import Enum
from functools import lru_cache
from typing import Any

from docmap.schema.types import FieldType


class Marks:
    """What every stored object of one type has."""

    __slots__ = ("_literals", "_required")

    def __init__(self, kind: FieldType) -> None:
        self._required = {entry.stored for entry in kind.fields.values() if entry.required}
        self._literals = {
            entry.stored: [
                value.value if isinstance(value, Enum) else value
                for value in typing.get_args(entry.type.annotation)
            ]
            for entry in kind.fields.values()
            if typing.get_origin(entry.type.annotation) is typing.Literal
        }

    def fit(self, wire: Mapping[str, Any]) -> bool:
        """True if a stored object may be of the type."""
        return self._required <= wire.keys() and all(
            wire[name] in allowed for name, allowed in self._literals.items() if name in wire
        )


@lru_cache(maxsize=1024)
def marks_of(kind: FieldType) -> Marks:
    """The marks of a type, worked out once."""
    return Marks(kind)
