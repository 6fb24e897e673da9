"""The files of a TinyDB storage together: the JSON file, the journal beside it, and the lock."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, NamedTuple

from docmap.errors import CorruptStore, NotConnected, StorageError, StoreLocked
from docmap_backends._files import (
    FileLock,
    Stamp,
    file_error,
    read_all,
    replace_file,
    stamp,
)
from docmap_backends._files_journal import Frame, Journal
from docmap_backends._tinydb_file import Contents, Tables, read, render

ENGINE: Final = "tinydb"
_TRIES: Final = 5
# What is noted in the file of the lock: the JSON file was written once; a journal is beside it.
_WRITTEN: Final = 1
_JOURNAL: Final = 2
_PAUSE: Final = 0.01  # seconds until a file that another program was writing is read again


class News(NamedTuple):
    """What happened since the files were last looked at: all anew, and then frames."""

    contents: Contents | None
    payloads: list[bytes]


class Store:
    """The files. For one thread at a time; writes only for who holds the lock."""

    def __init__(self, path: str, *, sync: bool, timeout: float, fold: int) -> None:
        self.path = path
        self._sync = sync
        self._timeout = timeout
        self._fold = fold
        self._lock = FileLock(f"{path}.lock", ENGINE)
        self._journal_path = f"{path}.journal"
        self._journal: Journal | None = None
        self._is_noted = False
        self._process = os.getpid()
        self._base: Stamp | None = None
        self._seen: Stamp | None = None
        self._settled = False
        self._contents = Contents()
        self._applied = 0
        self._stale = True
        self.is_open = True

    def open(self) -> None:
        """See that the files can be there; what a writer that died left behind is settled."""
        place = os.path.dirname(self.path)  # noqa: PTH120
        if not os.path.isdir(place):  # noqa: PTH112
            raise StorageError(
                f"{self.path} cannot be opened: the directory {place} does not exist",
                engine=ENGINE,
                path=self.path,
            )
        with suppress(StorageError):  # damage is told by the first look; or somebody writes
            if self._left_behind():
                self.lock(timeout=0)
                try:
                    self.news(locked=True)
                finally:
                    self.unlock()
                    self._stale = True  # what was read is not given to anybody here

    def _left_behind(self) -> bool:
        """True if the journal goes on behind what was acknowledged."""
        if stamp(self._journal_path) is None:
            return False
        with self.faults():
            journal = Journal(self._journal_path, ENGINE)
            try:
                return journal.unfinished
            finally:
                journal.close()

    def info(self) -> dict[str, Any]:
        """The files and their sizes in bytes."""
        found, journal = stamp(self.path), stamp(self._journal_path)
        return {
            "file": self.path,
            "size": found.size if found else 0,
            "journal": journal.size if journal else 0,
        }

    # -- the lock

    def check_process(self) -> None:
        """Raise NotConnected in a child process, which must not go on with its parent's files."""
        if self.inherited:
            raise NotConnected(
                f"{self.path} was opened before this process was forked: reconnect() opens it here",
                engine=ENGINE,
                path=self.path,
            )

    @property
    def inherited(self) -> bool:
        """True in a child process of the one that opened the files."""
        return os.getpid() != self._process

    def lock(
        self, *, timeout: float | None = None, wait: Callable[[float], None] = time.sleep
    ) -> None:
        """Keep other writers out. Raises StoreLocked."""
        with self.faults():
            self._lock.acquire(self._timeout if timeout is None else timeout, wait)

    def unlock(self) -> None:
        """Let others write."""
        self._lock.release()

    def close(self) -> None:
        """Close all files."""
        self.is_open = False
        self._lock.close(inherited=self.inherited)
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    # -- reading

    def forget(self) -> None:
        """Read everything anew the next time: what is held may differ from the files."""
        self._stale = True

    def news(self, *, locked: bool = False) -> News | None:
        """What others wrote since the last call, or None; all that is held, at the first."""
        base, seen = stamp(self.path), stamp(self._journal_path)
        if base == self._base and seen == self._seen and self._settled and not self._stale:
            return None
        try:
            return self._looked(base, seen, locked=locked)
        except StorageError:
            if locked or not self._lock.noted:
                raise
            with suppress(StorageError):
                self.lock()
            if not self._lock.held:
                raise
        try:  # nobody writes meanwhile: what is wrong now is wrong
            return self.news(locked=True)
        finally:
            self.unlock()

    def _looked(self, base: Stamp | None, seen: Stamp | None, *, locked: bool) -> News:
        for left in reversed(range(_TRIES)):
            try:
                with self.faults():
                    found = self._look(base, seen, locked=locked)
                now = stamp(self.path), stamp(self._journal_path)
                if now[0] == base and (now[1] is None) == (seen is None):
                    return found
                base, seen = now
                self._stale = True  # a part of it is from before, and a part from after
            except StorageError:
                self._stale = True
                if not left:
                    raise
                time.sleep(_PAUSE)
                base, seen = stamp(self.path), stamp(self._journal_path)
        raise StoreLocked(
            f"{self.path} is written anew all the time: try again", engine=ENGINE, path=self.path
        )

    def _look(self, base: Stamp | None, seen: Stamp | None, *, locked: bool) -> News:
        contents = None
        payloads: list[bytes] = []
        if self._journal is not None and not self._stale:
            # It may have been folded in meanwhile; what it had last is read all the same.
            payloads = self._frames_of(self._journal.frames())
        if self._stale or base != self._base:
            contents = self._contents_now(base)
            if not self._stale and contents.whole and self._is_held(contents):
                self._contents, contents = contents, None
            else:
                self._contents, self._applied = contents, contents.applied
                payloads = []
        payloads += self._rest(seen, locked=locked, anew=contents is not None)
        self._base = base
        if self._journal is None:
            self._seen, self._settled = None, True
        else:  # by the open file: who replaces it is noticed the next time
            self._seen = self._journal.stamp
            self._settled = self._journal.offset == self._seen.size
        self._stale = False
        return News(contents, payloads)

    def _contents_now(self, base: Stamp | None) -> Contents:
        noted = self._lock.noted
        if base is not None:
            return read(read_all(self.path), self.path, used=noted >= _WRITTEN)
        if noted >= _WRITTEN:
            raise self._gone(self.path)
        return Contents()

    def _gone(self, path: str) -> CorruptStore:
        return CorruptStore(
            f"{path} is gone: restore a backup; to start again, delete {self._lock.path} and what "
            "else there is of the store",
            engine=ENGINE,
            path=path,
        )

    def _is_held(self, contents: Contents) -> bool:
        """True if the file holds no more than what was read from the journal before."""
        return (
            self._contents.whole
            and contents.store == self._contents.store
            and contents.applied == self._applied
        )

    def _rest(self, seen: Stamp | None, *, locked: bool, anew: bool) -> list[bytes]:
        journal = self._journal
        if journal is not None and (anew or self._stale or journal.replaced):
            journal.close()
            journal = self._journal = None
        if journal is None:
            if seen is None:
                if self._lock.noted >= _JOURNAL:
                    raise self._gone(self._journal_path)
                return []
            journal = self._journal = Journal(self._journal_path, ENGINE)
            self._is_noted = False
        if journal.store != self._contents.store or journal.base > self._contents.applied:
            raise CorruptStore(
                f"{self._journal_path} does not belong to {self.path} as it is now: restore the "
                "file that it belongs to; to go on with the file alone, move the journal away",
                engine=ENGINE,
                path=self._journal_path,
            )
        return self._frames_of(journal.recover() if locked else journal.frames())

    def _frames_of(self, frames: Iterator[Frame]) -> list[bytes]:
        """What the frames hold that are not applied yet."""
        payloads = []
        for frame in frames:
            if frame.number > self._applied:
                payloads.append(frame.payload)
                self._applied = frame.number
        return payloads

    # -- writing, with the lock

    @property
    def ready(self) -> bool:
        """True if the JSON file is docmap's and as it wrote it: a frame may follow."""
        return self._contents.whole

    def append(self, payload: bytes) -> None:
        """Write a frame; it is durable then."""
        with self.faults():
            journal = self._journal
            if journal is None or journal.last != self._applied:
                if journal is not None:
                    journal.close()
                    self._journal = None
                journal = self._journal = Journal.create(
                    self._journal_path,
                    ENGINE,
                    self._contents.store,
                    self._applied,
                    sync=self._sync,
                )
                self._is_noted = False
            if not self._is_noted:  # whoever made it may have died before
                self._lock.note(_JOURNAL, sync=False)
                self._is_noted = True
            self._applied = journal.append(payload, sync=self._sync)
            self._seen, self._settled = journal.stamp, True

    @property
    def full(self) -> bool:
        """True if the journal has grown so far that it should be folded into the file."""
        if self._seen is None:
            return False
        return self._seen.size > max(self._fold, 2 * (self._base.size if self._base else 0))

    def fold(self, tables: Tables) -> None:
        """Write all anew as the JSON file, and end the journal."""
        held = self._contents
        new = Contents(held.store or secrets.token_bytes(16), self._applied, whole=True)
        if not held.whole:
            new.applied += 1  # what was adopted is news for other processes
        with self.faults():
            replace_file(self.path, render(new, tables), sync=self._sync, check=self._unchanged)
            self._base = stamp(self.path)
            self._contents, self._applied = new, new.applied
            # In this order: a journal that is noted and not there is taken for lost.
            self._lock.note(_WRITTEN, sync=self._sync)
            self._end_journal()

    def _unchanged(self) -> None:
        if stamp(self.path) != self._base:
            self._stale = True
            raise StoreLocked(
                f"{self.path} was just written by another program: try again",
                engine=ENGINE,
                path=self.path,
            )

    def _end_journal(self) -> None:
        if self._journal is not None:
            self._journal.close()
            self._journal = None
        with suppress(FileNotFoundError):
            os.unlink(self._journal_path)  # noqa: PTH108
        self._seen = None
        self._settled = True

    @property
    def pending(self) -> bool:
        """True if the journal holds what the JSON file does not."""
        return self._applied > self._contents.applied

    @contextmanager
    def faults(self) -> Iterator[None]:
        """Turn the operating system's errors into docmap's."""
        try:
            yield
        except OSError as error:
            raise file_error(error, error.filename or self.path, ENGINE) from error
