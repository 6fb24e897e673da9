"""Counts, sums, means and groups, by the engine or by docmap, are those of the reference."""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import Decimal
from functools import partial
from typing import Any, Final

import pytest

from docmap import Avg, BaseStorageAdapter, Collect, Count, First, Last, Max, Min, Sum
from docmap.testing.answers import exact, outcome, reference
from docmap.testing.corpus import INDEXED, PLAIN, fill
from docmap.testing.pools import PLACES

_WRITERS: Final = {
    "plain": (PLAIN, True),
    "indexed": (INDEXED, True),
    "indexed, one class": (INDEXED, False),
}
_CONDITIONS: Final[tuple[dict[str, Any], ...]] = (
    {},
    {"whole__gte": 1},
    {"word__istartswith": "a"},
    {"whole__between": (3, 4)},
)
_SUMMED: Final = ("whole", "ratio", "price", "span")
_GROUPED: Final = ("flag", "whole", "ratio", "price", "word", "day", "colour", "uid", "thing")


def _same(mine: Any, right: Any) -> bool:
    """True if both rows are equal in values and types; floats to a relative 1e-12."""
    if isinstance(mine, str) or isinstance(right, str) or len(mine) != len(right):
        return bool(mine == right)
    for one, other in zip(mine, right, strict=True):
        if type(one) is float and type(other) is float:
            if not math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-300):
                return False
        elif exact(one) != exact(other):
            return False
    return True


def _rows(found: Iterable[Any]) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in found]


@pytest.mark.parametrize("writers", _WRITERS)
def test_aggregates_of_all(db: BaseStorageAdapter, writers: str) -> None:
    of, foreign = _WRITERS[writers]
    fill(db, of, foreign=foreign)
    oracle = reference(of, foreign=foreign)
    wrong = []
    for conditions in _CONDITIONS:
        for place in PLACES:
            if not place.sorts or place.name == "thing":
                continue
            field = place.field
            functions: dict[str, Any] = {
                "n": Count(),
                "some": Count(field),
                "different": Count(field, distinct=True),
                "low": Min(field),
                "high": Max(field),
            }
            if place.names == (place.name,) and place.name in _SUMMED and not foreign:
                functions |= {"total": Sum(field), "mean": Avg(field)}
                if place.name == "ratio" and not conditions:
                    functions = {"n": Count(), "low": Min(field)}  # its sum is not finite
            right, mine = (
                outcome(partial(one.find(of.model, **conditions).aggregate, **functions))
                for one in (oracle, db)
            )
            if not _same(mine, right):
                wrong.append(f"{place.names} {conditions}: {mine!r} instead of {right!r}")
    assert wrong == []


@pytest.mark.parametrize("writers", _WRITERS)
def test_groups(db: BaseStorageAdapter, writers: str) -> None:
    of, foreign = _WRITERS[writers]
    fill(db, of, foreign=foreign)
    oracle = reference(of, foreign=foreign)
    wrong = []
    for conditions in _CONDITIONS:
        for name in _GROUPED:
            right, mine = (
                _rows(
                    one.find(of.model, **conditions)
                    .group_by(name)
                    .aggregate(n=Count(), low=Min("id"), high=Max("word"))
                )
                for one in (oracle, db)
            )
            if exact(mine) != exact(right):
                wrong.append(f"{name} {conditions}: {mine!r} instead of {right!r}")
    assert wrong == []


def test_sums_are_exact(db: BaseStorageAdapter) -> None:
    rows: list[dict[str, Any]] = [
        {"id": "a", "g": 1, "n": 2**62, "d": Decimal("0.1"), "f": 0.1},
        {"id": "b", "g": 1, "n": 2**62, "d": Decimal("0.2"), "f": 0.2},
        {"id": "c", "g": 2, "n": 2**62, "d": Decimal("1E+20"), "f": 0.3},
        {"id": "d", "g": None, "n": None, "d": None, "f": None},
        {"id": "e"},
    ]
    db.insert_many("sums", rows)
    found = db.find("sums").aggregate(n=Sum("n"), d=Sum("d"), f=Sum("f"), mean=Avg("n"), c=Count())
    assert found.n == 3 * 2**62
    assert found.d == Decimal("100000000000000000000.3")
    assert math.isclose(found.f, 0.6)
    assert found.mean == float(2**62)
    assert found.c == 5
    groups = _rows(db.find("sums").group_by("g").aggregate(n=Sum("n"), c=Count()))
    assert groups == [(None, 0, 2), (1, 2**63, 2), (2, 2**62, 1)]


def test_aggregates_of_nothing(db: BaseStorageAdapter) -> None:
    found = db.find("nothing").aggregate(
        n=Count(), total=Sum("a"), mean=Avg("a"), low=Min("a"), all=Collect("a")
    )
    assert tuple(found) == (0, 0, None, None, [])
    assert _rows(db.find("nothing").group_by("a").aggregate(n=Count())) == []


def test_first_last_and_collect_follow_the_order(db: BaseStorageAdapter) -> None:
    rows = [{"id": f"{n:02}", "g": n % 2, "v": None if n == 4 else n * 7 % 10} for n in range(10)]
    db.insert_many("rows", rows)
    by_value = sorted(rows, key=lambda row: (row["v"] is not None, row["v"], row["id"]))
    found = (
        db.find("rows")
        .order_by("v")
        .group_by("g")
        .aggregate(first=First("id"), last=Last("id"), every=Collect("v"))
    )
    for group, first, last, every in found:
        mine = [row for row in by_value if row["g"] == group]
        assert (first, last) == (mine[0]["id"], mine[-1]["id"])
        assert every == [row["v"] for row in mine]
    assert db.find("rows").aggregate(first=First("v")).first == 0


def test_aggregates_see_the_slice(db: BaseStorageAdapter) -> None:
    db.insert_many("rows", [{"id": f"{n:02}", "n": n} for n in range(20)])
    assert db.find("rows").order_by("-n")[2:5].aggregate(s=Sum("n"), c=Count()) == (48, 3)
