"""Serializers that also look at what pydantic's own let pass.

pydantic writes an object of another class by the fields that it happens to have, leaves out fields
that are missing, and writes None wherever it stands. The first two it refuses where it chooses
between the members of a union, and so every schema is made one of two. None it never refuses:
`none_finder` does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import RootModel
from pydantic_core import SchemaSerializer
from pydantic_core import core_schema as cs

from docmap.schema.types import FieldType, python_class


def _never(_: Any) -> Any:
    raise ValueError("is never written")


_NEVER = cs.any_schema(serialization=cs.plain_serializer_function_ser_schema(_never))


def serializer(kind: FieldType) -> SchemaSerializer:
    """What writes values of a type, and refuses those of another class or with missing fields."""
    return _serializer(kind.core, kind.definitions)


def list_serializer(item: FieldType) -> SchemaSerializer:
    """What writes lists of a type."""
    return _serializer(cs.list_schema(item.core), item.definitions)


def _serializer(core: cs.CoreSchema, definitions: Mapping[str, cs.CoreSchema]) -> SchemaSerializer:
    schema = cs.union_schema([core, _NEVER])
    if definitions:
        return SchemaSerializer(
            cs.definitions_schema(schema, list(definitions.values())), _use_prebuilt=False
        )
    return SchemaSerializer(schema, _use_prebuilt=False)


Finder = Callable[[Any], bool]


def none_finder(kind: FieldType) -> Finder:
    """A function that says whether a value holds None where its type takes none."""
    return _Finders().finder(kind) or (lambda value: False)


class _Finders:
    """The finders of one model; made once per type, also of a type that contains itself."""

    def __init__(self) -> None:
        self._made: dict[tuple[int, bool], Finder | None] = {}

    def finder(self, kind: FieldType) -> Finder | None:
        """None where the value itself cannot hold one; whether it is one is asked outside."""
        place = (id(kind.fields) if kind.fields else id(kind), True)
        if place not in self._made:
            self._made[place] = lambda value: bool((found := self._made[place]) and found(value))
            self._made[place] = self._make(kind)
        return self._made[place]

    def _make(self, kind: FieldType) -> Finder | None:
        if isinstance(python_class(kind), type) and issubclass(python_class(kind) or type, RootModel):
            return self._root(kind)
        if kind.kind == "model":
            return self._model(kind)
        if kind.kind == "union":
            return self._union(kind)
        if kind.items:
            return self._fixed(kind)
        if kind.kind in {"list", "set", "tuple", "dict"} and kind.item is not None:
            return self._elements(kind, kind.item)
        return None
