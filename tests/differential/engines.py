"""The engines that are compared with the oracle, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from docmap import BaseStorageAdapter, connect
from tests.differential.adapters import ScanOnlyStorage, SupersetStorage
from tests.keyvalue.memory_store import KeyValueMemory


def _connected(storage: BaseStorageAdapter) -> BaseStorageAdapter:
    storage.connect()
    return storage


ENGINES: Final[Mapping[str, Callable[[Path], BaseStorageAdapter]]] = {
    "memory": lambda _: connect("memory://"),
    "sqlite": lambda _: connect("sqlite://"),
    "sqlite-file": lambda directory: connect(f"sqlite:///{directory / 'zoo.db'}"),
    "tinydb": lambda directory: connect(f"tinydb:///{directory / 'zoo.json'}"),
    "shelve": lambda directory: connect(f"shelve:///{directory / 'zoo'}"),
    "leveldb": lambda directory: connect(f"leveldb:///{directory / 'zoo'}?sync=false"),
    "keyvalue": lambda _: _connected(KeyValueMemory()),
    "scan-only": lambda _: _connected(ScanOnlyStorage()),
    "superset": lambda _: _connected(SupersetStorage()),
}
TRANSACTIONAL: Final = (
    "memory",
    "sqlite",
    "sqlite-file",
    "tinydb",
    "shelve",
    "leveldb",
    "keyvalue",
)
