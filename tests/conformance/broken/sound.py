"""A sound adapter in memory, in small steps: what is broken on purpose overrides one of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, ClassVar

from docmap import BaseStorageAdapter, LookupManager
from docmap.plan.engine import EnginePlan, Native, NativeAggregate, NativeQuery, Record
from docmap.query.evaluate import compare, predicate, sorted_by
from docmap.query.groups import Groups, Row
from docmap.query.lookups import VOCABULARY
from docmap.query.nodes import And, Compare, Element, Not, Or
from docmap.query.order import OrderTerm
from docmap.query.paths import Path, each_value, getter
from docmap.schema.schema import Schema
from docmap.schema.types import FieldType

Test = Callable[[Any], bool]
Meaning = Callable[[Any, Any], bool]


class _Own(LookupManager):
    """Every lookup is native; the adapter says what it means."""

    def resolve(self, name: Any, operation: str | None, value: Any, codec: Any = None) -> Native:
        node: Compare | Element
        if operation in {"any", "all"}:
            node = Element(name, operation, value, codec.type)  # type: ignore[arg-type]
        else:
            node = Compare(name, operation or "equals", value, codec.type)
        return Native(codec.engine.test(node))

    def names(self) -> frozenset[str]:
        return frozenset(VOCABULARY) | {"any", "all"}


class Collection:
    """The records of a collection by stored key, and the last key that was counted."""

    def __init__(self) -> None:
        self.records: dict[Any, Record] = {}
        self.last_key = 0

    def copy(self) -> Collection:
        """Another one that holds the same."""
        other = Collection()
        other.records, other.last_key = dict(self.records), self.last_key
        return other


class SoundStorage(BaseStorageAdapter):
    """Dicts of records; every query runs here, by the reference functions."""

    scheme = "sound"
    lookups: ClassVar[LookupManager] = _Own()
    isolation = "serializable"
    changed: ClassVar[Mapping[str, Meaning]] = {}
    """Lookups that mean something else here."""

    def __init__(self, url: Any = None, **options: Any) -> None:
        super().__init__(url, **options)
        self.held: dict[str, Collection] = {}

    def _connect(self) -> None:
        self.held = {}

    def _disconnect(self) -> None:
        self.held = {}

    def _clear(self) -> None:
        with self._mutex:
            self.held.clear()

    def _native(self) -> Any:
        return self.held

    def _collections(self) -> list[str]:
        return list(self.held)

    # -- records

    def table(self, schema: Schema) -> Collection:
        """The collection to read from."""
        return self.held.get(schema.collection) or Collection()

    def writable(self, schema: Schema) -> Collection:
        """The collection to write to."""
        return self.held.setdefault(schema.collection, Collection())

    def _scan(self, schema: Schema) -> Iterator[Record]:
        with self._mutex:
            return iter(list(self.table(schema).records.values()))

    def _get(self, schema: Schema, key: Any) -> Record | None:
        with self._mutex:
            return self.table(schema).records.get(schema.stored_key(key))

    def _put(self, schema: Schema, key: Any, record: Record) -> None:
        with self._mutex:
            table, stored = self.writable(schema), schema.stored_key(key)
            table.records[stored] = record
            if type(stored) is int:
                table.last_key = max(table.last_key, stored)

    def _remove(self, schema: Schema, key: Any) -> bool:
        with self._mutex:
            return self.table(schema).records.pop(schema.stored_key(key), None) is not None

    def _next_key(self, schema: Schema) -> int:
        with self._mutex:
            table = self.writable(schema)
            table.last_key += 1
            return table.last_key

    def _counted_key(self, schema: Schema) -> int:
        with self._mutex:
            return self.table(schema).last_key

    def _count_to(self, schema: Schema, key: int) -> None:
        with self._mutex:
            table = self.writable(schema)
            table.last_key = max(table.last_key, key)

    # -- conditions

    def test(self, node: Compare | Element) -> Test:
        """What a lookup asks of the values of a document."""
        return predicate(node, self.leaf)

    def leaf(self, node: Compare, get: Callable[[Any], Any]) -> Test:
        """What one comparison asks of a document."""
        meaning = self.changed.get(node.lookup)
        if meaning is None:
            return compare(node, get)
        return lambda tree: meaning(get(tree), node.value)

    def holds(self, condition: Any) -> Test:
        """The planner's tree as a function."""
        match condition:
            case None:
                return lambda _: True
            case Native(test):
                return test  # type: ignore[no-any-return]
            case And(children):
                every = [self.holds(child) for child in children]
                return lambda tree: all(test(tree) for test in every)
            case Or(children):
                some = [self.holds(child) for child in children]
                return lambda tree: any(test(tree) for test in some)
            case Not(child):
                contrary = self.holds(child)
                return lambda tree: not contrary(tree)
        raise TypeError(condition)

    # -- queries

    def _find(self, schema: Schema, query: NativeQuery) -> Iterator[Record]:
        return iter([record for _, record in self.found(schema, query)])

    def found(self, schema: Schema, query: NativeQuery) -> Iterable[tuple[Any, Record]]:
        """The matches with their values, ordered and cut."""
        test = self.holds(query.condition)
        trees = ((schema.codec.tree(record[0]), record) for record in self._scan(schema))
        matches = [one for one in trees if test(one[0])]
        if query.order:
            matches = self.in_order(matches, query.order)
        return self.cut(matches, query.offset, query.limit)

    def in_order(
        self, matches: list[tuple[Any, Record]], order: Sequence[OrderTerm]
    ) -> list[tuple[Any, Record]]:
        """The matches in the wanted order."""
        return sorted_by(matches, order, lambda one: one[0], None)

    def cut(
        self, matches: list[tuple[Any, Record]], offset: int, limit: int | None
    ) -> Iterable[tuple[Any, Record]]:
        """The slice of the matches."""
        return islice(matches, offset, None if limit is None else offset + limit)

    def _orders(self, schema: Schema, terms: Sequence[OrderTerm]) -> bool:
        return True

    def _distinct(self, schema: Schema, path: Path, kind: FieldType, condition: Any) -> Any:
        trees = [tree for tree, _ in self.found(schema, NativeQuery(condition))]
        if path.each:
            return [value for tree in trees for value in each_value(tree, path)]
        return [getter(path)(tree) for tree in trees]

    def _aggregate(self, schema: Schema, asked: NativeAggregate) -> Iterable[Row] | None:
        query = NativeQuery(asked.condition, asked.order)
        groups = Groups(asked.grouping)
        groups.add_trees([tree for tree, _ in self.found(schema, query)])
        return list(groups.rows())

    def _explain_aggregate(self, schema: Schema, asked: NativeAggregate) -> EnginePlan | None:
        return self._explain(schema, NativeQuery(asked.condition, asked.order))

    # -- transactions

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._mutex:
            before = {name: table.copy() for name, table in self.held.items()}
            try:
                yield
            except BaseException:
                self.held.clear()
                self.held.update(before)
                raise
