"""The named tuples in which aggregates come."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any


class AggregateRow(tuple[Any, ...]):
    """A named tuple: the keys of a group and the results, under the names that the query gave."""

    __slots__ = ()

    if TYPE_CHECKING:
        _fields: tuple[str, ...]
        count: Any
        index: Any

        def _asdict(self) -> dict[str, Any]: ...

        def __getattr__(self, name: str) -> Any: ...

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuilt, (self._fields, tuple(self)))


@lru_cache(maxsize=256)
def row_type(names: tuple[str, ...]) -> type[AggregateRow]:
    """The class of rows with these fields."""
    fields: Any = namedtuple("AggregateRow", names)  # type: ignore[misc]  # noqa: PYI024 - names are data
    body = {"__slots__": (), "__doc__": AggregateRow.__doc__}
    return type("AggregateRow", (AggregateRow, fields), body)


def _rebuilt(names: tuple[str, ...], values: Sequence[Any]) -> AggregateRow:
    made: Any = row_type(names)
    return made._make(values)  # type: ignore[no-any-return]
