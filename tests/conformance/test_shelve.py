"""The conformance suite on shelves."""

from __future__ import annotations

from docmap.testing.profile import BackendProfile
from docmap.testing.suite import *  # noqa: F403 - the suite's tests and fixtures are this file's

profile = BackendProfile(
    name="shelve",
    url="shelve:///{directory}/store",
    kind="file",
    abilities=frozenset({"transactions", "counters", "indexes"}),
    second="shares",
)
