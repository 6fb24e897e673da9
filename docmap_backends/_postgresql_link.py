"""One connection to PostgreSQL: statements, streams and bulk data on it, each with a deadline.

It speaks through libpq as psycopg wraps it, without cursors: values are sent and come back as text,
and a document's bytes are what the server wrote. A deadline is a time of `time.monotonic()`.
"""

from __future__ import annotations

import os
import re
import secrets
import select
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg import errors as pg
from psycopg import generators, pq

from docmap.storage.bridge import wait
from docmap_backends._postgresql_errors import without_values

if TYPE_CHECKING:
    from psycopg.pq.abc import PGresult

Deadline = float | None
Parameters = Sequence[Any]

_PREPARED: Final = 200  # statements that one connection keeps prepared
_LONGEST: Final = 5_000  # bytes of those
_SEEN: Final = 3  # uses after which a statement is prepared
_CANCEL: Final = 0.25  # seconds for a server to hear that nobody waits for it any more
_GOOD: Final = frozenset(
    {pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK, pq.ExecStatus.EMPTY_QUERY}
)
_CHUNKS: Final = frozenset({pq.ExecStatus.TUPLES_CHUNK, pq.ExecStatus.SINGLE_TUPLE})
_CHUNKED: Final = pq.version() >= 170000

_MARK: Final = re.compile(r"%[s%]")


@lru_cache(maxsize=4096)
def numbered(statement: str) -> bytes:
    """A statement with `%s` for its values in PostgreSQL's form; `%%` is one percent sign.

    >>> numbered("SELECT '%%' WHERE a = %s AND b ? %s")
    b"SELECT '%' WHERE a = $1 AND b ? $2"
    """
    count = 0

    def mark(found: re.Match[str]) -> str:
        nonlocal count
        if found[0] == "%%":
            return "%"
        count += 1
        return f"${count}"

    return _MARK.sub(mark, statement).encode()


def encoded(value: Any) -> bytes | None:
    r"""A value as its text for the server: None, bytes that are text already, and plain scalars.

    Lists become arrays; their elements must be texts, numbers or bytes of text.

    >>> encoded(True), encoded(1.5), encoded(["a", 'b"'])
    (b't', b'1.5', b'{"a","b\\""}')
    """
    kind = type(value)
    if kind is bytes or value is None:
        return value  # type: ignore[no-any-return]
    if kind is str:
        return value.encode()  # type: ignore[no-any-return]
    if kind is bool:
        return b"t" if value else b"f"
    if kind is list or kind is tuple:
        return b"{" + b",".join([_element(one) for one in value]) + b"}"
    return str(value).encode()


def _element(value: Any) -> bytes:
    text = encoded(value)
    if text is None:
        return b"NULL"
    return b'"' + text.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


class Link:
    """A connection and the statements that are prepared on it."""

    __slots__ = (
        "_mark",
        "_names",
        "_pid",
        "_prepared",
        "_prepares",
        "_seen",
        "connection",
        "idle_since",
        "pgconn",
    )

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        """psycopg's Connection or AsyncConnection."""
        connection._pool = None  # psycopg does not warn of those that end with the program
        self.pgconn = connection.pgconn
        self.idle_since = 0.0
        self._pid = os.getpid()
        self._names: dict[bytes, bytes] = {}
        self._prepared = 0
        self._prepares = True
        # A pooler may give one connection's statements to another's session: a name that both knew
        # would run what was not asked.
        self._mark = secrets.token_hex(8)
        self._seen: dict[bytes, int] = {}

    # -- statements

    def execute(self, statement: bytes, parameters: Parameters, deadline: Deadline) -> PGresult:
        """Run one statement; its values are in text, as `encoded` gives them."""
        pgconn = self.pgconn
        name = self._names.get(statement)
        if name is None:
            name = self._prepare(statement, deadline)
        try:
            if name is None:
                pgconn.send_query_params(statement, parameters)
            else:
                pgconn.send_query_prepared(name, parameters)
            result = self._wait(generators.execute(pgconn), deadline)[-1]
            if result.status in _GOOD:
                return result  # type: ignore[no-any-return]
        except psycopg.Error as error:
            told = self._given_up() if isinstance(error, pg._WaitTimeout) else None
            if told is not None:
                raise told from error
            self._check(error)
            raise
        raise self._failure(result)

    def control(self, statements: str, deadline: Deadline) -> str:
        """Run statements without values, in one message; what the server says to the last."""
        try:
            self.pgconn.send_query(statements.encode())
            results = self._wait(generators.execute(self.pgconn), deadline)
        except psycopg.Error as error:
            self._check(error)
            raise
        for result in results:
            if result.status not in _GOOD:
                raise self._failure(result)
        return (results[-1].command_status or b"").decode()

    def _prepare(self, statement: bytes, deadline: Deadline) -> bytes | None:
        """The name under which a statement is prepared from now on, if it is used often."""
        if not self._prepares:
            return None
        seen = self._seen.get(statement, 0) + 1
        if seen < _SEEN or len(statement) > _LONGEST or self.pgconn.transaction_status == _FAILED:
            if len(self._seen) > 10 * _PREPARED:
                self._seen.clear()
            self._seen[statement] = seen
            return None
        if len(self._names) >= _PREPARED:
            self.control("DEALLOCATE ALL", deadline)
            self._names.clear()
        self._prepared += 1  # never a name twice: who was cancelled may have prepared it
        name = f"docmap_{self._mark}_{self._prepared}".encode()
        try:
            self.pgconn.send_prepare(name, statement)
            (result,) = self._wait(generators.execute(self.pgconn), deadline)
        except psycopg.Error as error:
            self._check(error)
            raise
        if result.status not in _GOOD:
            raise self._failure(result)
        self._names[statement] = name
        return name

    def forget_prepared(self) -> None:
        """What was prepared is gone: a pooler gives this connection one session after another.

        So nothing is prepared on it any more.
        """
        self._prepares = False
        self._names.clear()
        self._seen.clear()

    # -- many rows

    def stream(
        self, statement: bytes, parameters: Parameters, size: int, end: Callable[[], Deadline]
    ) -> Iterator[PGresult]:
        """The result of one statement in chunks of rows, as the server sends them.

        `end` says when the next chunk must have come. Nothing else can run meanwhile; a stream
        that is left early closes the connection.
        """
        pgconn, done = self.pgconn, False
        name = self._names.get(statement)
        if name is None:
            name = self._prepare(statement, end())
        try:
            if name is None:
                pgconn.send_query_params(statement, parameters)
            else:
                pgconn.send_query_prepared(name, parameters)
            if _CHUNKED:
                pgconn.set_chunked_rows_mode(size)
            else:
                pgconn.set_single_row_mode()
            self._wait(generators.send(pgconn), end())
            failure = None
            while (result := self._wait(generators.fetch(pgconn), end())) is not None:
                if result.status in _CHUNKS:
                    yield result
                elif result.status not in _GOOD:
                    failure = result
            done = True
        except psycopg.Error as error:
            self._check(error)
            raise
        finally:
            if not done:
                self.close()
        if failure is not None:
            raise self._failure(failure)

    def copy_in(self, statement: bytes, blocks: Iterable[bytes], deadline: Deadline) -> None:
        """Send blocks of COPY's text format."""
        self.copy_begin(statement, deadline)
        try:
            for block in blocks:
                self.copy_send(block, deadline)
            self.copy_end(deadline)
        except psycopg.Error:
            raise
        except BaseException:
            self.close()  # in the middle of the data it cannot be used for anything else
            raise

    def copy_begin(self, statement: bytes, deadline: Deadline) -> None:
        """Begin to send data; nothing else can be done until `copy_end`, but to close it."""
        pgconn = self.pgconn
        try:
            pgconn.send_query(statement)
            result = self._wait(generators.execute(pgconn), deadline)[-1]
            self._expect(result, pq.ExecStatus.COPY_IN)
        except psycopg.Error as error:
            self._check(error)
            raise
        except BaseException:
            self.close()
            raise

    def copy_send(self, block: bytes, deadline: Deadline) -> None:
        """Send a block of data, which the server takes while the next is made."""
        try:
            self._wait(generators.copy_to(self.pgconn, block, flush=True), deadline)
        except psycopg.Error as error:
            self._check(error)
            raise

    def copy_end(self, deadline: Deadline) -> None:
        """Say that this was all; what was sent is stored then."""
        try:
            self._wait(generators.copy_end(self.pgconn, None), deadline)
        except psycopg.Error as error:
            self._check(error)
            raise

    # -- waiting

    def heard(self, seconds: float) -> set[str]:
        """What notifications said that came within so many seconds; the first ends it."""
        try:
            found = self._wait(generators.notifies(self.pgconn), monotonic() + seconds)
        except pg._WaitTimeout:
            return set()
        return {one.extra.decode() for one in found}

    def _wait(self, steps: Any, deadline: Deadline) -> Any:
        if deadline is None:
            return wait(self.connection.wait(steps))
        return wait(self.connection.wait(steps, timeout=max(deadline - monotonic(), 0.0)))

    def _given_up(self) -> psycopg.Error | None:
        """The server's word that it gave a statement up that takes too long; None without one.

        A write of which it says that has not happened, as one that waited for a lock of others.
        """
        try:
            wait(self.connection.cancel_safe(timeout=_CANCEL))
            results = self._wait(generators.fetch_many(self.pgconn), monotonic() + _CANCEL / 2)
        except psycopg.Error:
            return None
        told = None
        if results and results[-1].status == pq.ExecStatus.FATAL_ERROR:
            told = self._failure(results[-1])
        return told if isinstance(told, pg.QueryCanceled) else None

    def _check(self, error: psycopg.Error) -> None:
        """After an error: of no use any more if the server did not answer, or if it went away."""
        if isinstance(error, pg._WaitTimeout):
            with suppress(psycopg.Error):
                wait(self.connection.cancel_safe(timeout=_CANCEL))
            self.close()
        elif error.sqlstate is None or self.pgconn.status != pq.ConnStatus.OK:
            self.close()
        else:
            without_values(error)

    def _expect(self, result: PGresult, status: int) -> None:
        if result.status != status:
            raise self._failure(result)

    def _failure(self, result: PGresult) -> psycopg.Error:
        return without_values(pg.error_from_result(result))

    # -- its state

    @property
    def idle(self) -> bool:
        """True if it is open and outside of any transaction."""
        return bool(self.pgconn.transaction_status == _IDLE)

    @property
    def failed(self) -> bool:
        """True inside a transaction that an error has undone."""
        return bool(self.pgconn.transaction_status == _FAILED)

    @property
    def is_inherited(self) -> bool:
        """True in a forked child, whose parent uses the same connection."""
        return self._pid != os.getpid()

    @property
    def closed(self) -> bool:
        """True if it cannot be used any more."""
        return bool(self.pgconn.status != pq.ConnStatus.OK)

    def is_quiet(self) -> bool:
        """True if the server has said nothing on it: when it closes a connection it says so."""
        if self.pgconn.status != pq.ConnStatus.OK:
            return False
        return not _readable(self.pgconn.socket)

    def interrupt(self) -> None:
        """End what another thread does on it, which then closes it: that here might crash."""
        with (
            suppress(OSError, psycopg.Error),
            socket.socket(fileno=os.dup(self.pgconn.socket)) as own,
        ):
            own.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close it; nothing is sent that the server would have to answer."""
        if self.is_inherited:
            _inherited.append(self)  # not even freed: the parent process goes on using it
            return
        self.connection._closed = True  # else psycopg warns of it when it is collected
        self.pgconn.finish()


_inherited: Final[list[Link]] = []
_IDLE: Final = pq.TransactionStatus.IDLE
_FAILED: Final = pq.TransactionStatus.INERROR


if hasattr(select, "poll"):

    def _readable(number: int) -> bool:
        poll = select.poll()
        poll.register(number, select.POLLIN)
        return bool(poll.poll(0))

else:  # on Windows

    def _readable(number: int) -> bool:
        return bool(select.select([number], [], [], 0)[0])
