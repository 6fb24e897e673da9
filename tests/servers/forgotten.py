"""The sockets that PyMongo leaves to the garbage collector are collected where they were left."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

bears_forgotten_sockets = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"
)
"""For modules that cancel tasks: a connection that is cancelled while it is being made is left so.

Such a module takes `forgotten_sockets` too.
"""


@pytest.fixture(scope="module", autouse=True)
def forgotten_sockets() -> Iterator[None]:
    """Collect them before the module ends, or the warning would fail a test of another module."""
    yield
    gc.collect()
