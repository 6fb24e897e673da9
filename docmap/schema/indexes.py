"""Indexes as a class declares them, bound to storage paths."""

from __future__ import annotations

import hashlib
import types
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
class IndexDefinition:
    """What is known of an index that an engine has; of some only the name."""

    name: str
    fields: tuple[str, ...] = ()
    """The storage paths, `-` in front of those that descend."""
    kinds: tuple[str, ...] = ()
    """What is indexed of each: `str`, or `each str` of a list's elements."""
    unique: bool = False

    @property
    def label(self) -> str:
        """The index for messages: `unique (number)`; its name if nothing else is known."""
        return self._told(self.fields)

    @property
    def text(self) -> str:
        """All of the definition: `unique (number: str)`."""
        pairs = zip(self.fields, self.kinds, strict=True)
        return self._told(tuple(f"{field}: {kind}" for field, kind in pairs))

    def _told(self, fields: tuple[str, ...]) -> str:
        if not fields:
            return self.name
        return ("unique " if self.unique else "") + f"({', '.join(fields)})"

    @property
    def places(self) -> tuple[str, ...]:
        """The storage paths without their directions."""
        return tuple(field.removeprefix("-") for field in self.fields)


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
    def definition(self) -> IndexDefinition:
        """What can be told of it where its class is not known."""
        kinds = tuple(("each " if t.elements else "") + t.type.kind for t in self.terms)
        return IndexDefinition(self.name, self.fields, kinds, self.unique)

    @property
    def elements(self) -> bool:
        """True if the index holds the elements of a list."""
        return any(term.elements for term in self.terms)


_UNINDEXABLE = frozenset({"dict", "model"})
# Of these an engine's index would hold something else than the value: a float read from text, the
# text of a Decimal with its scale, 1 for true.
_NO_ELEMENTS = frozenset({"bool", "float", "decimal", "bigint", "any", "union"})
_NOT_UNIQUE = frozenset({"any", "union"})


def bind_index(index: Index, root: Root) -> BoundIndex:
    """The declared index on storage paths. Raises InvalidModel where it cannot work."""
    terms = []
    for written in index.terms:
        name = written.lstrip("-")
        try:
            found = resolve_name(root, name)
        except InvalidQuery as error:
            reason = _inside_a_list(root, name) or error
            raise InvalidModel(f"the index on {name}: {reason}", field=name) from error
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
        _check_term(f"{root.name}.{name}", place, index, elements=elements)
        terms.append(IndexTerm(found.path, written.startswith("-"), place, elements))
    if sum(term.elements for term in terms) > 1:
        raise InvalidModel(
            f"an index of {root.name} has two lists: an entry for every pair of elements would "
            "grow without bound; declare one index for each"
        )
    return bound(root.collection, index.unique, tuple(terms))


def bound(collection: str, unique: bool, terms: tuple[IndexTerm, ...]) -> BoundIndex:
    """The index over these terms, under the name that its definition gives it."""
    # What engines index depends on the type: a Decimal's key is not the text of a str.
    parts = [(t.path.segments, t.descending, t.type.kind, t.elements) for t in terms]
    text = repr((collection, unique, parts))
    name = "ix_" + hashlib.sha256(text.encode()).hexdigest()[:16]
    return BoundIndex(terms, unique, name)


def _inside_a_list(root: Root, name: str) -> str:
    """Why a path into the objects of a list has no index; empty for other paths."""
    parts = name.replace("__", ".").split(".")
    for end in range(1, len(parts)):
        try:
            found = resolve_name(root, ".".join(parts[:end]))
        except InvalidQuery:
            return ""
        if found.type.kind in LISTS:
            place = f"{root.name}.{'.'.join(parts[:end])}"
            return (
                f"{place} is a list of objects, and an index holds one value of a document or the "
                f"plain values of a list: keep what is to be indexed in a list of its own beside it"
            )
    return ""


def _check_term(where: str, place: FieldType, index: Index, *, elements: bool) -> None:
    """Raise InvalidModel for an index that some engine could not keep exactly."""
    fault = ""
    if elements and place.kind in _NO_ELEMENTS:
        fault = f"is a list of {place.label}, whose elements not every engine can index exactly"
    elif index.unique and place.kind in _NOT_UNIQUE:
        fault = "has no single type, and whether 1 and true are two values would differ by engine"
    if fault:
        raise InvalidModel(
            f"{where} {fault}: leave it without an index, or declare another type or name",
            field=where.partition(".")[2],
        )


def annotated_indexes(model: Any, where: str, prefix: str = "") -> Iterator[Index]:
    """The indexes that `Indexed` declares: at any depth of an annotation, in nested models too.

    Raises InvalidModel for an `Indexed` in a place where it cannot work.
    """
    for name, info in model.model_fields.items():
        place = f"{where}.{name}"
        found = [m for m in info.metadata if isinstance(m, Indexed)]
        found += list(_inside(info.annotation, place))
        for marker in found:
            sign = "-" if marker.descending else ""
            yield Index(f"{sign}{prefix}{name}", unique=marker.unique)
        nested = _nested_model(info.annotation)
        # A model that contains itself can be met only in a list or behind None; one level is
        # what a fixed path can name.
        if nested is not None and nested is not model:
            yield from annotated_indexes(nested, place, f"{prefix}{name}.")


def _inside(annotation: Any, where: str, *, fixed: bool = True) -> Iterator[Indexed]:
    """Markers below the top of an annotation: in Optional and unions, and on list elements."""
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        found = [m for m in args[1:] if isinstance(m, Indexed)]
        if found and not fixed:
            raise _misplaced(where)
        yield from found
        args = args[:1]
    elif any(_holds_indexes(arg) for arg in args) and _nested_model(annotation) is None:
        # `list[Line]` or `A | B`: the field of a nested model has no fixed path there.
        raise _misplaced(where)
    fixed = fixed and origin not in {dict, tuple}
    for arg in args:
        yield from _inside(arg, where, fixed=fixed)


def _nested_model(annotation: Any) -> Any:
    """The model of a field that holds one, or one or None."""
    args = [arg for arg in typing.get_args(annotation) if arg is not type(None)]
    if typing.get_origin(annotation) is typing.Annotated:
        return _nested_model(args[0])
    if typing.get_origin(annotation) in {typing.Union, types.UnionType} and len(args) == 1:
        return _nested_model(args[0])
    is_model = isinstance(annotation, type) and hasattr(annotation, "model_fields")
    return annotation if is_model else None


def _holds_indexes(annotation: Any) -> bool:
    model = _nested_model(annotation)
    return model is not None and any(
        isinstance(m, Indexed) for info in model.model_fields.values() for m in info.metadata
    )


def _misplaced(where: str) -> InvalidModel:
    return InvalidModel(
        f"{where}: Indexed cannot work there, as no path leads to one value: index a field that "
        "has a fixed path, or the elements of a list",
        field=where.partition(".")[2],
    )
