"""The engines that the codec is proved on. One line here adds an engine to every test of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from docmap import BaseStorageAdapter, connect

URLS = {
    "memory": "memory://",
    "sqlite": "sqlite:///{folder}/documents.db",
}


@pytest.fixture(scope="module", params=sorted(URLS))
def db(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[BaseStorageAdapter]:
    """A connected storage of each engine, one for all tests of a module."""
    folder: Path = tmp_path_factory.mktemp(request.param)
    with connect(URLS[request.param].format(folder=folder)) as storage:
        yield storage
