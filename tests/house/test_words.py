"""No file of the project names a machine or leaves a note to itself; every module says what it is.

The patterns are written so that they do not match themselves.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.house.tree import ROOT, tracked

FORBIDDEN: Final = {
    "the path of one machine": re.compile(r"(?<![\w.~:/}])/(?:home|root|work|Users|mnt)/\w"),
    "an unfinished place": re.compile(r"\b(?:TO[D]O|FIX[M]E|XX[X])\b"),
    "a skipped test": re.compile(r"\bpytest\.(?:mark\.)?skip"),
    "a swallowed error": re.compile(r"except(?: (?:Base)?Exception)?:\s*pass\b"),
}


def findings(name: str, text: str) -> Iterator[str]:
    """What must not stand in the file `name`, each as a line."""
    for what, pattern in FORBIDDEN.items():
        for match in pattern.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            yield f"{name}:{line}: {what}: {match.group()}"
    if name.endswith(".py") and text and not ast.get_docstring(ast.parse(text, name)):
        yield f"{name}:1: begins without a sentence that says what it is for"


def test_the_files_of_the_project_are_clean() -> None:
    files = tracked()
    assert ROOT / "setup.cfg" in files
    assert [line for path in files for line in findings(_name(path), _text(path))] == []


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _text(path: Path) -> str:
    """The text of a file; nothing for data that is not text."""
    data = path.read_bytes()
    return "" if b"\0" in data else data.decode(errors="replace")


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("a.md", "see /ho~me/ann/x", "a.md:1: the path of one machine: /ho~me/a"),
        ("a.cfg", "\n# TO~DO: later", "a.cfg:2: an unfinished place: TO~DO"),
        ("a.md", "@pytest.mark.sk~ip", "a.md:1: a skipped test: pytest.mark.sk~ip"),
        ("a.md", "except:\n  pa~ss", "a.md:1: a swallowed error: except:\n  pa~ss"),
        ("a.py", "x = 1\n", "a.py:1: begins without a sentence that says what it is for"),
    ],
)
def test_what_must_not_stand_there_is_found(name: str, text: str, found: str) -> None:
    # The samples are cut in two, so that they may stand in this file.
    assert list(findings(name, text.replace("~", ""))) == [found.replace("~", "")]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.md", "sqlite:///home/x.db or https://host/work/file or ~/home/x"),
        ("a.py", '"""One sentence."""\n'),
        ("empty/__init__.py", ""),
    ],
)
def test_what_may_stand_there_is_not_reported(name: str, text: str) -> None:
    assert list(findings(name, text)) == []
