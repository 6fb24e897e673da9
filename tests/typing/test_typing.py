"""mypy and pyright find errors in exactly the marked lines of the cases; those without run.

A line that ends with `# error` is an error for both checkers, one with `# error in pyright` for
that checker only.
"""

from __future__ import annotations

import json
import os
import re
import runpy
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
CASES: Final = sorted((ROOT / "tests" / "typing" / "cases").glob("[!_]*.py"))
CHECKERS: Final = ("mypy", "pyright")
MARK: Final = re.compile(r"# error(?: in (?P<checker>mypy|pyright))?(?= #|$)", re.MULTILINE)


@pytest.fixture(scope="session", params=CHECKERS)
def checked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Checked:
    """What one checker says of all the cases; it runs once."""
    checker: str = request.param
    found = mypy() if checker == "mypy" else pyright(tmp_path_factory.mktemp("pyright"))
    return Checked(checker, found)


class Checked:
    """The errors of one checker: file name, then line number, then text."""

    def __init__(self, checker: str, found: Iterator[tuple[str, int, str]]) -> None:
        self.checker = checker
        self.errors: dict[str, dict[int, str]] = defaultdict(dict)
        for path, line, text in found:
            self.errors[Path(path).name][line] = text


def mypy() -> Iterator[tuple[str, int, str]]:
    done = run("mypy", "--strict", "--no-pretty", "--no-error-summary", *map(str, CASES))
    assert done.stderr == ""
    for line in done.stdout.splitlines():
        found = re.match(r"(?P<path>.+?):(?P<line>\d+): error: (?P<text>.*)", line)
        if found:
            yield found["path"], int(found["line"]), found["text"]


def pyright(folder: Path) -> Iterator[tuple[str, int, str]]:
    settings = {
        "include": [os.path.relpath(path, folder) for path in CASES],
        "extraPaths": [str(ROOT)],
        "typeCheckingMode": "standard",
        "enableTypeIgnoreComments": False,
    }
    (folder / "pyrightconfig.json").write_text(json.dumps(settings), encoding="utf-8")
    done = run("pyright", "--project", str(folder), "--outputjson", "--pythonpath", sys.executable)
    report = json.loads(done.stdout)
    assert report["summary"]["filesAnalyzed"] == len(CASES)
    for found in report["generalDiagnostics"]:
        if found["severity"] == "error":
            yield found["file"], found["range"]["start"]["line"] + 1, found["message"]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *arguments], cwd=ROOT, check=False, capture_output=True, text=True
    )


def marked(text: str, checker: str) -> list[int]:
    """The lines on which `checker` must find an error."""
    return [
        text.count("\n", 0, mark.start()) + 1
        for mark in MARK.finditer(text)
        if mark["checker"] in {None, checker}
    ]


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_errors_are_where_they_are_marked(case: Path, checked: Checked) -> None:
    errors = checked.errors[case.name]
    assert sorted(errors) == marked(case.read_text(encoding="utf-8"), checked.checker), errors


@pytest.mark.parametrize(
    "case", [path for path in CASES if path.stem.startswith("right_")], ids=lambda path: path.stem
)
def test_what_checks_also_runs(case: Path) -> None:
    assert not MARK.search(case.read_text(encoding="utf-8"))
    runpy.run_path(str(case))


def test_marks_are_found_by_checker() -> None:
    text = "a\nb  # error\nc  # error in pyright # noqa: X\nd  # errors\n"
    assert marked(text, "mypy") == [2]
    assert marked(text, "pyright") == [2, 3]
