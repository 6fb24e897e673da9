"""The operators and lookups of field expressions, in the groups that belong to a kind of field.

A `FieldExpression` has them all. Type checkers see the group that fits the declared type: the
classes in `docmap.model.expressions`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Generic, Literal, NoReturn, TypeVar, overload

from docmap.errors import InvalidQuery, shown
from docmap.model.conditions import NO_TRUTH, Condition, all_of, operand
from docmap.query.nodes import Compare, Element, Node
from docmap.query.order import OrderTerm
from docmap.query.paths import EACH, Path
from docmap.schema.types import ANY, FieldType

T = TypeVar("T")
E = TypeVar("E")


class Expression:
    """A field or a place below one, to be compared: what every kind of field can do.

    The attributes have an underscore, which no field can have: a public one could hide a field.
    """

    __slots__ = ("_kind", "_owner", "_path")

    def __init__(self, path: Path, kind: FieldType = ANY, owner: type | None = None, /) -> None:
        self._path = path
        self._kind = kind
        self._owner = owner

    def __eq__(self, other: object, /) -> Condition:  # type: ignore[override]
        return self._compare("equals", operand(other))

    def __ne__(self, other: object, /) -> Condition:  # type: ignore[override]
        return ~self._compare("equals", operand(other))

    __hash__ = None  # type: ignore[assignment]  # equality makes a condition

    def exists(self, flag: bool = True, /) -> Condition:
        """True where something is stored, null included; with False where nothing is."""
        return self._compare("exists", flag)

    def is_null(self, flag: bool = True, /) -> Condition:
        """True where null is stored; with False where it is not."""
        return self._compare("is_null", flag)

    def lookup(self, name: str, value: Any, /) -> Condition:
        """Any lookup by its name, such as one that the program has registered."""
        return self._compare(name, operand(value))

    def asc(self) -> OrderTerm:
        """Sort by this field, the smallest first."""
        return OrderTerm(self._path)

    def desc(self) -> OrderTerm:
        """Sort by this field, the greatest first."""
        return OrderTerm(self._path, descending=True)

    def __bool__(self) -> None:
        raise InvalidQuery(f"the field {self!r} {NO_TRUTH}; write field == True for a flag")

    if TYPE_CHECKING:
        # So a checker refuses what is refused at run time, and does not fall back to indexes.
        __contains__: None
        __iter__: None
    else:

        def __contains__(self, value: object) -> NoReturn:
            raise InvalidQuery(f"`in {self!r}` cannot be a query: write {self!r}.contains(value)")

        def __iter__(self) -> NoReturn:
            raise InvalidQuery(
                f"{self!r} is a field, not a value: it cannot be iterated. For a condition on "
                "the elements write .any(...), .all(...) or .contains(value)"
            )

        def __len__(self) -> NoReturn:
            raise InvalidQuery(f"{self!r} is a field, not a value: write {self!r}.size(n)")

    def __repr__(self) -> str:
        return self._path.dotted

    def _compare(self, lookup: str, value: Any) -> Condition:
        return _owned(Compare(self._path, lookup, value), self._owner)

    def _as_condition(self) -> Condition:
        """A field that is true or false is a condition as it stands."""
        if self._kind.kind not in {"bool", "any", "union"}:
            raise InvalidQuery(f"{self!r} is a field, not a condition: compare it with something")
        return self._compare("equals", True)

    def _below(self, key: object) -> Any:
        """The expression for what lies at `key` below this one."""
        raise NotImplementedError


class Equality(Expression, Generic[T]):
    """Membership in a set of values of the field's type."""

    __slots__ = ()

    def in_(self, values: Iterable[T | None], /) -> Condition:
        """True if the value equals one of `values`; None among them matches null and missing."""
        return self._compare("in", _several("in_", values))

    def not_in(self, values: Iterable[T | None], /) -> Condition:
        """True if the value equals none of `values`."""
        return ~self._compare("in", _several("not_in", values))


class Ordering(Equality[T]):
    """Comparison of values that have an order."""

    __slots__ = ()

    def __gt__(self, other: T, /) -> Condition:
        return self._compare("gt", operand(other))

    def __ge__(self, other: T, /) -> Condition:
        return self._compare("gte", operand(other))

    def __lt__(self, other: T, /) -> Condition:
        return self._compare("lt", operand(other))

    def __le__(self, other: T, /) -> Condition:
        return self._compare("lte", operand(other))

    def between(self, low: T, high: T, /) -> Condition:
        """True if the value is not below `low` and not above `high`."""
        return self._compare("between", (operand(low), operand(high)))


class TextLookups(Expression):
    """Lookups on text: literal and case-sensitive, those with `i` compare Python's casefold."""

    __slots__ = ()

    def contains(self, part: str, /) -> Condition:
        """True if `part` occurs in the text."""
        return self._compare("contains", operand(part))

    def contains_any(self, parts: Iterable[str], /) -> Condition:
        """True if one of `parts` occurs in the text."""
        return self._compare("contains_any", _several("contains_any", parts))

    def contains_all(self, parts: Iterable[str], /) -> Condition:
        """True if each of `parts` occurs in the text."""
        return self._compare("contains_all", _several("contains_all", parts))

    def icontains(self, part: str, /) -> Condition:
        """True if `part` occurs in the text, whatever its case."""
        return self._compare("icontains", operand(part))

    def startswith(self, start: str, /) -> Condition:
        """True if the text begins with `start`."""
        return self._compare("startswith", operand(start))

    def istartswith(self, start: str, /) -> Condition:
        """True if the text begins with `start`, whatever its case."""
        return self._compare("istartswith", operand(start))

    def endswith(self, end: str, /) -> Condition:
        """True if the text ends with `end`."""
        return self._compare("endswith", operand(end))

    def iendswith(self, end: str, /) -> Condition:
        """True if the text ends with `end`, whatever its case."""
        return self._compare("iendswith", operand(end))

    def iexact(self, text: str, /) -> Condition:
        """True if the text is `text`, whatever its case."""
        return self._compare("iexact", operand(text))

    def matches(self, pattern: str, /) -> Condition:
        """True if the regular expression is found in the text."""
        return self._compare("matches", operand(pattern))

    def matches_caseless(self, pattern: str, /) -> Condition:
        """True if the regular expression is found in the text, whatever its case."""
        return self._compare("matches_caseless", operand(pattern))

    def like(self, pattern: str, /) -> Condition:
        """True if the whole text fits a pattern with `%` (any text) and `_` (one character)."""
        return self._compare("like", operand(pattern))


class ListLookups(Expression, Generic[E]):
    """Lookups on lists and sets, and the way to their elements."""

    __slots__ = ()

    def contains(self, element: E, /) -> Condition:
        """True if an element equals `element`."""
        return self._compare("contains", operand(element))

    def contains_any(self, elements: Iterable[E], /) -> Condition:
        """True if one of `elements` is in the list."""
        return self._compare("contains_any", _several("contains_any", elements))

    def contains_all(self, elements: Iterable[E], /) -> Condition:
        """True if all of `elements` are in the list."""
        return self._compare("contains_all", _several("contains_all", elements))

    def size(self, count: int, /) -> Condition:
        """True if the list has `count` elements."""
        return self._compare("size", operand(count))

    def any(self, /, *conditions: Condition | bool, **lookups: Any) -> Condition:
        """True if all conditions hold for one and the same element.

        `Order.items.any(sku="x", qty__gt=2)`; of plain elements `Order.scores.any(gt=5)`.
        """
        return self._element("any", conditions, lookups)

    def all(self, /, *conditions: Condition | bool, **lookups: Any) -> Condition:
        """True if all conditions hold for each element; of an empty list it is true."""
        return self._element("all", conditions, lookups)

    def each(self) -> E:
        """Every element of the list, for `values`, `group_by` and indexes."""
        below: E = self._below(EACH)
        return below

    def __getitem__(self, index: int, /) -> E:
        below: E = self._below(index)
        return below

    def _element(
        self,
        quantifier: Literal["any", "all"],
        conditions: tuple[object, ...],
        lookups: dict[str, Any],
    ) -> Condition:
        inner = all_of(conditions, lookups)
        if not conditions and not lookups:
            raise InvalidQuery(
                f"{self!r}.{quantifier}() asks nothing of the elements: give it conditions, such "
                f"as {quantifier}(gt=5) or {quantifier}(sku='x', qty__gt=2)"
            )
        for owner in inner.owners:
            if not _is_element(self._kind, owner):
                raise InvalidQuery(
                    f"a field of {owner.__name__} stands in {self!r}.{quantifier}(...), where "
                    "conditions speak of one element: name its fields, as in "
                    f"{quantifier}(sku='x') or {quantifier}(Q(sku='x') | Q(qty__gt=2))"
                )
        return _owned(Element(self._path, quantifier, inner.node), self._owner)


class DateLookups(Expression):
    """Parts of a date or of a datetime, which is read in UTC."""

    __slots__ = ()

    @property
    def year(self) -> DatePart:
        """The year: `Order.created_at.year(2024)`, or `== 2024`."""
        return DatePart(self._path, self._owner, "year")

    @property
    def month(self) -> DatePart:
        """The month, from 1."""
        return DatePart(self._path, self._owner, "month")

    @property
    def day(self) -> DatePart:
        """The day of the month, from 1."""
        return DatePart(self._path, self._owner, "day")

    @property
    def hour(self) -> DatePart:
        """The hour, from 0; of datetimes only."""
        return DatePart(self._path, self._owner, "hour")

    @property
    def weekday(self) -> DatePart:
        """The day of the week; Monday is 0."""
        return DatePart(self._path, self._owner, "weekday")


class DatePart:
    """A part of a date: called with its number, or compared as a part of Python's own dates is."""

    __slots__ = ("_lookup", "_owner", "_path")

    def __init__(self, path: Path, owner: type | None, lookup: str) -> None:
        self._path = path
        self._owner = owner
        self._lookup = lookup

    @overload
    def __call__(self, /) -> DatePart: ...
    @overload
    def __call__(self, number: int, /) -> Condition: ...
    def __call__(self, number: int | None = None, /) -> DatePart | Condition:
        """The condition that the part is `number`; without one the part, as `date.weekday()`."""
        return self if number is None else self == number

    def __eq__(self, other: object, /) -> Condition:  # type: ignore[override]
        return _owned(Compare(self._path, self._lookup, operand(other)), self._owner)

    def __ne__(self, other: object, /) -> Condition:  # type: ignore[override]
        return ~(self == other)

    __hash__ = None  # type: ignore[assignment]  # equality makes a condition

    def __repr__(self) -> str:
        return f"{self._path}.{self._lookup}"

    def __bool__(self) -> None:
        raise InvalidQuery(f"{self!r} {NO_TRUTH}")

    def _as_condition(self) -> Condition:
        raise InvalidQuery(f"{self!r} is no condition: write {self!r}(number)")


def _owned(node: Node, owner: type | None) -> Condition:
    return Condition(node, frozenset() if owner is None else frozenset({owner}))


def _several(method: str, values: Any) -> tuple[Any, ...]:
    """The operands of a lookup that takes many."""
    if isinstance(values, (str, bytes, Expression)) or not isinstance(values, Iterable):
        raise InvalidQuery(f"{method} takes a list of values, not {shown(values)}")
    return tuple(operand(value) for value in values)


def _is_element(kind: FieldType, owner: type) -> bool:
    """True if the elements of a list are of the model `owner`, or of a class derived from it."""
    elements = [option.item for option in (kind, *kind.options)]
    members = [m for item in elements if item for m in (item, *item.options)]
    return any(isinstance(m.annotation, type) and issubclass(m.annotation, owner) for m in members)
