"""Aggregate functions: as a user writes them, and bound to what they read of each document."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from types import MappingProxyType
from typing import Any, ClassVar, Final, Literal

from docmap.query.paths import EACH, Path, Segment, each_value, getter
from docmap.values import MISSING

Function = Literal["count", "sum", "avg", "min", "max", "first", "last", "collect"]


class Aggregate:
    """A function over the values at one place of each document; the classes below are made.

    A place is named by text (`"customer.country"`, `"created_at__year"`), by a field expression or
    by `path(...)`; `path("items").each()` takes every element. Null and missing are left out.
    """

    __slots__ = ("distinct", "place")
    function: ClassVar[Function]

    def __init__(self, place: Any, /) -> None:
        self.place = place
        self.distinct = False

    def __repr__(self) -> str:
        place = [] if self.place is None else [repr(self.place)]
        told = ", ".join([*place, *(["distinct=True"] if self.distinct else [])])
        return f"{type(self).__name__}({told})"


class Count(Aggregate):
    """How many documents; with a place, how many have a value there that is not null.

    `distinct=True` counts equal values once.
    """

    __slots__ = ()
    function = "count"

    def __init__(self, place: Any = None, /, *, distinct: bool = False) -> None:
        super().__init__(place)
        self.distinct = distinct


class Sum(Aggregate):
    """The sum: ints unbounded, Decimals exact, floats as `math.fsum`, timedeltas; 0 of nothing."""

    __slots__ = ()
    function = "sum"


class Avg(Aggregate):
    """The sum by the number of values: a Decimal to 34 digits, a timedelta, else a float."""

    __slots__ = ()
    function = "avg"


class Min(Aggregate):
    """The first value in canonical order."""

    __slots__ = ()
    function = "min"


class Max(Aggregate):
    """The last value in canonical order."""

    __slots__ = ()
    function = "max"


class First(Aggregate):
    """The first value in the query's order, else in the order of keys."""

    __slots__ = ()
    function = "first"


class Last(Aggregate):
    """The last value in the query's order, else in the order of keys."""

    __slots__ = ()
    function = "last"


class Collect(Aggregate):
    """All values in the query's order, else in the order of keys, as a list; with nulls."""

    __slots__ = ()
    function = "collect"


IN_ORDER: Final = frozenset({"first", "last", "collect"})
"""The functions whose result depends on the order of the documents."""

PARTS: Final[Mapping[str, Callable[[Any], int]]] = MappingProxyType(
    {
        "year": lambda value: int(value.year),
        "month": lambda value: int(value.month),
        "day": lambda value: int(value.day),
        "hour": lambda value: int(value.hour),
        "weekday": lambda value: int(value.weekday()),
    }
)
"""The parts of dates and datetimes, which are in UTC; Monday is 0."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What is read of a document: the value at a path, or a part of the date there."""

    path: Path
    type: Any
    """The declared type at the path."""
    part: str | None = None

    @property
    def kind(self) -> str:
        """The kind of the values: that of the type, or an int's."""
        return "int" if self.part else getattr(self.type, "kind", "any")

    @property
    def text(self) -> str:
        """The place for people: `created_at year`."""
        return f"{self.path.dotted} {self.part}" if self.part else self.path.dotted

    def getter(self) -> Callable[[Any], Any]:
        """A function from a document's tree to the value; a list of values if the path is each."""
        path, part = self.path, self.part
        if path.each:
            if part is None:
                return lambda tree: list(each_value(tree, path))
            return lambda tree: [part_of(part, value) for value in each_value(tree, path)]
        get = getter(path)
        return get if part is None else lambda tree: part_of(part, get(tree))

    def below(self, prefix: int) -> Reading:
        """The same place seen from below its first `prefix` segments."""
        return Reading(Path(self.path.segments[prefix:]), self.type, self.part)


def part_of(part: str, value: Any) -> Any:
    """A part of a date or datetime; None of anything else, and of a date its hour."""
    kind = datetime if part == "hour" else date
    if isinstance(value, kind):
        return PARTS[part](value)
    return MISSING if value is MISSING else None


@dataclass(frozen=True, slots=True)
class Key:
    """What documents are grouped by, under the name that it has in the result."""

    name: str
    reading: Reading


@dataclass(frozen=True, slots=True)
class Term:
    """A bound function under the name that it has in the result; `Count()` reads nothing."""

    name: str
    function: Function
    reading: Reading | None = None
    distinct: bool = False

    @property
    def text(self) -> str:
        """The function for people: `revenue = sum(total)`."""
        place = "" if self.reading is None else self.reading.text
        return f"{self.name} = {self.function}({'distinct ' if self.distinct else ''}{place})"


@dataclass(frozen=True, slots=True)
class Grouping:
    """Keys and functions: what is asked of the documents. Without keys all are one group."""

    keys: tuple[Key, ...]
    terms: tuple[Term, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names in the result."""
        return (*(key.name for key in self.keys), *(term.name for term in self.terms))

    @property
    def readings(self) -> tuple[Reading, ...]:
        """All that is read."""
        read = [key.reading for key in self.keys]
        return (*read, *(term.reading for term in self.terms if term.reading is not None))

    @property
    def in_order(self) -> bool:
        """True if a result depends on the order of the documents."""
        return any(term.function in IN_ORDER for term in self.terms)

    @property
    def through(self) -> tuple[Segment, ...] | None:
        """The place of the list that a key goes through; None if none does."""
        for key in self.keys:
            segments = key.reading.path.segments
            if key.reading.path.each:
                return segments[: segments.index(EACH)]
        return None


def is_null(value: Any) -> bool:
    """True for null and missing."""
    return value is None or value is MISSING
