"""Which types the classes that write a collection declare, and so what may be stored at a path.

MongoDB's own order and ranges are docmap's where all values at a path are of one type. What a class
declares is noted in the database before it first writes, for all programs to see.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from time import monotonic
from typing import Any, Final

from pydantic_core import from_json, to_json

from docmap.query.paths import Path
from docmap.schema.schema import Schema
from docmap.schema.types import FieldType, walk

SCALARS: Final = frozenset(
    "bool int bigint float decimal str bytes datetime date time timedelta uuid objectid".split()
)
_OPEN: Final = "*"
Shape = Mapping[tuple[str, ...], str]
"""The kinds by storage path; `*` below an object that takes what it does not declare."""


def label_of(kind: FieldType) -> str:
    """What tells two types apart in MongoDB."""
    return f"{kind.kind} us" if kind.microseconds else kind.kind


def stored_type(kind: FieldType) -> str:
    """MongoDB's name of the type in which values of a scalar type are stored."""
    return "long" if kind.microseconds else _STORED[kind.kind]


def indexed_type(kind: FieldType) -> str | list[str]:
    """The types of the values of a scalar type that a unique index covers."""
    if kind.kind == "bigint":
        return ["number", "string"]
    return "number" if kind.kind in _NUMBERS or kind.microseconds else _STORED[kind.kind]


_NUMBERS: Final = frozenset({"int", "float", "decimal", "timedelta"})
_STORED: Final = {
    "bool": "bool",
    "int": "number",
    "bigint": "number",
    "float": "double",
    "decimal": "decimal",
    "str": "string",
    "bytes": "binData",
    "datetime": "date",
    "date": "string",
    "time": "string",
    "timedelta": "number",
    "uuid": "binData",
    "objectid": "objectId",
}


def shape_of(schema: Schema) -> Shape:
    """The types of what documents of a class hold."""
    shape: dict[tuple[str, ...], str] = {}
    if schema.model is None or schema.root.extra:
        shape[(_OPEN,)] = ""
    for path, kind in walk(schema.root):
        shape[path] = label_of(kind)
        if kind.extra:
            shape[(*path, _OPEN)] = ""
    return shape


def written(shape: Shape) -> str:
    """A shape as text, alike for alike shapes."""
    return to_json(sorted([*path, label] for path, label in shape.items())).decode()


def read(text: str) -> Shape:
    """The shape of its text."""
    return {tuple(path): label for *path, label in from_json(text)}


class Known:
    """What is known of the writers of one database's collections, through one storage."""

    def __init__(self) -> None:
        self._writers: dict[str, dict[str, Shape]] = {}
        self._looked: dict[str, float] = {}
        self.foreign: set[str] = set()
        """The collections that docmap did not make."""
        self.found: dict[tuple[str, str, str], bool] = {}
        """What a look at such a collection found at a place, if it was all of a type."""

    def is_fresh(self, collection: str) -> bool:
        """True if the notes of the collection were read a short time ago."""
        return monotonic() - self._looked.get(collection, -_KEPT) < _KEPT

    def learn(self, collection: str, notes: Iterable[str], *, own: bool) -> None:
        """Take over what is noted of the writers, in the form of `written`."""
        self._looked[collection] = monotonic()
        held = self._writers.setdefault(collection, {})
        for text in notes:
            if text not in held:
                held[text] = read(text)
        (self.foreign.discard if own else self.foreign.add)(collection)

    def has(self, collection: str, text: str) -> bool:
        """True if the writer is known."""
        return text in self._writers.get(collection, ())

    def forget(self) -> None:
        """Nothing is stored any more."""
        for one in (self._writers, self._looked, self.foreign, self.found):
            one.clear()

    def trusts(self, schema: Schema, path: Path, kind: FieldType) -> bool:
        """True if every class that writes stores values of this type at the path, or none."""
        if kind.kind not in SCALARS or not all(type(one) is str for one in path.segments):
            return False
        segments: tuple[Any, ...] = path.segments
        writers = self._writers.get(schema.collection, {}).values()
        return all(_fits(shape, segments, label_of(kind)) for shape in writers)


_KEPT: Final = 5.0  # seconds for which the notes of other programs' classes are not read again


def _fits(shape: Shape, segments: tuple[str, ...], label: str) -> bool:
    held = shape.get(segments)
    if held is not None:
        return held == label
    for end in range(len(segments)):
        if (*segments[:end], _OPEN) in shape:
            return False
        if end and shape.get(segments[:end], "model") != "model":
            return False
        if end and segments[:end] not in shape:
            return True  # no field of that class, which holds no others
    # A model that contains itself is noted one level deep.
    return segments[:-1] == () or not any(path[:-1] == segments[:-1] for path in shape)
