"""Documents in a TinyDB file."""

from __future__ import annotations

from docmap.storage.base import BaseStorageAdapter


class TinyDBStorage(BaseStorageAdapter):
    """`tinydb:///path`."""

    scheme = "tinydb"
