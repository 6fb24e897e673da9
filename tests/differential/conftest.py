"""Fixtures: a storage on each of the engines that are compared."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from docmap import BaseStorageAdapter
from tests.differential.engines import ENGINES, STORAGES, TRANSACTIONAL


@pytest.fixture(params=STORAGES)
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BaseStorageAdapter]:
    """A storage on every engine in turn."""
    with ENGINES[request.param](tmp_path) as opened:
        yield opened


@pytest.fixture(params=TRANSACTIONAL)
def transactional(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BaseStorageAdapter]:
    """A storage on every engine with transactions in turn."""
    with ENGINES[request.param](tmp_path) as opened:
        yield opened
