"""The conformance suite on files of SQLite, awaited."""

from __future__ import annotations

from docmap.testing.cases import built_in
from docmap.testing.profile import BackendProfile
from docmap.testing.suite import *  # noqa: F403 - the suite's tests and fixtures are this file's

profile = BackendProfile(
    name="sqlite",
    asynchronous=True,
    url="sqlite:///{directory}/store.db",
    kind="file",
    abilities=frozenset({"transactions", "counters", "indexes", "watch"}),
    native=frozenset(built_in()),
    second="shares",
)
