"""Transactions as the program opens them: whose they are, and running a function until it succeeds.

A transaction belongs to the thread and to the asyncio task that opened it. Elsewhere in the same
thread, or in a thread that was given a copy of the context, the storage refuses to work while it is
open: it would read what may still be undone, write into somebody else's transaction, or wait for
itself. Of a storage that is awaited it belongs to the task alone: tasks that it starts are refused
while it is open, all others work beside it.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, TypeVar

from docmap.errors import (
    InvalidValue,
    StaleDocument,
    StoreLocked,
    TransactionConflict,
    Unsupported,
)
from docmap.storage.bridge import Local, sleep
from docmap.storage.deadlines import caller

if TYPE_CHECKING:
    from docmap.storage.base import BaseStorageAdapter
    from docmap.storage.lifecycle import Lifecycle

R = TypeVar("R")

CONFLICTS: Final = (StaleDocument, StoreLocked, TransactionConflict)
"""What a function may meet because others write too, and not meet when it is run again."""
_FIRST_PAUSE: Final = 0.01  # seconds, doubled with each attempt, of which a random part is waited
_LONGEST_PAUSE: Final = 1.0
_ATTEMPTS: Final = 10  # of what docmap runs again by itself
_LONGEST_HERE: Final = 0.25
_random = random.Random()  # noqa: S311 - it keeps writers apart, and no secrets


class _Frame:
    """One open transaction: its storage and its task; its thread is the one that holds it."""

    __slots__ = ("open", "storage", "task")

    def __init__(self, storage: Lifecycle) -> None:
        self.storage = storage
        self.task = _task()
        self.open = True


class _Mine(Local):
    """The transactions that a thread, or a task that awaits storages, has open; innermost last."""

    frames: tuple[_Frame, ...] = ()


_mine = _Mine()
# Tasks, and threads that are given a copy of the context, know by it of a transaction around them.
_context: ContextVar[tuple[_Frame, ...]] = ContextVar("docmap_transactions", default=())


def _task() -> Any:
    """The asyncio task that runs in this thread; None if there is none."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is None or asyncio._get_running_loop() is None:
        return None
    return asyncio.current_task()


def check_transaction(storage: Lifecycle) -> None:
    """Raise Unsupported if a transaction of the storage is open around the caller, or beside it."""
    here, around = _mine.frames, _context.get()
    if not here and not around:
        return
    inner = _innermost(here, storage)
    if inner is not None:
        if inner.task is not None and inner.task is not _task():
            raise _elsewhere(storage, "another asyncio task of this thread")
    elif _innermost(around, storage) is not None:
        raise _elsewhere(storage, "another thread")


def _innermost(frames: tuple[_Frame, ...], storage: Lifecycle) -> _Frame | None:
    for frame in reversed(frames):
        if frame.open and frame.storage.same(storage):
            return frame
    return None


def _elsewhere(storage: Lifecycle, who: str) -> Unsupported:
    if storage.is_async:
        return of_another_task(storage)
    return Unsupported(
        f"{storage.scheme}: {who} has a transaction open, which belongs to it alone: end it first "
        "(hold none across an await), or connect a storage of its own for each",
        engine=storage.scheme,
    )


def of_another_task(storage: Lifecycle) -> Unsupported:
    """The error of a task that was started inside a transaction of an awaited storage."""
    return Unsupported(
        f"{storage.scheme}: the task that started this one has a transaction open, which belongs "
        "to it alone: await here only after its end, or do this in that task itself "
        "(asyncio.timeout stays in it; gather and, before Python 3.12, wait_for do not)",
        engine=storage.scheme,
    )


@contextmanager
def owned(storage: Lifecycle) -> Iterator[None]:
    """Make the block a transaction of this thread and task."""
    frame = _Frame(storage)
    # An interrupt can keep one line from running: what ends the transaction stands there twice.
    try:
        try:
            _mine.frames = (*_mine.frames, frame)
            _context.set((*_context.get(), frame))
            yield
            if _innermost(_mine.frames, storage) is not frame:
                raise Unsupported(
                    f"{storage.scheme}: a transaction ends while one inside it is open: close the "
                    "generator that holds it, or leave its block",
                    engine=storage.scheme,
                )
        finally:
            frame.open = False
            _mine.frames = tuple(one for one in _mine.frames if one.open)
            # Not by a token: the block may be left in another copy of the context.
            _context.set(tuple(one for one in _context.get() if one.open))
    finally:
        frame.open = False
        _mine.frames = tuple(one for one in _mine.frames if one.open)


def forget_closed() -> None:
    """Forget the transactions around this code that have ended, in another task or context."""
    _context.set(tuple(one for one in _context.get() if one.open))


def in_transaction(storage: Lifecycle) -> bool:
    """True if this thread or task has a transaction of the storage open."""
    return _innermost(_mine.frames, storage) is not None


def retrying(storage: BaseStorageAdapter, function: Callable[[], R], attempts: int) -> R:
    """What `function` returns, run in a transaction, and anew if it met others; see the method."""
    for attempt in range(1, attempts_left(storage, attempts)):
        try:
            return _once(storage, function)
        except CONFLICTS:
            seconds = pause(attempt)
        sleep(seconds)
    return _once(storage, function)


def settled(function: Callable[[], R], deadline: float | None) -> R:
    """What `function` returns, run anew while others come between, until the deadline.

    For what is a transaction of its own, and so has not happened when it meets a conflict: a
    program that asked for no transaction has none to run again. `deadline` is a time of
    `time.monotonic()`.
    """
    for attempt in range(1, _ATTEMPTS):
        try:
            return function()
        except TransactionConflict:
            seconds = min(pause(attempt), _LONGEST_HERE)
            if deadline is not None and monotonic() + seconds >= deadline:
                raise
        sleep(seconds)
    return function()


def undisturbed(storage: BaseStorageAdapter, function: Callable[[], R], *, again: bool = True) -> R:
    """What `function` returns, run all or nothing, and anew while others come between.

    Inside a transaction it is run once, as that has to be run again as a whole, and so it is if
    not `again`, as with hooks of the program.
    """

    def once() -> R:
        with storage.all_or_nothing():
            return function()

    alone = again and not in_transaction(storage)
    return settled(once, caller.deadline) if alone else once()


def attempts_left(storage: Lifecycle, attempts: int) -> int:
    """How often a function may run: once inside a transaction. Raises InvalidValue for none."""
    if isinstance(attempts, bool) or attempts < 1:
        raise InvalidValue("retrying takes a number of attempts, at least 1")
    return 1 if in_transaction(storage) else attempts


def pause(attempt: int) -> float:
    """The seconds to wait after a failed attempt, counted from 1."""
    return _random.uniform(0, min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**attempt))


def _once(storage: BaseStorageAdapter, function: Callable[[], R]) -> R:
    with storage.transaction():
        return function()
