"""Plain data: how much of it there may be, and what stands for the rest while a pickle is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

from docmap.values import MAX_BYTES, MAX_DEPTH

_MAX_PARTS: Final = 2_000_000
_MAX_KEY_PARTS: Final = 1_000


class NotPlain(ValueError):
    """What a value holds beside plain data, as the rest of a sentence about it."""


class Name:
    """A name that a pickle refers to, and what docmap makes where the pickle calls it."""

    __slots__ = ("make",)

    def __init__(self, make: Callable[..., Any]) -> None:
        self.make = make


class Unbuilt:
    """An object that was made and gets its state next: only UUIDs are pickled so."""

    __slots__ = ("remembered",)

    def __init__(self) -> None:
        self.remembered: list[int] = []
        """The places of a pickle's memo that it was put into."""

    def build(self, state: Any) -> UUID:
        """The UUID of its state."""
        if isinstance(state, dict) and type(state.get("int")) is int:
            return UUID(int=state["int"])
        raise NotPlain("sets the state of an object")


def hashed(key: Any) -> Any:
    """A key that may be hashed: of one nested again and again that could take for ever."""
    if isinstance(key, (tuple, frozenset)):
        check_size(key, parts=_MAX_KEY_PARTS)
    return key


def check_size(value: Any, *, parts: int = _MAX_PARTS) -> None:
    """Raise NotPlain for a value that unfolds into more than a document may hold.

    A pickle may name one part many times: a few bytes then stand for any number of values.
    """
    left, room = parts, MAX_BYTES
    waiting = [(value, 1)]
    while waiting:
        one, depth = waiting.pop()
        if isinstance(one, (str, bytes, bytearray)):
            room -= len(one)
        elif isinstance(one, (list, tuple, set, frozenset, dict)):
            if depth > MAX_DEPTH:
                raise NotPlain(f"lies deeper than {MAX_DEPTH} levels")
            left -= len(one)
            if left >= 0:
                waiting += [(part, depth + 1) for part in one]
                if isinstance(one, dict):
                    waiting += [(part, depth + 1) for part in one.values()]
        if left < 0 or room < 0:
            raise NotPlain("unfolds into more than a document may hold")
