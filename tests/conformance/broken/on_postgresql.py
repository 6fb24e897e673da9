"""Storages on PostgreSQL, each with one fault in what reaches it: links, pool, deadlines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Final

import psycopg

from docmap.errors import OutcomeUnknown, Unavailable
from docmap.schema.schema import Schema
from docmap.storage.writes import Write
from docmap_backends._postgresql_connections import Connections, Row
from docmap_backends._postgresql_link import Link
from docmap_backends._postgresql_pool import Pool
from docmap_backends._sql import SQL
from docmap_backends.postgresql import PostgreSQLStorage
from tests.conformance.broken.catalogue import broken

FAR: Final = 60.0  # seconds: longer than anything that is not disturbed takes


class Parts(PostgreSQLStorage):
    """Whose parts are of other classes, from the moment when it is connected."""

    connections: ClassVar[type[Connections]] = Connections
    pool: ClassVar[type[Pool]] = Pool
    link: ClassVar[type[Link]] = Link

    def _connect(self) -> None:
        super()._connect()
        self._connections.__class__ = self.connections
        self._connections._pool.__class__ = self.pool

    def _link(self, deadline: float) -> Link:
        made = super()._link(deadline)
        made.__class__ = self.link
        return made


# -- what a lost reply means


@broken("server_connections:whose_reply_was_lost", kind="server")
class RetriesWrites(Parts):
    """A write whose connection was lost is sent again, though it may be done."""

    class connections(Connections):
        def on_link(self, work: Any, *, write: bool, apart: bool = False) -> Any:
            return super().on_link(work, write=False, apart=apart)


@broken("server_connections:whose_reply_was_lost", kind="server")
class SaysItIsNotDone(Parts):
    """A write whose reply was lost is Unavailable: not done, and to be tried again."""

    class connections(Connections):
        def told(self, error: psycopg.Error, *, sent_write: bool = False) -> Any:
            return super().told(error)


@broken("server_connections:did_not_arrive", kind="server")
class SaysItIsDone(PostgreSQLStorage):
    """A write without an answer counts as done, though it may never have arrived."""

    def _save(self, schema: Schema, write: Write) -> int:
        try:
            return super()._save(schema, write)
        except OutcomeUnknown:
            return max(write.expected, 0) + 1


@broken("server_transactions:commit_whose", kind="server")
class LostCommitsAreNotDone(Parts):
    """A commit whose reply was lost is Unavailable: nothing of it is stored."""

    class connections(Connections):
        def _commit(self, link: Link) -> None:
            try:
                super()._commit(link)
            except OutcomeUnknown as error:
                raise Unavailable("nothing of it is stored", engine="postgresql") from error


@broken("server_transactions:commit_whose", kind="server")
class LostCommitsAreDone(Parts):
    """A commit that nobody answered counts as one that succeeded."""

    class connections(Connections):
        def _commit(self, link: Link) -> None:
            try:
                super()._commit(link)
            except OutcomeUnknown:
                link.close()


@broken("server_deadlines:read_of_a_silent", kind="server")
class NobodyKnowsOfReads(Parts):
    """A read without an answer is OutcomeUnknown, as if it could have changed anything."""

    class connections(Connections):
        def told(self, error: psycopg.Error, *, sent_write: bool = False) -> Any:
            return super().told(error, sent_write=True)


# -- connections that are lost


@broken("server_connections:away", kind="server")
class FoundNothing(Parts):
    """A read that cannot reach the server finds nothing, without a word."""

    class connections(Connections):
        def rows(self, statement: str | SQL, parameters: Any = (), *, apart: bool = False) -> Any:
            try:
                return super().rows(statement, parameters, apart=apart)
            except Unavailable:
                return []

        def stream(self, statement: SQL, size: int) -> Iterator[list[Row]]:
            try:
                yield from super().stream(statement, size)
            except Unavailable:
                return


@broken("server_deadlines:[freeze-get]", kind="server")
class ErrorsAreTheDrivers(Parts):
    """What the driver raises reaches the user as it is."""

    class connections(Connections):
        def fail(self, error: psycopg.Error, *, sent_write: bool = False) -> Any:
            raise error


@broken("server_connections:is_named", kind="server")
class NamesNoPlace(PostgreSQLStorage):
    """Who cannot be reached is not said."""

    def _connect(self) -> None:
        try:
            super()._connect()
        except Unavailable as error:
            raise Unavailable("the server cannot be reached", engine=self.scheme) from error


@broken("server_connections:never_ends_early", kind="server")
class StreamsEndEarly(Parts):
    """A stream whose connection is lost ends as if that were all."""

    class connections(Connections):
        def stream(self, statement: SQL, size: int) -> Iterator[list[Row]]:
            given = False
            try:
                for rows in super().stream(statement, size):
                    given = True
                    yield rows
            except Unavailable:
                if not given:
                    raise


@broken("server_connections:never_ends_early", kind="server")
class StreamsBeginAgain(Parts):
    """A stream whose connection is lost begins once more: documents come twice."""

    class connections(Connections):
        def stream(self, statement: SQL, size: int) -> Iterator[list[Row]]:
            try:
                yield from super().stream(statement, size)
            except Unavailable:
                yield from super().stream(statement, size)


@broken("server_connections:read_after_idle", kind="server")
class TrustsIdleConnections(Parts):
    """A connection that was lost while it was idle fails the read that takes it next."""

    class link(Link):
        __slots__ = ()

        def is_quiet(self) -> bool:
            return True

    class connections(Connections):
        def on_link(self, work: Any, *, write: bool, apart: bool = False) -> Any:
            return super().on_link(work, write=True, apart=apart)


@broken("server_connections:places", kind="server")
class LeaksPlaces(Parts):
    """A connection that was lost keeps its place in the pool, until there is none left."""

    class pool(Pool):
        def give(self, link: Link) -> None:
            if link.closed:
                self._used.discard(link)
            else:
                super().give(link)


# -- deadlines


@broken("server_deadlines:[freeze-get]", kind="server")
class IsLate(Parts):
    """A silent server is waited for longer than the call allows."""

    class connections(Connections):
        def deadline(self) -> float | None:
            found = super().deadline()
            return None if found is None else found + 10


@broken("server_connections:says_nothing", kind="server")
class ConnectingTakesItsTime(PostgreSQLStorage):
    """The deadline is not for connecting."""

    def _link(self, deadline: float) -> Link:
        self._connect_timeout = 10.0
        return super()._link(deadline + FAR)


@broken("server_deadlines:pool_without", kind="server")
class PoolHasNoBound(Parts):
    """There are as many connections as anybody asks for."""

    class pool(Pool):
        def take(self, deadline: float) -> Link:
            self._size = 1000
            return super().take(deadline)


@broken("server_deadlines:more_threads", kind="server")
class ThreadsShareALink(Parts):
    """Two threads are given one connection."""

    class pool(Pool):
        shared: Link | None = None

        def take(self, deadline: float) -> Link:
            if self.shared is None or self.shared.closed:
                self.shared = super().take(deadline)
            return self.shared

        def give(self, link: Link) -> None:
            """It stays with all of them."""
