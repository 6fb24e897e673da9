"""Connections to one SQLite file: one a thread, one for each stream, and transactions.

Shared by the adapters that keep their data in such a file, whatever is in it.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NoReturn
from weakref import finalize

from docmap.errors import NotConnected, StorageError
from docmap.storage.journal import waited
from docmap_backends._files_turns import turn
from docmap_backends._sqlfile_files import File

_IDLE = 8  # connections of ended streams that are kept for the next ones
_CACHE = 16_000  # KiB of pages at most: SQLite's own 2,000 do not hold the way to 10,000 documents
_PAUSE = 0.01  # seconds between two tries where SQLite itself does not wait


class Link:
    """A connection, and the lock that its user holds while SQLite works on it.

    To close a connection under another thread's statement would crash the process.
    """

    __slots__ = ("connection", "lock")

    def __init__(self, connection: sqlite3.Connection, lock: threading.RLock) -> None:
        self.connection = connection
        self.lock = lock

    def close(self) -> None:
        """Stop what runs on it, and close it."""
        if self.lock.acquire(blocking=False):
            self.lock.release()
        else:
            with suppress(sqlite3.ProgrammingError):
                self.connection.interrupt()
        with self.lock:
            with suppress(sqlite3.Error):
                # A statement of its own forgets the interruption, which would keep SQLite from
                # writing the log back into the file.
                self.connection.execute("SELECT 1")
            self.connection.close()


class _Own:
    """What a thread has: its link, and how deep it is in transactions."""

    __slots__ = ("__weakref__", "depth", "link")

    def __init__(self, link: Link) -> None:
        self.link = link
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
        self._all: set[Link] = set()
        self._idle: list[Link] = []
        self._shared: Link | None = None
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
        if self.in_memory:
            self._shared = Link(connection, self._mutex)
            self._all.add(self._shared)
        else:
            link = Link(connection, threading.RLock())
            self._all.add(link)
            self._keep(link)

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
        self._closed = True
        if self._pid != os.getpid():
            return  # a child must not touch what its parent has open, nor let it be freed
        while self._all:
            self._all.pop().close()
        self._idle.clear()

    def current(self) -> sqlite3.Connection:
        """This thread's connection."""
        return self._own().link.connection

    def _own(self) -> _Own:
        self.check_usable()
        own: _Own | None = getattr(self._local, "own", None)
        if own is None:
            if self._shared is not None:
                own = self._local.own = _Own(self._shared)
            else:
                own = self._keep(self._tracked())
        return own

    def _keep(self, link: Link) -> _Own:
        """Make it this thread's link, to be closed when the thread ends."""
        own = self._local.own = _Own(link)
        finalize(own, _close_of_thread, link, self._all, self._pid).atexit = False
        return own

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """All rows of a read on this thread's connection."""
        link = self._own().link
        try:
            with link.lock:
                return link.connection.execute(statement, parameters).fetchall()
        except sqlite3.Error as error:
            self.fail(error)
        except UnicodeDecodeError as error:  # a message that quotes damaged bytes
            raise self.file.damaged() from error

    @contextmanager
    def using(self) -> Iterator[sqlite3.Connection]:
        """This thread's connection for some reads, with docmap's errors."""
        link = self._own().link
        with link.lock, self.errors():
            yield link.connection

    @contextmanager
    def reading(self) -> Iterator[Link]:
        """A link for one stream, with a snapshot of its own."""
        self.check_usable()
        with self._mutex:
            link = self._idle.pop() if self._idle else None
        if link is None:
            link = self._tracked()
        try:
            yield link
        finally:
            if self._pid == os.getpid():
                self._give_back(link)

    def _give_back(self, link: Link) -> None:
        with link.lock, suppress(sqlite3.ProgrammingError):  # it was closed meanwhile
            if link.connection.in_transaction:
                link.connection.execute("ROLLBACK")  # else it would keep its snapshot
        with self._mutex:
            if len(self._idle) < _IDLE and link in self._all:
                self._idle.append(link)
                return
        self._all.discard(link)
        link.close()

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
        with self._turn(), self._own().link.lock:
            yield from self._transaction()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """The same around statements of the user's: between them others may close the storage."""
        with self._turn():
            yield from self._transaction()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Threads of one process write in turn: SQLite would let them try again and again."""
        self.check_usable()
        lock, timeout = (self._mutex, -1) if self.in_memory else (self._writer, self._timeout)
        with turn(lock, timeout, self.file.path, self.file.engine):
            yield

    def _transaction(self) -> Iterator[sqlite3.Connection]:
        own = self._own()
        link, depth = own.link, own.depth
        if depth:
            self._check_alive(link)
        begin, commit, rollback = (
            ("BEGIN IMMEDIATE", "COMMIT", ["ROLLBACK"])
            if depth == 0
            else (f"SAVEPOINT s{depth}", f"RELEASE s{depth}", _undo_savepoint(depth))
        )
        # An interrupt can keep a line, or its result, from being seen: what matters is done twice.
        undo: list[str] = []
        try:
            try:
                own.depth = depth + 1
                start = time.perf_counter()
                with link.lock:
                    undo = [] if link.connection.in_transaction else rollback
                    undo = rollback if link.connection.execute(begin) is not None else []
                waited(time.perf_counter() - start)
                yield link.connection
                with link.lock:
                    self._check_alive(link)
                    undo = [] if link.connection.execute(commit) is not None else undo
            finally:
                own.depth = min(own.depth, depth)  # one around it may have ended before
                self._undo(link, undo)
        except BaseException as error:
            own.depth = min(own.depth, depth)
            self._undo(link, undo)
            if isinstance(error, sqlite3.Error) and not isinstance(error, sqlite3.IntegrityError):
                self.fail(error)
            raise

    def _check_alive(self, link: Link) -> None:
        """Raise if SQLite has undone the transaction, as it does when a disk is full."""
        if self._closed:
            raise self._gone()
        if not link.connection.in_transaction:
            raise StorageError(
                "the transaction was undone by an error inside it, and nothing of it was written: "
                "leave its block before you write again",
                engine=self.file.engine,
                path=self.file.path or None,
            )

    def _undo(self, link: Link, statements: list[str]) -> None:
        """Run what is left of the statements that undo a transaction; none if it was committed."""
        if not statements:
            return
        self._on_undo()
        with link.lock:
            if link not in self._all:
                return  # closed, and so undone
            try:
                while statements and link.connection.in_transaction:
                    link.connection.execute(statements.pop(0))
            except sqlite3.Error:
                # What cannot be undone here is when the connection goes.
                self._all.discard(link)
                link.connection.close()
                self._local.__dict__.pop("own", None)

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
            raise self._gone() from error
        raise self.file.error(error) from error

    def _tracked(self) -> Link:
        # Never makes a file: if it is gone, an empty one must not take its place.
        with self.errors():
            connection = self._connect("ro" if self.file.read_only else "rw")
        link = Link(connection, threading.RLock())
        self._all.add(link)
        if self._closed:  # meanwhile
            self._all.discard(link)
            link.close()
            raise self._gone()
        return link

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
            self.file.register(connection)
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

    def check_usable(self) -> None:
        """Raise NotConnected after a fork, and once the storage was closed."""
        if self._pid != os.getpid():
            raise NotConnected(
                f"this {self._label} storage was opened before the process forked: call "
                "reconnect() in the child",
                engine=self.file.engine,
            )
        if self._closed:
            raise self._gone()

    def _gone(self) -> NotConnected:
        return NotConnected(
            f"the {self._label} storage was closed: call connect()", engine=self.file.engine
        )

    @property
    def _label(self) -> str:
        return "SQLite" if self.file.engine == "sqlite" else self.file.engine


def _close_of_thread(link: Link, known: set[Link], pid: int) -> None:
    if pid == os.getpid():
        known.discard(link)
        link.close()


def _undo_savepoint(depth: int) -> list[str]:
    # Rolled back, a savepoint is still there.
    return [f"ROLLBACK TO s{depth}", f"RELEASE s{depth}"]
