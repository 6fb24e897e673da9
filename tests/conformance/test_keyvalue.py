"""The conformance suite on what engines over an ordered byte store share, without a driver."""

from __future__ import annotations

from docmap.testing.profile import BackendProfile
from docmap.testing.suite import *  # noqa: F403 - the suite's tests and fixtures are this file's
from tests.keyvalue.memory_store import KeyValueMemory

profile = BackendProfile(
    name="keyvalue",
    url="keyvalue://",
    adapter=KeyValueMemory,
    abilities=frozenset({"transactions", "counters", "indexes"}),
)
