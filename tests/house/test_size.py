"""No file of the packages is longer than a reader wants to hold in mind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tests.house.tree import ROOT, modules

CEILING: Final = 400
EXCEPTIONS: Final[Mapping[str, str]] = {}  # path: the reason why it cannot be two rooms


def too_long(lines: Mapping[str, int], exceptions: Mapping[str, str]) -> list[str]:
    """What is over the ceiling without a reason, and reasons that are not needed any more."""
    over = {path for path, count in lines.items() if count > CEILING}
    return [
        *(f"{path}: {lines[path]} lines" for path in sorted(over - exceptions.keys())),
        *(f"{path}: needs no exception" for path in sorted(exceptions.keys() - over)),
    ]


def test_no_file_is_over_the_ceiling() -> None:
    files = modules().values()
    lines = {
        path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in files
    }
    assert too_long(lines, EXCEPTIONS) == []


def test_a_long_file_and_a_stale_exception_are_found() -> None:
    lines = {"long.py": 401, "excused.py": 500, "short.py": 400}
    reasons = {"excused.py": "one table", "short.py": "was long once"}
    assert too_long(lines, reasons) == ["long.py: 401 lines", "short.py: needs no exception"]
