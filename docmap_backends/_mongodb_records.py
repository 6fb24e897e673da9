"""Reading from MongoDB by key and by scan; where collections are and what they are called."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from docmap.plan.engine import Record
from docmap.schema.schema import Schema
from docmap.storage import BaseStorageAdapter
from docmap_backends._mongodb_client import Client
from docmap_backends._mongodb_consistency import call_options
from docmap_backends._mongodb_errors import Writes
from docmap_backends._mongodb_names import ID, collection_name
from docmap_backends._mongodb_streams import Search, Source, stream
from docmap_backends._mongodb_values import revision_of, to_data, to_key


class MongoReading(BaseStorageAdapter):
    """The reading part of `mongodb.MongoDBStorage`."""

    _client: Client

    def _collection(self, schema: Schema) -> Any:
        """The driver's collection, for reads as new and writes as safe as the call's options say.

        A transaction says that of itself, once for all that is done in it.
        """
        name = collection_name(schema.collection)
        asked = call_options(self, self._client.clock) if self._session is None else None
        return self._client.collection(name, asked)

    def _run(self, call: Callable[[], Any], *, writes: Writes = "") -> Any:
        """What a call of the driver gives, within the deadline of the operation."""
        return self._client.run(call, writes=writes, deadline=self.deadline())

    @property
    def _session(self) -> Any:
        """The session of the transaction that is open; None outside."""
        return self._client.session

    def _stream(self, schema: Schema, search: Search) -> Iterator[Record]:
        """The records that a search finds, unaffected by what is written meanwhile."""
        client, collection = self._client, self._collection(schema)
        source = Source(self._run, client.close_cursor, collection, client.session, schema)
        return stream(source, search)

    def _record(self, schema: Schema, document: dict[str, Any]) -> Record:
        return to_data(schema, document), revision_of(document)

    def _get(self, schema: Schema, key: Any) -> Record | None:
        collection, wanted = self._collection(schema), {ID: to_key(schema, key)}
        found = self._run(lambda: collection.find_one(wanted, session=self._session))
        return None if found is None else self._record(schema, found)

    def _get_many(self, schema: Schema, keys: Sequence[Any]) -> dict[Any, Record]:
        wanted = list(dict.fromkeys(keys))
        if not wanted:
            return {}
        search = Search({ID: {"$in": [to_key(schema, key) for key in wanted]}})
        return {schema.key_of(record[0]): record for record in self._stream(schema, search)}

    def _scan(self, schema: Schema) -> Iterator[Record]:
        return self._stream(schema, Search({}))
