"""Connections to one SQLite database: one a thread, one for each stream, and transactions."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from docmap.errors import (
    CorruptStore,
    DocmapError,
    ForeignStore,
    NotConnected,
    StorageError,
    StorageFull,
    StoreLocked,
)
from docmap.query.lookups import VOCABULARY

# "dmap": says in the file's header whose it is.
APPLICATION_ID = 0x646D6170
FORMAT = 1
_IDLE = 8

_ERRORS: dict[int, tuple[type[StorageError], str]] = {
    sqlite3.SQLITE_BUSY: (StoreLocked, "is locked by another connection: try again, or raise the option timeout"),
    sqlite3.SQLITE_LOCKED: (StoreLocked, "is locked by another connection: try again"),
    sqlite3.SQLITE_FULL: (StorageFull, "has no space left on its disk: free some; what was saved is intact"),
    sqlite3.SQLITE_CORRUPT: (CorruptStore, "is damaged: restore a backup, or recover it with the sqlite3 shell's .recover"),
    sqlite3.SQLITE_NOTADB: (ForeignStore, "is not an SQLite file, or its beginning is damaged: name another file"),
    sqlite3.SQLITE_READONLY: (StorageError, "cannot be written: check its permissions, or open it with ?read_only=true"),
    sqlite3.SQLITE_CANTOPEN: (StorageError, "cannot be opened: check that its directory exists and may be written"),
    sqlite3.SQLITE_IOERR: (StorageError, "failed to read or write its disk"),
}


class Connections:
    """The connections of one storage. In memory there is a single one, shared under the mutex."""

    def __init__(
        self, path: str, mutex: threading.RLock, *, timeout: float, synchronous: str, read_only: bool
    ) -> None:
        self.path = path
        self.in_memory = path == ""
        self.read_only = read_only
        self._timeout = timeout
        self._synchronous = synchronous
        self._mutex = mutex
        self._local = threading.local()
        self._all: list[sqlite3.Connection] = []
        self._idle: list[sqlite3.Connection] = []
        self._shared: sqlite3.Connection | None = None
        self._pid = os.getpid()
        self._closed = False

    def open(self) -> None:
        """Open the first connection and make sure that the file is docmap's, or empty."""
        with self.errors():
            connection = self._connect()
            try:
                self._check_owner(connection)
            except DocmapError:
                connection.close()
                raise
            if not self.in_memory and not self.read_only:
                connection.execute("PRAGMA journal_mode=WAL")
            self._shared = connection
            self._local.connection = connection
            self._all.append(connection)

    def close(self) -> None:
        """Close all connections; streams that still run fail."""
        with self._mutex:
            self._closed = True
            if self._pid == os.getpid():
                for connection in self._all:
                    connection.close()
            self._all.clear()
            self._idle.clear()

    def current(self) -> sqlite3.Connection:
        """This thread's connection."""
        self._check_usable()
        if self.in_memory:
            assert self._shared is not None
            return self._shared
        found: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if found is None:
            found = self._local.connection = self._tracked()
        return found

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """All rows of a read on this thread's connection."""
        connection = self.current()
        try:
            if self.in_memory:
                with self._mutex:
                    return connection.execute(statement, parameters).fetchall()
            return connection.execute(statement, parameters).fetchall()
        except sqlite3.Error as error:
            self.fail(error)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection for one stream, with a snapshot of its own."""
        self._check_usable()
        with self._mutex:
            connection = self._idle.pop() if self._idle else None
        if connection is None:
            connection = self._tracked()
        try:
            yield connection
        finally:
            with self._mutex:
                if len(self._idle) < _IDLE and not self._closed:
                    self._idle.append(connection)
                else:
                    connection.close()
                    if connection in self._all:
                        self._all.remove(connection)

    @property
    def in_transaction(self) -> bool:
        """True inside a transaction of this thread."""
        return bool(getattr(self._local, "depth", 0))

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A write transaction, or a savepoint inside one; undone by any exception."""
        if self.in_memory:
            with self._mutex:
                yield from self._transaction()
        else:
            yield from self._transaction()

    def _transaction(self) -> Iterator[sqlite3.Connection]:
        connection = self.current()
        depth = getattr(self._local, "depth", 0)
        begin, commit, undo = (
            ("BEGIN IMMEDIATE", "COMMIT", "ROLLBACK")
            if depth == 0
            else (f"SAVEPOINT s{depth}", f"RELEASE s{depth}", f"ROLLBACK TO s{depth}")
        )
        with self.errors():
            connection.execute(begin)
        self._local.depth = depth + 1
        try:
            yield connection
            with self.errors():
                connection.execute(commit)
        except BaseException:
            # A full disk or a failed commit may have ended the transaction already.
            if connection.in_transaction:
                connection.execute(undo)
            raise
        finally:
            self._local.depth = depth

    @contextmanager
    def errors(self) -> Iterator[None]:
        """SQLite's errors as docmap's, the driver's as the cause."""
        try:
            yield
        except sqlite3.Error as error:
            self.fail(error)

    def fail(self, error: sqlite3.Error) -> NoReturn:
        """Raise docmap's error for one of SQLite's."""
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        where = self.path or "the database in memory"
        kind, text = _ERRORS.get(code, (StorageError, f"failed: {type(error).__name__}: {error}"))
        if kind is StorageError and not self.in_memory and not Path(where).parent.is_dir():
            text = f"cannot be opened: the directory {Path(where).parent} does not exist"
        raise kind(f"{where} {text}", engine="sqlite", path=self.path or None) from error

    def _tracked(self) -> sqlite3.Connection:
        with self.errors():
            connection = self._connect()
        with self._mutex:
            self._all.append(connection)
        return connection

    def _connect(self) -> sqlite3.Connection:
        if self.in_memory:
            target = ":memory:"
        else:
            location = Path(self.path).absolute().as_uri()
            target = f"{location}?mode={'ro' if self.read_only else 'rwc'}"
        connection = sqlite3.connect(
            target,
            uri=not self.in_memory,
            timeout=self._timeout,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )
        connection.text_factory = bytes
        connection.create_function("docmap_text", 3, _text_lookup, deterministic=True)
        connection.execute(f"PRAGMA synchronous={self._synchronous}")
        connection.execute("PRAGMA recursive_triggers=OFF")
        return connection

    def _check_owner(self, connection: sqlite3.Connection) -> None:
        owner = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if owner == APPLICATION_ID:
            if version > FORMAT:
                raise ForeignStore(
                    f"{self.path} has the format {version} of a newer docmap; this one reads up to "
                    f"{FORMAT}: upgrade docmap",
                    engine="sqlite",
                    path=self.path,
                )
            return
        if tables or owner:
            raise ForeignStore(
                f"{self.path} is an SQLite file of another program, and docmap does not write into "
                "it: name a file of its own",
                engine="sqlite",
                path=self.path,
            )
        if self.read_only:
            return
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version={FORMAT}")

    def _check_usable(self) -> None:
        if self._pid != os.getpid():
            raise NotConnected(
                "this SQLite storage was opened before the process forked: call reconnect() in the "
                "child",
                engine="sqlite",
            )
        if self._closed:
            raise NotConnected("the SQLite storage was closed: call connect()", engine="sqlite")


def _text_lookup(name: bytes, stored: Any, wanted: bytes) -> int | None:
    """One of the vocabulary's lookups on text, called back by SQLite."""
    if not isinstance(stored, (bytes, str)):
        return None
    return int(_matches(_decoded(name))(_decoded(stored), _decoded(wanted)))


def _decoded(text: bytes | str) -> str:
    return text.decode() if isinstance(text, bytes) else text


def _matches(name: str) -> Callable[[Any, Any], bool]:
    return VOCABULARY[name].matches
