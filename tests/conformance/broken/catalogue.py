"""The list of the adapters broken on purpose: each says what is wrong, and where that shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, TypeVar

from docmap import BaseStorageAdapter

A = TypeVar("A", bound=type[BaseStorageAdapter])
Kind = Literal["memory", "file", "server"]


@dataclass(frozen=True, slots=True)
class Broken:
    """An adapter with a fault, and what of the suite must fail.

    `shown_by` names modules without `test_`, or `module:part of the names of tests`.
    """

    adapter: type[BaseStorageAdapter]
    shown_by: tuple[str, ...]
    kind: Kind

    @property
    def name(self) -> str:
        """The adapter's name, which is that of its fault."""
        return self.adapter.__name__

    @property
    def fault(self) -> str:
        """What is wrong, in a sentence."""
        return (self.adapter.__doc__ or "").strip()


BROKEN: Final[dict[str, Broken]] = {}


def broken(*shown_by: str, kind: Kind = "memory") -> Callable[[A], A]:
    """Put an adapter on the list; `shown_by` as in `Broken`."""

    def decorate(adapter: A) -> A:
        assert adapter.__name__ not in BROKEN
        assert adapter.__doc__
        BROKEN[adapter.__name__] = Broken(adapter, shown_by, kind)
        return adapter

    return decorate
