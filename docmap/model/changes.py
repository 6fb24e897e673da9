"""The changes that field expressions make for `update`: `Order.total.inc(5)`.

A `FieldExpression` has them all; type checkers see those that fit the declared type. `set`, `unset`
and `rename`, and `min` and `max`, are in `docmap.model.operators`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Generic, Literal, TypeVar

from docmap.errors import InvalidQuery
from docmap.model.lookups import is_element
from docmap.model.operators import Expression
from docmap.query.changes import Change, Push
from docmap.query.conditions import Condition, all_of

E = TypeVar("E")


class NumberChanges(Expression):
    """What an update does to a number."""

    __slots__ = ()

    def inc(self, amount: float | Decimal, /) -> Change:
        """Add `amount`, exactly for ints and Decimals; null and missing count as 0."""
        return self._change("inc", amount)

    def mul(self, factor: float | Decimal, /) -> Change:
        """Multiply by `factor`; null and missing become 0."""
        return self._change("mul", factor)


class ElementChanges(Expression, Generic[E]):
    """What an update does to a set, and to a list too."""

    __slots__ = ()

    def add_to_set(self, /, *elements: E) -> Change:
        """Add those of the elements that are not in it."""
        return self._change("add_to_set_all", elements)

    def pull(self, /, *elements: E | Condition, **lookups: Any) -> Change:
        """Take out every element that equals one of these, or for which all conditions hold.

        `Order.tags.pull("old")`, `Order.items.pull(sku="x", qty__lt=1)`, `Order.scores.pull(lt=5)`.
        """
        conditions = [one for one in elements if isinstance(one, Condition)]
        if not conditions and not lookups:
            return self._change("pull_all", elements)
        if len(conditions) < len(elements):
            raise InvalidQuery(
                f"{self!r}.pull takes elements or conditions, not both: write pull(in_=[...]) for "
                "elements, or two updates"
            )
        inner = all_of(tuple(conditions), lookups)
        for owner in inner.owners:
            if not is_element(self._kind, owner):
                raise InvalidQuery(
                    f"a field of {owner.__name__} stands in {self!r}.pull(...), where conditions "
                    "speak of one element: name its fields, as in pull(sku='x')"
                )
        return self._change("pull", Condition(inner.node))


class ListChanges(ElementChanges[E]):
    """What an update does to a list."""

    __slots__ = ()

    def push(self, /, *elements: E, position: int | None = None, keep: int | None = None) -> Change:
        """Insert the elements at `position` from 0, at the end without one.

        `keep` is how many the list may have then: a negative number keeps those at the end.
        """
        return self._change("push", Push(elements, position=position, keep=keep))

    def pop(self, end: Literal["first", "last"] = "last", /) -> Change:
        """Take out the last element, or the first one."""
        return self._change("pop", end)
