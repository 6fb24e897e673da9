"""Which constraint a refused row broke first, where it breaks several.

An engine names the one that it happened to check first, or none. On every engine it is the key, and
then the unique indexes of the class as they are declared.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from docmap.errors import DuplicateKey
from docmap.plan import execute
from docmap.plan.plan import Request, make
from docmap.query.nodes import Compare, Node, conjunction, disjunction
from docmap.query.paths import getter
from docmap.schema.indexes import BoundIndex
from docmap.schema.schema import Schema
from docmap.storage.writes import not_unique
from docmap.values import order_key

if TYPE_CHECKING:
    from docmap.storage import BaseStorageAdapter

_NOTHING = (0,)  # null and missing: those never collide


def first_cause(
    storage: BaseStorageAdapter, schema: Schema, key: Any, data: bytes, found: DuplicateKey
) -> DuplicateKey:
    """The error of the first index in which a document's values are taken, `found` or another."""
    if found.index is None or sum(index.unique for index in schema.indexes) < 2:
        return found
    return taken_index(storage, schema, key, data, until=found.index) or found


def taken_index(
    storage: BaseStorageAdapter, schema: Schema, key: Any, data: bytes, until: str = ""
) -> DuplicateKey | None:
    """The error of the first unique index in which another document has a document's values.

    None if there is none, or none before the index `until`.
    """
    unique = [index for index in schema.indexes if index.unique]
    tree = schema.codec.tree(data) if unique else None
    for index in unique:
        if index.name == until:
            return None
        condition = _taken(index, tree)
        if condition is None:
            continue
        others = execute.records(storage, make(storage, Request(schema, condition)))
        if any(schema.key_of(other) != key for other, _ in others):
            return not_unique(schema, index)
    return None


def _taken(index: BoundIndex, tree: Any) -> Node | None:
    """The condition of documents that have an entry in common; None if there is no entry."""
    parts = []
    for term in index.terms:
        held = getter(term.path)(tree)
        values = list(_values(held, elements=term.elements))
        if not values:
            return None
        lookup = "contains" if term.elements and isinstance(held, list) else "equals"
        parts.append(disjunction(*(Compare(term.path, lookup, v, term.type) for v in values)))
    return conjunction(*parts)


def _values(held: Any, *, elements: bool) -> Iterator[Any]:
    for value in held if elements and isinstance(held, list) else [held]:
        if order_key(value) != _NOTHING:
            yield value
