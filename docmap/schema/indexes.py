"""Indexes as a class declares them, bound to storage paths."""

from __future__ import annotations

import hashlib
import re
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from docmap.errors import InvalidModel, InvalidQuery
from docmap.query.paths import Path
from docmap.schema.annotations import Index, Indexed
from docmap.schema.resolve import Root, resolve_name
from docmap.schema.types import LISTS, FieldType


@dataclass(frozen=True, slots=True)
class IndexTerm:
    """One field of an index; `elements` where the index holds a list's elements."""

    path: Path
    descending: bool
    type: FieldType
    elements: bool


@dataclass(frozen=True, slots=True)
class BoundIndex:
    """A declared index. Engines name it by `name`, which changes with its definition."""

    terms: tuple[IndexTerm, ...]
    unique: bool
    name: str

    @property
    def fields(self) -> tuple[str, ...]:
        """The storage paths as a user writes them: `-created_at`, `customer.country`."""
        return tuple(("-" if t.descending else "") + t.path.dotted for t in self.terms)

    @property
    def label(self) -> str:
        """The index for messages: `unique (number)`."""
        return ("unique " if self.unique else "") + "(" + ", ".join(self.fields) + ")"

    @property
    def elements(self) -> bool:
        """True if the index holds the elements of a list."""
        return any(term.elements for term in self.terms)


_UNINDEXABLE = frozenset({"dict", "model"})
# Of these an engine's index would hold something else than the value: a float read from text, the
# text of a Decimal with its scale, 1 for true.
_NO_ELEMENTS = frozenset({"bool", "float", "decimal", "bigint", "any", "union"})
_NOT_UNIQUE = frozenset({"any", "union"})
_UNREACHABLE = re.compile(r'["\\\x00-\x1f]')


def bind_index(index: Index, root: Root) -> BoundIndex:
    """The declared index on storage paths. Raises InvalidModel where it cannot work."""
    terms = []
    for written in index.terms:
        name = written.lstrip("-")
        try:
            found = resolve_name(root, name)
        except InvalidQuery as error:
            raise InvalidModel(f"the index on {name}: {error}", field=name) from error
        if found.path.each:
            raise InvalidModel(f"the index on {name}: name the list itself", field=name)
        kind = found.type
        elements = kind.kind in LISTS
        place = kind.item if elements and kind.item else kind
        if place.kind in _UNINDEXABLE or (elements and place.kind in LISTS):
            raise InvalidModel(
                f"{root.name}.{name} is {kind.label}, which no index can hold: index a field in it",
                field=name,
            )
        _check_term(f"{root.name}.{name}", found.path, place, index, elements=elements)
        terms.append(IndexTerm(found.path, written.startswith("-"), place, elements))
    if sum(term.elements for term in terms) > 1:
        raise InvalidModel(
            f"an index of {root.name} has two lists: an entry for every pair of elements would "
            "grow without bound; declare one index for each"
        )
    text = repr((root.collection, index.unique, [(t.path.segments, t.descending) for t in terms]))
    name = "ix_" + hashlib.sha256(text.encode()).hexdigest()[:16]
    return BoundIndex(tuple(terms), index.unique, name)


def _check_term(
    where: str, path: Path, place: FieldType, index: Index, *, elements: bool
) -> None:
    """Raise InvalidModel for an index that some engine could not keep exactly."""
    fault = ""
    if elements and place.kind in _NO_ELEMENTS:
        fault = f"is a list of {place.label}, whose elements not every engine can index exactly"
    elif index.unique and place.kind in _NOT_UNIQUE:
        fault = "has no single type, and whether 1 and true are two values would differ by engine"
    elif any(_UNREACHABLE.search(str(segment)) for segment in path.segments):
        fault = "has a quote, a backslash or a control character in its storage name"
    if fault:
        raise InvalidModel(
            f"{where} {fault}: leave it without an index, or declare another type or name",
            field=where.partition(".")[2],
        )


def annotated_indexes(model: type, root: Root) -> Iterator[Index]:
    """The indexes that `Indexed` declares, found at any depth of an annotation.

    Raises InvalidModel for an `Indexed` in a place where it cannot work.
    """
    for name, info in model.model_fields.items():  # type: ignore[attr-defined]
        found = [m for m in info.metadata if isinstance(m, Indexed)]
        found += list(_inside(info.annotation, f"{model.__name__}.{name}"))
        for marker in found:
            yield Index(("-" if marker.descending else "") + name, unique=marker.unique)


def _inside(annotation: Any, where: str) -> Iterator[Indexed]:
    """Markers below the top of the annotation: inside Optional and unions, and on list elements."""
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        yield from (m for m in args[1:] if isinstance(m, Indexed))
        args = args[:1]
    if origin in {dict, tuple} and any(list(_inside(arg, where)) for arg in args):
        raise InvalidModel(
            f"{where}: Indexed cannot work inside {getattr(origin, '__name__', origin)}; index "
            "a field of a fixed name, or a list",
            field=where,
        )
    for arg in args:
        if arg is not annotation and typing.get_args(arg):
            yield from _inside(arg, where)
