"""Conditions that users combine with `&`, `|` and `~`: unbound trees with the classes they name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from docmap.errors import InvalidQuery, shown
from docmap.query.nodes import Keyword, Node, conjunction, disjunction, negation
from docmap.query.text import text

NO_TRUTH: Final = (
    "has no truth value, and Python would drop half of the condition: combine conditions with "
    "&, | and ~, each in parentheses, instead of and, or, not and if; write field.between(low, "
    "high) for low <= field <= high, and field.in_(values) for in"
)


class Condition:
    """What a query can be asked to match: an unbound `node`, and `owners`, the classes it names.

    Field expressions and `Q` make conditions; `&`, `|` and `~` combine them.

    >>> Q(status="paid") & ~Q(total__lt=100)
    Condition(status=? and not total__lt=?)
    """

    def __init__(self, node: Node, owners: frozenset[type] = frozenset()) -> None:
        self.node = node
        self.owners = owners

    def __and__(self, other: Condition | bool, /) -> Condition:
        return _combined(conjunction, self, other)

    def __rand__(self, other: Condition | bool, /) -> Condition:
        return _combined(conjunction, other, self)

    def __or__(self, other: Condition | bool, /) -> Condition:
        return _combined(disjunction, self, other)

    def __ror__(self, other: Condition | bool, /) -> Condition:
        return _combined(disjunction, other, self)

    def __invert__(self) -> Condition:
        return Condition(negation(self.node), self.owners)

    # A type other than bool makes `if` and `not` errors for pyright.
    def __bool__(self) -> None:
        raise InvalidQuery(f"the condition ({text(self.node)}) {NO_TRUTH}")

    def __repr__(self) -> str:
        return f"Condition({text(self.node)})"


class Q(Condition):
    """Keyword lookups as a condition, all of which must hold: `Q(status="paid", total__gte=100)`.

    Conditions given before the keywords must hold too. `Q()` is always true.

    >>> Q(status="paid") | Q(total__gte=100)
    Condition(status=? or total__gte=?)
    """

    def __init__(self, /, *conditions: Condition | bool, **lookups: Any) -> None:
        together = all_of(conditions, lookups)
        super().__init__(together.node, together.owners)


def all_of(conditions: tuple[object, ...], lookups: dict[str, Any]) -> Condition:
    """One condition of several and of keyword lookups: all must hold.

    Raises InvalidQuery for what is no condition, and for a keyword with an expression as operand.
    """
    if not conditions and len(lookups) == 1:
        ((name, value),) = lookups.items()
        return Condition(Keyword(name, _keyword_operand(name, value)))
    parts = [as_condition(condition) for condition in conditions]
    nodes = [part.node for part in parts]
    nodes += [Keyword(name, _keyword_operand(name, value)) for name, value in lookups.items()]
    owners = frozenset[type]().union(*(part.owners for part in parts))
    return Condition(conjunction(*nodes), owners)


def as_node(value: object) -> Node:
    """The unbound node of a condition, of a `Q` or of a field that is true or false.

    Raises InvalidQuery for everything else, a plain bool included.
    """
    return as_condition(value).node


def as_condition(value: object) -> Condition:
    """`value` as a condition; see `as_node`."""
    if isinstance(value, Condition):
        return value
    if isinstance(value, Node):
        return Condition(value)
    convert = getattr(type(value), "_as_condition", None)
    if convert is not None:
        converted: Condition = convert(value)
        return converted
    if isinstance(value, bool):
        raise InvalidQuery(
            "a condition is the plain value True or False, because Python made the comparison "
            "itself: compare a field of a finished Document class (Order.total > 100; a nested "
            "model through its document: Order.customer.country == 'DE'), or use Q(...) or "
            "path(...); write == None for is None"
        )
    raise InvalidQuery(
        f"a condition cannot be {shown(value)}: give a comparison such as Order.total > 100, "
        "Q(total__gt=100), or keywords such as total__gt=100"
    )


def operand(value: Any) -> Any:
    """`value` as the operand of a lookup.

    Raises InvalidQuery if it is a field or a condition: a lookup compares a field with a value.
    """
    if hasattr(type(value), "_as_condition") or isinstance(value, Condition):
        raise InvalidQuery(
            f"a field is compared with a value, not with another field or condition ({value!r}): "
            "store what the query needs in a field of its own, or compare the two in Python"
        )
    return value


def _keyword_operand(name: str, value: Any) -> Any:
    """An operand, or the condition of `items__any=Q(...)`, which speaks of one element."""
    if isinstance(value, Condition) and not value.owners:
        return value.node
    if isinstance(value, Condition):
        raise InvalidQuery(
            f"{name}= takes a condition on the elements, but ({text(value.node)}) speaks of a "
            f"document: write {name}=Q(...) with the names of an element's fields"
        )
    return operand(value)


def _combined(join: Callable[..., Node], left: object, right: object) -> Condition:
    first, second = as_condition(left), as_condition(right)
    return Condition(join(first.node, second.node), first.owners | second.owners)
