"""Collections in an ordered byte store: the catalogue, building indexes, batches, transactions."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from pydantic_core import from_json

from docmap.errors import CorruptStore
from docmap.plan.engine import Record
from docmap.schema.indexes import BoundIndex, IndexDefinition
from docmap.schema.schema import Schema
from docmap.storage import BaseStorageAdapter
from docmap.storage.writes import cannot_be_unique
from docmap_backends._keyvalue_catalogue import LAST_NUMBER, HeldIndex, Table
from docmap_backends._keyvalue_records import (
    CATALOGUE,
    COUNTER,
    INDEX,
    RECORD,
    records_of,
    unpacked,
)
from docmap_backends._keyvalue_store import Batch, OrderedStore, ReadableStore
from docmap_backends._ordered import above

_OFTEN = 1000  # documents after which the building of an index tells how far it is


class _Open(threading.local):
    """The batch of the transaction that this thread has open."""

    batch: Batch | None = None


class KeyValueTables(BaseStorageAdapter):
    """The hooks about collections and transactions, and what all writes begin with."""

    _store: OrderedStore

    def __init__(self, url: Any = None, **options: Any) -> None:
        super().__init__(url, **options)
        self._open_batch = _Open()
        self._revisions = random.Random()  # noqa: S311 - they are told apart, not guessed
        self._tables: dict[str, tuple[bytes, Table]] = {}

    @property
    def _place(self) -> str:
        """The file or directory that errors name; empty if there is none."""
        return (self.url.path if self.url is not None else "") or ""

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
                batch = Batch(self._store)
                try:  # an interrupt must not leave the thread in a transaction that is over
                    self._open_batch.batch = batch
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
                f"{self._place or 'the store'} is damaged: what its catalogue says of {collection} "
                "cannot be read; restore it from a backup",
                engine=self.scheme,
                collection=collection,
                path=self._place or None,
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
                self._fill(batch, schema, Table([], {declared.name: index}), done)
        batch.put(CATALOGUE + schema.collection.encode(), table.dumped())
        return table

    def _fill(
        self, batch: Batch, schema: Schema, table: Table, done: Callable[[int], None]
    ) -> None:
        """Put in the entries of all records in the one index of a table."""
        (index,) = table.indexes.values()
        taken: set[bytes] = set()
        prefix = records_of(schema.collection)
        for number, (key, value) in enumerate(batch.items(prefix, above(prefix)), 1):
            data, _ = unpacked(key, value, self._place)
            wire = json_of(schema, table, data)
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
        return (
            unpacked(key, value, self._place) for key, value in view.items(prefix, above(prefix))
        )

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


def json_of(schema: Schema, table: Table, data: bytes | str) -> Any:
    """The JSON of a record, as far as indexes are over it.

    Raises InvalidRecord for what is none: another program wrote it.
    """
    try:
        return table.wire(data)
    except ValueError:
        pass
    try:
        return from_json(data)  # a list, for example
    except ValueError:
        schema.codec.tree(data)
        raise


def _with_index(schema: Schema, index: BoundIndex) -> Schema:
    return replace(schema, indexes=(index,))
