"""The blocks around reads and writes of a TinyDB storage: locked, up to date, and acknowledged.

Whatever is done inside the outermost writing block is one frame of the journal. Nothing is
acknowledged before that is on the disk; if it cannot be written, all is taken back.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Protocol

from docmap.errors import NotConnected, StorageError
from docmap_backends._tinydb_store import Store


class Scoped(Protocol):
    """What the blocks need of a storage."""

    _mutex: threading.RLock
    _undo: list[Callable[[], object]] | None
    frame: list[bytes]

    @property
    def store(self) -> Store:
        """The files. Raises NotConnected if they are closed."""
        ...

    def catch_up(self, store: Store, *, locked: bool) -> None:
        """Bring the tables up to what the files hold."""
        ...

    def forget(self) -> None:
        """Read everything anew the next time, if the storage is open."""
        ...

    def acknowledged(self) -> None:
        """Called when a frame is on the disk."""
        ...

    def tables_stored(self) -> Iterator[Any]:
        """The tables as they lie in a file."""
        ...


class Reading:
    """Around each look at the tables: they are what the files hold, and nobody here writes."""

    def __init__(self, storage: Scoped) -> None:
        self._storage = storage
        self.depth = 0

    def __enter__(self) -> None:
        storage = self._storage
        storage._mutex.acquire()
        try:
            if not self.depth:
                store = storage.store
                store.check_process()
                storage.catch_up(store, locked=False)
            self.depth += 1
        except BaseException:
            storage._mutex.release()
            raise

    def __exit__(self, *_: object) -> None:
        self.depth -= 1
        self._storage._mutex.release()


class Writing:
    """Around each write, and around a transaction: nobody writes in any other process either."""

    def __init__(self, storage: Scoped, reading: Reading) -> None:
        self._storage = storage
        self._reading = reading
        self._depth = 0
        self._store: Store | None = None

    def __enter__(self) -> None:
        storage = self._storage
        storage._mutex.acquire()
        try:
            if not self._depth:
                self._begin(storage.store)
            self._depth += 1
        except BaseException:
            storage._mutex.release()
            raise

    def _begin(self, store: Store) -> None:
        storage = self._storage
        store.check_process()
        try:
            store.lock(wait=self._wait)
            storage.catch_up(store, locked=True)
            if not store.ready:
                store.fold(storage.tables_stored())
        except BaseException:
            store.unlock()
            raise
        self._store = store
        self._reading.depth += 1  # what is read inside is up to date
        storage._undo, storage.frame = [], []

    def _wait(self, seconds: float) -> None:
        """Let other threads read while this one waits for another process."""
        self._storage._mutex.release()
        try:
            time.sleep(seconds)
        finally:
            self._storage._mutex.acquire()

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        storage, store = self._storage, self._store
        self._depth -= 1
        try:
            if not self._depth and store is not None:
                self._end(store, error)
        finally:
            storage._mutex.release()

    def _end(self, store: Store, error: BaseException | None) -> None:
        storage = self._storage
        try:
            if error is not None and not isinstance(error, Exception):
                self._take_back(store)  # it may have come in the middle of a change
                store.forget()
            elif not store.is_open:  # it may have been opened again since: nothing is as it was
                storage.forget()
                if error is None:
                    raise NotConnected(
                        "tinydb: the storage was closed inside the block, and what was written in "
                        "it is lost: write it again",
                        engine="tinydb",
                    )
            elif storage.frame:
                self._acknowledge(store)
        finally:
            storage._undo, storage.frame = None, []
            self._reading.depth -= 1
            store.unlock()

    def _acknowledge(self, store: Store) -> None:
        try:
            store.append(b"\n".join(self._storage.frame))
        except BaseException as error:
            self._take_back(store)
            if not isinstance(error, StorageError):
                store.forget()
            raise
        self._storage.acknowledged()
        if store.full:
            with suppress(StorageError):  # the journal holds it all; it is tried again later
                store.fold(self._storage.tables_stored())

    def _take_back(self, store: Store) -> None:
        steps, self._storage._undo = self._storage._undo or [], None
        try:
            for step in reversed(steps):
                step()
        except BaseException:
            store.forget()
            raise
