"""Documents in MongoDB, or in a server that speaks its protocol: native BSON, through PyMongo."""

from __future__ import annotations

from functools import partial
from time import monotonic
from typing import Any, ClassVar

from docmap.query.lookups import LookupManager
from docmap.schema.schema import Schema
from docmap_backends._mongodb_catalogue import Catalogue
from docmap_backends._mongodb_client import Client
from docmap_backends._mongodb_expiry import ensure_expiry
from docmap_backends._mongodb_mocked import MockedStorage, mocked_client
from docmap_backends._mongodb_names import logical_name
from docmap_backends._mongodb_settings import (
    CONNECT_TIMEOUT,
    SETTINGS,
    TIMEOUT,
    canonical,
    database_name,
    split,
)
from docmap_backends._mongodb_text import dialect
from docmap_backends._mongodb_watch import MongoWatching


class MongoDBStorage(MongoWatching):
    """`mongodb://host/database`, or `mongodb+srv://`.

    Options: `timeout` (seconds for a whole operation, 30), `connect_timeout` (seconds to reach the
    server when connecting, 10), `pool_size` (connections to a server at most, 100), and those of
    MongoDB's own URLs: `replicaSet`, `authSource`, `tls`, `readPreference`, `w` and the rest. For
    tests `client`: a client of mongomock, which is used in the place of a server.
    """

    scheme = "mongodb"
    lookups: ClassVar[LookupManager] = dialect
    settings: ClassVar[dict[str, type]] = dict(SETTINGS)
    default_timeout = TIMEOUT
    has_async = True
    atomic_updates = True
    isolation = "snapshot"

    def __new__(cls, url: Any = None, **options: Any) -> Any:
        """A storage on a server, or one on mongomock's documents where that is the client."""
        mocked = mocked_client(url, options)
        if mocked is None:
            return super().__new__(cls)
        return MockedStorage(url, mocked, **options)

    def __init__(self, url: Any = None, **options: Any) -> None:
        super().__init__(canonical(url), **options)
        looked_up = self.url is not None and self.url.scheme == "mongodb+srv"
        self._driver_options = split(self._options, looked_up=looked_up)
        database_name(self.url)

    @property
    def abilities(self) -> frozenset[str]:
        """What this storage may do; once it is connected, what the server has of it."""
        found = self.abilities_of()
        if self.is_open and not self._has_transactions():
            found -= {"transactions"}
        if self.is_open and not self._has_streams():
            found -= {"watch"}
        return found

    # -- the store

    def _connect(self) -> None:
        self._inherited = getattr(self, "_client", None)  # a forked child must not close it
        client = Client(
            self.url,
            self._driver_options,
            asynchronous=self.is_async,
        )
        try:
            hello = client.open(self._connect_deadline())
        except BaseException:
            client.close()
            raise
        client.abilities.learn(hello)
        self._client = client
        self._catalogue = Catalogue(client)

    def _connect_deadline(self) -> float:
        latest: float = monotonic() + self._options.get("connect_timeout", CONNECT_TIMEOUT)
        whole = self.deadline()
        return latest if whole is None else min(latest, whole)

    def _disconnect(self) -> None:
        self._client.close()

    def _clear(self) -> None:
        database = self._client.database
        for name in self._run(database.list_collection_names):
            if not name.startswith("system."):
                self._run(partial(database.drop_collection, name), writes="many")
        self._catalogue.forget()

    def _ping(self) -> None:
        command = self._client.database.command
        self._run(lambda: command("ping"))

    def _native(self) -> Any:
        return self._client.native

    def _info(self) -> dict[str, Any]:
        command = self._client.database.command
        built = self._run(lambda: command("buildInfo"))
        return {"version": built.get("version", ""), "database": self._client.database.name}

    # -- collections

    def _collections(self) -> list[str]:
        names = self._run(self._client.database.list_collection_names)
        found = (logical_name(name) for name in names)
        return [name for name in found if name is not None]

    def _ensure(self, schema: Schema) -> None:
        with self._client.outside():  # a server makes few of these things in a transaction
            if not self._catalogue.has(self._run, schema):
                made = self._create(schema)
                self._catalogue.note(self._run, schema, made=made)
            self._ensure_indexes(schema)
            ensure_expiry(self, schema)
