"""Reading from SQLite: what the lookups ask of a collection, and queries as statements."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, Final
from zlib import crc32

from pydantic_core import to_json

from docmap.errors import StorageError, StorageFull, StoreLocked
from docmap.plan.engine import EnginePlan, FieldCodec, NativeQuery, Record
from docmap.query.order import OrderTerm
from docmap.query.paths import Path
from docmap.schema.indexes import IndexDefinition
from docmap.schema.schema import Schema
from docmap.schema.types import ANY, FieldType
from docmap.schema.wire import TEXT_READERS
from docmap.storage import BaseStorageAdapter
from docmap_backends._files_foreign import normal_form
from docmap_backends._sql import SQL, quoted, render, table_name
from docmap_backends._sql_places import place_of
from docmap_backends._sqlfile_connections import Connections
from docmap_backends._sqlite_definitions import index_definitions
from docmap_backends._sqlite_foreign import take_over, wire_key
from docmap_backends._sqlite_known import Known
from docmap_backends._sqlite_shape import KEYED
from docmap_backends._sqlite_tables import Table, read_table

_FEW: Final = 1000  # documents up to which a slice is fetched at once, not by a stream of its own
_BATCH: Final = 256
_KEYS: Final = 500
_MASK: Final = 0xFFFFFFFF


_INDEX_NAME = re.compile(r"\bix_[0-9a-f]{16}\b")


class SQLiteReading(BaseStorageAdapter):
    """The reading half of `sqlite.SQLiteStorage`."""

    _connections: Connections
    _known: Known

    # -- what is known of a collection, and what the lookups ask

    def _refresh(self, schema: Schema) -> None:
        self._ready(schema)

    def _ready(self, schema: Schema) -> Table | None:
        """The table as it is now, rows of other programs taken over if that can be done."""
        table = self._known.current(self._connections, schema.collection)
        if table is None or not table.foreign or self._connections.file.read_only:
            return table
        try:
            with self._connections.writing() as connection:
                self._take_over(connection, schema)
        except (StoreLocked, StorageFull):
            return table  # until it can be done, the reference functions answer
        return self._table(schema)

    def _take_over(self, connection: sqlite3.Connection, schema: Schema) -> None:
        """Bring the rows of other programs into docmap's form."""
        held = read_table(connection, schema.collection)
        if held is not None and held.foreign:
            take_over(connection, held, schema.key_field.stored)
        self._known.forget()

    def _table(self, schema: Schema) -> Table | None:
        return self._known.table(self._connections, schema.collection)

    def check_readable(self, schema: Schema) -> None:
        """Raise ValueError if SQLite reads some of the documents otherwise than docmap does."""
        table = self._table(schema)
        if table is not None and not table.plain:
            raise ValueError("other programs wrote documents that SQLite's functions misread")

    def trusts(self, schema: Schema, path: Path, kind: FieldType) -> bool:
        """True if everything that is stored at the path is known to be of this type, or null."""
        table = self._table(schema)
        return table is not None and table.trusts(path, kind)

    def key_column(self, schema: Schema, path: Path) -> str | None:
        """The column that holds the sortable values of a path, if there is one."""
        table = self._table(schema)
        if table is None:
            return None
        if path == schema.key_path and table.key_name == schema.key_field.stored:
            return "key"
        return next((name for name, place in table.columns.items() if place == path), None)

    def places(self, schema: Schema) -> dict[Any, Any]:
        """Where lookups keep what they found out about paths; new when what is stored changed."""
        table = self._table(schema)
        return {} if table is None else table.places.setdefault(schema, {})

    def elements_table(self, schema: Schema, path: Path) -> tuple[str, str] | None:
        """The table that holds the elements of a list, and its column, if they are indexed."""
        table = self._table(schema)
        if table is None:
            return None
        for index in schema.indexes:
            alone = len(index.terms) == 1 and index.terms[0].path == path
            if alone and index.name in table.lists:
                return quoted(index.name), "c0"
        return None

    # -- records

    def _get(self, schema: Schema, key: Any) -> Record | None:
        stored = schema.stored_key(key)
        own = self._own_record(self._table(schema), stored)
        if own is not None:
            return own
        table = self._ready(schema)
        if table is None:
            return None
        rows = self._connections.rows(table.get, (stored,))
        return self._records(schema, table, rows)[0] if rows else None

    def _own_record(self, table: Table | None, stored: Any) -> Record | None:
        """The record of a key if docmap's mark fits it.

        Then docmap wrote it, whatever others did to the collection since that was last read.
        """
        if table is None or not table.plain:
            return None
        try:
            rows = self._connections.rows(table.get, (stored,))
        except StorageError:
            return None  # the table may be gone: the careful way finds out
        if len(rows) != 1:
            return None
        doc, rev, own = rows[0]
        return (doc, rev) if crc32(doc, rev & _MASK) == own else None

    def _get_many(self, schema: Schema, keys: Sequence[Any]) -> dict[Any, Record]:
        table = self._ready(schema)
        found: dict[Any, Record] = {}
        wanted = iter(dict.fromkeys(keys) if table is not None else ())
        while table is not None and (part := list(islice(wanted, _KEYS))):
            stored = {schema.stored_key(key): key for key in part}
            marks = ",".join("?" * len(part))
            columns = table.select.replace(" FROM ", ", key, typeof(key) FROM ", 1)
            rows = self._connections.rows(f"{columns} WHERE key IN ({marks})", tuple(stored))
            records = self._records(schema, table, [row[:-2] for row in rows])
            for (*_, key, kind), record in zip(rows, records, strict=True):
                found[stored[key.decode() if kind == b"text" else key]] = record
        return found

    def _scan(self, schema: Schema) -> Iterator[Record]:
        return self._find(schema, NativeQuery())

    def _records(
        self, schema: Schema, table: Table, rows: Sequence[tuple[Any, ...]]
    ) -> list[Record]:
        """The records of selected rows. Raises CorruptStore for one that is damaged."""
        try:
            if table.plain:
                return [
                    (doc, rev)
                    for doc, rev, own in rows
                    if crc32(doc, rev & _MASK) == own or self._passes(own)
                ]
            name = table.key_name or schema.key_field.stored
            return [
                (doc if is_own(own) else in_form(doc, wire_key(key, kind), name), rev)
                for doc, rev, own, key, kind in rows
                if crc32(doc, rev & _MASK) == own or self._passes(own)
            ]
        except TypeError as error:  # a number where the document was
            raise self._connections.file.damaged() from error

    def _passes(self, own: int | None) -> bool:
        """True for a row of another program; one of docmap's own should fit its mark."""
        if not is_own(own):
            return True
        raise self._connections.file.damaged()

    # -- queries

    def _find(self, schema: Schema, query: NativeQuery) -> Iterator[Record]:
        table = self._table(schema)
        if table is None:
            return iter(())
        statement = self._statement(schema, table, query)
        small = query.limit is not None and query.limit <= _FEW
        if small or self._connections.in_memory or self._connections.in_transaction:
            rows = self._connections.rows(statement.text, statement.parameters)
            return iter(self._records(schema, table, rows))
        return self._stream(schema, table, statement, whole=query == NativeQuery())

    def _stream(
        self, schema: Schema, table: Table, statement: SQL, *, whole: bool
    ) -> Iterator[Record]:
        """The records of a statement, from a snapshot of its own; `whole` if it selects all."""
        count, all_rows = 0, f"SELECT count(*) FROM {table.name}"
        with self._connections.reading() as link, self._connections.errors():
            connection, lock = link.connection, link.lock
            with lock:
                connection.execute("BEGIN")
                cursor = connection.execute(statement.text, statement.parameters)
                rows = cursor.fetchmany(_BATCH)
            while rows:
                count += len(rows)
                yield from self._records(schema, table, rows)
                self._connections.check_usable()
                with lock:
                    rows = cursor.fetchmany(_BATCH)
            # The keys are counted in the index: damage may hide rows from a scan.
            with lock:
                if whole and connection.execute(all_rows).fetchone()[0] != count:
                    raise self._connections.file.damaged()

    def _definitions(self, schema: Schema) -> dict[str, IndexDefinition]:
        """The indexes that the class declares or the file tells of, by name."""
        with self._connections.using() as connection:
            return index_definitions(connection, schema)

    def _statement(self, schema: Schema, table: Table, query: NativeQuery) -> SQL:
        if not query.parts:
            return self._selected(schema, table, query)
        # One after the other, each from the place in the index where it begins; the limit of each
        # keeps its order, and that of the whole stops the rest from being run.
        limit = -1 if query.limit is None else query.limit
        most = limit if limit < 0 else query.offset + limit
        parts = [self._selected(schema, table, p._replace(limit=most)) for p in query.parts]
        text = " UNION ALL ".join(f"SELECT * FROM ({part.text})" for part in parts)
        parameters = [value for part in parts for value in part.parameters]
        return SQL(f"{text} LIMIT ? OFFSET ?", (*parameters, limit, query.offset))

    def _selected(self, schema: Schema, table: Table, query: NativeQuery) -> SQL:
        found = where(query.condition)
        text = f"{table.select}{found.text}"
        if query.order:
            text += f" ORDER BY {self._order_by(schema, table, query.order)}"
        parameters = found.parameters
        if query.limit is not None or query.offset:
            text += " LIMIT ? OFFSET ?"
            parameters = (*parameters, -1 if query.limit is None else query.limit, query.offset)
        return SQL(text, parameters)

    def _order_by(self, schema: Schema, table: Table, terms: Sequence[OrderTerm]) -> str:
        return ", ".join(
            f"{self._sorter(schema, table, term)}{' DESC' if term.descending else ''}"
            for term in terms
        )

    def _count(self, schema: Schema, condition: Any) -> int:
        table = self._table(schema)
        if table is None:
            return 0
        found = where(condition)
        statement = f"SELECT count(*) FROM {table.name}{found.text}"
        return int(self._connections.rows(statement, found.parameters)[0][0])

    def _distinct(self, schema: Schema, path: Path, kind: FieldType, condition: Any) -> Any:
        table = self._table(schema)
        if table is None:
            return []
        if not table.trusts(path, kind):
            return None
        place = place_of(path, _codec(self, schema, kind))
        # The key column of a Decimal has one text for 1.1 and 1.10, that of a float 5.0 for 5.
        seen = place_of(path, _codec(self, schema, None)) if kind.kind in KEYED else place
        exact = place.value if kind.kind == "float" else seen.value
        whole = f"{seen.type}='integer'" if kind.kind == "float" else "0"
        found = where(condition)
        statement = f"SELECT DISTINCT {exact}, {whole} FROM {table.name}{found.text}"
        rows = self._connections.rows(statement, found.parameters)
        read = _READERS.get(kind.kind, _text_or_number)
        try:
            return [
                None if value is None else int(value) if whole else read(value)
                for value, whole in rows
            ]
        except UnicodeDecodeError as error:
            raise self._connections.file.damaged() from error

    def _orders(self, schema: Schema, terms: Sequence[OrderTerm]) -> bool:
        table = self._table(schema)
        if table is None:
            return True
        return all(self._sorter(schema, table, term) is not None for term in terms)

    def _sorter(self, schema: Schema, table: Table, term: OrderTerm) -> str | None:
        """What SQLite sorts by; None where its order is not the canonical one."""
        key = schema.key_field.stored
        if term.path.segments == (key,) and table.key_name == key:
            return "key" if not table.foreign else None
        if not table.trusts(term.path, term.type):
            return None
        return place_of(term.path, _codec(self, schema, term.type)).value

    def _explain(self, schema: Schema, query: NativeQuery) -> EnginePlan:
        table = self._table(schema)
        if table is None:
            return EnginePlan(scan=False, detail=("the collection does not exist",))
        statement = self._statement(schema, table, query)
        return self._plan_of(schema, table, statement, sliced=query.limit is not None)

    def _plan_of(
        self, schema: Schema, table: Table, statement: SQL, *, sliced: bool = False
    ) -> EnginePlan:
        # A prepared EXPLAIN does not notice that the schema changed: another text is prepared anew.
        schema_version = self._connections.rows("PRAGMA schema_version")[0][0]
        rows = self._connections.rows(
            f"EXPLAIN QUERY PLAN {statement.text} -- {schema_version}", statement.parameters
        )
        size = self._connections.rows(f"SELECT max(rowid) FROM {table.name}")[0][0] or 0
        lines = tuple(row[3].decode() for row in rows)
        labels = {name: known.label for name, known in self._definitions(schema).items()}
        names = dict.fromkeys(name for line in lines for name in _INDEX_NAME.findall(line))
        used = [labels.get(name, name) for name in names]
        if any("sqlite_autoindex" in line for line in lines):
            used.append("(key)")
        # An index that only gives the order reads everything, unless a slice stops it.
        scan = any(
            line.split()[:2] == ["SCAN", table_name(schema.collection)]
            and "VIRTUAL" not in line
            and ("USING" not in line or not sliced)
            for line in lines
        )
        return EnginePlan(tuple(used), scan, size, lines, statement.text)


def is_own(own: Any) -> bool:
    """True of the mark of a row that docmap wrote."""
    return own is not None and (type(own) is not int or own >= 0)


def in_form(doc: bytes, key: Any, name: str) -> bytes:
    """A document of another program as docmap would have written it, if it could."""
    wire = normal_form(doc, key, name)
    return doc if wire is None else to_json(wire)


def where(condition: Any) -> SQL:
    """The WHERE clause of a native condition, with the space before it."""
    if condition is None:
        return SQL("")
    rendered = render(condition)
    return SQL(f" WHERE {rendered.text}", rendered.parameters)


def _codec(engine: Any, schema: Schema, kind: FieldType | None) -> FieldCodec:
    return FieldCodec(kind or ANY, schema, engine)


def _text_or_number(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value


def _reader(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: read(_text_or_number(value))


_READERS: dict[str, Callable[[Any], Any]] = {
    **{kind: _reader(read) for kind, read in TEXT_READERS.items()},
    "bool": bool,
}
