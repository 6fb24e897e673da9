"""Documents in a client of mongomock, for fast tests of programs whose engine is MongoDB.

mongomock compares otherwise than a server does, so it is asked for documents by key and for whole
collections alone: what is compared, ordered and checked is docmap's, and its answers are right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, ClassVar, Final

import bson
import pymongo
from bson import CodecOptions
from bson.codec_options import DatetimeConversion
from pymongo.errors import PyMongoError

from docmap.errors import InvalidConfig, StorageError, Unavailable
from docmap.plan.engine import Record
from docmap.schema.schema import Schema
from docmap.storage import BaseStorageAdapter
from docmap_backends._mongodb_catalogue import Catalogue
from docmap_backends._mongodb_changes import replacing
from docmap_backends._mongodb_errors import Writes, scrubbed
from docmap_backends._mongodb_names import ID, collection_name, logical_name
from docmap_backends._mongodb_settings import SETTINGS, canonical, database_name, place, seeds
from docmap_backends._mongodb_values import OPTIONS, to_key, to_record
from docmap_backends._mongodb_writes import as_bytes

_MODULE: Final = "mongomock"


def is_mocked(client: Any) -> bool:
    """True of a client of mongomock."""
    return _is_of_mongomock(type(client))


def mocked_client(url: Any, options: Mapping[str, Any]) -> Any:
    """The client of mongomock that a storage is to use; None if it is to connect to a server.

    It is the option `client`, or what `mongomock.patch` puts in the place of PyMongo's. Raises
    InvalidConfig for a client of another kind.
    """
    given = options.get("client")
    if given is not None:
        if is_mocked(given):
            return given
        raise InvalidConfig(
            "mongodb: the option client takes a client of mongomock, for tests; for a server give "
            "the URL and its options, and docmap makes the client: connect('mongodb://host/shop')",
            engine="mongodb",
            field="client",
        )
    maker: Any = pymongo.MongoClient
    if url is None or not _is_of_mongomock(maker):
        return None
    where = canonical(url)
    try:
        made = maker(seeds(where), connect=False)
    except (ValueError, PyMongoError) as error:
        raise Unavailable(
            f"mongodb: mongomock.patch was given no server {place(where)}: name it there, or let "
            "new ones be made with on_new='create'",
            engine="mongodb",
        ) from scrubbed(error)
    return made if is_mocked(made) else None


def _is_of_mongomock(kind: Any) -> bool:
    return str(kind.__module__).partition(".")[0] == _MODULE


class MockedStorage(BaseStorageAdapter):
    """What `connect` gives for `mongodb://host/database` and a client of mongomock."""

    scheme = "mongodb"
    settings: ClassVar[dict[str, type]] = {**SETTINGS, "timeout": float}

    def __init__(self, url: Any, mock: Any, **options: Any) -> None:
        super().__init__(canonical(url), **options)
        self._mock = mock
        self._name = database_name(self.url)

    # -- the store

    def _connect(self) -> None:
        self.database = self._mock[self._name]
        self._catalogue = Catalogue(self)

    def _disconnect(self) -> None:
        """The client is the user's, and keeps the documents."""

    def _native(self) -> Any:
        return self._mock

    def _info(self) -> dict[str, Any]:
        return {"version": _MODULE, "database": self._name}

    def _run(self, call: Callable[[], Any], *, writes: Writes = "") -> Any:
        try:
            return call()
        except (PyMongoError, NotImplementedError) as error:
            raise StorageError(
                f"mongodb: mongomock refuses it with {type(error).__name__}; memory:// answers as "
                "MongoDB does through docmap",
                engine="mongodb",
            ) from scrubbed(error)

    def _collections(self) -> list[str]:
        found = map(logical_name, self._run(self.database.list_collection_names))
        return [name for name in found if name is not None]

    def _clear(self) -> None:
        for name in self._run(self.database.list_collection_names):
            self._run(partial(self.database.drop_collection, name))
        self._catalogue.forget()

    # -- records

    def _collection(self, schema: Schema) -> Any:
        name = collection_name(schema.collection)
        return self.database.get_collection(name)

    def _scan(self, schema: Schema) -> Iterator[Record]:
        collection = self._collection(schema)
        with self._mutex:
            found = self._run(lambda: list(collection.find()))
        return (to_record(schema, _read(one)) for one in found)

    def _get(self, schema: Schema, key: Any) -> Record | None:
        collection, wanted = self._collection(schema), _kept({ID: to_key(schema, key)})
        with self._mutex:
            found = self._run(lambda: collection.find_one(wanted))
        return None if found is None else to_record(schema, _read(found))

    def _put(self, schema: Schema, key: Any, record: Record) -> None:
        collection, (data, revision) = self._collection(schema), record
        document = _kept(replacing(schema, as_bytes(data), revision))
        if not self._catalogue.has(self._run, schema):
            self._catalogue.note(self._run, schema, made=True)
        wanted = {ID: document[ID]}
        self._run(lambda: collection.replace_one(wanted, document, upsert=True))
        if schema.model is not None and schema.key_field.type.kind == "int":
            self._count_to(schema, key)

    def _remove(self, schema: Schema, key: Any) -> bool:
        collection, wanted = self._collection(schema), _kept({ID: to_key(schema, key)})
        return bool(self._run(lambda: collection.delete_one(wanted)).deleted_count)

    # -- keys that are counted, and copying

    def _next_key(self, schema: Schema) -> int:
        highest = 0 if self._catalogue.knows(schema) else self._highest_key(schema)
        return self._catalogue.next_keys(self._run, schema, 1, highest)[0]

    def _highest_key(self, schema: Schema) -> int:
        keys = (schema.key_of(data) for data, _ in self._scan(schema))
        return max((key for key in keys if isinstance(key, int)), default=0)

    def _key_name(self, collection: str) -> str:
        return self._catalogue.key_name(self._run, collection)

    def _counted_key(self, schema: Schema) -> int:
        return max(self._catalogue.counted(self._run, schema), self._highest_key(schema))

    def _count_to(self, schema: Schema, key: int) -> None:
        self._catalogue.count_to(self._run, schema, key)

    def _drop_collection(self, schema: Schema) -> None:
        self._run(self._collection(schema).drop)
        self._catalogue.drop(self._run, schema.collection)
        self._ensured.clear()


_AS_KEPT: Final[CodecOptions[dict[str, Any]]] = CodecOptions(
    datetime_conversion=DatetimeConversion.DATETIME_AUTO
)
"""How mongomock keeps values: it takes no UUIDs, but the binary data that they are in BSON."""


def _kept(document: dict[str, Any]) -> dict[str, Any]:
    return bson.decode(bson.encode(document, codec_options=OPTIONS), _AS_KEPT)


def _read(document: dict[str, Any]) -> dict[str, Any]:
    return bson.decode(bson.encode(document, codec_options=_AS_KEPT), OPTIONS)
