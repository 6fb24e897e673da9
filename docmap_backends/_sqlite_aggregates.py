"""Aggregates as SQLite statements: grouped by SQLite where its functions are exact, else projected.

SQLite adds integers in 64 bits and floats with rounding, and knows no Decimals: what it cannot do
exactly is selected, column by column, and accumulated by the reference functions. Either way only
the places that are asked for are read, and only where all that is stored there is of one type.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple

from docmap.plan.engine import FieldCodec
from docmap.query.aggregates import Grouping, Reading, Term
from docmap.query.groups import Columns, Groups, Row
from docmap.schema.schema import Schema
from docmap.schema.types import ANY
from docmap.schema.wire import TEXT_READERS
from docmap.values import key_number, same_number
from docmap_backends._sql import SQL
from docmap_backends._sql_places import Place, place_of

Read = Callable[[Any], Any]

_KEYED: Final = frozenset({"decimal", "bigint"})
_SCALARS: Final = _KEYED | frozenset(
    "bool int float str bytes datetime date time timedelta uuid objectid".split()
)
_PARTS: Final[Mapping[str, str]] = {
    "year": "CAST(substr({0},1,4) AS INTEGER)",
    "month": "CAST(substr({0},6,2) AS INTEGER)",
    "day": "CAST(substr({0},9,2) AS INTEGER)",
    "hour": "CAST(substr({0},12,2) AS INTEGER)",
    "weekday": "(CAST(strftime('%w',substr({0},1,10)) AS INTEGER)+6)%7",
}


class Aggregating(NamedTuple):
    """A statement, and what makes the groups of the batches of its rows."""

    statement: SQL
    groups: Callable[[Iterable[list[Any]]], Iterable[Row]]


class _Column(NamedTuple):
    """One place: an expression that sorts and compares as its values do, and how it is read."""

    kind: str
    value: str
    """Of numbers that SQLite lacks, the sortable key."""
    stored: str
    """The value as it is written, scale and all."""
    whole: str
    """True where a float was written as a whole number."""


def aggregating(
    engine: Any, schema: Schema, grouping: Grouping, source: SQL, order: str
) -> Aggregating | None:
    """The form of what is asked; None where SQLite cannot tell what is stored.

    `source` is the FROM and WHERE clause, `order` the terms of ORDER BY, if there are any.
    """
    columns: dict[Reading, _Column] = {}
    for reading in grouping.readings:
        column = _column(engine, schema, reading)
        if column is None:
            return None
        columns[reading] = column
    keys = [columns[key.reading] for key in grouping.keys]
    terms = [columns[term.reading] if term.reading else None for term in grouping.terms]
    results = [_summarised(term, of) for term, of in zip(grouping.terms, terms, strict=True)]
    known = [result for result in results if result is not None]
    if len(known) == len(results) and not any(key.kind == "float" for key in keys):
        return _summary(keys, known, source)
    if order:
        source = SQL(f"{source.text} ORDER BY {order}", source.parameters)
    return _projection(grouping, keys, terms, source)


def _column(engine: Any, schema: Schema, reading: Reading) -> _Column | None:
    declared = reading.type.kind
    if declared not in _SCALARS or not engine.trusts(schema, reading.path, reading.type):
        return None
    place = place_of(reading.path, FieldCodec(reading.type, schema, engine))
    if reading.part is not None:
        part = _PARTS[reading.part].format(place.value)
        return _Column("int", part, part, "")
    # The key column of a Decimal has one text for 1.1 and 1.10, that of a float 5.0 for 5.
    seen = _seen(engine, schema, reading) if declared in _KEYED or declared == "float" else place
    stored = seen.value if declared in _KEYED else place.value
    return _Column(declared, place.value, stored, f"{seen.type} IS 'integer'")


def _seen(engine: Any, schema: Schema, reading: Reading) -> Place:
    return place_of(reading.path, FieldCodec(ANY, schema, engine))


# -- grouped by SQLite


class _Result(NamedTuple):
    """The expressions of one result, and how it is made of their values."""

    expressions: tuple[str, ...]
    read: Callable[..., Any]


def _summarised(term: Term, of: _Column | None) -> _Result | None:
    """The form of a function that is exact in SQLite; None if there is none."""
    if of is None:
        return _Result(("count(*)",), int)
    value = of.value
    match term.function:
        case "count":
            return _Result((f"count({'DISTINCT ' if term.distinct else ''}{value})",), int)
        case "min" | "max" if of.kind != "float":
            return _Result((f"{term.function}({value})",), _nullable(_of_value(of.kind)))
        case "sum" if of.kind == "int":
            return _Result(_halves(value), _joined)
        case "avg" if of.kind == "int":
            return _Result((*_halves(value), f"count({value})"), _average)
    return None


def _halves(value: str) -> tuple[str, str]:
    """Sums that stay within 64 bits for two thousand million documents."""
    return f"sum({value}>>32)", f"sum({value}&4294967295)"


def _joined(high: int | None, low: int | None) -> int:
    return ((high or 0) << 32) + (low or 0)


def _average(high: int | None, low: int | None, count: int) -> float | None:
    return _joined(high, low) / count if count else None


def _summary(keys: Sequence[_Column], results: Sequence[_Result], source: SQL) -> Aggregating:
    values = [key.value for key in keys]
    values += [expression for result in results for expression in result.expressions]
    text = f"SELECT {', '.join(values or ['count(*)'])} {source.text}"
    if keys:
        text += f" GROUP BY {', '.join(map(str, range(1, len(keys) + 1)))}"
    readers = [_nullable(_of_value(key.kind)) for key in keys]
    widths = [len(result.expressions) for result in results]

    def groups(batches: Iterable[list[Any]]) -> Iterator[Row]:
        for row in (row for batch in batches for row in batch):
            found = [read(value) for read, value in zip(readers, row, strict=False)]
            place = len(keys)
            for result, width in zip(results, widths, strict=True):
                found.append(result.read(*row[place : place + width]))
                place += width
            yield tuple(found)

    return Aggregating(SQL(text, source.parameters), groups)


# -- projected, and accumulated by the reference functions


class _Projected(NamedTuple):
    """The expressions of one column, how it is read before accumulating, and the result after."""

    expressions: tuple[str, ...]
    before: Callable[..., Sequence[Any]] | None = None
    after: Read | None = None


def _projected(term: Term, of: _Column | None, *, parsed: bool) -> _Projected:
    """The form of a function; `parsed` if SQLite parses the document for another column anyway."""
    if of is None:
        return _Projected(())
    if term.function == "count":
        return _Projected((of.value,))
    if term.function in {"sum", "avg"}:
        if of.kind == "decimal" and parsed:
            return _Projected((of.stored,), _written_decimals)  # read five times faster than keys
        return _Projected((of.value,), _ADDED.get(of.kind))
    if of.kind == "float":
        return _Projected((of.value, of.whole), _floats)
    if term.function in {"min", "max"}:
        return _Projected((of.value,), None, _nullable(_of_value(of.kind)))
    read = _nullable(_of_stored(of.kind))
    if term.function == "collect":
        return _Projected((of.stored,), None, lambda values: [read(value) for value in values])
    return _Projected((of.stored,), None, read)


def _key(of: _Column) -> _Projected:
    if of.kind == "float":
        return _Projected((of.value, of.whole), _floats)
    return _Projected((of.value,), None, _nullable(_of_value(of.kind)))


def _projection(
    grouping: Grouping,
    keys: Sequence[_Column],
    terms: Sequence[_Column | None],
    source: SQL,
) -> Aggregating:
    columns = [_key(key) for key in keys]
    parsed = any("json" in of.value for of in (*keys, *terms) if of is not None)
    columns += [
        _projected(term, of, parsed=parsed) for term, of in zip(grouping.terms, terms, strict=True)
    ]
    # Each expression once: a function may be asked of the key, or two of one place.
    selected = list(dict.fromkeys(text for one in columns for text in one.expressions))
    places = [tuple(selected.index(text) for text in one.expressions) for one in columns]
    count = len(keys)

    def groups(batches: Iterable[list[Any]]) -> Iterator[Row]:
        found = Groups(grouping)
        for batch in batches:
            values = list(zip(*batch, strict=True))
            read = [
                _read(one, place, values, batch) for one, place in zip(columns, places, strict=True)
            ]
            found.add(Columns(len(batch), read[:count], read[count:]))
        for row in found.rows():
            yield tuple(
                value if one.after is None else one.after(value)
                for one, value in zip(columns, row, strict=True)
            )

    text = f"SELECT {', '.join(selected)} {source.text}"
    return Aggregating(SQL(text, source.parameters), groups)


def _read(
    one: _Projected, places: tuple[int, ...], values: Sequence[Any], batch: Sequence[Any]
) -> Sequence[Any]:
    if not places:
        return batch
    if one.before is None:
        return values[places[0]]  # type: ignore[no-any-return]
    return one.before(*(values[place] for place in places))


def _floats(values: Sequence[Any], whole: Sequence[Any]) -> Sequence[Any]:
    if not any(whole):
        return values
    return [int(value) if flag else value for value, flag in zip(values, whole, strict=True)]


def _decimals(keys: Sequence[Any]) -> Sequence[Any]:
    return [None if key is None else key_number(key) for key in keys]


def _written_decimals(texts: Sequence[Any]) -> Sequence[Any]:
    return [None if text is None else Decimal(text.decode()) for text in texts]


def _big_ints(keys: Sequence[Any]) -> Sequence[Any]:
    return [None if key is None else int(key_number(key)) for key in keys]


def _durations(values: Sequence[Any]) -> Sequence[Any]:
    return [None if one is None else timedelta(microseconds=one) for one in values]


_ADDED: Final[Mapping[str, Callable[[Sequence[Any]], Sequence[Any]]]] = {
    "decimal": _decimals,
    "bigint": _big_ints,
    "timedelta": _durations,
}


# -- from SQLite's values to logical ones


def _of_value(kind: str) -> Read:
    if kind == "decimal":
        return lambda key: same_number(key_number(key))
    if kind == "bigint":
        return lambda key: int(key_number(key))
    return _of_stored(kind)


def _of_stored(kind: str) -> Read:
    if kind == "bool":
        return bool
    read = TEXT_READERS.get(kind)
    if kind in {"int", "timedelta"}:
        return read or int
    return (lambda text: read(text.decode())) if read else bytes.decode


def _nullable(read: Read) -> Read:
    return lambda value: None if value is None else read(value)
