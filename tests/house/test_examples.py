"""Every example of README, docs, docstrings and examples/ runs, and does what it says.

Each page is one program in a fresh interpreter and an empty directory, warnings are errors. How
a page is run: see tests/house/pages.py.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.house.pages import blocks, examples_in
from tests.house.tree import ROOT, modules

RUNNER: Final = ROOT / "tests" / "house" / "pages.py"
PAGES: Final = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SCRIPTS: Final = sorted((ROOT / "examples").glob("*.py"))
DOCUMENTED: Final = {
    name: source
    for name, path in modules().items()
    if ">>>" in (source := path.read_text(encoding="utf-8"))
}


def python(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run Python with docmap on its path, and its command beside the interpreter on the shell's."""
    programs = Path(sys.executable).parent
    return subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=cwd,
        env=os.environ
        | {"PYTHONPATH": str(ROOT), "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"},
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_the_examples_of_a_page_run(page: Path, tmp_path: Path) -> None:
    done = python("-P", RUNNER, page, cwd=tmp_path)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("script", SCRIPTS, ids=relative)
def test_an_example_runs(script: Path, tmp_path: Path) -> None:
    done = python(script, cwd=tmp_path)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("module", DOCUMENTED)
def test_the_examples_of_a_module_run(module: str, tmp_path: Path) -> None:
    assert examples_in(DOCUMENTED[module])
    done = python("-P", RUNNER, module, cwd=tmp_path)
    assert done.returncode == 0, done.stdout


def test_there_are_examples() -> None:
    assert "python" in {block.language for block in blocks(PAGES[0].read_text(encoding="utf-8"))}
    assert SCRIPTS
    assert DOCUMENTED


def test_docstrings_hold_doctests_only() -> None:
    """A fenced block in a docstring would not run."""
    fenced = [
        name for name, path in modules().items() if "```py" in path.read_text(encoding="utf-8")
    ]
    assert fenced == []
