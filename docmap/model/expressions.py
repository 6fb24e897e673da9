"""What type checkers see of a field: `col`, `Mapped` and `field`, and the classes that they give.

At run time every one of these classes is a `FieldExpression`. A checker sees `Order.total` as the
Decimal that it is declared as, so comparisons check as they stand. `col(...)` turns that into the
class with the lookups that fit; a field declared `Mapped[X]` is of that class by itself.
"""
# Every overload takes None beside its own type, and so they overlap where the value is only None.
# mypy: disable-error-code="overload-overlap"

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from pydantic import BaseModel, Field

from docmap.errors import InvalidQuery, shown
from docmap.model.changes import ElementChanges, ListChanges, NumberChanges
from docmap.model.lookups import DateLookups, DatePart, ListLookups, TextLookups
from docmap.model.operators import Equality, Expression, Ordering
from docmap.query.conditions import Condition, as_condition

__all__ = ["Mapped", "col", "field"]

E = TypeVar("E")
K = TypeVar("K")
V = TypeVar("V")
M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")
# Covariant, so that Mapped[str] fits where Mapped[str | None] is asked for.
T_co = TypeVar("T_co", covariant=True)
AnyExpression = TypeVar("AnyExpression", bound=Expression | Condition | DatePart)

if TYPE_CHECKING:

    class _Nothing:
        """The type of no field: where it is asked for, only Any fits."""

    class BooleanExpression(Equality[bool], Condition):
        """A field that is true or false, which is a condition too."""

    class NumberExpression(Ordering[int | float | Decimal], NumberChanges):
        """An int, a float or a Decimal."""

    class TextExpression(Ordering[str], TextLookups):
        """Text."""

    class DatetimeExpression(Ordering[datetime], DateLookups):
        """A datetime."""

    class DateExpression(Ordering[date], DateLookups):
        """A date."""

    class ListExpression(Equality[Sequence[E]], ListLookups[E], ListChanges[E]):
        """A list or a tuple."""

    class SetExpression(Equality[AbstractSet[E]], ListLookups[E], ElementChanges[E]):
        """A set."""

    class MapExpression(Equality[Mapping[K, V]], Generic[K, V]):
        """A dict."""

        def __getitem__(self, key: K, /) -> V: ...

    class ScalarExpression(Ordering[T]):
        """A value of any other type: a UUID, an Enum, a type of the program's own."""


@overload
def col(field: AnyExpression, /) -> AnyExpression: ...
@overload
def col(field: bool | None, /) -> BooleanExpression: ...
@overload
def col(field: float | Decimal | None, /) -> NumberExpression: ...
@overload
def col(field: str | None, /) -> TextExpression: ...
@overload
def col(field: bytes | None, /) -> Equality[bytes]: ...
@overload
def col(field: datetime | None, /) -> DatetimeExpression: ...
@overload
def col(field: date | None, /) -> DateExpression: ...
@overload
def col(field: AbstractSet[E] | None, /) -> SetExpression[E]: ...
@overload
def col(field: Sequence[E] | None, /) -> ListExpression[E]: ...
@overload
def col(field: Mapping[K, V] | None, /) -> MapExpression[K, V]: ...
@overload
def col(field: M | None, /) -> M: ...
@overload
def col(field: T | None, /) -> ScalarExpression[T]: ...
def col(field: Any, /) -> Any:
    """The field itself, for type checkers as an expression: `col(Order.tags).contains("vip")`.

    Of a comparison it gives the condition, so that `~col(Order.total > 100)` checks. Of a nested
    model, which may be None, it gives the model: `col(Order.address).city == "Rome"`.

    Raises InvalidQuery for what is no expression.
    """
    if isinstance(field, (Expression, DatePart)):
        return field
    if isinstance(field, (bool, Condition)):
        return as_condition(field)
    raise InvalidQuery(
        f"col takes a field of a finished Document class, such as col(Order.tags), not "
        f"{shown(field)}; for a name write path('tags')"
    )


if TYPE_CHECKING:

    class Mapped(Generic[T_co]):
        """`tags: Mapped[list[str]]` is a `list[str]`; on the class it checks without `col`."""

        @overload
        def __get__(self: Mapped[_Nothing], instance: None, owner: Any, /) -> Any: ...
        @overload
        def __get__(
            self: Mapped[bool | None], instance: None, owner: Any, /
        ) -> BooleanExpression: ...
        @overload
        def __get__(
            self: Mapped[float | Decimal | None], instance: None, owner: Any, /
        ) -> NumberExpression: ...
        @overload
        def __get__(self: Mapped[str | None], instance: None, owner: Any, /) -> TextExpression: ...
        @overload
        def __get__(
            self: Mapped[bytes | None], instance: None, owner: Any, /
        ) -> Equality[bytes]: ...
        @overload
        def __get__(
            self: Mapped[datetime | None], instance: None, owner: Any, /
        ) -> DatetimeExpression: ...
        @overload
        def __get__(self: Mapped[date | None], instance: None, owner: Any, /) -> DateExpression: ...
        @overload
        def __get__(
            self: Mapped[AbstractSet[E] | None], instance: None, owner: Any, /
        ) -> SetExpression[E]: ...
        @overload
        def __get__(
            self: Mapped[Sequence[E] | None], instance: None, owner: Any, /
        ) -> ListExpression[E]: ...
        @overload
        def __get__(
            self: Mapped[Mapping[K, V] | None], instance: None, owner: Any, /
        ) -> MapExpression[K, V]: ...
        @overload
        def __get__(self: Mapped[M | None], instance: None, owner: Any, /) -> type[M]: ...
        @overload
        def __get__(
            self: Mapped[T | None], instance: None, owner: Any, /
        ) -> ScalarExpression[T]: ...
        @overload
        def __get__(self, instance: object, owner: Any, /) -> T_co: ...
        def __get__(self, instance: object, owner: Any, /) -> Any: ...

        def __set__(self, instance: object, value: T_co, /) -> None: ...  # type: ignore[misc]

    def field(  # noqa: PLR0913 - the arguments of pydantic's Field
        *,
        default: Any = ...,
        default_factory: Callable[[], Any] | Callable[[dict[str, Any]], Any] | None = ...,
        alias: str | None = ...,
        title: str | None = ...,
        description: str | None = ...,
        examples: list[Any] | None = ...,
        exclude: bool | None = ...,
        discriminator: str | None = ...,
        deprecated: str | bool | None = ...,
        json_schema_extra: dict[str, Any] | Callable[[dict[str, Any]], None] | None = ...,
        frozen: bool | None = ...,
        validate_default: bool | None = ...,
        repr: bool = ...,  # noqa: A002
        init: bool | None = ...,
        pattern: str | None = ...,
        strict: bool | None = ...,
        gt: Any = ...,
        ge: Any = ...,
        lt: Any = ...,
        le: Any = ...,
        multiple_of: float | None = ...,
        max_digits: int | None = ...,
        decimal_places: int | None = ...,
        min_length: int | None = ...,
        max_length: int | None = ...,
    ) -> Any:
        """The same as `Field` of pydantic, but its result fits `Mapped[X]` too."""

else:

    class Mapped:
        """`Mapped[X]` is X itself; see the declaration for type checkers above."""

        def __class_getitem__(cls, declared: Any) -> Any:
            return declared

    field = Field
