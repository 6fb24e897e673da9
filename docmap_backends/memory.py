"""Documents in memory: the reference engine, which runs every query by the reference functions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, ClassVar

from docmap.plan.engine import EnginePlan, Native, NativeQuery, Record
from docmap.query.evaluate import Predicate, predicate, sorted_by
from docmap.query.lookups import VOCABULARY, LookupManager
from docmap.query.nodes import And, Compare, Element, Node, Not, Or
from docmap.query.order import OrderTerm
from docmap.query.paths import EACH, Path, each_value, getter
from docmap.schema.schema import Schema
from docmap.schema.types import FieldType
from docmap.storage import BaseStorageAdapter
from docmap.storage.writes import ANY, Write, keep_unknown, stale
from docmap_backends._memory_index import Entry, MemoryIndex, choose


class _References(LookupManager):
    """Every lookup of the vocabulary, a user's own included, is native here: it is its meaning."""

    def resolve(self, name: Any, operation: str | None, value: Any, codec: Any = None) -> Native:
        if operation in {"any", "all"}:
            return Native(Element(name, operation, value, codec.type))  # type: ignore[arg-type]
        return Native(Compare(name, operation or "equals", value, codec.type))

    def names(self) -> frozenset[str]:
        return frozenset(VOCABULARY) | {"any", "all"}


class _Table:
    """One collection: records in the order in which they came, indexes, the counter of keys."""

    def __init__(self) -> None:
        self.entries: dict[Any, Entry] = {}
        self.indexes: dict[str, MemoryIndex] = {}
        self.last_key = 0

    def put(self, schema: Schema, key: Any, entry: Entry) -> Entry | None:
        """Store an entry and return the one it replaced. Raises DuplicateKey, nothing changed."""
        for index in self.indexes.values():
            index.check(schema, key, entry)
        old = self.remove(key, keep_place=True)
        for index in self.indexes.values():
            index.add(key, entry)
        self.entries[key] = entry
        if type(key) is int and key > self.last_key:
            self.last_key = key
        return old

    def remove(self, key: Any, *, keep_place: bool = False) -> Entry | None:
        old = self.entries.get(key) if keep_place else self.entries.pop(key, None)
        if old is not None:
            for index in self.indexes.values():
                index.discard(key, old)
        return old


class MemoryStorage(BaseStorageAdapter):
    """`memory://`: gone with the storage object; documents are copies, never shared."""

    scheme = "memory"
    lookups: ClassVar[LookupManager] = _References()

    def __init__(self, url: Any = None, **options: Any) -> None:
        super().__init__(url, **options)
        self._tables: dict[str, _Table] = {}
        self._undo: list[tuple[_Table, Schema, Any, Entry | None]] | None = None

    def _connect(self) -> None:
        pass

    def _disconnect(self) -> None:
        self._tables.clear()

    def _clear(self) -> None:
        self._tables.clear()

    def _collections(self) -> list[str]:
        return list(self._tables)

    def _native(self) -> dict[str, _Table]:
        return self._tables

    def _ensure(self, schema: Schema) -> None:
        with self._mutex:
            table = self._tables.setdefault(schema.collection, _Table())
            for declared in schema.indexes:
                if declared.name not in table.indexes:
                    table.indexes[declared.name] = MemoryIndex.build(schema, declared, table.entries)

    def _present_indexes(self, schema: Schema) -> dict[str, str]:
        table = self._tables.get(schema.collection)
        return {name: i.declared.label for name, i in table.indexes.items()} if table else {}

    # -- records

    def _table(self, schema: Schema) -> _Table:
        return self._tables.get(schema.collection) or _Table()

    def _scan(self, schema: Schema) -> Iterator[Record]:
        return self._find(schema, NativeQuery())

    def _get(self, schema: Schema, key: Any) -> Record | None:
        entry = self._table(schema).entries.get(key)
        return None if entry is None else (entry.data, entry.revision)

    def _put(self, schema: Schema, key: Any, record: Record) -> None:
        with self._mutex:
            table = self._tables.setdefault(schema.collection, _Table())
            data = record[0] if isinstance(record[0], bytes) else record[0].encode()
            old = table.put(schema, key, Entry(data, record[1], schema))
            self._note(table, schema, key, old)

    def _remove(self, schema: Schema, key: Any) -> bool:
        with self._mutex:
            table = self._table(schema)
            old = table.remove(key)
            if old is not None:
                self._note(table, schema, key, old)
            return old is not None

    def _save(self, schema: Schema, write: Write) -> int:
        with self._mutex:
            stored = self._get(schema, write.key)
            revision = self.checked_revision(schema, write, stored)
            data = write.data if stored is None else keep_unknown(schema, stored[0], write.data)
            self._put(schema, write.key, (data, revision))
            return revision

    def _next_key(self, schema: Schema) -> int:
        with self._mutex:
            table = self._tables.setdefault(schema.collection, _Table())
            table.last_key += 1
            return table.last_key

    def _delete(self, schema: Schema, key: Any, expected: int = ANY) -> bool:
        with self._mutex:
            stored = self._get(schema, key)
            if expected != ANY and (stored is None or stored[1] != expected):
                raise stale(schema, deleted=stored is None)
            return self._remove(schema, key)

    # -- queries

    def _find(self, schema: Schema, query: NativeQuery) -> Iterator[Record]:
        with self._mutex:
            table = self._table(schema)
            found = self._access(table, schema, query)
            entries, ordered = (list(table.entries.values()), False) if found is None else found
        if query.condition is not None:
            matches = _predicate(query.condition)
            matching = (entry for entry in entries if matches(entry.tree(schema)))
        else:
            matching = iter(entries)
        stop = None if query.limit is None else query.offset + query.limit
        if query.order and not ordered:
            matching = iter(sorted_by(matching, query.order, lambda e: e.tree(schema), stop))
        return ((e.data, e.revision) for e in islice(matching, query.offset, stop))

    def _access(
        self, table: _Table, schema: Schema, query: NativeQuery
    ) -> tuple[list[Entry], bool] | None:
        """The entries that an index gives for a query, and whether they come in its order."""
        chosen = choose(table.indexes.values(), _node(query.condition), query.order)
        if chosen is None:
            return None
        keys = chosen.index.keys(chosen)
        return [table.entries[key] for key in dict.fromkeys(keys)], chosen.ordered

    def _count(self, schema: Schema, condition: Any) -> int:
        if condition is None:
            return len(self._table(schema).entries)
        with self._mutex:
            chosen = choose(self._table(schema).indexes.values(), _node(condition), ())
            if chosen is not None and chosen.complete:
                return chosen.index.count(chosen)
        return sum(1 for _ in self._find(schema, NativeQuery(condition)))

    def _distinct(self, schema: Schema, path: Path, kind: FieldType, condition: Any) -> Any:
        with self._mutex:
            entries = list(self._table(schema).entries.values())
        matches = _predicate(condition) if condition is not None else None
        trees = (entry.tree(schema) for entry in entries)
        kept = trees if matches is None else (tree for tree in trees if matches(tree))
        if EACH in path.segments:
            return [value for tree in kept for value in each_value(tree, path)]
        get = getter(path)
        return [get(tree) for tree in kept]

    def _orders(self, schema: Schema, terms: Sequence[OrderTerm]) -> bool:
        return True

    def _explain(self, schema: Schema, query: NativeQuery) -> EnginePlan:
        table = self._table(schema)
        chosen = choose(table.indexes.values(), _node(query.condition), query.order)
        size = len(table.entries)
        if chosen is None:
            return EnginePlan(documents=size, detail=("every document by the reference functions",))
        label = chosen.index.declared.label
        return EnginePlan((label,), scan=False, documents=size, detail=(chosen.words(),))

    # -- transactions

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._mutex:
            outer, self._undo = self._undo, []
            try:
                yield
            except BaseException:
                for table, schema, key, old in reversed(self._undo):
                    if old is None:
                        table.remove(key)
                    else:
                        table.put(schema, key, old)
                self._undo = outer
                raise
            self._undo = None if outer is None else outer + self._undo

    def _note(self, table: _Table, schema: Schema, key: Any, old: Entry | None) -> None:
        if self._undo is not None:
            self._undo.append((table, schema, key, old))


def _node(condition: Any) -> Node | None:
    """The bound condition again, out of the planner's native tree."""
    match condition:
        case None:
            return None
        case Native(node):
            return node  # type: ignore[no-any-return]
        case And(children):
            return And(tuple(_node(child) for child in children))  # type: ignore[misc]
        case Or(children):
            return Or(tuple(_node(child) for child in children))  # type: ignore[misc]
        case Not(child):
            return Not(_node(child))  # type: ignore[arg-type]
    raise TypeError(f"{type(condition).__name__} is no native condition")


def _predicate(condition: Any) -> Predicate:
    node = _node(condition)
    assert node is not None
    return predicate(node)


