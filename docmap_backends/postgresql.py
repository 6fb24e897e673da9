"""Documents on a PostgreSQL server: one table a collection, with a document in JSONB each."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from time import monotonic
from typing import Any, ClassVar, Final
from weakref import WeakSet

import psycopg

from docmap.errors import InvalidConfig, StorageError
from docmap.storage.watching import KEPT, check_kept
from docmap_backends._postgresql_connecting import LIBPQ, Server, connect
from docmap_backends._postgresql_connections import Connections
from docmap_backends._postgresql_errors import translated
from docmap_backends._postgresql_foreign import read_places
from docmap_backends._postgresql_link import Link
from docmap_backends._postgresql_pool import Pool
from docmap_backends._postgresql_tables import Catalogue
from docmap_backends._postgresql_transactions import check_level
from docmap_backends._postgresql_watching import PostgreSQLWatching
from docmap_backends._sql import quoted

# Compiling an expression costs more than running it once over a collection. The others say what
# is so by default, whatever was set for the database or the user.
_TUNING: Final = (
    "SET jit = off",
    "SET standard_conforming_strings = on",
    "SET array_nulls = on",
    "SET extra_float_digits = 1",
    "SET quote_all_identifiers = off",
)
_SESSION: Final = ("SET default_transaction_isolation = 'read committed'",)


class PostgreSQLStorage(PostgreSQLWatching):
    """`postgresql://user:password@host:5432/database`, several hosts separated by commas.

    Options: `timeout` (seconds for each operation, 30), `connect_timeout` (seconds
    to connect, 5), `pool_size` (connections at most, 20), `isolation` (of transactions:
    `serializable`, `repeatable read`, `read committed`), `schema` (the schema that holds the
    tables), `kept_changes` (how many changes of watched collections are kept, 100,000), `tables`
    (tables of other programs, `orders=shop.orders(id,data)`), and those of libpq: `sslmode`,
    `sslrootcert`, `target_session_attrs`, ...
    """

    scheme = "postgresql"
    settings: ClassVar[dict[str, type]] = {
        "connect_timeout": float,
        "pool_size": int,
        "isolation": str,
        "schema": str,
        "kept_changes": int,
        "tables": str,
        **dict.fromkeys(LIBPQ, str),
    }
    isolation = "serializable"
    has_async = True
    atomic_updates = True
    default_timeout = 30.0

    def __init__(self, url: Any = None, **options: Any) -> None:
        super().__init__(url, **options)
        self._server = Server.of(self.url, self._options)
        self._options.pop("sslpassword", None)  # what is printed of an object is not known here
        self._connect_timeout: float = self._options.get("connect_timeout", 5.0)
        if not 0 < self._connect_timeout < 1e7:
            raise self._wrong("connect_timeout", "a number of seconds above 0")
        self._kept_changes = check_kept(self._options.get("kept_changes", KEPT), "postgresql")
        self._places = read_places(self._options.get("tables", ""))
        if not 0 < len(self._options.get("schema", "public").encode()) < 64:
            raise self._wrong("schema", "a name of 1 to 63 bytes")
        self._pool_size = self._options.get("pool_size", 20)
        if self._pool_size < 1:
            raise self._wrong("pool_size", "a number of connections, at least 1")
        try:
            self.isolation = check_level(self._options.get("isolation", "serializable"))
        except ValueError as error:
            raise self._wrong("isolation", str(error).removeprefix("isolation is ")) from None

    def _wrong(self, name: str, wanted: str) -> InvalidConfig:
        return InvalidConfig(f"postgresql: {name} is {wanted}", engine=self.scheme, field=name)

    # -- the store

    def _connect(self) -> None:
        self._user: Link | None = None
        self._inherited = getattr(self, "_connections", None)
        self._settings = [*_TUNING, *_SESSION]
        if "schema" in self._options:
            self._settings.append(f"SET search_path = {quoted(self._options['schema'])}")
        self._revisions = random.Random()  # noqa: S311 - they are told apart, not guessed
        self._given = {}
        self._feeds = WeakSet()
        pool = Pool(self._link, self._pool_size, self._server.where)
        self._connections = Connections(
            pool, self._server.where, timeout=self.call_timeout, on_undo=self._forget
        )
        self._catalogue = Catalogue(
            self._connections, self._options.get("schema", ""), self._places
        )
        try:
            self._catalogue.exists()
        except BaseException:
            self._connections.close()
            raise

    def _link(self, deadline: float) -> Link:
        """A new connection, set up."""
        end = min(deadline, monotonic() + self._connect_timeout)
        link = connect(self._server, end, asynchronous=self.is_async)
        try:
            self._set_up(link, end)
        except psycopg.Error as error:
            link.close()
            raise translated(error, self._server.where) from error
        except BaseException:
            link.close()
            raise
        return link

    def _set_up(self, link: Link, end: float) -> None:
        encoding = link.pgconn.parameter_status(b"server_encoding")
        if encoding != b"UTF8":
            raise StorageError(
                f"{self._server.where}: the database has another encoding than UTF8, and would not "
                "keep every text: name one that was created with ENCODING 'UTF8'",
                engine=self.scheme,
            )
        link.connection._autocommit = True
        try:
            link.control("; ".join(self._settings), end)
        except psycopg.errors.UndefinedObject:
            # A server of another make, which lacks what only makes things faster.
            self._settings = [one for one in self._settings if one not in _TUNING]
            link.control("; ".join(self._settings), end)

    def _forget(self) -> None:
        self._catalogue.forget()
        self._ensured.clear()

    def _disconnect(self) -> None:
        self._connections.close()
        for feed in tuple(self._feeds):
            feed.hang_up()
        if self._user is not None:
            self._user.close()
            self._user = None

    def _clear(self) -> None:
        self._drop(self._catalogue.names)
        self._catalogue.forget()

    def _ping(self) -> None:
        self._connections.rows("SELECT 1")

    def _native(self) -> Any:
        """A connection of the user's own, made when it is first asked for."""
        if self._user is None or self._user.closed:
            self._user = self._link(monotonic() + self._connect_timeout)
        return self._user.connection

    def _info(self) -> dict[str, Any]:
        rows = self._connections.rows(
            "SELECT current_setting('server_version'), pg_database_size(current_database())"
        )
        version, size = rows[0]
        return {"version": (version or b"").decode(), "size": int(size or 0)}

    def _collections(self) -> list[str]:
        return self._catalogue.names()

    # -- transactions

    @contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        """As in every storage. Its parts look at revisions, so that nobody has to run it again."""
        with self._connections.at_level("read committed"), self.transaction():
            yield

    def _hold(self, name: str) -> None:
        number = int.from_bytes(sha256(name.encode()).digest()[:8], "big", signed=True)
        self._connections.hold(number)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._connections.transaction(self.isolation):
            yield
