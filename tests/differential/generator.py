"""Random queries: conditions of depth three and more over every lookup, orders, slices, values."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import chain
from random import Random
from typing import Any, Final, Literal

from docmap.query.paths import EACH, Digits, Path, getter
from docmap.values import MISSING
from tests.differential.asks import (
    PARTS,
    Ask,
    Both,
    Contrary,
    Either,
    Elements,
    Leaf,
    Order,
    Place,
    Query,
    Style,
)
from tests.differential.kinds import (
    ANY,
    ENUMS,
    LISTS,
    NUMBERS,
    ORDERED,
    UNTYPED,
    Kind,
    anything,
    logical,
    make,
)
from tests.differential.pools import DICT_KEYS, LIKES, PATTERNS, TEXTS, near

_STYLES: Final[tuple[Style, ...]] = ("keyword", "path", "operator", "method")
_EQUALITY: Final = ("equals", "not_equals", "in", "not_in", "exists", "is_null")
_RANGES: Final = ("gt", "gte", "lt", "lte", "between")
_TEXT: Final = (
    "icontains", "startswith", "istartswith", "endswith", "iendswith", "iexact", "matches",
    "matches_caseless", "like",
)  # fmt: skip
_DECLARED: Final[dict[str, Literal["list", "text"]]] = {
    "list": "list",
    "set": "list",
    "str": "text",
    "colour": "text",
}
_DATE_PARTS: Final = ("year", "month", "day", "weekday")


@dataclass
class Generator:
    """Makes queries about documents of a kind; operands often come from what is stored."""

    rng: Random
    root: Kind
    trees: Sequence[Any]

    def query(self) -> Query:
        rng = self.rng
        order: tuple[Order, ...] = ()
        if rng.random() < 0.5:
            order = tuple(self._order() for _ in range(rng.choice((1, 1, 2, 3))))
        slices = tuple(self._slice() for _ in range(rng.choice((0, 0, 0, 1, 1, 2))))
        return Query(
            condition=self.ask(rng.choice((0, 1, 2, 3, 4))) if rng.random() < 0.95 else None,
            where_not=rng.random() < 0.2,
            order=order,
            slices=slices,
            values=self._values() if rng.random() < 0.3 else None,
            nulls=rng.random() < 0.5,
        )

    def ask(self, depth: int) -> Ask:
        rng = self.rng
        chance = rng.random()
        if depth == 0 or chance < 0.15:
            return self._leaf()
        if chance < 0.3:
            return Contrary(self.ask(depth - 1))
        if chance < 0.45:
            found = self._elements(depth)
            if found is not None:
                return found
        children = tuple(self.ask(depth - 1) for _ in range(rng.choice((2, 2, 3))))
        return (Both if rng.random() < 0.5 else Either)(children)

    # -- places

    def _place(self, wanted: Callable[[Kind], bool] = lambda _: True) -> tuple[Place, Kind]:
        for _ in range(200):
            place, kind = self._any_place()
            if wanted(kind):
                return place, kind
        raise AssertionError("no such place in this kind")

    def _any_place(self) -> tuple[Place, Kind]:
        rng, kind = self.rng, self.root
        names: tuple[Any, ...] = ()
        stored: tuple[Any, ...] = ()
        keyword = True
        if self.root.name not in {"model", "any"} or (names == () and self._elementary()):
            return Place((), ()), kind
        while True:
            above = kind
            name, segment, kind = self._step(kind, stored)
            keyword = keyword and not (isinstance(name, int) and above.name in UNTYPED)
            names, stored = (*names, name), (*stored, segment)
            deeper = {"model": 0.85, "dict": 0.7, "list": 0.2, "pair": 0.7, "any": 0.35}
            if rng.random() >= deeper.get(kind.name, 0):
                return Place(names, stored, keyword), kind

    def _elementary(self) -> bool:
        """An element without a declared type may itself be compared."""
        return self.root is ANY and not any(isinstance(t, dict) and "id" in t for t in self.trees)

    def _step(self, kind: Kind, above: tuple[Any, ...]) -> tuple[Any, Any, Kind]:
        rng = self.rng
        if kind.name == "model":
            name = rng.choice(sorted(kind.fields))
            return name, *kind.fields[name]
        if kind.name == "list":
            index = rng.choice((0, 0, 1, 2, 7))
            return index, index, kind.inner
        if kind.name == "pair":
            index = rng.randrange(len(kind.items))
            return index, index, kind.items[index]
        if kind.name == "dict":
            key = rng.choice(self._keys_at(above) or DICT_KEYS)
            return key, key, kind.inner
        if rng.random() < 0.15:
            index = rng.choice((0, 1))
            return index, index, ANY
        key = rng.choice(self._keys_at(above) or DICT_KEYS)
        return key, Digits(key) if key.isascii() and key.isdigit() else key, ANY

    def _keys_at(self, above: tuple[Any, ...]) -> list[str]:
        get = getter(Path(above))
        found: set[str] = set()
        for tree in self.trees:
            value = get(tree)
            if isinstance(value, dict):
                found.update(value)
            elif isinstance(value, list) and value:
                found.add("0")
        return sorted(found) if self.rng.random() < 0.9 else []

    # -- conditions

    def _elements(self, depth: int) -> Ask | None:
        rng = self.rng
        if self.root.name not in {"model", "any"}:
            return None
        place, kind = self._place(lambda kind: kind.name in LISTS | UNTYPED)
        get = getter(Path(place.stored))
        lists = (value for tree in self.trees if isinstance(value := get(tree), list))
        elements = list(chain.from_iterable(lists))
        below = Generator(rng, kind.inner if kind.name in LISTS else ANY, elements)
        quantifier: Literal["any", "all"] = rng.choice(("any", "any", "all"))
        return Elements(place, quantifier, below.ask(min(depth - 1, 2)), rng.choice(_STYLES))

    def _leaf(self) -> Ask:
        place, kind = self._place()
        lookup = self.rng.choice(_lookups(kind))
        operand, wanted = self._operand(kind, lookup, Path(place.stored))
        declared = _DECLARED.get(kind.name)
        return Leaf(place, lookup, operand, wanted, self.rng.choice(_STYLES), declared)

    def _operand(self, kind: Kind, lookup: str, path: Path) -> tuple[Any, Any]:
        rng = self.rng
        if lookup in {"exists", "is_null"}:
            flag = rng.random() < 0.5
            return flag, flag
        if lookup in {"size", *_DATE_PARTS, "hour"}:
            number = rng.choice((0, 1, 2, 3, 12, 29, 2024, -1))
            return number, number
        if lookup in {"matches", "matches_caseless", "like"}:
            text = rng.choice(LIKES if lookup == "like" else PATTERNS)
            return text, text
        if lookup in _TEXT:
            text = self._text(path)
            return text, text
        if lookup in PARTS:
            return self._parts(kind, lookup, path)
        if lookup in {"in", "not_in"}:
            pairs = [self._value(kind, path) for _ in range(rng.choice((0, 1, 2, 3)))]
            return [one for one, _ in pairs], [meant for _, meant in pairs]
        if lookup == "between":
            low, high = self._ordered(kind, path), self._ordered(kind, path)
            return (low[0], high[0]), (low[1], high[1])
        if lookup in _RANGES:
            return self._ordered(kind, path)
        return self._value(kind, path)

    def _stored(self, path: Path) -> Any:
        get = getter(path)
        found = [value for tree in self.trees if (value := get(tree)) is not MISSING]
        return self.rng.choice(found) if found else None

    def _text(self, path: Path) -> str:
        stored = self._stored(path)
        if isinstance(stored, list):
            stored = next((one for one in stored if isinstance(one, str)), None)
        if isinstance(stored, str) and self.rng.random() < 0.7:
            return str(near(self.rng, stored))
        return self.rng.choice(TEXTS)

    def _parts(self, kind: Kind, lookup: str, path: Path) -> tuple[Any, Any]:
        pairs = []
        for _ in range(1 if lookup == "contains" else self.rng.choice((0, 1, 2))):
            if kind.name in {"str", "colour"} or (kind.name in UNTYPED and self.rng.random() < 0.5):
                text = self._text(path)
                pairs.append((text, text))
            else:
                item = kind.inner if kind.name in LISTS else ANY
                stored = self._stored(path)
                one = self.rng.choice(stored) if isinstance(stored, list) and stored else None
                pairs.append(self._value(item, None, one))
        if lookup == "contains":
            return pairs[0]
        return [one for one, _ in pairs], [meant for _, meant in pairs]

    def _value(self, kind: Kind, path: Path | None, stored: Any = None) -> tuple[Any, Any]:
        """An operand for equality, as it is written and as it is meant."""
        rng = self.rng
        if stored is None and path is not None:
            stored = self._stored(path)
        if rng.random() < 0.06:
            return None, None
        if _fits(kind, stored) and rng.random() < 0.65:
            value = near(rng, stored) if rng.random() < 0.3 else stored
            value = value if _fits(kind, value) else stored
            value = set(value) if kind.name == "set" else value
        elif kind.name in UNTYPED and rng.random() < 0.5:
            value = anything(rng)
        else:
            value = make(rng, kind)
        return self._other_form(kind, value)

    def _ordered(self, kind: Kind, path: Path) -> tuple[Any, Any]:
        for _ in range(200):
            operand, wanted = self._value(kind, path)
            if wanted is not None and not isinstance(wanted, (bool, bytes, list, dict)):
                return operand, wanted
        return 1, 1  # a place without a declared type

    def _other_form(self, kind: Kind, value: Any) -> tuple[Any, Any]:
        """The value as it is, or in another form that the field's own rule takes."""
        rng = self.rng
        wanted = logical(kind, value)
        if rng.random() < 0.75:
            return value, wanted
        if kind.name in ENUMS:
            return wanted, wanted
        if kind.name in NUMBERS and isinstance(wanted, (int, float, Decimal)):
            return _other_number(rng, wanted)
        if kind.name in {"datetime", "fine"}:
            return wanted.isoformat(), wanted
        if kind.name in {"date", "time"}:
            return wanted.isoformat(), wanted
        if kind.name in {"uuid", "objectid"}:
            return str(wanted).upper(), wanted
        if kind.name == "set":
            return sorted(value), wanted
        return value, wanted

    # -- orders, slices, values

    def _order(self) -> Order:
        place, _ = self._place(lambda kind: kind.name in ORDERED | {"bool"})
        return Order(place, self.rng.random() < 0.5)

    def _slice(self) -> tuple[int | None, int | None]:
        rng, most = self.rng, len(self.trees)
        start = rng.choice((None, 0, 1, 2, rng.randint(0, most + 1)))
        stop = rng.choice((None, 0, 1, 3, rng.randint(0, most + 3)))
        return start, stop

    def _values(self) -> Place:
        rng = self.rng
        if self.root.name == "model" and rng.random() < 0.3:
            name = rng.choice(("words", "numbers", "prices", "tags", "things", "moments"))
            if rng.random() < 0.3:
                return Place(("leaves", EACH, "size"), ("leaves", EACH, "size"))
            return Place((name, EACH), (name, EACH))
        place, _ = self._place(
            lambda kind: kind.name not in {"list", "set", "dict", "model", "pair"}
        )
        return place


def _lookups(kind: Kind) -> tuple[str, ...]:
    found: tuple[str, ...] = _EQUALITY
    if kind.name in ORDERED:
        found += _RANGES + _RANGES
    if kind.name in {"str", "colour", *UNTYPED}:
        found += _TEXT + PARTS
    if kind.name in LISTS:
        found += PARTS + PARTS + ("size",)
    if kind.name in UNTYPED:
        found += ("size",)
    if kind.name in {"datetime", "fine", "date", *UNTYPED}:
        found += _DATE_PARTS
    if kind.name in {"datetime", "fine", *UNTYPED}:
        found += ("hour",)
    return found


def _fits(kind: Kind, value: Any) -> bool:
    """True if a stored value can be written as an operand of this kind."""
    if value is None:
        return False
    if kind.name in {"list", "set"}:
        return isinstance(value, list) and all(_fits(kind.inner, one) for one in value)
    if kind.name in {"dict", "model", "pair", *ENUMS}:
        return False
    return kind.name in UNTYPED or type(value) in _TYPES[kind.name]


_TYPES: Final[dict[str, tuple[type, ...]]] = {
    name: (type(logical(Kind(name), make(Random(0), Kind(name)))),)
    for name in "bool int bigint float decimal str bytes datetime fine date time timedelta uuid "
    "objectid colour level".split()
}


def _other_number(rng: Random, value: Any) -> tuple[Any, Any]:
    """The number, or one close to it, as another of Python's types; the comparison stays exact."""
    exact = Decimal(value)
    forms: list[Any] = [exact, exact + Decimal("0.5"), -exact]
    if abs(exact) < Decimal(2) ** 900:
        forms += [float(exact), math.nextafter(float(exact), 0), int(exact), float(exact) + 0.5]
    forms += [2**63, -(2**63) - 1, math.inf, -math.inf, Decimal("Infinity"), 10**400, 1e300]
    forms += [Decimal("0.1000000000000000055511151231257827021181583404541015625"), 0.1]
    number = rng.choice(forms)
    if rng.random() < 0.1 and Decimal(number).is_finite():
        return str(number), Decimal(str(number))
    return number, number


def refused(model: Any) -> list[tuple[str, Callable[[Any], Any]]]:
    """Queries that must be refused when they are built, with a name for each."""
    return _UNTYPED_REFUSALS + ([] if isinstance(model, str) else _TYPED_REFUSALS)


def _keyword(**lookups: Any) -> tuple[str, Callable[[Any], Any]]:
    return str(lookups), lambda query: query.where(**lookups)


_NAIVE: Final = datetime(2024, 1, 1)  # noqa: DTZ001 - refused
_UNTYPED_REFUSALS: Final = [
    _keyword(thing__gt=None),
    _keyword(thing__gt=True),
    _keyword(thing__lt=[1]),
    _keyword(thing__gte={"a": 1}),
    _keyword(thing__lte=b"a"),
    _keyword(thing__between=1),
    _keyword(thing__between=(1, 2, 3)),
    _keyword(thing="\0"),
    _keyword(thing="\ud800"),
    _keyword(thing=math.nan),
    _keyword(thing=2**63),
    _keyword(thing=_NAIVE),
    _keyword(thing=object()),
    _keyword(thing__like="a\\"),
    _keyword(thing__matches="(a"),
    _keyword(thing__matches=r"(a)\1"),
    _keyword(thing__in="abc"),
    _keyword(thing__exists=1),
    _keyword(thing__size="1"),
    _keyword(thing__startswith=1),
    _keyword(thing__year=True),
    ("a step", lambda query: query[::2]),
    ("a negative slice", lambda query: query[-1:]),
    ("where after a slice", lambda query: query[:1].where(thing=1)),
    ("order after a slice", lambda query: query[:1].order_by("thing")),
    ("delete after a slice", lambda query: query[:1].delete()),
]
_TYPED_REFUSALS: Final = [
    _keyword(whole="x"),
    _keyword(whole=True),
    _keyword(whole__gt=None),
    _keyword(whole=math.nan),
    _keyword(flag=1),
    _keyword(flag__gt=False),
    _keyword(word=1),
    _keyword(word__contains=1),
    _keyword(moment=_NAIVE),
    _keyword(moment=datetime(2024, 1, 1, tzinfo=UTC).date()),
    _keyword(moment="x"),
    _keyword(day__hour=1),
    _keyword(span=timedelta.max),
    _keyword(uid="x"),
    _keyword(oid="x"),
    _keyword(blob__gt=b"a"),
    _keyword(tags__gt=["a"]),
    _keyword(words="a"),
    _keyword(words__startswith="a"),
    _keyword(leaves__name="a"),
    _keyword(wholes=1),
    _keyword(whole__gtt=1),
    _keyword(inner__nam="a"),
    _keyword(whole__contains=1),
    _keyword(whole__size=1),
    _keyword(whole__any={"gt": 1}),
    ("order by a list", lambda query: query.order_by("words")),
    ("order by bytes", lambda query: query.order_by("blob")),
    ("order by a model", lambda query: query.order_by("inner")),
    ("order by nothing known", lambda query: query.order_by("wholes")),
    ("values of a list", lambda query: query.values("words")),
    ("values of a model", lambda query: query.values("inner")),
]
