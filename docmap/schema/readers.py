"""Readers: from the JSON form of a place to its logical value, by the declared type.

A stored value of another type than declared stays what it is: queries then compare it by its own
type, and never fail on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from docmap.schema.marks import Marks
from docmap.schema.types import LISTS, FieldType
from docmap.schema.wire import (
    ESCAPE,
    TAGS,
    TEXT_READERS,
    Reader,
    kind_of,
    tagged,
    unescaped,
    untagged,
)


def to_wire(kind: FieldType, value: Any) -> Any:
    """The JSON form of a logical value in a place of this type.

    A value of another type has the form that tells its own, which the type then refuses.
    """
    if value is None:
        return None
    if kind.kind in TEXT_READERS and type(value) is not str:
        if kind.kind == "bigint" and type(value) is int:
            return str(value)
        single = tagged(value)
        return next(iter(single.values())) if kind_of(value) == kind.kind else single
    if kind.kind in LISTS and isinstance(value, list):
        return [to_wire(kind.element(i) or kind, item) for i, item in enumerate(value)]
    if kind.kind == "dict" and kind.item is not None and isinstance(value, dict):
        return {name: to_wire(kind.item, item) for name, item in value.items()}
    if kind.kind == "model" and isinstance(value, dict):
        types = {entry.stored: entry.type for entry in kind.fields.values()}
        return {
            name: to_wire(types[name], item) if name in types else tagged(item)
            for name, item in value.items()
        }
    if kind.kind == "union" and not kind.tagged:
        wanted = kind_of(value)
        for option in kind.options:
            if option.kind == wanted:
                return to_wire(option, value)
    if kind.kind in {"model", "dict"} and kind_of(value):
        return str(value)  # a tag is an object, which they might take
    return tagged(value)


class Readers:
    """The readers of one model; made once per type, also of a type that contains itself."""

    def __init__(self) -> None:
        self._made: dict[int, Reader | None] = {}

    def reader(self, kind: FieldType) -> Reader | None:
        """The reader of a place of this type; None where JSON's own value is the logical one."""
        if kind.kind in TEXT_READERS:
            return TEXT_READERS[kind.kind]
        if kind.kind == "any":
            return untagged
        place = id(kind.fields) if kind.fields else id(kind)
        if place in self._made:
            return self._made[place]
        # A type that contains itself meets this: it looks the reader up when it is complete.
        self._made[place] = lambda wire: found(wire) if (found := self._made[place]) else wire
        self._made[place] = self._make(kind)
        return self._made[place]

    def fields(self, kind: FieldType) -> dict[str, Reader | None]:
        """The readers of a model's fields by storage name."""
        return {entry.stored: self.reader(entry.type) for entry in kind.fields.values()}

    def _make(self, kind: FieldType) -> Reader | None:
        if kind.kind in LISTS:
            return self._elements(kind)
        if kind.kind == "dict":
            return _values(self.reader(kind.item)) if kind.item else untagged
        if kind.kind == "union":
            return self._union(kind)
        return self._model(kind) if kind.kind == "model" else None

    def _elements(self, kind: FieldType) -> Reader | None:
        if kind.items:
            readers = [self.reader(item) for item in kind.items]

            def read_fixed(wire: Any) -> Any:
                if type(wire) is not list:
                    return wire
                known = [
                    read(value) if read else value
                    for read, value in zip(readers, wire, strict=False)
                ]
                return known + wire[len(known) :]

            return read_fixed if any(readers) else None
        read = self.reader(kind.item) if kind.item else untagged
        if read is None:
            return None
        return lambda wire: [read(item) for item in wire] if type(wire) is list else wire

    def _model(self, kind: FieldType) -> Reader | None:
        readers = self.fields(kind)
        needed: Mapping[str, Reader] = {n: r for n, r in readers.items() if r is not None}
        others = (self.reader(kind.item) if kind.item else untagged) if kind.extra else None
        if not needed and others is None:
            return None

        def read_model(wire: Any) -> Any:
            if type(wire) is not dict:
                return wire
            result = dict(wire)
            for name, read in needed.items():
                if name in result:
                    result[name] = read(result[name])
            if others is not None:
                for name in result.keys() - readers.keys():
                    result[name] = others(result[name])
            return result

        return read_model

    def _union(self, kind: FieldType) -> Reader:
        options = list(_members(kind))
        lists = [self.reader(option) for option in options if option.kind in LISTS]
        objects = [_Object(o, self.reader(o)) for o in options if o.kind in _OBJECTS]
        plain = [] if kind.tagged else [o for o in options if o.kind in TEXT_READERS]
        scalars = [TEXT_READERS[option.kind] for option in plain]

        def read_union(wire: Any) -> Any:
            if type(wire) is dict:
                if kind.tagged and len(wire) == 1 and wire.keys() <= TAGS:
                    if ESCAPE not in wire or not objects:
                        return untagged(wire)
                    wire = unescaped(wire)
                return _read_object(objects, wire)
            if type(wire) is list and len(lists) == 1:
                return lists[0](wire) if lists[0] else wire
            for read in scalars:
                if (value := read(wire)) is not wire:
                    return value
            return untagged(wire)

        return read_union


def _values(read: Reader | None) -> Reader | None:
    if read is None:
        return None
    return lambda wire: (
        {name: read(value) for name, value in wire.items()} if type(wire) is dict else wire
    )


def _members(kind: FieldType) -> Iterator[FieldType]:
    """The members of a union, those of discriminated unions among them in their place."""
    for option in kind.options:
        if option.kind == "union":
            yield from _members(option)
        else:
            yield option


_OBJECTS = frozenset({"model", "dict"})


class _Object:
    """A member of a union that is stored as an object, and how to know it."""

    def __init__(self, kind: FieldType, read: Reader | None) -> None:
        self.read = read
        self.any_fields = kind.kind == "dict"
        self.known = {entry.stored for entry in kind.fields.values()}
        self.fits = Marks(kind).fit

    def unknown(self, wire: Mapping[str, Any]) -> int:
        return len(wire) + 1 if self.any_fields else len(wire.keys() - self.known)


def _read_object(objects: Iterable[_Object], wire: dict[str, Any]) -> Any:
    """The object by the member whose fields it has; the fewest unknown ones win."""
    fitting = [option for option in objects if option.fits(wire)]
    if not fitting:
        return untagged(wire)
    read = min(fitting, key=lambda option: option.unknown(wire)).read
    return read(wire) if read else wire
