"""Copying a whole database from and to an SQLite file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from docmap.plan.engine import Record
from docmap.schema.schema import Schema
from docmap.storage.writes import Write
from docmap_backends._sql import SQL
from docmap_backends._sqlite_indexes import insert
from docmap_backends._sqlite_tables import drop_table
from docmap_backends._sqlite_writes import SQLiteWriting, check_sound


class SQLiteCopying(SQLiteWriting):
    """The hooks of copying."""

    def _key_name(self, collection: str) -> str:
        table = self._known.current(self._connections, collection)
        return "" if table is None else table.key_name

    def _write_records(self, schema: Schema, records: Sequence[tuple[Any, Record]]) -> None:
        writes, revisions = [], []
        for key, (data, revision) in records:
            written = data if isinstance(data, bytes) else data.encode()
            check_sound(schema, written, key)
            writes.append(Write(key, written))
            revisions.append(revision)
        with self._writing(schema) as connection:
            table = self._writable(connection, schema)
            rows = self._rows(connection, table, schema, writes, revisions)
            table = self._table(schema) or table  # what it holds may be of more types now
            held = self._get_many(schema, [write.key for write in writes])
            new = [row for row, one in zip(rows, writes, strict=True) if one.key not in held]
            insert(connection, table, schema, new)
            old = ((*r[1:], r[0]) for r, one in zip(rows, writes, strict=True) if one.key in held)
            connection.executemany(table.update, old)
            self._look_again(table)

    def _counted_key(self, schema: Schema) -> int:
        table = self._known.current(self._connections, schema.collection)
        if table is None:
            return 0
        asked = SQL(
            f"SELECT last_key, (SELECT max(key) FROM {table.name} WHERE key<'') "
            "FROM docmap_collections WHERE name=?",
            (schema.collection,),
        )
        counted, highest = self._connections.rows(asked.text, asked.parameters)[0]
        return max(int(counted), int(highest or 0))

    def _count_to(self, schema: Schema, key: int) -> None:
        with self._writing(schema) as connection:
            self._writable(connection, schema)
            self._set_count(connection, schema, key)

    def _drop_collection(self, schema: Schema) -> None:
        with self._connections.writing() as connection:
            drop_table(connection, schema.collection)
        self._known.forget()
        self._ensured.clear()
