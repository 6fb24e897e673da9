"""Queries on PostgreSQL as statements, each of which tells by itself whether its order holds.

Indexes hold what is of the declared type. A statement that sorts by them carries a flag: whether
there are values of other types, which have places of their own in the canonical order. Where there
are, which only other programs and classes bring about, docmap sorts by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
from typing import Any, ClassVar, Final

from psycopg.errors import FeatureNotSupported
from pydantic_core import from_json

from docmap.errors import StorageError
from docmap.plan.engine import EnginePlan, NativeQuery, Record
from docmap.query.evaluate import sorted_by
from docmap.query.lookups import LookupManager
from docmap.query.order import OrderTerm
from docmap.query.paths import EACH, Path
from docmap.schema.rewrite import reader
from docmap.schema.schema import Schema
from docmap.schema.types import FieldType
from docmap_backends._postgresql_connections import Row
from docmap_backends._postgresql_distinct import FEW, distinct_texts, distinct_values, few_texts
from docmap_backends._postgresql_explain import explained
from docmap_backends._postgresql_places import (
    SORTABLE,
    TEXTUAL,
    Source,
    any_odd,
    expressions,
    indexed,
    is_tag,
    misfit,
    sortable,
)
from docmap_backends._postgresql_records import PostgreSQLRecords
from docmap_backends._postgresql_spreading import is_aimed
from docmap_backends._postgresql_sql import any_row, where
from docmap_backends._postgresql_tables import Table
from docmap_backends._postgresql_text import dialect
from docmap_backends._sql import SQL

_FEW: Final = 1000  # documents up to which a slice is fetched at once, not by a stream of its own


class PostgreSQLQueries(PostgreSQLRecords):
    """The querying part of `postgresql.PostgreSQLStorage`."""

    lookups: ClassVar[LookupManager] = dialect

    # -- what the lookups ask

    def document_column(self, schema: Schema) -> str:
        """The column that holds the documents, quoted."""
        table = self._table(schema)
        return "doc" if table is None else table.doc

    def table_name(self, schema: Schema) -> str:
        """The table of the documents, quoted; empty if there is none yet."""
        table = self._table(schema)
        return "" if table is None else table.name

    def key_place(self, schema: Schema, path: Path) -> str:
        """The column of the keys, if the path is that of the key in every document."""
        if path != schema.key_path:
            return ""
        table = self._table(schema)
        if table is None:
            return ""
        named = table.place is not None or table.key_name == schema.key_field.stored
        return table.key if named else ""

    def key_column(self, schema: Schema, path: Path) -> str:
        """The same, where its order is that of the keys: other programs' tables have their own."""
        column = self.key_place(schema, path)
        table = self._table(schema) if column else None
        return column if table is not None and table.place is None else ""

    def shard_column(self, schema: Schema, path: Path) -> str:
        """The column by which the table is spread, if a path is that of the value in it."""
        table = self._table(schema)
        if table is None or table.spread is None or path.segments != table.spread.path:
            return ""
        return table.spread.column

    def keys_in_table(self, schema: Schema, keys: Iterable[Any]) -> tuple[list[bytes], str]:
        """Keys as the table has them, without those that it cannot have, and their type."""
        table = self._table(schema)
        if table is None:
            return [], "text"
        found = (table.key_text(schema, key) for key in keys)
        return [text for text in found if text is not None], table.kind

    # -- queries

    def _find(self, schema: Schema, query: NativeQuery) -> Iterator[Record]:
        if not query.order:
            return self._unordered(schema, query)
        return self._ordered(schema, query)

    def _unordered(self, schema: Schema, query: NativeQuery) -> Iterator[Record]:
        def statement(table: Table) -> SQL:
            return _sliced(_selected(table, where(query.condition)), query)

        if query.limit is None or query.limit > _FEW:
            return self._streamed(schema, statement)
        nothing: list[Row] = []
        rows = self._reading(schema, lambda table: self._all(statement(table)), nothing)
        return iter(self._records(rows))

    def _all(self, statement: SQL) -> list[Row]:
        return self._rows(statement.text, statement.parameters)

    def _ordered(self, schema: Schema, query: NativeQuery) -> Iterator[Record]:
        """The records in the order that is asked for, by PostgreSQL where its order is that."""

        def statement(table: Table) -> SQL:
            return self._in_order(schema, table, query)

        if query.limit is not None and query.limit <= _FEW:
            nothing: list[Row] = []
            found = self._reading(schema, lambda table: self._all(statement(table)), nothing)
            batches = (part for part in (found,))
        else:
            batches = self._batches(schema, statement)
        first = next(batches, None)
        if not first and not self._hides_odd(schema, query):
            return
        if not first or first[0][-1] == b"t":
            batches.close()
            yield from self._sorted_here(schema, query)
            return
        for rows in chain((first,), batches):
            for row in rows:
                yield row[0] or b"", int(row[1] or 0)

    def _hides_odd(self, schema: Schema, query: NativeQuery) -> bool:
        """True if nothing was found behind a position, and values of other types may be there."""
        if not query.parts:
            return False

        def read(table: Table) -> list[Row]:
            flag = self._flag(schema, table, query)
            return self._rows(f"SELECT {flag.text}", flag.parameters)

        nothing: list[Row] = []
        return self._reading(schema, read, nothing) == [(b"t",)]

    def _in_order(self, schema: Schema, table: Table, query: NativeQuery) -> SQL:
        flag, told = self._flag(schema, table, query), self._told(schema, table, query.order)
        if not query.parts:
            found = where(query.condition, odd=False, told=told)
            found = _selected(table, found, flag)
            return _sliced(self._with_order(schema, table, found, query.order), query)
        # One after the other, each from the place in the index where it begins; the limit of each
        # keeps its order, and that of the whole stops the rest from being run.
        most = None if query.limit is None else query.offset + query.limit
        parts = [
            _sliced(
                self._with_order(schema, table, _selected(table, found), part.order),
                NativeQuery(limit=most),
            )
            for part in query.parts
            for found in [
                where(part.condition, odd=False, told=self._told(schema, table, query.order))
            ]
        ]
        united = " UNION ALL ".join(f"({part.text})" for part in parts)
        text = f"SELECT doc, rev, {flag.text} FROM ({united}) parts(doc, rev)"
        values = (*flag.parameters, *chain.from_iterable(part.parameters for part in parts))
        return _sliced(SQL(text, values), query)

    def _with_order(
        self, schema: Schema, table: Table, found: SQL, terms: Sequence[OrderTerm]
    ) -> SQL:
        order = self._order_by(schema, table, terms)
        return SQL(f"{found.text} ORDER BY {order}", found.parameters) if order else found

    def _flag(self, schema: Schema, table: Table, query: NativeQuery) -> SQL:
        """Whether values of other types are among those that are sorted, if that is not known."""
        found = where(query.condition, placed=False)
        tests: list[str] = []
        values: list[Any] = []
        for term in query.order:
            if self.key_column(schema, term.path):
                continue
            place = term.type.kind, *expressions(term.path, Source(table.doc))
            if (term.path.segments, term.type.kind) in indexed(schema):
                tests.append(any_odd(table.name, *place))
                continue
            odd = misfit(*place)
            narrowed = f"{found.text} AND {odd}" if found.text else f" WHERE {odd}"
            tests.append(any_row(f"{table.name}{narrowed}"))
            values += found.parameters
        return SQL(f"({' OR '.join(tests)})" if tests else "FALSE", tuple(values))

    def _told(self, schema: Schema, table: Table, terms: Iterable[OrderTerm]) -> frozenset[str]:
        """What the flag tells of whole indexes, and not of those documents alone that are found."""
        return frozenset(
            any_odd(table.name, term.type.kind, *expressions(term.path, Source(table.doc)))
            for term in terms
            if not self.key_column(schema, term.path)
            and (term.path.segments, term.type.kind) in indexed(schema)
        )

    def _order_by(self, schema: Schema, table: Table, terms: Iterable[OrderTerm]) -> str:
        return ", ".join(self._sorter(schema, table, term) for term in terms)

    def _sorter(self, schema: Schema, table: Table, term: OrderTerm) -> str:
        column = self.key_column(schema, term.path)
        if column:  # never null, which the server does not make use of
            return f"{column} DESC" if term.descending else column
        value = sortable(term.type.kind, *expressions(term.path, Source(table.doc)))
        return value + (" DESC NULLS LAST" if term.descending else " NULLS FIRST")

    def _sorted_here(self, schema: Schema, query: NativeQuery) -> Iterator[Record]:
        """The same by docmap: values of all types, each in its place."""
        terms, tree = query.order, schema.codec.tree
        names = {term.path.segments[0] for term in terms}
        stop = None if query.limit is None else query.offset + query.limit
        found = self._streamed(schema, lambda table: _selected(table, where(query.condition)))
        ordered = sorted_by(found, terms, lambda record: tree(record[0], names), stop)
        return islice(ordered, query.offset, stop)

    def _orders(self, schema: Schema, terms: Sequence[OrderTerm]) -> bool:
        return all(
            bool(self.key_column(schema, term.path)) or term.type.kind in SORTABLE for term in terms
        )

    def _count(self, schema: Schema, condition: Any) -> int:
        def read(table: Table) -> list[Row]:
            found = where(condition)
            return self._rows(f"SELECT count(*) FROM {table.name}{found.text}", found.parameters)

        nothing: list[Row] = []
        rows = self._reading(schema, read, nothing)
        return int(rows[0][0] or 0) if rows else 0

    # -- distinct values

    def _distinct(self, schema: Schema, path: Path, kind: FieldType, condition: Any) -> Any:
        if path.segments.count(EACH) > 1 or is_tag(path, kind):
            return None

        def read(table: Table) -> list[Row]:
            return self._all(distinct_values(table, path, kind, where(condition)))

        nothing: list[Row] = []
        parse: Callable[[Any], Any] = from_json
        rows: list[Row] | None
        if kind.kind in TEXTUAL and (path.segments, kind.kind) in indexed(schema):
            rows, parse = self._texts(schema, path, kind, where(condition)), bytes.decode
        else:
            rows = self._reading(schema, read, nothing)
        if rows is None:
            return None
        read_value = reader(kind)
        wires = (None if row[0] is None else parse(row[0]) for row in rows)
        return [wire if read_value is None else read_value(wire) for wire in wires]

    def _texts(self, schema: Schema, path: Path, kind: FieldType, found: SQL) -> list[Row] | None:
        """The distinct texts of an indexed place; None if values of other types are stored."""

        def read(table: Table) -> list[Row]:
            skipping = few_texts(table, schema, path, kind)
            known = self._catalogue.inexact
            if found.text or not skipping or skipping in known or self._connections.in_transaction:
                return self._all(distinct_texts(table, path, kind, found))
            try:
                rows = self._all(SQL(skipping))
                if sum(row[0] is not None for row in rows) < FEW:
                    return rows
            except StorageError as error:
                if not isinstance(error.__cause__, FeatureNotSupported):
                    raise
            known.add(skipping)
            return self._all(distinct_texts(table, path, kind, found))

        nothing: list[Row] = []
        rows = self._reading(schema, read, nothing)
        return None if any(row[-1] == b"t" for row in rows) else rows

    # -- plans

    def _explain(self, schema: Schema, query: NativeQuery) -> EnginePlan:
        def statement(table: Table) -> SQL:
            if query.order:
                return self._in_order(schema, table, query)
            return _sliced(_selected(table, where(query.condition)), query)

        plan = self._plan_of(schema, statement, sliced=query.limit is not None)
        table = self._table(schema)
        if table is None or not table.has_shard:
            return plan
        return replace(plan, targeted=is_aimed(query.condition))

    def _plan_of(
        self, schema: Schema, statement: Callable[[Table], SQL], *, sliced: bool = False
    ) -> EnginePlan:
        """How the server would run a statement."""
        nothing = EnginePlan(scan=False, detail=("the collection does not exist",))

        def read(table: Table) -> EnginePlan:
            labels = {
                name: known.label for name, known in self._catalogue.definitions(schema).items()
            }
            return explained(self._connections, table, statement(table), labels, sliced=sliced)

        return self._reading(schema, read, nothing)


def _selected(table: Table, found: SQL, flag: SQL | None = None) -> SQL:
    columns, values = f"{table.doc}, {table.rev}", found.parameters
    if flag is not None:
        columns, values = f"{columns}, {flag.text}", (*flag.parameters, *values)
    return SQL(f"SELECT {columns} FROM {table.name}{found.text}", values)


def _sliced(statement: SQL, query: NativeQuery) -> SQL:
    text, values = statement
    if query.limit is not None and query.limit <= _FEW:
        # In the statement, so that it is known when a plan for all values is weighed.
        text = f"{text} LIMIT {query.limit}"
    elif query.limit is not None:
        text, values = f"{text} LIMIT %s", (*values, query.limit)
    if query.offset:
        text, values = f"{text} OFFSET %s", (*values, query.offset)
    return SQL(text, values)
