"""A collection as a container: its size, what keys it has, its documents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Generic, TypeVar

from docmap.errors import InvalidValue
from docmap.schema.schema import Schema
from docmap.storage.journal import operation

if TYPE_CHECKING:
    from docmap.storage.base import BaseStorageAdapter
    from docmap.storage.query import Query

T = TypeVar("T")


class Collection(Generic[T]):
    """`db.collection(Order)`: `len`, `in` by key, iteration, `clear`."""

    __slots__ = ("_schema", "_storage")

    def __init__(self, storage: BaseStorageAdapter, schema: Schema) -> None:
        self._storage = storage
        self._schema = schema

    @property
    def name(self) -> str:
        """The collection's name in storage."""
        return self._schema.collection

    def __len__(self) -> int:
        return self._query().count()

    def __bool__(self) -> bool:
        return True

    def __contains__(self, key: object) -> bool:
        try:
            wanted = self._schema.key_value(key)
        except InvalidValue:
            return False
        self._storage.check_open()
        with operation(self._storage, self.name, "contains") as tally:
            record = self._storage._get(self._schema, wanted)
            found = record is not None and self._schema.sees(record[0])
            tally.count = int(found)
            return found

    def __iter__(self) -> Iterator[T]:
        return iter(self._query())

    def clear(self) -> int:
        """Delete every document; how many there were. Indexes and the counter of keys stay."""
        return self._query().delete()

    def _query(self) -> Query[T]:
        # The whole collection is what was asked for: allow_scan=False is not about that.
        query = self._storage.query_class(self._storage, self._schema)
        return query.options(allow_scan=True)

    def __repr__(self) -> str:
        return f"<Collection {self._schema.collection} on {self._storage.scheme}>"
