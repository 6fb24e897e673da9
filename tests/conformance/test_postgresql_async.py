"""The conformance suite on PostgreSQL, awaited."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from docmap.testing.suite import *  # noqa: F403 - the suite's tests and fixtures are this file's
from tests.conformance import test_postgresql
from tests.servers import postgresql

profile = replace(
    test_postgresql.profile, asynchronous=True, url=partial(postgresql.url, "conformance_async")
)
