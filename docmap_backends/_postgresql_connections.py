"""Statements on a PostgreSQL server: by the caller's transaction if it has one, else by the pool.

Errors are docmap's, but for three that the caller of a statement has to answer itself: a broken
constraint (`psycopg.IntegrityError`), and a table that is not there, or is there already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg import errors as pg

from docmap.errors import StorageError
from docmap_backends._postgresql_copying_in import Copying
from docmap_backends._postgresql_errors import ENGINE, is_lost, is_timeout
from docmap_backends._postgresql_link import Link, encoded, numbered
from docmap_backends._postgresql_transactions import FOREVER, PASSED, Transactions
from docmap_backends._sql import SQL

if TYPE_CHECKING:
    from psycopg.pq.abc import PGresult

Row = tuple[bytes | None, ...]

# A server that follows another one ends reads that are in the way of what it has to repeat.
_CONFLICTS: Final = (pg.SerializationFailure, pg.DeadlockDetected)
# What says that a server of another make knows no such thing.
_LACKING: Final = (pg.FeatureNotSupported, pg.UndefinedFunction)


class Connections(Transactions):
    """Statements and streams of one storage."""

    _locks: bool | None = None

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

    def copying(self, statement: str) -> Copying:
        """Begin to send blocks of data, on a connection that nothing else uses until the end."""
        deadline = self.deadline()
        for again in (True, False):
            link = self._pool.take(deadline if deadline is not None else monotonic() + FOREVER)
            try:
                link.copy_begin(statement.encode(), deadline)
                break
            except PASSED:
                self._pool.give(link)
                raise
            except psycopg.Error as error:
                self._pool.give(link)
                if not again or not is_lost(error) or is_timeout(error):
                    self.fail(error)
                self._pool.drop_idle()
            except BaseException:
                self._pool.give(link)
                raise
        return Copying(link, self._pool, self.deadline, self.fail)

    @property
    def size(self) -> int:
        """How many connections there may be."""
        return self._pool.size

    def on_link(
        self, work: Callable[[Link, float | None], Any], *, write: bool, apart: bool = False
    ) -> Any:
        """Do something on the link of the transaction, or on one of the pool's."""
        deadline = self.deadline()
        own = self._own
        if own.link is not None and not apart:
            return self.inside(work, own.link, deadline)
        first = True
        while True:
            link = self._pool.take(deadline if deadline is not None else monotonic() + FOREVER)
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

    # -- streams

    def stream(self, statement: SQL, size: int) -> Iterator[list[Row]]:
        """The rows of a read as they were when it began, in batches; nothing else is kept."""
        values = [encoded(one) for one in statement.parameters]
        if self._own.link is not None:
            yield from self._cursor(statement, values, size)
            return
        text, given, first = numbered(statement.text), False, True
        while True:
            link = self._pool.take(self.deadline() or monotonic() + FOREVER)
            try:
                for result in link.stream(text, values, size, self.deadline):
                    given = True
                    yield rows_of(result)
                    self._pool.check()
            except PASSED:
                raise
            except psycopg.Error as error:
                unprepared = isinstance(error, pg.InvalidSqlStatementName)
                if unprepared:
                    link.forget_prepared()
                broken = is_lost(error) and not is_timeout(error)
                again = broken or unprepared or isinstance(error, _CONFLICTS)
                if given or not first or not again:
                    self.fail(error)
                first = False
                if broken:
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

    # -- locks

    def hold(self, number: int) -> None:
        """Keep others who hold the same number out, until the transaction that is open ends.

        Servers of another make may have no such locks: there the indexes have to do.
        """
        if self._locks is False:
            return
        wanted = "SELECT pg_advisory_xact_lock(%s::bigint)"
        if self._locks:
            self.rows(wanted, (number,))
        else:
            self._locks = self.can(wanted, (number,))

    def can(self, statement: str, parameters: Iterable[Any] = ()) -> bool:
        """Run a statement inside a transaction; False if the server lacks what it takes."""
        try:
            with self.transaction():
                self.rows(statement, parameters)
        except StorageError as error:
            if not isinstance(error.__cause__, _LACKING):
                raise
            return False
        return True


def rows_of(result: PGresult) -> list[Row]:
    """The rows of a result, their values as text."""
    get, columns = result.get_value, range(result.nfields)
    if len(columns) == 2:
        return [(get(row, 0), get(row, 1)) for row in range(result.ntuples)]
    return [tuple([get(row, column) for column in columns]) for row in range(result.ntuples)]
