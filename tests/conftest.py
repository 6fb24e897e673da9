"""What every test may ask for: the seed of all that is random, and whether this is the long run.

Options: `--seed N` (or `DOCMAP_TEST_SEED`) and `--long` (or `DOCMAP_TEST_LONG=1`). One seed drives
the fixture `rng`, the fixture `seed` and Hypothesis; the header and each failure print it.
`--engines memory,sqlite` leaves out the tests of engines that it does not name.
"""

from __future__ import annotations

import os
import random
from collections.abc import Generator, Iterator

import pytest
from hypothesis import HealthCheck, settings

from docmap.storage.hooks import Hooks

DEFAULT_SEED = 20_100
"""Changed with each release, so that releases try different cases and a run can be repeated."""

LONG = pytest.StashKey[bool]()
SEED = pytest.StashKey[int]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("docmap")
    group.addoption("--seed", type=int, help="the seed of all random cases (DOCMAP_TEST_SEED)")
    group.addoption("--long", action="store_true", help="run the long cases (DOCMAP_TEST_LONG=1)")


@pytest.hookimpl(tryfirst=True)  # Hypothesis reads its own options in the same hook
def pytest_configure(config: pytest.Config) -> None:
    given = config.getoption("--seed")
    seed = int(os.environ.get("DOCMAP_TEST_SEED", DEFAULT_SEED)) if given is None else given
    long = config.getoption("--long") or os.environ.get("DOCMAP_TEST_LONG") == "1"
    config.stash[SEED] = seed
    config.stash[LONG] = long
    _use_hypothesis_profile(config, seed, long=long)
    _begin_run()


def _begin_run() -> None:
    """Make the folder of the servers before there are workers, so that they share them."""
    if os.name == "posix" and "DOCMAP_TEST_SERVERS" not in os.environ:
        from tests.servers.running import folder

        folder()


def _use_hypothesis_profile(config: pytest.Config, seed: int, *, long: bool) -> None:
    """Repeatable cases: derived from each test, or from the seed if there is a reason for one."""
    common = settings(
        database=None,
        deadline=None,  # nothing timed is a test
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.register_profile("normal", common, derandomize=seed == DEFAULT_SEED, max_examples=100)
    settings.register_profile("long", common, max_examples=10_000)
    settings.load_profile("long" if long else "normal")
    if config.getoption("--hypothesis-seed", None) is None:
        config.option.hypothesis_seed = str(seed)


def pytest_report_header(config: pytest.Config) -> str:
    run = "the long run" if config.stash[LONG] else "the normal run, --long for more"
    return f"docmap: seed {config.stash[SEED]}, {run}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--engines", None):
        from tests.servers.narrowing import narrow

        narrow(config, items)
    if config.stash[LONG]:
        return
    long = [item for item in items if _is_long(item)]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]


def _is_long(item: pytest.Item) -> bool:
    """True for what is marked, and for what a test file of the suite leaves to the long run.

    Its `SHORT` names the modules of the suite that it runs always.
    """
    if item.get_closest_marker("long"):
        return True
    short = getattr(getattr(item, "module", None), "SHORT", None)
    home = getattr(getattr(item, "function", None), "__module__", "").rpartition(".")[2]
    return short is not None and bool(home) and home not in short


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        report.sections.append(("docmap", f"run again with --seed {item.config.stash[SEED]}"))
    return report


@pytest.fixture(scope="session")
def seed(pytestconfig: pytest.Config) -> int:
    """The seed of this run."""
    return pytestconfig.stash[SEED]


@pytest.fixture
def rng(request: pytest.FixtureRequest, seed: int) -> random.Random:
    """A random generator of the test's own: the same whatever else runs, and in what order."""
    return random.Random(f"{seed} {request.node.nodeid}")


@pytest.fixture(scope="session")
def long_run(pytestconfig: pytest.Config) -> bool:
    """True in the long run, for tests that only try more cases there."""
    return pytestconfig.stash[LONG]


@pytest.fixture(autouse=True, scope="session")
def no_plans_of_slow_scans() -> Iterator[None]:
    """Ask for no plan because an operation took long: that depends on what else the machine does.

    A test of the warnings sets the limits of its storage itself.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Hooks, "scan_documents", 10**12)
        yield
