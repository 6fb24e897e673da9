"""What a codec must look at in each document, known from the type alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from docmap.schema.types import FieldType, inner_types, python_class
from docmap.values import MAX_DEPTH


@dataclass(slots=True)
class Shape:
    """The checks that documents of a type need beside those of their scalars."""

    deep: bool = False
    """A document may lie deeper than allowed: something in it has no fixed depth."""
    keyed: bool = False
    """It has dicts, of which pydantic writes a key that is None as the text of it."""
    overlapping: bool = False
    """An extra field may have the storage name of a declared one."""
    nested: list[type] = field(default_factory=list)
    """The models inside: an instance of a subclass of one would lose what it adds."""
    moments: tuple[str, ...] = ()
    """The fields that are datetimes of milliseconds: those that a save most often cuts."""

    @classmethod
    def of(cls, root: FieldType) -> Shape:
        """The shape of the documents of a model."""
        shape = cls(deep=root.kind != "model")
        seen: set[int] = set()
        for kind, depth in _all(root, seen):
            shape.deep = shape.deep or depth > MAX_DEPTH or kind.kind == "any" or kind.extra
            shape.keyed = shape.keyed or kind.kind == "dict"
            if kind.extra:
                shape.overlapping |= any(f.stored != f.name for f in kind.fields.values())
            python = python_class(kind)
            if kind.kind == "model" and kind is not root and python and python is not dict:
                shape.nested.append(python)
        shape.deep = shape.deep or bool(root.definitions)
        shape.moments = tuple(
            name
            for name, entry in root.fields.items()
            if entry.type.kind == "datetime"
            and not entry.type.microseconds
            and entry.type.target is None
        )
        return shape


def _all(kind: FieldType, seen: set[int], depth: int = 1) -> Iterator[tuple[FieldType, int]]:
    if id(kind) in seen:
        return
    seen.add(id(kind))
    yield kind, depth
    for inner in inner_types(kind):
        yield from _all(inner, seen, depth + 1)
