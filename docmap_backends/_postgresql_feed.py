"""The change feed of a PostgreSQL database: a place in its log, and what wakes its reader."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any, Final
from weakref import finalize

import psycopg
from psycopg import errors as pg

from docmap.errors import StorageError
from docmap.storage.bridge import sleep
from docmap.storage.watching import NO_MORE, Logged, lost, position_of, token_of
from docmap_backends._postgresql_changes import CHANNEL, kept_changes
from docmap_backends._postgresql_connections import Connections
from docmap_backends._postgresql_link import Link

if TYPE_CHECKING:
    from docmap.plan.engine import Record

_BATCH: Final = 500
_LOOK: Final = 0.25  # seconds between two looks whether it was closed
_POLL: Final = 5.0  # seconds after which the log is looked at, though nothing was heard
_PAUSE: Final = 0.1  # seconds between two looks at the log where nothing can be heard
# What says that a server of another make knows no LISTEN.
_NO_LISTEN: Final = (pg.FeatureNotSupported, pg.SyntaxError)


class PostgreSQLFeed:
    """A place in the log of one collection. Only what is committed is seen.

    `listen` makes a connection of the feed's own, which hears of commits.
    """

    def __init__(
        self, connections: Connections, collection: str, listen: Callable[[], Link]
    ) -> None:
        self._connections = connections
        self._collection = collection
        self._listen = listen
        self._link: Link | None = None
        self._end: finalize[..., Any] | None = None
        self._waits = False
        self._closed = False
        self._deaf = False
        self._position = 0
        self._log = ""

    def begin(self, after: str | None, *, watched: bool) -> None:
        """Go to the end of the log, or behind a token."""
        self._log, dropped, last = self._state()
        self._position = last
        if after is not None:
            known = self._log if watched else None
            self._position = position_of(after, known, self._collection, last)
        if dropped > self._position:
            raise lost(self._collection, self._bound())

    @property
    def token(self) -> str:
        """The place behind everything that was fetched."""
        return token_of(self._log, self._collection, self._position)

    def fetch(self) -> list[Logged]:
        """The changes that follow, a batch at most."""
        log, _, last = self._state()
        if last == self._position and log == self._log:
            return []
        rows = self._connections.rows(
            "SELECT number, kind, rev, doc FROM docmap_changes WHERE collection = %s "
            f"AND number > %s AND number <= %s ORDER BY number LIMIT {_BATCH}",
            (self._collection, self._position, last),
            apart=True,
        )
        # Asked after the rows were read, so that none can have gone in between unnoticed.
        log, dropped, _ = self._state()
        if log != self._log:
            raise lost(self._collection, NO_MORE)
        if dropped > self._position:
            raise lost(self._collection, self._bound())
        found = [self._logged(row) for row in rows]
        self._position = int(rows[-1][0] or 0) if len(rows) == _BATCH else max(last, self._position)
        return found

    def _logged(self, row: tuple[Any, ...]) -> Logged:
        number, kind, rev, doc = row
        record: Record = (doc, int(rev))
        return Logged(kind.decode(), record, token_of(self._log, self._collection, int(number)))

    def _state(self) -> tuple[str, int, int]:
        """The log's name, the number of the last change that it dropped, and of its last."""
        rows = self._connections.rows(
            "SELECT w.log, w.dropped, (SELECT max(number) FROM docmap_changes) "
            "FROM docmap_watched w WHERE w.name = %s",
            (self._collection,),
            apart=True,
        )
        if not rows:
            return "", 0, self._position
        log, dropped, last = rows[0]
        return (log or b"").decode(), int(dropped or 0), int(last or 0)

    def _bound(self) -> str:
        return f"as only the last {kept_changes(self._connections):,} of the database are"

    # -- waking

    def wait(self, seconds: float | None) -> None:
        """Return when something was committed, after `seconds`, or when it is closed."""
        end = monotonic() + (_POLL if seconds is None else min(seconds, _POLL))
        self._waits = True
        try:
            if self._deaf:
                sleep(min(_PAUSE, max(end - monotonic(), 0.0)))
                return
            if self._link is None or self._link.closed:
                self._hear()
                return  # what was committed before it listened nothing tells of
            while not self._closed and (left := end - monotonic()) > 0:
                if self._collection in self._link.heard(min(left, _LOOK)):
                    return
        except (psycopg.Error, StorageError) as error:
            # Not now: the log can be looked at all the same, or says why not.
            self._drop()
            self._deaf = isinstance(error, _NO_LISTEN)
            sleep(min(_PAUSE, max(end - monotonic(), 0.0)))
        finally:
            self._waits = False
            if self._closed:
                self._drop()

    def _hear(self) -> None:
        """Listen from now on."""
        self._drop()
        link = self._listen()
        try:
            link.control(f"LISTEN {CHANNEL}", monotonic() + _POLL)
        except BaseException:
            link.close()
            raise
        self._link = link
        # A feed that nobody closes takes its connection along.
        self._end = finalize(self, link.close)
        self._end.atexit = False

    def _drop(self) -> None:
        self._link = None
        if self._end is not None:
            self._end()

    def hang_up(self) -> None:
        """End its connection, from any thread: the storage is closed."""
        link = self._link
        if link is not None and self._waits:
            link.interrupt()  # who waits on it ends it
        else:
            self._drop()

    def close(self) -> None:
        """End what waits, which then ends its connection too."""
        self._closed = True
        if not self._waits:
            self._drop()
