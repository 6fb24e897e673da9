"""Hypothesis strategies for values, documents, conditions, queries and updates.

They make what engines find hard: the values of `pools` beside free ones, conditions of every
lookup, orders with ties and nulls. Whatever they make is data with a name, so that a failing case
can be read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any, Final, TypeVar

from hypothesis import strategies as st

from docmap import BaseStorageAdapter, Change, Document, Query, path
from docmap.testing.answers import Case
from docmap.testing.cases import built_in, cases
from docmap.testing.pools import PLACES, POOLS, Place

D = TypeVar("D", bound=Document)
_TEXT: Final = st.text(st.characters(codec="utf-8", min_codepoint=1), max_size=8) | st.text(
    "aAbB%_\\'\" .é$", max_size=5
)
_FREE: Final[dict[str, st.SearchStrategy[Any]]] = {
    "flag": st.booleans(),
    "whole": st.integers(-(2**63), 2**63 - 1),
    "big": st.integers(-(10**40), 10**40),
    "ratio": st.floats(allow_nan=False, allow_infinity=False),
    "price": st.builds(
        Decimal.scaleb, st.integers(-(10**20), 10**20).map(Decimal), st.integers(-9, 9)
    ),
    "word": _TEXT,
    "odd": _TEXT,
    "blob": st.binary(max_size=8),
    "moment": st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    "fine": st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    "day": st.dates(),
    "clock": st.times(),
    "span": st.timedeltas(timedelta(days=-(10**6)), timedelta(days=10**6)),
    "uid": st.uuids(),
    "words": st.lists(_TEXT, max_size=3),
    "numbers": st.lists(st.none() | st.integers(-9, 9), max_size=3),
    "tags": st.sets(_TEXT, max_size=3),
    "box": st.dictionaries(_TEXT, st.integers(-9, 9), max_size=3),
}


def values(name: str) -> st.SearchStrategy[Any]:
    """Values of a field of `Everything`, null among them."""
    known = st.sampled_from(POOLS[name])
    free = _FREE.get(name)
    return st.none() | known | known | free if free is not None else st.none() | known


def documents(model: type[D], *, most: int = 12) -> st.SearchStrategy[list[D]]:
    """Documents of a class with the fields of `Everything`, with keys that differ."""

    def made(rows: list[dict[str, Any]]) -> list[D]:
        return [model(id=f"{n:03}", **row) for n, row in enumerate(rows)]

    return st.lists(rows(), min_size=1, max_size=most).map(made)


def rows() -> st.SearchStrategy[dict[str, Any]]:
    """Some fields of a document, by name."""
    field = st.sampled_from(sorted(POOLS)).flatmap(
        lambda name: st.tuples(st.just(name), values(name))
    )
    return st.lists(field, max_size=8).map(dict)


@cache
def _leaves() -> tuple[Case, ...]:
    return tuple(case for lookup in built_in() for case in cases(lookup))


def _free_leaf() -> st.SearchStrategy[Case]:
    """A condition with an operand that nobody has thought of."""

    def made(name: str, lookup: str, wanted: Any) -> Case:
        if wanted is None and lookup not in {"equals", "not_equals"}:
            lookup = "equals"
        return Case(f"{name} {lookup} {wanted!r}", lambda: path(name).lookup(lookup, wanted))

    ordered = st.sampled_from(("equals", "not_equals", "gt", "gte", "lt", "lte"))
    plain = st.sampled_from(("equals", "not_equals"))
    asked = [
        st.builds(
            made, st.just(place.name), ordered if place.ordered else plain, values(place.name)
        )
        for place in PLACES
        if len(place.names) == 1 and place.name in _FREE
    ]
    return st.one_of(asked)


def conditions() -> st.SearchStrategy[Case]:
    """Conditions of every lookup, and combinations of them."""
    leaf = st.deferred(lambda: st.sampled_from(_leaves())) | _free_leaf()
    return st.recursive(leaf, _combined, max_leaves=6)


def _combined(inner: st.SearchStrategy[Case]) -> st.SearchStrategy[Case]:
    def both(a: Case, b: Case) -> Case:
        return Case(f"({a.name} AND {b.name})", lambda: a.condition() & b.condition())

    def either(a: Case, b: Case) -> Case:
        return Case(f"({a.name} OR {b.name})", lambda: a.condition() | b.condition())

    def contrary(a: Case) -> Case:
        return Case(f"NOT {a.name}", lambda: ~a.condition())

    return (
        st.builds(both, inner, inner) | st.builds(either, inner, inner) | st.builds(contrary, inner)
    )


@dataclass(frozen=True, slots=True)
class Asked:
    """A query as data: it can be asked of any storage."""

    condition: Case | None
    order: tuple[str, ...] = ()
    start: int | None = None
    stop: int | None = None

    @property
    def ordered(self) -> bool:
        """True if an order is promised."""
        return bool(self.order) or self.sliced

    @property
    def sliced(self) -> bool:
        """True if it takes only a part of the matches."""
        return self.start is not None or self.stop is not None

    def of(self, storage: BaseStorageAdapter, model: type[D]) -> Query[D]:
        """The query on a storage."""
        query = storage.find(model)
        if self.condition is not None:
            query = query.where(self.condition.condition())
        if self.order:
            query = query.order_by(*self.order)
        return query[self.start : self.stop] if self.sliced else query

    def __repr__(self) -> str:
        name = self.condition.name if self.condition else "everything"
        return f"<{name}; order {', '.join(self.order) or '-'}; [{self.start}:{self.stop}]>"


_SORTED: Final = tuple(place.name for place in PLACES if place.sorts and len(place.names) == 1)


def queries() -> st.SearchStrategy[Asked]:
    """Queries with a condition, an order and a slice, each there or not."""
    term = st.builds(
        lambda sign, name: sign + name, st.sampled_from(("", "-")), st.sampled_from(_SORTED)
    )
    order = st.lists(term, max_size=3, unique_by=lambda one: one.lstrip("-")).map(tuple)
    bound = st.none() | st.integers(0, 8)
    return st.builds(Asked, st.none() | conditions(), order, bound, bound)


def sorted_places() -> st.SearchStrategy[Place]:
    """Places that values, groups and orders take."""
    return st.sampled_from([place for place in PLACES if place.sorts])


@dataclass(frozen=True, slots=True)
class Changed:
    """An update as data."""

    name: str
    change: Callable[[], Change]

    def __repr__(self) -> str:
        return f"<{self.name}>"


def updates() -> st.SearchStrategy[list[Changed]]:
    """One to three changes of different fields."""
    one = st.sampled_from(sorted(POOLS)).flatmap(_changes)
    return st.lists(one, min_size=1, max_size=3, unique_by=lambda change: change.name.split()[0])


def _changes(name: str) -> st.SearchStrategy[Changed]:
    def made(operator: str, value: Any) -> Changed:
        return Changed(f"{name} {operator} {value!r}", lambda: getattr(path(name), operator)(value))

    found = [st.builds(made, st.just("set"), values(name))]
    found.append(st.just(Changed(f"{name} unset", lambda: path(name).unset())))
    some = st.sampled_from(POOLS[name])
    if name in {"whole", "ratio", "price", "big"}:
        number = some | st.sampled_from((1, 2, -1))
        found += [st.builds(made, st.sampled_from(("inc", "mul", "min", "max")), number)]
    if name in {"word", "day", "moment", "clock"}:
        found.append(st.builds(made, st.sampled_from(("min", "max")), some))
    if name == "words":
        element = st.sampled_from(("a", "b", "é", "%"))
        found.append(st.builds(made, st.sampled_from(("push", "add_to_set", "pull")), element))
        found.append(st.builds(made, st.just("pop"), st.sampled_from(("first", "last"))))
    if name == "tags":
        element = st.sampled_from(("a", "b", "é"))
        found.append(st.builds(made, st.sampled_from(("add_to_set", "pull")), element))
    if name == "numbers":
        found.append(st.builds(made, st.sampled_from(("push", "pull")), st.integers(0, 2)))
    return st.one_of(found)
