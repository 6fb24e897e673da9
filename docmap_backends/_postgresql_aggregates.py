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
from docmap.schema.wire import TEXT_READERS
from docmap_backends._postgresql_places import (
    NUMERIC,
    SORTABLE,
    Source,
    expressions,
    fits_form,
    misfit,
    sortable,
)
from docmap_backends._postgresql_text import weekday_of
from docmap_backends._sql import SQL

Read = Callable[[bytes], Any]
Batches = Iterable[Sequence[Sequence[bytes | None]]]


class Aggregating(NamedTuple):
    """A statement, and what makes the groups of the batches of its rows."""

    statement: SQL
    groups: Callable[[Batches], list[Row] | None]
    """None where values are stored that the statement is not exact for."""


class _Column(NamedTuple):
    """One place: an expression that sorts as its values do, how it is read, what it leaves out."""

    kind: str
    json: str
    value: str
    text: str
    """NULL for null and missing."""
    odd: str
    """A condition for a value that is not of the declared type; empty if there can be none."""
    read: Read


def grouped(grouping: Grouping, document: str, source: SQL) -> Aggregating | None:
    """The form in which the server groups; None if a function has no exact one.

    `source` is the FROM and WHERE clause, `document` the column of the documents.
    """
    if any(term.function not in _FUNCTIONS for term in grouping.terms):
        return None
    columns: dict[Reading, _Column] = {}
    for reading in grouping.readings:
        column = _column(reading, document)
        if column is None:
            return None
        columns[reading] = column
    keys = [columns[key.reading] for key in grouping.keys]
    results = [
        _result(term, columns[term.reading] if term.reading else None) for term in grouping.terms
    ]
    if any(result is None for result in results):
        return None
    return _summary(keys, [one for one in results if one is not None], columns.values(), source)


def _column(reading: Reading, document: str) -> _Column | None:
    kind = reading.type.kind
    if reading.path.each or kind not in SORTABLE:
        return None
    json, text = expressions(reading.path, Source(document))
    if reading.part is not None:
        part = _part(reading.part, kind, text)
        return _Column("int", part, part, part, "", int)
    odd = misfit(kind, json, text)
    if kind == "float":  # of equal numbers the int is shown
        number = f"jsonb_typeof({json})='number' AND scale(({json})::numeric)=0"
        odd = f"({odd} OR (CASE WHEN {number} THEN TRUE ELSE FALSE END))"
    return _Column(kind, json, sortable(kind, json, text), text, odd, _reading_of(kind))


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


def _reading_of(kind: str) -> Read:
    """What reads the server's text of a sortable value."""
    if kind == "bool":
        return lambda text: text == b"t"
    if kind == "float":
        return float
    if kind in {"int", "bigint"}:
        return int
    if kind == "decimal":
        return lambda text: Decimal(text.decode())
    read = TEXT_READERS.get(kind)
    if kind == "timedelta" and read is not None:
        return lambda text: read(int(text))
    return (lambda text: read(text.decode())) if read else bytes.decode


# -- grouped by the server


class _Result(NamedTuple):
    """The expressions of one result, and how it is made of their texts."""

    expressions: tuple[str, ...]
    read: Callable[..., Any]


_FUNCTIONS: Final = frozenset({"count", "min", "max", "sum", "avg"})


def _result(term: Term, of: _Column | None) -> _Result | None:
    """The form of a function; None if it has none that is exact."""
    if of is None:
        return _Result(("count(*)",), int)
    match term.function:
        case "count" if term.distinct:
            return _Result((f"count(DISTINCT {of.value})",), int)
        case "count":
            return _Result((f"count({of.text})",), int)
        case "min" | "max" if of.kind != "bool":
            return _Result(
                (f"{term.function}({of.value})",), lambda text: representative(_of(of, text))
            )
        case "sum" | "avg" if of.kind in NUMERIC:
            # Floats are added as the decimals that they are written as.
            number = sortable("int", of.json, of.text) if of.kind == "float" else of.value
            return _Result((f"sum({number})", f"count({number})"), _adding(term, of))
    return None


def _of(column: _Column, text: bytes | None) -> Any:
    return None if text is None else column.read(text)


def _adding(term: Term, of: _Column) -> Callable[[bytes | None, bytes | None], Any]:
    whole = of.kind in {"int", "bigint", "timedelta"}

    def result(total: bytes | None, count: bytes | None) -> Any:
        text = b"0" if total is None else total
        return of_total(term, int(text) if whole else Decimal(text.decode()), int(count or 0))

    return result


def _summary(
    keys: Sequence[_Column], results: Sequence[_Result], columns: Iterable[_Column], source: SQL
) -> Aggregating:
    odd = list(dict.fromkeys(column.odd for column in columns if column.odd))
    flag = f"coalesce(bool_or({' OR '.join(odd)}),FALSE)" if odd else "FALSE"
    selected = [key.value for key in keys]
    selected += [expression for result in results for expression in result.expressions]
    text = f"SELECT {', '.join([*selected, flag])} {source.text}"
    if keys:
        text += f" GROUP BY {', '.join(map(str, range(1, len(keys) + 1)))}"

    def groups(batches: Batches) -> list[Row] | None:
        found: list[Row] = []
        for row in (row for batch in batches for row in batch):
            if row[-1] == b"t":
                return None
            values = [representative(_of(key, text)) for key, text in zip(keys, row, strict=False)]
            place = len(keys)
            for result in results:
                width = len(result.expressions)
                values.append(result.read(*row[place : place + width]))
                place += width
            found.append(tuple(values))
        return found

    return Aggregating(SQL(text, source.parameters), groups)


# -- read column by column


def projected(
    grouping: Grouping, document: str, source: SQL, order: str, flag: SQL
) -> Aggregating | None:
    """The form in which the values are read and accumulated here, whatever their types are.

    `order` are the terms of ORDER BY, and `flag` says whether they sort otherwise than docmap.
    """
    readings = list(dict.fromkeys(grouping.readings))
    if any(reading.path.each for reading in readings):
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
