"""Writing to SQLite: documents, their marks, key columns and revisions; the counter of keys."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from pydantic_core import from_json

from docmap.errors import (
    DocmapError,
    DuplicateKey,
    InvalidRecord,
    InvalidValue,
    StorageError,
)
from docmap.plan.engine import Record
from docmap.schema.rewrite import Rewriter
from docmap.schema.schema import Schema
from docmap.storage.writes import ANY, NEW, Write, keep_unknown, stale, taken
from docmap.values import INT_MAX
from docmap_backends._files_foreign import is_storable
from docmap_backends._sql import table_name
from docmap_backends._sql_causes import first_cause
from docmap_backends._sqlite_foreign import mark_of
from docmap_backends._sqlite_grouping import SQLiteGrouping
from docmap_backends._sqlite_indexes import broken_index, create_index, insert
from docmap_backends._sqlite_queries import where
from docmap_backends._sqlite_rewrites import Part, can_refuse
from docmap_backends._sqlite_tables import (
    Table,
    create_table,
    read_table,
    save_shape,
    widen,
)
from docmap_backends._sqlite_updates import native_update


class SQLiteWriting(SQLiteGrouping):
    """The writing half of `sqlite.SQLiteStorage`."""

    _revisions: random.Random

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
            raise self._connections.file.damaged()
        return made

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
            return self._stored(connection, schema, write)

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
                        revisions.append(self._stored(connection, schema, write))
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

    def _save_each(self, schema: Schema, writes: Sequence[Write]) -> Iterator[int | DocmapError]:
        if all(write.expected == NEW for write in writes):
            with suppress(DuplicateKey):  # one by one shows whose
                return iter(self._insert_batch(schema, writes))
        return iter(self._each(schema, writes))

    def _each(self, schema: Schema, writes: Sequence[Write]) -> list[int | DocmapError]:
        results: list[int | DocmapError] = []
        with self._writing(schema) as connection:
            for write in writes:
                try:
                    with self._writing(schema):
                        results.append(self._stored(connection, schema, write))
                except StorageError:
                    raise
                except DocmapError as error:
                    results.append(error)
        return results

    def _stored(self, connection: sqlite3.Connection, schema: Schema, write: Write) -> int:
        try:
            return self._store(connection, schema, write)
        except sqlite3.IntegrityError as error:
            found = self._broken(schema, error)
            if found is None or not connection.in_transaction:
                raise
            # SQLite tells of any constraint that is broken; the key comes first.
            if write.expected == NEW and self._get(schema, write.key) is not None:
                raise taken(schema) from error
            raise first_cause(self, schema, write.key, write.data, found) from error

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
        (row,) = self._rows(connection, table, schema, (Write(write.key, data),), (revision,))
        connection.execute(table.update, (*row[1:], key))
        self._look_again(table)
        return revision

    def _rows(
        self,
        connection: sqlite3.Connection,
        table: Table,
        schema: Schema,
        writes: Sequence[Write],
        revisions: Sequence[int] | None = None,
    ) -> list[tuple[Any, ...]]:
        """Key, revision (a first one if none are given), mark, document, and the key columns."""
        random_bits, stored_key = self._revisions.getrandbits, schema.stored_key
        rows: list[tuple[Any, ...]] = []
        for position, write in enumerate(writes):
            rev = random_bits(48) if revisions is None else revisions[position]
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

    def _update_matching(self, schema: Schema, condition: Any, rewriter: Rewriter) -> int | None:
        with self._writing(schema) as connection:
            table = self._writable(connection, schema)
            native = native_update(table, schema, rewriter)
            if isinstance(native, str):
                return None
            statement = native.statement(table, where(condition))
            try:
                return connection.execute(statement.text, statement.parameters).rowcount
            except (sqlite3.IntegrityError, sqlite3.OperationalError) as error:
                # A row that the statement is not exact for, or one that is damaged: nothing of it
                # was done, and going document by document finds out.
                if connection.in_transaction and _is_refusal(error):
                    return None
                raise

    def _update_reason(self, schema: Schema, rewriter: Rewriter) -> str:
        table = self._table(schema)
        if table is None:
            return ""
        native = native_update(table, schema, rewriter)
        return native if isinstance(native, str) else ""

    def _rewrite(
        self, schema: Schema, writes: Sequence[Write], names: frozenset[str] | None
    ) -> list[Write]:
        with self._writing(schema) as connection:
            table = self._writable(connection, schema)
            if not table.plain:
                for write in writes:
                    check_sound(schema, write.data, write.key)
            if names is None or not table.covers(schema):
                revisions = [write.expected + 1 for write in writes]
                found = self._rows(connection, table, schema, writes, revisions)
                statement, rows = table.update, [(*row[1:], row[0]) for row in found]
            else:
                part = table.parts.setdefault(names, Part(table, names))
                statement, rows = part.statement, part.rows(schema, writes)
                if not can_refuse(table, schema, names):
                    part.store(connection, rows)
                    self._look_again(table)
                    return []
            try:
                with self._writing(schema):
                    connection.executemany(statement, rows)
            except DuplicateKey as error:
                first = self._first_duplicate(connection, statement, schema, writes, rows)
                if first is None:
                    raise
                broken = first_cause(self, schema, first.key, first.data, error)
                broken.key = first.key
                raise broken from error.__cause__
            self._look_again(table)
        return []  # nobody else writes between the reading and this

    def _first_duplicate(
        self,
        connection: sqlite3.Connection,
        statement: str,
        schema: Schema,
        writes: Sequence[Write],
        rows: Sequence[tuple[Any, ...]],
    ) -> Write | None:
        """The first of the rows whose values are taken."""
        for write, row in zip(writes, rows, strict=True):
            try:
                with self._writing(schema):
                    connection.execute(statement, row)
            except DuplicateKey:
                return write
        return None

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

    @contextmanager
    def _writing(self, schema: Schema) -> Iterator[sqlite3.Connection]:
        """A write transaction in which a broken unique index is DuplicateKey."""
        try:
            with self._connections.writing() as connection:
                yield connection
        except sqlite3.IntegrityError as error:
            broken = self._broken(schema, error)
            if broken is None:
                self._connections.fail(error)
            raise broken from error

    def _broken(self, schema: Schema, error: sqlite3.IntegrityError) -> DuplicateKey | None:
        name = table_name(schema.collection)
        return broken_index(schema, name, error, lambda: self._definitions(schema))


def _kept(schema: Schema, stored: Record, write: Write) -> bytes:
    """The document to store, with what the class does not know of the one that is there."""
    try:
        data = keep_unknown(schema, stored[0], write.data)
    except ValueError as error:
        raise _unsound(schema, write.key) from error
    if data is not write.data:
        check_sound(schema, data, write.key)
    return data


def check_sound(schema: Schema, data: bytes, key: Any) -> None:
    """Raise InvalidRecord for a document with values of another program that would be lost."""
    if not is_storable(from_json(data)):
        raise _unsound(schema, key)


def _unsound(schema: Schema, key: Any) -> InvalidRecord:
    return InvalidRecord(
        f"the stored record of {schema.collection} holds values that no engine keeps, and they "
        "would be lost: mend it with the program that wrote it, or delete it",
        engine="sqlite",
        collection=schema.collection,
        key=key,
    )


def _is_refusal(error: sqlite3.Error) -> bool:
    """True if a statement was refused for what a row holds."""
    raised = "user-defined function raised exception" in str(error)
    return isinstance(error, sqlite3.IntegrityError) or raised
