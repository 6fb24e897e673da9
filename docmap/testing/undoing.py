"""Undoing what a block has written, so that tests can share a storage that is full already."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

from docmap import BaseStorageAdapter

S = TypeVar("S", bound=BaseStorageAdapter)


class _Undo(Exception):
    """Leaves the block's transaction, so that it is undone."""


@contextmanager
def undone(storage: S) -> Iterator[S]:
    """A transaction around the block that is always undone, the states of documents too.

    What the block opens inside are savepoints, and behave as they would outside. It is bound to
    the thread that opens it. Raises Unsupported on an engine without transactions.

    >>> import docmap
    >>> db = docmap.connect("memory://")
    >>> with undone(db):
    ...     keys = db.insert_many("notes", [{"text": "a"}])
    >>> db.find("notes").count()
    0
    """
    with suppress(_Undo), storage.transaction():
        yield storage
        raise _Undo
