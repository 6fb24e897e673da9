"""A page whose example fails does fail, and the examples of a page share what they define."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.pages import Block, blocks, commands, same_output
from tests.house.test_examples import RUNNER

DOCMAP = """#!/bin/sh
echo "docmap was told: $*"
exit $#
"""


@pytest.fixture(autouse=True)
def programs(tmp_path: Path) -> None:
    """A directory with a `docmap` that says what it was told and counts it in its exit code."""
    folder = tmp_path / "programs"
    folder.mkdir()
    (folder / "docmap").write_text(DOCMAP)
    (folder / "docmap").chmod(0o755)


def run(folder: Path, target: str | Path) -> subprocess.CompletedProcess[str]:
    path = f"{folder / 'programs'}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [sys.executable, "-P", "-W", "error", RUNNER, target],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder), "PATH": path},
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def page(folder: Path, *parts: str) -> Path:
    """A page of blocks, each given as its language and its text."""
    fenced = [f"```{part.strip()}\n```\n" for part in parts]
    path = folder / "page.md"
    path.write_text("# A page\n\n" + "\nSome words.\n\n".join(fenced))
    return path


def test_the_blocks_of_a_page_are_one_program(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        page(
            tmp_path,
            "python\nimport pickle\nclass A: pass\na = 1",
            "pycon\n>>> a + 1\n2\n>>> b = 5",
            "python title\nassert b == 5\nassert type(pickle.loads(pickle.dumps(A()))) is A",
            "text\nnot Python",
            "\nnot Python either",
            "console\n$ docmap find a \\\n    b\ndocmap was told: ... b\n$ rm page.md\nfile gone",
        ),
    )
    assert done.returncode == 0, done.stdout
    assert done.stdout.endswith("4 ran\n")


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ("python\nassert 1 == 2", 'page.md", line 4'),
        ("python\nx = ", "SyntaxError"),
        ("python\nimport warnings; warnings.warn('old', DeprecationWarning)", "old"),
        ("pycon\n>>> 1\n2", "page.md:4: 1 examples failed"),
        ("console\n$ docmap\nanother text", "page.md:4: $ docmap"),
        ("console\n$ docmap\n", "page.md:4: $ docmap"),
        ("console\n$ docmap one > file", "exit code 1"),
    ],
)
def test_an_example_that_is_not_true_fails(tmp_path: Path, block: str, message: str) -> None:
    done = run(tmp_path, page(tmp_path, block))
    assert done.returncode == 1
    assert message in done.stdout


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ('"""\n>>> 1\n2\n"""', "1 examples failed"),
        ('def f():\n    def g():\n        """\n        >>> 1\n        1\n        """', "0 of 1"),
    ],
)
def test_a_docstring_that_is_not_true_fails(tmp_path: Path, source: str, message: str) -> None:
    (tmp_path / "module.py").write_text(source)
    done = run(tmp_path, "module")
    assert done.returncode == 1
    assert message in done.stdout


def test_a_docstring_that_is_true_passes(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text('"""\n>>> print(*range(99))\n0 1 ... 98\n"""')
    assert run(tmp_path, "module").stdout == "module: 1 ran\n"


def test_an_indented_block_is_found() -> None:
    text = "- item\n\n  ```python\n  if x:\n      y\n  ```\n"
    assert list(blocks(text)) == [Block("python", "if x:\n    y\n", 4)]


def test_only_commands_of_docmap_are_run() -> None:
    block = Block("console", "$ ls\na\n$ docmap-other\n$ docmap x\none\n\ntwo\n$ docmap y\n", 10)
    assert [(c.text, c.output, c.line) for c in commands(block)] == [
        ("docmap x", "one\n\ntwo\n", 13),
        ("docmap y", "", 17),
    ]


def test_outputs_are_compared_without_blanks_at_the_ends() -> None:
    assert same_output("a\n...\nz", "a  \nb\nz\n\n")
    assert not same_output("a\nz", "a\nb\nz")
