"""Aggregates and groups on PostgreSQL: the hooks, over what `_postgresql_aggregates` states."""

from __future__ import annotations

from collections.abc import Iterable

from psycopg import DataError

from docmap.errors import StorageError
from docmap.plan.engine import EnginePlan, NativeAggregate, NativeQuery
from docmap.query.groups import Groups, Row
from docmap.schema.schema import Schema
from docmap_backends._postgresql_aggregates import Aggregating, grouped, projected
from docmap_backends._postgresql_queries import PostgreSQLQueries
from docmap_backends._postgresql_sql import where
from docmap_backends._postgresql_tables import Table
from docmap_backends._sql import SQL


class PostgreSQLGrouping(PostgreSQLQueries):
    """The aggregating part of `postgresql.PostgreSQLStorage`."""

    def _aggregate(self, schema: Schema, asked: NativeAggregate) -> Iterable[Row] | None:
        table = self._table(schema)
        if table is None:
            return Groups(asked.grouping).rows()
        found = self._aggregating(schema, table, asked)
        if found is not None and found.plainly:
            rows = self._plain_groups(schema, found)
            if rows is not None:
                return rows
            self._catalogue.inexact.add(found.statement.text)
            found = self._aggregating(schema, table, asked)
        if found is None:
            return None
        return found.groups(self._batches(schema, lambda _: found.statement))

    def _plain_groups(self, schema: Schema, found: Aggregating) -> list[Row] | None:
        """What a statement gives that may fail for what is stored; None if it did."""
        try:
            return found.groups(self._batches(schema, lambda _: found.statement))
        except StorageError as error:
            if isinstance(error.__cause__, DataError):
                return None
            raise

    def _aggregating(
        self, schema: Schema, table: Table, asked: NativeAggregate
    ) -> Aggregating | None:
        found = where(asked.condition)
        source = SQL(f"FROM {table.name}{found.text}", found.parameters)
        summed: Aggregating | None = None
        if not self._connections.in_transaction:  # which an error would undo
            summed = grouped(asked.grouping, schema, table, found, plainly=True)
        if summed is None or summed.statement.text in self._catalogue.inexact:
            summed = grouped(asked.grouping, schema, table, found)
        if summed is not None:
            return summed
        query = NativeQuery(asked.condition, asked.order)
        order = self._order_by(schema, table, asked.order)
        flag = self._flag(schema, table, query)
        return projected(asked.grouping, table.doc, source, order, flag)

    def _explain_aggregate(self, schema: Schema, asked: NativeAggregate) -> EnginePlan | None:
        table = self._table(schema)
        if table is None:
            return EnginePlan(scan=False, detail=("the collection does not exist",))
        found = self._aggregating(schema, table, asked)
        return None if found is None else self._plan_of(schema, lambda _: found.statement)
