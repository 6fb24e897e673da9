"""mypy in strict mode and pyright pass: the packages, the tests, the programs of the manual."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import pytest

from tests.house.pages import blocks
from tests.house.tree import ROOT

SETTINGS: Final = ROOT / "pyproject.toml"
PAGES: Final = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def run(*arguments: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=cwd,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_mypy_passes() -> None:
    done = run("mypy")
    assert done.returncode == 0, done.stdout


def test_pyright_passes() -> None:
    done = run("pyright", "--pythonpath", sys.executable)
    assert done.returncode == 0, done.stdout
    assert "No source files found" not in done.stdout


@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_the_programs_of_the_manual_pass(checker: str, tmp_path: Path) -> None:
    assert write_programs(PAGES, tmp_path)
    done = CHECKERS[checker](tmp_path)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_a_wrong_type_is_found(checker: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```python\nx: int = 1\n```\n\n```python\nx = 'text'\n```\n")
    write_programs([page], tmp_path)
    done = CHECKERS[checker](tmp_path)
    assert done.returncode == 1
    assert "page.py:6" in done.stdout


def write_programs(pages: Iterable[Path], folder: Path) -> list[Path]:
    """The `python` blocks of each page as one module, on the lines that they have in the page."""
    written = []
    for page in pages:
        text = page.read_text(encoding="utf-8")
        lines = [""] * (text.count("\n") + 1)
        for block in blocks(text):
            if block.language == "python":
                inner = block.text.splitlines()
                lines[block.line - 1 : block.line - 1 + len(inner)] = inner
        if any(lines):
            program = folder / f"in_{_identifier(page.parent.name)}_{_identifier(page.stem)}.py"
            program.write_text("\n".join(lines) + "\n", encoding="utf-8")
            written.append(program)
    return written


def _identifier(name: str) -> str:
    return re.sub(r"\W", "_", name)


def _mypy(folder: Path) -> subprocess.CompletedProcess[str]:
    return run("mypy", *sorted(folder.glob("*.py")))


def _pyright(folder: Path) -> subprocess.CompletedProcess[str]:
    settings = tomllib.loads(SETTINGS.read_text(encoding="utf-8"))["tool"]["pyright"]
    settings |= {"include": ["."], "exclude": [], "extraPaths": [str(ROOT)]}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    return run("pyright", "--pythonpath", sys.executable, cwd=folder)


CHECKERS: Final[dict[str, Callable[[Path], subprocess.CompletedProcess[str]]]] = {
    "mypy": _mypy,
    "pyright": _pyright,
}
