"""The lookups of field expressions, in the groups that belong to a kind of field.

A `FieldExpression` has them all. Type checkers see the group that fits the declared type: the
classes in `docmap.model.expressions`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Generic, Literal, NoReturn, TypeVar, overload

from docmap.errors import InvalidQuery
from docmap.model.operators import Expression, owned, several
from docmap.query.conditions import NO_TRUTH, Condition, all_of, operand
from docmap.query.nodes import Compare, Element
from docmap.query.paths import EACH, Path
from docmap.schema.types import FieldType

E = TypeVar("E")


class TextLookups(Expression):
    """Lookups on text: literal and case-sensitive, those with `i` compare Python's casefold."""

    __slots__ = ()

    def contains(self, part: str, /) -> Condition:
        """True if `part` occurs in the text."""
        return self._compare("contains", operand(part))

    def contains_any(self, parts: Iterable[str], /) -> Condition:
        """True if one of `parts` occurs in the text."""
        return self._compare("contains_any", several("contains_any", parts))

    def contains_all(self, parts: Iterable[str], /) -> Condition:
        """True if each of `parts` occurs in the text."""
        return self._compare("contains_all", several("contains_all", parts))

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
        return self._compare("contains_any", several("contains_any", elements))

    def contains_all(self, elements: Iterable[E], /) -> Condition:
        """True if all of `elements` are in the list."""
        return self._compare("contains_all", several("contains_all", elements))

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
            if not is_element(self._kind, owner):
                raise InvalidQuery(
                    f"a field of {owner.__name__} stands in {self!r}.{quantifier}(...), where "
                    "conditions speak of one element: name its fields, as in "
                    f"{quantifier}(sku='x') or {quantifier}(Q(sku='x') | Q(qty__gt=2))"
                )
        return owned(Element(self._path, quantifier, inner.node), self._owner)


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
        return owned(Compare(self._path, self._lookup, operand(other)), self._owner)

    def __ne__(self, other: object, /) -> Condition:  # type: ignore[override]
        return ~(self == other)

    __hash__ = None  # type: ignore[assignment]  # equality makes a condition

    if not TYPE_CHECKING:

        def __gt__(self, other: object, /) -> NoReturn:
            raise InvalidQuery(
                f"{self!r} is compared with == and != only: for a range compare the field itself, "
                "as in field.between(low, high)"
            )

        __ge__ = __lt__ = __le__ = __gt__

    def __repr__(self) -> str:
        return f"{self._path}.{self._lookup}"

    def __bool__(self) -> None:
        raise InvalidQuery(f"{self!r} {NO_TRUTH}")

    def _as_condition(self) -> Condition:
        raise InvalidQuery(f"{self!r} is no condition: write {self!r}(number)")


def is_element(kind: FieldType, owner: type) -> bool:
    """True if the elements of a list are of the model `owner`, or of a class derived from it."""
    elements = [option.item for option in (kind, *kind.options)]
    members = [m for item in elements if item for m in (item, *item.options)]
    return any(isinstance(m.annotation, type) and issubclass(m.annotation, owner) for m in members)
