"""Aggregates on MongoDB: grouped by the server where that is exact, else of the fields alone.

The server adds whole numbers exactly and rounds sums of Decimals, and its groups are docmap's only
where all that is stored at a place is of one type. Of all else it sends the fields that are asked
for, and the reference functions make the groups.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from math import isfinite
from typing import Any, Final, NamedTuple

from bson import Int64

from docmap.errors import StorageError, Unavailable, Unsupported
from docmap.plan.engine import EnginePlan, NativeAggregate, NativeQuery
from docmap.query.accumulators import of_total
from docmap.query.aggregates import Grouping, Key, Reading, Term, part_of
from docmap.query.groups import Columns, Groups, Row
from docmap.schema.schema import Schema
from docmap.values import INT_MAX, MISSING, same_number
from docmap_backends._mongodb_explain import explained, explained_pipeline
from docmap_backends._mongodb_fields import stored_top
from docmap_backends._mongodb_names import ID
from docmap_backends._mongodb_queries import (
    MongoQueries,
    field_name,
    logical_reader,
    logical_value,
    render,
)
from docmap_backends._mongodb_values import to_data

_BATCH: Final = 2_000
Read = Callable[..., Any]


class _Column(NamedTuple):
    """An expression of the server, and how its value is read."""

    expression: Any
    read: Read


class _Result(NamedTuple):
    """The accumulators of one result, and how it is made of their values."""

    accumulators: tuple[dict[str, Any], ...]
    read: Read


class _Pipeline(NamedTuple):
    """What is sent, and what makes a group of a row."""

    stages: list[dict[str, Any]]
    row: Callable[[dict[str, Any]], Row]


class MongoAggregates(MongoQueries):
    """The aggregating part of `mongodb.MongoDBStorage`."""

    def _aggregate(self, schema: Schema, asked: NativeAggregate) -> Iterable[Row] | None:
        made = self._pipeline(schema, asked)
        if made is not None:
            try:
                rows = self._aggregated(self._collection(schema), made.stages)
                found = [made.row(row) for row in rows]
            except Unavailable:
                raise
            except (StorageError, Unsupported, _Inexact):
                pass  # from the fields, which finds out what it is
            else:
                if not found and not asked.grouping.keys:
                    return Groups(asked.grouping).rows()
                return found
        groups, columns = Groups(asked.grouping), self._columns(schema, asked.grouping)
        for documents in self._fields(schema, asked):
            if columns is not None:
                groups.add(columns(documents))
            else:
                groups.add_trees([schema.codec.tree(to_data(schema, one)) for one in documents])
        return groups.rows()

    def _explain_aggregate(self, schema: Schema, asked: NativeAggregate) -> EnginePlan | None:
        made = self._pipeline(schema, asked)
        if made is not None:
            return explained_pipeline(self, schema, made.stages)
        query = NativeQuery(asked.condition, asked.order)
        return explained(self, schema, self._search(schema, query))

    def _fields(self, schema: Schema, asked: NativeAggregate) -> Iterator[list[dict[str, Any]]]:
        """The documents with the fields that are asked for alone."""
        collection = self._collection(schema)
        search = self._search(schema, NativeQuery(asked.condition, asked.order))
        names = {str(reading.path.segments[0]) for reading in asked.grouping.readings}
        if schema.family is not None:
            names.add(schema.family.field)  # which tells how the others are stored
        only = {stored_top(name, schema.key_field.stored): 1 for name in sorted(names)}
        if ID not in only:
            only = {**only, ID: 0} if only else {ID: 1}
        cursor = collection.find(
            search.filter,
            only,
            sort=list(search.sort) or None,
            batch_size=_BATCH,
            session=self._session,
        )
        try:
            while found := self._run(lambda: cursor.to_list(_BATCH)):
                yield found
        finally:
            self._client.close_cursor(cursor)

    def _columns(
        self, schema: Schema, grouping: Grouping
    ) -> Callable[[list[dict[str, Any]]], Columns] | None:
        """What makes columns of documents, each value converted alone; None for trees of them.

        That is where all that is stored at the places is known to be of one scalar type.
        """
        readings = grouping.readings
        alone = schema.family is None or schema.family.alone
        if not alone or not all(
            not one.path.each and self.trusts(schema, one.path, one.type) for one in readings
        ):
            return None
        keys = [_value_of(schema, key.reading) for key in grouping.keys]
        terms = [
            None if term.reading is None else _value_of(schema, term.reading)
            for term in grouping.terms
        ]

        def columns(documents: list[dict[str, Any]]) -> Columns:
            return Columns(
                len(documents),
                [list(map(read, documents)) for read in keys],
                [documents if read is None else list(map(read, documents)) for read in terms],
            )

        return columns

    def _pipeline(self, schema: Schema, asked: NativeAggregate) -> _Pipeline | None:
        """The form of what is asked as groups of the server; None where that is not exact."""
        keys = [self._key(schema, key) for key in asked.grouping.keys]
        results = [self._result(schema, term) for term in asked.grouping.terms]
        known_keys = [key for key in keys if key is not None]
        known = [result for result in results if result is not None]
        if len(known_keys) < len(keys) or len(known) < len(results):
            return None
        by: Any = {f"k{i}": key.expression for i, key in enumerate(known_keys)} if keys else None
        group: dict[str, Any] = {ID: known_keys[0].expression if len(keys) == 1 else by}
        names: dict[str, str] = {}  # what two results need is asked for once
        places: list[list[str]] = []
        for result in known:
            place = [names.setdefault(repr(one), f"r{len(names)}") for one in result.accumulators]
            group.update(zip(place, result.accumulators, strict=True))
            places.append(place)
        stages = [{"$match": render(asked.condition)}] if asked.condition is not None else []
        return _Pipeline([*stages, {"$group": group}], _reader(known_keys, known, places))

    def _key(self, schema: Schema, key: Key) -> _Column | None:
        column = self._column(schema, key.reading)
        if column is None or key.reading.kind == "float":
            return None
        # Missing and null are one group, as they are one value.
        return _Column({"$ifNull": [column.expression, None]}, column.read)

    def _column(self, schema: Schema, reading: Reading) -> _Column | None:
        kind, path = reading.type, reading.path
        if path.each or not self.trusts(schema, path, kind):
            return None
        if kind.kind in {"bigint", "bytes"} or (kind.kind == "decimal" and not self.exact_numbers):
            return None
        expression = f"${field_name(schema, path)}"
        if reading.part is not None:
            part = _PARTS.get(reading.part)
            if part is None or kind.kind != "datetime" or kind.microseconds:
                return None
            return _Column(part(expression), _whole)
        return _Column(expression, lambda value: same_number(logical_value(kind, value)))

    def _result(self, schema: Schema, term: Term) -> _Result | None:
        if term.reading is None:
            return _Result(({"$sum": 1},), int)
        column = self._column(schema, term.reading)
        if column is None or term.distinct:
            return None
        expression = column.expression
        there = {"$sum": {"$cond": [{"$eq": [{"$ifNull": [expression, None]}, None]}, 0, 1]}}
        kind = term.reading.kind
        match term.function:
            case "count":
                return _Result((there,), int)
            case "min" | "max" if self._compares(kind):
                return _Result(({f"${term.function}": expression},), column.read)
            case "sum" | "avg" if kind in _ADDED:
                read = partial(_added, term, _ADDED[kind])
                ends = () if kind == "float" else ({"$min": expression}, {"$max": expression})
                return _Result(({"$sum": expression}, there, *ends), read)
        return None

    def _compares(self, kind: str) -> bool:
        """True if the server orders values of a kind; some take large floats for each other."""
        if kind == "float":
            return self.exact_numbers
        return kind != "str" or self.code_point_order


class _Inexact(Exception):
    """The server gave a sum that is not exact."""


_PARTS: Final[dict[str, Callable[[str], Any]]] = {
    "year": lambda value: {"$year": value},
    "month": lambda value: {"$month": value},
    "day": lambda value: {"$dayOfMonth": value},
    "hour": lambda value: {"$hour": value},
    "weekday": lambda value: {"$subtract": [{"$isoDayOfWeek": value}, 1]},
}


def _value_of(schema: Schema, reading: Reading) -> Read:
    """What reads a place of a document where values of its declared type are stored."""
    *parents, last = field_name(schema, reading.path).split(".")
    convert, part = logical_reader(reading.type), reading.part

    def value(document: Any) -> Any:
        for name in parents:
            document = document.get(name)
            if type(document) is not dict:
                return MISSING
        found = document.get(last, MISSING)
        if found is None or found is MISSING:
            return found
        held = convert(found)
        return held if part is None else part_of(part, held)

    return value


def _whole(value: Any) -> int | None:
    return None if value is None else int(value)


def _exact(total: Any, size: int, least: Any, most: Any) -> int:
    """A sum of whole numbers, if none of the partial sums can be beyond 64 bits."""
    largest = max(abs(int(least or 0)), abs(int(most or 0)))
    if type(total) not in {int, Int64} or largest * size > INT_MAX:
        raise _Inexact
    return int(total)


def _finite(total: Any, size: int, *_: Any) -> float:
    if not isfinite(total):
        raise _Inexact
    return float(total) + 0.0


def _added(term: Term, add: Read, *held: Any) -> Any:
    size = held[1]
    return of_total(term, add(*held) if size else 0, size)


_ADDED: Final[dict[str, Read]] = {"int": _exact, "timedelta": _exact, "float": _finite}


def _reader(
    keys: Sequence[_Column], results: Sequence[_Result], places: Sequence[Sequence[str]]
) -> Callable[[dict[str, Any]], Row]:
    def row(document: dict[str, Any]) -> Row:
        by = document.get(ID)
        if len(keys) == 1:
            found = [keys[0].read(by)]
        else:
            held = by or {}
            found = [key.read(held.get(f"k{i}")) for i, key in enumerate(keys)]
        found += [
            result.read(*(document[name] for name in place))
            for result, place in zip(results, places, strict=True)
        ]
        return tuple(found)

    return row
