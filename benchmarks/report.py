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
# How many times faster docmap must be on an engine, by size, operation and contestant; 0 where it
# is only told.
_TINYDB: Final[dict[str, float]] = {
    "insert one": 50,
    "get by key": 100,
    "status + country, indexed, all": 0,
    "range + sort desc + first 20": 100,
    "count of the indexed query": 100,
}
_MONGO_LIKE: Final[dict[str, float]] = {**_TINYDB, "insert one": 100}
_FASTER: Final[dict[tuple[str, int], dict[str, dict[str, float]]]] = {
    ("sqlite", 10_000): {
        "SQLAlchemy": {"load all, per document": 2, "range + sort desc + first 20": 25},
        "peewee": {"range + sort desc + first 20": 25},
        "TinyDB": _TINYDB,
    },
    ("postgresql", 10_000): {"SQLAlchemy async": {"load all, per document": 2}},
    ("mongodb", 10_000): {
        "MongoEngine": {"load all, per document": 8},
        "Beanie": {"load all, per document": 1.8},
    },
    ("tinydb", 5_000): {"TinyMongo": _MONGO_LIKE},
    ("tinydb", 10_000): {
        "TinyDB": _TINYDB,
        "TinyDB cached": dict.fromkeys(_TINYDB, 0.0),
        "MontyDB": dict.fromkeys(_TINYDB, 0.0),
        "TinyMongo": dict.fromkeys(_TINYDB, 0.0),
    },
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
    for (engine, documents), wanted in _FASTER.items():
        rows = [
            _beside(line, name, times[line.operation.name])
            for line in named(lines, engine, documents)
            for name, times in wanted.items()
            if line.operation.name in times and line.median(name) and line.median(OURS)
        ]
        if rows:
            yield f"\ndocmap on {engine} beside other libraries, {documents:,} documents\n"
            yield from _markdown(["operation", "than", "faster", "at least", ""], rows)


def _beside(line: Line, name: str, wanted: float) -> list[str]:
    times = (line.median(name) or 0.0) / (line.median(OURS) or 1.0)
    return [line.operation.name, name, f"{times:.1f}x", _least(wanted), _verdict(wanted, times)]


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
    widths = [max(2, *(len(row[i]) for row in (heads, *rows))) for i in range(len(heads))]

    def line(cells: Sequence[str]) -> str:
        padded = (
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return f"| {' | '.join(padded)} |"

    yield line(heads)
    yield line(["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])])
    yield from map(line, rows)
