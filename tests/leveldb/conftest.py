"""A directory for each test, and stores and storages on it that are closed afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from docmap_backends._leveldb_store import LevelDBStore

OpenStore = Callable[..., LevelDBStore]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Where the database of the test is."""
    return tmp_path / "store"


@pytest.fixture
def open_store(directory: Path) -> Iterator[OpenStore]:
    """Opens a store in the directory, with options."""
    with ExitStack() as stack:

        def open_one(**options: Any) -> LevelDBStore:
            return stack.enter_context(closing(LevelDBStore(directory, **options)))

        yield open_one


@pytest.fixture
def store(open_store: OpenStore) -> LevelDBStore:
    """A store in the directory."""
    return open_store()
