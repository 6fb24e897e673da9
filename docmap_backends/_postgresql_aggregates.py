"""Aggregates as PostgreSQL's statements: grouped by the server, or read column by column.

The server counts, adds decimals exactly and knows the least and the greatest, as long as all that
is stored is of the declared type; a flag beside each group tells of what is not. What depends on
the order of the documents is selected, column by column, and left to the reference functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

from pydantic_core import from_json

from docmap.query.accumulators import of_total
from docmap.query.aggregates import Grouping, Reading, Term
from docmap.query.groups import Columns, Groups, Row, representative
from docmap.schema.rewrite import reader
from docmap.schema.schema import Schema
from docmap.schema.wire import TEXT_READERS
from docmap_backends._postgresql_places import (
    NUMERIC,
    SORTABLE,
    TEXTUAL,
    Source,
    any_odd,
    expressions,
    fits_form,
    indexed,
    is_tag,
    sortable,
)
from docmap_backends._postgresql_tables import Table
from docmap_backends._postgresql_text import weekday_of
from docmap_backends._sql import SQL

Read = Callable[[bytes], Any]
Batches = Iterable[Sequence[Sequence[bytes | None]]]


class Aggregating(NamedTuple):
    """A statement, and what makes the groups of the batches of its rows."""

    statement: SQL
    groups: Callable[[Batches], list[Row] | None]
    """None where values are stored that the statement is not exact for."""
    plainly: bool = False
    """The statement may fail where values are stored that it is not exact for."""


class _Value(NamedTuple):
    """The values of one place: an expression that sorts as they do, and how its text is read."""

    kind: str
    text: str
    odd: str
    """A condition for a value that it is not exact for; empty if there can be none."""
    read: Read


class _Columns:
    """What is read of each row, once, and under which name the functions take it."""

    def __init__(self, schema: Schema, table: Table, *, plainly: bool) -> None:
        self._schema = schema
        self._table = table
        self._names: dict[str, str] = {}
        self._plainly = plainly
        self.may_fail = False
        """An expression among them fails where other values than of the declared type are."""

    def name(self, expression: str) -> str:
        return self._names.setdefault(expression, f"x{len(self._names)}")

    def source(self, found: SQL) -> SQL:
        """The rows; without OFFSET the server would work each value out once for each use of it."""
        selected = ", ".join(f"{text} AS {name}" for text, name in self._names.items())
        text = f"(SELECT {selected} FROM {self._table.name}{found.text} OFFSET 0) r"
        return SQL(text, found.parameters)

    def given(self, reading: Reading) -> str:
        """NULL for null and missing."""
        return self.value(reading).text if reading.part else self.name(self._at(reading)[1])

    def number(self, reading: Reading) -> _Value:
        """The number as it is added up: a float as the decimal that it is written as."""
        if reading.kind == "decimal" and reading.part is None and self._plainly:
            return self._plain_decimal(reading)
        if reading.kind != "float":
            return self.value(reading)
        return _Value("float", self.name(sortable("int", *self._at(reading))), "", _decimal)

    def _plain_decimal(self, reading: Reading) -> _Value:
        """A Decimal that is stored as numbers are written. Its sum tells of NaN and infinities.

        That its own text is what is stored says all that a regular expression would, much faster.
        """
        self.may_fail = True
        json, text = self._at(reading)
        name, given = self.name(f"{text}::numeric"), self.name(json)
        return _Value("decimal", name, f"NOT {given} ? {name}::varchar({_DIGITS})", _decimal)

    def value(self, reading: Reading) -> _Value:
        """The value as it sorts and as it groups."""
        kind, (json, text) = reading.type.kind, self._at(reading)
        if reading.part is not None:
            return _Value("int", self.name(_part(reading.part, kind, text)), "", int)
        if kind in TEXTUAL:
            name = self.name(text)
            odd = self._known(reading) or self._odd_text(kind, name, json)
            return _Value(kind, f'({name} COLLATE "C")', odd, _reading_of(kind))
        name = self.name(sortable(kind, json, text))
        odd = self._known(reading) if kind != "float" else ""
        if not odd:
            given = self.name(text)
            odd = f"{name} IS NULL AND {given} IS NOT NULL"
            if kind == "float":  # of equal numbers the int is shown
                odd = f"({odd} OR strpos({given},'.')=0)"
            elif kind == "int":
                odd = f"({odd} OR scale({name})>0)"
            elif kind in {"decimal", "bigint"}:
                odd = f"({odd} OR {self._type(json)}='number')"
        return _Value(kind, name, odd, _reading_of(kind))

    def _known(self, reading: Reading) -> str:
        """Where an index holds the values of other types, whether there are any."""
        kind = reading.type.kind
        if (reading.path.segments, kind) not in indexed(self._schema):
            return ""
        return any_odd(self._table.name, kind, *self._at(reading))

    def _odd_text(self, kind: str, name: str, json: str) -> str:
        type_of = self._type(json)
        if kind == "str":
            return f"{type_of} NOT IN ('string','null')"
        return f"{name} IS NOT NULL AND NOT ({type_of}='string' AND {fits_form(kind, name)})"

    def _type(self, json: str) -> str:
        return self.name(f"jsonb_typeof({json})")

    def _at(self, reading: Reading) -> tuple[str, str]:
        return expressions(reading.path, Source(self._table.doc))


_DIGITS: Final = 34  # characters: a Decimal of more may be more than docmap takes for one
_PARTS: Final = {"year": (1, 4), "month": (6, 2), "day": (9, 2), "hour": (12, 2)}


def _part(name: str, kind: str, text: str) -> str:
    if kind not in {"date", "datetime"} or (name == "hour" and kind == "date"):
        return "NULL::int"
    if name == "weekday":
        value = f"{weekday_of(text)}::int"
    else:
        start, length = _PARTS[name]
        value = f"substr({text},{start},{length})::int"
    return f"(CASE WHEN {fits_form(kind, text)} THEN {value} END)"


def _decimal(text: bytes) -> Decimal:
    return Decimal(text.decode())


def _reading_of(kind: str) -> Read:
    """What reads the server's text of a sortable value."""
    if kind == "bool":
        return lambda text: text == b"t"
    if kind == "float":
        return float
    if kind in {"int", "bigint"}:
        return int
    if kind == "decimal":
        return _decimal
    read = TEXT_READERS.get(kind)
    if kind == "timedelta" and read is not None:
        return lambda text: read(int(text))
    return (lambda text: read(text.decode())) if read else bytes.decode


# -- grouped by the server


class _Result(NamedTuple):
    """The expressions of one result, how it is made of their texts, what it is not exact for."""

    expressions: tuple[str, ...]
    read: Callable[..., Any]
    odd: str = ""


_FUNCTIONS: Final = frozenset({"count", "min", "max", "sum", "avg"})


def grouped(
    grouping: Grouping, schema: Schema, table: Table, found: SQL, *, plainly: bool = False
) -> Aggregating | None:
    """The form in which the server groups; None if a function has no exact one.

    `found` is the WHERE clause. Adding Decimals `plainly` is fast where nothing but Decimals is
    stored, and fails where what is stored is no number.
    """
    if any(term.function not in _FUNCTIONS for term in grouping.terms):
        return None
    if any(one.path.each or one.type.kind not in SORTABLE for one in grouping.readings):
        return None
    columns = _Columns(schema, table, plainly=plainly)
    keys = [columns.value(key.reading) for key in grouping.keys]
    results = [_result(term, columns) for term in grouping.terms]
    if any(result is None for result in results):
        return None
    return _summary(keys, [one for one in results if one is not None], columns, found)


def _result(term: Term, columns: _Columns) -> _Result | None:
    """The form of a function; None if it has none that is exact."""
    reading = term.reading
    if reading is None:
        return _Result(("count(*)",), int)
    if term.function == "count" and not term.distinct:
        return _Result((f"count({columns.given(reading)})",), int)
    if term.function in {"sum", "avg"}:
        if reading.kind not in NUMERIC:
            return None
        number = columns.number(reading)
        return _Result(_adding(term, number.text), _added(term), number.odd)
    of = columns.value(reading)
    if term.function == "count":
        return _Result((f"count(DISTINCT {of.text})",), int, of.odd)
    if of.kind == "bool":
        return None
    return _Result(
        (f"{term.function}({of.text})",), lambda text: representative(_of(of, text)), of.odd
    )


def _of(value: _Value, text: bytes | None) -> Any:
    return None if text is None else value.read(text)


def _adding(term: Term, number: str) -> tuple[str, ...]:
    return (f"sum({number})", f"count({number})") if term.function == "avg" else (f"sum({number})",)


def _added(term: Term) -> Callable[..., Any]:
    whole = term.reading is not None and term.reading.kind in {"int", "bigint", "timedelta"}

    def result(total: bytes | None, count: bytes | None = b"1") -> Any:
        if total is None:
            return of_total(term, 0, 0)
        return of_total(term, int(total) if whole else _decimal(total), int(count or 0))

    return result


def _summary(
    keys: Sequence[_Value], results: Sequence[_Result], columns: _Columns, found: SQL
) -> Aggregating:
    asked = [*(key.odd for key in keys), *(result.odd for result in results)]
    odd = list(dict.fromkeys(filter(None, asked)))
    flag = f"coalesce(bool_or({' OR '.join(odd)}),FALSE)" if odd else "FALSE"
    selected = [key.text for key in keys]
    selected += [expression for result in results for expression in result.expressions]
    source = columns.source(found)
    text = f"SELECT {', '.join([*selected, flag])} FROM {source.text}"
    if keys:
        text += f" GROUP BY {', '.join(map(str, range(1, len(keys) + 1)))}"

    def groups(batches: Batches) -> list[Row] | None:
        rows: list[Row] = []
        exact, strange = True, _NOT_FINITE if columns.may_fail else frozenset()
        for row in (row for batch in batches for row in batch):  # to the end, which frees the link
            if row[-1] == b"t" or not strange.isdisjoint(row[len(keys) :]):
                exact = False
            if not exact:
                continue
            values = [representative(_of(key, text)) for key, text in zip(keys, row, strict=False)]
            place = len(keys)
            for result in results:
                width = len(result.expressions)
                values.append(result.read(*row[place : place + width]))
                place += width
            rows.append(tuple(values))
        return rows if exact else None

    return Aggregating(SQL(text, source.parameters), groups, columns.may_fail)


_NOT_FINITE: Final = frozenset({b"NaN", b"Infinity", b"-Infinity"})


# -- read column by column


def projected(
    grouping: Grouping, document: str, source: SQL, order: str, flag: SQL
) -> Aggregating | None:
    """The form in which the values are read and accumulated here, whatever their types are.

    `order` are the terms of ORDER BY, and `flag` says whether they sort otherwise than docmap.
    """
    readings = list(dict.fromkeys(grouping.readings))
    if any(one.path.each or is_tag(one.path, one.type) for one in readings):
        return None
    places = {reading: number for number, reading in enumerate(readings)}
    selected = [f"{expressions(one.path, Source(document))[0]}::text" for one in readings]
    text = f"SELECT {', '.join([*selected, flag.text])} {source.text}"
    if order:
        text += f" ORDER BY {order}"
    getters = [_getter(reading) for reading in readings]

    def groups(batches: Batches) -> list[Row] | None:
        found = Groups(grouping)
        for batch in batches:
            if batch and batch[0][-1] == b"t":
                return None
            columns = [
                list(map(get, column))
                for get, column in zip(getters, zip(*batch, strict=True), strict=False)
            ]
            found.add(
                Columns(
                    len(batch),
                    [columns[places[key.reading]] for key in grouping.keys],
                    [
                        batch if term.reading is None else columns[places[term.reading]]
                        for term in grouping.terms
                    ],
                )
            )
        return list(found.rows())

    return Aggregating(SQL(text, (*flag.parameters, *source.parameters)), groups)


def _getter(reading: Reading) -> Callable[[bytes | None], Any]:
    read = reader(reading.type)
    part = reading.below(len(reading.path.segments)).getter()

    def get(text: bytes | None) -> Any:
        if text is None:
            return None
        wire = from_json(text)
        return part(wire if read is None else read(wire))

    return get
