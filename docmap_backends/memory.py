"""Documents in memory: the reference engine, which runs every query by the reference functions."""

from __future__ import annotations

from typing import Any, ClassVar

from docmap.schema.schema import Schema
from docmap.storage.watching import KEPT, Kind, check_kept, not_now
from docmap_backends._tables import TableStorage
from docmap_backends._tables_changes import ChangeLog, TableFeed
from docmap_backends._tables_index import Entry
from docmap_backends._tables_table import Table


class MemoryStorage(TableStorage):
    """`memory://`: gone with the storage object; documents are copies, never shared."""

    scheme = "memory"
    settings: ClassVar[dict[str, type]] = {"kept_changes": int}

    def __init__(self, url: Any = None, **options: Any) -> None:
        super().__init__(url, **options)
        self._changes = ChangeLog(check_kept(self._options.get("kept_changes", KEPT), self.scheme))

    def _connect(self) -> None:
        pass

    def _disconnect(self) -> None:
        self._tables.clear()
        self._changes.forget()

    def _native(self) -> dict[str, Table]:
        return self._tables

    # -- changes

    def _watch(self, schema: Schema, after: str | None) -> TableFeed:
        with self._mutex:
            if self._undo is not None:
                raise not_now(schema)
            return TableFeed(self._changes, schema.collection, after)

    def _unwatch(self, schema: Schema) -> None:
        with self._mutex:
            if self._undo is not None:
                raise not_now(schema)
            self._changes.unwatch(schema.collection)

    def _changed(self, collection: str, kind: Kind, entry: Entry) -> None:
        """Log a change if the collection is watched; it is published when it is committed."""
        if collection not in self._changes.watched:
            return
        self._changes.add(collection, kind, (entry.data, entry.revision))
        if self._undo is None:
            self._changes.publish()
        else:
            self._note(self._changes.take_back)

    def _committed(self) -> None:
        self._changes.publish()
