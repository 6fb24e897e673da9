"""What a query must answer, from the documents' logical values and the reference functions alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from docmap.query.evaluate import distinct_values, predicate
from docmap.query.nodes import Node, Not
from docmap.query.paths import Path, getter
from docmap.values import order_key
from tests.differential.asks import Query, meaning
from tests.differential.zoo import Record


def answer(query: Query, records: Sequence[Record]) -> list[Record]:
    """The matching records; in the promised order, if one is, and cut by the slices."""
    found = [record for record in records if matches(query, record)]
    if not query.ordered:
        return found
    descending = query.order[-1].descending if query.order else False
    terms = [(Path(order.place.stored), order.descending) for order in query.order]
    # Sorting is stable: the last criterion first, the key before it.
    for place, reverse in reversed([*terms, (Path(("id",)), descending)]):
        get = getter(place)
        found.sort(key=lambda record: order_key(get(record.values)), reverse=reverse)  # noqa: B023
    for start, stop in query.slices:
        found = found[start:stop]
    return found


def matches(query: Query, record: Record) -> bool:
    """True if the query's condition holds for the record."""
    if query.condition is None:
        return True
    node: Node = meaning(query.condition)
    return predicate(Not(node) if query.where_not else node)(record.values)


def values(query: Query, records: Sequence[Record]) -> list[Any]:
    """What `values` must give."""
    assert query.values is not None
    trees = [record.values for record in answer(query, records)]
    return distinct_values(trees, Path(query.values.stored), nulls=query.nulls)


def exact(value: Any) -> Any:
    """`value` with its types, so that 1, 1.0, True and Decimal("1.0") differ."""
    if isinstance(value, dict):
        return ("dict", tuple((name, exact(value[name])) for name in sorted(value)))
    if isinstance(value, list):
        return ("list", tuple(map(exact, value)))
    return (type(value).__name__, str(value))
