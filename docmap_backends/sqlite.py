"""Documents in an SQLite file, or in SQLite's memory: JSON text with native conditions."""

from __future__ import annotations

import random
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, ClassVar

from pydantic_core import from_json

from docmap.errors import DuplicateKey
from docmap.plan.engine import EnginePlan, FieldCodec, NativeQuery, Record
from docmap.query.lookups import LookupManager
from docmap.query.order import OrderTerm
from docmap.query.paths import Path
from docmap.schema import types
from docmap.schema.schema import Schema
from docmap.schema.types import FieldType
from docmap.schema.wire import TEXT_READERS
from docmap.storage import BaseStorageAdapter
from docmap.storage.writes import ANY, NEW, Write, keep_unknown, not_unique, stale, taken
from docmap_backends._sql import SQL, quoted, render
from docmap_backends._sql_places import place_of
from docmap_backends._sql_text import dialect
from docmap_backends._sqlite_connections import Connections
from docmap_backends._sqlite_tables import (
    KEYED,
    META,
    Table,
    adopt,
    drop_collections,
    key_values,
    fill_lists,
    mark_misfits,
    read_table,
    repair,
    save_shape,
)

_FEW = 1000  # documents up to which a slice is fetched at once, without a stream's connection
_KEYS = 500
_revisions = random.Random()  # noqa: S311 - revisions are told apart, not guessed


class SQLiteStorage(BaseStorageAdapter):
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
        self._path = "" if path == ":memory:" else path
        self._known = _Known()

    # -- the store

    def _connect(self) -> None:
        self._connections = Connections(
            self._path,
            self._mutex,
            timeout=self._options.get("timeout", 5.0),
            synchronous=_synchronous(self._options.get("synchronous", "FULL")),
            read_only=self._options.get("read_only", False),
        )
        self._connections.open()
        self._known.forget()
        if not self._connections.read_only:
            with self._connections.writing() as connection:
                for statement in META.split(";"):
                    connection.execute(statement)

    def _disconnect(self) -> None:
        self._connections.close()
        self._known.forget()

    def _clear(self) -> None:
        with self._connections.writing() as connection:
            drop_collections(connection)
        self._known.forget()

    def _sync(self) -> None:
        with self._reading() as connection:
            connection.execute("PRAGMA wal_checkpoint(FULL)").fetchall()

    def _ping(self) -> None:
        with self._reading() as connection:
            connection.execute("SELECT 1").fetchall()

    def _native(self) -> sqlite3.Connection:
        return self._connections.current()

    def _info(self) -> dict[str, Any]:
        with self._reading() as connection:
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
            size = connection.execute("PRAGMA page_size").fetchone()[0]
        return {"version": sqlite3.sqlite_version, "file": self._path, "size": pages * size}

    # -- collections

    def _collections(self) -> list[str]:
        with self._reading() as connection:
            names = connection.execute("SELECT name FROM docmap_collections").fetchall()
        return [name.decode() for (name,) in names]

    def _ensure(self, schema: Schema) -> None:
        with self._reading() as connection:
            table = read_table(connection, schema.collection)
        if table is not None and _fits(table, schema):
            return
        with self._integrity(schema), self._connections.writing() as connection:
            adopt(connection, schema, read_table(connection, schema.collection))
        self._known.forget()

    def _present_indexes(self, schema: Schema) -> dict[str, str]:
        with self._reading() as connection:
            table = read_table(connection, schema.collection)
        labels = {index.name: index.label for index in schema.indexes}
        return {name: labels.get(name, name) for name in table.indexes} if table else {}

    def _refresh(self, schema: Schema) -> None:
        table = self._known.current(self._connections, schema.collection)
        if table is not None and table.dirty and not self._connections.read_only:
            with self._connections.writing() as connection:
                held = read_table(connection, schema.collection)
                if held is not None:
                    repair(connection, held)
            self._known.forget()
            self._refresh(schema)

    def _table(self, schema: Schema) -> Table | None:
        return self._known.table(self._connections, schema.collection)

    def _shape(self, collection: str) -> dict[tuple[str, ...], str]:
        with self._reading() as connection:
            table = read_table(connection, collection)
        return table.types if table is not None and not table.dirty else {}

    # -- what the lookups ask

    def places(self, schema: Schema) -> dict[Any, Any]:
        """Where lookups keep what they found out about paths; new when what is stored changed."""
        table = self._table(schema)
        return {} if table is None else table.places.setdefault(schema, {})

    def trusts(self, schema: Schema, path: Path, kind: FieldType) -> bool:
        """True if docmap alone wrote what is at the path, and all of it of this type."""
        table = self._table(schema)
        if table is None or kind is None:
            return False
        return (path == schema.key_path and schema.model is not None) or table.trusts(path, kind)

    def key_column(self, schema: Schema, path: Path) -> str | None:
        """The column that holds the sortable values of a path, if there is one."""
        table = self._table(schema)
        if path == schema.key_path and schema.model is not None:
            return "key"
        if table is not None:
            for name, (place, _) in table.columns.items():
                if place == path:
                    return name
        return None

    def elements_table(self, schema: Schema, path: Path) -> tuple[str, str] | None:
        """The table that holds the elements of a list, and its column, if they are indexed."""
        table = self._table(schema)
        for index in schema.indexes:
            if index.elements and len(index.terms) == 1 and index.terms[0].path == path:
                if table is not None and index.name in table.indexes:
                    return quoted(index.name), "c0"
        return None

    # -- records

    def _scan(self, schema: Schema) -> Iterator[Record]:
        return self._find(schema, NativeQuery())

    def _get(self, schema: Schema, key: Any) -> Record | None:
        table = self._table(schema)
        if table is None:
            return None
        found = self._connections.rows(table.select, (schema.stored_key(key),))
        return found[0] if found else None

    def _get_many(self, schema: Schema, keys: Sequence[Any]) -> dict[Any, Record]:
        table = self._table(schema)
        if table is None:
            return {}
        found: dict[Any, Record] = {}
        wanted = list(dict.fromkeys(keys))
        name, tree = schema.key_field.stored, schema.codec.tree
        for start in range(0, len(wanted), _KEYS):
            part = [schema.stored_key(key) for key in wanted[start : start + _KEYS]]
            marks = ",".join("?" * len(part))
            rows = self._connections.rows(
                f"SELECT doc, ifnull(rev,0) FROM {table.name} WHERE key IN ({marks})", part
            )
            found.update((tree(row[0], (name,))[name], row) for row in rows)
        return found

    def _next_key(self, schema: Schema) -> int:
        with self._connections.writing() as connection:
            row = connection.execute(
                "UPDATE docmap_collections SET last_key=last_key+1 WHERE name=? RETURNING last_key",
                (schema.collection,),
            ).fetchone()
        self._known.counted[schema.collection] = row[0]
        return int(row[0])

    def _save(self, schema: Schema, write: Write) -> int:
        with self._integrity(schema), self._connections.writing() as connection:
            return self._store(connection, schema, write)

    def _save_many(self, schema: Schema, writes: Sequence[Write]) -> list[int]:
        if all(write.expected == NEW for write in writes):
            try:
                return self._insert_batch(schema, writes)
            except DuplicateKey:
                pass  # one by one below, to keep those before it and to say which it was
        revisions: list[int] = []
        failure: DuplicateKey | None = None
        with self._connections.writing() as connection:
            for write in writes:
                try:
                    with self._integrity(schema), self._connections.writing():
                        revisions.append(self._store(connection, schema, write))
                except DuplicateKey as error:
                    error.done = len(revisions)
                    failure = error
                    break
        if failure is not None:
            raise failure
        return revisions

    def _insert_batch(self, schema: Schema, writes: Sequence[Write]) -> list[int]:
        with self._integrity(schema), self._connections.writing() as connection:
            table = self._writable(connection, schema)
            rows = [self._row(connection, table, schema, write) for write in writes]
            self._insert(connection, table, schema, rows, [write.key for write in writes])
        return [row[1] for row in rows]

    def _insert(
        self,
        connection: sqlite3.Connection,
        table: Table,
        schema: Schema,
        rows: Sequence[tuple[Any, ...]],
        keys: Sequence[Any],
    ) -> None:
        """Add rows that must be new."""
        last = f"SELECT max(rowid) FROM {table.name}"
        before = (connection.execute(last).fetchone()[0] or 0) if table.lists else 0
        connection.executemany(table.insert, rows)
        fill_lists(connection, table, schema, before, keys)
        self._count_up(connection, schema, keys)

    def _store(self, connection: sqlite3.Connection, schema: Schema, write: Write) -> int:
        table = self._writable(connection, schema)
        stored: Record | None = None
        key = schema.stored_key(write.key)
        if write.expected != NEW:
            stored = connection.execute(table.select, (key,)).fetchone()
        if stored is None and write.expected in {NEW, ANY}:
            row = self._row(connection, table, schema, write)
            self._insert(connection, table, schema, [row], [write.key])
            return int(row[1])
        revision = self.checked_revision(schema, write, stored)
        assert stored is not None
        write = replace(write, data=keep_unknown(schema, stored[0], write.data))
        _, _, *values = self._row(connection, table, schema, write)
        columns = "".join(f", {quoted(column)}=?" for column in table.columns)
        connection.execute(
            f"UPDATE {table.name} SET rev=?, doc=?{columns} WHERE key=?", (revision, *values, key)
        )
        return revision

    def _row(
        self, connection: sqlite3.Connection, table: Table, schema: Schema, write: Write
    ) -> tuple[Any, ...]:
        """Key, a first revision, the document, the key columns."""
        row = (schema.stored_key(write.key), _revisions.getrandbits(48), write.data.decode())
        if not table.shape:
            return row
        if covers(schema, table):
            return (*row, *key_values(table, table.keyed(write.data))) if table.columns else row
        wire = from_json(write.data)
        if mark_misfits(table, wire):
            save_shape(connection, table)
            self._known.forget()
        return (*row, *key_values(table, wire))

    def _writable(self, connection: sqlite3.Connection, schema: Schema) -> Table:
        """The table inside a write transaction, when nobody else can change what is known."""
        table = self._known.current(self._connections, schema.collection)
        if table is None:  # another process cleared the storage since the collection was made
            adopt(connection, schema, None)
            self._known.forget()
            table = self._known.current(self._connections, schema.collection)
        assert table is not None
        return table

    def _count_up(self, connection: sqlite3.Connection, schema: Schema, keys: Iterable[Any]) -> None:
        """Keep the counter beyond every key that was given by hand."""
        if schema.key_field.type.kind != "int":
            return
        highest = max(keys)
        if highest > self._known.counted.get(schema.collection, 0):
            connection.execute(
                "UPDATE docmap_collections SET last_key=max(last_key,?) WHERE name=?",
                (highest, schema.collection),
            )
            self._known.counted[schema.collection] = highest

    def _delete(self, schema: Schema, key: Any, expected: int = ANY) -> bool:
        table = self._table(schema)
        if table is None:
            if expected != ANY:
                raise stale(schema, deleted=True)
            return False
        stored = schema.stored_key(key)
        with self._connections.writing() as connection:
            if expected == ANY:
                return bool(
                    connection.execute(f"DELETE FROM {table.name} WHERE key=?", (stored,)).rowcount
                )
            deleted = connection.execute(
                f"DELETE FROM {table.name} WHERE key=? AND ifnull(rev,0)=?", (stored, expected)
            ).rowcount
            if not deleted:
                raise stale(schema, deleted=self._get(schema, key) is None)
            return True

    def _delete_keys(self, schema: Schema, records: Iterable[tuple[Any, int]]) -> int:
        table = self._table(schema)
        if table is None:
            return 0
        with self._connections.writing() as connection:
            return connection.executemany(
                f"DELETE FROM {table.name} WHERE key=? AND ifnull(rev,0)=?",
                ((schema.stored_key(key), revision) for key, revision in records),
            ).rowcount

    def _delete_matching(self, schema: Schema, condition: Any) -> int:
        table = self._table(schema)
        if table is None:
            return 0
        where = _where(condition)
        with self._connections.writing() as connection:
            return connection.execute(
                f"DELETE FROM {table.name}{where.text}", where.parameters
            ).rowcount

    # -- queries

    def _find(self, schema: Schema, query: NativeQuery) -> Iterator[Record]:
        table = self._table(schema)
        if table is None:
            return iter(())
        statement = self._select(schema, table, query)
        small = query.limit is not None and query.limit <= _FEW
        if small or self._connections.in_memory or self._connections.in_transaction:
            return iter(self._connections.rows(statement.text, statement.parameters))
        return self._stream(statement)

    def _stream(self, statement: SQL) -> Iterator[Record]:
        with self._connections.reading() as connection, self._connections.errors():
            cursor = connection.execute(statement.text, statement.parameters)
            try:
                while rows := cursor.fetchmany(256):
                    yield from rows
            finally:
                cursor.close()  # else the connection would keep its snapshot

    def _select(self, schema: Schema, table: Table, query: NativeQuery) -> SQL:
        where = _where(query.condition)
        text = f"SELECT doc, ifnull(rev,0) FROM {table.name}{where.text}"
        if query.order:
            terms = (
                f"{self._sorter(schema, term)}{' DESC' if term.descending else ''}"
                for term in query.order
            )
            text += " ORDER BY " + ", ".join(terms)
        parameters = where.parameters
        if query.limit is not None or query.offset:
            text += " LIMIT ? OFFSET ?"
            parameters = (*parameters, -1 if query.limit is None else query.limit, query.offset)
        return SQL(text, parameters)

    def _count(self, schema: Schema, condition: Any) -> int:
        table = self._table(schema)
        if table is None:
            return 0
        where = _where(condition)
        statement = f"SELECT count(*) FROM {table.name}{where.text}"
        return int(self._connections.rows(statement, where.parameters)[0][0])

    def _distinct(self, schema: Schema, path: Path, kind: FieldType, condition: Any) -> Any:
        table = self._table(schema)
        if table is None:
            return []
        if path.each:
            return None
        place = place_of(path, _codec(self, schema, kind))
        if not place.trusted:
            return None
        keyed = kind.kind in {"decimal", "bigint"}  # their column has one text for 1.1 and 1.10
        value = place_of(path, _codec(self, schema, None)).value if keyed else place.value
        where = _where(condition)
        statement = f"SELECT DISTINCT {value} FROM {table.name}{where.text}"
        rows = self._connections.rows(statement, where.parameters)
        read = _READERS.get(kind.kind, _text_or_number)
        return [None if value is None else read(value) for (value,) in rows]

    def _orders(self, schema: Schema, terms: Sequence[OrderTerm]) -> bool:
        table = self._table(schema)
        if table is None:
            return True
        return all(self._sorter(schema, term) is not None for term in terms)

    def _sorter(self, schema: Schema, term: OrderTerm) -> str | None:
        """What SQLite sorts by; None where its order is not the canonical one."""
        if term.path.segments == (schema.key_field.stored,):
            return "key"
        place = place_of(term.path, _codec(self, schema, term.type))
        return place.value if place.trusted else None

    def _explain(self, schema: Schema, query: NativeQuery) -> EnginePlan:
        table = self._table(schema)
        if table is None:
            return EnginePlan(scan=False, detail=("the collection does not exist",))
        statement = self._select(schema, table, query)
        with self._reading() as connection:
            rows = connection.execute(
                f"EXPLAIN QUERY PLAN {statement.text}", statement.parameters
            ).fetchall()
            size = connection.execute(f"SELECT max(rowid) FROM {table.name}").fetchone()[0] or 0
        lines = tuple(row[3].decode() for row in rows)
        labels = {index.name: index.label for index in schema.indexes}
        used = [label for name, label in labels.items() if any(name in line for line in lines)]
        if any("sqlite_autoindex" in line for line in lines):
            used.append("(key)")
        # An index that only gives the order reads everything, unless a slice stops it.
        scan = any(
            line.startswith(("SCAN e", "SCAN ")) and table.name.strip('"') in line
            and ("USING" not in line or query.limit is None)
            for line in lines
        )
        return EnginePlan(tuple(used), scan, size, lines, statement.text)

    # -- transactions and errors

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            with self._connections.writing():
                yield
        except BaseException:
            self._known.forget()
            self._ensured.clear()
            raise

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """This thread's connection, for a read that ends inside the block."""
        if self._connections.in_memory:
            with self._mutex, self._connections.errors():
                yield self._connections.current()
        else:
            with self._connections.errors():
                yield self._connections.current()

    @contextmanager
    def _integrity(self, schema: Schema) -> Iterator[None]:
        """A broken unique index as DuplicateKey, every other error of SQLite as docmap's."""
        try:
            yield
        except sqlite3.IntegrityError as error:
            text = str(error)
            for index in schema.indexes:
                columns = {f"#{term.path.dotted}" for term in index.terms}
                if index.name in text or (index.unique and any(c in text for c in columns)):
                    raise not_unique(schema, index) from error
            raise taken(schema) from error
        except sqlite3.Error as error:
            self._connections.fail(error)


class _Seen(threading.local):
    """What one thread's connection has read of the collections."""

    connection: sqlite3.Connection | None = None
    epoch = -1
    version = -1

    def __init__(self) -> None:
        self.tables: dict[str, Table] = {}
        self.fresh: set[str] = set()


class _Known:
    """What each thread's connection has read of the collections, until the file changes."""

    def __init__(self) -> None:
        self._seen = _Seen()
        self._epoch = 0
        self.counted: dict[str, int] = {}

    def forget(self) -> None:
        """Read everything again: this process changed it."""
        self._epoch += 1
        self.counted.clear()

    def current(self, connections: Connections, collection: str) -> Table | None:
        """The table as the file has it now."""
        seen, version = self._seen, connections.rows("PRAGMA data_version")[0][0]
        if seen.version != version:
            seen.version = version
            seen.fresh.clear()
        return self.table(connections, collection)

    def table(self, connections: Connections, collection: str) -> Table | None:
        """The table as it was when `current` was last asked, in this thread."""
        seen, connection = self._seen, connections.current()
        if seen.connection is not connection or seen.epoch != self._epoch:
            seen.connection, seen.epoch = connection, self._epoch
            seen.tables.clear()
            seen.fresh.clear()
        if collection in seen.fresh:
            return seen.tables.get(collection)
        with connections.errors():
            found = read_table(connection, collection)
        if found is None:
            return None
        # Most changes are of documents: then what follows from the table still holds.
        if seen.tables.get(collection) != found:
            seen.tables[collection] = found
        seen.fresh.add(collection)
        return seen.tables[collection]


def covers(schema: Schema, table: Table) -> bool:
    """True if the class declares every path that is known, so that its codec checked them."""
    if schema not in table.covers:
        table.covers[schema] = schema.model is not None and _fits_shape(table, schema, all_of=True)
    return table.covers[schema]


def _fits(table: Table, schema: Schema) -> bool:
    """True if nothing is left to make for the class."""
    names = {index.name for index in schema.indexes}
    return names <= table.indexes and _fits_shape(table, schema, all_of=False)


def _fits_shape(table: Table, schema: Schema, *, all_of: bool) -> bool:
    from docmap_backends._sqlite_tables import declared_shape

    declared = declared_shape(schema)
    if all_of and not table.shape.keys() <= declared.keys():
        return False
    return all(table.shape.get(path) in {kind, f"mixed {kind}"} for path, kind in declared.items())


def _where(condition: Any) -> SQL:
    if condition is None:
        return SQL("")
    rendered = render(condition)
    return SQL(f" WHERE {rendered.text}", rendered.parameters)


def _codec(engine: Any, schema: Schema, kind: FieldType | None) -> FieldCodec:
    return FieldCodec(kind or types.ANY, schema, engine)


def _synchronous(wanted: str) -> str:
    if wanted.upper() not in {"FULL", "NORMAL", "EXTRA"}:
        from docmap.errors import InvalidConfig

        raise InvalidConfig("sqlite: synchronous is FULL, NORMAL or EXTRA", engine="sqlite")
    return wanted.upper()


def _text_or_number(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value


def _reader(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: read(_text_or_number(value))


_READERS: dict[str, Callable[[Any], Any]] = {
    **{kind: _reader(read) for kind, read in TEXT_READERS.items()},
    "bool": bool,
}
_ = KEYED
