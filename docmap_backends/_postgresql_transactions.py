"""Transactions on a PostgreSQL server, each on a connection of its caller's, and what ends them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any, Final, NoReturn

import psycopg
from psycopg import errors as pg

from docmap.errors import StorageError
from docmap.storage.bridge import Local
from docmap.storage.deadlines import caller
from docmap_backends._postgresql_errors import ENGINE, is_lost, is_timeout, lost_commit, translated
from docmap_backends._postgresql_link import Link
from docmap_backends._postgresql_pool import Pool

PASSED: Final = (psycopg.IntegrityError, pg.UndefinedTable, pg.DuplicateTable)
"""The errors that pass as they are."""
_LEVELS: Final = ("read committed", "repeatable read", "serializable")


class _Own(Local):
    """What a caller has: the connection of its transaction, how deep it is in it, its end."""

    link: Link | None = None
    depth: int = 0
    lost: bool = False
    cursors: int = 0
    made: bool = False
    level: str = ""


class Transactions:
    """The connections of one storage as far as callers own them, and how their calls end.

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
            link = self._pool.take(deadline if deadline is not None else monotonic() + FOREVER)
            try:
                link.control(begin, deadline)
                break
            except pg.FeatureNotSupported as error:
                self._pool.give(link)
                raise StorageError(
                    f"{self.where} has no {level} transactions, as a server that follows another "
                    "one: give the option isolation, as in isolation=repeatable read",
                    engine=ENGINE,
                ) from error
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
        self.inside(lambda one, end: one.control(f"SAVEPOINT {name}", end), link, self.deadline())
        own.depth = depth + 1
        try:
            yield
            self.inside(lambda one, end: one.control(f"RELEASE {name}", end), link, self.deadline())
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

    # -- errors and deadlines

    def inside(self, work: Callable[[Link, float | None], Any], link: Link, end: Any) -> Any:
        self.check_alive()
        try:
            return work(link, end)
        except PASSED:
            raise
        except psycopg.Error as error:
            if isinstance(error, pg.InvalidSqlStatementName):
                link.forget_prepared()
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


FOREVER: Final = 1e7  # seconds
_ROLLBACK: Final = 5.0  # seconds for a server to undo a transaction, before its connection is cut


def check_level(level: str) -> str:
    """An isolation level by its name in SQL's words, in lower case. Raises ValueError."""
    name = level.lower().replace("_", " ").replace("-", " ")
    if name not in _LEVELS:
        raise ValueError(f"isolation is one of {', '.join(_LEVELS)}")
    return name
