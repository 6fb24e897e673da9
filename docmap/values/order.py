"""Equality and order of portable values: by type bracket, the same on every engine."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from docmap.values.identifiers import ObjectId
from docmap.values.numbers import same_number


class _Missing:
    """The value at a path that leads nowhere."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False

    def __reduce__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()

# The order of types; false and true stand apart in it, and are one bracket in comparisons.
RANK_NULL, RANK_NUMBER, RANK_TEXT, RANK_OBJECT, RANK_LIST, RANK_BYTES = range(6)
RANK_UUID, RANK_OBJECT_ID, RANK_FALSE, RANK_TRUE, RANK_DATE, RANK_DATETIME = range(6, 12)
RANK_TIME, RANK_DURATION = 12, 13

_RANKS: dict[type, int] = {
    type(None): RANK_NULL,
    _Missing: RANK_NULL,
    int: RANK_NUMBER,
    float: RANK_NUMBER,
    Decimal: RANK_NUMBER,
    str: RANK_TEXT,
    dict: RANK_OBJECT,
    list: RANK_LIST,
    bytes: RANK_BYTES,
    UUID: RANK_UUID,
    ObjectId: RANK_OBJECT_ID,
    bool: RANK_FALSE,
    date: RANK_DATE,
    datetime: RANK_DATETIME,
    time: RANK_TIME,
    timedelta: RANK_DURATION,
}


def bracket(value: Any) -> int:
    """The type bracket of a logical value; only values of one bracket compare."""
    return _RANKS[type(value)]


def order_key(value: Any) -> tuple[Any, ...]:
    """A key that sorts logical values in the canonical order, whatever their types.

    >>> sorted(["b", 2, None, True, 1.5], key=order_key)
    [None, 1.5, 2, 'b', True]
    """
    rank = _RANKS[type(value)]
    if rank == RANK_NULL:
        return (RANK_NULL,)
    if rank == RANK_LIST:
        return (rank, tuple(map(order_key, value)))
    if rank == RANK_OBJECT:
        return (rank, tuple((name, order_key(value[name])) for name in sorted(value)))
    if rank == RANK_FALSE:
        return (RANK_TRUE,) if value else (RANK_FALSE,)
    if rank == RANK_UUID:
        return (rank, value.bytes)
    return (rank, value)


_SCALARS = frozenset(_RANKS) - {list, dict, type(None), _Missing}


def equal(left: Any, right: Any) -> bool:
    """True if two logical values are equal: by type bracket, numbers exactly, objects unordered."""
    kind = type(left)
    if kind is type(right):
        if kind in _SCALARS:
            return bool(left == right)
        if kind is list:
            return len(left) == len(right) and all(map(equal, left, right))
        if kind is dict:
            return len(left) == len(right) and all(
                name in right and equal(item, right[name]) for name, item in left.items()
            )
        return True
    rank = _RANKS[kind]
    return rank == _RANKS[type(right)] and (rank == RANK_NULL or bool(left == right))


def distinct(values: Iterable[Any]) -> list[Any]:
    """The distinct values in canonical order; of equal ones the int, the float, the shortest."""
    found: dict[tuple[Any, ...], Any] = {}
    for value in values:
        key = order_key(value)
        held = found.get(key, MISSING)
        if held is MISSING or _preference(value) < _preference(held):
            found[key] = value
    return [_shortest(found[key]) for key in sorted(found)]


def _preference(value: Any) -> Any:
    """Sorts equal values, so that the one shown does not depend on which was read first."""
    if isinstance(value, list):
        return [_preference(item) for item in value]
    if isinstance(value, dict):
        return [_preference(value[name]) for name in sorted(value)]
    return 1 if isinstance(value, float) else 2 if isinstance(value, Decimal) else 0


def _shortest(value: Any) -> Any:
    if isinstance(value, list):
        return [_shortest(item) for item in value]
    if isinstance(value, dict):
        return {name: _shortest(item) for name, item in value.items()}
    return same_number(value)
