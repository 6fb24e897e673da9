"""Adding to and multiplying stored numbers: exactly, or with what is wrong with the result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Context, Decimal
from math import isfinite
from operator import add, mul
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from docmap.values import DECIMAL_DIGITS, INT_MAX, INT_MIN, decimal_fault

NUMBERS: Final[Mapping[str, tuple[type, ...]]] = MappingProxyType(
    {
        "int": (int,),
        "bigint": (int,),
        "float": (float, int),  # as other programs write whole floats
        "decimal": (Decimal,),
        "any": (int, float, Decimal),
    }
)
"""The types of the stored numbers that a place of a kind may hold."""

_LARGEST_BIGINT: Final = 10**4000
_EXACT: Final = Context(prec=13_000, Emin=-999_999, Emax=999_999)
_SHORT: Final = Context(prec=DECIMAL_DIGITS, Emin=-999_999, Emax=999_999)


class Result(NamedTuple):
    """A number, or what is wrong with it."""

    value: Any
    fault: str = ""


def total(left: Any, right: Any, kind: str) -> Result:
    """The exact sum; of floats, Python's.

    >>> total(Decimal("1.10"), Decimal("2.2"), "decimal")
    Result(value=Decimal('3.30'), fault='')
    """
    return _result(left, right, kind, add, _EXACT.add)


def product(left: Any, right: Any, kind: str) -> Result:
    """The exact product; of floats, Python's.

    >>> product(2**62, 2, "int").fault
    'is beyond 64 bits'
    """
    return _result(left, right, kind, mul, _EXACT.multiply)


def _result(
    left: Any,
    right: Any,
    kind: str,
    plain: Callable[[Any, Any], Any],
    exact: Callable[[Any, Any], Decimal],
) -> Result:
    if Decimal in {type(left), type(right)}:
        return _decimal(exact(Decimal(left), Decimal(right)))
    try:
        value = plain(left, right)
    except OverflowError:
        return Result(None, "is not finite")
    if isinstance(value, float):
        return Result(value + 0.0) if isfinite(value) else Result(None, "is not finite")
    if kind == "bigint":
        fits = -_LARGEST_BIGINT < value < _LARGEST_BIGINT
        return Result(value) if fits else Result(None, "has more than 4,000 digits")
    fits = INT_MIN <= value <= INT_MAX
    return Result(value) if fits else Result(None, "is beyond 64 bits")


def _decimal(value: Decimal) -> Result:
    if not value:
        value = value.copy_abs()
    fault = decimal_fault(value)
    if fault is None:
        return Result(value)
    # The zeros at its end may be all that is too much.
    short = value.normalize(_EXACT)
    return Result(short) if decimal_fault(short) is None else Result(None, fault)
