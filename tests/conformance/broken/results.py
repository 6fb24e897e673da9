"""Adapters that find the right documents and give the wrong answer: order, slices, values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any

from docmap.plan.engine import EnginePlan, NativeAggregate, NativeQuery, Record
from docmap.query.evaluate import sorted_by
from docmap.query.groups import Row
from docmap.query.order import OrderTerm
from docmap.query.paths import Path, getter
from docmap.schema.schema import Schema
from docmap.schema.types import FieldType
from docmap.values import MISSING
from tests.conformance.broken.catalogue import broken
from tests.conformance.broken.sound import SoundStorage

Match = tuple[Any, Record]


@broken("order")
class SliceIsOneTooLong(SoundStorage):
    """A slice ends one document too late."""

    def cut(self, matches: list[Match], offset: int, limit: int | None) -> Iterable[Match]:
        return super().cut(matches, offset, limit if limit is None else limit + 1)


@broken("order")
class SliceForgetsItsStart(SoundStorage):
    """A slice with an end begins where it should; without an end it begins at the first match."""

    def cut(self, matches: list[Match], offset: int, limit: int | None) -> Iterable[Match]:
        return super().cut(matches, offset if limit is not None else 0, limit)


@broken("order")
class BeyondTheEndIsTheLast(SoundStorage):
    """A slice that begins beyond the end begins at the last match."""

    def cut(self, matches: list[Match], offset: int, limit: int | None) -> Iterable[Match]:
        return super().cut(matches, min(offset, max(len(matches) - 1, 0)), limit)


@broken("order")
class TiesAscend(SoundStorage):
    """Documents that are equal in a descending order come in the ascending order of their keys."""

    def in_order(self, matches: list[Match], order: Sequence[OrderTerm]) -> list[Match]:
        if len(order) > 1 and order[-1].descending:
            order = (*order[:-1], OrderTerm(order[-1].path))
        return super().in_order(matches, order)


@broken("order")
class TiesStayAsTheyCame(SoundStorage):
    """Documents that are equal in an order come as they were stored."""

    def in_order(self, matches: list[Match], order: Sequence[OrderTerm]) -> list[Match]:
        return super().in_order(matches, order[:-1] if len(order) > 1 else order)


@broken("order")
class NullsLast(SoundStorage):
    """Null comes last ascending, as PostgreSQL has it."""

    def in_order(self, matches: list[Match], order: Sequence[OrderTerm]) -> list[Match]:
        found = super().in_order(matches, order)
        get = getter(order[0].path)
        nulls = [one for one in found if get(one[0]) in (None, MISSING)]
        others = [one for one in found if get(one[0]) not in (None, MISSING)]
        return nulls + others if order[0].descending else others + nulls


@broken("order")
class OrderFoldsCase(SoundStorage):
    """Text is ordered as a dictionary has it, without regard to case."""

    def in_order(self, matches: list[Match], order: Sequence[OrderTerm]) -> list[Match]:
        folded = [({**tree, "": record}, record) for tree, record in matches]
        for tree, _ in folded:
            for name, value in tree.items():
                if isinstance(value, str) and not any(t.path == Path(("id",)) for t in order[:1]):
                    tree[name] = value.casefold() if name != "id" else value
        return sorted_by(folded, order, lambda one: one[0], None)


@broken("order")
class OrderByText(SoundStorage):
    """Numbers are ordered as they are written."""

    def in_order(self, matches: list[Match], order: Sequence[OrderTerm]) -> list[Match]:
        number = (int, float, Decimal)
        written = [
            ({k: str(v) if type(v) in number else v for k, v in tree.items()}, record)
            for tree, record in matches
        ]
        return sorted_by(written, order, lambda one: one[0], None)


@broken("order")
class SecondOrderIsForgotten(SoundStorage):
    """Of an order by several fields only the first and the key count."""

    def in_order(self, matches: list[Match], order: Sequence[OrderTerm]) -> list[Match]:
        return super().in_order(matches, (order[0], order[-1]))


@broken("order")
class DirectionsAreOne(SoundStorage):
    """Of an order in several directions the first is taken for all."""

    def in_order(self, matches: list[Match], order: Sequence[OrderTerm]) -> list[Match]:
        first = order[0].descending
        return super().in_order(matches, [OrderTerm(term.path, first) for term in order])


@broken("logic")
class CountsAll(SoundStorage):
    """`count` counts the whole collection, whatever the condition."""

    def _count(self, schema: Schema, condition: Any) -> int:
        return super()._count(schema, None)


@broken("values")
class DistinctMergesTypes(SoundStorage):
    """The distinct values of 1, 1.0 and True are one."""

    def _distinct(self, schema: Schema, path: Path, kind: FieldType, condition: Any) -> Any:
        found: list[Any] = []
        for value in super()._distinct(schema, path, kind, condition):
            if value not in found:
                found.append(value)
        return found


@broken("values")
class DistinctFoldsCase(SoundStorage):
    """The distinct values of "a" and "A" are one."""

    def _distinct(self, schema: Schema, path: Path, kind: FieldType, condition: Any) -> Any:
        found = super()._distinct(schema, path, kind, condition)
        return list(
            {one.casefold() if isinstance(one, str) else repr(one): one for one in found}.values()
        )


@broken("values")
class DistinctOfAll(SoundStorage):
    """`values` gives those of the whole collection, whatever the condition."""

    def _distinct(self, schema: Schema, path: Path, kind: FieldType, condition: Any) -> Any:
        return super()._distinct(schema, path, kind, None)


@broken("paging")
class PagesHaveOnePart(SoundStorage):
    """Of a page that goes on behind a position only the first part is read."""

    def found(self, schema: Schema, query: NativeQuery) -> Iterable[Match]:
        if len(query.parts) > 1:
            first = query.parts[0]
            query = first._replace(offset=query.offset, limit=query.limit)
        return super().found(schema, query)


@broken("logic")
class MatchesAreRepeated(SoundStorage):
    """A document that matches two conditions between which OR stands comes twice."""

    def found(self, schema: Schema, query: NativeQuery) -> Iterable[Match]:
        found = list(super().found(schema, query))
        condition = query.condition
        if type(condition).__name__ == "Or" and query.limit is None:
            tests = [self.holds(child) for child in condition.children]
            return [one for one in found for test in tests if test(one[0])]
        return found


@broken("read")
class ReadsSeeLaterWrites(SoundStorage):
    """A stream shows what was written since it began."""

    def _scan(self, schema: Schema) -> Iterator[Record]:
        place = 0
        while place < len(records := list(self.table(schema).records.values())):
            yield records[place]
            place += 1

    def _find(self, schema: Schema, query: NativeQuery) -> Iterator[Record]:
        if query.order or query.offset or query.limit is not None:
            yield from super()._find(schema, query)
            return
        test = self.holds(query.condition)
        yield from (record for record in self._scan(schema) if test(schema.codec.tree(record[0])))


@broken("read")
class StreamsAreCut(SoundStorage):
    """A query gives at most 100 documents."""

    def _find(self, schema: Schema, query: NativeQuery) -> Iterator[Record]:
        return iter(list(super()._find(schema, query))[:100])


@broken("aggregates")
class SumsAreFloats(SoundStorage):
    """Sums and averages of Decimals are those of floats."""

    def _aggregate(self, schema: Schema, asked: NativeAggregate) -> Iterable[Row] | None:
        keys = len(asked.grouping.keys)
        rows = super()._aggregate(schema, asked) or ()
        return [
            (*row[:keys], *(float(v) if type(v) is Decimal else v for v in row[keys:]))
            for row in rows
        ]


@broken("aggregates")
class NullIsNoGroup(SoundStorage):
    """Documents without a value at the key are in no group."""

    def _aggregate(self, schema: Schema, asked: NativeAggregate) -> Iterable[Row] | None:
        keys = len(asked.grouping.keys)
        rows = super()._aggregate(schema, asked) or ()
        return [row for row in rows if None not in row[:keys]]


@broken("aggregates")
class AggregatesOfAll(SoundStorage):
    """Aggregates are of the whole collection, whatever the condition."""

    def _aggregate(self, schema: Schema, asked: NativeAggregate) -> Iterable[Row] | None:
        return super()._aggregate(schema, asked._replace(condition=None))


@broken("aggregates")
class EmptySumIsNull(SoundStorage):
    """A sum over nothing is null, as SQL has it."""

    def _aggregate(self, schema: Schema, asked: NativeAggregate) -> Iterable[Row] | None:
        keys = len(asked.grouping.keys)
        rows = super()._aggregate(schema, asked) or ()
        return [(*row[:keys], *(value or None for value in row[keys:])) for row in rows]


@broken("explain:without")
class ExplainsAnIndex(SoundStorage):
    """`explain` says that an index is used, and that nothing is scanned."""

    def _explain(self, schema: Schema, query: NativeQuery) -> EnginePlan:
        return EnginePlan(("(imaginary)",), scan=False, documents=self._count(schema, None))
