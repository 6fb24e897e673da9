"""Documents on a PostgreSQL server: one table a collection, with a document in JSONB each."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from time import monotonic
from typing import Any, ClassVar

from docmap.errors import InvalidConfig
from docmap_backends._postgresql_connecting import LIBPQ, Server, connect
from docmap_backends._postgresql_connections import Connections, check_level
from docmap_backends._postgresql_copying import PostgreSQLCopying
from docmap_backends._postgresql_link import Link
from docmap_backends._postgresql_pool import Pool
from docmap_backends._postgresql_tables import Catalogue


class PostgreSQLStorage(PostgreSQLCopying):
    """`postgresql://user:password@host:5432/database`, several hosts separated by commas.

    Options: `timeout` (seconds for each operation, 30), `connect_timeout` (seconds
    to connect, 5), `pool_size` (connections at most, 10), `isolation` (of transactions:
    `serializable`, `repeatable read`, `read committed`), `schema` (the schema that holds the
    tables), and those of libpq: `sslmode`, `sslrootcert`, `target_session_attrs`, ...
    """

    scheme = "postgresql"
    settings: ClassVar[dict[str, type]] = {
        "connect_timeout": float,
        "pool_size": int,
        "isolation": str,
        "schema": str,
        **dict.fromkeys(LIBPQ, str),
    }
    isolation = "serializable"
    has_async = True
    atomic_updates = True
    default_timeout = 30.0

    def __init__(self, url: Any = None, **options: Any) -> None:
        super().__init__(url, **options)
        self._server = Server.of(self.url, self._options)
        self._connect_timeout: float = self._options.get("connect_timeout", 5.0)
        if not 0 < self._connect_timeout < 1e7:
            raise self._wrong("connect_timeout", "a number of seconds above 0")
        self._pool_size = self._options.get("pool_size", 10)
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
        self._inherited = getattr(self, "_connections", None)
        self._revisions = random.Random()  # noqa: S311 - they are told apart, not guessed
        self._given = {}
        pool = Pool(self._link, self._pool_size, self._server.where)
        self._connections = Connections(
            pool, self._server.where, timeout=self.call_timeout, on_undo=self._forget
        )
        self._catalogue = Catalogue(self._connections)
        try:
            self._catalogue.exists()
        except BaseException:
            self._connections.close()
            raise

    def _link(self, deadline: float) -> Link:
        """A new connection, set up."""
        end = min(deadline, monotonic() + self._connect_timeout)
        return connect(self._server, end, asynchronous=self.is_async)

    def _forget(self) -> None:
        self._catalogue.forget()
        self._ensured.clear()

    def _disconnect(self) -> None:
        self._connections.close()

    def _clear(self) -> None:
        with self._connections.transaction("read committed"):
            self._connections.changed_tables()
            self._catalogue.lock()
            for name in self._catalogue.names():
                self._catalogue.drop(name)
        self._catalogue.forget()

    def _ping(self) -> None:
        self._connections.rows("SELECT 1")

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
        self._connections.rows("SELECT pg_advisory_xact_lock(%s::bigint)", (number,))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._connections.transaction(self.isolation):
            yield
