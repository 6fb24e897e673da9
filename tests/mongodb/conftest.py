"""What the tests of MongoDB share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from docmap import BaseStorageAdapter, connect
from tests.servers import mongo


@pytest.fixture
def things() -> Iterator[BaseStorageAdapter]:
    """An empty storage on the server of the tests."""
    with connect(mongo.url("things")) as storage:
        storage.clear()
        yield storage
