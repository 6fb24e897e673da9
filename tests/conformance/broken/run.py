"""Runs the suite on adapters of this package, all in one process, and tells what each test said.

`python -m tests.conformance.broken.run MODE NAME...` (or `all`) prints for each what failed.
The process that runs the tests has this module as a plugin.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import pytest

from tests.conformance.broken.catalogue import BROKEN
from tests.house.tree import ROOT

PLUGIN: Final = "tests.conformance.broken.run"
REPORT: Final = "--broken-report"
MODE: Final = "--broken-mode"
Mode = Literal["named", "first", "whole"]
"""The tests that are named on the list, or all, up to the first failure; or all to the end."""
_FILE: Final = """\
from docmap.testing.suite import *
from tests.conformance.broken.profiles import profile_of

profile = profile_of({name!r})
"""


@dataclass
class Result:
    """What became of the suite on one adapter."""

    passed: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    why: str = ""
    """What the first failure says."""

    @property
    def modules(self) -> Counter[str]:
        """How many tests of each module of the suite failed."""
        return Counter(one.partition("::")[0] for one in self.failed)


def run(names: Iterable[str], directory: Path, mode: Mode) -> dict[str, Result]:
    """What the suite says of adapters, by name. Raises AssertionError if pytest itself failed."""
    names = list(names)
    for name in names:
        file = directory / f"test_{name.lower()}.py"
        file.write_text(_FILE.format(name=name), encoding="utf-8")
    (directory / "pytest.ini").write_text("[pytest]\nxfail_strict = true\n", encoding="utf-8")
    report = directory / "report.json"
    plugins = ("no:docmap", "docmap.testing.plugin", PLUGIN, "no:cacheprovider")
    options = [option for plugin in plugins for option in ("-p", plugin)]
    options += ["-q", "--no-header", "--tb=line", "--show-capture=no"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, f"{REPORT}={report}", f"{MODE}={mode}"],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode in {0, 1}, done.stdout[-4000:] + done.stderr[-4000:]
    found = json.loads(report.read_text(encoding="utf-8"))
    return {name: Result(**found.get(f"test_{name.lower()}", {})) for name in names}


# -- the plugin


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(REPORT)
    parser.addoption(MODE, default="whole")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption(REPORT):
        config.pluginmanager.register(_Runner(config))


class _Runner:
    """Collects what is asked for, and leaves a file alone once a test of it has failed."""

    def __init__(self, config: pytest.Config) -> None:
        self._mode: Mode = config.getoption(MODE)
        self._report = Path(config.getoption(REPORT))
        self._results: dict[str, Result] = {}

    def pytest_pycollect_makeitem(self, collector: Any, name: str, obj: Any) -> list[Any] | None:
        if self._mode != "named" or not name.startswith("test_"):
            return None
        named = {one.partition(":")[0] for one in _named(collector)}
        return None if _module(obj) in named else []

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        if self._mode == "named":  # a part of the suite is not meant to be all of it
            items[:] = [item for item in items if hasattr(item, "function") and _is_named(item)]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> bool | None:
        result = self._results.get(item.path.stem)
        if not result or not result.failed or self._mode == "whole":
            return None
        # The test that failed left open what it thought this one would need.
        item.session._setupstate.teardown_exact(nextitem)
        return True

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Any:
        report = yield
        result = self._results.setdefault(item.path.stem, Result())
        name = f"{_module(getattr(item, 'function', None))}::{item.name}"
        if report.failed:
            result.failed.append(name)
            result.why = result.why or f"{name}: {report.longreprtext[-300:]}"
        elif report.when == "call" and report.passed:
            result.passed.append(name)
        return report

    def pytest_sessionfinish(self) -> None:
        found = {name: vars(result) for name, result in self._results.items()}
        self._report.write_text(json.dumps(found), encoding="utf-8")


def _named(collector: Any) -> tuple[str, ...]:
    """What the list names for the adapter of a test file: `module` or `module:part of a name`."""
    from tests.conformance.broken.profiles import shown_by

    return shown_by(collector.obj.profile.name)


def _is_named(item: pytest.Item) -> bool:
    module = _module(getattr(item, "function", None))
    return any(
        home == module and part in item.name
        for home, _, part in (one.partition(":") for one in _named(item.getparent(pytest.Module)))
    )


def _module(function: Any) -> str:
    return str(getattr(function, "__module__", "")).rpartition(".")[2]


if __name__ == "__main__":
    from tests.conformance.broken import profiles

    how, *asked = sys.argv[1:]
    if asked == ["all"]:
        asked = [*profiles.SOUND, *BROKEN]
    with tempfile.TemporaryDirectory() as temporary:
        for adapter, result in run(asked, Path(temporary), how).items():  # type: ignore[arg-type]
            modules = ", ".join(f"{name} {count}" for name, count in result.modules.items())
            sys.stdout.write(f"{adapter}: {len(result.passed)} passed; {modules or 'NOT CAUGHT'}\n")
            sys.stdout.write(f"    {result.why}\n    passed: {result.passed[:9]}\n")
