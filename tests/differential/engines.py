"""The engines that are compared with the oracle, by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

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
    "keyvalue": lambda _: _connected(KeyValueMemory()),
    "scan-only": lambda _: _connected(ScanOnlyStorage()),
    "superset": lambda _: _connected(SupersetStorage()),
}
if not mongo.is_standin():
    # What stands in for MongoDB answers some queries wrongly: its profile says which.
    ENGINES["mongodb"] = lambda _: emptied(mongo.url("differential"))
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
