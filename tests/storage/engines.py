"""The storages that a test can run on: the fixtures `db`, `full` and `second`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import pytest

from docmap import BaseStorageAdapter, connect
from tests.keyvalue.memory_store import KeyValueMemory
from tests.servers import postgresql
from tests.servers.storages import emptied
from tests.storage.bare import Bare


def _opened(storage: BaseStorageAdapter) -> BaseStorageAdapter:
    storage.connect()
    return storage


MAKERS: Final[dict[str, Callable[[Path], BaseStorageAdapter]]] = {
    "memory": lambda _: connect("memory://"),
    "sqlite": lambda _: connect("sqlite://"),
    "file": lambda path: connect(f"sqlite:///{path / 'test.db'}"),
    "tinydb": lambda path: connect(f"tinydb:///{path / 'test.json'}"),
    "shelve": lambda path: connect(f"shelve:///{path / 'shelf'}"),
    "leveldb": lambda path: connect(f"leveldb:///{path / 'test'}?sync=false"),
    "postgresql": lambda _: emptied(postgresql.url("storage")),
    "bare": lambda _: _opened(Bare()),
    "keyvalue": lambda _: _opened(KeyValueMemory()),
}
WATCHED: Final = ("memory", "sqlite", "file", "tinydb")  # with a feed of changes
FULL: Final = (
    *WATCHED,
    "shelve",
    "leveldb",
    "postgresql",
    "keyvalue",
)  # with transactions, counters and indexes


@pytest.fixture(params=MAKERS)
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BaseStorageAdapter]:
    """A fresh storage of each kind, the smallest adapter included."""
    with MAKERS[request.param](tmp_path) as storage:
        yield storage


@pytest.fixture(params=FULL)
def full(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BaseStorageAdapter]:
    """A fresh storage of each engine with transactions, counters and indexes."""
    with MAKERS[request.param](tmp_path) as storage:
        yield storage


@pytest.fixture
def second() -> Iterator[BaseStorageAdapter]:
    """A storage beside the one that is tested."""
    with connect("memory://") as storage:
        yield storage


@contextmanager
def undone(storage: BaseStorageAdapter) -> Iterator[None]:
    """A transaction that an exception leaves at the end of the block."""
    with suppress(ZeroDivisionError), storage.transaction():
        yield
        raise ZeroDivisionError
