"""Documents in an ordered byte store: what engines such as LevelDB share."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from typing import Any, ClassVar

from docmap.plan.engine import EnginePlan, NativeAggregate, NativeQuery, Record
from docmap.query.groups import Groups, Row
from docmap.query.lookups import LookupManager
from docmap.query.order import OrderTerm
from docmap.query.paths import Path, each_value, getter
from docmap.schema.schema import Schema
from docmap.schema.types import FieldType
from docmap_backends._keyvalue_catalogue import Table
from docmap_backends._keyvalue_records import key_form, records_of, unpacked
from docmap_backends._keyvalue_search import IN_MEMORY, Search
from docmap_backends._keyvalue_store import OrderedStore, ReadableStore, fetched
from docmap_backends._keyvalue_writes import KeyValueWriting
from docmap_backends._references import References

_ROWS = 1000  # documents that are aggregated at once


class KeyValueStorage(KeyValueWriting):
    """All hooks over an `OrderedStore`, which the engine's adapter opens.

    Every condition is native: indexes narrow what is read, and the reference functions, which read
    only the fields that they need, say what matches.
    """

    lookups: ClassVar[LookupManager] = References()
    isolation = "serializable"
    checked_by_store: ClassVar[bool] = False
    """The store has checksums of its own over all that it gives: scans need not look at ours."""

    def _open_store(self) -> OrderedStore:
        """Open the store. Raises StoreLocked, ForeignStore, CorruptStore or StorageError."""
        raise self._lacks("opening the store")

    def _connect(self) -> None:
        self._revisions = random.Random()  # noqa: S311 - a child process has its own
        self._store = self._open_store()
        self._tables.clear()

    def _disconnect(self) -> None:
        self._close_store()
        self._tables.clear()

    def _close_store(self) -> None:
        """Close what `_open_store` opened."""
        self._store.close()

    # -- views

    @contextmanager
    def _reading(self, schema: Schema) -> Iterator[Search]:
        """The queries of a schema over what is stored now, or what this transaction has."""
        batch = self._open_batch.batch
        if batch is not None:
            yield self._search(batch, schema)
            return
        with self._store.snapshot() as view:
            yield self._search(view, schema)

    def _search(self, view: ReadableStore, schema: Schema) -> Search:
        table = self._table(view, schema.collection)
        return Search(view, schema, table, checked=self.checked_by_store, path=self._place)

    def _streamed(self, schema: Schema, read: Callable[[Search], Iterator[Record]]) -> Any:
        """What `read` finds in the store as it is now, one after the other."""
        if self._open_batch.batch is not None:
            # What is written from here on is in the batch too: it must not be seen.
            with self._reading(schema) as search:
                return iter(list(read(search)))
        stream = self._from_view(schema, read)
        next(stream)  # from here on it holds its view, and gives it back when it is closed
        return stream

    def _from_view(
        self, schema: Schema, read: Callable[[Search], Iterator[Record]]
    ) -> Iterator[Record]:
        with self._store.snapshot() as view:
            found = read(self._search(view, schema))
            yield b"", 0
            yield from found

    # -- reading

    def _scan(self, schema: Schema) -> Iterator[Record]:
        return self._streamed(schema, Search.all)  # type: ignore[no-any-return]

    def _get(self, schema: Schema, key: Any) -> Record | None:
        return self._stored(self._here(), schema, key_form(schema.stored_key(key)))

    def _get_many(self, schema: Schema, keys: Sequence[Any]) -> dict[Any, Record]:
        wanted = list(dict.fromkeys(keys))
        prefix = records_of(schema.collection)
        places = [prefix + key_form(schema.stored_key(key)) for key in wanted]
        with self._reading(schema) as search:
            values = fetched(search.view, places)
        return {
            key: unpacked(place, value, self._place)
            for key, place, value in zip(wanted, places, values, strict=True)
            if value is not None
        }

    def _find(self, schema: Schema, query: NativeQuery) -> Iterator[Record]:
        if query.limit is not None and query.limit <= IN_MEMORY:
            with self._reading(schema) as search:
                return iter(list(search.records(query)))
        return self._streamed(schema, lambda search: search.records(query))  # type: ignore[no-any-return]

    def _count(self, schema: Schema, condition: Any) -> int:
        with self._reading(schema) as search:
            return search.count(condition)

    def _orders(self, schema: Schema, terms: Sequence[OrderTerm]) -> bool:
        return True

    def _explain(self, schema: Schema, query: NativeQuery) -> EnginePlan:
        with self._reading(schema) as search:
            return search.explain(query)

    def _distinct(self, schema: Schema, path: Path, kind: FieldType, condition: Any) -> Any:
        tree = schema.codec.reader(set(path.segments[:1]))
        with self._reading(schema) as search:
            found = None if condition is not None else search.distinct(path, kind)
            if found is not None:
                return found
            trees = (tree(data) for data, _ in search.records(NativeQuery(condition)))
            if path.each:
                return list(chain.from_iterable(each_value(one, path) for one in trees))
            return list(map(getter(path), trees))

    def _aggregate(self, schema: Schema, asked: NativeAggregate) -> Iterable[Row]:
        found = Groups(asked.grouping)
        names = {reading.path.segments[0] for reading in asked.grouping.readings}
        tree = schema.codec.reader(names)
        with self._reading(schema) as search:
            records = search.records(NativeQuery(asked.condition, asked.order))
            while trees := [tree(data) for data, _ in islice(records, _ROWS)]:
                found.add_trees(trees)
        return found.rows()

    def _explain_aggregate(self, schema: Schema, asked: NativeAggregate) -> EnginePlan:
        return self._explain(schema, NativeQuery(asked.condition, asked.order))

    def _delete_matching(self, schema: Schema, condition: Any) -> int:
        with self._writing() as batch:
            table = self._table(batch, schema.collection) or Table()
            search = Search(batch, schema, table, path=self._place)
            found = list(search.records(NativeQuery(condition)))
            for data, _ in found:
                form = key_form(schema.stored_key(schema.key_of(data)))
                self._take_out(batch, schema, table, form, data)
            return len(found)
