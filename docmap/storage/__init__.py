"""The adapter contract: BaseStorageAdapter, BaseQueryAdapter, `load`, `wrap`."""

from __future__ import annotations

from docmap.storage.base import BaseStorageAdapter
from docmap.storage.query import BaseQueryAdapter, Query

__all__ = ["BaseQueryAdapter", "BaseStorageAdapter", "Query"]
