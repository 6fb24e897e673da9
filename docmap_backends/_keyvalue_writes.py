"""Writing documents into an ordered byte store, each with its index entries in one batch."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from pydantic_core import from_json

from docmap.errors import CorruptStore, DocmapError, InvalidValue, StorageError
from docmap.plan.engine import Record
from docmap.schema.indexes import BoundIndex, IndexDefinition
from docmap.schema.schema import Schema
from docmap.storage import BaseStorageAdapter
from docmap.storage.writes import (
    ANY,
    Write,
    cannot_be_unique,
    keep_unknown,
    not_unique,
    stale,
)
from docmap.values import INT_MAX, RANK_NUMBER
from docmap_backends._keyvalue_catalogue import LAST_NUMBER, HeldIndex, Table
from docmap_backends._keyvalue_records import (
    CATALOGUE,
    COUNTER,
    INDEX,
    RECORD,
    key_form,
    packed,
    records_of,
    unpacked,
)
from docmap_backends._keyvalue_store import Batch, OrderedStore, ReadableStore
from docmap_backends._ordered import above, plain, rank_byte

_OFTEN = 1000  # documents after which the building of an index tells how far it is


class _Open(threading.local):
    """The batch of the transaction that this thread has open."""

    batch: Batch | None = None


class KeyValueWriting(BaseStorageAdapter):
    """The hooks that write."""

    _store: OrderedStore

    def __init__(self, url: Any = None, **options: Any) -> None:
        super().__init__(url, **options)
        self._open_batch = _Open()
        self._tables: dict[str, tuple[bytes, Table]] = {}

    # -- batches and transactions

    @contextmanager
    def _writing(self) -> Iterator[Batch]:
        """Changes that are written when the block ends well, or with the open transaction."""
        batch = self._open_batch.batch
        if batch is not None:
            yield batch
            return
        with self._store.writing():
            batch = Batch(self._store)
            yield batch
            batch.write_to(self._store)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            outer = self._open_batch.batch
            if outer is not None:
                with outer.savepoint():
                    yield
                return
            with self._store.writing():
                batch = self._open_batch.batch = Batch(self._store)
                try:
                    yield
                finally:
                    self._open_batch.batch = None
                batch.write_to(self._store)
        except BaseException:
            self._ensured.clear()  # what was made inside is not there
            raise

    # -- collections

    def _table(self, view: ReadableStore, collection: str) -> Table | None:
        """What the catalogue says of a collection; None if it is not there."""
        data = view.get(CATALOGUE + collection.encode())
        if data is None:
            return None
        known = self._tables.get(collection)
        if known is not None and known[0] == data:
            return known[1]
        try:
            table = Table.read(data)
        except (ValueError, KeyError, TypeError) as error:
            raise CorruptStore(
                f"{self.scheme}: what the catalogue says of {collection} cannot be read: restore "
                "the store from a backup",
                engine=self.scheme,
                collection=collection,
            ) from error
        self._tables[collection] = (data, table)
        return table

    def _here(self) -> ReadableStore:
        """What this thread reads: its transaction, or the store."""
        return self._open_batch.batch or self._store

    def _collections(self) -> list[str]:
        low = CATALOGUE + b"\0"
        return [key[1:].decode() for key in self._here().keys(low, above(CATALOGUE))]

    def _clear(self) -> None:
        with self._writing() as batch:
            for space in (CATALOGUE, COUNTER, INDEX, RECORD):
                for key in list(batch.keys(space, above(space))):
                    batch.delete(key)

    def _ensure(self, schema: Schema) -> None:
        table = self._table(self._here(), schema.collection)
        if table is None or not table.has(schema.key_field.stored, schema.indexes):
            with self._writing() as batch, batch.savepoint():
                self._adopted(batch, schema)

    def _adopted(
        self, batch: Batch, schema: Schema, done: Callable[[int], None] = lambda _: None
    ) -> Table:
        """Make the collection and those of the class's indexes that it lacks."""
        held = self._table(batch, schema.collection)
        table = Table() if held is None else held.copy()
        if schema.key_field.stored not in table.key_names:
            table.key_names.append(schema.key_field.stored)
        for declared in schema.indexes:
            if declared.name not in table.indexes:
                number = int.from_bytes(batch.get(LAST_NUMBER) or b"", "big") + 1
                batch.put(LAST_NUMBER, number.to_bytes(4, "big"))
                index = table.indexes[declared.name] = HeldIndex(number, declared)
                self._fill(batch, schema, index, done)
        batch.put(CATALOGUE + schema.collection.encode(), table.dumped())
        return table

    def _fill(
        self, batch: Batch, schema: Schema, index: HeldIndex, done: Callable[[int], None]
    ) -> None:
        """Put in the entries of all records."""
        taken: set[bytes] = set()
        prefix = records_of(schema.collection)
        for number, (key, value) in enumerate(batch.items(prefix, above(prefix)), 1):
            data, _ = unpacked(key, value)
            wire = _json(schema, data)
            form = key[len(prefix) :]
            for place in index.places(wire):
                batch.put(index.prefix + place + form, form)
            if index.declared.unique:
                for place in index.owned(wire):
                    if place in taken:
                        stored = (one for one, _ in self._every(batch, prefix))
                        raise cannot_be_unique(schema, index.declared, stored)
                    taken.add(place)
            if number % _OFTEN == 0:
                done(_OFTEN)

    def _every(self, view: ReadableStore, prefix: bytes) -> Iterator[Record]:
        return (unpacked(key, value) for key, value in view.items(prefix, above(prefix)))

    def _present_indexes(self, schema: Schema) -> dict[str, IndexDefinition]:
        table = self._table(self._here(), schema.collection)
        indexes = {} if table is None else table.indexes
        return {name: held.declared.definition for name, held in indexes.items()}

    def _build_index(self, schema: Schema, index: BoundIndex, done: Callable[[int], None]) -> None:
        with self._writing() as batch, batch.savepoint():
            self._adopted(batch, _with_index(schema, index), done)

    def _drop_index(self, schema: Schema, name: str) -> None:
        with self._writing() as batch:
            held = self._table(batch, schema.collection)
            if held is None or name not in held.indexes:
                return
            table = held.copy()
            index = table.indexes.pop(name)
            for key in list(batch.keys(index.prefix, above(index.prefix))):
                batch.delete(key)
            batch.put(CATALOGUE + schema.collection.encode(), table.dumped())

    def _writable(self, batch: Batch, schema: Schema) -> Table:
        """The table to write to; made anew if somebody has just cleared all."""
        table = self._table(batch, schema.collection)
        if table is None:
            for one in (schema, *schema.relatives):
                self._adopted(batch, one)
            table = self._table(batch, schema.collection)
        assert table is not None  # noqa: S101 - it was made
        return table

    # -- records

    def _stored(self, view: ReadableStore, schema: Schema, key: Any) -> Record | None:
        place = records_of(schema.collection) + key_form(schema.stored_key(key))
        value = view.get(place)
        return None if value is None else unpacked(place, value)

    def _store_record(  # noqa: PLR0913, PLR0917 - what was there, what is to be, and where
        self,
        batch: Batch,
        schema: Schema,
        table: Table,
        key: Any,
        old: Record | None,
        new: Record,
        names: frozenset[str] | None = None,
    ) -> None:
        """Put a record and its entries. Raises DuplicateKey, nothing changed.

        If `names` are given, it differs from the old one below these alone.
        """
        stored_key = schema.stored_key(key)
        form = key_form(stored_key)
        data = new[0] if isinstance(new[0], bytes) else new[0].encode()
        moved = [
            index
            for index in table.indexes.values()
            if names is None or old is None or not names.isdisjoint(index.roots)
        ]
        if moved:
            wire = _json(schema, data)
            for index in moved:
                if index.declared.unique:
                    self._check_owner(batch, schema, index, wire, form)
            before = None if old is None else _json(schema, old[0])
            for index in moved:
                _move(
                    batch,
                    index,
                    None if old is None else index.places(before),
                    index.places(wire),
                    form,
                )
        place = records_of(schema.collection) + form
        batch.put(place, packed(place, data, new[1]))
        if type(stored_key) is int and old is None:
            self._count_up(batch, schema, stored_key)

    def _check_owner(
        self, batch: Batch, schema: Schema, index: HeldIndex, wire: Any, form: bytes
    ) -> None:
        for place in index.owned(wire):
            low = index.prefix + place
            for _, owner in batch.items(low, above(low)):
                if owner != form:
                    raise not_unique(schema, index.declared)

    def _take_out(self, batch: Batch, schema: Schema, table: Table, form: bytes, data: Any) -> None:
        """Remove a record and its entries."""
        if table.indexes:
            wire = _json(schema, data)
            for index in table.indexes.values():
                _move(batch, index, index.places(wire), (), form)
        batch.delete(records_of(schema.collection) + form)

    def _put(self, schema: Schema, key: Any, record: Record) -> None:
        self._write_records(schema, [(key, record)])

    def _write_records(self, schema: Schema, records: Sequence[tuple[Any, Record]]) -> None:
        with self._writing() as batch, batch.savepoint():
            table = self._writable(batch, schema)
            for key, record in records:
                old = self._stored(batch, schema, key)
                self._store_record(batch, schema, table, key, old, record)

    def _remove(self, schema: Schema, key: Any) -> bool:
        return self._delete(schema, key)

    def _save(self, schema: Schema, write: Write) -> int:
        with self._writing() as batch:
            return self._saved(batch, schema, self._writable(batch, schema), write)

    def _saved(self, batch: Batch, schema: Schema, table: Table, write: Write) -> int:
        stored = self._stored(batch, schema, write.key)
        revision = self.checked_revision(schema, write, stored)
        data = write.data if stored is None else keep_unknown(schema, stored[0], write.data)
        self._store_record(batch, schema, table, write.key, stored, (data, revision))
        return revision

    def _save_many(self, schema: Schema, writes: Sequence[Write]) -> list[int]:
        revisions: list[int] = []
        failure: DocmapError | None = None
        with self._writing() as batch:
            table = self._writable(batch, schema)
            for write in writes:
                try:
                    revisions.append(self._saved(batch, schema, table, write))
                except StorageError:
                    raise
                except DocmapError as error:  # what comes before it is to be stored
                    error.done, failure = len(revisions), error
                    break
        if failure is not None:
            raise failure
        return revisions

    def _save_each(self, schema: Schema, writes: Sequence[Write]) -> Iterator[int | DocmapError]:
        found: list[int | DocmapError] = []
        with self._writing() as batch:
            table = self._writable(batch, schema)
            for write in writes:
                try:
                    found.append(self._saved(batch, schema, table, write))
                except StorageError:
                    raise
                except DocmapError as error:
                    found.append(error)
        yield from found

    def _rewrite(
        self, schema: Schema, writes: Sequence[Write], names: frozenset[str] | None
    ) -> list[Write]:
        changed: list[Write] = []
        failure: DocmapError | None = None
        with self._writing() as batch:
            table = self._writable(batch, schema)
            for position, write in enumerate(writes):
                stored = self._stored(batch, schema, write.key)
                if stored is None or stored[1] != write.expected:
                    changed.append(write)
                    continue
                record = (write.data, write.expected + 1)
                try:
                    self._store_record(batch, schema, table, write.key, stored, record, names)
                except StorageError:
                    raise
                except DocmapError as error:
                    error.key, error.done = write.key, position - len(changed)
                    failure = error
                    break
        if failure is not None:
            raise failure
        return changed

    def _delete(self, schema: Schema, key: Any, expected: int = ANY) -> bool:
        with self._writing() as batch:
            stored = self._stored(batch, schema, key)
            if expected != ANY and (stored is None or stored[1] != expected):
                raise stale(schema, deleted=stored is None)
            if stored is None:
                return False
            table = self._table(batch, schema.collection) or Table()
            form = key_form(schema.stored_key(key))
            self._take_out(batch, schema, table, form, stored[0])
            return True

    def _delete_keys(self, schema: Schema, records: Iterable[tuple[Any, int]]) -> int:
        deleted = 0
        with self._writing() as batch:
            table = self._table(batch, schema.collection) or Table()
            for key, revision in records:
                stored = self._stored(batch, schema, key)
                if stored is not None and stored[1] == revision:
                    form = key_form(schema.stored_key(key))
                    self._take_out(batch, schema, table, form, stored[0])
                    deleted += 1
        return deleted

    # -- counted keys, copies

    def _next_key(self, schema: Schema) -> int:
        with self._writing() as batch:
            key = self._highest(batch, schema) + 1
            if key > INT_MAX:
                raise InvalidValue(
                    f"{schema.collection} has used the last int key: give {schema.key} yourself",
                    collection=schema.collection,
                    field=schema.key,
                )
            batch.put(COUNTER + schema.collection.encode(), key.to_bytes(8, "big"))
            return key

    def _highest(self, view: ReadableStore, schema: Schema) -> int:
        """The highest int key that was counted or used: other programs do not count."""
        counted = view.get(COUNTER + schema.collection.encode())
        low = records_of(schema.collection) + rank_byte(RANK_NUMBER)
        last = next(iter(view.keys(low, above(low), reverse=True)), None)
        used = 0 if last is None else plain(last[len(low) - 1 :])
        assert isinstance(used, int)  # noqa: S101 - of numbers only ints are keys
        return max(used, int.from_bytes(counted or b"", "big"))

    def _count_up(self, batch: Batch, schema: Schema, key: int) -> None:
        """Keep the counter beyond a key that was given by hand."""
        place = COUNTER + schema.collection.encode()
        if key > int.from_bytes(batch.get(place) or b"", "big"):
            batch.put(place, key.to_bytes(8, "big"))

    def _key_name(self, collection: str) -> str:
        table = self._table(self._here(), collection)
        names = [] if table is None else table.key_names
        return names[0] if len(names) == 1 else ""

    def _counted_key(self, schema: Schema) -> int:
        return self._highest(self._here(), schema)

    def _count_to(self, schema: Schema, key: int) -> None:
        with self._writing() as batch:
            self._writable(batch, schema)
            self._count_up(batch, schema, key)

    def _drop_collection(self, schema: Schema) -> None:
        with self._writing() as batch:
            name = schema.collection.encode()
            table = self._table(batch, schema.collection)
            spaces = [records_of(schema.collection)]
            spaces += [index.prefix for index in table.indexes.values()] if table else []
            for space in spaces:
                for key in list(batch.keys(space, above(space))):
                    batch.delete(key)
            batch.delete(COUNTER + name)
            batch.delete(CATALOGUE + name)
        self._ensured.clear()


def _move(
    batch: Batch,
    index: HeldIndex,
    old: Sequence[bytes] | None,
    new: Sequence[bytes],
    form: bytes,
) -> None:
    """Make the entries of a document what they are to be."""
    if old == new:
        return
    head = index.prefix
    if old:
        for place in old:
            if place not in new:
                batch.delete(head + place + form)
    for place in new:
        if not old or place not in old:
            batch.put(head + place + form, form)


def _json(schema: Schema, data: bytes | str) -> Any:
    """The JSON of a record. Raises InvalidRecord for what is none: another program wrote it."""
    try:
        return from_json(data)
    except ValueError:
        schema.codec.tree(data)
        raise


def _with_index(schema: Schema, index: BoundIndex) -> Schema:
    return replace(schema, indexes=(index,))
