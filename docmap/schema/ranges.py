"""Numbers as operands: whether a field can hold one exactly, and where a range on it starts.

So an engine only ever compares like with like: `i < 1.5` on an int field becomes `i <= 1`, a range
on a float starts at the neighbouring double.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import Any, Final

from docmap.schema.types import FieldType
from docmap.schema.wire import BIGINT_DIGITS
from docmap.values import (
    DECIMAL_DIGITS,
    DECIMAL_MAX_ADJUSTED,
    DECIMAL_MIN_EXPONENT,
    INT_MAX,
    INT_MIN,
)

NUMBERS: Final = frozenset({"int", "bigint", "float", "decimal"})


class Misfit(ValueError):
    """The operand does not fit; the text says why, without naming the field."""


@dataclass(frozen=True, slots=True)
class Bound:
    """One end of a range: the lookup to use and the value."""

    lookup: str
    value: Any


def number(kind: FieldType, value: Any) -> int | float | Decimal:
    """The operand as a number, infinities included. Raises Misfit if it is none."""
    if isinstance(value, bool):
        raise Misfit(f"is {kind.label}, not true or false: a bool never equals a number")
    if isinstance(value, str):
        value = _from_text(kind, value)
    if not isinstance(value, (int, float, Decimal)):
        raise Misfit(f"is {kind.label}, not {type(value).__name__}")
    if value.is_nan() if isinstance(value, Decimal) else value != value:  # noqa: PLR0124 - NaN
        raise Misfit("cannot be compared with NaN: ask for is_null, or for a range")
    return value


def _from_text(kind: FieldType, text: str) -> float | Decimal:
    """Text as a number by the field's own type: "0.1" on a float field is its nearest double."""
    try:
        return float(text) if kind.kind == "float" else Decimal(text.strip())
    except (ArithmeticError, ValueError):
        raise Misfit(f"is {kind.label}: the text given is not a number") from None


def exact(kind: FieldType, value: Any) -> Any:
    """The value of the field's type that equals a number; None if there is none."""
    if not _is_finite(value):
        return None
    if kind.kind == "float":
        near = _float(value)
        return near + 0.0 if near == value else None
    if kind.kind == "decimal":
        return _shortest(Decimal(value))
    if int(value) != value:
        return None
    low, high = _whole_range(kind)
    return int(value) if low <= value <= high else None


def bound_of(kind: FieldType, lookup: str, value: Any) -> Bound | bool:
    """The range `lookup value` in values of the field's type; False if nothing can satisfy it."""
    found = exact(kind, value)
    if found is not None:
        return Bound(lookup, found)
    # No value of the type equals the operand: the range starts at the next one inwards.
    above = lookup in {"gt", "gte"}
    near = (_next_above if above else _next_below)(kind, value)
    return False if near is None else Bound("gte" if above else "lte", near)


def _is_finite(value: Any) -> bool:
    return value.is_finite() if isinstance(value, Decimal) else math.isfinite(value)


def _shortest(value: Decimal) -> Decimal | None:
    """The Decimal with the fewest digits that equals `value`; None if no engine could keep it."""
    sign, digits, exponent = value.as_tuple()
    if not value:
        return Decimal(0)
    if not isinstance(exponent, int):
        return None
    kept = "".join(map(str, digits)).rstrip("0")
    exponent += len(digits) - len(kept)
    fits = len(kept) <= DECIMAL_DIGITS and exponent >= DECIMAL_MIN_EXPONENT
    if not fits or value.adjusted() >= DECIMAL_MAX_ADJUSTED:
        return None
    return Decimal((sign, tuple(map(int, kept)), exponent))


def _next_above(kind: FieldType, value: Any) -> Any:
    """The least value of the type above a number that it cannot hold; None if there is none."""
    if kind.kind == "float":
        near = _float(value)
        near = near if near > value else math.nextafter(near, math.inf)
        return None if near == math.inf else near + 0.0
    if kind.kind == "decimal":
        return _rounded(value, _CEILING)
    low, high = _whole_range(kind)
    if value > high:
        return None
    return low if value < low else math.ceil(value)


def _next_below(kind: FieldType, value: Any) -> Any:
    """The greatest value of the type below a number that it cannot hold; None if there is none."""
    if kind.kind == "float":
        near = _float(value)
        near = near if near < value else math.nextafter(near, -math.inf)
        return None if near == -math.inf else near + 0.0
    if kind.kind == "decimal":
        return _rounded(value, _FLOOR)
    low, high = _whole_range(kind)
    if value < low:
        return None
    return high if value > high else math.floor(value)


_MOST = 10**BIGINT_DIGITS - 1


def _whole_range(kind: FieldType) -> tuple[int, int]:
    return (INT_MIN, INT_MAX) if kind.kind == "int" else (-_MOST, _MOST)


def _float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _directed(rounding: str) -> Context:
    """What rounds to a portable Decimal in one direction; beyond the last there is an infinity."""
    last = DECIMAL_MAX_ADJUSTED - 1
    first = DECIMAL_MIN_EXPONENT + DECIMAL_DIGITS - 1
    return Context(DECIMAL_DIGITS, rounding, Emin=first, Emax=last, capitals=1, clamp=0, traps=[])


_CEILING, _FLOOR = _directed(ROUND_CEILING), _directed(ROUND_FLOOR)


def _rounded(value: Any, context: Context) -> Decimal | None:
    near = context.plus(Decimal(value))
    if near.is_infinite():
        near = context.next_plus(near) if context is _CEILING else context.next_minus(near)
    return None if near.is_infinite() else _shortest(near)
