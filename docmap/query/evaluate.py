"""The oracle: what a bound condition, an order and a projection mean for one stored document.

It works on logical trees (dicts, lists and portable values under their storage names), knows no
models and does no I/O.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from functools import cmp_to_key
from typing import Any, TypeVar

from docmap.query.lookups import on_declared
from docmap.query.nodes import And, Compare, Element, Keyword, Node, Not, Or
from docmap.query.order import OrderTerm
from docmap.query.paths import Path, each_value, getter
from docmap.values import MISSING, distinct, order_key

Get = Callable[[Any], Any]
Predicate = Callable[[Any], bool]
T = TypeVar("T")


def compare(node: Compare, get: Get) -> Predicate:
    """A function that says whether one comparison holds, by the lookup's reference function."""
    holds = on_declared(node.lookup, getattr(node.type, "kind", None))
    wanted = node.value
    return lambda tree: holds(get(tree), wanted)


def predicate(
    node: Node,
    leaf: Callable[[Compare, Get], Predicate] = compare,
    place: Callable[[Path], Get] = getter,
) -> Predicate:
    """A function that says whether a document's logical tree matches the bound condition.

    `leaf` makes the function of one comparison, and must not give other answers than `compare`;
    `place` makes the function that takes a document and gives the value at a path.
    """
    match node:
        case Compare(path):
            return leaf(node, place(path))
        case Element(path, quantifier, condition):
            return _elements(place(path), quantifier, predicate(condition, leaf))
        case And(children):
            return _all([predicate(child, leaf, place) for child in children])
        case Or(children):
            return _any([predicate(child, leaf, place) for child in children])
        case Not(child):
            contrary = predicate(child, leaf, place)
            return lambda tree: not contrary(tree)
        case Keyword(name):
            raise TypeError(f"the condition {name} was not bound to a schema")


def _elements(get: Get, quantifier: str, inner: Predicate) -> Predicate:
    test = any if quantifier == "any" else all
    return lambda tree: isinstance(elements := get(tree), list) and test(map(inner, elements))


def _all(every: Sequence[Predicate]) -> Predicate:
    if len(every) == 2:
        first, second = every
        return lambda tree: first(tree) and second(tree)

    def holds(tree: Any) -> bool:
        for test in every:  # noqa: SIM110 - a generator for each document costs more than the tests
            if not test(tree):
                return False
        return True

    return holds


def _any(some: Sequence[Predicate]) -> Predicate:
    if len(some) == 2:
        first, second = some
        return lambda tree: first(tree) or second(tree)

    def holds(tree: Any) -> bool:
        for test in some:  # noqa: SIM110 - as in _all
            if test(tree):
                return True
        return False

    return holds


def matches(node: Node, tree: Any) -> bool:
    """True if the document's logical tree matches the bound condition."""
    return predicate(node)(tree)


def roots(node: Node) -> frozenset[Any] | None:
    """The top-level names that a condition reads; None if it reads the whole document."""
    match node:
        case Compare(path) | Element(path):
            return frozenset(path.segments[:1]) or None
        case And(children) | Or(children):
            found = [roots(child) for child in children]
            if any(names is None for names in found):
                return None
            return frozenset().union(*(names for names in found if names is not None))
        case Not(child):
            return roots(child)
        case Keyword():
            return None


def order(terms: Sequence[OrderTerm]) -> Callable[[Any], Any]:
    """A sort key over logical trees: null and missing first ascending, last descending."""
    getters = [(getter(term.path), term.descending) for term in terms]
    if not any(descending for _, descending in getters):
        return lambda tree: tuple([order_key(get(tree)) for get, _ in getters])

    def compare(left: Any, right: Any) -> int:
        for get, descending in getters:
            a, b = order_key(get(left)), order_key(get(right))
            if a != b:
                return 1 if (a < b) is descending else -1
        return 0

    return cmp_to_key(compare)


def sorted_by(
    items: Iterable[T], terms: Sequence[OrderTerm], tree: Callable[[T], Any], stop: int | None
) -> list[T]:
    """`items` in the order of `terms`, only the first `stop` of them if given."""
    descending = {term.descending for term in terms}
    if len(descending) > 1:
        rank = order(terms)
        return sorted(items, key=lambda item: rank(tree(item)))[:stop]
    rank = order([OrderTerm(term.path) for term in terms])
    reverse = descending == {True}
    if stop is None:
        return sorted(items, key=lambda item: rank(tree(item)), reverse=reverse)
    pick = heapq.nlargest if reverse else heapq.nsmallest
    return pick(stop, items, key=lambda item: rank(tree(item)))


def distinct_values(trees: Iterable[Any], path: Path, *, nulls: bool = False) -> list[Any]:
    """The distinct values at `path` in canonical order; null and missing only if asked for."""
    found: Iterable[Any]
    if path.each:
        found = (value for tree in trees for value in each_value(tree, path))
    else:
        get = getter(path)
        found = (get(tree) for tree in trees)
    values = distinct(_once(None if value is MISSING else value for value in found))
    return values if nulls else [value for value in values if value is not None]


def _once(values: Iterable[Any]) -> Iterable[Any]:
    """The values without most of their repeats; lists and objects stay as they are."""
    kept = list(values)
    try:
        return [value for _, value in dict.fromkeys(zip(map(type, kept), kept, strict=True))]
    except TypeError:  # not hashable
        return kept
