"""Opening a storage for a command that reads: nothing is created by a misspelt name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from docmap.config import connect
from docmap.errors import DocmapError, StorageError, nearest
from docmap.storage.base import BaseStorageAdapter
from docmap.storage.load import ENGINES
from docmap.storage.options import did_you_mean
from docmap.storage.url import URL


@contextmanager
def reading(text: str, collection: str | None = None) -> Iterator[BaseStorageAdapter]:
    """The storage at a URL, connected, and closed in the end.

    Raises StorageError if its file does not exist, and DocmapError if it has no such collection.
    """
    url = URL.parse(text)
    if is_missing(url):
        raise StorageError(
            f"there is no {url.scheme} store at {url.path}", engine=url.scheme, path=url.path
        )
    with connect(url) as storage:
        if collection is not None:
            _check(collection, storage, url)
        yield storage


def is_missing(url: str | URL) -> bool:
    """True if a URL names a file or directory that does not exist."""
    url = URL.parse(url)
    engine = ENGINES.get(url.scheme)
    return bool(engine and engine.place == "file" and url.path and not _exists(url.path))


def _exists(path: str) -> bool:
    # The standard library's dbm adds a suffix of its own to a shelf.
    return any(Path(path + suffix).exists() for suffix in ("", ".db", ".dat", ".dir"))


def _check(collection: str, storage: BaseStorageAdapter, url: URL) -> None:
    known = storage.collections()
    if collection not in known:
        raise DocmapError(
            f"{url} has no collection {collection!r}{did_you_mean(collection, known)} "
            f"It has: {', '.join(known) or 'none'}",
            engine=url.scheme,
            collection=collection,
            suggestions=nearest(collection, known),
        )
