"""Fixtures of the tests that look at PostgreSQL alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from docmap_backends.postgresql import PostgreSQLStorage
from tests.servers import postgresql

pytestmark = pytest.mark.engine("postgresql")
Opened = Callable[..., PostgreSQLStorage]


@pytest.fixture(scope="session")
def server_url() -> str:
    """The URL of a database that these tests have for themselves."""
    return postgresql.url("own")


@pytest.fixture
def opened(server_url: str) -> Iterator[Opened]:
    """Opens the database once more with each call, with options; all are closed at the end."""
    with ExitStack() as stack:

        def another(**options: Any) -> PostgreSQLStorage:
            storage = PostgreSQLStorage(server_url, **options)
            storage.connect()
            stack.callback(storage.disconnect)
            return storage

        yield another


@pytest.fixture
def db(opened: Opened) -> Iterator[PostgreSQLStorage]:
    """A storage on the database, which is empty then and again afterwards."""
    storage = opened()
    storage.clear()
    yield storage
    storage.reconnect()
    storage.clear()
