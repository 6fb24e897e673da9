"""What every field expression can do, and the operators of those that have an order."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from docmap.errors import InvalidQuery, shown
from docmap.query.changes import Change
from docmap.query.conditions import NO_TRUTH, Condition, operand
from docmap.query.nodes import Compare, Node
from docmap.query.order import OrderTerm
from docmap.query.paths import Path
from docmap.schema.types import ANY, FieldType

T = TypeVar("T")


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
        """True where null or nothing is stored; with False where a value is."""
        return self._compare("is_null", flag)

    def lookup(self, name: str, value: Any, /) -> Condition:
        """Any lookup by its name, such as one that the program has registered."""
        return self._compare(name, operand(value))

    def unset(self) -> Change:
        """In an update: take the value away; a field with a default gets it instead."""
        return self._change("unset", True)

    def rename(self, to: Any, /) -> Change:
        """In an update: move the value to another place, given by name or as an expression."""
        return self._change("rename", to)

    def asc(self) -> OrderTerm:
        """Sort by this field, the smallest first."""
        return OrderTerm(self._path, owner=self._owner)

    def desc(self) -> OrderTerm:
        """Sort by this field, the greatest first."""
        return OrderTerm(self._path, descending=True, owner=self._owner)

    # A type other than bool makes `if` and `not` errors for pyright.
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
        return owned(Compare(self._path, lookup, value), self._owner)

    def _change(self, operator: str, value: Any) -> Change:
        return Change(self._path, operator, value, self._owner)

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
        return self._compare("in", several("in_", values))

    def not_in(self, values: Iterable[T | None], /) -> Condition:
        """True if the value equals none of `values`."""
        return ~self._compare("in", several("not_in", values))

    def set(self, value: T | None, /) -> Change:
        """In an update: store the value, whatever is there."""
        return self._change("set", value)


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

    def min(self, value: T, /) -> Change:
        """In an update: store the value if it is less than what is there, or nothing is."""
        return self._change("min", value)

    def max(self, value: T, /) -> Change:
        """In an update: store the value if it is greater than what is there, or nothing is."""
        return self._change("max", value)


def owned(node: Node, owner: type | None) -> Condition:
    """The condition of a node that names a field of `owner`."""
    return Condition(node, frozenset() if owner is None else frozenset({owner}))


def several(method: str, values: Any) -> tuple[Any, ...]:
    """The operands of a lookup that takes many. Raises InvalidQuery for what is no list of them."""
    if isinstance(values, (str, bytes, Expression)) or not isinstance(values, Iterable):
        raise InvalidQuery(f"{method} takes a list of values, not {shown(values)}")
    return tuple(operand(value) for value in values)
