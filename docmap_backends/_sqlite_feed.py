"""The change feed of an SQLite file: a place in its log, read again and again."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from docmap.errors import Unsupported
from docmap.schema.schema import Schema
from docmap.storage.watching import NO_MORE, Logged, lost, not_now, position_of, token_of
from docmap_backends._sqlfile_connections import Connections
from docmap_backends._sqlite_changes import NOTED, is_watched, kept_changes, start_log, stop_log
from docmap_backends._sqlite_foreign import wire_key
from docmap_backends._sqlite_queries import in_form, is_own
from docmap_backends._sqlite_tables import read_table

if TYPE_CHECKING:
    from docmap.plan.engine import Record

_PAUSE = 0.05  # seconds between two looks at the log
_BATCH = 500


def open_feed(
    connections: Connections, schema: Schema, after: str | None, kept: int, *, given: bool
) -> SQLiteFeed:
    """A place in the log of a collection, which begins to be logged if it was not."""
    if connections.in_transaction:
        raise not_now(schema)
    with connections.using() as connection:
        watched = is_watched(connection, schema.collection)
        changed = given and watched and kept_changes(connection) != kept
    if connections.file.read_only and not watched:
        raise Unsupported(
            f"{connections.file.path} was opened with read_only=true, and changes of "
            f"{schema.collection} are not logged yet: watch it once from a storage that may write",
            engine="sqlite",
            collection=schema.collection,
            path=connections.file.path,
        )
    if not watched or (changed and not connections.file.read_only):
        with connections.writing() as connection:
            start_log(connection, schema.collection, kept, given=given)
    feed = SQLiteFeed(connections, schema)
    feed.begin(after, watched=watched)
    return feed


def end_log(connections: Connections, schema: Schema) -> None:
    """Log no more changes of a collection."""
    if connections.in_transaction:
        raise not_now(schema)
    with connections.using() as connection:
        watched = is_watched(connection, schema.collection)
    if watched:
        with connections.writing() as connection:
            stop_log(connection, schema.collection)


class SQLiteFeed:
    """A place in the log of one collection. Only what is committed is seen."""

    def __init__(self, connections: Connections, schema: Schema) -> None:
        self._connections = connections
        self._schema = schema
        self._collection = schema.collection
        self._closed = threading.Event()
        self._position = 0
        self._log = ""
        self._key_name = schema.key_field.stored

    def begin(self, after: str | None, *, watched: bool) -> None:
        """Go to the end of the log, or behind a token."""
        with self._reading() as connection:
            self._log, dropped = self._state(connection)
            last = self._last(connection)
            self._position = last
            if after is not None:
                known = self._log if watched else None
                self._position = position_of(after, known, self._collection, last)
            if dropped > self._position:
                raise lost(self._collection, self._bound(connection))
            table = read_table(connection, self._collection)
            if table is not None and table.key_name:
                self._key_name = table.key_name

    @property
    def token(self) -> str:
        """The place behind everything that was fetched."""
        return self._token(self._position)

    def _token(self, position: int) -> str:
        return token_of(self._log, self._collection, position)

    def fetch(self) -> list[Logged]:
        """The changes that follow, a batch at most."""
        if self._connections.in_memory and self._connections.in_transaction:
            return []  # the one connection would show what is not committed
        with self._reading() as connection:
            last = self._last(connection)
            if last == self._position and self._state(connection)[0] == self._log:
                return []
            rows = connection.execute(
                "SELECT number, kind, key, typeof(key), rev, own, doc FROM docmap_changes "
                "WHERE number>? AND number<=? AND collection=? ORDER BY number LIMIT ?",
                (self._position, last, self._collection, _BATCH),
            ).fetchall()
            log, dropped = self._state(connection)
            # Asked after the rows were read, so that none can have gone in between unnoticed.
            if log != self._log:
                raise lost(self._collection, NO_MORE)
            if dropped > self._position:
                raise lost(self._collection, self._bound(connection))
        self._position = rows[-1][0] if len(rows) == _BATCH else last
        return [self._logged(row) for row in rows if row[1].decode() != NOTED]

    def _logged(self, row: tuple[Any, ...]) -> Logged:
        number, kind, key, key_type, rev, own, doc = row
        revision = rev if type(rev) is int and rev >= 0 else 0
        data = doc if is_own(own) else in_form(doc, wire_key(key, key_type), self._key_name)
        record: Record = (data, revision)
        return Logged(kind.decode(), record, self._token(number))

    def _state(self, connection: sqlite3.Connection) -> tuple[str, int]:
        """The log's name, and the number of the last change that it dropped."""
        row = connection.execute(
            "SELECT log, dropped FROM docmap_watched WHERE name=?", (self._collection,)
        ).fetchone()
        return (row[0].decode(), row[1]) if row else ("", 0)

    def _last(self, connection: sqlite3.Connection) -> int:
        return connection.execute("SELECT max(number) FROM docmap_changes").fetchone()[0] or 0

    def _bound(self, connection: sqlite3.Connection) -> str:
        return f"as only the last {kept_changes(connection):,} of the file are"

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """A connection that sees only what is committed."""
        if self._connections.in_memory:
            with self._connections.using() as connection:
                yield connection
            return
        with self._connections.reading() as link, self._connections.errors(), link.lock:
            yield link.connection

    def wait(self, seconds: float | None) -> None:
        """Return after a short pause, after `seconds`, or when it is closed."""
        self._closed.wait(_PAUSE if seconds is None else min(seconds, _PAUSE))

    def close(self) -> None:
        """End what waits."""
        self._closed.set()
