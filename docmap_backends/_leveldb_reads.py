"""Reads of a LevelDB database, or of a snapshot of it, by any number of threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import chain, islice
from typing import Any, Final, Protocol

import plyvel

from docmap.errors import StorageError
from docmap_backends._ordered import above

_LOWEST: Final = b"\0"  # the first key behind the mark
_FEW, _MANY = 16, 256  # entries that a stream reads at once, at first and later


class Owner(Protocol):
    """The store that is read."""

    reading: threading.RLock
    """Who holds it is inside LevelDB for a read, so that it is not closed meanwhile."""

    def check_usable(self) -> None:
        """Raise NotConnected after a fork, and once the store was closed."""

    def error(self, error: Exception) -> StorageError:
        """The error for one of LevelDB's."""

    def end(self, found: Any) -> None:
        """Close an iterator."""

    def writing(self) -> AbstractContextManager[None]:
        """Keep other threads from writing."""


class Reads:
    """What is read from a source of plyvel's: a database, or a snapshot."""

    def __init__(self, source: Any, store: Owner) -> None:
        self._source = source
        self._store = store
        self._reading = store.reading

    def get(self, key: bytes) -> bytes | None:
        """The value of a key, or None."""
        try:
            with self._reading:
                value: bytes | None = self._source.get(key, verify_checksums=True)
        except (plyvel.Error, RuntimeError, AttributeError) as error:
            raise self._store.error(error) from error
        return value

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values of keys, each in its place."""
        try:
            with self._reading:
                get = self._source.get
                return [get(key, verify_checksums=True) for key in keys]
        except (plyvel.Error, RuntimeError, AttributeError) as error:
            raise self._store.error(error) from error

    def count(self, low: bytes, high: bytes | None) -> int:
        """How many entries there are with low <= key < high."""
        found = self._iterator(low, high, include_value=False)
        return sum(map(len, self._chunks(found, _MANY, found)))

    def runs(
        self, low: bytes, high: bytes | None, head: Callable[[bytes], bytes]
    ) -> Iterator[bytes]:
        """The first key of each run of keys that begin with the same head."""
        found = self._iterator(low, high, include_value=False)
        return chain.from_iterable(self._chunks(_first_of_runs(found, head), _FEW, found))

    def items(
        self, low: bytes, high: bytes | None, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """The entries with low <= key < high, as they are now."""
        return self._stream(low, high, reverse=reverse)

    def keys(self, low: bytes, high: bytes | None, *, reverse: bool = False) -> Iterator[bytes]:
        """The keys with low <= key < high, as they are now."""
        return self._stream(low, high, reverse=reverse, include_value=False)

    def values(self, low: bytes, high: bytes | None) -> Iterator[bytes]:
        """The values of the keys with low <= key < high, in the order of these, as they are now."""
        return self._stream(low, high, include_key=False)

    def _stream(self, low: bytes, high: bytes | None, **options: bool) -> Iterator[Any]:
        found = self._iterator(low, high, **options)  # now, not when the first is asked for
        return chain.from_iterable(self._chunks(found, _FEW, found))

    def _iterator(self, low: bytes, high: bytes | None, **options: bool) -> Any:
        try:
            with self._reading:
                return self._source.iterator(
                    start=low or _LOWEST, stop=high, verify_checksums=True, **options
                )
        except (plyvel.Error, RuntimeError, AttributeError) as error:
            raise self._store.error(error) from error

    def _chunks(self, entries: Iterator[Any], size: int, found: Any) -> Iterator[list[Any]]:
        """What is read from the iterator `found`, `size` entries at first and more later."""
        try:
            while True:
                try:
                    with self._reading:
                        self._store.check_usable()
                        chunk = list(islice(entries, size))
                except (plyvel.Error, RuntimeError) as error:
                    raise self._store.error(error) from error
                yield chunk
                if len(chunk) < size:
                    return
                size = min(4 * size, _MANY)
        finally:
            self._store.end(found)


def _first_of_runs(found: Any, head: Callable[[bytes], bytes]) -> Iterator[bytes]:
    key: bytes | None = next(found, None)
    while key is not None:
        yield key
        start = head(key)
        key = next(found, None)
        if key is not None and key.startswith(start):
            behind = above(start)
            if behind is None:
                return
            found.seek(behind)
            key = next(found, None)


class Snapshot(Reads):
    """The store as it was at one moment."""

    def write(self, puts: Mapping[bytes, bytes], deletes: Collection[bytes]) -> None:
        """Nothing is written into the past."""
        raise StorageError("a snapshot is not written to", engine="leveldb")

    def writing(self) -> AbstractContextManager[None]:
        """That of the store itself."""
        return self._store.writing()

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """Itself: it does not change."""
        yield self
