"""Serializers that also look at what pydantic's own let pass.

pydantic writes an object of another class by the fields that it happens to have, leaves out fields
that are missing, and writes None wherever it stands. The first two it refuses where it chooses
between the members of a union, and so every schema is made one of two. None it never refuses:
`none_finder` does.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from operator import attrgetter
from typing import Any, get_args, get_origin

from pydantic import BaseModel, RootModel
from pydantic_core import SchemaSerializer
from pydantic_core import core_schema as cs

from docmap.schema.declared import UNIONS
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
    return _Finders().finder(kind) or (lambda _: False)


class _Finders:
    """The finders of one model; made once per type, also of a type that contains itself."""

    def __init__(self) -> None:
        self._made: dict[int, Finder | None] = {}

    def finder(self, kind: FieldType) -> Finder | None:
        """What looks below a value; None where nothing lies. The value itself is not None."""
        place = id(kind.fields) if kind.fields else id(kind)
        if place not in self._made:
            self._made[place] = lambda value: bool((found := self._made[place]) and found(value))
            self._made[place] = self._make(kind)
        return self._made[place]

    def _make(self, kind: FieldType) -> Finder | None:
        python = python_class(kind)
        if kind.kind == "union" and kind.core["type"] == "tagged-union":
            return self._discriminated(kind)
        if python is None:
            return None  # a union whose members look for themselves, or untyped
        if issubclass(python, RootModel):
            return self._root(kind)
        if kind.kind == "model":
            return self._model(kind, python)
        if kind.items and issubclass(python, tuple):
            return self._fixed(kind)
        if kind.item is not None and (python in _CONTAINERS or python.__module__ == _ABSTRACT):
            return self._elements(kind, kind.item)
        return None

    def _root(self, kind: FieldType) -> Finder:
        below = self._make(replace(kind, annotation=_plain_annotation(kind)))
        takes_none = kind.nullable

        def find(value: Any) -> bool:
            if value.root is None:
                return not takes_none
            return below is not None and below(value.root)

        return find

    def _model(self, kind: FieldType, python: type) -> Finder | None:
        held = _held(python)
        if held is None:
            return None
        names = [name for name, entry in kind.fields.items() if not entry.type.nullable]
        inner = [(n, found) for n, f in kind.fields.items() if (found := self.finder(f.type))]

        def find(value: Any) -> bool:
            values = held(value)
            for name in names:
                if values.get(name, value) is None:
                    return True
            for name, below in inner:
                item = values.get(name)
                if item is not None and below(item):
                    return True
            return False

        return find

    def _discriminated(self, kind: FieldType) -> Finder:
        found = {python_class(option): self.finder(option) for option in kind.options}

        def find(value: Any) -> bool:
            below = found.get(type(value))
            return below is not None and below(value)

        return find

    def _fixed(self, kind: FieldType) -> Finder:
        parts = [(item.nullable, self.finder(item)) for item in kind.items]

        def find(value: Any) -> bool:
            return any(
                not nullable if item is None else below is not None and below(item)
                for item, (nullable, below) in zip(value, parts, strict=False)
            )

        return find

    def _elements(self, kind: FieldType, item: FieldType) -> Finder | None:
        below, nullable, keyed = self.finder(item), item.nullable, kind.kind == "dict"
        if below is None and nullable and not keyed:
            return None

        def find(value: Any) -> bool:
            if keyed and None in value:
                return True
            for one in value.values() if keyed else value:
                if (not nullable) if one is None else (below is not None and below(one)):
                    return True
            return False

        return find


_CONTAINERS = {list, tuple, set, frozenset, dict, deque, defaultdict, OrderedDict, Counter}
_ABSTRACT = "collections.abc"


_BUILTIN: Mapping[str, type] = {"list": list, "set": set, "tuple": tuple, "dict": dict}


def _plain_annotation(kind: FieldType) -> Any:
    """What a root model holds, None left out."""
    declared = kind.annotation.model_fields["root"].annotation
    members = [arg for arg in get_args(declared) if arg is not type(None)]
    inner = members[0] if get_origin(declared) in UNIONS and len(members) == 1 else declared
    return _BUILTIN.get(kind.kind, inner)


def _held(python: type) -> Callable[[Any], Mapping[str, Any]] | None:
    """What gives the fields of a model's instance by name; None for a class with a converter."""
    if issubclass(python, BaseModel) or (is_dataclass(python) and not hasattr(python, "__slots__")):
        return attrgetter("__dict__")
    if python is dict:
        return lambda value: value
    if is_dataclass(python):
        names = [field.name for field in fields(python)]
        return lambda value: {name: getattr(value, name, ...) for name in names}
    return None
