"""Saving many loaded documents to PostgreSQL: some hundred in a statement, all or none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import psycopg

from docmap.schema.schema import Schema
from docmap.storage.writes import Write
from docmap_backends._postgresql_tables import Table
from docmap_backends._postgresql_unknown import only_known
from docmap_backends._postgresql_writes import PostgreSQLWriting

_ROWS: Final = 100  # in one statement


class _NotAllError(Exception):
    """One of the documents was not there as it was loaded."""


class PostgreSQLSaving(PostgreSQLWriting):
    """The part of `postgresql.PostgreSQLStorage` that saves many documents."""

    def _save_many(self, schema: Schema, writes: Sequence[Write]) -> list[int]:
        if len(writes) > 1 and all(write.expected >= 0 for write in writes):
            revisions = self._save_batch(schema, writes)
            if revisions is not None:
                return revisions
        # One by one keeps those before the one that cannot be saved, and names it.
        return super()._save_many(schema, writes)

    def _save_batch(self, schema: Schema, writes: Sequence[Write]) -> list[int] | None:
        """Save loaded documents; their revisions. None if one cannot be, and nothing was stored."""

        def save(table: Table) -> list[int] | None:
            known = only_known(schema, f"t.{table.doc}")
            if known is None or table.place is not None:
                return None  # what is stored has to be read
            try:
                with self._connections.transaction("read committed"):
                    self._replace_parts(table, schema, writes, known)
            except (_NotAllError, psycopg.IntegrityError):
                return None
            return [write.expected + 1 for write in writes]

        return self._storing(schema, save)

    def _replace_parts(
        self, table: Table, schema: Schema, writes: Sequence[Write], known: str
    ) -> None:
        for start in range(0, len(writes), _ROWS):
            part = writes[start : start + _ROWS]
            if len(self._replaced(table, schema, part, known)) < len(part):
                raise _NotAllError
