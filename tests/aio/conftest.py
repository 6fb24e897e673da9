"""Tests that await: each runs in an event loop of its own, on each of three engines."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from pathlib import Path

import pytest

from docmap.aio import AsyncStorage, connect
from docmap.aio.storage import awaited
from tests.aio.delayed import DelayedStorage

Open = Callable[[], AsyncStorage]


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test that is a coroutine function."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True


@pytest.fixture(params=["memory", "sqlite", "delayed"])
def db(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncStorage:
    """A storage that is not connected yet: in threads, or on a driver that is awaited itself."""
    if request.param == "delayed":
        return awaited(DelayedStorage())
    url = {"memory": "memory://", "sqlite": f"sqlite:///{tmp_path / 'a.db'}"}[request.param]
    return connect(url)._storage
