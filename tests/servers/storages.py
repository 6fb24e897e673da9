"""Storages on the databases of servers, as empty as a new file."""

from __future__ import annotations

from docmap import BaseStorageAdapter, connect


def emptied(url: str) -> BaseStorageAdapter:
    """A storage on a database, whatever an earlier test has left there."""
    storage = connect(url)
    storage.clear()
    return storage
