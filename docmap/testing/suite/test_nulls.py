"""Null, missing, empty and false are four things; what a document lacks is in no answer twice."""

from __future__ import annotations

from typing import Any, Final

import pytest

from docmap import BaseStorageAdapter, Document, Q

_ROWS: Final[list[dict[str, Any]]] = [
    {"id": "value", "n": 1, "t": "x", "l": ["x"], "o": {"k": 1}},
    {"id": "null", "n": None, "t": None, "l": None, "o": None},
    {"id": "missing"},
    {"id": "empty", "n": 0, "t": "", "l": [], "o": {}},
    {"id": "inner null", "n": 2, "t": "null", "l": [None], "o": {"k": None}},
    {"id": "false", "n": False, "t": False, "l": False, "o": False},
]
_CASES: Final[dict[str, tuple[Any, set[str]]]] = {
    "n=None": (lambda: Q(n=None), {"null", "missing"}),
    "n=0": (lambda: Q(n=0), {"empty"}),
    "n=False": (lambda: Q(n=False), {"false"}),
    "n is null": (lambda: Q(n__is_null=True), {"null", "missing"}),
    "n is not null": (
        lambda: Q(n__is_null=False),
        {"value", "empty", "inner null", "false"},
    ),
    "n exists": (lambda: Q(n__exists=True), {"value", "null", "empty", "inner null", "false"}),
    "n does not exist": (lambda: Q(n__exists=False), {"missing"}),
    "n in (None, 1)": (lambda: Q(n__in=[None, 1]), {"null", "missing", "value"}),
    "n not in (None, 1)": (lambda: Q(n__not_in=[None, 1]), {"empty", "inner null", "false"}),
    "n in ()": (lambda: Q(n__in=[]), set()),
    "n != 1": (
        lambda: Q(n__not_equals=1),
        {"null", "missing", "empty", "inner null", "false"},
    ),
    "not n > 0": (lambda: ~Q(n__gt=0), {"null", "missing", "empty", "false"}),
    "n >= 0": (lambda: Q(n__gte=0), {"value", "empty", "inner null"}),
    "n < 1": (lambda: Q(n__lt=1), {"empty"}),
    "t=''": (lambda: Q(t=""), {"empty"}),
    "t='null'": (lambda: Q(t="null"), {"inner null"}),
    "t starts with ''": (lambda: Q(t__startswith=""), {"value", "empty", "inner null"}),
    "not t contains x": (
        lambda: ~Q(t__contains="x"),
        {"null", "missing", "empty", "inner null", "false"},
    ),
    "l=[]": (lambda: Q(l=[]), {"empty"}),
    "l has size 0": (lambda: Q(l__size=0), {"empty"}),
    "l contains None": (lambda: Q(l__contains=None), {"inner null"}),
    "all of l": (lambda: Q(l__all=Q(equals="x")), {"value", "empty"}),
    "any of l": (lambda: Q(l__any=Q(equals="x")), {"value"}),
    "l contains all of nothing": (
        lambda: Q(l__contains_all=[]),
        {"value", "empty", "inner null"},
    ),
    "l contains any of nothing": (lambda: Q(l__contains_any=[]), set()),
    "o={}": (lambda: Q(o={}), {"empty"}),
    "o.k=None": (
        lambda: Q(o__k=None),
        {"null", "missing", "empty", "inner null", "false"},
    ),
    "o.k exists": (lambda: Q(o__k__exists=True), {"value", "inner null"}),
}


@pytest.mark.parametrize("case", _CASES)
def test_null_and_missing(db: BaseStorageAdapter, case: str) -> None:
    db.insert_many("rows", _ROWS)
    condition, wanted = _CASES[case]
    assert {row["id"] for row in db.find("rows", condition())} == wanted
    assert db.find("rows", condition()).count() == len(wanted)
    every = {row["id"] for row in _ROWS}
    assert {row["id"] for row in db.find("rows").where_not(condition())} == every - wanted


def test_null_is_written_and_missing_is_not(db: BaseStorageAdapter) -> None:
    class Short(Document, collection="short"):
        a: int | None = None

    class Longer(Document, collection="short"):
        a: int | None = None
        b: str | None = None

    Short(id="short").save(db)
    Longer(id="long").save(db)
    assert [one.id for one in db.find(Longer, b__exists=False)] == ["short"]
    assert {one.id for one in db.find(Longer, b=None)} == {"short", "long"}
    assert {row["id"]: "b" in row for row in db.find(Longer).raw()} == {
        "short": False,
        "long": True,
    }


def test_nulls_come_first_and_last(db: BaseStorageAdapter) -> None:
    db.insert_many("rows", [row for row in _ROWS if row["id"] in {"value", "null", "missing"}])
    found = [row["id"] for row in db.find("rows").order_by("n")]
    assert found == ["missing", "null", "value"]
    assert [row["id"] for row in db.find("rows").order_by("-n")] == found[::-1]
    assert db.find("rows").values("n") == [1]
    assert db.find("rows").values("n", nulls=True) == [None, 1]
