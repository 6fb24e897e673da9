"""The programs that fill a disk: no file grows beyond a size until they have seen what happens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from docmap import BaseStorageAdapter, StorageError
from docmap.testing.faults import file_size_limit
from docmap.testing.notes import Note, held, note
from docmap.testing.processes import Target, tell

MANY: Final = 100_000


def fill(target: Target, size: int) -> None:
    """Insert notes one by one until there is no space; tell what happened, and what is there."""
    acknowledged = 0
    with target.open() as db:
        with file_size_limit(size):
            try:
                for acknowledged in range(MANY):
                    db.insert(_note(acknowledged))
            except StorageError as error:
                tell("failed", type(error).__name__)
            tell("acknowledged", acknowledged)
            tell("read", held(db))
        _go_on(db)


def fill_in_bulk(target: Target, size: int) -> None:
    """Insert notes in one call, more than there is space for."""
    with target.open() as db:
        with file_size_limit(size):
            try:
                db.insert_many([_note(number) for number in range(600)], batch_size=50)
            except StorageError as error:
                tell("failed", type(error).__name__)
                tell("done", error.done or 0)
            tell("read", held(db))
        _go_on(db)


def fill_in_a_transaction(target: Target, size: int) -> None:
    """Insert notes in one transaction, more than there is space for."""
    with target.open() as db:
        with file_size_limit(size):
            try:
                with db.transaction():
                    for number in range(600):
                        db.insert(_note(number))
            except StorageError as error:
                tell("failed", type(error).__name__)
            tell("read", held(db))
        _go_on(db)


def delete_when_full(target: Target, size: int) -> None:
    """Delete notes when there is no space; tell how that went each time."""
    tried: list[str] = []
    with target.open() as db:
        with file_size_limit(size):
            try:
                for number in range(MANY):
                    db.insert(_note(number))
            except StorageError:
                tried += [_tried(db, f"{number:06d}") for number in range(5)]
        tell("tried", tried)
        _go_on(db)
        tell("read", held(db))


def _note(number: int) -> Note:
    return note(f"{number:06d}", number)


def _tried(db: BaseStorageAdapter, key: str) -> str:
    try:
        return "deleted" if db.delete(Note, key) else "not there"
    except StorageError as error:
        return type(error).__name__


def _go_on(db: BaseStorageAdapter) -> None:
    """There is space again: write, after `reconnect()` if the engine asks for that."""
    try:
        db.upsert(note("late", 5))
    except StorageError as error:
        tell("reconnected", type(error).__name__)
        db.reconnect()
        db.upsert(note("late", 5))
    tell("late", held(db))


PROGRAMS: Final[dict[str, Callable[..., None]]] = {
    program.__name__: program
    for program in (fill, fill_in_bulk, fill_in_a_transaction, delete_when_full)
}
