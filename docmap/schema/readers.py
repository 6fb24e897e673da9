"""Readers: from the JSON form of a place to its logical value, by the declared type.

A stored value of another type than declared stays what it is: queries then compare it by its own
type, and never fail on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from docmap.schema.types import FieldType
from docmap.schema.wire import TEXT_READERS, Reader, tagged, untagged


def to_wire(kind: FieldType, value: Any) -> Any:
    """The JSON form of a logical value in a place of this type."""
    if value is None:
        return None
    if kind.kind in TEXT_READERS and type(value) is not str:
        single = tagged(value)
        if isinstance(single, dict) and len(single) == 1:
            return next(iter(single.values()))
        return str(value) if kind.kind == "bigint" else single
    if kind.kind in {"list", "set", "tuple"} and isinstance(value, list):
        return [to_wire(kind.element(i) or kind, item) for i, item in enumerate(value)]
    if kind.kind == "dict" and kind.item is not None and isinstance(value, dict):
        return {name: to_wire(kind.item, item) for name, item in value.items()}
    if kind.kind == "model" and isinstance(value, dict):
        types = {entry.stored: entry.type for entry in kind.fields.values()}
        return {
            name: to_wire(types[name], item) if name in types else tagged(item)
            for name, item in value.items()
        }
    return tagged(value) if kind.kind in {"any", "union"} else value


class Readers:
    """The readers of one model; made once per type, recursive models included."""

    def __init__(self) -> None:
        self._made: dict[int, Reader | None] = {}

    def reader(self, kind: FieldType) -> Reader | None:
        """The reader of a place of this type; None where JSON's own value is the logical one."""
        if kind.kind in TEXT_READERS:
            return TEXT_READERS[kind.kind]
        if kind.kind == "any":
            return untagged
        if kind.kind in {"list", "set", "tuple"}:
            return self._elements(kind)
        if kind.kind == "dict":
            return _values(self.reader(kind.item)) if kind.item else untagged
        if kind.kind == "union":
            return self._union(kind)
        if kind.kind == "model":
            return self._model(kind)
        return None

    def fields(self, kind: FieldType) -> dict[str, Reader | None]:
        """The readers of a model's fields by storage name."""
        return {entry.stored: self.reader(entry.type) for entry in kind.fields.values()}

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
        known = self._made.get(id(kind.fields), ...)
        if known is not ...:
            return known
        # A recursive model meets itself here; the placeholder looks the real reader up later.
        self._made[id(kind.fields)] = lambda wire: (
            found(wire) if (found := self._made[id(kind.fields)]) else wire
        )
        readers = self.fields(kind)
        needed: Mapping[str, Reader] = {n: r for n, r in readers.items() if r is not None}

        def read_model(wire: Any) -> Any:
            if type(wire) is not dict:
                return wire
            result = dict(wire)
            for name, read in needed.items():
                if name in result:
                    result[name] = read(result[name])
            if kind.extra:
                for name in result.keys() - readers.keys():
                    result[name] = untagged(result[name])
            return result

        self._made[id(kind.fields)] = read_model if needed or kind.extra else None
        return self._made[id(kind.fields)]

    def _union(self, kind: FieldType) -> Reader:
        options = [(option, self.reader(option)) for option in kind.options]
        texts = [read for option, read in options if option.kind in TEXT_READERS]
        plain_text = any(option.kind in {"str", "any", "union"} for option, _ in options)
        one_text = texts[0] if len(texts) == 1 and not plain_text else None
        lists = [read for option, read in options if option.kind in {"list", "set", "tuple"}]
        objects = [(o, read) for o, read in options if o.kind in {"model", "dict"}]

        def read_union(wire: Any) -> Any:
            if type(wire) is dict:
                for option, read in objects:
                    required = {f.stored for f in option.fields.values() if f.required}
                    if required <= wire.keys() and untagged(wire) == wire:
                        return read(wire) if read else wire
            if type(wire) is list and len(lists) == 1:
                return lists[0](wire) if lists[0] else wire
            if one_text is not None and type(wire) is not dict and type(wire) is not list:
                return one_text(wire)
            return untagged(wire)

        return read_union


def _values(read: Reader | None) -> Reader | None:
    if read is None:
        return None
    return lambda wire: (
        {name: read(value) for name, value in wire.items()} if type(wire) is dict else wire
    )
