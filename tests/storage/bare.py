"""The smallest adapter there can be: what it lacks has a general form in the hooks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from docmap.plan.engine import Record
from docmap.schema.schema import Schema
from docmap.storage import BaseStorageAdapter


class Bare(BaseStorageAdapter):
    """Seven hooks over a dict. `calls` counts how often each of those that read or write ran."""

    scheme = "bare"

    def __init__(self, url: Any = None, **options: Any) -> None:
        super().__init__(url, **options)
        self.tables: dict[str, dict[Any, Record]] = {}
        self.calls: Counter[str] = Counter()

    def _connect(self) -> None:
        self.calls["connect"] += 1

    def _disconnect(self) -> None:
        self.calls["disconnect"] += 1

    def _clear(self) -> None:
        self.tables.clear()

    def _collections(self) -> list[str]:
        return list(self.tables)

    def _scan(self, schema: Schema) -> Iterator[Record]:
        self.calls["scan"] += 1
        return iter(list(self.tables.get(schema.collection, {}).values()))

    def _put(self, schema: Schema, key: Any, record: Record) -> None:
        self.calls["put"] += 1
        self.tables.setdefault(schema.collection, {})[key] = record

    def _remove(self, schema: Schema, key: Any) -> bool:
        self.calls["remove"] += 1
        return self.tables.get(schema.collection, {}).pop(key, None) is not None
