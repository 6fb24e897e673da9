"""Field types: what docmap knows of a place in a document, whatever engine keeps it."""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import typing_extensions
from pydantic_core import CoreSchema
from pydantic_core import core_schema as cs

Kind = Literal[
    "bool",
    "int",
    "bigint",
    "float",
    "decimal",
    "str",
    "bytes",
    "datetime",
    "date",
    "time",
    "timedelta",
    "uuid",
    "objectid",
    "list",
    "set",
    "tuple",
    "dict",
    "model",
    "union",
    "any",
]

ORDERED: frozenset[str] = frozenset(
    "int bigint float decimal str datetime date time timedelta uuid objectid union any".split()
)
LISTS: frozenset[str] = frozenset({"list", "set", "tuple"})
UNTYPED: frozenset[str] = frozenset({"any", "union"})

_LABELS = {"str": "text", "bool": "true or false", "objectid": "ObjectId", "uuid": "UUID"}


@dataclass(frozen=True, slots=True, eq=False)
class FieldType:
    """The type of one place. Compared by identity: a recursive model's type contains itself."""

    kind: Kind
    nullable: bool = False
    item: FieldType | None = None
    """The type of a list's elements, of a dict's values, of the extra fields of a model."""
    items: tuple[FieldType, ...] = ()
    """The types of a fixed tuple's elements."""
    fields: Mapping[str, Field] = field(default_factory=dict, repr=False)
    """The fields of a nested model, by Python name."""
    options: tuple[FieldType, ...] = ()
    """The members of a union."""
    annotation: Any = field(default=Any, repr=False)
    """What the user declared, None left out: operands are validated by it."""
    core: Any = field(default=None, repr=False)
    """docmap's own pydantic-core schema of the place; it may refer to `definitions`."""
    microseconds: bool = False
    """Datetimes keep microseconds."""
    extra: bool = False
    """A nested model that takes fields it does not declare."""
    key_type: FieldType | None = field(default=None, repr=False)
    """The type of a dict's keys, where they are not text."""
    tagged: bool = False
    """A union that stores the values that JSON lacks with their type, as an untyped place does."""
    definitions: Mapping[str, CoreSchema] = field(default_factory=dict, repr=False)
    """The schemas of the types that contain themselves, which `core` may refer to."""
    target: Callable[[], Any] | None = field(default=None, repr=False)
    """Of a reference: gives the class that it refers to. The other attributes are its key's."""
    on_delete: str = ""
    """Of a reference: its delete rule; empty or "ignore" for none."""

    @property
    def schema(self) -> CoreSchema:
        """`core` with all that it refers to: what serializers and validators are made of."""
        if not self.definitions:
            return self.core  # type: ignore[no-any-return]
        return cs.definitions_schema(self.core, list(self.definitions.values()))

    @property
    def label(self) -> str:
        """The type in a user's words."""
        return _label(self, 0)

    def child(self, name: str) -> Field | None:
        """The field `name` of a nested model, or of the members of a union that have it."""
        if self.kind != "union":
            return self.fields.get(name)
        found = [entry for option in self.options if (entry := option.child(name)) is not None]
        if not found:
            return None
        first = found[0]
        alike = all(
            (entry.stored, entry.type.kind, entry.type.annotation)
            == (first.stored, first.type.kind, first.type.annotation)
            for entry in found
        )
        return first if alike else Field(name, first.stored, ANY)

    def element(self, index: int) -> FieldType | None:
        """The type of the element at `index` of a list; None if there can be none."""
        if self.items:
            return self.items[index] if index < len(self.items) else None
        return self.item or ANY


_DEEPEST_LABEL = 3  # a type that contains itself has no end


def _label(kind: FieldType, depth: int) -> str:
    if kind.target is not None:
        return f"a reference to {kind.target().__name__}"
    if kind.kind == "model":
        return getattr(kind.annotation, "__name__", "object")
    if kind.kind == "union":
        return " or ".join(dict.fromkeys(_label(option, depth) for option in kind.options))
    if kind.kind in LISTS and kind.item is not None and depth < _DEEPEST_LABEL:
        return f"{kind.kind} of {_label(kind.item, depth + 1)}"
    return _LABELS.get(kind.kind, kind.kind)


def python_class(kind: FieldType) -> type | None:
    """The class of the values in memory; None where only the schema can tell."""
    if kind.kind == "any" or len(kind.options) > 1:
        return None
    if typing_extensions.is_typeddict(typing.get_origin(kind.annotation) or kind.annotation):
        return dict
    found = typing.get_origin(kind.annotation) or kind.annotation
    return found if isinstance(found, type) else None


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """A declared field: its Python name, its name in storage and its type."""

    name: str
    stored: str
    type: FieldType
    required: bool = True


ANY = FieldType("any", nullable=True)


def walk(
    root: FieldType, prefix: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], FieldType]]:
    """The storage paths, with their types, that are reached through nested models alone."""
    seen = {id(root.fields)}

    def below(
        kind: FieldType, path: tuple[str, ...]
    ) -> Iterator[tuple[tuple[str, ...], FieldType]]:
        for entry in kind.fields.values():
            here = (*path, entry.stored)
            yield here, entry.type
            if entry.type.kind == "model" and id(entry.type.fields) not in seen:
                seen.add(id(entry.type.fields))
                yield from below(entry.type, here)
                seen.discard(id(entry.type.fields))

    yield from below(root, prefix)


def holds_datetime(kind: FieldType) -> bool:
    """True if a datetime may stand in the place."""
    return kind.kind in {"datetime", "any"} or any(map(holds_datetime, kind.options))


def inner_types(kind: FieldType) -> tuple[FieldType, ...]:
    """The types directly inside a type: elements, values, members and fields."""
    below = (kind.item, *kind.items, *kind.options, *(f.type for f in kind.fields.values()))
    return tuple(inner for inner in below if inner is not None)
