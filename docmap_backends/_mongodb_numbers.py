"""Operands of filters: which comparisons of numbers and of text a server makes exactly.

MongoDB compares int64, double and Decimal128 by their exact values, but for a Decimal128 beside a
double, which it rounds to 34 digits; servers of its protocol compare some of them as doubles.
"""

from __future__ import annotations

from decimal import Context, Decimal
from typing import Any, Final

from bson.decimal128 import Decimal128

from docmap.values import DECIMAL_DIGITS
from docmap_backends._mongodb_decimals import of_decimal
from docmap_backends._mongodb_places import Filter, Place

_DOUBLE: Final = 2**53
_ROUNDED: Final = Context(prec=DECIMAL_DIGITS, Emin=-999_999, Emax=999_999)
_SAFE: Final = "\ud7ff"
"""Up to it the order of UTF-16 units is that of code points."""


def compares_exactly(engine: Any, value: Any) -> bool:
    """True if the server compares every number that may be stored with this one exactly."""
    if isinstance(value, int):
        return -_DOUBLE < value < _DOUBLE or bool(engine.exact_numbers)
    if not engine.exact_numbers:
        return False
    if isinstance(value, float):
        return _ROUNDED.create_decimal(Decimal(value)) == Decimal(value)
    return not isinstance(value, Decimal) or not _is_rounded_double(value)


def _is_rounded_double(value: Decimal) -> bool:
    """True for what a double becomes in 34 digits, without being it."""
    try:
        near = Decimal(float(value))
    except OverflowError:
        return False
    return near.is_finite() and near != value and _ROUNDED.create_decimal(near) == value


def orders_exactly(engine: Any, text: str) -> bool:
    """True if the server compares every text that may be stored with this one by code points."""
    return bool(engine.code_point_order) or max(text, default="") <= _SAFE


def near(place: Place, sign: str, value: Any) -> Filter:
    """A superset of a numeric comparison: a wider range, which no rounding leaves.

    Raises ValueError where there is none.
    """
    return place.having(**near_operators(sign, value))


def near_operators(sign: str, value: Any) -> dict[str, Any]:
    """The operators of `near`."""
    number = Decimal(value)
    if not -Decimal("1e300") < number < Decimal("1e300"):
        raise ValueError("too near to the end of the doubles")
    margin = abs(number) * Decimal("1e-13") + Decimal("1e-300")
    operators: dict[str, Any] = {}
    if sign != "<":
        operators["$gte"] = _edge(number - margin, value)
    if sign != ">":
        operators["$lte"] = _edge(number + margin, value)
    return operators


def _edge(number: Decimal, value: Any) -> float | Decimal128:
    if isinstance(value, Decimal):
        return of_decimal(_ROUNDED.create_decimal(number).normalize(_ROUNDED))
    return float(number)
