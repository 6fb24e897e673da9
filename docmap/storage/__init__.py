"""The adapter contract: BaseStorageAdapter, BaseQueryAdapter, `wrap`."""

from __future__ import annotations

from docmap.storage.base import BaseStorageAdapter
from docmap.storage.chain import BaseQueryAdapter
from docmap.storage.grouping import GroupedQuery
from docmap.storage.query import Query
from docmap.storage.wrap import WrappedStorage, wrap

__all__ = [
    "BaseQueryAdapter",
    "BaseStorageAdapter",
    "GroupedQuery",
    "Query",
    "WrappedStorage",
    "wrap",
]
