"""The hooks of updates on a query: each document is loaded for them as the update makes it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from docmap.plan.engine import Record
from docmap.schema.schema import Schema
from docmap.storage.firing import fire, hooked
from docmap.storage.loading import attach, load_record, schema_of
from docmap.storage.writes import Write, keep_unknown

if TYPE_CHECKING:
    from docmap.storage.base import BaseStorageAdapter


class Watch:
    """What one update does for hooks; nothing where there are none."""

    __slots__ = ("_made", "_schema", "_storage", "active")

    def __init__(self, storage: BaseStorageAdapter, schema: Schema) -> None:
        self.active = hooked(storage, schema, "update", family=True)
        self._storage = storage
        self._schema = schema
        self._made: dict[Any, tuple[Any, Schema]] = {}

    def before(self, key: Any, record: Record, changed: bytes) -> bytes:
        """Fire what comes before the update of a record; the bytes to store, as the hooks left it.

        To them `changed_fields` of the document are those that the update changed.
        """
        storage = self._storage
        document = load_record(self._schema, storage, (changed, record[1]))
        schema = self._schema if self._schema.model is None else schema_of(type(document))
        if schema.model is not None:
            attach(document, storage, record[1], record[0])
        fire(storage, schema, "before", "update", document)
        data = keep_unknown(schema, changed, schema.codec.encode(document))
        schema.check_index_sizes(data)
        self._made[key] = document, schema
        return data

    def forget(self, writes: Iterable[Write]) -> None:
        """Leave out those that were not written."""
        for write in writes:
            self._made.pop(write.key, None)

    def written(self, writes: Iterable[Write]) -> None:
        """Note on the documents that they are stored as the hooks left them."""
        for write in writes:
            document, schema = self._made.get(write.key, (None, self._schema))
            if document is not None and schema.model is not None:
                attach(document, self._storage, write.expected + 1, write.data)

    def after(self) -> None:
        """Fire what comes after the update, once all of it is written."""
        for document, schema in self._made.values():
            fire(self._storage, schema, "after", "update", document)
