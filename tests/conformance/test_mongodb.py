"""The conformance suite on MongoDB, or on the stand-in for it."""

from __future__ import annotations

import os
from functools import partial

from docmap.testing.profile import BackendProfile
from docmap.testing.suite import *  # noqa: F403 - the suite's tests and fixtures are this file's
from tests.servers import mongo

profile = BackendProfile(
    name="mongodb",
    url=partial(mongo.url, "conformance"),
    faults=partial(mongo.url, "faults", f"faults{os.getpid()}"),
    kind="server",
    abilities=frozenset({"counters", "indexes"}),
    second="shares",
)
