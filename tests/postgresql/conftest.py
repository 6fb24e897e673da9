"""Fixtures of the tests that look at PostgreSQL alone."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from time import monotonic, sleep
from typing import Any

import pytest

from docmap.storage.url import URL
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
    for name in storage.collections():
        storage.unwatch(name)
    storage.clear()
    log = "docmap_watched, docmap_changes, docmap_log"  # clear() leaves what is watched so
    storage._connections.script([f"DROP TABLE IF EXISTS {log} CASCADE"])


def until(condition: Callable[[], object]) -> None:
    """Wait for what another process does; far longer than it takes."""
    end = monotonic() + 30
    while not condition():
        assert monotonic() < end
        sleep(0.005)


@contextmanager
def role(db: PostgreSQLStorage, url: str, options: str = "LOGIN") -> Iterator[tuple[str, str]]:
    """A user without any rights, with the URL that names it."""
    name, run = f"docmap_{secrets.token_hex(4)}", db._connections.written
    run(f"CREATE ROLE {name} {options} PASSWORD 'x'")
    parsed = URL.parse(url)
    where = ",".join(f"{host.name}:{host.port}" for host in parsed.hosts)
    try:
        yield name, f"postgresql://{name}:x@{where}/{parsed.path}"
    finally:
        run(f"DROP OWNED BY {name}")
        run(f"DROP ROLE {name}")
