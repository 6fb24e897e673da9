"""Updates that SQLite does by itself: one statement, guarded so that it is exact or does nothing.

What SQL cannot state exactly is left to docmap: floats and Decimals, lists, values that the class
limits, and what a unique index may refuse document by document.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from pydantic_core import to_json

from docmap.query.changes import Step
from docmap.query.paths import Path
from docmap.schema.indexes import BoundIndex, IndexTerm
from docmap.schema.rewrite import Rewriter
from docmap.schema.schema import Schema
from docmap.values import INT_MAX, INT_MIN
from docmap_backends._sql import SQL, quoted, text_literal
from docmap_backends._sql_places import expressions, reachable
from docmap_backends._sqlite_tables import Table

_LONGEST: Final = 200_000  # characters of a document, and bytes of all operands: far below limits
_LONGEST_INDEXED: Final = 200  # the same of one field in an index of several


class NativeUpdate(NamedTuple):
    """The SET clause of an update; rows that it is not exact for become null, which is refused."""

    clause: str
    parameters: tuple[Any, ...]

    def statement(self, table: Table, condition: SQL) -> SQL:
        """The whole statement; `condition` begins with WHERE, or is empty."""
        text = f"UPDATE {table.name} SET {self.clause}{condition.text}"
        return SQL(text, (*self.parameters, *condition.parameters))


class _NotNatively(Exception):
    """The update has no exact form; the text says why."""


def native_update(table: Table, schema: Schema, rewriter: Rewriter) -> NativeUpdate | str:
    """The native form of an update; why it has none, as text."""
    try:
        return _Builder(table, schema, rewriter).build()
    except _NotNatively as reason:
        return str(reason)


class _Builder:
    def __init__(self, table: Table, schema: Schema, rewriter: Rewriter) -> None:
        self._table = table
        self._schema = schema
        self._rewriter = rewriter
        self._values: list[Any] = []
        self._guards = [f"length(doc)<={_LONGEST}"]

    def build(self) -> NativeUpdate:
        self._check_class()
        expression = "doc"
        for step in self._rewriter.update:
            self._check_place(step)
            value = self._set(step) if step.operator == "set" else self._inc(step)
            expression = f"json_set({expression},{_literal(step.path)},{value})"
        if sum(len(value) for value in self._values if isinstance(value, str)) > _LONGEST:
            raise _NotNatively("the values are long")
        for index in self._schema.indexes:
            self._check_index(index)
        columns, keys = self._columns()
        before = "CAST(ifnull(rev,0) AS INTEGER)"
        clause = (
            f"doc=CASE WHEN {' AND '.join(self._guards)} THEN {expression} END, rev={before}+1, "
            f"own=docmap_mark({expression},{before}+1,doc,{before},own){columns}"
        )
        return NativeUpdate(clause, (*self._values, *keys))

    def _check_class(self) -> None:
        if self._schema.model is None:
            raise _NotNatively("the collection has no class")
        if self._rewriter.names is None:
            raise _NotNatively("records may be of other classes or versions")
        if not self._table.plain or not self._table.covers(self._schema):
            raise _NotNatively("other classes or programs write the collection too")

    def _check_place(self, step: Step) -> None:
        if step.operator not in {"set", "inc"}:
            raise _NotNatively(f"{step.operator} has no exact form in SQL")
        if not all(type(segment) is str for segment in step.path.segments):
            raise _NotNatively(f"{step.path} goes through a list")
        if any(kind.kind != "model" or kind.extra for kind in step.kinds[:-1]):
            raise _NotNatively(f"{step.path} goes through what is no model")
        if not reachable(step.path.segments):
            raise _NotNatively(f"no path of SQLite can name {step.path}")
        if len(step.kinds) > 1:
            parent = Path(step.path.segments[:-1])
            self._guards.append(f"json_type(doc,{_literal(parent)})='object'")

    def _set(self, step: Step) -> str:
        return f"json({self._bound(to_json(step.operand.stored).decode())})"

    def _inc(self, step: Step) -> str:
        core = step.kind.core["schema"] if step.kind.core["type"] == "nullable" else step.kind.core
        if step.kind.kind != "int" or core["type"] != "int" or core.keys() - _PLAIN_INT:
            raise _NotNatively(f"{step.path} is no int without limits")
        amount, place = step.operand.logical, _literal(step.path)
        low, high = max(INT_MIN, INT_MIN - amount), min(INT_MAX, INT_MAX - amount)
        self._guards.append(f"ifnull(json_type(doc,{place}),'null') IN ('integer','null')")
        self._guards.append(f"ifnull(json_extract(doc,{place}),0) BETWEEN {low} AND {high}")
        return f"ifnull(json_extract(doc,{place}),0)+{self._bound(amount)}"

    def _bound(self, value: Any) -> str:
        """The place of a value in the statement, which names it twice."""
        self._values.append(value)
        return f"?{len(self._values)}"

    def _check_index(self, index: BoundIndex) -> None:
        touched = [term for term in index.terms if self._changes(term)]
        if not touched:
            return
        if index.unique:
            raise _NotNatively(f"the index {index.label} may refuse a document")
        if index.elements:
            raise _NotNatively(f"the index {index.label} holds elements of a list")
        if any(isinstance(v, str) and len(v) > _LONGEST_INDEXED for v in self._values):
            raise _NotNatively(f"the values are long for the index {index.label}")
        for term in index.terms:
            if term not in touched and reachable(term.path.segments):
                value = expressions(term.path)[0]
                self._guards.append(f"ifnull(length({value}),0)<={_LONGEST_INDEXED}")

    def _changes(self, term: IndexTerm) -> bool:
        return any(_begins(step.path, term.path) for step in self._rewriter.update)

    def _columns(self) -> tuple[str, list[Any]]:
        """The key columns of what is set, and their values."""
        clause, values = "", []
        for step in self._rewriter.update:
            held: Any = step.operand.stored
            for name in reversed(step.path.segments):
                held = {name: held}
            keys = self._table.key_values(held)
            for (column, path), key in zip(self._table.columns.items(), keys, strict=True):
                if not _begins(step.path, path):
                    continue
                if step.operator != "set":
                    raise _NotNatively(f"{step.path} has a column of its own")
                clause += f", {quoted(column)}=?"
                values.append(key)
        return clause, values


_PLAIN_INT: Final = frozenset({"type", "strict", "serialization"})


def _literal(path: Path) -> str:
    return text_literal("$" + "".join(f'."{segment}"' for segment in path.segments))


def _begins(path: Path, other: Path) -> bool:
    return other.segments[: len(path.segments)] == path.segments or (
        path.segments[: len(other.segments)] == other.segments
    )
