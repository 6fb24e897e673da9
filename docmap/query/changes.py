"""Updates as data: what users write, what binding makes of it, and how values are held."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from docmap.errors import InvalidQuery
from docmap.query.paths import Path, Segment

OPERATORS: Final = frozenset(
    "set unset inc mul min max push push_all add_to_set add_to_set_all pull pull_all pop "
    "rename".split()
)
"""What a keyword of `update` may end with; without one it is `set`."""
QUIET: Final = frozenset({"unset", "pull", "pop", "rename"})
"""The operators that do nothing where null or nothing is stored; others make what is missing."""


class Updated(NamedTuple):
    """How many documents an update matched, and how many it wrote: each, for revisions rise."""

    matched: int
    modified: int


@dataclass(frozen=True, slots=True)
class Push:
    """Several elements for `push`, where they go and how many are kept: `tags__push=Push(...)`.

    `position` counts from 0, the end if None. `keep` is the length that the list may have then: a
    negative number keeps that many at the end. Push(["a"], keep=-10) keeps the latest ten.
    """

    elements: Iterable[Any]
    position: int | None = field(default=None, kw_only=True)
    keep: int | None = field(default=None, kw_only=True)


@dataclass(frozen=True, slots=True)
class Change:
    """One operator on one place, as a field expression gives it: `Order.total.inc(5)`."""

    path: Path
    operator: str
    value: Any = field(default=None, repr=False)
    owner: type | None = field(default=None, compare=False, repr=False)

    def __bool__(self) -> None:
        raise InvalidQuery(f"{self!r} is no condition: give it to update(...)")


class Value(NamedTuple):
    """An operand: its logical value, and how JSON engines store it at its place."""

    logical: Any
    stored: Any


class Elements(NamedTuple):
    """The bound operand of `push`."""

    values: tuple[Value, ...]
    position: int | None = None
    keep: int | None = None


class Target(NamedTuple):
    """The bound operand of `rename`: where the value goes, and what stays in its old place."""

    path: Path
    kinds: tuple[Any, ...]
    left: Value | None


@dataclass(frozen=True, slots=True)
class Step:
    """One bound change. `kinds` are the types along the path, that of the place itself last."""

    path: Path
    operator: str
    operand: Any
    kinds: tuple[Any, ...]
    item: Any = None
    """The type of the elements, for operators on lists."""

    @property
    def kind(self) -> Any:
        """The type of the place."""
        return self.kinds[-1]


Update = tuple[Step, ...]


class Touched(NamedTuple):
    """A place that an update changed, whose value may now break what its type asks."""

    segments: tuple[Segment, ...]
    kind: Any


class Form:
    """How the values of a document are held: here as logical values, as they are."""

    def operand(self, value: Value) -> Any:
        """An operand in this form."""
        return value.logical

    def read(self, kind: Any, held: Any) -> Any:
        """The logical value of what is held in a place of a type."""
        return held

    def write(self, kind: Any, value: Any) -> Any:
        """A logical value as it is held in a place of a type."""
        return value

    def inside(self, kind: Any, held: Any) -> tuple[Any, Form]:
        """The list or object that is held in a place, and the form of what lies in it."""
        return held, self

    def outside(self, kind: Any, inner: Any) -> Any:
        """What is held in the place, from what `inside` gave, changed."""
        return inner
