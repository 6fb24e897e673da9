"""The conformance suite on MongoDB, or on the stand-in for it."""

from __future__ import annotations

import os
from functools import partial
from typing import Final

from docmap.testing.profile import BackendProfile, Gap
from docmap.testing.suite import *  # noqa: F403 - the suite's tests and fixtures are this file's
from tests.servers import mongo, running

OWN: Final = f"faults{os.getpid()}"  # a server of this process's own, which may be stopped
# What the stand-in answers otherwise than MongoDB does.
STANDIN: Final = (
    Gap(
        "test_operator[set Decimal]",
        reason="its $set keeps the stored number where the new one is equal: 11.00 over 11.0",
        raises=AssertionError,
        kind="standin",
    ),
)

profile = BackendProfile(
    name="mongodb",
    url=partial(mongo.url, "conformance"),
    kind="server",
    abilities=frozenset({"counters", "indexes"}),
    second="shares",
    gaps=STANDIN if mongo.is_standin() else (),
    faults=partial(mongo.url, "faults", OWN),
    restart=partial(running.restart, mongo.KIND, OWN),
)
