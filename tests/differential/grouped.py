"""Random groupings, and what they must give: naive sums over the logical values of each document.

The oracle shares with docmap only the canonical order and the lookups; it adds Fractions, sorts
whole lists, and looks at one group after the other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Context, Decimal
from fractions import Fraction
from random import Random
from typing import Any, Final

from docmap import Avg, Collect, Count, First, Last, Max, Min, Sum, path
from docmap.query.paths import EACH, Path, getter
from docmap.values import MISSING, decimal_fault, distinct, order_key, same_number
from tests.differential import oracle
from tests.differential.asks import Place, Query
from tests.differential.generator import Generator
from tests.differential.kinds import LISTS, NUMBERS, ORDERED, UNTYPED, Kind
from tests.differential.zoo import Record

FUNCTIONS: Final[dict[str, Any]] = {
    "count": Count,
    "distinct": lambda place: Count(place, distinct=True),
    "sum": Sum,
    "avg": Avg,
    "min": Min,
    "max": Max,
    "first": First,
    "last": Last,
    "collect": Collect,
}
_CONTAINERS: Final = LISTS | {"dict", "model", "pair"}
_DATES: Final = frozenset({"datetime", "fine", "date"})
_PARTS: Final = ("year", "month", "day", "weekday")


class Refused(Exception):
    """The result is no value that docmap gives."""


@dataclass(frozen=True)
class Read:
    """A place, perhaps a part of the date there, and the kind of its values."""

    place: Place
    kind: Kind
    part: str | None = None

    def written(self) -> Any:
        """As a user writes it."""
        found: Any = None
        for name in self.place.names:
            below = path(name) if found is None else found
            found = below.each() if name is EACH else below if found is None else below[name]
        return found if self.part is None else getattr(found, self.part)

    @property
    def listed(self) -> bool:
        """True if the place goes through a list."""
        return EACH in self.place.stored

    def values(self, tree: Any, start: int = 0) -> list[Any]:
        """All values that are read of a document, or of an element below `start` segments."""
        found = [tree]
        segments = self.place.stored[start:]
        for segment in segments:
            if segment is EACH:
                found = [one for value in found if isinstance(value, list) for one in value]
            else:
                found = [getter(Path((segment,)))(value) for value in found]
        if EACH in segments:
            found = [value for value in found if value is not MISSING]
        return [self._part_of(value) for value in found]

    def _part_of(self, value: Any) -> Any:
        if self.part is None or value is MISSING:
            return value
        if not isinstance(value, datetime if self.part == "hour" else date):
            return None
        part = getattr(value, self.part)
        return part() if self.part == "weekday" else part


@dataclass(frozen=True)
class Grouped:
    """What is asked: a query, keys, functions with what they read, and what is done to groups."""

    query: Query
    keys: tuple[Read, ...] = ()
    terms: tuple[tuple[str, Read | None], ...] = ()
    least: int | None = None
    """Only groups of at least so many documents."""
    by_count: bool = False
    """The largest group first."""
    stop: int | None = None

    def on(self, storage: Any, model: Any) -> list[tuple[Any, ...]]:
        """The answer of docmap."""
        groups = self.query.on(storage, model).group_by(
            **{f"k{number}": key.written() for number, key in enumerate(self.keys)}
        )
        groups = groups.aggregate(
            n=Count(),
            **{
                f"t{number}": FUNCTIONS[name](read.written()) if read else Count()
                for number, (name, read) in enumerate(self.terms)
            },
        )
        if self.least is not None:
            groups = groups.having(n__gte=self.least)
        if self.by_count:
            groups = groups.order_by("-n")
        return [tuple(row) for row in groups[: self.stop]]

    def answer(self, records: Sequence[Record]) -> list[tuple[Any, ...]]:
        """The oracle's answer. Raises Refused."""
        found = oracle.answer(self.query, records)
        if not self.query.ordered:
            found = sorted(found, key=lambda record: order_key(record.key))
        groups = self._groups([record.values for record in found])
        rows = []
        for members in groups:
            keys = [distinct([keys[i] for keys, *_ in members])[0] for i in range(len(self.keys))]
            results = [
                calculated(name, read, members if read is None else self._of(read, members))
                for name, read in self.terms
            ]
            rows.append(
                (*(None if key is MISSING else key for key in keys), len(members), *results)
            )
        count = len(self.keys)
        rows.sort(key=lambda row: tuple(map(order_key, row[:count])))
        rows = [row for row in rows if self.least is None or row[count] >= self.least]
        if self.by_count:
            rows.sort(key=lambda row: tuple(map(order_key, row[:count])), reverse=True)
            rows.sort(key=lambda row: -row[count])
        return rows[: self.stop]

    def _head(self) -> tuple[Any, ...] | None:
        for key in self.keys:
            if key.listed:
                return key.place.stored[: key.place.stored.index(EACH)]
        return None

    def _groups(self, trees: Sequence[Any]) -> list[list[tuple[list[Any], Any, list[Any]]]]:
        """For each group its documents: the keys, the document, its elements in the group."""
        found: dict[Any, list[tuple[list[Any], Any, list[Any]]]] = {} if self.keys else {(): []}
        head = self._head()
        for tree in trees:
            if head is None:
                keys = [key.values(tree)[0] for key in self.keys]
                found.setdefault(_same(keys), []).append((keys, tree, []))
                continue
            elements = getter(Path(head))(tree)
            inside: dict[Any, tuple[list[Any], Any, list[Any]]] = {}
            for element in elements if isinstance(elements, list) else []:
                keys = [self._key(key, tree, element, len(head)) for key in self.keys]
                held = inside.setdefault(_same(keys), (keys, tree, []))
                held[0][:] = [distinct(pair)[0] for pair in zip(held[0], keys, strict=True)]
                held[2].append(element)
            for same, one in inside.items():
                found.setdefault(same, []).append(one)
        return list(found.values())

    def _key(self, key: Read, tree: Any, element: Any, depth: int) -> Any:
        found = key.values(element, depth + 1) if key.listed else key.values(tree)
        return None if found[0] is MISSING else found[0]

    def _of(self, read: Read, members: Iterable[tuple[Any, Any, list[Any]]]) -> list[Any]:
        head = self._head()
        inside = head is not None and read.place.stored[: len(head) + 1] == (*head, EACH)
        if not inside or head is None:
            return [value for _, tree, _ in members for value in read.values(tree)]
        found = [
            value
            for _, _, elements in members
            for element in elements
            for value in read.values(element, len(head) + 1)
        ]
        return [value for value in found if value is not MISSING]


def _same(keys: Iterable[Any]) -> Any:
    return tuple(order_key(None if key is MISSING else key) for key in keys)


def calculated(name: str, read: Read | None, values: Sequence[Any]) -> Any:
    """One function over the values of one group."""
    if read is None:
        return len(values)
    if name == "collect":
        return [None if value is MISSING else value for value in values]
    some = [value for value in values if value is not None and value is not MISSING]
    if name == "count":
        return len(some)
    if name == "distinct":
        return len({order_key(value) for value in some})
    if name in {"sum", "avg"}:
        return _added(name, read, some)
    ranked = distinct(some)
    picked = {"min": ranked[:1], "max": ranked[-1:], "first": some[:1], "last": some[-1:]}
    return next(iter(picked[name]), None)


def _added(name: str, read: Read, values: Sequence[Any]) -> Any:
    kind = "int" if read.part else read.kind.name
    if kind == "timedelta":
        return _durations(name, [value for value in values if type(value) is timedelta])
    numbers = [value for value in values if type(value) in {int, float, Decimal}]
    kinds = set(map(type, numbers))
    if name == "avg" and not numbers:
        return None
    total = sum(map(Fraction, numbers), Fraction(0))
    result = total if name == "sum" else total / len(numbers)
    if kind == "float" or float in kinds:
        return _float(result)
    if kind == "decimal" or Decimal in kinds:
        return _decimal(result, exact=name == "sum")
    return int(total) if name == "sum" else _float(result)


def _durations(name: str, values: Sequence[timedelta]) -> Any:
    unit = timedelta(microseconds=1)
    total = Fraction(sum(value // unit for value in values))
    if name == "avg" and not values:
        return None
    try:
        return timedelta(microseconds=round(total / len(values) if name == "avg" else total))
    except OverflowError:
        raise Refused from None


def _float(exact: Fraction) -> float:
    try:
        return float(exact)
    except OverflowError:
        raise Refused from None


def _decimal(number: Fraction, *, exact: bool) -> Any:
    if exact:
        wide = Context(prec=40_000, Emin=-999_999, Emax=999_999)
        total = wide.divide(Decimal(number.numerator), Decimal(number.denominator))
        digits = "".join(map(str, total.as_tuple().digits)).strip("0")
        if len(digits) > 34 or decimal_fault(total.normalize(wide)):
            raise Refused
        return same_number(total)
    ieee = Context(prec=34, Emin=-6143, Emax=6144, traps=[])
    return same_number(ieee.divide(Decimal(number.numerator), Decimal(number.denominator)))


def alike(found: Any, wanted: Any) -> bool:
    """True if two results agree; floats to a relative 1e-12."""
    if isinstance(wanted, float) and isinstance(found, float):
        return bool(math.isclose(found, wanted, rel_tol=1e-12, abs_tol=1e-300))
    return bool(oracle.exact(found) == oracle.exact(wanted))


class Groupings(Generator):
    """Makes groupings about documents of a kind."""

    plain: bool = False
    """Only declared scalars and no slices: what engines can do by themselves."""

    def grouped(self) -> Grouped:
        rng = self.rng
        self.plain = self.root.name == "model" and rng.random() < 0.6
        query = replace(self.query(), values=None)
        if rng.random() < 0.6:
            query = replace(query, condition=None, where_not=False)
        if self.plain:
            query = replace(query, slices=())
        keys = [self._read_key() for _ in range(rng.choice((0, 1, 1, 1, 2, 3)))]
        if rng.random() < 0.2 and self.root.name == "model" and not self.plain:
            keys = [*(key for key in keys if not key.listed)][:1]
            keys.insert(rng.randint(0, len(keys)), self._through_list(rng.choice(_LISTED)))
            if keys[-1].place.stored[0] == "leaves" and rng.random() < 0.3:
                keys.append(self._through_list(("leaves", EACH, "name")))
        terms = [self._term() for _ in range(rng.choice((1, 1, 2, 3, 4)))]
        return Grouped(
            query,
            tuple(keys),
            tuple(terms),
            least=rng.choice((None, None, None, 1, 2)),
            by_count=rng.random() < 0.25,
            stop=rng.choice((None, None, None, 0, 1, 3)),
        )

    def _read_key(self) -> Read:
        if self.plain and self.rng.random() < 0.6:
            return self._through_list((self.rng.choice(_FEW_VALUES),))
        return self._parted(Read(*self._scalar(lambda kind: kind.name not in _CONTAINERS)))

    def _scalar(self, fits: Callable[[Kind], bool]) -> tuple[Place, Kind]:
        """A place that fits; a declared scalar of the class itself in a plain grouping."""
        if not self.plain:
            return self._place(fits)
        names = [
            name
            for name, (_, kind) in self.root.fields.items()
            if fits(kind) and kind.name not in _CONTAINERS | UNTYPED
        ]
        name = self.rng.choice(names)
        return Place((name,), (self.root.fields[name][0],)), self.root.fields[name][1]

    def _parted(self, read: Read) -> Read:
        names = _DATES | (UNTYPED if self.rng.random() < 0.1 else frozenset())
        if read.kind.name not in names or self.rng.random() < 0.4:
            return read
        parts = _PARTS if read.kind.name == "date" else (*_PARTS, "hour")
        return replace(read, part=self.rng.choice(parts))

    def _through_list(self, names: tuple[Any, ...]) -> Read:
        kind = self.root
        for name in names:
            kind = kind.inner if name is EACH else kind.fields[name][1]
        stored = tuple('the "amount"' if name == "amount" else name for name in names)
        return Read(Place(names, stored), kind)

    def _term(self) -> tuple[str, Read | None]:
        rng = self.rng
        name = rng.choice((*FUNCTIONS, "sum", "avg", "documents"))
        if name == "documents":
            return "count", None
        fits = _FITS.get(name, _anything)
        if self.root.name == "model" and rng.random() < (0.05 if self.plain else 0.25):
            read = self._through_list(rng.choice(_LISTED))
            if fits(read.kind):
                return name, self._parted(read) if name != "collect" else read
        return name, self._parted(Read(*self._scalar(fits)))


def _anything(_: Kind) -> bool:
    return True


def _summed(kind: Kind) -> bool:
    return kind.name in NUMBERS | UNTYPED | {"timedelta", "level"}


_FITS: Final[dict[str, Callable[[Kind], bool]]] = {
    "sum": _summed,
    "avg": _summed,
    "min": lambda kind: kind.name in ORDERED | {"bool"},
    "max": lambda kind: kind.name in ORDERED | {"bool"},
    "distinct": lambda kind: kind.name not in _CONTAINERS,
}
_FEW_VALUES: Final = ("flag", "level", "colour", "clock", "ratio", "price", "oid")
_LISTED: Final = (
    ("words", EACH),
    ("numbers", EACH),
    ("ratios", EACH),
    ("prices", EACH),
    ("moments", EACH),
    ("tags", EACH),
    ("things", EACH),
    ("leaves", EACH, "size"),
    ("leaves", EACH, "name"),
    ("leaves", EACH, "amount"),
)


def random_grouping(rng: Random, root: Kind, records: Sequence[Record]) -> Grouped:
    """One grouping about these documents."""
    return Groupings(rng, root, [record.values for record in records]).grouped()
