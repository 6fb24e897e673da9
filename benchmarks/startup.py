"""What docmap costs before a statement reaches an engine: its import, and planning a query."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
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
print(perf_counter() - base, base - start)
"""
_CALLS: Final = 500


def import_seconds(repeat: int, tell: Callable[[str], None]) -> float:
    """The median seconds that `import docmap` takes once pydantic is there and was used."""
    found = []
    for number in range(repeat):
        tell(f"import docmap {number + 1}/{repeat}")
        ran = subprocess.run(
            [sys.executable, "-c", _IMPORTS], check=True, capture_output=True, text=True
        )
        found.append(float(ran.stdout.split()[0]))
    return median(found)


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
