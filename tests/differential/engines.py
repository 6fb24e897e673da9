"""The engines that are compared with the oracle, by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from docmap import BaseStorageAdapter, connect
from tests.differential.adapters import ScanOnlyStorage, SupersetStorage
from tests.keyvalue.memory_store import KeyValueMemory
from tests.servers import mongo, postgresql
from tests.servers.storages import emptied


def _connected(storage: BaseStorageAdapter) -> BaseStorageAdapter:
    storage.connect()
    return storage


ENGINES: Final[dict[str, Callable[[Path], BaseStorageAdapter]]] = {
    "memory": lambda _: connect("memory://"),
    "sqlite": lambda _: connect("sqlite://"),
    "sqlite-file": lambda directory: connect(f"sqlite:///{directory / 'zoo.db'}"),
    "tinydb": lambda directory: connect(f"tinydb:///{directory / 'zoo.json'}"),
    "shelve": lambda directory: connect(f"shelve:///{directory / 'zoo'}"),
    "leveldb": lambda directory: connect(f"leveldb:///{directory / 'zoo'}?sync=false"),
    "postgresql": lambda _: emptied(postgresql.url("differential")),
    "mongodb": lambda _: emptied(mongo.url("differential")),
    "keyvalue": lambda _: _connected(KeyValueMemory()),
    "scan-only": lambda _: _connected(ScanOnlyStorage()),
    "superset": lambda _: _connected(SupersetStorage()),
}
STORAGES: Final = [
    # What stands in for MongoDB is slow.
    pytest.param(name, marks=pytest.mark.long) if name == "mongodb" and mongo.is_standin() else name
    for name in ENGINES
]
"""Each engine once, as pytest takes it."""
TRANSACTIONAL: Final = (
    "memory",
    "sqlite",
    "sqlite-file",
    "tinydb",
    "shelve",
    "leveldb",
    "postgresql",
    "keyvalue",
)
