"""The delete rules of the classes that this process knows, and references in stored records."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from pydantic import PydanticUndefinedAnnotation

from docmap.errors import InvalidModel
from docmap.schema.marks import marks_of
from docmap.schema.reference_places import Place, reference_places
from docmap.schema.registry import DECLARATION, belongs, known
from docmap.schema.schema import Schema
from docmap.schema.types import LISTS, FieldType


@dataclass(frozen=True, slots=True)
class Rule:
    """What deleting a document does to those of `schema` that refer to it at `place`."""

    schema: Schema
    place: Place

    @property
    def name(self) -> str:
        """`deny`, `cascade` or `nullify`."""
        return self.place.type.on_delete

    @property
    def target(self) -> Any:
        """The class that is referred to."""
        return self.place.target


class _Found:
    """The rules of all classes, and those about one: made anew once there are more classes."""

    def __init__(self) -> None:
        self.generation = known.generation
        self._of: dict[Any, tuple[Rule, ...]] = {}
        self._about: dict[int, tuple[Schema, tuple[Rule, ...]]] = {}

    def about(self, schema: Schema) -> tuple[Rule, ...]:
        found = self._about.get(id(schema))
        if found is not None:
            return found[1]
        rules, complete = self._rules()
        about = tuple(rule for rule in rules if _concerns(schema, rule.target))
        if complete:
            self._about[id(schema)] = (schema, about)
        return about

    def _rules(self) -> tuple[list[Rule], bool]:
        """The rules, and whether every class could be looked at."""
        found: list[Rule] = []
        complete = True
        for cls in known.all():
            try:
                if cls not in self._of:
                    self._of[cls] = tuple(_rules_of(cls))
                found += self._of[cls]
            except (InvalidModel, PydanticUndefinedAnnotation):
                complete = False  # a class that cannot be used yet has stored nothing
        return found, complete


_found = _Found()


def rules_about(schema: Schema) -> tuple[Rule, ...]:
    """The rules that deleting documents of a class, or of an untyped collection, has to follow."""
    global _found  # noqa: PLW0603 - a cache, replaced as a whole so that threads need no lock
    held = _found
    if held.generation != known.generation:
        held = _found = _Found()
    return held.about(schema)


def _rules_of(cls: Any) -> Iterator[Rule]:
    if getattr(cls, DECLARATION).collection is None:
        return
    schema: Schema = cls.__docmap_schema__
    inherited = {
        (place.steps, place.type.on_delete)
        for base in cls.__mro__[1:]
        if known.has(base) and belongs(cls, base)
        for place in reference_places(base.__docmap_schema__.root)
    }
    for place in reference_places(schema.root):
        rule = place.type.on_delete
        # Of a family the base sees all documents: asking a branch again would find them twice.
        if rule not in {"", "ignore"} and (place.steps, rule) not in inherited:
            yield Rule(schema, place)


def _concerns(schema: Schema, target: Any) -> bool:
    if schema.model is None:
        return bool(target.__docmap_schema__.collection == schema.collection)
    return belongs(schema.model, target) or belongs(target, schema.model)


# -- references in the JSON form of a record

Wanted = Callable[[FieldType, Any], bool]
_GONE: Final = object()


def refers(kind: FieldType, wire: Any, wanted: Wanted) -> bool:
    """True if a record has a reference for which `wanted(type, stored key)` is true."""
    if kind.target is not None:
        return wire is not None and wanted(kind, wire)
    return any(refers(inner, item, wanted) for _, inner, item in _parts(kind, wire))


def without(kind: FieldType, wire: Any, unwanted: Wanted) -> Any:
    """A record without the references for which `unwanted` is true.

    They become null; in a list, set or dict they are taken out.
    """
    if kind.target is not None:
        return _GONE if wire is not None and unwanted(kind, wire) else wire
    if kind.kind == "union":
        for option in kind.options:
            if _fits(option, wire):
                wire = without(option, wire, unwanted)
        return wire
    new = {name: without(inner, item, unwanted) for name, inner, item in _parts(kind, wire)}
    if not new:
        return wire
    if isinstance(wire, dict):
        nulled = {n: None if item is _GONE else item for n, item in new.items()}
        if kind.kind == "model":
            return {**wire, **nulled}
        return {name: item for name, item in new.items() if item is not _GONE}
    if kind.items:
        return [None if item is _GONE else item for item in new.values()]
    return [item for item in new.values() if item is not _GONE]


def _parts(kind: FieldType, wire: Any) -> Iterator[tuple[Any, FieldType, Any]]:
    """The parts of a stored value that its type knows, with their names or indexes."""
    if kind.kind == "model" and isinstance(wire, dict):
        for entry in kind.fields.values():
            if entry.stored in wire:
                yield entry.stored, entry.type, wire[entry.stored]
    elif kind.kind == "dict" and kind.item is not None and isinstance(wire, dict):
        for name, item in wire.items():
            yield name, kind.item, item
    elif kind.kind in LISTS and isinstance(wire, list):
        for index, item in enumerate(wire):
            if (inner := kind.element(index)) is not None:
                yield index, inner, item
    elif kind.kind == "union":
        for option in kind.options:
            if _fits(option, wire):
                yield None, option, wire


def _fits(option: FieldType, wire: Any) -> bool:
    """True if a stored value may be of this member of a union."""
    if option.kind == "model":
        return isinstance(wire, dict) and marks_of(option).fit(wire)
    return isinstance(wire, dict if option.kind == "dict" else list)
