"""What each aggregate function means: accumulators that take values in batches, in any order.

They hold no more than their result needs, so that a stream of documents is never kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from copy import deepcopy
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext
from fractions import Fraction
from typing import Any, Final, Protocol
from uuid import UUID

from docmap.errors import InvalidValue
from docmap.query.aggregates import Term
from docmap.values import (
    DECIMAL_DIGITS,
    MISSING,
    TIMEDELTA_UNIT,
    ObjectId,
    decimal_fault,
    distinct,
    order_key,
    same_number,
)


class Accumulator(Protocol):
    """One function over one group."""

    def extend(self, values: Sequence[Any], /) -> None:
        """Take more values, null and missing among them, in the order of the documents."""

    def result(self) -> Any:
        """The result so far. Raises InvalidValue where it is no value that docmap gives."""


def accumulator(term: Term) -> Accumulator:
    """A fresh accumulator of a bound function."""
    if term.reading is None:
        return _Documents()
    if term.function == "count":
        return _Distinct() if term.distinct else _Values()
    if term.function in {"sum", "avg"}:
        return _Durations(term) if term.reading.kind == "timedelta" else _Numbers(term)
    return _OTHERS[term.function]()


def of_total(term: Term, total: Any, count: int) -> Any:
    """The result of `sum` or `avg` over numbers whose exact sum and number an engine gives.

    Of timedeltas the sum is in microseconds. Raises InvalidValue as accumulators do.
    """
    if term.reading is not None and term.reading.kind == "timedelta":
        spans = _Durations(term)
        spans.add(total, count)
        return spans.result()
    numbers = _Numbers(term)
    numbers.add(total, count)
    return numbers.result()


def identity(value: Any) -> Any:
    """What two values have in common if and only if they are equal: a key for dicts."""
    return value if type(value) in PLAIN else order_key(value)


PLAIN: Final = frozenset(
    {int, float, Decimal, str, bytes, UUID, ObjectId, date, datetime, time, timedelta}
)
"""The types whose own equality is that of docmap; for Python True equals 1."""
NULLS: Final = frozenset({type(None), type(MISSING)})
NUMBERS: Final = frozenset({int, float, Decimal})


def not_null(values: Sequence[Any]) -> Sequence[Any]:
    """The values without null and missing."""
    if NULLS.isdisjoint(map(type, values)):
        return values
    return [value for value in values if value is not None and value is not MISSING]


class _Documents:
    def __init__(self) -> None:
        self._count = 0

    def extend(self, values: Sequence[Any], /) -> None:
        self._count += len(values)

    def result(self) -> int:
        return self._count


class _Values(_Documents):
    def extend(self, values: Sequence[Any], /) -> None:
        self._count += len(not_null(values))


class _Distinct:
    def __init__(self) -> None:
        self._seen: set[Any] = set()

    def extend(self, values: Sequence[Any], /) -> None:
        self._seen.update(map(identity, not_null(values)))

    def result(self) -> int:
        return len(self._seen)


_EXACT: Final = Context(prec=30_000, Emin=-999_999, Emax=999_999)
_DECIMAL128: Final = Context(
    prec=DECIMAL_DIGITS, rounding=ROUND_HALF_EVEN, Emin=-6143, Emax=6144, traps=[]
)
_CLOSE: Final = Context(prec=800, Emin=-999_999, Emax=999_999)
_KEPT: Final = 4096


class _Numbers:
    """Sum and average of numbers; what is no number is left out, as null is."""

    def __init__(self, term: Term) -> None:
        self._term = term
        self._kind = term.reading.kind if term.reading else "any"
        self._count = 0
        self._ints = 0
        self._decimals = Decimal(0)
        self._floats: list[float] = []
        self._seen: set[type] = set()

    def extend(self, values: Sequence[Any], /) -> None:
        kinds = set(map(type, values))
        for kind in kinds & NUMBERS:
            self._seen.add(kind)
            same: Any = values if len(kinds) == 1 else [v for v in values if type(v) is kind]
            self._count += len(same)
            if kind is int:
                self._ints += sum(same)
            elif kind is Decimal:
                with localcontext(_EXACT):
                    self._decimals = sum(same, self._decimals)
            else:
                self._floats += same
                if len(self._floats) > _KEPT:
                    self._shrink()

    def add(self, total: Any, count: int) -> None:
        """Take several numbers as their exact sum, an int or a Decimal."""
        if count:
            self.extend([total])
            self._count += count - 1

    def _shrink(self) -> None:
        """Replace the floats by a few with exactly the same sum."""
        left, parts = self._floats, []
        try:
            while part := math.fsum(left):
                parts.append(part)
                left.append(-part)
        except OverflowError:
            with localcontext(_EXACT):
                self._decimals += sum(map(Decimal, left), sum(map(Decimal, parts), Decimal(0)))
            parts = []
        self._floats = parts

    def result(self) -> Any:
        if self._term.function == "sum":
            return self._sum()
        return self._average() if self._count else None

    def _sum(self) -> Any:
        if self._is_float:
            return self._float(1)
        if self._is_decimal:
            total = self._exact().normalize(_EXACT)
            fault = decimal_fault(total)
            if fault is not None:
                raise _no_value(self._term, f"{fault}: sum fewer documents, or floats")
            return same_number(total)
        return self._ints

    def _average(self) -> Any:
        if self._is_float:
            return self._float(self._count)
        if self._is_decimal:
            average = _DECIMAL128.divide(self._exact(), Decimal(self._count))
            return same_number(average)
        try:
            return self._ints / self._count
        except OverflowError:
            raise _not_finite(self._term) from None

    @property
    def _is_float(self) -> bool:
        return self._kind == "float" or float in self._seen

    @property
    def _is_decimal(self) -> bool:
        return self._kind == "decimal" or Decimal in self._seen

    def _exact(self) -> Decimal:
        with localcontext(_EXACT):
            return sum(map(Decimal, self._floats), self._decimals + self._ints)

    def _float(self, count: int) -> float:
        if not self._ints and not self._decimals:
            try:
                return math.fsum(self._floats) / count + 0.0
            except OverflowError:
                pass  # it may be finite all the same
        exact = self._exact()
        total = float(exact if count == 1 else _CLOSE.divide(exact, Decimal(count)))
        if not math.isfinite(total):
            raise _not_finite(self._term)
        return total + 0.0


class _Durations:
    """Sum and average of timedeltas, in whole microseconds."""

    def __init__(self, term: Term) -> None:
        self._term = term
        self._count = 0
        self._total = 0

    def extend(self, values: Sequence[Any], /) -> None:
        spans = [value // TIMEDELTA_UNIT for value in values if type(value) is timedelta]
        self.add(sum(spans), len(spans))

    def add(self, total: int, count: int) -> None:
        """Take several spans as their sum in microseconds."""
        self._count += count
        self._total += total

    def result(self) -> timedelta | None:
        total = self._total
        if self._term.function == "avg":
            if not self._count:
                return None
            total = round(Fraction(total, self._count))
        try:
            return timedelta(microseconds=total)
        except OverflowError:
            raise _no_value(self._term, "is longer than any timedelta") from None


class _Extreme:
    """The least or the greatest value; of equal numbers the int, the float, the shortest."""

    pick: Callable[..., Any]
    place: int

    def __init__(self) -> None:
        self._best: Any = None

    def extend(self, values: Sequence[Any], /) -> None:
        some = not_null(values)
        if not some:
            return
        kinds = set(map(type, some))
        best = type(self).pick(some) if len(kinds) == 1 and kinds <= PLAIN else self._of_any(some)
        if self._best is None:
            self._best = best
        else:
            self._best = self._of_any((self._best, best))

    def _of_any(self, values: Sequence[Any]) -> Any:
        return distinct(values)[self.place]

    def result(self) -> Any:
        return same_number(self._best)


class _Min(_Extreme):
    pick = staticmethod(min)
    place = 0


class _Max(_Extreme):
    pick = staticmethod(max)
    place = -1


class _First:
    def __init__(self) -> None:
        self._found: Any = None

    def extend(self, values: Sequence[Any], /) -> None:
        if self._found is None:
            self._found = next(iter(not_null(values)), None)

    def result(self) -> Any:
        return own(self._found)


class _Last(_First):
    def extend(self, values: Sequence[Any], /) -> None:
        some = not_null(values)
        if some:
            self._found = some[-1]


class _Collect:
    def __init__(self) -> None:
        self._values: list[Any] = []

    def extend(self, values: Sequence[Any], /) -> None:
        self._values += values

    def result(self) -> list[Any]:
        return [None if value is MISSING else own(value) for value in self._values]


def own(value: Any) -> Any:
    """The value, copied if it could be changed: an engine may keep the one it gave."""
    return deepcopy(value) if type(value) in {list, dict} else value


_OTHERS: Final[dict[str, Callable[[], Accumulator]]] = {
    "min": _Min,
    "max": _Max,
    "first": _First,
    "last": _Last,
    "collect": _Collect,
}


def _not_finite(term: Term) -> InvalidValue:
    return _no_value(term, "is too large for a float: aggregate fewer documents, or Decimals")


def _no_value(term: Term, fault: str) -> InvalidValue:
    place = term.reading.path.dotted if term.reading else ""
    return InvalidValue(f"{term.name}, the {term.function} of {place}, {fault}", field=place)
