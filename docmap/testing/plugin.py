"""The pytest plugin: storages on the engines that were chosen, undone tests, counted queries.

It is loaded with pytest wherever docmap is installed, and imports docmap when a fixture is asked
for. `--engines memory,sqlite` (or `docmap_engines` in pytest's configuration) chooses the engines:
names, or the URLs of servers, whose databases must be empty. Test files with a `profile` take over
the conformance suite by the rules of `collecting`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from docmap import BaseStorageAdapter
    from docmap.testing.commands import QueryCounter

DEFAULT: Final = "memory,sqlite"
# The suite is tests, though not in a test file: failures show the values that were compared.
pytest.register_assert_rewrite("docmap.testing.suite")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option and its setting."""
    text = "the engines that docmap_storage runs on, by name or URL, with commas between them"
    parser.getgroup("docmap").addoption("--engines", help=f"{text} (default: {DEFAULT})")
    parser.addini("docmap_engines", text, default=DEFAULT)


def pytest_configure(config: pytest.Config) -> None:
    """Name the mark of tests that need an ability."""
    line = "docmap_requires(*features): runs on backends with these features alone"
    config.addinivalue_line("markers", line)


@pytest.hookimpl(
    tryfirst=True
)  # before -k and -m choose: what they leave out is there all the same
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Apply the rules of the conformance suite to test files that have a profile."""
    from docmap.testing.collecting import apply_rules

    apply_rules(config, items)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test once on each engine, if its storage comes from here."""
    if "docmap_engine" in metafunc.fixturenames:
        chosen = engines(metafunc.config)
        metafunc.parametrize(
            "docmap_engine", chosen, ids=[one.partition("://")[0] for one in chosen], indirect=True
        )


def engines(config: pytest.Config) -> list[str]:
    """The names and URLs of the engines chosen. Raises UsageError for one that is unknown."""
    from docmap.storage.load import ENGINES, schemes

    given = config.getoption("--engines") or config.getini("docmap_engines")
    chosen = [one.strip() for one in str(given).split(",") if one.strip()]
    for one in chosen:
        name, _, rest = one.partition("://")
        if name not in schemes():
            raise pytest.UsageError(
                f"--engines: no engine is called {name!r}; known are {', '.join(schemes())}"
            )
        if not rest and (name not in ENGINES or ENGINES[name].place == "server"):
            raise pytest.UsageError(
                f"--engines: {name} needs the URL of an empty database: {name}://host/name"
            )
    return chosen


@pytest.fixture
def docmap_engine(request: pytest.FixtureRequest) -> str:
    """The engine of this run of the test: a name, or a URL."""
    name: str = request.param
    return name


@pytest.fixture
def docmap_storage(docmap_engine: str, tmp_path: Path) -> Iterator[BaseStorageAdapter]:
    """An empty storage on each engine chosen, gone after the test.

    Override it in a conftest.py to give all tests, and `rolled_back`, a storage of your own.
    """
    from docmap import connect
    from docmap.storage.load import ENGINES

    url = docmap_engine
    if "://" not in url:
        place = f"/{(tmp_path / 'docmap').as_posix()}" if ENGINES[url].place == "file" else ""
        url = f"{url}://{place}"
    with connect(url) as storage:
        held = storage.collections()
        if held:
            pytest.fail(
                f"{docmap_engine.partition('://')[0]} is not empty, and tests would mix with what "
                f"is there (collections: {', '.join(held)}): name a database of their own",
                pytrace=False,
            )
        try:
            yield storage
        finally:
            if storage.is_open:
                storage.clear()


@pytest.fixture
def rolled_back(docmap_storage: BaseStorageAdapter) -> Iterator[BaseStorageAdapter]:
    """`docmap_storage` inside a transaction that is undone after the test, whatever it wrote.

    Made for a storage that is shared by many tests and filled once. It belongs to the test's
    thread.
    """
    from docmap.testing.undoing import undone

    with undone(docmap_storage):
        yield docmap_storage


@pytest.fixture
def query_counter() -> QueryCounter:
    """Count the commands of a `with` block, which gives `seen` with its `count`.

    `query_counter(storage)` counts those of one storage. `seen.commands` has each of them.
    """
    from docmap.testing.commands import counting

    return counting
