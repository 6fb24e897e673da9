"""Connections to one SQLite database: one a thread, one for each stream, and transactions."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NoReturn
from weakref import finalize

from docmap.errors import NotConnected, StorageError, StoreLocked
from docmap.query.lookups import VOCABULARY
from docmap_backends._sqlite_files import File

_IDLE = 8  # connections of ended streams that are kept for the next ones
_CACHE = 16_000  # KiB of pages at most: SQLite's own 2,000 do not hold the way to 10,000 documents
_PAUSE = 0.01  # seconds between two tries where SQLite itself does not wait


class _Own:
    """What a thread has: its connection, and how deep it is in transactions."""

    __slots__ = ("__weakref__", "connection", "depth")

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.depth = 0


class Connections:
    """The connections of one storage. In memory there is a single one, shared under the mutex.

    `on_undo` is called whenever something that was written is taken back.
    """

    def __init__(
        self,
        file: File,
        mutex: threading.RLock,
        *,
        timeout: float,
        synchronous: str,
        on_undo: Callable[[], None],
    ) -> None:
        self.file = file
        self.in_memory = file.in_memory
        self._mutex = mutex
        self._timeout = max(timeout, 0.0)
        self._synchronous = synchronous
        self._on_undo = on_undo
        self._writer = threading.RLock()
        self._local = threading.local()
        self._all: set[sqlite3.Connection] = set()
        self._idle: list[sqlite3.Connection] = []
        self._shared: sqlite3.Connection | None = None
        self._pid = os.getpid()
        self._closed = False

    def open(self, set_up: Callable[[sqlite3.Connection], None]) -> None:
        """Open the first connection; `set_up` makes what a new file needs, in a transaction.

        Raises ForeignStore, before anything is changed, for a file that is not docmap's.
        """
        ready = False
        if not self.in_memory:
            self.file.check_remains()
            if self.file.exists:
                # Without the right to write: closing must not tidy up another program's file.
                with self.errors(), self._closing(self._connect("ro")) as connection:
                    ready = self.file.check_owner(connection)
        mode = "ro" if self.file.read_only else "rwc"
        with self.errors():
            connection = self._connect(mode)
            try:
                if not self.file.read_only:
                    self._make_ready(connection, set_up, done=ready)
            except BaseException:
                connection.close()
                raise
        self._all.add(connection)
        self._shared = connection
        if not self.in_memory:
            self._keep(connection)

    def _make_ready(
        self,
        connection: sqlite3.Connection,
        set_up: Callable[[sqlite3.Connection], None],
        *,
        done: bool,
    ) -> None:
        if not done:
            connection.execute("BEGIN IMMEDIATE")
            # Somebody else may have been faster since the file was looked at.
            if self.in_memory or not self.file.check_owner(connection):
                set_up(connection)
            connection.execute("COMMIT")
        if not self.in_memory:
            self._use_log(connection)

    def _use_log(self, connection: sqlite3.Connection) -> None:
        """Switch to a write-ahead log. SQLite does not wait for others here, so this does."""
        deadline = time.monotonic() + self._timeout
        while True:
            try:
                connection.execute("PRAGMA journal_mode=WAL").fetchall()
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(_PAUSE)
            else:
                return

    def close(self) -> None:
        """Close all connections; streams that still run fail."""
        with self._mutex:
            self._closed = True
            if self._pid != os.getpid():
                return  # a child must not touch what its parent has open, nor let it be freed
            while self._all:
                self._all.pop().close()
            self._idle.clear()

    def current(self) -> sqlite3.Connection:
        """This thread's connection."""
        return self._own().connection

    def _own(self) -> _Own:
        self._check_usable()
        own: _Own | None = getattr(self._local, "own", None)
        if own is None:
            if self._shared is not None and self.in_memory:
                own = self._local.own = _Own(self._shared)
            else:
                own = self._keep(self._tracked())
        return own

    def _keep(self, connection: sqlite3.Connection) -> _Own:
        """Make it this thread's connection, to be closed when the thread ends."""
        own = self._local.own = _Own(connection)
        finalize(own, _close_of_thread, connection, self._all, self._pid).atexit = False
        return own

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
        except UnicodeDecodeError as error:  # a message that quotes damaged bytes
            raise self.file.damaged() from error

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
                if len(self._idle) < _IDLE and connection in self._all:
                    self._idle.append(connection)
                elif self._pid == os.getpid():
                    self._all.discard(connection)
                    connection.close()

    @property
    def in_transaction(self) -> bool:
        """True inside a transaction of this thread."""
        own: _Own | None = getattr(self._local, "own", None)
        return own is not None and own.depth > 0

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A write transaction, or a savepoint inside one; undone by any exception.

        sqlite3.IntegrityError passes as it is: the caller knows what it means.
        """
        self._check_usable()
        if self.in_memory:
            with self._mutex:
                yield from self._transaction()
            return
        # Threads of one process wait here in turn: SQLite would let them try again and again.
        if not self._writer.acquire(timeout=self._timeout):
            raise StoreLocked(
                f"{self.file.path} is locked by another thread, which has been in a transaction "
                f"for over {self._timeout} s: end it sooner, or raise the option timeout",
                engine="sqlite",
                path=self.file.path,
            )
        try:
            yield from self._transaction()
        finally:
            self._writer.release()

    def _transaction(self) -> Iterator[sqlite3.Connection]:
        own = self._own()
        connection, depth = own.connection, own.depth
        if depth:
            self._check_alive(connection)
        begin, commit, undo = (
            ("BEGIN IMMEDIATE", "COMMIT", ("ROLLBACK",))
            if depth == 0
            else (f"SAVEPOINT s{depth}", f"RELEASE s{depth}", _undo_savepoint(depth))
        )
        try:
            own.depth = depth + 1
            connection.execute(begin)
            yield connection
            self._check_alive(connection)
            connection.execute(commit)
        except BaseException as error:
            self._undo(connection, undo)
            if isinstance(error, sqlite3.Error) and not isinstance(error, sqlite3.IntegrityError):
                self.fail(error)
            raise
        finally:
            own.depth = depth

    def _check_alive(self, connection: sqlite3.Connection) -> None:
        """Raise if SQLite has undone the transaction, as it does when a disk is full."""
        if not self._closed and not connection.in_transaction:
            raise StorageError(
                "the transaction was undone by an error inside it, and nothing of it was written: "
                "leave its block before you write again",
                engine="sqlite",
                path=self.file.path or None,
            )

    def _undo(self, connection: sqlite3.Connection, statements: tuple[str, ...]) -> None:
        self._on_undo()
        if connection not in self._all:
            return  # closed, and so undone
        try:
            if connection.in_transaction:
                for statement in statements:
                    connection.execute(statement)
        except sqlite3.Error:
            # What cannot be undone here is when the connection goes.
            self._all.discard(connection)
            connection.close()
            with suppress(AttributeError):
                del self._local.own

    @contextmanager
    def errors(self) -> Iterator[None]:
        """SQLite's errors as docmap's, the driver's as the cause."""
        try:
            yield
        except sqlite3.Error as error:
            self.fail(error)
        except UnicodeDecodeError as error:  # a message that quotes damaged bytes
            raise self.file.damaged() from error

    def fail(self, error: sqlite3.Error) -> NoReturn:
        """Raise docmap's error for one of SQLite's."""
        if self._closed:
            raise _closed() from error
        raise self.file.error(error) from error

    def _tracked(self) -> sqlite3.Connection:
        # Never makes a file: if it is gone, an empty one must not take its place.
        with self.errors():
            connection = self._connect("ro" if self.file.read_only else "rw")
        with self._mutex:
            if self._closed:
                connection.close()
                raise _closed()
            self._all.add(connection)
        return connection

    def _connect(self, mode: str) -> sqlite3.Connection:
        connection = sqlite3.connect(
            ":memory:" if self.in_memory else self.file.uri(mode),
            uri=not self.in_memory,
            timeout=self._timeout,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )
        try:
            connection.text_factory = bytes
            connection.create_function("docmap_text", 3, _text_lookup, deterministic=True)
            connection.execute(f"PRAGMA synchronous={self._synchronous}")
            connection.execute(f"PRAGMA cache_size=-{_CACHE}")
            connection.execute("PRAGMA cell_size_check=ON")
            connection.execute("PRAGMA recursive_triggers=OFF")
        except BaseException:
            connection.close()
            raise
        return connection

    @contextmanager
    def _closing(self, connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
        try:
            yield connection
        finally:
            connection.close()

    def _check_usable(self) -> None:
        if self._pid != os.getpid():
            raise NotConnected(
                "this SQLite storage was opened before the process forked: call reconnect() in the "
                "child",
                engine="sqlite",
            )
        if self._closed:
            raise _closed()


def _close_of_thread(
    connection: sqlite3.Connection, known: set[sqlite3.Connection], pid: int
) -> None:
    if pid == os.getpid():
        known.discard(connection)
        connection.close()


def _undo_savepoint(depth: int) -> tuple[str, ...]:
    # Rolled back, a savepoint is still there.
    return (f"ROLLBACK TO s{depth}", f"RELEASE s{depth}")


def _closed() -> NotConnected:
    return NotConnected("the SQLite storage was closed: call connect()", engine="sqlite")


def _text_lookup(name: bytes, stored: Any, wanted: bytes) -> int | None:
    """One of the vocabulary's lookups on text, called back by SQLite."""
    if not isinstance(stored, (bytes, str)):
        return None
    return int(_matches(_decoded(name))(_decoded(stored), _decoded(wanted)))


def _decoded(text: bytes | str) -> str:
    return text.decode() if isinstance(text, bytes) else text


def _matches(name: str) -> Callable[[Any, Any], bool]:
    return VOCABULARY[name].matches
