"""Updates that PostgreSQL does by itself: one statement, exact for all matches, or undone.

What SQL cannot state exactly is left to docmap: changes of lists, numbers in unusual forms, limits
of a class that are not least and greatest numbers. A document for which the statement is not exact
gets no value, which the column refuses: then nothing of the statement is done.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final, NamedTuple

from psycopg import errors as pg
from pydantic_core import to_json

from docmap.plan.engine import NativeQuery, Record
from docmap.query.changes import Step
from docmap.query.paths import Path
from docmap.schema.indexes import BoundIndex, IndexTerm
from docmap.schema.rewrite import Rewriter
from docmap.schema.schema import Schema
from docmap_backends._postgresql_adding import added
from docmap_backends._postgresql_grouping import PostgreSQLGrouping
from docmap_backends._postgresql_json import storable
from docmap_backends._postgresql_places import Source, expressions
from docmap_backends._postgresql_sql import where
from docmap_backends._postgresql_tables import Table
from docmap_backends._sql import SQL

_LONGEST: Final = (
    100_000  # bytes of a document as it is kept, and of all operands: far below limits
)
_LONGEST_INDEXED: Final = 200  # characters of one field in an index of several


class PostgreSQLUpdating(PostgreSQLGrouping):
    """The updating and deleting of matches in `postgresql.PostgreSQLStorage`."""

    atomic_updates: ClassVar[bool] = True

    def _update_matching(self, schema: Schema, condition: Any, rewriter: Rewriter) -> int | None:
        def update(table: Table) -> int | None:
            native = native_update(table, schema, rewriter)
            if isinstance(native, str):
                return None
            found = where(condition)
            text = f"UPDATE {table.name} SET {native.text}{found.text}"
            return self._if_exact(text, (*native.parameters, *found.parameters))

        nothing: int | None = 0
        return self._reading(schema, update, nothing)

    def _if_exact(self, text: str, values: Sequence[Any]) -> int | None:
        """How many rows a statement changed; None if it was not exact for one, and changed none."""
        try:
            if self._connections.in_transaction:
                with self._connections.transaction():
                    return self._execute(text, values)
            return self._execute(text, values)
        except (pg.NotNullViolation, pg.UniqueViolation):
            return None  # going document by document finds out which it is

    def _update_first(
        self, schema: Schema, query: NativeQuery, rewriter: Rewriter, *, new: bool
    ) -> list[Record] | None:
        def update(table: Table) -> list[Record] | None:
            native = native_update(table, schema, rewriter)
            if isinstance(native, str) or query.parts or table.spread is not None:
                return None  # a table that is spread has no rows to lock one of
            flag, order = SQL("FALSE"), ""
            if query.order:
                flag = self._flag(schema, table, query)
                order = f" ORDER BY {self._order_by(schema, table, query.order)}"
            found = where(query.condition)
            # No name of the first part may be that of a column: the second speaks of those.
            text = (
                f"WITH found AS (SELECT {table.key} AS first_key, {table.doc} AS first_doc, "
                f"{table.rev} AS first_rev, {flag.text} AS odd FROM {table.name}{found.text}"
                f"{order} LIMIT 1 OFFSET {query.offset} FOR UPDATE) "
                f"UPDATE {table.name} d SET {native.text} FROM found "
                f"WHERE d.{table.key} = first_key AND NOT odd RETURNING "
                + (f"d.{table.doc}, d.{table.rev}" if new else "first_doc, first_rev")
            )
            values = (*flag.parameters, *found.parameters, *native.parameters)
            try:
                return self._records(self._connections.written(text, values)) or None
            except (pg.NotNullViolation, pg.UniqueViolation):
                return None

        if self._connections.in_transaction:
            return None
        nothing: list[Record] | None = []
        return self._reading(schema, update, nothing)

    def _update_reason(self, schema: Schema, rewriter: Rewriter) -> str:
        table = self._table(schema)
        native = "" if table is None else native_update(table, schema, rewriter)
        return native if isinstance(native, str) else ""

    def _delete_matching(self, schema: Schema, condition: Any) -> int:
        def delete(table: Table) -> int:
            found = where(condition)
            return self._execute(f"DELETE FROM {table.name}{found.text}", found.parameters)

        return self._reading(schema, delete, 0)


class _NotNatively(Exception):
    """The update has no exact form; the text says why."""


class _Set(NamedTuple):
    """The expression of a document so far, and its values in order."""

    text: str
    values: tuple[Any, ...] = ()


def native_update(table: Table, schema: Schema, rewriter: Rewriter) -> SQL | str:
    """The SET clause of an update; why it has none, as text."""
    try:
        return _Builder(table, schema, rewriter).build()
    except _NotNatively as reason:
        return str(reason)


class _Builder:
    def __init__(self, table: Table, schema: Schema, rewriter: Rewriter) -> None:
        self._table = table
        self._schema = schema
        self._rewriter = rewriter
        self._guards = [f"pg_column_size({table.doc})<={_LONGEST}"]
        self._guarding: tuple[Any, ...] = ()
        self._texts: list[str] = []

    def build(self) -> SQL:
        if self._schema.model is None:
            raise _NotNatively("the collection has no class")
        if self._table.place is not None:
            raise _NotNatively("the table is another program's")
        if self._rewriter.names is None:
            raise _NotNatively("records may be of other classes or versions")
        made = _Set(self._table.doc)
        for step in self._rewriter.update:
            self._check_place(step)
            value = self._set(step) if step.operator == "set" else self._inc(step)
            path = [str(segment) for segment in step.path.segments]
            text = f"jsonb_set({made.text},%s::text[],{value.text},TRUE)"
            made = _Set(text, (*made.values, path, *value.values))
        if sum(map(len, self._texts)) > _LONGEST:
            raise _NotNatively("the values are long")
        for index in self._schema.indexes:
            self._check_index(index)
        guards = " AND ".join(self._guards)
        doc, rev = self._table.doc, self._table.rev
        changed = f"{doc}=CASE WHEN {guards} THEN {made.text} END, {rev}={rev}+1"
        return SQL(changed, (*self._guarding, *made.values))

    def _check_place(self, step: Step) -> None:
        if step.operator not in {"set", "inc"}:
            raise _NotNatively(f"{step.operator} has no exact form in SQL")
        if not all(type(segment) is str for segment in step.path.segments):
            raise _NotNatively(f"{step.path} goes through a list")
        if any(kind.kind != "model" or kind.extra for kind in step.kinds[:-1]):
            raise _NotNatively(f"{step.path} goes through what is no model")
        if len(step.kinds) > 1:
            parent = self._at(Path(step.path.segments[:-1]))[0]
            self._guards.append(f"jsonb_typeof({parent})='object'")

    def _at(self, path: Path) -> tuple[str, str]:
        return expressions(path, Source(self._table.doc))

    def _set(self, step: Step) -> _Set:
        text = storable(to_json(step.operand.stored)).decode()
        self._texts.append(text)
        return _Set("%s::jsonb", (text,))

    def _inc(self, step: Step) -> _Set:
        json, text = self._at(step.path)
        try:
            total = added(step.kind, step.operand.logical, json, text)
        except ValueError as reason:
            raise _NotNatively(f"{step.path}: {reason}") from None
        self._guards.append(total.holds.text)
        self._guarding += total.holds.parameters
        return _Set(*total.json)

    def _check_index(self, index: BoundIndex) -> None:
        touched = [term for term in index.terms if self._changes(term)]
        if not touched:
            return
        if index.unique:
            raise _NotNatively(f"the index {index.label} may refuse a document")
        if any(len(text) > _LONGEST_INDEXED for text in self._texts):
            raise _NotNatively(f"the values are long for the index {index.label}")
        for term in index.terms:
            if term not in touched:
                text = self._at(term.path)[1]
                self._guards.append(f"coalesce(length({text}),0)<={_LONGEST_INDEXED}")

    def _changes(self, term: IndexTerm) -> bool:
        return any(_begins(step.path, term.path) for step in self._rewriter.update)


def _begins(path: Path, other: Path) -> bool:
    return other.segments[: len(path.segments)] == path.segments or (
        path.segments[: len(other.segments)] == other.segments
    )
