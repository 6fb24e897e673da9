"""Collections as tables in memory with indexes: queries, updates and transactions over them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from copy import deepcopy
from functools import partial
from itertools import chain, islice
from typing import Any, ClassVar

from docmap.errors import DocmapError
from docmap.plan.engine import EnginePlan, NativeAggregate, NativeQuery, Record
from docmap.query.evaluate import sorted_by
from docmap.query.groups import Row
from docmap.query.lookups import LookupManager
from docmap.query.nodes import Node
from docmap.query.order import OrderTerm
from docmap.query.paths import Path, each_value, getter
from docmap.schema.indexes import IndexDefinition
from docmap.schema.schema import Schema
from docmap.schema.types import FieldType
from docmap.storage.watching import Kind
from docmap.storage.writes import ANY, Write, keep_unknown, stale
from docmap_backends._access import Way, asked_keys, choose, reads_all
from docmap_backends._references import References, node_of
from docmap_backends._tables_aggregates import of_entries, of_rows
from docmap_backends._tables_copying import CopiedTables
from docmap_backends._tables_index import Entry, MemoryIndex
from docmap_backends._tables_table import Table, filtered


class TableStorage(CopiedTables):
    """All hooks over tables in memory; what a subclass adds is how they come to be and last.

    It gives `_connect` and `_disconnect`; `_reading` and `_writing` if others may change what the
    tables stand for; and `_changed` and `_committed` if it keeps what is written.
    """

    lookups: ClassVar[LookupManager] = References()
    isolation = "serializable"

    def __init__(self, url: Any = None, **options: Any) -> None:
        super().__init__(url, **options)
        self._tables: dict[str, Table] = {}
        self._undo: list[Callable[[], object]] | None = None

    def _reading(self) -> AbstractContextManager[Any]:
        """Around each look at the tables: no other thread writes meanwhile. May be nested."""
        return self._mutex

    def _writing(self) -> AbstractContextManager[Any]:
        """Around each write, and around a transaction: nobody else writes. May be nested."""
        return self._mutex

    def _changed(self, collection: str, kind: Kind, entry: Entry) -> None:
        """Called after each write with what is stored now, or with what was deleted.

        What a transaction takes back again is not told: `_note` a step that takes it back.
        """

    def _committed(self) -> None:
        """Called when the outermost transaction ends well."""

    def _clear(self) -> None:
        with self._writing():
            before = dict(self._tables)
            for name, table in before.items():
                for entry in table.entries.values():
                    self._changed(name, "delete", entry)
            self._tables.clear()
            self._note(lambda: self._bring_back(before))

    def _bring_back(self, tables: dict[str, Table]) -> None:
        self._tables.clear()
        self._tables.update(tables)
        self._ensured.clear()  # what was made since is gone with its table

    def _collections(self) -> list[str]:
        return list(self._tables)

    def _native(self) -> Any:
        return self._tables

    def _new_table(self) -> Table:
        return Table()

    def _ensure(self, schema: Schema) -> None:
        with self._writing():
            table = self._tables.setdefault(schema.collection, self._new_table())
            table.key_names.add(schema.key_field.stored)
            for declared in schema.indexes:
                if declared.name not in table.indexes:
                    index = MemoryIndex.build(schema, declared, table.entries.values())
                    table.indexes[declared.name] = index

    def _present_indexes(self, schema: Schema) -> dict[str, IndexDefinition]:
        with self._reading():
            indexes = self._table(schema).indexes
            return {name: index.declared.definition for name, index in indexes.items()}

    def _drop_index(self, schema: Schema, name: str) -> None:
        with self._writing():
            self._table(schema).indexes.pop(name, None)

    # -- records

    def _table(self, schema: Schema) -> Table:
        return self._tables.get(schema.collection) or Table()

    def _writable(self, schema: Schema) -> Table:
        """The table to write to; with its indexes, though another thread has just cleared all."""
        if schema.collection not in self._tables:
            for one in (schema, *schema.relatives):
                self._ensure(one)
        return self._tables[schema.collection]

    def _scan(self, schema: Schema) -> Iterator[Record]:
        return self._find(schema, NativeQuery())

    def _get(self, schema: Schema, key: Any) -> Record | None:
        with self._reading():  # a transaction of another thread is not seen before its end
            entry = self._table(schema).entries.get(schema.stored_key(key))
        return None if entry is None else (entry.data, entry.revision)

    def _put(self, schema: Schema, key: Any, record: Record) -> None:
        with self._writing():
            table = self._writable(schema)
            data = record[0] if isinstance(record[0], bytes) else record[0].encode()
            entry = Entry(schema.stored_key(key), data, record[1])
            self._note_count(table)
            old = table.put(entry)
            self._note(lambda: table.restore(entry.key, old))
            self._changed(schema.collection, "insert" if old is None else "update", entry)

    def _remove(self, schema: Schema, key: Any) -> bool:
        with self._writing():
            return self._take_out(schema, self._table(schema), schema.stored_key(key))

    def _take_out(self, schema: Schema, table: Table, key: Any) -> bool:
        old = table.remove(key)
        if old is None:
            return False
        self._note(lambda: table.restore(key, old))
        self._changed(schema.collection, "delete", old)
        return True

    def _save(self, schema: Schema, write: Write) -> int:
        with self._writing():
            stored = self._get(schema, write.key)
            revision = self.checked_revision(schema, write, stored)
            data = write.data if stored is None else keep_unknown(schema, stored[0], write.data)
            self._put(schema, write.key, (data, revision))
            return revision

    def _check_unique(self, schema: Schema, key: Any, data: bytes) -> None:
        """`_put` asks the indexes."""

    def _rewrite(
        self, schema: Schema, writes: Sequence[Write], names: frozenset[str] | None
    ) -> list[Write]:
        if names is None:
            return super()._rewrite(schema, writes, names)
        changed: list[Write] = []
        with self._writing():
            table = self._table(schema)
            rewrite = table.rewriter(names)
            for position, write in enumerate(writes):
                old = table.entries.get(schema.stored_key(write.key))
                if old is None or old.revision != write.expected:
                    changed.append(write)
                    continue
                entry = Entry(old.key, write.data, old.revision + 1)
                try:
                    rewrite(old, entry)
                except DocmapError as error:
                    error.key, error.done = write.key, position - len(changed)
                    raise
                self._note(partial(table.restore, old.key, old))
                self._changed(schema.collection, "update", entry)
        return changed

    def _next_key(self, schema: Schema) -> int:
        with self._writing():
            table = self._writable(schema)
            self._note_count(table)
            table.last_key += 1
            return table.last_key

    def _delete(self, schema: Schema, key: Any, expected: int = ANY) -> bool:
        with self._writing():
            stored = self._get(schema, key)
            if expected != ANY and (stored is None or stored[1] != expected):
                raise stale(schema, deleted=stored is None)
            return self._remove(schema, key)

    # -- queries

    def _find(self, schema: Schema, query: NativeQuery) -> Iterator[Record]:
        matching = self._matching(schema, query)
        return ((entry.data, entry.revision) for entry in matching)

    def _matching(self, schema: Schema, query: NativeQuery) -> Iterator[Entry]:
        """The entries that a query asks for, as they are now."""
        if query.parts:
            return self._in_parts(schema, query)
        stop = None if query.limit is None else query.offset + query.limit
        node = node_of(query.condition)
        with self._reading():
            table = self._table(schema)
            keys = asked_keys(schema, node)
            access = None if keys else choose(table.indexes.values(), node, query.order, stop)
            found = _candidates(table, schema, node, keys or access, stop)
        if query.order and not (access is not None and access.ordered):
            found = sorted_by(found, query.order, lambda entry: entry.tree(schema), stop)
        return islice(found, query.offset, stop)

    def _in_parts(self, schema: Schema, query: NativeQuery) -> Iterator[Entry]:
        """The entries of each part in turn, until there are enough."""
        found: list[Entry] = []
        stop = None if query.limit is None else query.offset + query.limit
        with self._reading():
            for part in query.parts:
                left = None if stop is None else stop - len(found)
                found += self._matching(schema, part._replace(limit=left))
                if len(found) == stop:
                    break
        return iter(found[query.offset :])

    def _count(self, schema: Schema, condition: Any) -> int:
        node = node_of(condition)
        with self._reading():
            table = self._table(schema)
            if node is None:
                return len(table.entries)
            access = choose(table.indexes.values(), node)
            if access is not None and access.complete:
                return access.count()
        return sum(1 for _ in self._matching(schema, NativeQuery(condition)))

    def _distinct(self, schema: Schema, path: Path, kind: FieldType, condition: Any) -> Any:
        values = self._values(schema, path, condition)
        # Trees are kept: what could be changed in them is copied.
        return [deepcopy(one) if type(one) in {list, dict} else one for one in values]

    def _values(self, schema: Schema, path: Path, condition: Any) -> Iterable[Any]:
        if condition is None and not path.each:
            with self._reading():
                rows = self._table(schema).rows()
            return rows.column(schema, path)
        trees = (e.tree(schema) for e in self._matching(schema, NativeQuery(condition)))
        if path.each:
            return chain.from_iterable(each_value(tree, path) for tree in trees)
        return map(getter(path), trees)

    def _aggregate(self, schema: Schema, asked: NativeAggregate) -> Iterable[Row]:
        if asked.condition is None and not asked.order:
            with self._reading():
                rows = self._table(schema).rows()
            return of_rows(rows, schema, asked.grouping).rows()
        matching = self._matching(schema, NativeQuery(asked.condition, asked.order))
        return of_entries(matching, schema, asked.grouping).rows()

    def _explain_aggregate(self, schema: Schema, asked: NativeAggregate) -> EnginePlan:
        return self._explain(schema, NativeQuery(asked.condition, asked.order))

    def _delete_matching(self, schema: Schema, condition: Any) -> int:
        with self._writing():
            table = self._table(schema)
            keys = [entry.key for entry in self._matching(schema, NativeQuery(condition))]
            return sum(self._take_out(schema, table, key) for key in keys)

    def _orders(self, schema: Schema, terms: Sequence[OrderTerm]) -> bool:
        return True

    def _explain(self, schema: Schema, query: NativeQuery) -> EnginePlan:
        stop = None if query.limit is None else query.offset + query.limit
        node = node_of(query.condition)
        with self._reading():
            table = self._table(schema)
            access = choose(table.indexes.values(), node, query.order, stop)
            size = len(table.entries)
        if asked_keys(schema, node):
            return EnginePlan(("(key)",), scan=False, documents=size, detail=("by key",))
        if access is None:
            return EnginePlan(documents=size, detail=("every document by the reference functions",))
        return EnginePlan(
            access.labels,
            scan=reads_all(access, stop),
            documents=size,
            detail=(access.words(),),
        )

    # -- transactions

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._writing():
            outermost = self._undo is None
            steps = self._undo = [] if self._undo is None else self._undo
            mark = len(steps)
            try:
                yield
            except BaseException:
                back, steps[mark:] = steps[mark:], []
                self._undo = None  # what takes back is not itself to be taken back
                for undo in reversed(back):
                    undo()
                self._undo = None if outermost else steps
                raise
            if outermost:
                self._undo = None
                self._committed()

    def _note_count(self, table: Table) -> None:
        """Remember the counter of keys: a key under which nothing was committed is given again."""
        if self._undo is not None:
            self._undo.append(partial(setattr, table, "last_key", table.last_key))

    def _note(self, undo: Callable[[], object]) -> None:
        """Remember how to take back a write, if a transaction may want to."""
        if self._undo is not None:
            self._undo.append(undo)


def _candidates(
    table: Table,
    schema: Schema,
    node: Node | None,
    by: list[Any] | Way[Entry] | None,
    stop: int | None,
) -> Iterable[Entry]:
    """The matching entries by keys, by an index in its order, or by trying all."""
    if by is None:
        rows = table.rows()
        return rows.entries if node is None else rows.matching(schema, node)
    if isinstance(by, list):
        entries = [table.entries[key] for key in by if key in table.entries]
        return entries if node is None else filtered(entries, schema, node)
    found = by.entries(stop)
    return found if node is None or by.complete else filtered(found, schema, node)
