"""Documents in an SQLite file, or in SQLite's memory: JSON text with native conditions."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

from pydantic_core import from_json

from docmap.errors import (
    DocmapError,
    DuplicateKey,
    InvalidConfig,
    InvalidRecord,
    InvalidValue,
    StoreLocked,
)
from docmap.plan.engine import Record
from docmap.query.lookups import LookupManager
from docmap.schema.schema import Schema
from docmap.storage.writes import ANY, NEW, Write, keep_unknown, stale
from docmap.values import INT_MAX
from docmap_backends._sql import table_name
from docmap_backends._sql_text import dialect
from docmap_backends._sqlite_connections import Connections
from docmap_backends._sqlite_files import APPLICATION_ID, FORMAT, File
from docmap_backends._sqlite_foreign import is_storable, mark_of
from docmap_backends._sqlite_indexes import broken_index, create_index, insert
from docmap_backends._sqlite_known import Known
from docmap_backends._sqlite_queries import SQLiteReading, where
from docmap_backends._sqlite_tables import (
    META,
    Table,
    collection_names,
    create_table,
    drop_all,
    read_table,
    save_shape,
    widen,
)

_SYNCHRONOUS = ("FULL", "NORMAL", "EXTRA")


class SQLiteStorage(SQLiteReading):
    """`sqlite:///path/file.db`, or `sqlite://` in memory.

    Options: `timeout` (seconds to wait for a lock, 5), `synchronous` (`FULL`; `NORMAL` may lose the
    last commits when the machine, not the program, dies), `read_only`.
    """

    scheme = "sqlite"
    settings: ClassVar[dict[str, type]] = {"timeout": float, "synchronous": str, "read_only": bool}
    lookups: ClassVar[LookupManager] = dialect
    has_functions: ClassVar[bool] = True

    def __init__(self, url: Any = None, **options: Any) -> None:
        super().__init__(url, **options)
        path = (self.url.path if self.url else "") or ""
        read_only = self._options.get("read_only", False)
        self._file = File("" if path == ":memory:" else path, read_only=read_only)
        self._synchronous = self._options.get("synchronous", "FULL").upper()
        if self._synchronous not in _SYNCHRONOUS:
            raise InvalidConfig("sqlite: synchronous is FULL, NORMAL or EXTRA", engine="sqlite")
        self._known = Known()

    # -- the store

    def _connect(self) -> None:
        # A child process opens its own: it must not go on with the numbers of its parent.
        self._revisions = random.Random()  # noqa: S311 - they are told apart, not guessed
        self._inherited = getattr(self, "_connections", None)
        self._connections = Connections(
            self._file,
            self._mutex,
            timeout=self._options.get("timeout", 5.0),
            synchronous=self._synchronous,
            on_undo=self._known.forget,
        )
        self._connections.open(_set_up)
        self._known.forget()

    def _disconnect(self) -> None:
        self._connections.close()
        self._known.forget()

    def _clear(self) -> None:
        with self._connections.writing() as connection:
            drop_all(connection)
        self._known.forget()

    def _sync(self) -> None:
        if self._synchronous != "NORMAL" or self._connections.in_transaction:
            return  # what was acknowledged is on the disk
        busy, *_ = self._connections.rows("PRAGMA wal_checkpoint(FULL)")[0]
        if busy:
            raise StoreLocked(
                f"{self._file.path} is read or written by others, and could not be made durable: "
                "try again",
                engine="sqlite",
                path=self._file.path,
            )

    def _ping(self) -> None:
        self._connections.rows("PRAGMA schema_version")

    def _native(self) -> sqlite3.Connection:
        self._known.watch()
        return self._connections.current()

    def _info(self) -> dict[str, Any]:
        pages = self._connections.rows("PRAGMA page_count")[0][0]
        size = self._connections.rows("PRAGMA page_size")[0][0]
        return {"version": sqlite3.sqlite_version, "file": self._file.path, "size": pages * size}

    # -- collections

    def _collections(self) -> list[str]:
        with self._connections.using() as connection:
            return collection_names(connection)

    def _ensure(self, schema: Schema) -> None:
        table = self._known.current(self._connections, schema.collection)
        if table is None or not table.fits(schema):
            with self._writing(schema) as connection:
                self._adopt(connection, schema)

    def _adopt(self, connection: sqlite3.Connection, schema: Schema) -> Table:
        """Make the table, its key columns and its indexes for a class."""
        self._take_over(connection, schema)
        table = read_table(connection, schema.collection) or create_table(connection, schema)
        widen(connection, table, schema)
        for index in schema.indexes:
            if index.name not in table.indexes:
                create_index(connection, table, schema, index)
        self._known.forget()
        made = self._table(schema)
        if made is None:
            raise self._file.damaged()
        return made

    def _present_indexes(self, schema: Schema) -> dict[str, str]:
        table = self._known.current(self._connections, schema.collection)
        labels = {index.name: index.label for index in schema.indexes}
        return {name: labels.get(name, name) for name in sorted(table.indexes)} if table else {}

    def _shape(self, collection: str) -> dict[tuple[str, ...], str]:
        table = self._known.current(self._connections, collection)
        return table.types if table is not None else {}

    # -- writes

    def _next_key(self, schema: Schema) -> int:
        with self._writing(schema) as connection:
            table = self._writable(connection, schema)
            # Other programs do not count; in the order of SQLite, numbers are less than all text.
            counted, highest = connection.execute(
                f"SELECT last_key, (SELECT max(key) FROM {table.name} WHERE key<'') "
                "FROM docmap_collections WHERE name=?",
                (schema.collection,),
            ).fetchone()
            key = max(int(counted), int(highest or 0)) + 1
            if key > INT_MAX:
                raise InvalidValue(
                    f"{schema.collection} has used the last int key: give {schema.key} yourself",
                    collection=schema.collection,
                    field=schema.key,
                )
            self._set_count(connection, schema, key)
        return key

    def _count_up(
        self, connection: sqlite3.Connection, schema: Schema, keys: Iterable[Any]
    ) -> None:
        """Keep the counter beyond every key that was given by hand."""
        if schema.key_field.type.kind == "int":
            highest = max(keys)
            if highest > self._known.counted(schema.collection):
                self._set_count(connection, schema, highest)

    def _set_count(self, connection: sqlite3.Connection, schema: Schema, key: int) -> None:
        connection.execute(
            "UPDATE docmap_collections SET last_key=max(last_key,?) WHERE name=?",
            (key, schema.collection),
        )
        self._known.count(schema.collection, key)

    def _save(self, schema: Schema, write: Write) -> int:
        with self._writing(schema) as connection:
            return self._store(connection, schema, write)

    def _save_many(self, schema: Schema, writes: Sequence[Write]) -> list[int]:
        if all(write.expected == NEW for write in writes):
            try:
                return self._insert_batch(schema, writes)
            except DuplicateKey:
                return self._one_by_one(schema, writes)  # keeps those before it, and names it
        return self._one_by_one(schema, writes)

    def _insert_batch(self, schema: Schema, writes: Sequence[Write]) -> list[int]:
        with self._writing(schema) as connection:
            table = self._writable(connection, schema)
            rows = self._rows(connection, table, schema, writes)
            insert(connection, table, schema, rows)
            self._count_up(connection, schema, [write.key for write in writes])
        return [row[1] for row in rows]

    def _one_by_one(self, schema: Schema, writes: Sequence[Write]) -> list[int]:
        revisions: list[int] = []
        failure: DocmapError | None = None
        with self._writing(schema) as connection:
            for write in writes:
                try:
                    with self._writing(schema):
                        revisions.append(self._store(connection, schema, write))
                except DocmapError as error:
                    if not connection.in_transaction:
                        error.done = 0
                        raise
                    error.done = len(revisions)
                    failure = error
                    break
        if failure is not None:
            raise failure
        return revisions

    def _store(self, connection: sqlite3.Connection, schema: Schema, write: Write) -> int:
        table = self._writable(connection, schema)
        key = schema.stored_key(write.key)
        stored = None if write.expected == NEW else self._get(schema, write.key)
        if stored is None and write.expected in {NEW, ANY}:
            (row,) = self._rows(connection, table, schema, (write,))
            insert(connection, table, schema, (row,))
            self._count_up(connection, schema, (write.key,))
            return int(row[1])
        revision = self.checked_revision(schema, write, stored)
        data = _kept(schema, stored, write) if stored is not None else write.data
        (row,) = self._rows(connection, table, schema, (Write(write.key, data),), revision)
        connection.execute(table.update, (*row[1:], key))
        self._look_again(table)
        return revision

    def _rows(
        self,
        connection: sqlite3.Connection,
        table: Table,
        schema: Schema,
        writes: Sequence[Write],
        revision: int | None = None,
    ) -> list[tuple[Any, ...]]:
        """Key, revision (a first one if none is given), mark, document, and the key columns."""
        random_bits, stored_key = self._revisions.getrandbits, schema.stored_key
        rows: list[tuple[Any, ...]] = []
        for write in writes:
            rev = random_bits(48) if revision is None else revision
            data = write.data
            rows.append((stored_key(write.key), rev, mark_of(data, rev), data.decode()))
        covered = table.covers(schema)
        if not table.shape or (covered and not table.columns):
            return rows
        read = table.keyed if covered else from_json
        wires = [read(write.data) for write in writes]
        if not covered:
            marked = {path: kind for wire in wires for path, kind in table.misfits(wire).items()}
            if marked:
                save_shape(connection, table, {**table.shape, **marked})
                self._known.forget()
        return [(*row, *table.key_values(wire)) for row, wire in zip(rows, wires, strict=True)]

    def _writable(self, connection: sqlite3.Connection, schema: Schema) -> Table:
        """The table inside a write transaction, when nobody else can change what is known."""
        table = self._known.current(self._connections, schema.collection)
        if table is None or table.foreign or not table.fits(schema):
            # Another process cleared the storage, or a transaction that made this was undone.
            return self._adopt(connection, schema)
        return table

    def _look_again(self, table: Table) -> None:
        """After a change: it may have been of the last row that SQLite misreads."""
        if not table.plain:
            self._known.forget()

    def _delete(self, schema: Schema, key: Any, expected: int = ANY) -> bool:
        with self._connections.writing() as connection:
            table = self._known.current(self._connections, schema.collection)
            if table is None:
                if expected != ANY:
                    raise stale(schema, deleted=True)
                return False
            self._look_again(table)
            stored = schema.stored_key(key)
            if expected == ANY:
                found = connection.execute(f"DELETE FROM {table.name} WHERE key=?", (stored,))
                return bool(found.rowcount)
            found = connection.execute(
                f"DELETE FROM {table.name} WHERE key=? AND ifnull(rev,0)=?", (stored, expected)
            )
            if not found.rowcount:
                raise stale(schema, deleted=self._get(schema, key) is None)
            return True

    def _delete_keys(self, schema: Schema, records: Iterable[tuple[Any, int]]) -> int:
        with self._connections.writing() as connection:
            table = self._known.current(self._connections, schema.collection)
            if table is None:
                return 0
            self._look_again(table)
            return connection.executemany(
                f"DELETE FROM {table.name} WHERE key=? AND ifnull(rev,0)=?",
                ((schema.stored_key(key), revision) for key, revision in records),
            ).rowcount

    def _delete_matching(self, schema: Schema, condition: Any) -> int:
        table = self._table(schema)
        if table is None:
            return 0
        found = where(condition)
        with self._connections.writing() as connection:
            self._look_again(table)
            statement = f"DELETE FROM {table.name}{found.text}"
            return connection.execute(statement, found.parameters).rowcount

    # -- transactions and errors

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            with self._connections.transaction():
                yield
        except BaseException:
            self._ensured.clear()
            raise

    @contextmanager
    def _writing(self, schema: Schema) -> Iterator[sqlite3.Connection]:
        """A write transaction in which a broken unique index is DuplicateKey."""
        try:
            with self._connections.writing() as connection:
                yield connection
        except sqlite3.IntegrityError as error:
            broken = broken_index(schema, table_name(schema.collection), error)
            if broken is None:
                self._connections.fail(error)
            raise broken from error


def _set_up(connection: sqlite3.Connection) -> None:
    """What makes an empty file docmap's."""
    connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version={FORMAT}")
    connection.execute(META)


def _kept(schema: Schema, stored: Record, write: Write) -> bytes:
    """The document to store, with what the class does not know of the one that is there."""
    try:
        data = keep_unknown(schema, stored[0], write.data)
        sound = data is write.data or is_storable(from_json(data))
    except ValueError:
        sound = False
    if not sound:
        raise InvalidRecord(
            f"the stored record of {schema.collection} holds values that no engine keeps, and they "
            "would be lost: mend it with the program that wrote it, or delete it",
            engine="sqlite",
            collection=schema.collection,
            key=write.key,
        )
    return data
