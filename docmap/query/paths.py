"""Paths: which part of a stored document a condition, an order or a projection speaks of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from docmap.values import MISSING


class Digits(str):
    """A segment of digits in an untyped place: an index into a list, a key of an object."""

    __slots__ = ()


class _Each:
    """The segment that stands for every element of a list."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "[*]"


EACH: Final = _Each()
Segment = str | int | _Each


@dataclass(frozen=True, slots=True)
class Path:
    """A place in a stored document: text goes into objects, an int into lists.

    `Digits` goes into whichever of the two is stored, `EACH` into every element of a list. The
    empty path is the value itself (an element inside `any` and `all`).
    """

    segments: tuple[Segment, ...] = ()

    @property
    def dotted(self) -> str:
        """The path as engines with dotted paths write it: `items.0.sku`."""
        return ".".join("*" if isinstance(s, _Each) else str(s) for s in self.segments)

    @property
    def each(self) -> bool:
        """True if the path goes through every element of a list."""
        return EACH in self.segments

    def child(self, *segments: Segment) -> Path:
        """This path, `segments` deeper."""
        return Path(self.segments + segments)

    def __str__(self) -> str:
        return self.dotted


def step(value: Any, segment: Segment) -> Any:
    """What lies one segment below `value`; MISSING if nothing does."""
    if isinstance(segment, int):
        if isinstance(value, list) and segment < len(value):
            return value[segment]
        return MISSING
    if isinstance(value, dict):
        return value.get(segment, MISSING)
    if isinstance(segment, Digits) and isinstance(value, list) and int(segment) < len(value):
        return value[int(segment)]
    return MISSING


def getter(path: Path) -> Callable[[Any], Any]:
    """A function that takes a stored document and gives the value at `path`, or MISSING."""
    segments = path.segments
    if not segments:
        return lambda document: document
    if all(type(segment) is str for segment in segments):
        return _fields_getter(segments)

    def get(document: Any) -> Any:
        value = document
        for segment in segments:
            value = step(value, segment)
            if value is MISSING:
                return MISSING
        return value

    return get


def _fields_getter(names: tuple[Any, ...]) -> Callable[[Any], Any]:
    """The getter of a path that goes through objects only, which most do."""
    if len(names) == 1:
        (name,) = names
        return lambda document: document.get(name, MISSING) if type(document) is dict else MISSING

    def get(document: Any) -> Any:
        value = document
        for name in names:
            if type(value) is not dict:
                return MISSING
            value = value.get(name, MISSING)
        return value

    return get


def each_value(document: Any, path: Path) -> Iterator[Any]:
    """The values at a path that may go through `EACH`; nothing for what is missing."""
    values = [document]
    for segment in path.segments:
        if isinstance(segment, _Each):
            values = [element for value in values if isinstance(value, list) for element in value]
        else:
            values = [found for value in values if (found := step(value, segment)) is not MISSING]
    yield from values
