"""Copying a whole database from and to MongoDB."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pymongo import ReplaceOne
from pymongo.errors import BulkWriteError

from docmap.plan.engine import Record
from docmap.schema.schema import Schema
from docmap.storage.writes import ANY, Write
from docmap_backends._mongodb_errors import scrubbed
from docmap_backends._mongodb_names import ID
from docmap_backends._mongodb_sharding import shard_place
from docmap_backends._mongodb_writes import MongoWriting, as_bytes


class MongoCopying(MongoWriting):
    """The hooks of copying."""

    def _key_name(self, collection: str) -> str:
        return self._catalogue.key_name(self._run, collection)

    def _write_records(self, schema: Schema, records: Sequence[tuple[Any, Record]]) -> None:
        collection = self._collection(schema)
        documents = [
            self._document(schema, as_bytes(data), revision) for _, (data, revision) in records
        ]
        requests = [
            ReplaceOne({ID: one[ID], **shard_place(schema, one)}, one, upsert=True)
            for one in documents
        ]
        if not requests:
            return
        try:
            self._run(lambda: collection.bulk_write(requests, session=self._session), writes="many")
        except BulkWriteError as error:
            failure = error.details["writeErrors"][0]
            key, (data, _) = records[int(failure.get("index") or 0)]
            write = Write(key, as_bytes(data), ANY)
            raise self._duplicate(schema, write, error, failure) from scrubbed(error)
        self._count_up(schema, [key for key, _ in records])

    def _counted_key(self, schema: Schema) -> int:
        return max(self._catalogue.counted(self._run, schema), self._highest_key(schema))

    def _count_to(self, schema: Schema, key: int) -> None:
        self._catalogue.count_to(self._run, schema, key)

    def _drop_collection(self, schema: Schema) -> None:
        collection = self._collection(schema)
        self._run(collection.drop, writes="many")
        self._catalogue.drop(self._run, schema.collection)
        self._ensured.clear()
