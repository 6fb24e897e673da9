"""A file for each test, and storages on it that are closed afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from docmap import BaseStorageAdapter, connect

Open = Callable[..., BaseStorageAdapter]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the JSON file of the test is."""
    return tmp_path / "store.json"


@pytest.fixture
def opened(file: Path) -> Iterator[Open]:
    """Opens one more storage on the file, with options."""
    with ExitStack() as stack:

        def open_one(**options: Any) -> BaseStorageAdapter:
            return stack.enter_context(connect(f"tinydb:///{file}", **options))

        yield open_one


@pytest.fixture
def db(opened: Open) -> BaseStorageAdapter:
    """A storage on the file."""
    return opened()
