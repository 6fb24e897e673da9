"""The programs in which single writes fail: at a size of a file, or at one call.

Each is one process on a store of its own, which dies at the end without closing it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Final

from docmap import BaseStorageAdapter, StorageError
from docmap.testing.faults import Calls, file_size_limit
from docmap.testing.notes import Step, change, held
from docmap.testing.processes import Target, tell

LATER: Final = ("later", 77)
"""The note that is written once nothing fails any more."""
_LEFT_OPEN: Final[list[BaseStorageAdapter]] = []
"""Keeps storages until the process dies: one that is collected would be closed."""


def rehearse(target: Target, kind: str, step: Step) -> None:
    """Do a step while nothing fails; the test looks at the files then."""
    db = _opened(target)
    _begin(db, kind, step)
    _end(db, kind, step)


def at_size(target: Target, kind: str, step: Step, size: int, how: str) -> None:
    """Do a step while no file may grow beyond a size; `how` is `error` or `kill`."""
    _fail(_opened(target), kind, step, lambda: file_size_limit(size, kill=how == "kill"))


def at_call(target: Target, kind: str, step: Step, number: int, how: str) -> None:
    """Do a step in which one call that writes fails; `how` as for `Calls`."""
    calls = Calls(how, number)
    _fail(_opened(target), kind, step, calls)
    tell("hit", calls.hit)


def open_at_size(target: Target, size: int, how: str) -> None:
    """Open a store that was not closed, while no file may grow beyond a size."""
    _open_under(target, lambda: file_size_limit(size, kill=how == "kill"))


def open_at_call(target: Target, number: int, how: str) -> None:
    """Open a store that was not closed; one call that writes fails."""
    calls = Calls(how, number)
    _open_under(target, calls)
    tell("hit", calls.hit)


PROGRAMS: Final[dict[str, Callable[..., None]]] = {
    program.__name__: program
    for program in (rehearse, at_size, at_call, open_at_size, open_at_call)
}


def _opened(target: Target) -> BaseStorageAdapter:
    db = target.open()
    _LEFT_OPEN.append(db)
    return db


def _open_under(target: Target, fault: Callable[[], AbstractContextManager[Any]]) -> None:
    try:
        with fault():
            found = held(_opened(target))
    except StorageError as error:
        tell("failed", type(error).__name__)
    else:
        tell("seen", found)


def _fail(
    db: BaseStorageAdapter,
    kind: str,
    step: Step,
    fault: Callable[[], AbstractContextManager[Any]],
) -> None:
    """Do the step under a fault, then go on without it, and tell what was seen."""
    _begin(db, kind, step)
    try:
        with fault():
            _end(db, kind, step)
    except StorageError as error:
        tell("failed", type(error).__name__)
    else:
        tell("done")
    if not db.is_open:
        db.connect()
    try:
        _go_on(db)
    except StorageError as error:
        # An engine may ask for that after a write that failed.
        tell("reconnected", type(error).__name__)
        db.reconnect()
        _go_on(db)


def _go_on(db: BaseStorageAdapter) -> None:
    tell("seen", held(db))
    change(db, "one", [LATER])
    tell("later")


def _begin(db: BaseStorageAdapter, kind: str, step: Step) -> None:
    """What comes before the part that fails: closing and syncing need something to do."""
    if kind in {"close", "sync"}:
        change(db, "one", step)


def _end(db: BaseStorageAdapter, kind: str, step: Step) -> None:
    match kind:
        case "close":
            db.disconnect()
        case "sync":
            db.sync()
        case _:
            change(db, kind, step)
