"""What docmap costs before a statement reaches an engine: its import, and planning a query."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Final

from benchmarks.workload import COUNTRIES, STATUSES, Order
from docmap import connect

IMPORT_TARGET: Final = 0.015
PLAN_TARGET: Final = 15e-6

_IMPORTS: Final = """
from time import perf_counter
start = perf_counter()
from pydantic import BaseModel
class Empty(BaseModel): pass
base = perf_counter()
import docmap
imported = perf_counter()
from docmap import Document, Index, connect
print(imported - base, perf_counter() - base)
"""
_CALLS: Final = 500


def import_seconds(
    directory: Path, repeat: int, tell: Callable[[str], None]
) -> tuple[float, float]:
    """The median seconds that `import docmap` takes, and together with its names.

    pydantic is there before and was used; docmap loads its names when they are first used.
    """
    # Compiled files are kept where the environment forbids them too: users have them.
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(directory / "compiled")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    found = []
    for number in range(repeat + 1):
        tell(f"import docmap {number}/{repeat}")
        ran = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-c", _IMPORTS],
            check=True,
            capture_output=True,
            text=True,
            env=environment,
        )
        found.append([float(number) for number in ran.stdout.split()])
    alone, with_names = zip(*found[1:], strict=True)
    return median(alone), median(with_names)


def plan_seconds(url: str, repeat: int) -> tuple[float, float]:
    """The median seconds to plan a query whose shape was seen before, and to build and plan it."""
    planned, both = [], []
    wanted = [(STATUSES[n % 5], COUNTRIES[n % 10]) for n in range(_CALLS)]
    with connect(url) as db:
        db.ensure_indexes(Order)
        for _ in range(repeat):
            start = perf_counter()
            queries = [db.find(Order, status=s, customer__country=c) for s, c in wanted]
            built = perf_counter()
            for query in queries:
                query._plan()
            end = perf_counter()
            planned.append((end - built) / _CALLS)
            both.append((end - start) / _CALLS)
    return median(planned), median(both)
