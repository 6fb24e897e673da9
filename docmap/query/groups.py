"""Grouping documents: what `group_by` and aggregate functions mean, over logical trees."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any, NamedTuple

from docmap.query.accumulators import NUMBERS, PLAIN, Accumulator, accumulator, identity
from docmap.query.aggregates import Grouping, Reading, is_null
from docmap.query.paths import EACH, Path, getter
from docmap.values import MISSING, distinct, order_key

Row = tuple[Any, ...]
"""One group: its keys, then the results of the functions."""


def aggregate(trees: Iterable[Any], grouping: Grouping) -> list[Row]:
    """The groups of the documents in the order of their keys.

    Raises InvalidValue where a result is no value that docmap gives: a sum of Decimals of more than
    34 digits, a float that is not finite.
    """
    groups = Groups(grouping)
    groups.add_trees(list(trees))
    return in_order(groups.rows(), grouping)


def in_order(rows: Iterable[Row], grouping: Grouping) -> list[Row]:
    """The groups in the order of their keys."""
    count = len(grouping.keys)
    if count == 1:
        return sorted(rows, key=lambda row: order_key(row[0]))
    return sorted(rows, key=lambda row: tuple(map(order_key, row[:count])))


class Columns(NamedTuple):
    """Documents as columns: for each key and each function the values, one for each document.

    Where the place of a function goes through a list, its column holds a list for each document.
    """

    size: int
    keys: Sequence[Sequence[Any]]
    terms: Sequence[Sequence[Any]]


class Groups:
    """Groups that grow: columns or documents are added in batches, in the wanted order."""

    def __init__(self, grouping: Grouping) -> None:
        self._grouping = grouping
        self._groups: dict[Any, tuple[list[Any], list[Accumulator]]] = {}
        self._spread = [
            term.reading is not None and term.reading.path.each for term in grouping.terms
        ]
        self._read = _unwinding(grouping) if grouping.through is not None else _reading(grouping)

    def add_trees(self, trees: Sequence[Any]) -> None:
        """Add documents."""
        self.add(self._read(trees))

    def add(self, columns: Columns) -> None:
        """Add documents as columns."""
        if not columns.size:
            return
        if not columns.keys:
            self._feed(self._group((), []), columns.terms)
            return
        identities = [_identities(column) for column in columns.keys]
        rows: defaultdict[Any, list[int]] = defaultdict(list)
        alone = len(identities) == 1
        for row, found in enumerate(identities[0] if alone else zip(*identities, strict=True)):
            rows[found].append(row)
        alike = all(_one_form(column) for column in columns.keys)
        for found, places in rows.items():
            group = self._group(found, [column[places[0]] for column in columns.keys])
            for place in places[:1] if alike else places:
                _prefer(group[0], [column[place] for column in columns.keys])
            self._feed(group, [_picked(column, places) for column in columns.terms])

    def _group(self, found: Any, keys: list[Any]) -> tuple[list[Any], list[Accumulator]]:
        group = self._groups.get(found)
        if group is None:
            group = (keys, [accumulator(term) for term in self._grouping.terms])
            self._groups[found] = group
        return group

    def _feed(
        self, group: tuple[list[Any], list[Accumulator]], columns: Sequence[Sequence[Any]]
    ) -> None:
        for one, column, spread in zip(group[1], columns, self._spread, strict=True):
            one.extend(list(chain.from_iterable(column)) if spread else column)

    def rows(self) -> Iterator[Row]:
        """The groups as they are now, in no promised order; one of no documents without keys."""
        if not self._grouping.keys:
            self._group((), [])
        for keys, results in self._groups.values():
            yield (*map(representative, keys), *(one.result() for one in results))


def representative(value: Any) -> Any:
    """The key of a group as it is shown: null for missing, the shortest Decimal."""
    return None if is_null(value) else distinct((value,))[0]


def _picked(column: Sequence[Any], places: Sequence[int]) -> Sequence[Any]:
    if len(places) == len(column):
        return column
    if len(places) == 1:
        return (column[places[0]],)
    return itemgetter(*places)(column)  # type: ignore[no-any-return]


def _identities(column: Sequence[Any]) -> Sequence[Any]:
    if PLAIN.issuperset(map(type, column)):
        return column
    return [identity(value) for value in column]


def _one_form(column: Sequence[Any]) -> bool:
    """True if equal values of a column are of one type, so that any of them stands for all."""
    kinds = set(map(type, column))
    return len(kinds & NUMBERS) < 2 and kinds.isdisjoint((list, dict))


def _prefer(held: list[Any], keys: list[Any]) -> None:
    """Keep of equal keys the one that is shown."""
    for place, (old, new) in enumerate(zip(held, keys, strict=True)):
        if type(old) is not type(new) or type(old) in {list, dict}:
            held[place] = distinct((old, new))[0]


# -- from documents to columns


def _reading(grouping: Grouping) -> Callable[[Sequence[Any]], Columns]:
    keys = [key.reading for key in grouping.keys]
    terms = [term.reading for term in grouping.terms]
    getters = {reading: reading.getter() for reading in (*keys, *terms) if reading is not None}

    def read(trees: Sequence[Any]) -> Columns:
        found = {reading: list(map(get, trees)) for reading, get in getters.items()}
        return Columns(
            len(trees),
            [found[reading] for reading in keys],
            [trees if reading is None else found[reading] for reading in terms],
        )

    return read


def _unwinding(grouping: Grouping) -> Callable[[Sequence[Any]], Columns]:
    """Documents as often as their lists have different keys.

    Functions on the same list see the elements of the group, all others the document, once.
    """
    head = grouping.through or ()
    through = len(head)
    prefix = (*head, EACH)
    elements_of = getter(Path(head))

    def seen(reading: Reading) -> tuple[bool, Callable[[Any], Any]]:
        inside = reading.path.segments[: through + 1] == prefix
        return inside, (reading.below(through + 1) if inside else reading).getter()

    keys = [seen(key.reading) for key in grouping.keys]
    terms = [None if term.reading is None else seen(term.reading) for term in grouping.terms]
    deeper = [
        term.reading is not None and term.reading.below(through + 1).path.each
        for term in grouping.terms
    ]

    def members(tree: Any) -> Iterable[tuple[list[Any], list[Any]]]:
        """The different keys of a document, each with the elements that have it."""
        elements = elements_of(tree)
        found: dict[Any, tuple[list[Any], list[Any]]] = {}
        for element in elements if isinstance(elements, list) else ():
            values = [get(element if inside else tree) for inside, get in keys]
            held, group = found.setdefault(tuple(map(identity, values)), (values, []))
            _prefer(held, values)
            group.append(element)
        return found.values()

    def read(trees: Sequence[Any]) -> Columns:
        rows = [(tree, *group) for tree in trees for group in members(tree)]
        columns: list[list[Any]] = []
        for one, below in zip(terms, deeper, strict=True):
            if one is None:
                columns.append(rows)
            elif one[0]:
                columns.append([_of_elements(one[1], below, group) for _, _, group in rows])
            else:
                columns.append([one[1](tree) for tree, _, _ in rows])
        return Columns(
            len(rows), [[values[i] for _, values, _ in rows] for i in range(len(keys))], columns
        )

    return read


def _of_elements(get: Callable[[Any], Any], below: bool, elements: list[Any]) -> list[Any]:
    values = map(get, elements)
    return list(chain.from_iterable(values)) if below else [v for v in values if v is not MISSING]
