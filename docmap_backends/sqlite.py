"""Documents in an SQLite file, or in SQLite's memory: JSON text with native conditions."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, ClassVar

from docmap.errors import InvalidConfig
from docmap.query.lookups import LookupManager
from docmap.schema.indexes import BoundIndex, IndexDefinition
from docmap.schema.schema import Schema
from docmap.storage.watching import KEPT, check_kept
from docmap_backends._sql_text import dialect
from docmap_backends._sqlfile_connections import Connections
from docmap_backends._sqlfile_files import APPLICATION_ID, FORMAT, File
from docmap_backends._sqlfile_info import file_info, make_durable
from docmap_backends._sqlite_copying import SQLiteCopying
from docmap_backends._sqlite_definitions import building, drop_index
from docmap_backends._sqlite_feed import SQLiteFeed, end_log, open_feed
from docmap_backends._sqlite_functions import register
from docmap_backends._sqlite_known import Known
from docmap_backends._sqlite_tables import (
    META,
    collection_names,
    drop_all,
)

_SYNCHRONOUS = ("FULL", "NORMAL", "EXTRA")


class SQLiteStorage(SQLiteCopying):
    """`sqlite:///path/file.db`, or `sqlite://` in memory.

    Options: `timeout` (seconds to wait for a lock, 5), `synchronous` (`FULL`; `NORMAL` may lose the
    last commits when the machine, not the program, dies), `read_only`, `kept_changes` (how many
    changes of watched collections the file keeps, 100,000).
    """

    scheme = "sqlite"
    settings: ClassVar[dict[str, type]] = {
        "timeout": float,
        "synchronous": str,
        "read_only": bool,
        "kept_changes": int,
    }
    lookups: ClassVar[LookupManager] = dialect
    has_functions: ClassVar[bool] = True
    isolation = "serializable"

    def __init__(self, url: Any = None, **options: Any) -> None:
        super().__init__(url, **options)
        path = (self.url.path if self.url else "") or ""
        read_only = self._options.get("read_only", False)
        self._file = File(
            "" if path == ":memory:" else path, read_only=read_only, functions=register
        )
        self._synchronous = self._options.get("synchronous", "FULL").upper()
        if self._synchronous not in _SYNCHRONOUS:
            raise InvalidConfig("sqlite: synchronous is FULL, NORMAL or EXTRA", engine="sqlite")
        self._kept_changes = check_kept(self._options.get("kept_changes", KEPT), "sqlite")
        self._known = Known()

    # -- the store

    def _connect(self) -> None:
        # A child process opens its own: it must not go on with the numbers of its parent.
        self._revisions = random.Random()  # noqa: S311 - they are told apart, not guessed
        self._inherited = getattr(self, "_connections", None)
        self._connections = Connections(
            self._file,
            self._mutex,
            timeout=self._options.get("timeout", 5.0),
            synchronous=self._synchronous,
            on_undo=self._known.forget,
        )
        self._connections.open(_set_up)
        self._known.forget()

    def _disconnect(self) -> None:
        self._connections.close()
        self._known.forget()

    def _clear(self) -> None:
        with self._connections.writing() as connection:
            drop_all(connection)
        self._known.forget()

    def _sync(self) -> None:
        if self._synchronous == "NORMAL":  # else what was acknowledged is on the disk
            make_durable(self._connections)

    def _ping(self) -> None:
        self._connections.rows("PRAGMA schema_version")

    def _native(self) -> sqlite3.Connection:
        self._known.watch()
        return self._connections.current()

    def _info(self) -> dict[str, Any]:
        return file_info(self._connections)

    # -- collections

    def _collections(self) -> list[str]:
        with self._connections.using() as connection:
            return collection_names(connection)

    def _ensure(self, schema: Schema) -> None:
        table = self._known.current(self._connections, schema.collection)
        if table is None or not table.fits(schema):
            with self._writing(schema) as connection:
                self._adopt(connection, schema)

    def _present_indexes(self, schema: Schema) -> dict[str, IndexDefinition]:
        table = self._known.current(self._connections, schema.collection)
        if table is None:
            return {}
        known = self._definitions(schema)
        return {name: known.get(name, IndexDefinition(name)) for name in sorted(table.indexes)}

    def _build_index(self, schema: Schema, index: BoundIndex, done: Callable[[int], None]) -> None:
        one = replace(schema, indexes=(index,))
        with self._writing(one) as connection, building(connection, index, done):
            self._adopt(connection, one)

    def _drop_index(self, schema: Schema, name: str) -> None:
        with self._connections.writing() as connection:
            drop_index(connection, name)
        self._known.forget()

    def _shape(self, collection: str) -> dict[tuple[str, ...], str]:
        table = self._known.current(self._connections, collection)
        return table.types if table is not None else {}

    # -- changes, transactions

    def _watch(self, schema: Schema, after: str | None) -> SQLiteFeed:
        given = "kept_changes" in self._options
        return open_feed(self._connections, schema, after, self._kept_changes, given=given)

    def _unwatch(self, schema: Schema) -> None:
        end_log(self._connections, schema)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            with self._connections.transaction():
                yield
        except BaseException:
            self._ensured.clear()
            raise


def _set_up(connection: sqlite3.Connection) -> None:
    """What makes an empty file docmap's."""
    connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version={FORMAT}")
    connection.execute(META)
