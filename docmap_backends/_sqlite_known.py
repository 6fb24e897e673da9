"""What each thread has read of the collections of an SQLite file, until the file changes."""

from __future__ import annotations

import sqlite3
import threading

from docmap_backends._sqlfile_connections import Connections
from docmap_backends._sqlite_tables import Table, read_table


class _Seen(threading.local):
    """What one thread's connection has read, and the highest keys that it knows to be counted."""

    connection: sqlite3.Connection | None = None
    epoch = -1
    version: tuple[int, int] = (-1, -1)

    def __init__(self) -> None:
        self.tables: dict[str, Table] = {}
        self.fresh: set[str] = set()
        self.counted: dict[str, int] = {}

    def doubt(self) -> None:
        """What was read may not hold any more."""
        self.fresh.clear()
        self.counted.clear()


class Known:
    """The tables as each thread's connection saw them."""

    def __init__(self) -> None:
        self._seen = _Seen()
        self._epoch = 0
        self._watched = False

    def forget(self) -> None:
        """Read everything again: this process changed it, or took a change back."""
        self._epoch += 1

    def watch(self) -> None:
        """From now on the user may write through connections of docmap's, unknown to it."""
        self._watched = True

    def current(self, connections: Connections, collection: str) -> Table | None:
        """The table as the file has it now."""
        seen = self._seen
        version = connections.rows("PRAGMA data_version")[0][0]
        changes = connections.current().total_changes if self._watched else 0
        if seen.version != (version, changes):
            seen.version = (version, changes)
            seen.doubt()
        return self.table(connections, collection)

    def table(self, connections: Connections, collection: str) -> Table | None:
        """The table as it was when `current` was last asked, in this thread."""
        seen, connection = self._seen, connections.current()
        if seen.connection is not connection or seen.epoch != self._epoch:
            seen.connection, seen.epoch = connection, self._epoch
            seen.doubt()
        if collection in seen.fresh:
            return seen.tables.get(collection)
        with connections.using():
            found = read_table(connection, collection)
        if found is None:
            return None
        # Most changes are of documents: then what follows from the table still holds.
        if seen.tables.get(collection) != found:
            seen.tables[collection] = found
        seen.fresh.add(collection)
        return seen.tables[collection]

    def counted(self, collection: str) -> int:
        """The highest key of the collection that is known to have been counted."""
        return self._seen.counted.get(collection, 0)

    def count(self, collection: str, key: int) -> None:
        """Note that a key was counted, until something else is written."""
        self._seen.counted[collection] = key
