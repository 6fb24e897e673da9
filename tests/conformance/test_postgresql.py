"""The conformance suite on PostgreSQL."""

from __future__ import annotations

import os
from functools import partial
from typing import Final

from docmap.testing.cases import built_in
from docmap.testing.profile import BackendProfile
from docmap.testing.suite import *  # noqa: F403 - the suite's tests and fixtures are this file's
from docmap_backends.postgresql import PostgreSQLStorage
from tests.servers import postgresql, running

OWN: Final = f"faults{os.getpid()}"  # a server of this process's own, which may be stopped

profile = BackendProfile(
    name="postgresql",
    url=partial(postgresql.url, "conformance"),
    adapter=PostgreSQLStorage,
    options={"pool_size": 32},  # each stream that is not read to its end holds a connection
    kind="server",
    abilities=frozenset({"transactions", "counters", "indexes", "watch"}),
    native=frozenset(built_in()) - {"icontains", "istartswith", "iendswith", "iexact"},
    second="shares",
    faults=partial(postgresql.url, "faults", OWN),
    restart=partial(running.restart, postgresql.KIND, OWN),
)
