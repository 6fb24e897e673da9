"""The table that the command prints, and the same figures as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from benchmarks.contestant import BY_HAND, OURS
from benchmarks.measure import Line, named
from benchmarks.startup import IMPORT_TARGET, PLAN_TARGET

_GROWTH: Final = (
    "insert one",
    "get by key",
    "status + country, indexed, all",
    "range + sort desc + first 20",
)
_GROWTH_TARGET: Final = 1.3
# (operation, contestant): docmap must be so many times faster, at 10,000 documents on SQLite.
_FASTER: Final[dict[tuple[str, str], float]] = {
    ("load all, per document", "SQLAlchemy"): 2,
    ("range + sort desc + first 20", "SQLAlchemy"): 25,
    ("range + sort desc + first 20", "peewee"): 25,
    ("insert one", "TinyDB"): 50,
    ("status + country, indexed, all", "TinyDB"): 0,
    ("range + sort desc + first 20", "TinyDB"): 100,
    ("get by key", "TinyDB"): 100,
    ("count of the indexed query", "TinyDB"): 100,
}


def table(lines: Sequence[Line]) -> Iterator[str]:
    """One Markdown table for each engine and size."""
    for engine, documents in dict.fromkeys((line.engine, line.documents) for line in lines):
        chosen = named(lines, engine, documents)
        others = [name for name in _names(chosen) if name not in {OURS, BY_HAND}]
        heads = ["operation", OURS, BY_HAND, "ratio", "at most", "", *others]
        yield f"\n{engine}, {documents:,} documents\n"
        yield from _markdown(heads, [_row(line, others) for line in chosen])


def faster(lines: Sequence[Line]) -> Iterator[str]:
    """How many times faster docmap is than what users would pick instead."""
    rows = []
    for line in named(lines, "sqlite", 10_000):
        for (operation, name), wanted in _FASTER.items():
            ours, theirs = line.median(OURS), line.median(name)
            if operation == line.operation.name and ours and theirs:
                times = theirs / ours
                rows.append(
                    [operation, name, f"{times:.1f}x", _least(wanted), _verdict(wanted, times)]
                )
    if rows:
        yield "\ndocmap on SQLite beside other libraries, 10,000 documents\n"
        yield from _markdown(["operation", "than", "faster", "at least", ""], rows)


def growth(lines: Sequence[Line]) -> Iterator[str]:
    """What an operation costs at 100,000 documents over what it costs at 10,000."""
    rows: list[list[str]] = []
    for engine in dict.fromkeys(line.engine for line in lines):
        large = {line.operation.name: line for line in named(lines, engine, 100_000)}
        rows += [
            _grown(small, large[small.operation.name])
            for small in named(lines, engine, 10_000)
            if small.operation.name in _GROWTH and large
        ]
    if rows:
        yield "\ngrowth from 10,000 to 100,000 documents (the indexed query: for each one found)\n"
        yield from _markdown(["engine", "operation", OURS, BY_HAND, "at most", ""], rows)


def startup(
    imported: tuple[float, float], planned: dict[str, tuple[float, float]]
) -> Iterator[str]:
    """What it costs before a statement reaches an engine."""
    rows = [["import docmap, over pydantic", *_limit(imported[0], IMPORT_TARGET)]]
    rows.append(["import docmap, its names used", _time(imported[1]), "", ""])
    for engine, (plan, whole) in planned.items():
        rows.append([f"plan a query of a known shape, {engine}", *_limit(plan, PLAN_TARGET)])
        rows.append([f"build and plan it, {engine}", _time(whole), "", ""])
    yield "\nbefore the engine\n"
    yield from _markdown(["", OURS, "at most", ""], rows)


def data(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """The lines as JSON: every sample in seconds."""
    return [
        {
            "engine": line.engine,
            "documents": line.documents,
            "operation": line.operation.name,
            "seconds": line.seconds,
            "ratio": line.ratio,
            "target": line.target,
            "reached": line.reached,
        }
        for line in lines
    ]


def _names(lines: Sequence[Line]) -> list[str]:
    return list(dict.fromkeys(name for line in lines for name in line.seconds))


def _row(line: Line, others: Sequence[str]) -> list[str]:
    ratio, target = line.ratio, line.target
    return [
        line.operation.name,
        _time(line.median(OURS)),
        _time(line.median(BY_HAND)),
        f"{ratio:.2f}x" if ratio is not None else "",
        f"{target}x" if target is not None else "",
        {True: "reached", False: "MISSED", None: ""}[line.reached],
        *(_time(line.median(name)) for name in others),
    ]


def _grown(small: Line, large: Line) -> list[str]:
    found = []
    for name in (OURS, BY_HAND):
        before, after = small.median(name), large.median(name)
        times = after / before if after and before else 0.0
        found.append(times / 10 if "indexed, all" in small.operation.name else times)
    return [
        small.engine,
        small.operation.name,
        *(f"{times:.2f}x" for times in found),
        f"{_GROWTH_TARGET}x",
        "reached" if found[0] <= _GROWTH_TARGET else "MISSED",
    ]


def _limit(seconds: float, target: float) -> list[str]:
    return [_time(seconds), _time(target), "reached" if seconds <= target else "MISSED"]


def _least(wanted: float) -> str:
    return f"{wanted:g}x" if wanted else ""


def _verdict(wanted: float, times: float) -> str:
    if not wanted:
        return ""
    return "reached" if times >= wanted else "MISSED"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.2f} {unit}"
    return f"{seconds * 1e6:.1f} us"


def _markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(row[i]) for row in (heads, *rows)) for i in range(len(heads))]

    def line(cells: Sequence[str]) -> str:
        padded = (
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return f"| {' | '.join(padded)} |"

    yield line(heads)
    yield line(["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])])
    yield from map(line, rows)
