"""The tree passes ruff: the rules of pyproject.toml, and the one way to lay out code."""

from __future__ import annotations

import subprocess
import sys

from tests.house.tree import ROOT


def ruff(*arguments: str, code: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run ruff with the settings of this repository, on the tree or on `code`."""
    return subprocess.run(
        [sys.executable, "-m", "ruff", *arguments],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        input=code,
    )


def test_the_rules_hold() -> None:
    result = ruff("check", "--output-format=concise")
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_layout_holds() -> None:
    result = ruff("format", "--check")
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_broken_rule_is_found() -> None:
    result = ruff(
        "check", "--output-format=concise", "--stdin-filename=docmap/query/bad.py", "-",
        code='"""A module."""\n\nimport pickle\n\npickle.loads(b"")\n',
    )  # fmt: skip
    assert "S301" in result.stdout
    assert result.returncode == 1


def test_another_layout_is_found() -> None:
    result = ruff("format", "--check", "--stdin-filename=docmap/bad.py", "-", code="x = 'y'\n")
    assert result.returncode == 1
