"""The conformance suite on MongoDB, or on the stand-in for it, awaited."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from docmap.testing.suite import *  # noqa: F403 - the suite's tests and fixtures are this file's
from tests.conformance import test_mongodb
from tests.servers import mongo

profile = replace(
    test_mongodb.profile, asynchronous=True, url=partial(mongo.url, "conformance_async")
)
# PyMongo leaves the socket of a connection to the garbage collector if it is cancelled while it is
# being made, which it is when the time to reach the server is over.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"
)
