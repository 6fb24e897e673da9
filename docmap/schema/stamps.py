"""Stamps: what docmap writes into each record beside the fields of the model.

The name of the document's class in its family, and the version of the class. They stand in front of
the record, so that what reads them need not read the record.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from pydantic_core import from_json, to_json

from docmap.schema.types import Field, FieldType

Stamps = tuple[tuple[str, str | int], ...]
VERSION: Final = "_version"
"""The stored name of the version of a record's class."""
FAMILY: Final = "_class"
"""The stored name of the class of a record, where the root of the family chooses no other."""

TEXT: Final = FieldType("str", nullable=True, annotation=str)
WHOLE: Final = FieldType("int", nullable=True, annotation=int)


def stamp_fields(stamps: Stamps) -> dict[str, Field]:
    """The stamps as fields, for conditions and indexes on them."""
    return {
        name: Field(name, name, TEXT if type(value) is str else WHOLE, required=False)
        for name, value in stamps
    }


def prefix_of(stamps: Stamps) -> bytes:
    """How a record with these stamps begins; empty without stamps."""
    return to_json(dict(stamps))[:-1] + b"," if stamps else b""


def stamped(prefix: bytes, data: bytes) -> bytes:
    """The record of a document, which has at least its key, with its stamps."""
    return prefix + data[1:] if prefix else data


def without(prefix: bytes, names: Mapping[str, object], data: bytes | str) -> bytes:
    """The record without the stamps, for a model that takes or refuses what it does not know."""
    if isinstance(data, str):
        data = data.encode()
    if prefix and data.startswith(prefix):
        return b"{" + data[len(prefix) :]
    if any(mark in data for mark in _marks(names)):
        wire = from_json(data)
        if type(wire) is dict and not names.keys().isdisjoint(wire):
            return to_json({name: item for name, item in wire.items() if name not in names})
    return data


def _marks(names: Mapping[str, object]) -> Iterator[bytes]:
    return (to_json(name) for name in names)
