"""Field types: what docmap knows of a place in a document, whatever engine keeps it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

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
    """The type of the elements of a list, set or open tuple, of the values of a dict."""
    items: tuple[FieldType, ...] = ()
    """The types of a fixed tuple's elements."""
    fields: Mapping[str, Field] = field(default_factory=dict, repr=False)
    """The fields of a nested model, by Python name."""
    options: tuple[FieldType, ...] = ()
    """The members of a union."""
    annotation: Any = field(default=Any, repr=False)
    """What the user declared, None left out: operands are validated by it."""
    core: Any = field(default=None, repr=False)
    """docmap's own pydantic-core schema of the place."""
    microseconds: bool = False
    """Datetimes keep microseconds."""
    extra: bool = False
    """A nested model that takes fields it does not declare."""
    key_type: FieldType | None = field(default=None, repr=False)
    """The type of a dict's keys, where they are not text."""

    @property
    def label(self) -> str:
        """The type in a user's words."""
        if self.kind in LISTS and self.item is not None:
            return f"{self.kind} of {self.item.label}"
        if self.kind == "model":
            return getattr(self.annotation, "__name__", "object")
        return _LABELS.get(self.kind, self.kind)

    def child(self, name: str) -> Field | None:
        """The field `name` of a nested model, or of the members of a union that have it."""
        if self.kind == "union":
            found = [f for option in self.options if (f := option.child(name)) is not None]
            if not found:
                return None
            same = all(f.type.kind == found[0].type.kind and f.stored == found[0].stored for f in found)
            return found[0] if same else Field(name, found[0].stored, ANY)
        return self.fields.get(name)

    def element(self, index: int) -> FieldType | None:
        """The type of the element at `index` of a list; None if there can be none."""
        if self.items:
            return self.items[index] if index < len(self.items) else None
        return self.item or ANY


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """A declared field: its Python name, its name in storage and its type."""

    name: str
    stored: str
    type: FieldType
    required: bool = True


ANY = FieldType("any", nullable=True)


def walk(root: FieldType, prefix: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], FieldType]]:
    """The storage paths, with their types, that are reached through nested models alone."""
    seen = {id(root.fields)}

    def below(kind: FieldType, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], FieldType]]:
        for entry in kind.fields.values():
            here = (*path, entry.stored)
            yield here, entry.type
            if entry.type.kind == "model" and id(entry.type.fields) not in seen:
                seen.add(id(entry.type.fields))
                yield from below(entry.type, here)
                seen.discard(id(entry.type.fields))

    yield from below(root, prefix)
