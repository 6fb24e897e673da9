"""TinyDB itself over a storage of docmap: what its tables write is durable, and seen by both."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json, to_json
from tinydb import TinyDB
from tinydb.storages import Storage
from tinydb.table import Document, Table

from docmap.errors import InvalidValue
from docmap.plan.engine import Native, NativeQuery
from docmap.storage.writes import first_revision
from docmap_backends._tables_index import Entry
from docmap_backends._tinydb_file import OWN, Row, is_collection, key_in, key_of
from docmap_backends._tinydb_queries import NodeQuery
from docmap_backends._tinydb_table import NumberedTable, dropped

if TYPE_CHECKING:
    from docmap_backends.tinydb import TinyDBStorage


class JournalStorage(Storage):
    """A storage class of TinyDB's: reads docmap's tables, and writes what differs in one frame."""

    def __init__(self, storage: TinyDBStorage) -> None:
        super().__init__()
        self.docmap = storage

    def writing(self) -> AbstractContextManager[Any]:
        """All or nothing, and nobody else writes."""
        return self.docmap._transaction()

    def read(self) -> dict[str, dict[str, Any]]:
        """All tables, as TinyDB reads them from a file."""
        with self.docmap._reading():
            return {
                name: {str(row.number): from_json(row.data) for row in rows}
                for name, _, rows in self.docmap.tables_stored()
            }

    def write(self, data: dict[str, dict[str, Any]]) -> None:
        """Make the tables what TinyDB would write into a file."""
        if OWN in data:
            raise InvalidValue(f"the table {OWN} is docmap's own: name another", engine="tinydb")
        with self.writing():
            for name in list(self.docmap._tables):
                if name not in data:
                    self._drop_table(name)
            for name, documents in data.items():
                self._write_table(name, documents)

    def _write_table(self, name: str, documents: Mapping[Any, Any]) -> None:
        table = self._made_table(name)
        wanted = {int(number): document for number, document in documents.items()}
        held = {row.number: row for row in table.stored()}
        for number in held.keys() - wanted.keys():
            self._remove_entry(name, held[number].key)
        for number, document in wanted.items():
            row = held.get(number)
            if row is None or to_json(document) != row.data:
                self._write_document(name, table, number, document, row)

    def _write_document(
        self, name: str, table: NumberedTable, number: int, document: Any, row: Row | None
    ) -> None:
        json.dumps(document)  # raises what TinyDB would for what is not JSON
        try:
            key = key_in(document, table.key_names) if is_collection(name) else number
        except ValueError as error:
            raise InvalidValue(
                f"the document {number} cannot be written: {error}",
                engine="tinydb",
                collection=name,
            ) from error
        if key is None:
            key = key_of(number, table.entries) if row is None else row.key
            document = {**document, next(iter(table.key_names), "id"): key}
        if row is not None and row.key != key:
            self._remove_entry(name, row.key)
            row = None
        if row is None and key in table.entries:
            raise InvalidValue(
                f"{name} has a document with this key already, under another number",
                engine="tinydb",
                collection=name,
                key=key,
            )
        revision = first_revision() if row is None else row.revision + 1
        self._put_entry(name, Entry(key, to_json(document), revision), number)

    def _made_table(self, name: str) -> NumberedTable:
        """A table for writing to, made if there is none."""
        docmap = self.docmap
        if name not in docmap._tables:
            docmap._tables[name] = docmap._new_table()
            docmap._note(partial(docmap._tables.pop, name, None))
            docmap._record_made(name)
        return docmap._numbered(name)

    def _put_entry(self, name: str, entry: Entry, number: int) -> None:
        """Store a document of TinyDB's under its number. Raises DuplicateKey."""
        table = self.docmap._numbered(name)
        self.docmap._note_count(table)
        old = table.put(entry)
        self.docmap._note(partial(table.restore, entry.key, old))
        if old is None:
            table.number(entry.key, number)
        self.docmap._changed(name, "insert" if old is None else "update", entry)

    def _remove_entry(self, name: str, key: Any) -> None:
        """Delete a document."""
        table = self.docmap._numbered(name)
        old = table.remove(key)
        if old is not None:
            self.docmap._note(partial(table.restore, key, old))
            self.docmap._changed(name, "delete", old)

    def _drop_table(self, name: str) -> None:
        """Remove a table with all that it has."""
        table = self.docmap._numbered(name)
        for key in list(table.entries):
            self._remove_entry(name, key)
        del self.docmap._tables[name]
        self.docmap._note(partial(self.docmap._tables.__setitem__, name, table))
        self.docmap._ensured.clear()
        self.docmap._record(dropped(name))


class JournalTable(Table):
    """A table of TinyDB's without a cache, which docmap's writes would make stale."""

    default_query_cache_capacity = 0

    def search(self, cond: Any) -> list[Document]:
        """The documents that match; from docmap's indexes for a query that a lookup gave."""
        schema = cond.schema if isinstance(cond, NodeQuery) else None
        if schema is None or schema.collection != self.name:
            return super().search(cond)
        docmap = self._docmap
        with docmap._reading():
            docmap._refresh(schema)
            found = list(docmap._matching(schema, NativeQuery(Native(cond))))
            return [
                self.document_class(
                    from_json(entry.data), docmap._numbered(self.name).number(entry.key)
                )
                for entry in found
            ]

    def insert(self, document: Mapping[str, Any]) -> int:
        """Insert one document; the number that it gets."""
        with self._docmap._transaction():
            return super().insert(document)

    def insert_multiple(self, documents: Iterable[Mapping[str, Any]]) -> list[int]:
        """Insert documents; the numbers that they get."""
        with self._docmap._transaction():
            return super().insert_multiple(documents)

    @property
    def _docmap(self) -> TinyDBStorage:
        storage = self._storage
        if not isinstance(storage, JournalStorage):
            raise TypeError(f"{type(self).__name__} needs a JournalStorage")
        return storage.docmap

    def _update_table(self, updater: Callable[[dict[int, Mapping[str, Any]]], None]) -> Any:
        with self._docmap._transaction():
            return super()._update_table(updater)

    def _get_next_id(self) -> int:
        with self._docmap._reading():
            held = self._docmap._held(self.name)
            return 1 if held is None else held.next_number


class JournalDB(TinyDB):
    """The TinyDB object of a storage; closing it leaves the storage open."""

    table_class = JournalTable

    def __init__(self, storage: TinyDBStorage) -> None:
        super().__init__(storage, storage=JournalStorage)
