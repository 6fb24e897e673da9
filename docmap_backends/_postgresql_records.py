"""Reading records from PostgreSQL: by key, many by key, and all of a collection."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, Final, TypeVar

from psycopg import errors as pg

from docmap.plan.engine import Record
from docmap.schema.schema import Schema
from docmap.storage import BaseStorageAdapter
from docmap.storage.deadlines import in_time
from docmap.storage.transactions import settled
from docmap_backends._postgresql_connections import Connections, Row
from docmap_backends._postgresql_tables import Catalogue, Table
from docmap_backends._sql import SQL

T = TypeVar("T")
BATCH: Final = 256
"""Rows that a stream takes at once."""
_KEYS: Final = 1000


class PostgreSQLRecords(BaseStorageAdapter):
    """What reads, and what everything else of `postgresql.PostgreSQLStorage` builds on.

    `_connections` runs statements, `_catalogue` knows the tables.
    """

    _connections: Connections
    _catalogue: Catalogue

    def _table(self, schema: Schema) -> Table | None:
        found = self._catalogue.known(schema.collection)
        if found is None:
            with in_time(self):
                found = self._catalogue.current(schema.collection)
        if found is not None and found.place is not None:
            found.place.check(schema)
        return found

    def _reading(self, schema: Schema, read: Callable[[Table], T], nothing: T) -> T:
        """What `read` gives of the collection's table; `nothing` if there is no such table.

        Others may have removed it since it was last seen: then it is looked for again.
        """
        table = self._table(schema)
        if table is None:
            return nothing
        with in_time(self):
            try:
                return self._settled(read, table)
            except pg.UndefinedTable as error:
                table = self._after_removal(schema, error)
            return nothing if table is None else self._settled(read, table)

    def _settled(self, work: Callable[[Table], T], table: Table) -> T:
        """What `work` gives, once others have not come between; in a transaction the first time."""
        if self._connections.in_transaction:
            return work(table)
        return settled(lambda: work(table), self.deadline())

    def _after_removal(self, schema: Schema, error: pg.UndefinedTable) -> Table | None:
        """The table anew; in a transaction, which the error has undone, the error."""
        self._catalogue.forget()
        self._ensured.clear()
        if self._connections.in_transaction:
            self._connections.fail(error)
        return self._table(schema)

    # -- statements

    def _rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """All rows of a read, each value as the bytes of the text that the server writes."""
        return self._connections.rows(statement, parameters)

    def _stream(self, statement: str, parameters: Sequence[Any] = ()) -> Iterator[list[Row]]:
        """The rows of a read in batches, as they were when it began."""
        return self._connections.stream(SQL(statement, tuple(parameters)), BATCH)

    def _execute(self, statement: str, parameters: Sequence[Any] = ()) -> int:
        """Run a write; how many rows it changed."""
        return self._connections.changed(statement, parameters)

    def _records(self, rows: Sequence[Row]) -> list[Record]:
        """The records of rows that begin with doc and rev."""
        return [record_of(row) for row in rows]

    # -- records

    def _get(self, schema: Schema, key: Any) -> Record | None:
        def read(table: Table) -> list[Row]:
            return self._connections.rows(
                f"SELECT {table.doc}, {table.rev} FROM {table.name} WHERE {table.key} = %s",
                (table.key_text(schema, key),),
            )

        nothing: list[Row] = []
        rows = self._reading(schema, read, nothing)
        return record_of(rows[0]) if rows else None

    def _get_many(self, schema: Schema, keys: Sequence[Any]) -> dict[Any, Record]:
        found: dict[Any, Record] = {}

        def read(table: Table) -> None:
            wanted = {table.key_text(schema, key): key for key in keys}
            texts = list(wanted)
            for start in range(0, len(texts), _KEYS):
                rows = self._connections.rows(
                    f"SELECT {table.doc}, {table.rev}, {table.key} FROM {table.name} "
                    f"WHERE {table.key} = ANY(%s::{table.kind}[])",
                    (texts[start : start + _KEYS],),
                )
                found.update((wanted[row[2]], record_of(row)) for row in rows)

        self._reading(schema, read, None)
        return found

    def _scan(self, schema: Schema) -> Iterator[Record]:
        return self._streamed(
            schema, lambda table: SQL(f"SELECT {table.doc}, {table.rev} FROM {table.name}")
        )

    def _streamed(self, schema: Schema, statement: Callable[[Table], SQL]) -> Iterator[Record]:
        """The records of a statement that selects doc and rev, as they were when it began."""
        for rows in self._batches(schema, statement):
            for doc, rev in rows:
                yield doc or b"", int(rev or 0)

    def _batches(
        self, schema: Schema, statement: Callable[[Table], SQL]
    ) -> Generator[list[Row], None, None]:
        """The rows of a statement in batches, as they were when it began."""
        table = self._table(schema)
        if table is None:
            return
        begun = False
        try:
            for rows in self._connections.stream(statement(table), BATCH):
                begun = True
                yield rows
        except pg.UndefinedTable as error:
            if begun:
                self._connections.fail(error)
            table = self._after_removal(schema, error)
        else:
            return
        if table is not None:
            yield from self._connections.stream(statement(table), BATCH)


def record_of(row: Row) -> Record:
    """The record of a row that begins with doc and rev."""
    return row[0] or b"", int(row[1] or 0)
