"""What a query must answer: from the logical values, by the reference functions alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from docmap.query.evaluate import Predicate, distinct_values, predicate
from docmap.query.nodes import Node, Not
from docmap.query.paths import Path, getter
from docmap.values import order_key
from tests.differential.asks import Query, meaning
from tests.differential.zoo import Record


def answer(query: Query, records: Sequence[Record]) -> list[Record]:
    """The matching records; in the promised order, if one is, and cut by the slices."""
    matches = condition(query)
    found = [record for record in records if matches(record.values)]
    if not query.ordered:
        return found
    terms: dict[Path, bool] = {}
    for order in query.order:
        terms.setdefault(Path(order.place.stored), order.descending)
    descending = list(terms.values())[-1] if terms else False
    # Sorting is stable: the last criterion first, the key before it.
    for place, reverse in reversed([*terms.items(), (Path(("id",)), descending)]):
        get = getter(place)
        found.sort(key=lambda record: order_key(get(record.values)), reverse=reverse)
    for start, stop in query.slices:
        found = found[start:stop]
    return found


def condition(query: Query) -> Predicate:
    """The query's condition by the reference functions."""
    if query.condition is None:
        return lambda _: True
    node: Node = meaning(query.condition)
    return predicate(Not(node) if query.where_not else node)


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
