"""Aggregates and groups on SQLite: the hooks, over the statements of `_sqlite_aggregates`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from docmap.plan.engine import EnginePlan, NativeAggregate
from docmap.query.groups import Groups, Row
from docmap.schema.schema import Schema
from docmap_backends._sql import SQL
from docmap_backends._sqlite_aggregates import Aggregating, aggregating
from docmap_backends._sqlite_queries import SQLiteReading, where

_BATCH: Final = 4096  # rows, each of a few values


class SQLiteGrouping(SQLiteReading):
    """The aggregating part of `sqlite.SQLiteStorage`."""

    def _aggregate(self, schema: Schema, asked: NativeAggregate) -> Iterable[Row] | None:
        if self._table(schema) is None:
            return Groups(asked.grouping).rows()
        found = self._aggregating(schema, asked)
        if found is None:
            return None
        try:
            return list(found.groups(self._batches(found.statement)))
        except UnicodeDecodeError as error:
            raise self._connections.file.damaged() from error

    def _aggregating(self, schema: Schema, asked: NativeAggregate) -> Aggregating | None:
        table = self._table(schema)
        if table is None:
            return None
        found = where(asked.condition)
        source = SQL(f"FROM {table.name}{found.text}", found.parameters)
        order = self._order_by(schema, table, asked.order)
        return aggregating(self, schema, asked.grouping, source, order)

    def _batches(self, statement: SQL) -> Iterator[list[Any]]:
        """The rows of a statement; of a file in batches, as the file was when they began."""
        if self._connections.in_memory or self._connections.in_transaction:
            if rows := self._connections.rows(statement.text, statement.parameters):
                yield rows
            return
        with self._connections.reading() as link, self._connections.errors():
            with link.lock:
                cursor = link.connection.execute(statement.text, statement.parameters)
                rows = cursor.fetchmany(_BATCH)
            while rows:
                yield rows
                self._connections.check_usable()
                with link.lock:
                    rows = cursor.fetchmany(_BATCH)

    def _explain_aggregate(self, schema: Schema, asked: NativeAggregate) -> EnginePlan | None:
        table = self._table(schema)
        if table is None:
            return EnginePlan(scan=False, detail=("the collection does not exist",))
        found = self._aggregating(schema, asked)
        return None if found is None else self._plan_of(schema, table, found.statement)
