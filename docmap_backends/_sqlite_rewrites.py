"""Storing what an update made of many documents of SQLite: no more than what it touched."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, Final

from docmap.query.paths import getter
from docmap.schema.schema import Schema
from docmap.storage.writes import Write
from docmap_backends._sql import quoted
from docmap_backends._sqlite_foreign import mark_of
from docmap_backends._sqlite_shape import key_value, reader_of
from docmap_backends._sqlite_tables import Table

_SIZES: Final = (64, 16, 4)  # rows of one statement; each has a text of its own


class Part:
    """The writing of documents of a table that changed below some top-level names alone.

    A row is revision, mark, document, the key columns below the names, and the key.
    """

    def __init__(self, table: Table, names: frozenset[str]) -> None:
        held = {c: path for c, path in table.columns.items() if path.segments[0] in names}
        self._table = table
        self._columns = ["rev", "own", "doc", *map(quoted, held)]
        self._read: Callable[[bytes], Any] | None = None
        if held:
            self._read = reader_of(str(path.segments[0]) for path in held.values())
        kinds = table.column_types
        self._writers = [(getter(path), kinds[column]) for column, path in held.items()]

    @cached_property
    def statement(self) -> str:
        """What stores one row."""
        columns = ", ".join(f"{column}=?" for column in self._columns)
        return f"UPDATE {self._table.name} SET {columns} WHERE key=?"

    def rows(self, schema: Schema, writes: Sequence[Write]) -> list[tuple[Any, ...]]:
        """The rows of changed documents; the revision of each rises by one."""
        stored_key = schema.stored_key
        return [
            (rev, mark_of(data, rev), data.decode(), *self._key_values(data), stored_key(key))
            for key, data, rev in ((w.key, w.data, w.expected + 1) for w in writes)
        ]

    def _key_values(self, data: bytes) -> tuple[Any, ...]:
        if self._read is None:
            return ()
        wire = self._read(data)
        return tuple([key_value(kinds, get(wire)) for get, kinds in self._writers])

    def store(self, connection: sqlite3.Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Store rows that no index can refuse, in any order.

        A statement keeps each page that it changes, to take it back: many rows are much cheaper in
        few statements.
        """
        done = 0
        for size in _SIZES:
            while len(rows) - done >= size:
                values = [value for row in rows[done : done + size] for value in row]
                connection.execute(self._of_many(size), values)
                done += size
        connection.executemany(self.statement, rows[done:])

    def _of_many(self, size: int) -> str:
        name, last = self._table.name, len(self._columns) + 1
        columns = ", ".join(f"{c}=n.column{i}" for i, c in enumerate(self._columns, 1))
        row = f"({','.join('?' * last)})"
        return (
            f"UPDATE {name} SET {columns} FROM (VALUES {','.join([row] * size)}) n "
            f"WHERE {name}.key=n.column{last}"
        )


def can_refuse(table: Table, schema: Schema, names: frozenset[str]) -> bool:
    """True if a unique index may refuse a document that changes below the names."""
    declared = {index.name for index in schema.indexes}
    return not table.indexes <= declared or any(
        index.unique and any(term.path.segments[0] in names for term in index.terms)
        for index in schema.indexes
    )
