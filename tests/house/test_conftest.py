"""The options of the test run: the long cases, the seed and that a failure prints it."""

from __future__ import annotations

from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"
TESTS = """
import pytest
from hypothesis import given, settings, strategies as st

@pytest.mark.long
def test_long(long_run):
    assert long_run

def test_short(rng, seed):
    print("drawn", rng.random())

@given(st.integers())
def test_fails(number):
    assert number < 100
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    for name in ("DOCMAP_TEST_LONG", "DOCMAP_TEST_SEED"):
        monkeypatch.delenv(name, raising=False)
    pytester.makeini("[pytest]\nmarkers = long: only with --long")
    pytester.makeconftest(CONFTEST.read_text(encoding="utf-8"))
    pytester.makepyfile(TESTS)
    return pytester


def run(project: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return project.runpytest_subprocess("-p", "no:cacheprovider", *arguments)


def test_long_cases_are_deselected_not_skipped(project: pytest.Pytester) -> None:
    run(project).assert_outcomes(passed=1, failed=1, deselected=1)


def test_long_cases_run_when_asked_for(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(project, "--long", "-m", "long").assert_outcomes(passed=1, deselected=2)
    monkeypatch.setenv("DOCMAP_TEST_LONG", "1")
    run(project, "-m", "long").assert_outcomes(passed=1, deselected=2)


def test_header_and_failures_print_the_seed(project: pytest.Pytester) -> None:
    output = run(project, "--seed", "7").stdout
    output.fnmatch_lines(["docmap: seed 7, *", "*run again with --seed 7*"])
    output.fnmatch_lines(["*reproduce_failure*"])


def test_the_seed_can_come_from_the_environment(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCMAP_TEST_SEED", "8")
    run(project).stdout.fnmatch_lines(["docmap: seed 8, *"])
    run(project, "--seed", "9").stdout.fnmatch_lines(["docmap: seed 9, *"])


def test_the_seed_decides_what_rng_draws(project: pytest.Pytester) -> None:
    def drawn(*arguments: str) -> list[str]:
        output = run(project, "-s", "-k", "test_short", *arguments).stdout
        return [line for line in output.lines if "drawn" in line]

    assert drawn("--seed", "7") == drawn("--seed", "7")
    assert drawn("--seed", "7") != drawn("--seed", "8")
