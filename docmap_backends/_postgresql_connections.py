"""Statements on a PostgreSQL server: by the caller's transaction if it has one, else by the pool.

Errors are docmap's, but for three that the caller of a statement has to answer itself: a broken
constraint (`psycopg.IntegrityError`), and a table that is not there, or is there already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, NoReturn

import psycopg
from psycopg import errors as pg

from docmap.errors import StorageError
from docmap.storage.bridge import Local
from docmap.storage.deadlines import caller
from docmap_backends._postgresql_errors import ENGINE, is_lost, is_timeout, lost_commit, translated
from docmap_backends._postgresql_link import Link, encoded, numbered
from docmap_backends._postgresql_pool import Pool
from docmap_backends._sql import SQL

if TYPE_CHECKING:
    from psycopg.pq.abc import PGresult

Row = tuple[bytes | None, ...]

PASSED: Final = (psycopg.IntegrityError, pg.UndefinedTable, pg.DuplicateTable)
"""The errors that pass as they are."""
_LACKING: Final = (pg.FeatureNotSupported, pg.UndefinedFunction)
_LEVELS: Final = ("read committed", "repeatable read", "serializable")


class _Own(Local):
    """What a caller has: the connection of its transaction, how deep it is in it, its end."""

    link: Link | None = None
    depth: int = 0
    lost: bool = False
    cursors: int = 0
    made: bool = False
    level: str = ""


class Connections:
    """The connections of one storage, and the transactions on them.

    A call ends with the operation that it is part of, else within `timeout` seconds; `on_undo` is
    called when tables that were made or removed are taken back.
    """

    def __init__(
        self,
        pool: Pool,
        where: str,
        *,
        timeout: float | None,
        on_undo: Callable[[], None],
    ) -> None:
        self.where = where
        self._pool = pool
        self._timeout = timeout
        self._on_undo = on_undo
        self._own = _Own()
        self._locks: bool | None = None

    # -- statements

    def run(
        self,
        statement: str,
        parameters: Iterable[Any] = (),
        *,
        write: bool = False,
        apart: bool = False,
    ) -> PGresult:
        """Run one statement with `%s` for its values. A read is tried once more on a fresh link."""
        text, values = numbered(statement), [encoded(one) for one in parameters]
        found: PGresult = self.on_link(
            lambda link, end: link.execute(text, values, end), write=write, apart=apart
        )
        return found

    def rows(
        self, statement: str | SQL, parameters: Iterable[Any] = (), *, apart: bool = False
    ) -> list[Row]:
        """All rows of a read, their values as the text that the server writes.

        Read `apart` from the caller's transaction it sees only what is committed.
        """
        if isinstance(statement, SQL):
            statement, parameters = statement
        return rows_of(self.run(statement, parameters, apart=apart))

    def written(self, statement: str, parameters: Iterable[Any] = ()) -> list[Row]:
        """All rows that a write returns."""
        return rows_of(self.run(statement, parameters, write=True))

    def changed(self, statement: str, parameters: Iterable[Any] = ()) -> int:
        """How many rows a write changed."""
        return self.run(statement, parameters, write=True).command_tuples or 0

    def script(self, statements: Iterable[str]) -> None:
        """Run statements without values, in one message; percent signs are doubled in them too."""
        text = "; ".join(numbered(one).decode() for one in statements)
        if text:
            self.on_link(lambda link, end: link.control(text, end), write=True)

    def copy_in(self, statement: str, blocks: Iterable[bytes]) -> None:
        """Send blocks of data, all of which are stored, or none."""
        held = list(blocks)
        self.on_link(lambda link, end: link.copy_in(statement.encode(), held, end), write=True)

    def on_link(
        self, work: Callable[[Link, float | None], Any], *, write: bool, apart: bool = False
    ) -> Any:
        """Do something on the link of the transaction, or on one of the pool's."""
        deadline = self.deadline()
        own = self._own
        if own.link is not None and not apart:
            return self._inside(work, own.link, deadline)
        first = True
        while True:
            link = self._pool.take(deadline if deadline is not None else monotonic() + _FOREVER)
            try:
                return work(link, deadline)
            except PASSED:
                raise
            except psycopg.Error as error:
                # A statement that is not prepared any more did not run, whatever it is.
                unprepared = isinstance(error, pg.InvalidSqlStatementName)
                if unprepared:
                    link.forget_prepared()
                broken = is_lost(error) and not is_timeout(error) and not write
                if not first or not (unprepared or broken):
                    self.fail(error, sent_write=write)
                first = False
                if broken:
                    self._pool.drop_idle()  # they went the same way, and may not know it yet
            finally:
                self._pool.give(link)

    def _inside(self, work: Callable[[Link, float | None], Any], link: Link, end: Any) -> Any:
        self.check_alive()
        try:
            return work(link, end)
        except PASSED:
            raise
        except psycopg.Error as error:
            self._own.lost = self._own.lost or link.closed
            self.fail(error)

    def fail(self, error: psycopg.Error, *, sent_write: bool = False) -> NoReturn:
        """Raise docmap's error for one of the driver's."""
        self._pool.check()
        raise self.told(error, sent_write=sent_write) from error

    def told(self, error: psycopg.Error, *, sent_write: bool = False) -> StorageError:
        """Docmap's error for one of the driver's."""
        return translated(error, self.where, sent_write=sent_write)

    def deadline(self) -> float | None:
        """When a call that begins now must have ended."""
        held = caller.deadline
        if held is None and self._timeout is not None:
            return monotonic() + self._timeout
        return held

    # -- streams

    def stream(self, statement: SQL, size: int) -> Iterator[list[Row]]:
        """The rows of a read as they were when it began, in batches; nothing else is kept."""
        values = [encoded(one) for one in statement.parameters]
        if self._own.link is not None:
            yield from self._cursor(statement, values, size)
            return
        text, given, first = numbered(statement.text), False, True
        while True:
            link = self._pool.take(self.deadline() or monotonic() + _FOREVER)
            try:
                for result in link.stream(text, values, size, self.deadline):
                    given = True
                    yield rows_of(result)
                    self._pool.check()
            except PASSED:
                raise
            except psycopg.Error as error:
                if given or not first or not is_lost(error) or is_timeout(error):
                    self.fail(error)
                first = False
                self._pool.drop_idle()
            else:
                return
            finally:
                self._pool.give(link)

    def _cursor(self, statement: SQL, values: list[Any], size: int) -> Iterator[list[Row]]:
        """The same by a cursor of the transaction, so that other statements can run between."""
        link, own = self._own.link, self._own
        own.cursors += 1
        name = f"docmap_{own.cursors}"
        text = numbered(f"DECLARE {name} NO SCROLL CURSOR FOR {statement.text}")
        self.on_link(lambda one, end: one.execute(text, values, end), write=False)
        fetch = f"FETCH {size} FROM {name}".encode()
        while True:
            if own.link is not link or link is None:
                raise StorageError(
                    "the transaction that this stream reads in has ended: read it inside",
                    engine=ENGINE,
                )
            found = rows_of(self.on_link(lambda one, end: one.execute(fetch, (), end), write=False))
            if found:
                yield found
            if len(found) < size:
                self.on_link(lambda one, end: one.control(f"CLOSE {name}", end), write=False)
                return

    # -- transactions

    @property
    def in_transaction(self) -> bool:
        """True inside a transaction of the caller's."""
        return self._own.link is not None

    @property
    def is_undone(self) -> bool:
        """True inside a transaction that an error has undone."""
        link = self._own.link
        return link is not None and (self._own.lost or link.failed)

    @contextmanager
    def transaction(self, level: str = "") -> Iterator[None]:
        """A transaction, or a savepoint inside one; undone by any exception.

        `level` is its isolation by name, where it is the outermost.
        """
        own = self._own
        if own.link is None:
            yield from self._outermost(level)
        else:
            yield from self._savepoint(own.link)

    def _outermost(self, level: str) -> Iterator[None]:
        own, deadline = self._own, self.deadline()
        level = own.level or level
        begin = f"BEGIN ISOLATION LEVEL {level.upper()}" if level else "BEGIN"
        for again in (True, False):
            link = self._pool.take(deadline if deadline is not None else monotonic() + _FOREVER)
            try:
                link.control(begin, deadline)
                break
            except psycopg.Error as error:
                self._pool.give(link)
                if not again or not is_lost(error) or is_timeout(error):
                    self.fail(error)
                self._pool.drop_idle()
            except BaseException:
                self._pool.give(link)
                raise
        own.link, own.depth, own.lost, own.made = link, 1, False, False
        try:
            try:
                yield
                self.check_alive()
                self._commit(link)
            finally:
                own.link, own.depth = None, 0
                if not link.closed and not link.idle:
                    self._undo()
                    self._roll_back(link)
                elif link.closed:
                    self._undo()
        finally:
            self._pool.give(link)

    def _commit(self, link: Link) -> None:
        try:
            said = link.control("COMMIT", self.deadline())
        except psycopg.Error as error:
            self._pool.check()
            raise lost_commit(error, self.where) from error
        if said != "COMMIT":  # of a transaction that an error has undone the server says ROLLBACK
            self._undo()
            raise self._undone()

    def _roll_back(self, link: Link) -> None:
        if link.is_inherited:
            return  # the transaction is the parent's, and goes on there
        try:
            link.control("ROLLBACK", monotonic() + _ROLLBACK)
        except psycopg.Error:
            link.close()  # which undoes it too

    def _savepoint(self, link: Link) -> Iterator[None]:
        own = self._own
        depth = own.depth
        name = f"docmap_{depth}"
        self._inside(lambda one, end: one.control(f"SAVEPOINT {name}", end), link, self.deadline())
        own.depth = depth + 1
        try:
            yield
            self._inside(
                lambda one, end: one.control(f"RELEASE {name}", end), link, self.deadline()
            )
        except BaseException:
            own.depth = min(own.depth, depth)
            self._undo()
            if own.link is link and not link.closed and not link.is_inherited:
                both = f"ROLLBACK TO {name}; RELEASE {name}"
                try:
                    link.control(both, monotonic() + _ROLLBACK)
                except psycopg.Error:
                    own.lost = True
                    link.close()
            raise
        finally:
            own.depth = min(own.depth, depth)

    def check_alive(self) -> None:
        """Raise if the server has undone the transaction, or if the storage was closed."""
        self._pool.check()
        own = self._own
        if own.lost or (own.link is not None and own.link.closed):
            raise self._undone()

    def _undone(self) -> StorageError:
        return StorageError(
            "the transaction was undone by an error inside it, and nothing of it was written: "
            "leave its block before you write again",
            engine=ENGINE,
        )

    @contextmanager
    def at_level(self, level: str) -> Iterator[None]:
        """Give a transaction that begins in the block this isolation, whatever it asks for."""
        own, outer = self._own, self._own.level
        own.level = level
        try:
            yield
        finally:
            own.level = outer

    def hold(self, number: int) -> None:
        """Keep others who hold the same number out, until the transaction that is open ends.

        Servers of another make may have no such locks: there the indexes have to do.
        """
        if self._locks is False:
            return
        wanted = "SELECT pg_advisory_xact_lock(%s::bigint)"
        if self._locks:
            self.rows(wanted, (number,))
            return
        try:
            with self.transaction():
                self.rows(wanted, (number,))
        except StorageError as error:
            if not isinstance(error.__cause__, _LACKING):
                raise
            self._locks = False
        else:
            self._locks = True

    def changed_tables(self) -> None:
        """Note that the transaction has made or removed tables: not all will see it to its end."""
        self._own.made = True

    def _undo(self) -> None:
        if self._own.made:
            self._own.made = False
            self._on_undo()

    @property
    def link(self) -> Link | None:
        """The link of the caller's transaction."""
        return self._own.link

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()


_FOREVER: Final = 1e7  # seconds
_ROLLBACK: Final = 5.0  # seconds for a server to undo a transaction, before its connection is cut


def check_level(level: str) -> str:
    """An isolation level by its name in SQL's words, in lower case. Raises ValueError."""
    name = level.lower().replace("_", " ").replace("-", " ")
    if name not in _LEVELS:
        raise ValueError(f"isolation is one of {', '.join(_LEVELS)}")
    return name


def rows_of(result: PGresult) -> list[Row]:
    """The rows of a result, their values as text."""
    get, columns = result.get_value, range(result.nfields)
    if len(columns) == 2:
        return [(get(row, 0), get(row, 1)) for row in range(result.ntuples)]
    return [tuple([get(row, column) for column in columns]) for row in range(result.ntuples)]
