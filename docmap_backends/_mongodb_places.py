"""Places in MongoDB's documents: the dotted path, and what keeps a filter from walking into lists.

A filter of MongoDB on `a.b` also looks into the elements of every list on the way, and of the one
that is there. So every filter asks besides that neither is a list, which no index is needed for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Final

from docmap.plan.engine import FieldCodec, Native
from docmap.query.paths import Digits, Path, Segment
from docmap.schema.schema import Schema
from docmap.schema.types import UNTYPED, FieldType
from docmap_backends._mongodb_fields import is_awkward, stored_name, stored_top
from docmap_backends._mongodb_names import ID
from docmap_backends._mongodb_types import indexed_type

Filter = dict[str, Any]
ARRAY: Final = {"$type": "array"}
NO_ARRAY: Final = {"$not": ARRAY}
_NO_FRACTION: Final = {"$not": {"$type": ["array", "double", "decimal"]}}
"""What else a place of whole microseconds may hold is a number of another program's."""
_NO_DOUBLE: Final = {"$not": {"$type": ["array", "double"]}}
"""The same for a server without Decimal128, which does not know its name."""
NOTHING: Final[Filter] = {ID: {"$in": []}}
"""The filter that no document matches."""
SELF: Final = ""
"""The name of an element itself, inside the filter of a list's elements."""


@dataclass(slots=True)
class ElementCodec(FieldCodec):
    """The codec that lookups get inside `any` and `all`, where paths start at an element."""


@dataclass(frozen=True, slots=True)
class Place:
    """One path, as a filter names it."""

    name: str
    parents: tuple[str, ...]
    """The objects on the way."""
    kind: FieldType
    positions: bool
    """The path goes through a list: a filter finds all that is there, and more."""
    unique: Any = None
    """The type that a unique index over the place covers: a filter must ask for it to use it."""
    guard: Filter = field(default_factory=lambda: NO_ARRAY)
    """The operators that keep out lists, and values that only look like those of the type."""

    def having(self, **operators: Any) -> Filter:
        """The filter of documents whose value at the place, which is no list, fulfils all."""
        if self.name == ID:
            return {ID: operators}
        return self._below({self.name: {**self._typed(operators), **self.guard}})

    def listed(self, **operators: Any) -> Filter:
        """The filter of documents that have a list at the place which fulfils all."""
        if "$elemMatch" in operators:
            operators = self._typed(operators)
        return self._below({self.name: operators})

    def _typed(self, operators: Filter) -> Filter:
        return operators if self.unique is None else {"$type": self.unique, **operators}

    def _below(self, found: Filter) -> Filter:
        return {**found, **dict.fromkeys(self.parents, NO_ARRAY)}

    def native(self, condition: Filter, *, exact: bool = True) -> Native:
        """A condition on the place; never exact where the path goes through a list."""
        return Native(condition, exact=exact and not self.positions)


def guard_of(kind: FieldType, codec: FieldCodec) -> Filter:
    """The operators that keep out of a comparison what is not of a type, and looks like it."""
    if kind.kind != "timedelta" and not kind.microseconds:
        return NO_ARRAY
    return _NO_FRACTION if codec.engine.decimal128 else _NO_DOUBLE


def place_of(path: Path, codec: FieldCodec) -> Place:
    """The place that a lookup compares. Raises ValueError for one that no filter can name."""
    segments = path.segments
    if any(type(segment) is Digits for segment in segments):  # they equal the text they look like
        raise ValueError("digits are an index or a key, by what is stored")
    place = _worked_out(segments, codec.type, codec.schema, isinstance(codec, ElementCodec))
    if place.unique is not None and not codec.engine.unique_indexes:
        place = replace(place, unique=None)
    guard = guard_of(place.kind, codec)
    return place if guard is NO_ARRAY else replace(place, guard=guard)


@lru_cache(maxsize=4096)
def _worked_out(
    segments: tuple[Segment, ...], kind: FieldType, schema: Schema, inside: bool
) -> Place:
    names: list[str] = []
    for position, segment in enumerate(segments):
        if isinstance(segment, int):
            names.append(str(segment))
        elif not isinstance(segment, str):
            raise ValueError("a place in every element")  # noqa: TRY004 - as above
        elif (
            kind.kind in UNTYPED
            and is_awkward(segment)
            and (schema.model is None or segment[:1] == "$")
        ):
            raise ValueError("another program may have stored the name as it is")
        elif position == 0 and not inside:
            names.append(stored_top(segment, schema.key_field.stored))
        else:
            names.append(stored_name(segment))
    positions = any(isinstance(segment, int) for segment in segments)
    parents = () if positions else tuple(_prefixes(names))
    unique = None if inside else _unique_types(schema).get(segments)
    return Place(".".join(names), parents, kind, positions, unique)


@lru_cache(maxsize=512)
def _unique_types(schema: Schema) -> dict[tuple[Segment, ...], Any]:
    return {
        term.path.segments: indexed_type(term.type)
        for index in schema.indexes
        if index.unique
        for term in index.terms
    }


def _prefixes(names: list[str]) -> Iterator[str]:
    for end in range(1, len(names)):
        yield ".".join(names[:end])
