"""Runs the suite on adapters of this package, all in one process, and tells what each test said.

`python -m tests.conformance.broken.run NAME...` (or `all`) prints for each which modules failed.
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
from typing import Any, Final

import pytest

from tests.conformance.broken.catalogue import BROKEN
from tests.house.tree import ROOT

PLUGIN: Final = "tests.conformance.broken.run"
REPORT: Final = "--broken-report"
WHOLE: Final = "--broken-whole"
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

    @property
    def modules(self) -> Counter[str]:
        """How many tests of each module of the suite failed."""
        return Counter(one.partition("::")[0] for one in self.failed)


def run(names: Iterable[str], directory: Path, *, whole: bool = False) -> dict[str, Result]:
    """What the suite says of adapters, by name.

    Of a broken one only the modules run that should show it, up to the first failure; `whole` runs
    everything to the end. Raises AssertionError if pytest itself failed.
    """
    for name in names:
        file = directory / f"test_{name.lower()}.py"
        file.write_text(_FILE.format(name=name), encoding="utf-8")
    (directory / "pytest.ini").write_text("[pytest]\nxfail_strict = true\n", encoding="utf-8")
    report = directory / "report.json"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:docmap", "-p", "docmap.testing.plugin"]
        + ["-p", PLUGIN, "-p", "no:cacheprovider"]
        + ["--no-header", "--tb=no", "--show-capture=no", f"{REPORT}={report}"]
        + ([WHOLE] if whole else []),
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
    parser.addoption(WHOLE, action="store_true")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption(REPORT):
        config.pluginmanager.register(_Runner(config))


class _Runner:
    """Collects what is asked for, and leaves a file alone once a test of it has failed."""

    def __init__(self, config: pytest.Config) -> None:
        self._whole = config.getoption(WHOLE)
        self._report = Path(config.getoption(REPORT))
        self._results: dict[str, Result] = {}

    def pytest_pycollect_makeitem(self, collector: Any, name: str, obj: Any) -> list[Any] | None:
        from tests.conformance.broken.profiles import shown_by

        if self._whole or not name.startswith("test_"):
            return None
        wanted = shown_by(collector.obj.profile.name)
        return [] if wanted and _module(obj) not in wanted else None

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        if not self._whole:  # a part of the suite is not meant to be all of it
            items[:] = [item for item in items if hasattr(item, "function")]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> bool | None:
        result = self._results.get(item.path.stem)
        sound = item.path.stem not in {f"test_{name.lower()}" for name in BROKEN}
        return True if result and result.failed and not self._whole and not sound else None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Any:
        report = yield
        result = self._results.setdefault(item.path.stem, Result())
        name = f"{_module(getattr(item, 'function', None))}::{item.name}"
        if report.failed:
            result.failed.append(name)
        elif report.when == "call" and report.passed:
            result.passed.append(name)
        return report

    def pytest_sessionfinish(self) -> None:
        found = {name: vars(result) for name, result in self._results.items()}
        self._report.write_text(json.dumps(found), encoding="utf-8")


def _module(function: Any) -> str:
    return str(getattr(function, "__module__", "")).rpartition(".")[2]


if __name__ == "__main__":
    asked = list(BROKEN) if sys.argv[1:] == ["all"] else sys.argv[1:]
    if not asked or sys.argv[1:] == ["all"]:
        from tests.conformance.broken import profiles

        asked = [*profiles.SOUND, *BROKEN]
    with tempfile.TemporaryDirectory() as temporary:
        for adapter, result in run(asked, Path(temporary), whole=True).items():
            modules = ", ".join(f"{name} {count}" for name, count in result.modules.items())
            sys.stdout.write(f"{adapter}: {len(result.passed)} passed; {modules or 'NOT CAUGHT'}\n")
