"""The oracle of the suite: a storage that does nothing by itself, so the reference does it all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from docmap import BaseStorageAdapter
from docmap.plan.engine import Record
from docmap.schema.schema import Schema


class ReferenceStorage(BaseStorageAdapter):
    """Records in a dict, and no lookup, order or update of its own.

    Every query on it is answered by docmap's reference functions over all documents, which is what
    every other engine must answer. It is also the least that an adapter has to have.
    """

    scheme = "reference"

    def __init__(self, url: Any = None, **options: Any) -> None:
        super().__init__(url, **options)
        self._tables: dict[str, dict[Any, Record]] = {}
        self._last_keys: dict[str, int] = {}

    def _connect(self) -> None:
        """Nothing is to be opened."""

    def _disconnect(self) -> None:
        self._tables.clear()

    def _clear(self) -> None:
        self._tables.clear()
        self._last_keys.clear()

    def _collections(self) -> list[str]:
        return list(self._tables)

    def _scan(self, schema: Schema) -> Iterator[Record]:
        return iter(list(self._tables.get(schema.collection, {}).values()))

    def _put(self, schema: Schema, key: Any, record: Record) -> None:
        self._tables.setdefault(schema.collection, {})[schema.stored_key(key)] = record
        if type(key) is int:
            self._last_keys[schema.collection] = max(key, self._last_keys.get(schema.collection, 0))

    def _remove(self, schema: Schema, key: Any) -> bool:
        table = self._tables.get(schema.collection, {})
        return table.pop(schema.stored_key(key), None) is not None

    def _next_key(self, schema: Schema) -> int:
        with self._mutex:
            found = self._last_keys.get(schema.collection, 0) + 1
            self._last_keys[schema.collection] = found
            return found
