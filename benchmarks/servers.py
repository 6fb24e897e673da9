"""The servers of the benchmarks: those that the environment names, else those of the tests."""

from __future__ import annotations

from importlib import import_module
from itertools import count
from typing import Final

_MODULES: Final = {
    "postgresql": ("tests.servers.postgresql", "durable"),
    "mongodb": ("tests.servers.mongo", ""),
}
"""The module that starts a server, and the instance of it that is asked for."""
_numbers: Final = count(1)


def server_url(engine: str) -> str:
    """The URL of a new and empty database; its server is started if it does not run yet.

    `DOCMAP_TEST_POSTGRESQL_URL` and its like name a server to measure on. PostgreSQL waits for the
    disk with every commit.
    """
    module, instance = _MODULES[engine]
    found: str = import_module(module).url(f"bench_{next(_numbers)}", instance)
    return found
