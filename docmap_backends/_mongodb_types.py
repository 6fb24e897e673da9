"""Which types the classes that write a collection declare, and so what may be stored at a path.

MongoDB's own order and ranges are docmap's where all values at a path are of one type. What a class
declares is noted in the database before it first writes, for all programs to see.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

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


class Known:
    """What is known of the writers of each collection, through one storage."""

    def __init__(self) -> None:
        self._writers: dict[str, dict[frozenset[Any], Shape]] = {}

    def add(self, collection: str, shape: Shape) -> None:
        """Note what one class writes."""
        self._writers.setdefault(collection, {})[frozenset(shape.items())] = shape

    def forget(self) -> None:
        """Nothing is stored any more."""
        self._writers.clear()

    def trusts(self, schema: Schema, path: Path, kind: FieldType) -> bool:
        """True if every writer stores values of this type at the path, or none."""
        if kind.kind not in SCALARS or not all(type(one) is str for one in path.segments):
            return False
        segments: tuple[Any, ...] = path.segments
        writers: Iterable[Shape] = self._writers.get(schema.collection, {}).values()
        return all(_fits(shape, segments, label_of(kind)) for shape in writers)


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
