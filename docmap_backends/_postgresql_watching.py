"""Watching a collection of a PostgreSQL database."""

from __future__ import annotations

from time import monotonic
from weakref import WeakSet

from docmap.schema.schema import Schema
from docmap.storage.watching import not_now
from docmap_backends._postgresql_changes import (
    check_whole,
    is_watched,
    kept_changes,
    start_log,
    stop_log,
)
from docmap_backends._postgresql_copying import PostgreSQLCopying
from docmap_backends._postgresql_feed import PostgreSQLFeed
from docmap_backends._postgresql_link import Link


class PostgreSQLWatching(PostgreSQLCopying):
    """The hooks of change feeds."""

    _kept_changes: int
    _feeds: WeakSet[PostgreSQLFeed]

    def _watch(self, schema: Schema, after: str | None) -> PostgreSQLFeed:
        if self._connections.in_transaction:
            raise not_now(schema)
        given = "kept_changes" in self._options
        watched = is_watched(self._connections, schema.collection)
        changed = given and watched and kept_changes(self._connections) != self._kept_changes
        if not watched or changed:
            with self._connections.transaction("read committed"):
                self._connections.changed_tables()
                self._catalogue.lock()
                table = self._catalogue.current(schema.collection)
                if table is not None and not table.adopted:
                    table = self._catalogue.make(schema)  # what is logged has revisions
                if table is None:
                    check_whole(schema.collection, self._catalogue.spread_by(schema))
                start_log(
                    self._connections, schema.collection, table, self._kept_changes, given=given
                )
        feed = PostgreSQLFeed(self._connections, schema.collection, self._listener)
        self._feeds.add(feed)
        try:
            feed.begin(after, watched=watched)
        except BaseException:
            feed.close()
            raise
        return feed

    def _listener(self) -> Link:
        """A connection beside those of the pool, as it waits for as long as it is watched."""
        return self._link(monotonic() + self._connect_timeout)

    _connect_timeout: float

    def _link(self, deadline: float) -> Link:
        raise self._lacks("connecting")

    def _unwatch(self, schema: Schema) -> None:
        if self._connections.in_transaction:
            raise not_now(schema)
        if is_watched(self._connections, schema.collection):
            with self._connections.transaction("read committed"):
                self._catalogue.lock()
                table = self._catalogue.current(schema.collection)
                stop_log(self._connections, schema.collection, table)
