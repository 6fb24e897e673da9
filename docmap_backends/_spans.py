"""Stretches of a sorted index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final


class Last:
    """Greater than everything: the end of a range."""

    def __lt__(self, other: object) -> bool:
        return False

    def __gt__(self, other: object) -> bool:
        return True


LAST: Final[Any] = Last()


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of an index: equal leading values, then a range over the one that follows.

    Ends are tuples of at most one sort key; `()` is open.
    """

    prefix: tuple[Any, ...] = ()
    low: tuple[Any, ...] = ()
    high: tuple[Any, ...] = ()
    low_included: bool = True
    high_included: bool = True
