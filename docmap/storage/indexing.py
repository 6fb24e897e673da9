"""The difference between the indexes that classes declare and those that a storage has."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from docmap.schema.indexes import BoundIndex, IndexDefinition
from docmap.schema.schema import Schema

if TYPE_CHECKING:
    from docmap.storage.base import BaseStorageAdapter


@dataclass(frozen=True, slots=True)
class IndexPlan:
    """One collection: what its classes declare, and what is there."""

    schemas: tuple[Schema, ...]
    declared: tuple[tuple[Schema, BoundIndex], ...]
    """The declared indexes, each once, with a class that declares it."""
    present: tuple[IndexDefinition, ...]

    @property
    def collection(self) -> str:
        """The collection's name."""
        return self.schemas[0].collection

    @property
    def missing(self) -> tuple[tuple[Schema, BoundIndex], ...]:
        """What is declared and not there."""
        names = {definition.name for definition in self.present}
        return tuple(pair for pair in self.declared if pair[1].name not in names)

    @property
    def extra(self) -> tuple[IndexDefinition, ...]:
        """What is there and not declared."""
        names = {index.name for _, index in self.declared}
        return tuple(one for one in self.present if one.name not in names)

    @property
    def conflicts(self) -> tuple[tuple[IndexDefinition, IndexDefinition], ...]:
        """Pairs of a declared index and one that is there over the same fields, but differs."""
        declared = [index.definition for _, index in self.declared]
        return tuple(
            (wanted, found)
            for found in self.extra
            for wanted in declared
            if found.fields and wanted.places == found.places and _differs(wanted, found)
        )

    def labels(self) -> dict[str, list[str]]:
        """All of it as text."""
        return {
            "declared": [index.label for _, index in self.declared],
            "present": [definition.label for definition in self.present],
            "missing": [index.label for _, index in self.missing],
            "extra": [definition.label for definition in self.extra],
            "conflicts": [conflict_text(*pair) for pair in self.conflicts],
        }


def _differs(wanted: IndexDefinition, found: IndexDefinition) -> bool:
    """True unless they differ in a direction only: both may be of use."""
    return (wanted.unique, wanted.kinds) != (found.unique, found.kinds)


def conflict_text(wanted: IndexDefinition, found: IndexDefinition) -> str:
    """A conflict with both definitions."""
    return f"{wanted.text} is declared, and {found.text} is there"


def plan_indexes(storage: BaseStorageAdapter, schemas: Iterable[Schema]) -> list[IndexPlan]:
    """What there is to do for the classes, by collection; nothing is changed."""
    by_collection: dict[str, list[Schema]] = {}
    for schema in schemas:
        by_collection.setdefault(schema.collection, []).append(schema)
    plans = []
    for together in by_collection.values():
        declared = {index.name: (schema, index) for schema in together for index in schema.indexes}
        known = {index.name: index.definition for _, index in declared.values()}
        present = [
            known.get(name, definition)
            for name, definition in storage._present_indexes(together[0]).items()
        ]
        plans.append(IndexPlan(tuple(together), tuple(declared.values()), tuple(present)))
    return plans


def build_missing(
    storage: BaseStorageAdapter, plan: IndexPlan, done: Callable[[int], None]
) -> None:
    """Make what is missing, one after the other; `done` is told of documents as they are indexed.

    Raises DuplicateKey for a unique index over documents with the same values; those made before
    stay.
    """
    for schema, index in plan.missing:
        storage._build_index(schema, index, done)
    for schema in plan.schemas:
        storage.prepare_collection(schema)


def drop_extra(storage: BaseStorageAdapter, plan: IndexPlan) -> None:
    """Remove what is there and not declared."""
    for definition in plan.extra:
        storage._drop_index(plan.schemas[0], definition.name)
