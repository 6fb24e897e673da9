"""The conformance suite on MongoDB, or on the stand-in for it, awaited."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from docmap.testing.suite import *  # noqa: F403 - the suite's tests and fixtures are this file's
from tests.conformance import test_mongodb
from tests.servers import mongo
from tests.servers.forgotten import (
    bears_forgotten_sockets,
    forgotten_sockets,  # noqa: F401 - used by pytest
)

pytestmark = bears_forgotten_sockets
profile = replace(
    test_mongodb.profile, asynchronous=True, url=partial(mongo.url, "conformance_async")
)
