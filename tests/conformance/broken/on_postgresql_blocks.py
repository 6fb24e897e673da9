"""Storages on PostgreSQL, each with one fault in its transactions, over forks, or with secrets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

import psycopg

from docmap.errors import Unavailable
from docmap_backends._postgresql_connections import Connections
from docmap_backends._postgresql_link import Link
from docmap_backends._postgresql_pool import Pool
from docmap_backends.postgresql import PostgreSQLStorage
from tests.conformance.broken.catalogue import broken
from tests.conformance.broken.on_postgresql import FAR, Parts


class _GivenBack(Pool):
    """Takes a connection back as it is, in the middle of whatever it is in."""

    def give(self, link: Link) -> None:
        self._used.discard(link)
        if link.closed:
            self._release()
        else:
            self._hand_on(link)


@broken("server_deadlines:pool_without", kind="server")
class SharesTransactions(Parts):
    """The connection of a transaction is given to others before the transaction ends."""

    class connections(Connections):
        @contextmanager
        def transaction(self, level: str = "") -> Iterator[None]:
            begins = not self.in_transaction
            with super().transaction(level):
                if begins:
                    self._pool._hand_on(self.link)
                yield


@broken("transactions:error", kind="server")
class ForgetsToRollBack(Parts):
    """A connection goes back with a failed transaction still open: the next goes on in it."""

    pool = _GivenBack

    class connections(Connections):
        def _roll_back(self, link: Link) -> None:
            """Nothing is undone."""


@broken("transactions:own", kind="server")
class ReadsBeside(Parts):
    """What a transaction reads is read on another connection: it does not see its own writes."""

    class connections(Connections):
        def on_link(self, work: Any, *, write: bool, apart: bool = False) -> Any:
            return super().on_link(work, write=write, apart=apart or not write)


@broken("transactions:error", "server_transactions:absent", kind="server")
class WritesBeside(Parts):
    """What a transaction writes is written on another connection: it cannot be undone."""

    class connections(Connections):
        def on_link(self, work: Any, *, write: bool, apart: bool = False) -> Any:
            return super().on_link(work, write=write, apart=apart or write)


@broken("server_transactions:caught_the_error", kind="server")
class GoesOnAlone(Parts):
    """A transaction whose connection is lost goes on without one: its rest is stored."""

    class connections(Connections):
        def check_alive(self) -> None:
            self._pool.check()

        def inside(self, work: Callable[..., Any], link: Link, end: Any) -> Any:
            if link.closed:
                return self.on_link(work, write=True, apart=True)
            return super().inside(work, link, end)

        def _commit(self, link: Link) -> None:
            if not link.closed:
                super()._commit(link)


@broken("server_transactions:programs_own", kind="server")
class LosesTheProgramsError(Parts):
    """An exception that leaves a block is lost where undoing it fails too."""

    class connections(Connections):
        def _roll_back(self, link: Link) -> None:
            try:
                link.control("ROLLBACK", monotonic() + FAR)
            except psycopg.Error as error:
                self.fail(error)


# -- other uses


@broken("server_uses:forked", kind="server")
class ForksShareLinks(Parts):
    """A child goes on using the connections of its parent."""

    class pool(Pool):
        def take(self, deadline: float) -> Link:
            if self._idle:
                return self._idle.pop()
            return super().take(deadline)

        def give(self, link: Link) -> None:
            self._used.discard(link)
            self._hand_on(link)

        def check(self) -> None:
            """Whose it is does not matter."""

    class link(Link):
        __slots__ = ()

        @property
        def is_inherited(self) -> bool:
            return False


@broken("server_uses:travel", kind="server")
class Travels(PostgreSQLStorage):
    """It can be pickled, and what comes of it elsewhere is connected to nothing."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        return type(self), ()


@broken("server_uses:password", kind="server")
class ErrorsHoldPasswords(PostgreSQLStorage):
    """The error of who cannot connect says with which parameters."""

    def _connect(self) -> None:
        try:
            super()._connect()
        except Unavailable as error:
            raise Unavailable(f"{error}: {self._server.conninfo()}", engine=self.scheme) from error


@broken("server_uses:password_in_use", kind="server")
class KeepsThePassword(PostgreSQLStorage):
    """An attribute holds the password as plain text."""

    def _connect(self) -> None:
        super()._connect()
        self._parameters = self._server.conninfo()
