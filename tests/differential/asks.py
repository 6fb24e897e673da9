"""What is asked of a collection: conditions as a user writes them, and what they mean.

An ask is data. `written` makes the docmap condition of it, by keyword, by path or by operators;
`meaning` makes the bound node that the reference functions evaluate. The two share nothing but the
ask, so binding is tested too.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from docmap import Condition, Q, path
from docmap.model.fields import FieldExpression
from docmap.query.nodes import And, Compare, Element, Node, Not, Or
from docmap.query.paths import EACH, Path

Style = Literal["keyword", "path", "operator", "method"]


@dataclass(frozen=True)
class Place:
    """A place as a user names it, and where it is in storage."""

    names: tuple[Any, ...]
    stored: tuple[Any, ...]
    keyword: bool = True
    """It can be written as a keyword: without a type, `__0__` would be a key as well."""

    def expression(self, model: Any = None) -> FieldExpression:
        """`Zoo.inner.name` if the class is given, else `path("inner", "name")`."""
        if model is None or isinstance(model, str):
            return path(*self.names) if self.names else FieldExpression(Path())
        found: Any = getattr(model, self.names[0])
        for name in self.names[1:]:
            found = found[name]
        return found  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Leaf:
    """One lookup. `operand` is what is written, `wanted` the value that it stands for."""

    place: Place
    lookup: str
    operand: Any
    wanted: Any
    style: Style = "keyword"
    declared: Literal["list", "text"] | None = None
    """What is declared at the place: other values are no match for what asks for parts."""


@dataclass(frozen=True)
class Elements:
    """A condition on the elements of a list."""

    place: Place
    quantifier: Literal["any", "all"]
    condition: Ask
    style: Style = "keyword"


@dataclass(frozen=True)
class Both:
    children: tuple[Ask, ...]


@dataclass(frozen=True)
class Either:
    children: tuple[Ask, ...]


@dataclass(frozen=True)
class Contrary:
    child: Ask


Ask = Leaf | Elements | Both | Either | Contrary

_OPERATORS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "equals": operator.eq,
    "not_equals": operator.ne,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}
_NEGATED: Final[Mapping[str, str]] = {"not_equals": "equals", "not_in": "in"}
_METHODS: Final[Mapping[str, str]] = {"in": "in_", "not_in": "not_in"}
PARTS: Final = ("contains", "contains_any", "contains_all")
_CASELESS: Final = frozenset({"icontains", "istartswith", "iendswith", "iexact"})


def written(ask: Ask, model: Any) -> Condition:
    """The condition as a user writes it. `model` is None inside a condition on elements."""
    match ask:
        case Leaf():
            return _leaf(ask, model)
        case Elements(place, quantifier, condition, style):
            inner = written(condition, None)
            if style == "keyword" and _keyworded(place):
                return Q(**{_keyword(place, quantifier): inner})
            ask_elements: Any = getattr(place.expression(model), quantifier)
            return ask_elements(inner)  # type: ignore[no-any-return]
        case Both(children):
            joined = written(children[0], model)
            for child in children[1:]:
                joined &= written(child, model)
            return joined
        case Either(children):
            joined = written(children[0], model)
            for child in children[1:]:
                joined |= written(child, model)
            return joined
        case Contrary(child):
            return ~written(child, model)


def _leaf(ask: Leaf, model: Any) -> Condition:
    place, lookup, operand = ask.place, ask.lookup, ask.operand
    if ask.style == "keyword" and _keyworded(place):
        return Q(**{_keyword(place, lookup): operand})
    expression: Any = place.expression(model if ask.style != "path" else None)
    if ask.style in {"operator", "method"} and lookup in _OPERATORS:
        return _OPERATORS[lookup](expression, operand)  # type: ignore[no-any-return]
    if ask.style == "method":
        method: Any = getattr(expression, _METHODS.get(lookup, lookup))
        given = operand if lookup == "between" else (operand,)
        return method(*given)  # type: ignore[no-any-return]
    return expression.lookup(lookup, operand)  # type: ignore[no-any-return]


def _keyworded(place: Place) -> bool:
    return place.keyword and all(
        isinstance(name, int)
        or (name and "__" not in name and not name.startswith("_") and not name.endswith("_"))
        for name in place.names
    )


def _keyword(place: Place, lookup: str) -> str:
    return "__".join([*map(str, place.names), lookup])


# Conditions that hold for every list, and for every text.
_TYPE_TESTS: Final[Mapping[str, Callable[[Path], Node]]] = {
    "list": lambda place: Element(place, "all", And(())),
    "text": lambda place: Compare(place, "startswith", ""),
}


def meaning(ask: Ask) -> Node:
    """The bound node of an ask."""
    match ask:
        case Leaf(place, lookup, _, wanted, declared=declared):
            if lookup in _NEGATED:
                return Not(Compare(Path(place.stored), _NEGATED[lookup], wanted))
            value = wanted.casefold() if lookup in _CASELESS else wanted
            found: Node = Compare(Path(place.stored), lookup, value)
            if lookup not in PARTS or declared is None:
                return found
            return And((found, _TYPE_TESTS[declared](Path(place.stored))))
        case Elements(place, quantifier, condition):
            return Element(Path(place.stored), quantifier, meaning(condition))
        case Both(children):
            return And(tuple(map(meaning, children)))
        case Either(children):
            return Or(tuple(map(meaning, children)))
        case Contrary(child):
            return Not(meaning(child))


def simpler(ask: Ask) -> list[Ask]:
    """Asks with a part less: what is tried to make a failing case small."""
    match ask:
        case Leaf():
            return []
        case Elements(place, quantifier, condition, style):
            return [Elements(place, quantifier, one, style) for one in simpler(condition)]
        case Contrary(child):
            return [child, *map(Contrary, simpler(child))]
        case Both(children) | Either(children):
            kind = type(ask)
            fewer = [kind(children[:i] + children[i + 1 :]) for i in range(len(children))]
            changed = [
                kind((*children[:i], one, *children[i + 1 :]))
                for i, child in enumerate(children)
                for one in simpler(child)
            ]
            return [*children, *(one for one in fewer if len(one.children) > 1), *changed]


@dataclass(frozen=True)
class Order:
    place: Place
    descending: bool = False

    def term(self) -> Any:
        """The criterion as a user writes it."""
        expression = path(*self.place.names)
        return expression.desc() if self.descending else expression.asc()


@dataclass(frozen=True)
class Query:
    """A whole query: a condition, whether it is given to `where_not`, an order, slices in turn."""

    condition: Ask | None = None
    where_not: bool = False
    order: tuple[Order, ...] = ()
    slices: tuple[tuple[int | None, int | None], ...] = ()
    values: Place | None = None
    """What `values` is asked for."""
    nulls: bool = False

    @property
    def ordered(self) -> bool:
        """True if an order is promised."""
        return bool(self.order or self.slices)

    def on(self, storage: Any, model: Any) -> Any:
        """The docmap query."""
        query = storage.find(model)
        if self.condition is not None:
            condition = written(self.condition, model)
            query = query.where_not(condition) if self.where_not else query.where(condition)
        if self.order:
            query = query.order_by(*(order.term() for order in self.order))
        for start, stop in self.slices:
            query = query[start:stop]
        return query

    def values_place(self) -> Any:
        """The argument of `values`."""
        assert self.values is not None
        found: Any = None
        for name in self.values.names:
            if name is EACH:
                found = found.each()
                continue
            found = path(name) if found is None else found[name]
        return found
