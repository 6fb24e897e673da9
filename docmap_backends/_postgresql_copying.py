"""Copying a whole database from and to PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import psycopg

from docmap.plan.engine import Record
from docmap.schema.schema import Schema
from docmap.storage.writes import ANY, Write
from docmap_backends._postgresql_changes import is_watched
from docmap_backends._postgresql_counting import counted
from docmap_backends._postgresql_indexes import drop_statements
from docmap_backends._postgresql_json import storable
from docmap_backends._postgresql_saving import PostgreSQLSaving
from docmap_backends._postgresql_tables import Table
from docmap_backends._postgresql_writes import replacing

_ROWS: Final = 200


class PostgreSQLCopying(PostgreSQLSaving):
    """The hooks of copying."""

    def _key_name(self, collection: str) -> str:
        table = self._catalogue.current(collection)
        return "" if table is None else table.key_name

    def _write_records(self, schema: Schema, records: Sequence[tuple[Any, Record]]) -> None:
        writes = [
            (Write(key, data if isinstance(data, bytes) else data.encode(), ANY), revision)
            for key, (data, revision) in records
        ]

        def store(table: Table) -> None:
            with self._together():
                for start in range(0, len(writes), _ROWS):
                    part = writes[start : start + _ROWS]
                    try:
                        with self._guarded(table, schema):
                            self._replace_all(table, schema, part)
                    except psycopg.IntegrityError:
                        self._replace_singly(table, schema, part)
                count, more = counted(schema, [write.key for write, _ in writes], None)
                if count:
                    self._connections.changed(f"{count}SELECT", more)

        if writes:
            self._storing(schema, store)

    def _replace_all(
        self, table: Table, schema: Schema, writes: Sequence[tuple[Write, int]]
    ) -> None:
        values: list[Any] = []
        for write, revision in writes:
            values += (table.key_text(schema, write.key), revision, storable(write.data))
            values += table.shard_of(write.data)
        rows = ",".join([f"({table.marks})"] * len(writes))
        self._connections.changed(
            f"INSERT INTO {table.name}({table.columns}) VALUES {rows} "
            f"ON CONFLICT ({table.unique}) DO UPDATE SET {replacing(table)}",
            values,
        )

    def _replace_singly(
        self, table: Table, schema: Schema, writes: Sequence[tuple[Write, int]]
    ) -> None:
        """The same one by one: the first that an index refuses is named."""
        for write, revision in writes:
            try:
                with self._guarded(table, schema):
                    self._replace_all(table, schema, [(write, revision)])
            except psycopg.IntegrityError as error:
                raise self._refused(schema, write, error) from error

    def _drop_collection(self, schema: Schema) -> None:
        self._drop(lambda: [schema.collection])
        self._ensured.clear()

    def _drop(self, collections: Callable[[], list[str]]) -> None:
        with self._connections.transaction("read committed"):
            self._connections.changed_tables()
            self._catalogue.lock()
            for name in (found := collections()):
                table = self._catalogue.noted(name)
                watched = is_watched(self._connections, name)
                if table is not None and not table.gone and watched:
                    self._connections.written(f"DELETE FROM {table.name}")  # each is logged
            self._catalogue.drop(found, drop_statements)
