"""The conformance suite on files of TinyDB."""

from __future__ import annotations

from docmap.testing.profile import BackendProfile
from docmap.testing.suite import *  # noqa: F403 - the suite's tests and fixtures are this file's

profile = BackendProfile(
    name="tinydb",
    url="tinydb:///{directory}/store.json",
    kind="file",
    abilities=frozenset({"transactions", "counters", "indexes", "watch"}),
    second="shares",
)
