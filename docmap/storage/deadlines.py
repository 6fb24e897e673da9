"""The deadline of the operation that runs: set where an operation begins, asked for by hooks."""

from __future__ import annotations

from contextlib import AbstractContextManager
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple

from docmap.storage.bridge import Local

if TYPE_CHECKING:
    from docmap.storage.call_options import CallOptions


class _Caller(Local):
    deadline: float | None = None
    """When the operation that runs must have ended, by `time.monotonic()`."""


caller = _Caller()


class Limit(NamedTuple):
    """That a deadline was set; `lifted` puts `outer` in its place."""

    outer: float | None


def limited(storage: CallOptions, spent: float = 0.0) -> Limit | None:
    """Set the deadline of an operation that has spent so many seconds; None if it has none.

    An operation inside another one ends with that at the latest.
    """
    timeout = storage.call_timeout
    if timeout is None:
        return None
    outer, own = caller.deadline, monotonic() + timeout - spent
    caller.deadline = own if outer is None else min(own, outer)
    return Limit(outer)


def lifted(limit: Limit | None) -> None:
    """End what `limited` began."""
    if limit is not None:
        caller.deadline = limit.outer


class in_time:  # noqa: N801 - it is called where it is used, as a function would be
    """Makes the block one operation of the storage: its calls share one deadline."""

    __slots__ = ("_limit", "_storage")

    def __init__(self, storage: CallOptions) -> None:
        self._storage = storage

    def __enter__(self) -> None:
        self._limit = limited(self._storage)

    def __exit__(self, *exception: object) -> None:
        lifted(self._limit)


class both_ends_in_time:  # noqa: N801 - as in_time
    """Makes the beginning of a block an operation of the storage, and its end another one.

    What the program does between them takes as long as it takes.
    """

    __slots__ = ("_block", "_storage")

    def __init__(self, storage: CallOptions, block: AbstractContextManager[None]) -> None:
        self._storage, self._block = storage, block

    def __enter__(self) -> None:
        with in_time(self._storage):
            self._block.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        with in_time(self._storage):
            return self._block.__exit__(kind, error, trace)
