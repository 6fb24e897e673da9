"""Many new documents for PostgreSQL by COPY: at once, or while the rest are being prepared."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import psycopg

from docmap.schema.schema import Schema
from docmap.storage.deadlines import in_time
from docmap.storage.writes import Write
from docmap_backends._postgresql_blocks import copy_blocks
from docmap_backends._postgresql_records import PostgreSQLRecords
from docmap_backends._postgresql_tables import Table


class CopiedAhead:
    """New documents on their way into a table, on a connection of their own.

    The server stores them while docmap prepares the next ones.
    """

    def __init__(
        self, storage: PostgreSQLRecords, schema: Schema, table: Table, revisions: Random
    ) -> None:
        self._storage = storage
        self._schema = schema
        self._table = table
        self._copying = storage._connections.copying(copy_statement(table))
        self._random = revisions
        self._given: list[int] = []

    def send(self, writes: Sequence[Write], /) -> None:
        """Send some more. Raises StorageError."""
        random_bits = self._random.getrandbits
        revisions = [random_bits(48) for _ in writes]
        rows = [(one.key, one.data, rev) for one, rev in zip(writes, revisions, strict=True)]
        with in_time(self._storage):
            for block in copy_blocks(self._table, self._schema, rows):
                self._copying.send(block)
        self._given += revisions

    def finish(self) -> list[int] | None:
        """Store them; their revisions. None if an index refuses one, and nothing was stored."""
        try:
            with in_time(self._storage):
                self._copying.finish()
        except psycopg.IntegrityError:
            return None
        return self._given

    def abort(self) -> None:
        """Store none of them. Does nothing once it is finished."""
        self._copying.abort()


def copy_statement(table: Table) -> str:
    """The statement that takes new rows of a table, as `copy_blocks` gives them."""
    return f"COPY {table.name}({table.columns}) FROM STDIN"
