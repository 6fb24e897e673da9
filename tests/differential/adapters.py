"""Adapters for tests: one that can only scan, and one whose native conditions are supersets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar
from zlib import crc32

from docmap import BaseStorageAdapter, LookupManager
from docmap.plan.engine import Native, NativeQuery, Record
from docmap.query.evaluate import predicate, sorted_by
from docmap.query.nodes import And, Compare, Element, Not, Or
from docmap.query.order import OrderTerm
from docmap.schema.schema import Schema


class ScanOnlyStorage(BaseStorageAdapter):
    """No lookups at all: every condition, order and slice is residual."""

    scheme = "scan-only"

    def _connect(self) -> None:
        self._records: dict[str, dict[Any, Record]] = {}

    def _disconnect(self) -> None:
        self._records = {}

    def _clear(self) -> None:
        self._records.clear()

    def _collections(self) -> list[str]:
        return list(self._records)

    def _scan(self, schema: Schema) -> Iterator[Record]:
        return iter(list(self._records.get(schema.collection, {}).values()))

    def _put(self, schema: Schema, key: Any, record: Record) -> None:
        self._records.setdefault(schema.collection, {})[schema.stored_key(key)] = record

    def _remove(self, schema: Schema, key: Any) -> bool:
        held = self._records.get(schema.collection, {})
        return held.pop(schema.stored_key(key), None) is not None


@dataclass(frozen=True)
class Wider:
    """A condition that holds wherever `node` does, and for some other documents too."""

    node: Compare | Element
    more: bool

    def holds(self, tree: Any) -> bool:
        """True for a match, and by a hash of the key for others."""
        return predicate(self.node)(tree) or (
            self.more and crc32(repr(tree["id"]).encode()) % 3 > 0
        )


class _Supersets(LookupManager):
    """By a hash of path and lookup: exact, a superset, or nothing native."""

    def resolve(self, name: Any, operation: str | None, value: Any, codec: Any = None) -> Native:
        choice = crc32(f"{name.dotted} {operation}".encode()) % 3
        if choice == 0:
            return super().resolve(name, operation, value, codec)  # type: ignore[no-any-return]
        exact = choice == 1
        if operation in {"any", "all"}:
            return Native(Wider(Element(name, operation, value, codec.type), more=not exact), exact)  # type: ignore[arg-type]
        return Native(
            Wider(Compare(name, operation or "equals", value, codec.type), more=not exact), exact
        )


class SupersetStorage(ScanOnlyStorage):
    """Some lookups are exact, some say too much, some are missing; the order is native."""

    scheme = "superset"
    lookups: ClassVar[LookupManager] = _Supersets()

    def _find(self, schema: Schema, query: NativeQuery) -> Iterator[Record]:
        found = [(schema.codec.tree(record[0]), record) for record in self._scan(schema)]
        kept: Iterable[tuple[Any, Record]] = (
            one for one in found if query.condition is None or _holds(query.condition, one[0])
        )
        if query.order:
            kept = sorted_by(kept, query.order, lambda one: one[0], None)
        stop = None if query.limit is None else query.offset + query.limit
        return (record for _, record in islice(kept, query.offset, stop))

    def _orders(self, schema: Schema, terms: Sequence[OrderTerm]) -> bool:
        return len(terms) < 3  # longer orders are docmap's to make


def _holds(condition: Any, tree: Any) -> bool:
    match condition:
        case Native(inner):
            return bool(inner.holds(tree))
        case And(children):
            return all(_holds(child, tree) for child in children)
        case Or(children):
            return any(_holds(child, tree) for child in children)
        case Not(child):
            return not _holds(child, tree)
    raise TypeError(condition)
