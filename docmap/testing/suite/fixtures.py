"""The fixtures of the suite. They come into a test file with it, and are known nowhere else."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, cast

import pytest

from docmap import BaseStorageAdapter, connect
from docmap.testing.collecting import APPLIED, is_long
from docmap.testing.disturbed import Disturbed
from docmap.testing.prepared import Prepared
from docmap.testing.processes import Forker, Target
from docmap.testing.profile import BackendProfile
from docmap.testing.reference import ReferenceStorage

DEFAULT_SEED: Final = 20_100
Opened = Callable[..., BaseStorageAdapter]

__all__ = [
    "backend",
    "beside",
    "db",
    "directory",
    "disturbed",
    "forker",
    "long_run",
    "opened",
    "oracle",
    "prepared",
    "rng",
    "seed",
    "target",
]


@pytest.fixture(scope="session")
def seed(pytestconfig: pytest.Config) -> int:
    """What all that is random is made of: `--seed` where a conftest.py has it, DOCMAP_TEST_SEED."""
    given = pytestconfig.getoption("--seed", None)
    return int(os.environ.get("DOCMAP_TEST_SEED", DEFAULT_SEED)) if given is None else int(given)


@pytest.fixture
def rng(request: pytest.FixtureRequest, seed: int) -> random.Random:
    """A random generator of the test's own, the same in each run and for each backend."""
    return random.Random(f"{seed} {request.node.name}")


@pytest.fixture(scope="session")
def long_run(pytestconfig: pytest.Config) -> bool:
    """True in the long run, for tests that only try more cases there."""
    return is_long(pytestconfig)


@pytest.fixture
def backend(request: pytest.FixtureRequest) -> BackendProfile:
    """The profile of the test file."""
    if not request.config.stash.get(APPLIED, False):
        pytest.fail("the suite needs pytest's plugin: -p docmap.testing.plugin", pytrace=False)
    return cast("BackendProfile", request.module.profile)


@pytest.fixture
def directory(backend: BackendProfile, tmp_path: Path) -> Iterator[Path]:
    """The directory of the test's store, with nothing in it; a server is cleared afterwards."""
    made = tmp_path / "store"
    made.mkdir()
    yield made
    if backend.kind == "server":
        with backend.open(made) as storage:
            storage.clear()


@pytest.fixture
def opened(backend: BackendProfile, directory: Path) -> Iterator[Opened]:
    """Open the store once more with each call, with options; all are closed after the test."""
    with ExitStack() as stack:

        def another(**options: Any) -> BaseStorageAdapter:
            storage = backend.open(directory, **options)
            stack.callback(storage.disconnect)
            return storage

        yield another


@pytest.fixture
def db(backend: BackendProfile, opened: Opened) -> BaseStorageAdapter:
    """A connected storage that holds nothing."""
    storage = opened()
    held = storage.collections()
    if held:
        pytest.fail(f"{backend.name} is not empty: name a store of its own", pytrace=False)
    return storage


@pytest.fixture
def disturbed(backend: BackendProfile, *, long_run: bool) -> Iterator[Disturbed]:
    """The server of the profile behind a proxy, with two counters in it; cleared afterwards."""
    server = Disturbed(backend, busy=not long_run)
    yield server
    server.close()


@pytest.fixture
def beside() -> Iterator[BaseStorageAdapter]:
    """A storage of another engine, to copy from and to."""
    with connect("memory://") as storage:
        yield storage


@pytest.fixture
def oracle() -> Iterator[ReferenceStorage]:
    """The storage whose answers are right: nothing but docmap's reference functions."""
    with ReferenceStorage() as storage:
        yield storage


@pytest.fixture
def target(backend: BackendProfile, directory: Path) -> Target:
    """The store of the test as other processes open it."""
    return Target.of(backend, directory)


@pytest.fixture
def forker(target: Target) -> Iterator[Forker]:
    """Runs programs on the test's store, one after another, each in a process that may die."""
    with Forker(target) as forker:
        yield forker


@pytest.fixture
def prepared(backend: BackendProfile, directory: Path, opened: Opened) -> Prepared:
    """The test's store with notes in it, whose files can be spoilt and brought back."""
    return Prepared(backend, directory, opened)
