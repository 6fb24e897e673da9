"""Documents in a LevelDB database."""

from __future__ import annotations

from docmap.storage.base import BaseStorageAdapter


class LevelDBStorage(BaseStorageAdapter):
    """`leveldb:///path`."""

    scheme = "leveldb"
