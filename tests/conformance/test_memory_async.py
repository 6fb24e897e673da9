"""The conformance suite on documents in memory, awaited."""

from __future__ import annotations

from docmap.testing.cases import built_in
from docmap.testing.profile import BackendProfile
from docmap.testing.suite import *  # noqa: F403 - the suite's tests and fixtures are this file's

profile = BackendProfile(
    name="memory",
    asynchronous=True,
    url="memory://",
    abilities=frozenset({"transactions", "counters", "indexes", "watch"}),
    native=frozenset(built_in()),
)
