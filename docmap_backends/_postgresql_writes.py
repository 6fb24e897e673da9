"""Writing to PostgreSQL: tables as they are needed, documents with revisions, counted keys."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, TypeVar

from psycopg import errors as pg

from docmap.plan.engine import Record
from docmap.schema.indexes import BoundIndex
from docmap.schema.schema import Schema
from docmap.storage.writes import ANY, Write, keep_unknown, stale
from docmap_backends._postgresql_json import storable
from docmap_backends._postgresql_keys import key_text
from docmap_backends._postgresql_records import PostgreSQLRecords
from docmap_backends._postgresql_tables import Table

T = TypeVar("T")


class PostgreSQLWriting(PostgreSQLRecords):
    """The writing half of `postgresql.PostgreSQLStorage`."""

    _revisions: random.Random

    # -- tables

    def _ensure(self, schema: Schema) -> None:
        table = self._table(schema)
        if table is None or not table.fits(schema):
            self._adopt(schema)

    def _adopt(self, schema: Schema) -> Table:
        """Make the table and its indexes for a class, and for those that share its collection."""
        with self._connections.transaction():
            self._catalogue.lock()
            table = self._catalogue.make(schema)
            for one in (schema, *schema.relatives):
                for index in one.indexes:
                    if index.name not in table.indexes:
                        self._create_index(table, one, index)
        self._catalogue.forget()
        return self._catalogue.current(schema.collection) or table

    def _create_index(self, table: Table, schema: Schema, index: BoundIndex) -> None:
        """Make one index, inside a transaction."""

    def _storing(self, schema: Schema, store: Callable[[Table], T]) -> T:
        """What `store` gives of the collection's table, which is made if it is not there."""
        table = self._table(schema) or self._adopt(schema)
        try:
            return store(table)
        except pg.UndefinedTable as error:
            table = self._after_removal(schema, error) or self._adopt(schema)
        return store(table)

    # -- documents

    def _put(self, schema: Schema, key: Any, record: Record) -> None:
        data = record[0] if isinstance(record[0], bytes) else record[0].encode()
        values = (key_text(schema, key), record[1], storable(data))
        self._storing(
            schema,
            lambda table: self._connections.changed(
                f"INSERT INTO {table.name}(key, rev, doc) VALUES(%s, %s, %s) ON CONFLICT (key) "
                "DO UPDATE SET rev = excluded.rev, doc = excluded.doc",
                values,
            ),
        )

    def _remove(self, schema: Schema, key: Any) -> bool:
        values = (key_text(schema, key),)

        def remove(table: Table) -> int:
            return self._connections.changed(f"DELETE FROM {table.name} WHERE key = %s", values)

        return self._reading(schema, remove, 0) > 0

    def _save(self, schema: Schema, write: Write) -> int:
        with self._connections.transaction():
            self._storing(schema, lambda table: self._hold(table, schema, write.key))
            stored = self._get(schema, write.key)
            revision = self.checked_revision(schema, write, stored)
            data = write.data if stored is None else keep_unknown(schema, stored[0], write.data)
            self._check_unique(schema, write.key, data)
            self._put(schema, write.key, (data, revision))
            return revision

    def _hold(self, table: Table, schema: Schema, key: Any) -> None:
        """Keep others from writing the collection until the transaction ends."""
        self._connections.written(f"LOCK TABLE {table.name} IN SHARE ROW EXCLUSIVE MODE")

    def _delete(self, schema: Schema, key: Any, expected: int = ANY) -> bool:
        if expected == ANY:
            return self._remove(schema, key)
        values = (key_text(schema, key), expected)

        def remove(table: Table) -> int:
            return self._connections.changed(
                f"DELETE FROM {table.name} WHERE key = %s AND rev = %s", values
            )

        if not self._reading(schema, remove, 0):
            raise stale(schema, deleted=self._get(schema, key) is None)
        return True
