"""The evaluator's conditions in fewer steps: the lookups that are asked most, compiled for a value.

`compiled` answers exactly as `evaluate.predicate` does, which stays the specification: a form here
may only save work, such as looking up the type of the wanted value once and not for each document.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from docmap.query.evaluate import Get, Predicate, compare, predicate
from docmap.query.nodes import Compare, Node
from docmap.query.paths import Path, getter
from docmap.values import MISSING

Form = Callable[[Get, Any], Predicate]

_NUMBERS: Final = frozenset({int, float, Decimal})
_NULL: Final = frozenset({type(None), type(MISSING)})
_CONTAINERS: Final = frozenset({list, dict, tuple})


def compiled(node: Node, place: Callable[[Path], Get] = getter) -> Predicate:
    """A function that says whether a document's logical tree matches the bound condition.

    `place` makes the function that takes a document, in whatever form, and gives the value at a
    path.
    """
    return predicate(node, _leaf, place)


def _leaf(node: Compare, get: Get) -> Predicate:
    form = _FORMS.get(node.lookup)
    if form is None or not _scalar(node.value):
        return compare(node, get)
    return form(get, node.value)


def _scalar(wanted: Any) -> bool:
    """True for a scalar, and for several; a list or an object compares by its own elements."""
    several = wanted if type(wanted) is tuple else (wanted,)
    return _CONTAINERS.isdisjoint(map(type, several))


def _bracket(wanted: Any) -> frozenset[type]:
    """The types that are compared with `wanted`."""
    kind = type(wanted)
    return _NUMBERS if kind in _NUMBERS else _NULL if wanted is None else frozenset({kind})


def _gt(get: Get, wanted: Any) -> Predicate:
    kinds = _bracket(wanted)
    return lambda tree: type(value := get(tree)) in kinds and value > wanted


def _gte(get: Get, wanted: Any) -> Predicate:
    kinds = _bracket(wanted)
    return lambda tree: type(value := get(tree)) in kinds and value >= wanted


def _lt(get: Get, wanted: Any) -> Predicate:
    kinds = _bracket(wanted)
    return lambda tree: type(value := get(tree)) in kinds and value < wanted


def _lte(get: Get, wanted: Any) -> Predicate:
    kinds = _bracket(wanted)
    return lambda tree: type(value := get(tree)) in kinds and value <= wanted


def _between(get: Get, wanted: Any) -> Predicate:
    low, high = wanted
    kinds = _bracket(low) & _bracket(high)
    return lambda tree: type(value := get(tree)) in kinds and low <= value <= high


def _equals(get: Get, wanted: Any) -> Predicate:
    kinds = _bracket(wanted)
    if wanted is None:
        return lambda tree: type(get(tree)) in kinds
    return lambda tree: type(value := get(tree)) in kinds and value == wanted


def _in(get: Get, wanted: Any) -> Predicate:
    # Equal numbers of different types have equal hashes; no set holds values of two brackets.
    groups: dict[frozenset[type], set[Any]] = {}
    for one in wanted:
        groups.setdefault(_bracket(one), set()).add(one)
    if _NULL in groups:
        groups[_NULL].add(MISSING)
    by_type = {kind: values for kinds, values in groups.items() for kind in kinds}
    return lambda tree: (
        (values := by_type.get(type(value := get(tree)))) is not None and value in values
    )


def _startswith(get: Get, wanted: Any) -> Predicate:
    return lambda tree: type(value := get(tree)) is str and value.startswith(wanted)


_FORMS: Final[Mapping[str, Form]] = {
    "equals": _equals,
    "in": _in,
    "gt": _gt,
    "gte": _gte,
    "lt": _lt,
    "lte": _lte,
    "between": _between,
    "startswith": _startswith,
}
