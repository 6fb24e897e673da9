"""Copying a whole database from and to tables in memory."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING, Any

from docmap.schema.schema import Schema
from docmap.storage import BaseStorageAdapter
from docmap_backends._tables_table import Table


class CopiedTables(BaseStorageAdapter):
    """The hooks of copying, for storages whose collections are tables in memory."""

    _tables: dict[str, Table]

    if TYPE_CHECKING:

        def _reading(self) -> AbstractContextManager[Any]: ...
        def _writing(self) -> AbstractContextManager[Any]: ...
        def _note_count(self, table: Table) -> None: ...
        def _take_out(self, schema: Schema, table: Table, key: Any) -> bool: ...
        def _note(self, undo: Callable[[], object]) -> None: ...

    def _key_name(self, collection: str) -> str:
        with self._reading():
            table = self._tables.get(collection)
            names = table.key_names if table is not None else set()
            return next(iter(names)) if len(names) == 1 else ""

    def _counted_key(self, schema: Schema) -> int:
        with self._reading():
            table = self._tables.get(schema.collection)
            return 0 if table is None else table.last_key

    def _count_to(self, schema: Schema, key: int) -> None:
        with self._writing():
            self._ensure(schema)
            table = self._tables[schema.collection]
            self._note_count(table)
            table.last_key = max(table.last_key, key)

    def _drop_collection(self, schema: Schema) -> None:
        with self._writing():
            table = self._tables.get(schema.collection)
            if table is None:
                return
            for key in list(table.entries):
                self._take_out(schema, table, key)
            del self._tables[schema.collection]
            self._ensured.clear()
            self._note(partial(self._tables.__setitem__, schema.collection, table))
